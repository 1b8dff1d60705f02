"""Arms compared by one metric: paired tests over common seeds, and ranks over scenarios.

Without a baseline, arms are compared with the best one. As the best is only known afterwards, its
tests are corrected as some of all pairs; with a baseline named in advance only the tests against
it count. Either way Holm's correction spans every scenario of the comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from streamsim.metrics import METRICS
from streamsim_reports import sentences as words
from streamsim_reports.cohort import Cohort
from streamsim_reports.measuring import Measured, Stages, incomplete, measure
from streamsim_reports.protocol import protocol_differences, stages
from streamsim_reports.ranking import RankTest, draw_ranks, rank, rank_test
from streamsim_reports.statistics import ALPHA, PairedTest, holm, paired_test, seeds_needed
from streamsim_reports.wording import listed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What can be said about one metric.

    `table`, one row per arm, scenario by scenario, best first: label, method (the label without its
    scenario), scenario, mean, ci95, num_seeds, num_diverged, and against `baseline` over their
    num_common seeds: difference (arm less baseline), difference_ci95 (half-width), p, p_corrected,
    effect (d_z), seeds_needed (to decide what is undecided; NaN if no practical number would),
    verdict (baseline, better, worse, undecided, untested) and note.
    `pairs`, one row per pair of arms: the same for first less second, with p_wilcoxon.
    """

    metric: str
    table: pd.DataFrame
    pairs: pd.DataFrame
    ranks: pd.DataFrame | None  # method, average_rank and a column a scenario, if several
    rank_test: RankTest | None
    sentences: list[str]
    warnings: list[str]

    @property
    def baseline(self) -> str:
        """The label that others are compared with, on the first scenario if there are several."""
        return str(self.table["baseline"].iloc[0])


def compare(
    cohort: Cohort,
    metric: str = "average_accuracy",
    baseline: str | None = None,
    *,
    anyway: bool = False,
) -> Comparison:
    """Compare the arms of a cohort by a metric of METRICS.

    `baseline` is a label, or a method or strategy that one arm a scenario has; by default the
    best arm of each scenario. ValueError if arms ran on different data or settings revealed
    (unless `anyway`), if no arm has the metric, or if no two arms have a seed in common.
    """
    if metric not in METRICS:
        raise ValueError(f"unknown metric '{metric}'; choose {', '.join(METRICS)}")
    arms = measure(cohort, stages(cohort, anyway), metric)
    _check(arms, metric)
    pairs = _pairs(arms)
    table = _table(arms, METRICS[metric].higher_is_better, baseline, pairs)
    _check_seeds(arms, pairs)
    means = _common_means(table)
    ranks = None if means is None else rank(means, METRICS[metric].higher_is_better)
    test = None if means is None else rank_test(means)
    return Comparison(
        metric,
        table,
        pairs,
        ranks,
        test,
        [
            *words.about_arms(METRICS[metric], table, pairs, baseline is not None),
            *words.about_ranks(METRICS[metric], ranks, test),
        ],
        [*_differing(cohort, anyway), *incomplete(arms, metric), *words.doubts(pairs)],
    )


def critical_difference_axes(comparison: Comparison, axes: Axes) -> Axes:
    """The critical-difference diagram of three methods or more that ran on two scenarios or more.

    Bars join methods whose average ranks cannot be told apart. ValueError below that.
    """
    if comparison.ranks is None or comparison.rank_test is None:
        raise ValueError(
            "a critical-difference diagram needs at least 3 strategies that each ran on the same "
            "2 scenarios or more"
        )
    axes.set_title(f"Average rank in {METRICS[comparison.metric].title.lower()}", pad=44)
    return draw_ranks(comparison.ranks, comparison.rank_test, axes)


# -- refusals -------------------------------------------------------------------------------------
def _check(arms: Stages, metric: str) -> None:
    everyone = [measured for members in arms.values() for measured in members]
    if max(map(len, arms.values())) < 2:
        names = listed([measured.arm.label for measured in everyone], 4)
        apart = f" ran on {listed(list(arms), 4)}" if len(arms) > 1 else ""
        raise ValueError(
            f"nothing to compare: {names}{apart}; give two or more runs, or one with a sweep, on "
            "the same scenario"
        )
    if all(measured.values.empty for measured in everyone):
        raise ValueError(f"no run has {metric}: {everyone[0].note}")


def _check_seeds(arms: Stages, pairs: pd.DataFrame) -> None:
    if pairs.empty or (pairs["num_common"] > 0).any():
        return
    seeds = [
        f"{measured.arm.label}: {listed([str(seed) for seed in measured.values.index], 3)}"
        for members in arms.values()
        for measured in members
        if len(measured.values)
    ]
    raise ValueError(
        f"no two runs have a seed in common ({'; '.join(seeds[:3])}), so nothing can be paired; "
        "run them with the same --seeds"
    )


# -- tests ----------------------------------------------------------------------------------------
def _paired(first: Measured, second: Measured) -> PairedTest:
    common = first.values.index.intersection(second.values.index)
    return paired_test(first.values[common].to_numpy(), second.values[common].to_numpy())


