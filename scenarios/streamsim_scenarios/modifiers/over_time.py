"""What modifiers share that act by a schedule: how strong they are at every sample of a stream.

The same options as drifting streams have, with levels in place of concepts. Time counts training
samples, so their order is drawn once and kept. Test samples of an experience stand at its end.

Shape letters: N samples, K levels in the order in which they appear, E experiences.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal, Self

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.modifiers import feature_of, in_time, labels_of, mark, marked_view
from streamsim.stream import Replica, Stream, Tables
from streamsim_scenarios.takeovers import Kinds, Takeovers, check, check_length, evenly

STEPS = 1000  # between two levels that turn into one another


@dataclass(frozen=True, kw_only=True)
class OverTime:
    """A level takes over from another, as concepts do in drifting streams.

    A modifier defines `_inputs`, or `_labels` if that is what it acts on. Level 0 must change
    nothing: samples that `only` and `region` leave out have it.
    """

    name: ClassVar[str] = ""
    acts_on: ClassVar[Literal["inputs", "labels"]] = "inputs"
    images_only: ClassVar[bool] = False

    levels: tuple[float, ...] = Field(
        default=(0.0, 1.0), min_length=1, description="how strong, in order of appearance"
    )
    positions: tuple[int, ...] | None = Field(
        default=None,
        description="training samples at which the next level takes over; none: evenly spaced",
    )
    widths: tuple[int, ...] | None = Field(
        default=(0,),
        min_length=1,
        description="samples that a takeover lasts, one for all or one for each; 0: abrupt; none: "
        "evenly spaced takeovers follow on one another",
    )
    drift: Kinds = Field(
        default=("gradual",),
        description="gradual: both levels occur for a while; incremental: one turns into the "
        "other; one for all takeovers or one for each",
    )
    only: tuple[int, ...] | None = Field(
        default=None, min_length=1, description="labels of samples that change; none: all"
    )
    region: tuple[float, ...] | None = Field(
        default=None,
        min_length=3,
        max_length=3,
        description="feature,low,high: only samples whose feature lies from low to high change; "
        "none: all",
    )

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        num = len(self.levels)
        positions = range(1, num) if self.positions is None else self.positions
        widths = (0,) if self.widths is None else self.widths
        check(positions, widths, self.drift, num, "levels")
        if self.region is not None and self.region[1] > self.region[2]:
            shown = ",".join(f"{number:g}" for number in self.region)
            raise ValueError(f"region={shown}: low is above high; swap them")
        return self

    def modify(self, stream: Stream) -> Stream:
        self._check_stream(stream)

        def draw(key: Tensor) -> Replica:
            own = draws.fold(key, self.name)
            replica = in_time(stream, own, stream.draw(key))
            train, test = self._marks(own, stream, replica)
            marked = mark(replica, self._radix, train, test)
            return replace(
                marked,
                tables=self._with(replica.tables, self._tables(own, stream)),
                drifts=sorted({*replica.true_drifts(), *self._takeovers(replica).begins()}),
            )

        def labels(y: Tensor, mark: Tensor) -> Tensor:
            return self._labels(y, self._level(mark), stream.spec.num_classes)

        on_labels = self.acts_on == "labels"
        view = marked_view(
            stream.view,
            self._radix,
            change_inputs=None if on_labels else self._change_inputs,
            change_labels=labels if on_labels else None,
            tell=lambda mark: {self.name: self._level(mark)},
        )
        pool = self._with(stream.pool, self._shared(stream))
        spec = replace(stream.spec, ordered=True)
        return replace(stream, spec=spec, pool=pool, view=view, draw=draw)

    def _with(self, tables: Tables, own: Tables) -> Tables:
        return {**tables, **{f"{self.name}/{name}": table for name, table in own.items()}}

    def _check_stream(self, stream: Stream) -> None:
        num_classes, shape = stream.spec.num_classes, stream.spec.input_shape
        outside = [label for label in self.only or () if not 0 <= label < num_classes]
        if outside:
            raise ValueError(
                f"{self.name}: only={outside[0]}: labels run from 0 to {num_classes - 1}"
            )
        number = math.prod(shape)
        if self.region is not None and self.region[0] not in range(number):
            raise ValueError(
                f"{self.name}: region begins with feature {self.region[0]:g}; choose 0 to "
                f"{number - 1}"
            )
        if self.images_only and len(shape) != 3:
            raise ValueError(
                f"{self.name} needs images of shape (channels, height, width); the inputs of this "
                f"stream have the shape {shape}"
            )
        if self.positions:  # refused now rather than when a replica is drawn
            self._takeovers(stream.draw(torch.tensor(0)))

    # -- what a modifier defines -----------------------------------------------------------------
    def _tables(self, key: Tensor, stream: Stream) -> Tables:
        """What the modifier draws for a replica."""
        return {}

    def _shared(self, stream: Stream) -> Tables:
        """What all replicas share."""
        return {}

    def _inputs(self, tables: Tables, x: Tensor, ids: Tensor, level: Tensor) -> Tensor:
        """Inputs `[N, ...]` at levels `[N]` float32, with the `_tables` and what is `_shared`."""
        raise AssertionError

    def _labels(self, y: Tensor, level: Tensor, num_classes: int) -> Tensor:
        """Labels of any shape at levels of that shape, float64."""
        raise AssertionError

    # -- time ------------------------------------------------------------------------------------
    def _takeovers(self, replica: Replica) -> Takeovers:
        length = sum(len(e.train) for e in replica.experiences)
        positions = self.positions
        if positions is None:
            positions = evenly(length, len(self.levels))
        check_length(positions, length, f"the {length} training samples of the stream")
        widths = (length // len(self.levels),) if self.widths is None else self.widths
        return Takeovers(positions, widths, self.drift)

    def _marks(
        self, key: Tensor, stream: Stream, replica: Replica
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Places among the levels in steps of 1 / STEPS: of training samples, of test samples."""
        takeovers = self._takeovers(replica)
        sizes = [len(e.train) for e in replica.experiences]
        place_N = takeovers.place(key, torch.arange(sum(sizes)))
        end_E = torch.tensor(list(itertools.accumulate(sizes))) - 1

        def marks(places: Sequence[Tensor], part: Literal["train", "test"]) -> list[Tensor]:
            return [
                torch.where(
                    self._concerns(stream, replica, getattr(e, part)),
                    (STEPS * place).round().to(torch.int64),
                    STEPS * len(self.levels),
                )
                for e, place in zip(replica.experiences, places, strict=True)
            ]

        test = list(takeovers.settled().place(key, end_E))
        return marks(torch.split(place_N, sizes), "train"), marks(test, "test")

    def _concerns(self, stream: Stream, replica: Replica, ids: Tensor) -> Tensor:
        """Which samples `[N]` change at all."""
        concerned = torch.ones(len(ids), dtype=torch.bool)
        if self.only is not None:
            concerned = torch.isin(labels_of(stream, replica, ids), torch.tensor(self.only))
        if self.region is not None:
            feature, low, high = self.region
            x = feature_of(stream, replica, ids, int(feature))
            concerned = concerned & (low <= x) & (x <= high)
        return concerned

    @property
    def _radix(self) -> int:
        return STEPS * len(self.levels) + 1

    def _level(self, mark: Tensor) -> Tensor:
        """Levels float64; that of samples that do not change comes last."""
        levels = torch.tensor([*self.levels, 0.0], dtype=torch.float64, device=mark.device)
        rows = torch.stack([levels, levels.roll(-1)], dim=1)  # the level here, and the next one
        here, following = F.embedding(mark // STEPS, rows).unbind(-1)
        return torch.lerp(here, following, (mark % STEPS).to(torch.float64) / STEPS)

    # -- what the view calls ---------------------------------------------------------------------
    def _change_inputs(self, tables: Tables, x: Tensor, ids: Tensor, mark: Tensor) -> Tensor:
        prefix = f"{self.name}/"
        own = {n.removeprefix(prefix): t for n, t in tables.items() if n.startswith(prefix)}
        return self._inputs(own, x, ids, self._level(mark).to(x.dtype))


def along(number: Tensor, x: Tensor) -> Tensor:
    """Numbers `[N]` in a shape that broadcasts against inputs `[N, ...]`."""
    return number.view(-1, *[1] * (x.ndim - 1))
