"""A data set as one long stream, which drifts as modifiers say.

All classes come at random from the beginning; an experience is no more than a stretch of time, at
whose end the held-out samples look as they do then.

Shape letters: N samples of the pool, B samples of a batch.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from pathlib import Path
from typing import ClassVar, Self, cast

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.data import LabelledData
from streamsim.modifiers import Modifier
from streamsim.stream import Experience, Replica, Stream, StreamSpec, Tables
from streamsim_scenarios.modifiers.brightness import Brightness
from streamsim_scenarios.modifiers.input_noise import InputNoise
from streamsim_scenarios.modifiers.label_swap import LabelSwap
from streamsim_scenarios.modifiers.rotation import Rotation
from streamsim_scenarios.pools import Boundaries, data_of, pool, reveals, rows, with_data
from streamsim_scenarios.takeovers import Kinds, OnlyGradual


@plain_dataclass(frozen=True)
class PoolView:
    """Ids are places in the pool."""

    shape: tuple[int, ...]

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return rows(pool, ids).view(*ids.shape, *self.shape)

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return pool["y"][ids]

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        raise AssertionError("a stream without tasks has no task labels")


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """Your own labelled data in a random order; add modifiers and it drifts.

    A stream longer than the data goes through them again, each time in another order.

    >>> x, y = torch.rand(6, 5), torch.arange(6) % 2
    >>> mine = LabelledData(name="mine", x_train=x, y_train=y, x_test=x, y_test=y, num_classes=2)
    >>> stream = Streamed(n_samples=10, n_experiences=2).on(mine).stream(Path())
    >>> [len(e.train) for e in stream.draw(torch.tensor(7)).experiences]
    [5, 5]
    """

    prequential: ClassVar[bool] = True  # judge learners while they learn
    reference: ClassVar[str] = "Gama et al. 2014, A survey on concept drift adaptation"
    dataset: ClassVar[str] = ""
    own: ClassVar[LabelledData | None] = None

    n_samples: int | None = Field(
        default=None, ge=2, description="length of the stream; none: every sample once"
    )
    n_experiences: int = Field(default=5, ge=1, description="stretches of time")
    boundaries: Boundaries = Field(
        default="hidden", description="whether learners know when one begins"
    )

    def on(self, data: LabelledData) -> Self:
        """The same scenario over your own data."""
        return with_data(self, data)

    def stream(self, root: Path) -> Stream:
        data = data_of(self, root)
        num_train = len(data.y_train)
        length = self.n_samples or num_train
        if self.n_experiences > length:
            raise ValueError(
                f"n_experiences={self.n_experiences}: the stream has {length} samples; choose 1 to "
                f"{length}"
            )
        spec = StreamSpec(
            input_shape=data.shape,
            num_classes=data.num_classes,
            num_experiences=self.n_experiences,
            setting="domain",
            reveals=reveals(self.boundaries, tasks=False),
            ordered=True,
        )
        test = num_train + torch.arange(len(data.y_test))

        def draw(key: Tensor) -> Replica:
            passes = draws.fold(key, "streamed", torch.arange(-(-length // num_train)))
            order = draws.permutation(passes, num_train).flatten()[:length]
            parts = order.tensor_split(self.n_experiences)
            return Replica([Experience(train, test) for train in parts], {}, drifts=[])

        return Stream(spec, pool(data), PoolView(data.shape), draw)


@dataclass(frozen=True, kw_only=True)
class Drifting(Streamed):
    """A stream that is combined with the modifier that makes it drift."""

    n_samples: int | None = Field(
        default=10_000, ge=2, description="length of the stream; none: every sample once"
    )

    def stream(self, root: Path) -> Stream:
        return cast("Modifier", self).modify(super().stream(root))


@dataclass(frozen=True, kw_only=True)
class Rotating(Drifting, Rotation):
    """Your own labelled images, turning little by little."""

    levels: tuple[float, ...] = Field(
        default=(0.0, 45.0, 90.0, 135.0, 180.0),
        min_length=1,
        description="degrees, in order of appearance",
    )
    widths: tuple[int, ...] | None = Field(
        default=None,
        min_length=1,
        description="samples that a turn lasts, one for all or one for each; 0: abrupt; none: "
        "evenly spaced turns follow on one another",
    )
    drift: Kinds = Field(
        default=("incremental",),
        description="incremental: turning; gradual: both angles for a while; one for all turns or "
        "one for each",
    )


@dataclass(frozen=True, kw_only=True)
class DigitsStream(Streamed):
    """Digits in a random order, 8x8 pixels; comes with scikit-learn, needs no download.

    >>> DigitsStream().stream(Path()).spec.num_classes
    10
    """

    dataset: ClassVar[str] = "digits"


@dataclass(frozen=True, kw_only=True)
class MnistStream(Streamed):
    """Handwritten digits in a random order."""

    dataset: ClassVar[str] = "mnist"


@dataclass(frozen=True, kw_only=True)
class FashionMnistStream(Streamed):
    """Articles of clothing in a random order."""

    dataset: ClassVar[str] = "fashion-mnist"


@dataclass(frozen=True, kw_only=True)
class DigitsRotating(Rotating):
    """Digits that turn little by little, until they stand on their heads."""

    dataset: ClassVar[str] = "digits"


@dataclass(frozen=True, kw_only=True)
class MnistRotating(Rotating):
    """Handwritten digits that turn little by little."""

    dataset: ClassVar[str] = "mnist"


@dataclass(frozen=True, kw_only=True)
class FashionMnistRotating(Rotating):
    """Articles of clothing that turn little by little."""

    dataset: ClassVar[str] = "fashion-mnist"


@dataclass(frozen=True, kw_only=True)
class DigitsNoise(Drifting, InputNoise):
    """Digits through a sensor that becomes noisy, and is repaired."""

    dataset: ClassVar[str] = "digits"

    levels: tuple[float, ...] = Field(
        default=(0.0, 0.5, 0.0), min_length=1, description="standard deviation of the noise"
    )


@dataclass(frozen=True, kw_only=True)
class DigitsBrightness(Drifting, Brightness):
    """Digits that are overexposed, and then no longer."""

    dataset: ClassVar[str] = "digits"

    levels: tuple[float, ...] = Field(
        default=(0.0, 0.5, 0.0), min_length=1, description="what is added to every pixel"
    )


@dataclass(frozen=True, kw_only=True)
class DigitsLabelSwap(Drifting, LabelSwap):
    """Digits whose labels move round a circle of classes, and back again."""

    dataset: ClassVar[str] = "digits"

    levels: tuple[int, ...] = Field(
        default=(0, 1, 0), min_length=1, description="steps round the circle"
    )
    drift: OnlyGradual = Field(
        default=("gradual",), description="both labels occur for a while; nothing lies in between"
    )
