"""Drift detectors in the loop: which there are, and one for every replica of a population.

A detector reads one number a sample: whether the learner was wrong about it, or its log loss, both
from before the learner learned from it. Shape letters: R replicas, B samples of a step.
"""

from __future__ import annotations

import inspect
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
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

    def update(self, value: float) -> bool:
        """Take one more; whether that raises an alarm."""
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

    def update(self, value: float) -> bool:
        self.newest.append(value)
        self.total, self.count = self.total + value, self.count + 1
        self.detector.update(value)
        if not self.detector.drift_detected:
            return False
        risen = sum(self.newest) / len(self.newest) > self.total / self.count
        self.total, self.count = 0.0, 0
        return risen or self.direction == "both"


@dataclass
class _At:
    """Raises alarms at given places, counted from 1."""

    places: frozenset[int]
    period: int = 0
    count: int = 0

    def update(self, value: float) -> bool:
        self.count += 1
        return self.count in self.places or bool(self.period and self.count % self.period == 0)


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

    def update(self, errors: Tensor, losses: Tensor, counts: Tensor) -> list[Alarm]:
        """Samples `[R, B]` of a step, of which those that count are read in order."""
        alarms = []
        whole = bool(counts.all())
        rows = zip(errors.tolist(), losses.tolist(), counts.tolist(), strict=True)
        for replica, (error, loss, chosen) in enumerate(rows):
            if not whole:
                error, loss = (list(compress(values, chosen)) for values in (error, loss))
            self._errors[replica].extend(int(value) for value in error)
            self._losses[replica].extend(loss)
            alarms += self._read(replica, error, loss)
        return alarms

    def _read(self, replica: int, errors: list[float], losses: list[float]) -> list[Alarm]:
        """At most one alarm of each part."""
        alarms = []
        start = self._position[replica]
        for part, watch in self.watches.items():
            values = losses if watch.signal == "loss" else errors
            update = self._detectors[part][replica].update
            raised = [n for n, value in enumerate(values, start + 1) if update(value)]
            if raised:
                alarms.append(Alarm(part, replica, raised[0]))
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
