"""What there is to export: tables for table readers, scalars over steps for experiment trackers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from streamsim.runs import Run
from streamsim.runs.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

ALWAYS = ("accuracy", "training", "replicas")  # tables that every finished run has
REPLICA = ["setting", "seed"]


class Replica(NamedTuple):
    """One seed of one setting, as an experiment tracker sees a run."""

    name: str  # fit for a file name
    config: dict[str, str | int | float | bool]  # everything that was set, lists as text
    scalars: pd.DataFrame  # tag, step, value; steps count from the start of training
    metrics: dict[str, float]  # the metrics that are defined


def tables(run: Run) -> dict[str, pd.DataFrame]:
    """Raw tables, then settings (with all options), metrics (by replica) and summary."""
    import pandas as pd

    finished = run.status == "finished"
    names = [name for name in TABLES if not finished or name in ALWAYS or run.has_table(name)]
    raw = {name: run.table(name) for name in names}
    found = {name: table for name, table in raw.items() if not table.empty}
    settings = pd.DataFrame([{"setting": n, **config(run, n)} for n in range(len(run.settings))])
    if "accuracy" not in found:
        return {**found, "settings": settings}
    derived = {"settings": settings, "metrics": run.per_replica(), "summary": run.summary()}
    return found | derived


def config(run: Run, setting: int) -> dict[str, str | int | float | bool]:
    """The names and options of a setting, swept values put in; lists and None as text."""
    names = {key: run.configuration[key] for key in ("scenario", "strategy", "model")}
    options = {**names, **run.configuration["options"], **run.settings[setting]}
    return {name: _plain(value) for name, value in options.items()}


def replicas(run: Run) -> Iterator[Replica]:
    """Every replica of a run, of an unfinished one as far as it goes."""
    log = scalars(run)
    if log.empty:
        return
    measured = run.per_replica().dropna(subset="value").set_index(REPLICA)
    gone = run.table("replicas").set_index(REPLICA)["diverged_experience"].dropna()
    for setting, seed in log[REPLICA].drop_duplicates().sort_values(REPLICA).to_numpy().tolist():
        own = measured[measured.index == (setting, seed)]
        rows = log[(log["setting"] == setting) & (log["seed"] == seed)]
        diverged = gone.get((setting, seed))
        note = {} if diverged is None else {"diverged_experience": int(diverged)}
        yield Replica(
            _name(run, setting, seed),
            {**config(run, setting), "seed": seed, **note},
            rows[["tag", "step", "value"]].sort_values("step", kind="stable", ignore_index=True),
            dict(zip(own["metric"], own["value"].astype(float), strict=True)),
        )


def scalars(run: Run) -> pd.DataFrame:
    """Everything measured, N rows: setting, seed, tag, step and value.

    Steps count training steps from the start of the stream. Tags: accuracy/experience J after each
    experience, and accuracy/seen so far, their mean over experiences that have begun;
    continual/experience J within experiences; training/loss. What a diverged replica would have
    had is left out.
    """
    import pandas as pd

    training = run.table("training")
    if training.empty:
        return pd.DataFrame(columns=[*REPLICA, "tag", "step", "value"])
    ends = _ends(training)
    accuracy = run.table("accuracy")
    accuracy = accuracy.assign(step=_step(ends, accuracy, accuracy["after"]))
    seen = accuracy[accuracy["on"] <= accuracy["after"]]
    mean = seen.groupby([*REPLICA, "step"], as_index=False)["accuracy"].mean()
    parts = [
        accuracy.assign(tag="accuracy/experience " + accuracy["on"].astype(str)),
        mean.assign(tag="accuracy/seen so far"),
        training.assign(
            tag="training/loss",
            step=_step(ends, training, training["experience"]),
            accuracy=training["loss"],
        ),
    ]
    if run.has_table("continual"):
        inside = run.table("continual")
        begun = _step(ends, inside, inside["experience"] - 1)
        tag = "continual/experience " + inside["on"].astype(str)
        parts.append(inside.assign(tag=tag, step=begun + inside["step"]))
    rows = [part.rename(columns={"accuracy": "value"}) for part in parts]
    log: pd.DataFrame = pd.concat([part[[*REPLICA, "tag", "step", "value"]] for part in rows])
    return log.dropna(subset="value").reset_index(drop=True)


def _ends(training: pd.DataFrame) -> pd.DataFrame:
    """Steps done after each experience, one row a replica; column -1 is the beginning."""
    steps = training.pivot(index=REPLICA, columns="experience", values="steps")
    whole: pd.DataFrame = steps.reindex(
        columns=range(-1, int(training["experience"].max()) + 1)
    ).fillna(0)
    return whole.astype(np.int64).cumsum(axis=1)


def _step(ends: pd.DataFrame, rows: pd.DataFrame, after: pd.Series[int]) -> np.ndarray[Any, Any]:
    """Steps done when the experience `after` of each row had ended."""
    import pandas as pd

    replica = ends.index.get_indexer(pd.MultiIndex.from_frame(rows[REPLICA]))
    # a joint learner skips experiences: nothing was stepped in them
    column = (after.to_numpy() + 1).clip(0, ends.shape[1] - 1)
    return np.asarray(ends.to_numpy()[replica, column])


def _name(run: Run, setting: int, seed: int) -> str:
    """`seed-3`, or with a sweep `setting-1_alpha=0.1_seed-3`; safe whatever the values are."""
    swept = [f"{name.rpartition('.')[2]}={value}" for name, value in run.settings[setting].items()]
    parts = [f"setting-{setting}", *swept] if len(run.settings) > 1 else []
    return re.sub(r"[^\w.=,+-]+", "_", "_".join([*parts, f"seed-{seed}"]))


def _plain(value: Any) -> str | int | float | bool:
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)
