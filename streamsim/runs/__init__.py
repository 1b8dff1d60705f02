"""What a run folder looks like, which nothing outside this package knows.

    run.json                   configuration, settings, environment, status, timings
    accuracy.parquet ...       tidy tables, written when the run is finished
    parameters/000.safetensors final weights of a chunk of replicas
    checkpoint.safetensors     while unfinished: the current chunk's state and all rows so far

Files are written whole or not at all. Opening a folder runs nothing that it contains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamsim.runs import checkpoints, tables, weights
from streamsim.runs.files import write_whole
from streamsim.runs.tables import NOT_ASKED, TABLES

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

FORMAT = 1


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
            return tables.read(file, TABLES[name])
        rows = checkpoints.read(self.path).rows if checkpoints.exists(self.path) else {}
        return tables.frame(name, rows.get(name, {}))

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
            self._detection(),
        )

    def _detection(self) -> pd.DataFrame | None:
        """None if nothing watched; without rows where alarms cannot be told true from false."""
        import pandas as pd

        from streamsim.metrics.detection import COLUMNS

        if not self.has_table("alarms"):
            return None
        known = self.has_table("drifts") and self.has_table("prequential")
        return self.detection() if known else pd.DataFrame(columns=COLUMNS)

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
        return weights.read(self.path, seed, setting)

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
            plural = "" if row["num_seeds"] == 1 else "s"
            seeds = f"({row['num_seeds']} seed{plural}{diverged})"
            lines.append(f"{label}{row['metric']:<30}{row['mean']:.4f}{half} {seeds}")
    return lines


def open_run(path: str | Path) -> Run:
    """Open a run folder; ValueError if it is not one, or is damaged."""
    path = Path(path)
    file = path / "run.json"
    if not file.is_file():
        raise ValueError(f"{path} is not a run folder: it has no run.json")
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is damaged or not of streamsim: {error}") from None
    if not isinstance(info, dict) or "format" not in info:
        raise ValueError(f"{file} is damaged or not of streamsim: it names no format")
    if info["format"] != FORMAT:
        raise ValueError(
            f"{path} has the format {info['format']}, and this streamsim reads {FORMAT}; "
            "use the version that wrote it"
        )
    needed = ("configuration", "settings", "status", "stream", "environment")
    missing = [key for key in needed if key not in info]
    if missing:
        raise ValueError(f"{file} is damaged: it has no {', '.join(missing)}")
    return Run(path, info)


def write_info(path: Path, info: Mapping[str, Any]) -> None:
    text = json.dumps({"format": FORMAT, **info}, indent=2, ensure_ascii=False)
    write_whole(path / "run.json", (text + "\n").encode())
