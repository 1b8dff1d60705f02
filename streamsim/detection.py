"""Drift detectors in the loop: which there are, and one for every replica of a population.

A detector reads one number a sample: whether the learner was wrong about it, or its log loss, both
from before the learner learned from it. Shape letters: R replicas, B samples of a step.
"""

from __future__ import annotations

import functools
import inspect
import operator
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from streamsim.options import did_you_mean

Trigger = Literal[
    "adwin",
    "kswin",
    "page-hinkley",
    "ddm",
    "eddm",
    "hddm-a",
    "hddm-w",
    "oracle",
    "periodic",
    "never",
]
Signal = Literal["error", "loss"]
Direction = Literal["up", "both"]
RIVER = {
    "adwin": "ADWIN",
    "kswin": "KSWIN",
    "page-hinkley": "PageHinkley",
    "ddm": "binary.DDM",
    "eddm": "binary.EDDM",
    "hddm-a": "binary.HDDM_A",
    "hddm-w": "binary.HDDM_W",
}
BINARY = ("ddm", "eddm", "hddm-a", "hddm-w")  # read errors only
NEWEST = 30  # samples that show whether a change was for the worse


class Watch(NamedTuple):
    """What a part wants to be told of."""

    trigger: Trigger
    options: Mapping[str, float] = {}
    signal: Signal = "error"
    direction: Direction = "up"  # up: a change for the better raises no alarm
    period: int = 1000  # samples between alarms of `periodic`
    recent: int = 0  # samples before an alarm that the part wants to see


class Detector(Protocol):
    """Reads a stream of numbers of one replica."""

    def read(self, values: Sequence[float]) -> list[int]:
        """Take more; the places among them, from 0, at which an alarm was raised."""
        ...


@dataclass
class _River:
    """A detector of river.

    Some of them also speak when errors get rarer, as they do after every reset: a learner that is
    reset for that never gets anywhere. Going up, a detection is an alarm only if the newest values
    are above the mean since the last detection.
    """

    detector: Any
    direction: Direction
    newest: deque[float] = field(default_factory=lambda: deque(maxlen=NEWEST))
    total: float = 0.0
    count: int = 0

    def read(self, values: Sequence[float]) -> list[int]:
        detections, raised, start = [], [], 0
        detector, update = self.detector, self.detector.update
        for place, value in enumerate(values):
            update(value)
            if detector.drift_detected:
                detections.append(place)
        for place in detections:
            self._take(values[start : place + 1])
            risen = sum(self.newest) / len(self.newest) > self.total / self.count
            if risen or self.direction == "both":
                raised.append(place)
            self.total, self.count, start = 0.0, 0, place + 1
        self._take(values[start:])
        return raised

    def _take(self, values: Sequence[float]) -> None:
        self.newest.extend(values)
        self.count += len(values)
        # one after the other: sums must not depend on how many values come at once
        self.total = functools.reduce(operator.add, values, self.total)


@dataclass
class _At:
    """Raises alarms at given places, counted from 1."""

    places: frozenset[int]
    period: int = 0
    count: int = 0

    def read(self, values: Sequence[float]) -> list[int]:
        start, self.count = self.count + 1, self.count + len(values)
        return [count - start for count in range(start, self.count + 1) if self._raises(count)]

    def _raises(self, count: int) -> bool:
        return count in self.places or bool(self.period and count % self.period == 0)


def detector(watch: Watch, drifts: Sequence[int], seed: int) -> Detector:
    """A fresh detector of one replica. Only the trigger `oracle` reads the true drifts: the first
    sample of a new concept raises its alarm. ValueError for an option that a detector lacks."""
    if watch.trigger == "oracle":
        return _At(frozenset(place + 1 for place in drifts))
    if watch.trigger == "periodic":
        return _At(frozenset(), watch.period)
    if watch.trigger == "never":
        return _At(frozenset())
    kind = _river_class(watch.trigger)
    given: dict[str, Any] = dict(watch.options)
    parameters = inspect.signature(kind).parameters
    for name, value in given.items():
        if name not in parameters or name == "seed":
            known = [each for each in parameters if each != "seed"]
            raise ValueError(
                f"detector {watch.trigger} has no option '{name}'; it has {', '.join(known)}"
                f"{did_you_mean(name, known)}"
            )
        if isinstance(parameters[name].default, int) and float(value).is_integer():
            given[name] = int(value)
    if "seed" in parameters:
        given["seed"] = seed
    try:
        return _River(kind(**given), watch.direction)
    except (TypeError, ValueError) as error:
        raise ValueError(f"detector {watch.trigger}: {error}") from None


def _river_class(trigger: str) -> Any:
    from river import drift

    found: Any = drift
    for name in RIVER[trigger].split("."):
        # river renamed HDDM_A and HDDM_W
        found = getattr(found, name, None) or getattr(found, name.replace("_", ""))
    return found


class Alarm(NamedTuple):
    """A detector's alarm."""

    part: str
    replica: int  # its place in the population
    position: int  # samples judged by then


class Monitors:
    """The detectors of a population: host-side, one for each part that watches and each replica."""

    def __init__(
        self, watches: Mapping[str, Watch], drifts: Sequence[Sequence[int]], seeds: Sequence[int]
    ) -> None:
        self.watches = watches
        self._detectors = {
            part: [detector(watch, d, s) for d, s in zip(drifts, seeds, strict=True)]
            for part, watch in watches.items()
        }
        # what every replica was told, to rebuild the detectors of a resumed run
        self._errors = [array("B") for _ in seeds]
        self._losses = [array("f") for _ in seeds]
        self._position = [0] * len(seeds)

    @property
    def read_losses(self) -> bool:
        """Whether any detector reads log losses; nobody remembers them otherwise."""
        return any(watch.signal == "loss" for watch in self.watches.values())

    def read(
        self, errors: Sequence[Sequence[float]], losses: Sequence[Sequence[float]] | None
    ) -> list[Alarm]:
        """Samples of a step, in order, for each replica; at most one alarm of each part."""
        alarms = []
        for replica, row in enumerate(errors):
            self._errors[replica].extend(map(int, row))
            own = [] if losses is None else losses[replica]
            self._losses[replica].extend(own)
            alarms += self._read(replica, row, own)
        return alarms

    def _read(self, replica: int, errors: Sequence[float], losses: Sequence[float]) -> list[Alarm]:
        alarms = []
        start = self._position[replica]
        for part, watch in self.watches.items():
            raised = self._detectors[part][replica].read(
                losses if watch.signal == "loss" else errors
            )
            if raised:
                alarms.append(Alarm(part, replica, start + raised[0] + 1))
        self._position[replica] = start + len(errors)
        return alarms

    def state(self) -> dict[str, Tensor]:
        """What was read so far, by name: small, and no detector needs to be written down."""
        found = {}
        for replica in range(len(self._position)):
            found[f"errors/{replica}"] = torch.tensor(self._errors[replica], dtype=torch.uint8)
            found[f"losses/{replica}"] = torch.tensor(self._losses[replica], dtype=torch.float32)
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Read it all again."""
        for replica in range(len(self._position)):
            errors, losses = (state[f"{name}/{replica}"].tolist() for name in ("errors", "losses"))
            self._errors[replica], self._losses[replica] = array("B", errors), array("f", losses)
            self._read(replica, [float(error) for error in errors], losses)