def _pairs(arms: Stages) -> pd.DataFrame:
    import pandas as pd

    tests = [
        {
            "scenario": stage,
            "first": first.arm.label,
            "second": second.arm.label,
            **_columns(_paired(first, second)),
        }
        for stage, members in arms.items()
        for first, second in combinations([m for m in members if len(m.values)], 2)
    ]
    columns = ["scenario", "first", "second", *_columns(paired_test([], []))]
    return _corrected(pd.DataFrame(tests, columns=columns))


def _columns(test: PairedTest) -> dict[str, Any]:
    return {
        "num_common": test.num_common,
        "difference": test.difference,
        "difference_ci95": test.half_width,
        "effect": test.effect,
        "p": test.p,
        "p_wilcoxon": test.p_wilcoxon,
        "note": test.note,
    }


def _corrected(tests: pd.DataFrame) -> pd.DataFrame:
    """With p_corrected, and seeds_needed where no difference holds."""
    tests["p_corrected"] = holm(tests["p"].tolist())
    num_tests = int(tests["p"].notna().sum())
    tests["seeds_needed"] = [
        seeds_needed(effect, num_tests) if p >= ALPHA else NAN
        for effect, p in zip(tests["effect"], tests["p_corrected"], strict=True)
    ]
    tests["seeds_needed"] = tests["seeds_needed"].astype(float).replace(float("inf"), NAN)
    return tests


# -- the table ------------------------------------------------------------------------------------
def _table(
    arms: Stages, higher_is_better: bool, baseline: str | None, pairs: pd.DataFrame
) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for stage, members in arms.items():
        sign = -1 if higher_is_better else 1
        # arms without a number come last
        ordered = sorted(
            members, key=lambda m: (m.values.empty, sign * m.estimate.mean if len(m.values) else 0)
        )
        reference = ordered[0] if baseline is None else _baseline(stage, ordered, baseline)
        rows += [_row(stage, measured, reference) for measured in ordered]
    table = _corrected(pd.DataFrame(rows))
    if baseline is None:
        table = _corrected_as_pairs(table, pairs)
    table["verdict"] = [_verdict(row, higher_is_better) for row in table.to_dict("records")]
    last = ["p", "p_wilcoxon", "p_corrected", "effect", "seeds_needed", "verdict", "note"]
    return table[[*(name for name in table if name not in last), *last]]


def _baseline(stage: str, members: Sequence[Measured], name: str) -> Measured:
    for attribute in ("label", "method", "strategy"):
        found = [
            measured
            for measured in members
            if getattr(measured if attribute == "method" else measured.arm, attribute) == name
        ]
        if len(found) > 1:
            labels = listed([f"'{measured.arm.label}'" for measured in found], 4)
            raise ValueError(f"--baseline {name} could be {labels}; name one of them")
        if found and found[0].values.empty:
            raise ValueError(f"--baseline {name} has no such number: {found[0].note}")
        if found:
            return found[0]
    labels = listed([f"'{measured.arm.label}'" for measured in members], 12)
    raise ValueError(f"--baseline {name} is not among the runs on {stage}: choose {labels}")


def _row(stage: str, measured: Measured, reference: Measured) -> dict[str, Any]:
    own = measured.arm.label == reference.arm.label
    nothing = {**dict.fromkeys(_columns(paired_test([], [])), NAN), "num_common": 0, "note": ""}
    tested = nothing if own or measured.values.empty else _columns(_paired(measured, reference))
    return {
        "label": measured.arm.label,
        "method": measured.method,
        "scenario": stage,
        "mean": measured.estimate.mean,
        "ci95": measured.estimate.half_width,
        "num_seeds": measured.estimate.num_seeds,
        "num_diverged": measured.num_diverged,
        "baseline": reference.arm.label,
        **tested,
        "note": "; ".join(filter(None, [measured.note, str(tested["note"])])),
    }


def _corrected_as_pairs(table: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """With the correction, and the seeds needed, of the same tests among all pairs."""
    found = {frozenset((row["first"], row["second"])): row for row in pairs.to_dict("records")}
    for column in ("p_corrected", "seeds_needed"):
        table[column] = [
            found[key][column] if (key := frozenset(names)) in found else NAN
            for names in zip(table["label"], table["baseline"], strict=True)
        ]
    return table


def _verdict(row: Mapping[Any, Any], higher_is_better: bool) -> str:
    if row["label"] == row["baseline"]:
        return "baseline"
    if row["p_corrected"] != row["p_corrected"]:
        return "untested"
    if row["p_corrected"] >= ALPHA:
        return "undecided"
    return "better" if (row["difference"] > 0) == higher_is_better else "worse"


def _common_means(table: pd.DataFrame) -> pd.DataFrame | None:
    """Means [S, A] of the methods that have one on every scenario; None below two of either."""
    known = table[table["mean"].notna()]
    if known.duplicated(["scenario", "method"]).any():
        return None
    means = known.pivot(index="scenario", columns="method", values="mean")
    means = means.reindex(index=table["scenario"].unique()).dropna(axis=1)
    return means if means.shape[0] > 1 and means.shape[1] > 1 else None


def _differing(cohort: Cohort, anyway: bool) -> Iterator[str]:
    for difference in protocol_differences(cohort):
        if anyway or not difference.refused:
            yield f"not run alike: {difference}"
