"""What the simulator drives: a few verbs that a population and a foreign library can both offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from torch import Tensor

from streamsim.detection import Alarm
from streamsim.transference import PairLosses, TransferenceOptions


class Losses(NamedTuple):
    """Training losses of some steps; a replica may idle while others have more samples."""

    value: Tensor  # [R, S] float32
    active: Tensor  # [R, S] bool


class Judged(NamedTuple):
    """How incoming samples were predicted before they were learned from, in order of arrival."""

    label: Tensor  # [R, N] int64
    predicted: Tensor  # [R, N] int64
    log_loss: Tensor  # [R, N] float32
    counts: Tensor  # [R, N] bool: a sample's first visit; padding and later epochs do not count


class Learner(Protocol):
    """Learns one stream in R replicas. A library that trains one model at a time has R = 1.

    The simulator calls `start` or `restore`; then, for each experience, `begin`, `train` over
    ranges of steps in order, and `end`; and `correct` whenever it wants to know.
    """

    @property
    def size(self) -> int:
        """R, the number of replicas."""
        ...

    def start(self) -> None:
        """The state before any training."""
        ...

    def num_steps(self, experience: int) -> int:
        """Training steps at an experience; 0 skips it."""
        ...

    def begin(self, experience: int) -> None: ...

    def train(self, experience: int, steps: range) -> None:
        """Make these steps, counted from 0 within the experience."""
        ...

    def end(self, experience: int) -> None: ...

    def correct(self, experiences: Sequence[int], after: int) -> Tensor:
        """Correct predictions on test parts, `[R, len(experiences)]` int64; changes nothing."""
        ...

    def test_sizes(self, experiences: Sequence[int]) -> Tensor:
        """Test samples, `[R, len(experiences)]` int64."""
        ...

    def transference(self, options: TransferenceOptions, after: int) -> PairLosses:
        """Losses on every experience before and after a step on every one, `[R, E]` and
        `[R, E, E]`, having trained on experience `after` last (-1: none); changes nothing.

        A learner without gradients raises ValueError.
        """
        ...

    def meta_transference(self, options: TransferenceOptions) -> Mapping[int, PairLosses]:
        """The same between episodes of meta-training, by outer steps made; empty without any."""
        ...

    def take_losses(self) -> Losses:
        """Training loss of every step since the last call."""
        ...

    def take_judged(self) -> Judged:
        """Predictions of every incoming sample since the last call, if the learner was told to
        judge."""
        ...

    def take_alarms(self) -> Sequence[Alarm]:
        """Alarms of detectors since the last call."""
        ...

    def true_drifts(self) -> Sequence[Sequence[int]]:
        """How many samples come before each true drift, for every replica: for the record, never
        for learning."""
        ...

    def finite(self) -> Tensor:
        """Whether a replica's parameters are all finite, `[R]` bool."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that training changed, by name: what a checkpoint stores."""
        ...

    def parameters(self) -> dict[str, Tensor]:
        """The trained weights, `[R, ...]` each."""
        ...

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a stored state, in place of `start`."""
        ...
