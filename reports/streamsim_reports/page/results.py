"""The numbers of one scenario's runs, and the tables that show them.

Shape letters: none; everything here is a tidy table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from streamsim.metrics import METRICS
from streamsim_reports.cohort import Cohort
from streamsim_reports.page.model import Cell, Column, Strip, Table
from streamsim_reports.page.text import count, data_uri, number, p_value, plus_minus

if TYPE_CHECKING:
    import pandas as pd

    from streamsim_reports.comparison import Comparison

HEADLINES = ("forgetting", "average_accuracy")  # what a first look is for
UNSURE = 0.05  # p values from here on tell nothing apart


@dataclass(frozen=True)
class Results:
    """Arms of one scenario with everything that is computed from their tables, once."""

    cohort: Cohort

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per arm and metric: label, metric, mean, ci95, num_seeds, num_diverged, note."""
        import pandas as pd

        whole = {run.path: run.summary() for run in self.cohort.runs}
        parts = []
        for arm in self.cohort.arms:
            rows = whole[arm.run.path]
            parts.append(rows[rows["setting"] == arm.setting].assign(label=arm.label))
        return pd.concat(parts, ignore_index=True).drop(columns="setting")

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        """Accuracies after each experience, of all arms."""
        return self.cohort.table("accuracy")

    @cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """Paired comparisons with the best arm, for the headline metrics that have numbers."""
        from streamsim_reports.comparison import compare

        if len(self.cohort.arms) < 2:
            return {}
        return {name: compare(self.cohort, name) for name in HEADLINES if self.has(name)}

    @property
    def warnings(self) -> list[str]:
        """How the protocols of the runs differ."""
        found = (w for comparison in self.comparisons.values() for w in comparison.warnings)
        return list(dict.fromkeys(found))

    def of(self, metric: str) -> pd.DataFrame:
        """Rows of one metric, the best arm first, arms without a number last."""
        rows = self.summary[self.summary["metric"] == metric]
        upwards = not METRICS[metric].higher_is_better
        return rows.sort_values("mean", ascending=upwards, kind="stable", na_position="last")

    def has(self, metric: str) -> bool:
        return bool(self.of(metric)["mean"].notna().any())

    @property
    def headline(self) -> str:
        """The metric that arms are ranked by."""
        return next((name for name in HEADLINES if self.has(name)), HEADLINES[-1])


def standings(results: Results, prefix: str) -> Table:
    """Who forgets least, by how much, and how sure that is: the first table of the page."""
    first, *others = [results.headline, *(n for n in HEADLINES if n != results.headline)]
    rows, low, high = results.of(first), *_limits(results.of(first))
    body = []
    for row in rows.itertuples():
        strip = _strip(row.mean, row.ci95, low, high) if row.mean == row.mean else None
        other = [_estimate(results.of(n).set_index("label").loc[row.label]) for n in others]
        body.append([
            Cell(row.label),
            replace(_estimate(row._asdict()), strip=strip),
            *([_behind(results, first, row.label)] if len(rows) > 1 else []),
            *other,
            _seeds(row.num_seeds, row.num_diverged),
        ])  # fmt: skip
    columns = [
        Column("Strategy"),
        Column(METRICS[first].title, numeric=True, drawn=True),
        *([Column("Behind the best", numeric=True)] if len(rows) > 1 else []),
        *(Column(METRICS[n].title, numeric=True) for n in others),
        Column("Seeds", numeric=True),
    ]
    return Table(
        f"{prefix}-standings",
        f"{METRICS[first].title}, best first; the bar is the 95 % confidence interval",
        columns,
        body,
        axis=(number(low, 2), number(high, 2)),
        order=(1, "descending" if METRICS[first].higher_is_better else "ascending"),
    )


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """The ends of an axis that holds every interval, and zero."""
    half = rows["ci95"].fillna(0)
    low, high = (rows["mean"] - half).min(), (rows["mean"] + half).max()
    low, high = min(0.0, float(low)), max(0.0, float(high))
    return (low, high) if high > low else (0.0, 1.0)


def _strip(mean: float, half: float, low: float, high: float) -> Strip:
    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    reach = half if half == half else 0.0
    return Strip(place(mean - reach), place(mean), place(mean + reach))


