"""Driving learners over their streams: stretch by stretch, evaluated, recorded and saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamsim import devices, runs
from streamsim.chunks import Chunk
from streamsim.compilation import Compiler
from streamsim.configuration import Configuration
from streamsim.learner import Learner
from streamsim.recorder import Judging, Recorder
from streamsim.runs import Checkpoint

CHECKPOINT_SECONDS = 10.0  # at least this long between checkpoints
CHECKPOINT_SHARE = 0.05  # and at most this share of the time spent on writing them


@dataclass(frozen=True)
class Progress:
    """How far a run is; handed to the caller's `progress` function."""

    done: int  # training steps, of all chunks
    total: int
    experience: int
    num_experiences: int
    replicas: int  # trained side by side
    seconds: float


Report = Callable[[Progress], None]


class Drive:
    """One run in progress; holds what the steps of `go` share."""

    def __init__(
        self,
        path: Path,
        configuration: Configuration,
        execution: dict[str, Any],
        chunks: Sequence[Chunk],
        compiler: Compiler,
        progress: Report | None,
    ) -> None:
        self.path, self.configuration, self.chunks = path, configuration, chunks
        self.compiler, self.progress = compiler, progress
        self.recorder = Recorder()
        self.steps_before = [0]
        spec = chunks[0].spec
        self.info: dict[str, Any] = {
            "configuration": dict(vars(configuration)),
            "settings": configuration.settings(),
            "stream": {
                "setting": spec.setting,
                "num_experiences": spec.num_experiences,
                "num_classes": spec.num_classes,
                "input_shape": list(spec.input_shape),
                "reveals": sorted(spec.reveals),
            },
            "execution": execution,
            "notes": chunks[0].notes,
        }
        self.seconds, self.saved_at, self.save_cost = 0.0, time.perf_counter(), 0.0
        self.started_at = time.perf_counter()

    def go(self, checkpoint: Checkpoint | None) -> None:
        position: dict[str, Any] = {"chunk": 0, "experience": 0, "step": 0}
        if checkpoint is not None:
            position = dict(checkpoint.position)
            self.recorder = Recorder.restored(checkpoint.rows)
            self.compiler.choice = position["choice"]
            self.compiler.reason = position["reason"]
            self.seconds = position["seconds"]
        self.write_info("running")
        for number in range(position["chunk"], len(self.chunks)):
            learner = self.chunks[number].learner()
            if number == position["chunk"] and checkpoint is not None and checkpoint.state:
                learner.restore(checkpoint.state)
                start = position["experience"], position["step"]
            else:
                learner.start()
                start = 0, 0
            self._train(number, learner, start)
            runs.write_parameters(
                self.path, number, self.chunks[number].replicas, learner.parameters()
            )
        self._finish()

    def _train(self, number: int, learner: Learner, start: tuple[int, int]) -> None:
        chunk = self.chunks[number]
        num_experiences = chunk.spec.num_experiences
        totals = [learner.num_steps(e) for e in range(num_experiences)]
        self.compiler.num_steps = sum(totals) * (len(self.chunks) - number)
        if chunk.prequential is not None:
            self.recorder.judging = Judging(chunk.replicas, chunk.prequential, chunk.spec)
        if start == (0, 0):
            self.recorder.begin_chunk(learner.size)
            self.recorder.accuracy(chunk.replicas, learner, -1, num_experiences)
            if chunk.watchers:
                self.recorder.watched()
            if chunk.spec.knows_drifts and (chunk.watchers or chunk.prequential is not None):
                self.recorder.drifts(chunk.replicas, learner.true_drifts())
            self._meta_transference(chunk, learner)
            self._transference(chunk, learner, -1)
        for experience in range(start[0], num_experiences):
            step = start[1] if experience == start[0] else 0
            if totals[experience] == 0:
                continue
            if step == 0:
                learner.begin(experience)
            for stretch in stretches(step, totals[experience], self.configuration.eval_every):
                learner.train(experience, stretch)
                self.recorder.training(experience, stretch, learner.take_losses())
                if chunk.watchers:
                    self.recorder.alarms(chunk.replicas, chunk.watchers, learner.take_alarms())
                if chunk.prequential is not None:
                    self.recorder.prequential(learner.take_judged())
                if self._evaluates(stretch.stop, totals[experience]):
                    self.recorder.continual(chunk.replicas, learner, experience, stretch.stop)
                self._report(number, totals, experience, stretch.stop, learner.size)
                if stretch.stop < totals[experience]:
                    self._save(number, learner, experience, stretch.stop)
            learner.end(experience)
            self.recorder.end_experience(
                chunk.replicas, experience, totals[experience], learner.finite()
            )
            self.recorder.accuracy(chunk.replicas, learner, experience, num_experiences)
            self._transference(chunk, learner, experience)
            if experience + 1 < num_experiences:
                self._save(number, learner, experience + 1, 0)
        if chunk.prequential is not None:
            self.recorder.end_prequential()
        self.recorder.end_chunk(chunk.replicas)

    def _transference(self, chunk: Chunk, learner: Learner, after: int) -> None:
        """After every experience, or where the options say."""
        options = chunk.transference
        if options is None:
            return
        chosen = after >= 0 if options.after is None else after in options.after
        if chosen:
            losses = learner.transference(options, after)
            self.recorder.pairs("transference", chunk.replicas, after, losses)

    def _meta_transference(self, chunk: Chunk, learner: Learner) -> None:
        if chunk.transference is not None:
            for step, losses in learner.meta_transference(chunk.transference).items():
                self.recorder.pairs("meta_transference", chunk.replicas, step, losses)

    def _evaluates(self, step: int, total: int) -> bool:
        every = self.configuration.eval_every
        return every is not None and (step % every == 0 or step == total)

    def _report(
        self, number: int, totals: Sequence[int], experience: int, step: int, size: int
    ) -> None:
        if self.progress is not None:
            per_chunk = sum(totals)
            done = number * per_chunk + sum(totals[:experience]) + step
            self.progress(
                Progress(
                    done,
                    per_chunk * len(self.chunks),
                    experience,
                    len(totals),
                    size,
                    self._elapsed(),
                )
            )

    def _elapsed(self) -> float:
        return self.seconds + time.perf_counter() - self.started_at

    def _save(self, number: int, learner: Learner, experience: int, step: int) -> None:
        """Write a checkpoint, unless the last one is too recent to be worth it."""
        now = time.perf_counter()
        if now - self.saved_at < max(CHECKPOINT_SECONDS, self.save_cost / CHECKPOINT_SHARE):
            return
        position = {
            "chunk": number,
            "experience": experience,
            "step": step,
            "seconds": self._elapsed(),
            "choice": self.compiler.choice,
            "reason": self.compiler.reason,
        }
        runs.write_checkpoint(
            self.path, Checkpoint(position, learner.state(), self.recorder.snapshot())
        )
        self.saved_at = time.perf_counter()
        self.save_cost = self.saved_at - now

    def _finish(self) -> None:
        runs.write_tables(self.path, self.recorder.tables())
        self.write_info("finished")
        runs.remove_checkpoint(self.path)

    def write_info(self, status: str) -> None:
        device = self.chunks[0].device
        steps = {"choice": self.compiler.choice, "reason": self.compiler.reason}
        runs.write_info(
            self.path,
            {
                "status": status,
                **self.info,
                "steps": steps,
                "chunks": [len(chunk.replicas) for chunk in self.chunks],
                "timings": {"seconds": round(self._elapsed(), 3)},
                "peak_bytes": devices.peak_bytes(device),
            },
        )


def stretches(start: int, stop: int, eval_every: int | None) -> Iterator[range]:
    """Cut steps where an evaluation is due, and where a plan would grow too large.

    >>> list(stretches(0, 5, 2))
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    from streamsim.population import STRETCH

    while start < stop:
        end = min(start - start % STRETCH + STRETCH, stop)
        if eval_every is not None:
            end = min(end, start - start % eval_every + eval_every)
        yield range(start, end)
        start = end
