"""The numbers of runs that belong together, each computed once, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from streamsim.metrics import METRICS
from streamsim_reports.cohort import Arm, Cohort

if TYPE_CHECKING:
    import pandas as pd

    from streamsim_reports.comparison import Comparison

HEADLINES = ("forgetting", "average_accuracy")  # what a first look is for
WHILE_LEARNING = "prequential_accuracy"  # comes first where learners were judged as they went
NO_ROWS = "unfinished, with no results yet"
UNSURE = 0.05  # p values from here on tell nothing apart


@dataclass(frozen=True)
class Score:
    """One metric of one arm."""

    label: str
    metric: str
    mean: float  # NaN where the metric is not defined
    half: float  # half of the 95 % interval over seeds; NaN with one seed
    num_seeds: int
    num_diverged: int
    note: str  # why there is no number, or what is missing from it

    @property
    def known(self) -> bool:
        return self.mean == self.mean


@dataclass(frozen=True)
class Gap:
    """An arm against the best one, paired over their common seeds."""

    label: str
    difference: float  # its mean less that of the best
    half: float  # half of the 95 % interval of the difference
    p: float  # NaN where nothing can be tested
    corrected: float  # after correction for many comparisons
    effect: float
    seeds_needed: float  # to tell the two apart; NaN where that is not known

    @property
    def sure(self) -> bool:
        return self.corrected < UNSURE


@dataclass(frozen=True)
class Results:
    """Arms with everything that is computed from their tables."""

    cohort: Cohort

    @cached_property
    def scores(self) -> dict[tuple[str, str], Score]:
        """By label and metric."""
        return {
            (arm.label, score.metric): score for arm in self.cohort.arms for score in _scores(arm)
        }

    @cached_property
    def accuracy(self) -> pd.DataFrame:
        """Accuracies after each experience, of all arms."""
        return self.cohort.table("accuracy")

    @cached_property
    def _compared(self) -> tuple[dict[str, Comparison], str]:
        from streamsim_reports.comparison import compare

        if len(self.cohort.arms) < 2:
            return {}, ""
        try:
            return {m: compare(self.cohort, m) for m in self.headlines if self.ranked(m)}, ""
        except ValueError as error:  # unlike protocols, no common seeds
            return {}, str(error)

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """Paired comparisons with the best arm, for the headline metrics that have numbers."""
        return self._compared[0]

    @property
    def refusal(self) -> str:
        """Why the arms cannot be compared; nothing if they can."""
        return self._compared[1]

    @cached_property
    def gaps(self) -> dict[str, dict[str, Gap]]:
        """By metric and label; the best arm has none."""
        return {
            metric: {
                str(row["label"]): Gap(
                    str(row["label"]),
                    row["difference"],
                    row["difference_ci95"],
                    row["p"],
                    row["p_corrected"],
                    row["effect"],
                    row["seeds_needed"],
                )
                for row in _records(comparison.table)
                if row["label"] != comparison.baseline
            }
            for metric, comparison in self.comparisons.items()
        }

    @property
    def warnings(self) -> list[str]:
        """What speaks against comparing the arms as they are."""
        from streamsim_reports.protocol import protocol_differences

        alike = [f"Not run alike: {d}." for d in protocol_differences(self.cohort) if not d.refused]
        return [f"Nothing is compared: {self.refusal}.", *alike] if self.refusal else alike

    def of(self, metric: str) -> list[Score]:
        """The scores of one metric in the order of the arms."""
        return [self.scores[label, metric] for label in self.cohort.labels]

    def ranked(self, metric: str) -> list[Score]:
        """The arms that have a number, the best first."""
        sign = -1 if METRICS[metric].higher_is_better else 1
        return sorted((s for s in self.of(metric) if s.known), key=lambda s: sign * s.mean)

    def values(self, label: str, metric: str) -> pd.Series[float]:
        """A metric of one arm by seed, of replicas that have it."""
        arm = next(arm for arm in self.cohort.arms if arm.label == label)
        rows = arm.run.per_replica()
        own = rows[(rows["setting"] == arm.setting) & (rows["metric"] == metric)]
        return own.set_index("seed")["value"].astype(float).dropna()

    @cached_property
    def judged(self) -> bool:
        """Whether every arm that is done was judged while learning, as where streams drift."""
        done = [arm.run for arm in self.cohort.arms if arm.run.status == "finished"]
        return bool(self.ranked(WHILE_LEARNING)) and all(r.has_table("prequential") for r in done)

    @property
    def headlines(self) -> tuple[str, ...]:
        """What a first look is for, the most important first."""
        return (WHILE_LEARNING, *reversed(HEADLINES)) if self.judged else HEADLINES

    @property
    def headline(self) -> str:
        """The metric that arms are ranked by."""
        return next((name for name in self.headlines if self.ranked(name)), HEADLINES[-1])

    @cached_property
    def learned(self) -> dict[tuple[str, int], float]:
        """Accuracy just after training on it, mean over seeds: by label and experience."""
        known = self.accuracy[self.accuracy["accuracy"].notna()]
        return _means(known[known["after"] == known["on"]])

    @cached_property
    def final(self) -> dict[tuple[str, int], float]:
        """Accuracy after the last experience an arm has done: by label and experience."""
        known = self.accuracy[self.accuracy["accuracy"].notna()]
        last = known.groupby("label", observed=True)["after"].transform("max")
        return _means(known[known["after"] == last])


def _scores(arm: Arm) -> list[Score]:
    """Every metric of an arm; of an unfinished one that has no rows yet, why there is none."""
    rows = []
    if not arm.run.table("accuracy").empty:
        summary = arm.run.summary()
        rows = _records(summary[summary["setting"] == arm.setting])
    if not rows:
        nothing = float("nan")
        return [Score(arm.label, name, nothing, nothing, 0, 0, NO_ROWS) for name in METRICS]
    return [
        Score(
            arm.label,
            row["metric"],
            row["mean"],
            row["ci95"],
            int(row["num_seeds"]),
            int(row["num_diverged"]),
            row["note"],
        )
        for row in rows
    ]


def _means(rows: pd.DataFrame) -> dict[tuple[str, int], float]:
    """Keys as people count: the first experience is 1."""
    means = rows.groupby(["label", "on"], observed=True)["accuracy"].mean()
    return {(str(label), int(on) + 1): value for (label, on), value in _items(means)}


def _items(series: pd.Series[Any]) -> list[tuple[Any, float]]:
    return [(key, float(value)) for key, value in series.to_dict().items()]


def _records(table: pd.DataFrame) -> list[Mapping[str, Any]]:
    return cast("list[Mapping[str, Any]]", table.to_dict("records"))