def _behind(results: Results, metric: str, label: str) -> Cell:
    """How far an arm is from the best, and whether that can be told apart from chance."""
    comparison = results.comparisons.get(metric)
    if comparison is None:
        return Cell(number(float("nan")))
    row = comparison.table.set_index("label").loc[label]
    if label == comparison.baseline:
        return Cell("best", 0.0, tone="good")
    difference, half, p = (float(row[k]) for k in ("difference", "difference_ci95", "p_corrected"))
    if difference != difference:
        return Cell(number(difference))
    sure = p < UNSURE
    note = p_value(p) if sure or p != p else f"cannot be told apart, {p_value(p)}"
    return Cell(
        plus_minus(abs(difference), half), abs(difference), note, tone="plain" if sure else "doubt"
    )


def _estimate(row: object) -> Cell:
    mean, half, note = (row[k] for k in ("mean", "ci95", "note"))  # type: ignore[index]
    if mean != mean:
        return Cell(number(mean), None, str(note))
    return Cell(plus_minus(mean, half), float(mean), str(note))


def _seeds(num_seeds: int, num_diverged: int) -> Cell:
    note = f"{num_diverged} diverged" if num_diverged else ""
    return Cell(str(num_seeds), num_seeds, note, tone="bad" if num_diverged else "plain")


def every_metric(results: Results, prefix: str) -> Table:
    """Mean and interval of every metric that some arm has."""
    defined = [name for name in METRICS if results.has(name)]
    by = results.summary.set_index(["label", "metric"])
    rows = [
        [
            Cell(label),
            *(_estimate({**by.loc[(label, name)], "note": ""}) for name in defined),
            _seeds(int(by.loc[label]["num_seeds"].max()), int(by.loc[label]["num_diverged"].max())),
        ]
        for label in results.cohort.labels
    ]
    columns = [
        Column("Strategy"),
        *(Column(METRICS[n].title, numeric=True, hint=METRICS[n].reference) for n in defined),
        Column("Seeds", numeric=True),
    ]
    shown = results.summary[results.summary["metric"].isin(defined)]
    order = ["label", *(c for c in shown if c != "label")]
    return Table(f"{prefix}-metrics", "Every metric", columns, rows, csv=data_uri(shown[order]))


def by_experience(results: Results, prefix: str) -> Table:
    """Accuracy on each experience at the end, mean over seeds that have not diverged."""
    final = last_rows(results.accuracy)
    means = final.groupby(["label", "on"], observed=True)["accuracy"].mean()
    experiences = sorted(final["on"].unique())
    rows = [
        [
            Cell(label),
            *(_plain(float(means.get((label, on), float("nan")))) for on in experiences),
        ]
        for label in results.cohort.labels
    ]
    columns = [Column("Strategy"), *(Column(f"on {on}", numeric=True) for on in experiences)]
    return Table(
        f"{prefix}-by-experience",
        "Accuracy on each experience at the end, mean over seeds",
        columns,
        rows,
        csv=data_uri(means.rename("mean").reset_index()),
    )


def last_rows(accuracy: pd.DataFrame) -> pd.DataFrame:
    """The accuracies of each arm after the last experience it has finished."""
    known = accuracy[accuracy["accuracy"].notna()]
    last = known.groupby("label", observed=True)["after"].transform("max")
    return known[known["after"] == last]


def _plain(value: float) -> Cell:
    return Cell(number(value), None if value != value else value)


def differences(results: Results, prefix: str) -> list[Table]:
    """Each arm against the best one, metric by metric."""
    return [
        _difference(prefix, name, comparison) for name, comparison in results.comparisons.items()
    ]


def _difference(prefix: str, metric: str, comparison: Comparison) -> Table:
    title = METRICS[metric].title.lower()
    rows: list[Sequence[Cell]] = []
    for row in comparison.table.to_dict("records"):
        if row["label"] == comparison.baseline:
            continue
        p = float(row["p_corrected"])
        needed = row["seeds_needed"]
        rows.append([
            Cell(str(row["label"])),
            Cell(plus_minus(row["difference"], row["difference_ci95"]), row["difference"]),
            Cell(p_value(float(row["p"])), row["p"]),
            Cell(p_value(p), p, tone="plain" if p < UNSURE else "doubt"),
            Cell(number(row["effect"], 2), row["effect"]),
            Cell(count(int(needed), "seed") if needed == needed else "–", needed),
        ])  # fmt: skip
    columns = [
        Column("Strategy"),
        Column("Difference", numeric=True),
        Column("Alone", numeric=True, hint="p of the paired test"),
        Column("Corrected", numeric=True, hint="p after Holm's correction"),
        Column("Effect size", numeric=True),
        Column("Seeds to tell", numeric=True),
    ]
    caption = f"Difference in {title} from {comparison.baseline}, paired over common seeds"
    return Table(
        f"{prefix}-differences-{metric}", caption, columns, rows, csv=data_uri(comparison.table)
    )
