"""The only code that knows what a run folder looks like.

    run.json                   configuration, settings, environment, status, timings
    accuracy.parquet ...       tidy tables, written when the run is finished
    parameters/000.safetensors final weights of a chunk of replicas
    checkpoint.safetensors     while unfinished: the current chunk's state and all rows so far

Files are written whole or not at all. Opening a folder runs nothing that it contains.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

FORMAT = 1
PAIRS = ("setting", "seed", "after", "source", "target", "loss_before", "loss_after", "ratio")
TABLES: Mapping[str, tuple[str, ...]] = {
    "accuracy": ("setting", "seed", "after", "on", "correct", "total", "accuracy"),
    "continual": ("setting", "seed", "experience", "step", "on", "correct", "total", "accuracy"),
    "training": ("setting", "seed", "experience", "steps", "loss"),
    "replicas": ("setting", "seed", "diverged_experience", "diverged_step"),
    # sums over blocks of samples that were predicted and then learned from
    "prequential": (
        *("setting", "seed", "position", "total", "correct", "accuracy", "persistent"),
        *("log_loss", "faded_accuracy", "faded_log_loss"),
    ),
    "prequential_classes": (
        *("setting", "seed", "position", "class", "labelled", "predicted", "correct"),
    ),
    # what detectors said, after how many samples; `watcher` is the place of a part in the strategy
    "alarms": ("setting", "seed", "position", "watcher"),
    "drifts": ("setting", "seed", "position"),  # the truth, which no learner sees
    # what a step on the source does to the target: between experiences, after training on
    # one, and between episodes, after outer steps of meta-training
    "transference": PAIRS,
    "meta_transference": PAIRS,
}
NOT_ASKED = {  # tables that a finished run may do without
    "continual": "this run has no continual evaluation; run with --eval-every N",
    "prequential": "this run was not judged while learning; run with --prequential",
    "prequential_classes": "this run was not judged while learning; run with --prequential",
    "alarms": "no detector watched this run; add a part such as on-drift:watch",
    "drifts": "this run was not judged while learning; run with --prequential",
    "transference": "this run has no transference; run with --transference",
    "meta_transference": "this run has no transference between episodes; run a strategy that "
    "meta-learns, such as maml-init, with --transference",
}
Columns = Mapping[str, "Tensor"]  # a table's columns, equally long


class Checkpoint(NamedTuple):
    """A moment between two steps."""

    position: Mapping[str, Any]  # chunk, experience, step, seconds, choice
    state: Mapping[str, Tensor]
    rows: Mapping[str, Columns]


@dataclass(frozen=True)
class Run:
    """A run folder, opened for reading."""

    path: Path
    info: Mapping[str, Any]  # what run.json holds

    @property
    def status(self) -> str:
        """ "finished", "running" or "interrupted"; a killed run still says "running"."""
        return str(self.info["status"])

    @property
    def configuration(self) -> Mapping[str, Any]:
        return dict(self.info["configuration"])

    @property
    def settings(self) -> list[dict[str, Any]]:
        """The swept values of each setting, in the order of the column `setting`."""
        return [dict(setting) for setting in self.info["settings"]]

    def table(self, name: str) -> pd.DataFrame:
        """A raw table, one of TABLES; of an unfinished run, so far."""
        if name not in TABLES:
            raise ValueError(f"no table '{name}'; a run has {', '.join(TABLES)}")
        file = self.path / f"{name}.parquet"
        if self.status == "finished":
            if not file.is_file() and name in NOT_ASKED:
                raise ValueError(NOT_ASKED[name])
            return read_table(file, TABLES[name])
        rows = read_checkpoint(self.path).rows if has_checkpoint(self.path) else {}
        return frame(name, rows.get(name, {}))

    def has_table(self, name: str) -> bool:
        return (self.path / f"{name}.parquet").is_file()

    def summary(self, joint: Run | None = None) -> pd.DataFrame:
        """Every metric of every setting: mean, 95 % confidence interval and number of seeds.

        `joint` is a run of the strategy `joint` on the same scenario, for intransigence.
        """
        from streamsim.metrics import summarize

        return summarize(*self._measured(joint))

    def per_replica(self, joint: Run | None = None) -> pd.DataFrame:
        """Every metric of every replica: setting, seed, metric, value and why there is none."""
        from streamsim.metrics import per_replica

        return per_replica(*self._measured(joint))

    def _measured(self, joint: Run | None) -> tuple[Any, ...]:
        """What metrics are computed from, in the order in which their functions take it."""
        return (
            self.table("accuracy"),
            self.table("continual") if self.has_table("continual") else None,
            self.table("replicas") if self.status == "finished" else None,
            None if joint is None else joint.table("accuracy"),
            {"setting": self.info["stream"]["setting"]},
            self.prequential() if self.has_table("prequential_classes") else None,
        )

    def prequential(self, window: int | None = None) -> pd.DataFrame:
        """Accuracy, kappas and log loss on samples before they were learned from, over the last
        `window` of them (None: all so far); see `streamsim.metrics.prequential_curves`."""
        from streamsim.metrics import prequential_curves

        return prequential_curves(
            self.table("prequential"), self.table("prequential_classes"), window
        )

    def detection(self, tolerance: int | None = None) -> pd.DataFrame:
        """How well each watching part's detector found the true drifts, for every replica; see
        `streamsim.metrics.detection`. `watcher` is the part's place in the strategy."""
        import pandas as pd

        from streamsim.metrics import detection

        alarms, drifts = self.table("alarms"), self.table("drifts")
        length = self.table("prequential").groupby(["setting", "seed"])["position"].max()
        parts = str(self.configuration["strategy"]).split("+")
        watchers = [n for n, part in enumerate(parts) if part.strip().startswith("on-drift:")]
        watchers = sorted({*watchers, *alarms["watcher"]})
        lengths = (
            length.rename("length")
            .reset_index()
            .merge(pd.DataFrame({"watcher": watchers}), how="cross")
        )
        return detection(alarms, drifts, lengths, tolerance)

    def parameters(self, seed: int, setting: int = 0) -> dict[str, Tensor]:
        """The final weights of one replica."""
        from safetensors import safe_open
        from safetensors.torch import load_file

        for file in sorted((self.path / "parameters").glob("*.safetensors")):
            try:
                with safe_open(file, framework="pt") as opened:
                    replicas = json.loads(opened.metadata()["replicas"])
                if [setting, seed] in replicas:
                    row = replicas.index([setting, seed])
                    return {name: tensor[row] for name, tensor in load_file(file).items()}
            except Exception as error:  # safetensors' own errors, missing keys, bad JSON
                raise ValueError(f"{file} is damaged: {_first_line(error)}") from None
        raise ValueError(f"no weights of seed {seed}, setting {setting} in {self.path}")

    @cached_property
    def _headline(self) -> str:
        names, seeds = self.info["configuration"], len(self.info["configuration"]["seeds"])
        count = len(self.settings)
        settings = "" if count == 1 else f" x {count} settings"
        return (
            f"{names['strategy']} on {names['scenario']}, {seeds} seed{'s' * (seeds > 1)}"
            f"{settings}, {self.status}"
        )

    def __repr__(self) -> str:
        lines = [f"Run({self._headline})", f"  {self.path}"]
        if self.status == "finished":
            lines += [f"  {line}" for line in summary_lines(self)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from streamsim.notebook import html

        return html(self)


def summary_lines(run: Run) -> list[str]:
    """The defined metrics of a run, one line each."""
    lines = []
    for row in run.summary().to_dict("records"):
        if row["mean"] == row["mean"]:
            label = f"setting {row['setting']}  " if len(run.settings) > 1 else ""
            half = f" ± {row['ci95']:.4f}" if row["ci95"] == row["ci95"] else ""
            diverged = f", {row['num_diverged']} diverged" if row["num_diverged"] else ""
            seeds = f"({row['num_seeds']} seeds{diverged})"
            lines.append(f"{label}{row['metric']:<29}{row['mean']:.4f}{half} {seeds}")
    return lines


# -- reading ----------------------------------------------------------------------------------
def open_run(path: str | Path) -> Run:
    """Open a run folder; ValueError if it is not one, or is damaged."""
    path = Path(path)
    file = path / "run.json"
    if not file.is_file():
        raise ValueError(f"{path} is not a run folder: it has no run.json")
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
        if info["format"] != FORMAT:
            raise ValueError(
                f"{path} has the format {info['format']}, and this streamsim reads {FORMAT}; "
                "use the version that wrote it"
            )
        needed = ("configuration", "settings", "status", "stream", "environment")
        missing = [key for key in needed if key not in info]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged or not of streamsim: {error}") from None
    if missing:
        raise ValueError(f"{file} is damaged: it has no {', '.join(missing)}")
    return Run(path, info)


def read_table(file: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A Parquet table with the expected columns."""
    import pandas as pd

    try:
        table = pd.read_parquet(file)
    except Exception as error:  # pyarrow raises many kinds for a damaged file
        raise ValueError(f"{file} is missing or damaged: {_first_line(error)}") from None
    absent = [name for name in columns if name not in table]
    if absent:
        raise ValueError(f"{file} has no column {', '.join(absent)}; was it written by streamsim?")
    return table


def has_checkpoint(path: Path) -> bool:
    return (path / "checkpoint.safetensors").is_file()


def read_checkpoint(path: Path) -> Checkpoint:
    """The last moment that an unfinished run wrote down."""
    from safetensors import safe_open

    file = path / "checkpoint.safetensors"
    state: dict[str, Tensor] = {}
    rows: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(file, framework="pt") as opened:
            position = json.loads(opened.metadata()["position"])
            for name in opened.keys():  # noqa: SIM118 (not a mapping)
                kind, _, rest = name.partition("/")
                if kind == "rows":
                    table, _, column = rest.partition("/")
                    rows.setdefault(table, {})[column] = opened.get_tensor(name)
                else:
                    state[rest] = opened.get_tensor(name)
    except Exception as error:  # safetensors' own errors, missing keys, bad JSON
        raise ValueError(
            f"{file} is damaged: {_first_line(error)}; remove it to begin again"
        ) from None
    return Checkpoint(position, state, rows)


def frame(name: str, columns: Columns) -> pd.DataFrame:
    """A table from raw columns: accuracy is added, and divergence becomes nullable."""
    import pandas as pd

    table = pd.DataFrame({key: column.numpy() for key, column in columns.items()})
    if table.empty:
        return pd.DataFrame(columns=list(TABLES[name]))
    if "accuracy" in TABLES[name]:
        known = table["correct"] >= 0  # -1 marks a diverged replica
        table["accuracy"] = (table["correct"] / table["total"]).where(known)
        table["correct"] = table["correct"].where(known).astype("Int64")
    for key in ("diverged_experience", "diverged_step"):
        if key in table:
            table[key] = table[key].where(table[key] >= 0).astype("Int64")
    order = [key for key in TABLES[name] if key not in ("correct", "total", "accuracy", "loss")]
    return table[list(TABLES[name])].sort_values(order, ignore_index=True)


# -- writing ----------------------------------------------------------------------------------
def write_whole(file: Path, content: bytes) -> None:
    """Replace a file by new content, or leave it as it was, whatever happens."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(name, 0o644)
            os.replace(name, file)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
        _sync_folder(file.parent)
    except OSError as error:
        raise ValueError(
            f"cannot write {file}: {error.strerror}; choose another --out or make room, "
            "then resume: what was saved before is untouched"
        ) from None


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; some systems cannot open folders, and need not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_info(path: Path, info: Mapping[str, Any]) -> None:
    text = json.dumps({"format": FORMAT, **info}, indent=2, ensure_ascii=False)
    write_whole(path / "run.json", (text + "\n").encode())


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    from safetensors.torch import save

    # clones: safetensors refuses tensors that share memory, as a teacher may with its student
    tensors = {
        f"state/{name}": tensor.contiguous().clone() for name, tensor in checkpoint.state.items()
    }
    for table, columns in checkpoint.rows.items():
        tensors |= {f"rows/{table}/{name}": column for name, column in columns.items()}
    metadata = {"position": json.dumps(dict(checkpoint.position))}
    write_whole(path / "checkpoint.safetensors", save(tensors, metadata))


def write_parameters(
    path: Path, chunk: int, replicas: Sequence[tuple[int, int]], params: Columns
) -> None:
    """Final weights of a chunk; the metadata lists (setting, seed) of each row."""
    from safetensors.torch import save

    metadata = {"replicas": json.dumps([list(replica) for replica in replicas])}
    content = save({name: tensor.contiguous() for name, tensor in params.items()}, metadata)
    write_whole(path / "parameters" / f"{chunk:03}.safetensors", content)


def write_tables(path: Path, rows: Mapping[str, Columns]) -> None:
    """The final tables; the same rows give the same bytes."""
    import io

    for name, columns in rows.items():
        buffer = io.BytesIO()
        frame(name, columns).to_parquet(buffer, index=False)
        write_whole(path / f"{name}.parquet", buffer.getvalue())


def remove_checkpoint(path: Path) -> None:
    with suppress(FileNotFoundError):
        (path / "checkpoint.safetensors").unlink()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
