"""The life of a run: resolve, draw the streams, drive learners over them, leave a run folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from streamsim import devices, environment, resolution, runs
from streamsim.chunks import make_chunks, side_by_side
from streamsim.compilation import Compiler, Mode
from streamsim.configuration import Configuration, parse_seeds
from streamsim.data import data_root
from streamsim.drive import Drive, Report
from streamsim.runs import Run, checkpoints
from streamsim.settings import ModelFactory, Objects
from streamsim.strategy import Part
from streamsim.stream import Scenario


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
    _check_execution(device, vectorize, compile)
    configuration, objects = resolution.resolve(
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
        checkpoints.remove(found.path)
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
            seeds=parse_seeds([int(seed) for seed in plain["seeds"]]),
            sweep={name: tuple(values) for name, values in plain["sweep"].items()},
            eval_every=plain["eval_every"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"run.json has a damaged configuration: {error}") from None


def _check_execution(device: str, vectorize: str | int, compile: str) -> None:
    """Refuse what no run could be computed with, also where a finished one is there already."""
    devices.choose(device)
    side_by_side(str(vectorize))
    if compile not in get_args(Mode):
        raise ValueError(f"--compile {compile}: choose auto, on or off")


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
        checkpoint = checkpoints.read(path) if checkpoints.exists(path) else None
        drive = Drive(path, configuration, execution, chunks, compiler, progress)
        drive.info["environment"] = environment.describe(device)
        try:
            drive.go(checkpoint)
        except KeyboardInterrupt:
            drive.write_info("interrupted")
            raise KeyboardInterrupt(str(path)) from None
    return runs.open_run(path)
