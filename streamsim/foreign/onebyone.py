"""A learner that takes samples one by one, each predicted before it is learned from.

The samples of a replica, their order and its experiences are those that a network with the same
seed gets. Nothing of the model is stored: a checkpoint holds the position, and `restore` learns the
samples before it again, which takes the time it took and gives the same model.

Shape letters: S steps, B batch, N samples, E experiences.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from streamsim import draws, schedule
from streamsim.detection import Alarm
from streamsim.judging import Waiting
from streamsim.learner import Judged, Losses
from streamsim.optimizers import TrainOptions
from streamsim.stream import ExactView, GeneratingView, Replica, Stream
from streamsim.transference import PairLosses, TransferenceOptions

AT_ONCE = 1024  # most samples held as Python numbers
CERTAIN = 1e-15  # least probability in a log loss

Features = dict[int | str, float]  # a sample: values by name, or by place where they have none


class Guess(NamedTuple):
    """A prediction of one sample."""

    label: int | None  # None: it cannot tell yet
    probability: Mapping[int, float]  # by label; one that is absent is impossible


class Row(NamedTuple):
    """How a sample was predicted."""

    label: int
    predicted: int  # -1: it could not tell
    log_loss: float


class Model(Protocol):
    """What learns sample by sample; the same calls give the same model, bit for bit."""

    def predict(self, x: Features) -> Guess:
        """Changes nothing."""
        ...

    def learn(self, x: Features, y: int) -> None: ...


@dataclass
class OneByOne:
    """One replica of a model; a `streamsim.learner.Learner`."""

    name: str
    stream: Stream
    key: Tensor  # of the replica
    options: TrainOptions
    judges: bool
    build: Callable[[], Model]
    model: Model = field(init=False)
    _at: tuple[int, int] = field(init=False, default=(0, 0))  # experience, steps made in it
    _losses: list[Losses] = field(init=False, default_factory=list)
    _judged: list[Judged] = field(init=False, default_factory=list)
    _waiting: Waiting = field(init=False)  # for their labels

    @property
    def size(self) -> int:
        return 1

    @cached_property
    def replica(self) -> Replica:
        return self.stream.draw(self.key)

    def start(self) -> None:
        self.model, self._at, self._waiting = self.build(), (0, 0), Waiting.none(1)

    def num_steps(self, experience: int) -> int:
        return schedule.num_steps(self.options, len(self.replica.experiences[experience].train))

    def begin(self, experience: int) -> None:
        """Predict what comes before any label does; boundaries mean nothing to the model."""
        own = self.replica.experiences[experience]
        ahead = own.coming[: len(own.coming) - len(own.train)]
        if self.judges and len(ahead):
            self._waiting = self._waiting.joined(self._asked(ahead, experience))

    def end(self, experience: int) -> None:
        """Boundaries mean nothing to a model that learns sample by sample."""

    def train(self, experience: int, steps: range) -> None:
        """Predict and learn the samples of these steps, one after the other.

        Where labels are delayed, what comes next is predicted before an older sample is learned.
        """
        own = self.replica.experiences[experience]
        ids = own.train
        size = torch.tensor(len(ids))
        order = schedule.order(
            self.options,
            draws.fold(self.key, "order", experience),
            size,
            steps,
            len(ids),
            len(ids),
            self.stream.spec.ordered,
        )
        real_SB = order.weight > 0
        place, fresh = order.place[real_SB], order.fresh[real_SB]
        come = own.coming[len(own.coming) - len(ids) :][place[fresh]]
        delayed = self.judges and own.asked is not None
        answers, log_loss = self._learned(ids[place], come if delayed else None, experience)
        loss_SB = torch.zeros(real_SB.shape, dtype=torch.float64)
        loss_SB[real_SB] = log_loss
        mean_S = loss_SB.sum(1) / real_SB.sum(1)
        self._losses.append(Losses(mean_S.float()[None], real_SB.any(1)[None]))
        if self.judges:
            judged = _judged(answers, fresh[fresh] if delayed else fresh)
            if delayed:
                self._waiting, judged = self._waiting.exchange(judged)
            told = judged.counts & (judged.predicted >= 0)
            self._judged.append(
                judged._replace(predicted=judged.predicted.clamp_min(0), counts=told)
            )
        self._at = experience, steps.stop

    def correct(self, experiences: Sequence[int], after: int) -> Tensor:
        """Correct predictions on test parts; not being able to tell yet is not correct."""
        found = []
        for experience in experiences:
            ids = self.replica.experiences[experience].test
            with failing_as(f"{self.name} failed to predict experience {experience}"):
                hits = [
                    self.model.predict(x).label == y
                    for some in torch.split(ids, AT_ONCE)
                    for x, y in self._samples(some)
                ]
            found.append(sum(hits))
        return torch.tensor([found])

    def test_sizes(self, experiences: Sequence[int]) -> Tensor:
        return torch.tensor([[len(self.replica.experiences[e].test) for e in experiences]])

    def transference(self, options: TransferenceOptions, after: int) -> PairLosses:
        raise ValueError(no_transference(self.name))

    def meta_transference(self, options: TransferenceOptions) -> Mapping[int, PairLosses]:
        return {}

    def take_losses(self) -> Losses:
        """Mean log loss of every step's samples, each before it was learned from."""
        taken, self._losses = self._losses, []
        empty = Losses(torch.empty(1, 0), torch.empty(1, 0, dtype=torch.bool))
        return Losses(*(torch.cat(each, 1) for each in zip(empty, *taken, strict=True)))

    def take_judged(self) -> Judged:
        """Samples whose label the model could not tell yet do not count, as in river."""
        taken, self._judged = self._judged, []
        return Judged(*(torch.cat(each, 1) for each in zip(*taken, strict=True)))

    def take_alarms(self) -> Sequence[Alarm]:
        return []

    def true_drifts(self) -> Sequence[Sequence[int]]:
        return [self.replica.true_drifts()]

    def finite(self) -> Tensor:
        """A model without weights cannot overflow."""
        return torch.ones(1, dtype=torch.bool)

    def state(self) -> dict[str, Tensor]:
        """The position; see `restore`."""
        return {"position": torch.tensor(self._at)}

    def parameters(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Learn all samples before a position again."""
        if state.keys() != {"position"}:
            raise ValueError(
                f"the checkpoint is not of '{self.name}'; remove the run folder and run again"
            )
        experience, made = state["position"].tolist()
        self.start()
        done = [(e, self.num_steps(e)) for e in range(experience)]
        for e, num in [*done, (experience, made)]:
            self.begin(e)
            for start in range(0, num, AT_ONCE):
                self.train(e, range(start, min(start + AT_ONCE, num)))
                self._losses, self._judged = [], []

    # -- inside -------------------------------------------------------------------------------
    def _learned(
        self, ids: Tensor, come: Tensor | None, experience: int
    ) -> tuple[list[Row], Tensor]:
        """Learn samples `[N]` in this order.

        Returns what was answered to those that `come` meanwhile (None: to these, before each was
        learned), and the log loss `[N]` float64 of each sample just before it was learned.
        """
        rows: list[Row] = []
        losses: list[float] = []
        with failing_as(f"{self.name} failed to learn experience {experience}"):
            for start in range(0, len(ids), AT_ONCE):
                learned = self._samples(ids[start : start + AT_ONCE])
                others = [] if come is None else self._samples(come[start : start + AT_ONCE])
                for (x, y), other in itertools.zip_longest(learned, others):
                    if other is not None:
                        rows.append(self._answer(*other))
                    row = self._answer(x, y)
                    self.model.learn(x, y)
                    losses.append(row.log_loss)
                    if come is None:
                        rows.append(row)
        return rows, torch.tensor(losses, dtype=torch.float64)

    def _asked(self, ids: Tensor, experience: int) -> Judged:
        """Answers to samples that come before anything is learned."""
        with failing_as(f"{self.name} failed to predict experience {experience}"):
            rows = [
                self._answer(x, y)
                for some in torch.split(ids, AT_ONCE)
                for x, y in self._samples(some)
            ]
        return _judged(rows, torch.ones(len(rows), dtype=torch.bool))

    def _answer(self, x: Features, y: int) -> Row:
        guess = self.model.predict(x)
        predicted = -1 if guess.label is None else guess.label
        return Row(y, predicted, log_loss(guess.probability, y))

    def _samples(self, ids: Tensor) -> list[tuple[Features, int]]:
        view, pool, tables = self.stream.view, self.stream.pool, self.replica.tables
        if isinstance(view, GeneratingView):
            x, y = view.samples(pool, tables, ids)
        else:
            inputs = view.exact if isinstance(view, ExactView) else view.inputs
            x, y = inputs(pool, tables, ids), view.labels(pool, tables, ids)
        names = self.stream.spec.features or range(x[0].numel())
        rows = zip(x.flatten(1).tolist(), y.tolist(), strict=True)
        return [(dict(zip(names, row, strict=True)), label) for row, label in rows]


def _judged(rows: Sequence[Row], counts: Tensor) -> Judged:
    """Of one replica; counts `[N]` bool."""
    label, predicted, log_loss = zip(*rows, strict=True) if rows else ((), (), ())
    columns = (
        torch.tensor(label, dtype=torch.int64),
        torch.tensor(predicted, dtype=torch.int64),
        torch.tensor(log_loss, dtype=torch.float32),
        counts,
    )
    return Judged(*(column[None] for column in columns))


@contextmanager
def failing_as(what: str) -> Iterator[None]:
    """Whatever a library raises becomes a ValueError of one line."""
    try:
        yield
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ValueError(f"{what}: {type(error).__name__}: {reason}") from error


def log_loss(probability: Mapping[int, float], label: int) -> float:
    """-log of a label's probability, which is cut at 15 decimals.

    >>> round(log_loss({0: 0.25, 1: 0.75}, 1), 4), round(log_loss({}, 1), 4)
    (0.2877, 34.5388)
    """
    given = probability.get(label, 0.0)
    likely = given if given > CERTAIN else CERTAIN  # what is not a number becomes impossible
    return max(0.0, -math.log(likely))


def no_transference(name: str) -> str:
    """Why it cannot be measured."""
    return (
        f"'{name}' makes no gradient steps, whose effect transference measures; "
        "leave out --transference"
    )
