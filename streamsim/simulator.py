"""The life of a run: resolve, draw the streams, drive learners over them, leave a run folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamsim import configuration as configurations
from streamsim import devices, environment, runs
from streamsim.chunks import Chunk, make_chunks
from streamsim.compilation import Compiler, Mode
from streamsim.configuration import Configuration, ModelFactory, Objects
from streamsim.data import data_root
from streamsim.learner import Learner
from streamsim.recorder import Recorder
from streamsim.runs import Checkpoint, Run
from streamsim.strategy import Part
from streamsim.stream import Scenario

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


def run(
    scenario: str | Scenario,
    strategy: str | Part | Sequence[Part] = "naive",
    *,
    model: str | ModelFactory = "mlp",
    options: Mapping[str, Any] | None = None,
    seeds: int | Sequence[int] = 1,
    sweep: Mapping[str, Sequence[Any]] | None = None,
    eval_every: int | None = None,
    transference: bool = False,
    prequential: bool | None = None,
    out: str | Path | None = None,
    data: str | Path | None = None,
    device: str = "auto",
    vectorize: str | int = "auto",
    compile: Mode = "auto",
    progress: Report | None = None,
) -> Run:
    """Train a population on a stream and leave a run folder; a finished one is only opened.

    `options` and `sweep` are keyed like `--set`: `{"strategy.memory_size": 500, "train.lr": 0.1}`.
    `seeds` is a number of seeds or a list. `out` defaults to a folder under `runs/` named after the
    configuration, so the same call finds its own results. `transference` records what a step on
    one experience does to the others, as the options `transference.…` say; `prequential` (None: as
    the scenario wants) judges every sample before it is learned from, see `prequential.…`. Raises
    ValueError for bad input.
    """
    configuration, objects = configurations.resolve(
        scenario,
        strategy,
        model,
        options or {},
        seeds,
        sweep or {},
        eval_every,
        transference,
        prequential,
    )
    path = Path(out) if out is not None else default_path(configuration)
    found = _existing(path, configuration)
    if found is not None and found.status == "finished":
        return found
    execution = {"device": device, "vectorize": str(vectorize), "compile": compile}
    if found is not None:
        execution = dict(found.info["execution"])
    root = data_root(Path(data) if data is not None else None)
    return _drive(path, configuration, objects, execution, root, progress)


def resume(
    path: str | Path, *, data: str | Path | None = None, progress: Report | None = None
) -> Run:
    """Finish an unfinished run; a finished one is only opened."""
    found = runs.open_run(path)
    if found.status == "finished":
        runs.remove_checkpoint(found.path)
        return found
    given = found.configuration
    if any(str(given[key]).startswith("python:") for key in ("scenario", "model")):
        raise ValueError(
            f"{path} uses objects given from Python; call streamsim.run again with the same "
            f"arguments and out='{path}'"
        )
    configuration = _configuration(given)
    root = data_root(Path(data) if data is not None else None)
    return _drive(
        found.path, configuration, Objects(), dict(found.info["execution"]), root, progress
    )


def default_path(configuration: Configuration) -> Path:
    """`runs/split-digits-replay-1a2b3c4d`: equal for equal configurations."""
    name = f"{configuration.scenario}-{configuration.strategy}"
    safe = "".join(c if c.isalnum() or c in "-+." else "-" for c in name)
    return Path("runs") / f"{safe}-{configuration.identity()}"


def _configuration(plain: Mapping[str, Any]) -> Configuration:
    """A configuration as read from run.json."""
    try:
        return Configuration(
            scenario=str(plain["scenario"]),
            strategy=str(plain["strategy"]),
            model=str(plain["model"]),
            options=dict(plain["options"]),
            seeds=configurations.parse_seeds([int(seed) for seed in plain["seeds"]]),
            sweep={name: tuple(values) for name, values in plain["sweep"].items()},
            eval_every=plain["eval_every"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"run.json has a damaged configuration: {error}") from None


def _existing(path: Path, configuration: Configuration) -> Run | None:
    """The run already there, if it is of this configuration."""
    if not path.exists():
        return None
    if not path.is_dir():
        raise ValueError(f"{path} is a file; give a folder as --out")
    if not (path / "run.json").is_file():
        if any(not entry.name.startswith(".") for entry in path.iterdir()):
            raise ValueError(f"{path} is not empty and not a run folder; choose another --out")
        return None
    found = runs.open_run(path)
    theirs = _configuration(found.configuration)
    if theirs.identity() != configuration.identity():
        differing = ", ".join(_differences(vars(theirs), vars(configuration)))
        raise ValueError(
            f"{path} holds a run of another configuration (different: {differing}); "
            "choose another --out, or remove that folder"
        )
    return found


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted({*theirs, *ours}):
        a, b = theirs.get(key), ours.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from _differences(a, b)
        elif a != b and (not isinstance(a, (list, tuple)) or list(a) != list(b or ())):
            yield key


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process a folder; the lock vanishes with the process that holds it."""
    from filelock import FileLock, Timeout

    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise ValueError(f"{path} is being written by another process; wait for it") from None
    except OSError as error:
        raise ValueError(
            f"cannot write to {path}: {error.strerror}; choose another --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _drive(
    path: Path,
    configuration: Configuration,
    objects: Objects,
    execution: dict[str, Any],
    root: Path,
    progress: Report | None,
) -> Run:
    """Train every chunk from wherever the folder's checkpoint stands."""
    device = devices.choose(execution["device"])
    compiler = Compiler(execution["compile"], cache=environment.cache_folder("steps"))
    chunks = make_chunks(configuration, objects, root, device, execution["vectorize"], compiler)
    with _locked(path):
        checkpoint = runs.read_checkpoint(path) if runs.has_checkpoint(path) else None
        drive = _Drive(path, configuration, execution, chunks, compiler, progress)
        drive.info["environment"] = environment.describe(device)
        try:
            drive.go(checkpoint)
        except KeyboardInterrupt:
            drive.write_info("interrupted")
            raise KeyboardInterrupt(str(path)) from None
    return runs.open_run(path)


class _Drive:
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
        if start == (0, 0):
            self.recorder.begin_chunk(learner.size)
            self.recorder.accuracy(chunk.replicas, learner, -1, num_experiences)
            if chunk.watchers:
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
                    num_classes = chunk.spec.num_classes
                    self.recorder.prequential(
                        chunk.replicas, chunk.prequential, num_classes, learner.take_judged()
                    )
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
            self.recorder.end_prequential(chunk.replicas, chunk.prequential, chunk.spec.num_classes)
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
