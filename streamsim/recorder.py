"""Rows of the raw tables as a run makes them: plain columns of numbers, cheap to checkpoint.

Shape letters: R replicas of the current chunk, S steps, E experiences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from streamsim.detection import Alarm
from streamsim.learner import Judged, Learner, Losses
from streamsim.prequential import Blocks, PrequentialOptions, Standing, tally, unfinished
from streamsim.runs.tables import Columns
from streamsim.stream import StreamSpec
from streamsim.transference import PairLosses, pair_columns

DIVERGED = -1  # in the column `correct`
ENOUGH = 2**18  # predictions, of all replicas, that are counted together: one by one costs more
Replicas = Sequence[tuple[int, int]]  # (setting, seed) of each replica


class Judging(NamedTuple):
    """How the predictions of a chunk are counted."""

    replicas: Replicas
    options: PrequentialOptions
    spec: StreamSpec


class Recorder:
    """Collects rows; `snapshot` and `restored` carry them through a checkpoint."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, list[Tensor]]] = {}
        self.diverged_R2 = torch.empty(0, 2, dtype=torch.int64)  # experience, step; -1: fine
        self.loss_sum_R = torch.empty(0, dtype=torch.float64)  # of the current experience
        self.num_steps_R = torch.empty(0, dtype=torch.int64)
        self.judging: Judging | None = None  # told anew whenever a chunk is taken up
        self.standing = Standing.start(0)  # of all replicas, where they are judged
        self.judged: list[Judged] = []  # predictions that are not counted yet

    # -- as a chunk goes on -------------------------------------------------------------------
    def begin_chunk(self, size: int) -> None:
        self.diverged_R2 = torch.full((size, 2), -1, dtype=torch.int64)
        self.standing, self.judged = Standing.start(size), []
        self._begin_losses()

    def training(self, experience: int, steps: range, losses: Losses) -> None:
        """Losses of a stretch; an infinite or undefined one marks its replica as diverged."""
        bad_RS = losses.active & ~losses.value.isfinite()
        self._diverge(bad_RS.any(1), experience, steps.start + bad_RS.to(torch.int8).argmax(1))
        # out of place: a snapshot keeps the tensors it was given
        sum_R = torch.where(losses.active, losses.value, 0).double().sum(1)
        self.loss_sum_R = self.loss_sum_R + sum_R
        self.num_steps_R = self.num_steps_R + losses.active.sum(1)

    def end_experience(
        self, replicas: Replicas, experience: int, num_steps: int, finite: Tensor
    ) -> None:
        """Close an experience; a replica whose weights overflowed at its end has diverged."""
        last = torch.full((len(replicas),), num_steps - 1)
        self._diverge(~finite, experience, last)
        mean = self.loss_sum_R / self.num_steps_R
        columns = {"experience": torch.full_like(last, experience), "steps": self.num_steps_R}
        self._add("training", replicas, loss=mean, **columns)
        self._begin_losses()

    def accuracy(self, replicas: Replicas, learner: Learner, after: int, num: int) -> None:
        """Accuracy on every experience after training on one (-1: before any)."""
        for on, correct, total in self._evaluated(learner, range(num), after):
            columns = {"after": torch.full_like(total, after), "on": torch.full_like(total, on)}
            self._add("accuracy", replicas, **columns, correct=correct, total=total)

    def continual(self, replicas: Replicas, learner: Learner, experience: int, step: int) -> None:
        """Accuracy on the experiences so far, within training on the last of them."""
        for on, correct, total in self._evaluated(learner, range(experience + 1), experience):
            where = {"experience": experience, "step": step, "on": on}
            columns = {name: torch.full_like(total, value) for name, value in where.items()}
            self._add("continual", replicas, **columns, correct=correct, total=total)

    def pairs(self, table: str, replicas: Replicas, after: int, losses: PairLosses) -> None:
        """Transference of every pair, replica by replica; a diverged one has no numbers."""
        fine_R11 = self.diverged_R2[:, :1, None] < 0
        before = torch.where(fine_R11[:, 0], losses.before, math.nan)
        after_RIJ = torch.where(fine_R11, losses.after, math.nan)
        found = pair_columns(PairLosses(before, after_RIJ), replica=range(len(replicas)))
        each_row = [replicas[place] for place in found.pop("replica").tolist()]
        afters = torch.full_like(found["source"], after)
        self._add(table, each_row, after=afters, **found)

    def prequential(self, judged: Judged) -> None:
        """Take the predictions of a stretch; they are counted when there are enough of them."""
        self.judged.append(judged)
        if sum(each.label.numel() for each in self.judged) >= ENOUGH:
            self._count()

    def end_prequential(self) -> None:
        """The last block of every replica may be shorter."""
        self._count()
        assert self.judging is not None
        replicas, options, spec = self.judging
        rest = unfinished(options, spec.num_classes, self.standing)
        self._blocks(replicas, rest, spec.label_delay)

    def _count(self) -> None:
        """Finished blocks become rows."""
        if not self.judged:
            return
        assert self.judging is not None
        replicas, options, spec = self.judging
        news, self.judged = self.judged, []
        self.standing, found = tally(options, spec.num_classes, self.standing, news)
        self._blocks(replicas, found, spec.label_delay)

    def _blocks(self, replicas: Replicas, found: Blocks, late: int) -> None:
        """Rows of finished blocks; only classes that occur get one. A diverged replica has none.

        A row stands where the stream is when its last label comes: `late` samples further.
        """
        healthy = self.diverged_R2[found.replica, 0] < 0
        if not healthy.any():
            return
        columns = {name: column[healthy] for name, column in found._asdict().items()}
        owners_K2 = torch.tensor(replicas)[columns.pop("replica")]
        classes_KC3 = columns.pop("classes")
        columns["position"] = columns["position"] + late
        self._add("prequential", owners_K2, **columns)
        block, which = classes_KC3.any(-1).nonzero().unbind(1)
        sums = zip(("labelled", "predicted", "correct"), classes_KC3[block, which].T, strict=True)
        self._add(
            "prequential_classes",
            owners_K2[block],
            position=columns["position"][block],
            **{"class": which},
            **dict(sums),
        )

    def alarms(self, replicas: Replicas, watchers: Sequence[str], alarms: Sequence[Alarm]) -> None:
        for alarm in alarms:
            columns = {"position": alarm.position, "watcher": watchers.index(alarm.part)}
            self._add(
                "alarms",
                [replicas[alarm.replica]],
                **{name: torch.tensor([value]) for name, value in columns.items()},
            )

    def watched(self) -> None:
        """From here on the run has a table of alarms, even without any."""
        self._empty("alarms", "position", "watcher")

    def drifts(self, replicas: Replicas, positions: Sequence[Sequence[int]]) -> None:
        """True drifts, as many samples into the stream; from here on the run has the table."""
        self._empty("drifts", "position")
        for replica, row in zip(replicas, positions, strict=True):
            if row:
                self._add("drifts", [replica] * len(row), position=torch.tensor(row))

    def _empty(self, table: str, *columns: str) -> None:
        for name in ("setting", "seed", *columns):
            none = torch.empty(0, dtype=torch.int64)
            self.rows.setdefault(table, {}).setdefault(name, []).append(none)

    def end_chunk(self, replicas: Replicas) -> None:
        experience, step = self.diverged_R2.unbind(1)
        self._add("replicas", replicas, diverged_experience=experience, diverged_step=step)

    # -- all of it ----------------------------------------------------------------------------
    def tables(self) -> dict[str, dict[str, Tensor]]:
        """Every table's columns so far."""
        return {
            table: {name: torch.cat(column) for name, column in columns.items()}
            for table, columns in self.rows.items()
        }

    def snapshot(self) -> dict[str, Columns]:
        """The tables, and what the current chunk has not put into a table yet."""
        current = {
            "diverged": self.diverged_R2,
            "loss_sum": self.loss_sum_R,
            "num_steps": self.num_steps_R,
        }
        current |= {f"standing/{name}": t for name, t in self.standing.tensors().items()}
        for k, judged in enumerate(self.judged):
            current |= {f"judged/{k}/{name}": t for name, t in judged._asdict().items()}
        return {**self.tables(), "current": current}

    @classmethod
    def restored(cls, snapshot: Mapping[str, Columns]) -> Recorder:
        """What a snapshot was taken of; ValueError where another version took it."""
        try:
            return cls._restored(snapshot)
        except KeyError as error:
            raise ValueError(
                f"the checkpoint has no {error.args[0]}: it was written by another version; remove "
                "the run folder and run again"
            ) from None

    @classmethod
    def _restored(cls, snapshot: Mapping[str, Columns]) -> Recorder:
        recorder = cls()
        for table, columns in snapshot.items():
            if table == "current":
                recorder.diverged_R2 = columns["diverged"]
                recorder.loss_sum_R = columns["loss_sum"]
                recorder.num_steps_R = columns["num_steps"]
                recorder.standing = Standing.restored(_under("standing", columns))
                recorder.judged = [Judged(**t) for t in _each("judged", columns)]
            else:
                recorder.rows[table] = {name: [column] for name, column in columns.items()}
        return recorder

    # -- inside -------------------------------------------------------------------------------
    def _begin_losses(self) -> None:
        self.loss_sum_R = torch.zeros(len(self.diverged_R2), dtype=torch.float64)
        self.num_steps_R = torch.zeros(len(self.diverged_R2), dtype=torch.int64)

    def _diverge(self, bad_R: Tensor, experience: int, step_R: Tensor) -> None:
        fresh_R = bad_R & (self.diverged_R2[:, 0] < 0)
        if fresh_R.any():
            self._count()  # what came before counts
        found_R2 = torch.stack([torch.full_like(step_R, experience), step_R], dim=1)
        self.diverged_R2 = torch.where(fresh_R[:, None], found_R2, self.diverged_R2)

    def _evaluated(
        self, learner: Learner, experiences: range, after: int
    ) -> list[tuple[int, Tensor, Tensor]]:
        """(experience, correct, total) of every replica; a diverged one has no accuracy."""
        correct_RE = learner.correct(experiences, after)
        diverged_R1 = self.diverged_R2[:, :1] >= 0
        correct_RE = torch.where(diverged_R1, DIVERGED, correct_RE)
        total_RE = learner.test_sizes(experiences)
        return [(e, correct_RE[:, e], total_RE[:, e]) for e in experiences]

    def _add(self, table: str, replicas: Replicas | Tensor, **columns: Tensor) -> None:
        """Rows, one for each of the replicas; as a tensor, `[K, 2]`."""
        settings, seeds = torch.as_tensor(replicas).unbind(1)
        for name, column in {"setting": settings, "seed": seeds, **columns}.items():
            self.rows.setdefault(table, {}).setdefault(name, []).append(column)


def _under(what: str, columns: Columns) -> dict[str, Tensor]:
    """Columns named `what/...`."""
    length = len(what) + 1
    return {n[length:]: tensor for n, tensor in columns.items() if n.startswith(f"{what}/")}


def _each(what: str, columns: Columns) -> list[dict[str, Tensor]]:
    """Numbered groups of columns, in their order."""
    found: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under(what, columns).items():
        number, field = name.split("/")
        found.setdefault(int(number), {})[field] = tensor
    return [found[number] for number in sorted(found)]
