"""Permuted benchmarks: every experience shuffles the pixels in its own way.

Shape letters: E experiences, B samples of a batch, K channels, P pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim.data import LabelledData
from streamsim.stream import Stream, Tables
from streamsim_scenarios.pools import Boundaries, Validation, data_of, with_data
from streamsim_scenarios.transformed import Repeated, channels_pixels, transformed_stream


@dataclass(frozen=True, kw_only=True)
class Permuted:
    """Your own labelled data, pixels (or columns) in another order in every experience.

    The first experience keeps the original order; each seed draws the others.

    >>> x, y = torch.rand(6, 5), torch.arange(6) % 2
    >>> mine = LabelledData(name="mine", x_train=x, y_train=y, x_test=x, y_test=y, num_classes=2)
    >>> stream = Permuted(n_experiences=3).on(mine).stream(Path())
    >>> stream.draw(torch.tensor(7)).tables["permutation"].shape
    torch.Size([3, 5])
    """

    dataset: ClassVar[str] = ""
    own: ClassVar[LabelledData | None] = None
    reference: ClassVar[str] = (
        "Goodfellow et al. 2013, An empirical investigation of catastrophic forgetting; "
        "Kirkpatrick et al. 2017, Overcoming catastrophic forgetting in neural networks"
    )

    n_experiences: int = Field(default=10, ge=1, description="permutations, one after the other")
    setting: Repeated = "domain"
    boundaries: Boundaries = "revealed"
    validation: Validation = 0.0

    def on(self, data: LabelledData) -> Self:
        """The same scenario over your own data."""
        return with_data(self, data)

    def stream(self, root: Path) -> Stream:
        data = data_of(self, root)
        _, num_pixels = channels_pixels(data.shape)

        def tables(key: Tensor) -> Tables:
            keys_E = draws.fold(key, "permutation", torch.arange(self.n_experiences))
            permutation_EP = draws.permutation(keys_E, num_pixels)
            permutation_EP[0] = torch.arange(num_pixels)
            return {"permutation": permutation_EP}

        return transformed_stream(self, data, _permute, tables)


def _permute(tables: Tables, x_BKP: Tensor, experience_B: Tensor) -> Tensor:
    """Pixel p of a sample becomes its pixel permutation[experience, p], in all channels."""
    order_BP = F.embedding(experience_B, tables["permutation"])
    return x_BKP.gather(-1, order_BP.unsqueeze(-2).expand_as(x_BKP))


@dataclass(frozen=True, kw_only=True)
class PermutedDigits(Permuted):
    """Digits with permuted pixels, 8x8; comes with scikit-learn, needs no download.

    >>> PermutedDigits().stream(Path()).spec.num_experiences
    10
    """

    dataset: ClassVar[str] = "digits"


@dataclass(frozen=True, kw_only=True)
class PermutedMnist(Permuted):
    """Handwritten digits with permuted pixels."""

    dataset: ClassVar[str] = "mnist"


@dataclass(frozen=True, kw_only=True)
class PermutedFashionMnist(Permuted):
    """Articles of clothing with permuted pixels."""

    dataset: ClassVar[str] = "fashion-mnist"
