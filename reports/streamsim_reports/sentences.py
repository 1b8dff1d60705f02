"""What a comparison says, in plain words: what holds, what does not, and what it would take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streamsim.metrics import Metric
from streamsim_reports.ranking import RankTest
from streamsim_reports.statistics import ALPHA, MOST_SEEDS
from streamsim_reports.wording import about, counted, estimate, listed, p_value

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[Any, Any]
MOST_PAIRS = 4  # pairs named one by one


def about_arms(
    metric: Metric, table: pd.DataFrame, pairs: pd.DataFrame, named: bool
) -> Iterator[str]:
    """Scenario by scenario; `named` if the baseline was chosen beforehand."""
    scenarios = list(dict.fromkeys(table["scenario"]))
    for scenario in scenarios:
        rows = table[table["scenario"] == scenario].to_dict("records")
        own = pairs[pairs["scenario"] == scenario].to_dict("records")
        prefix = ""
        if len(scenarios) > 1:
            prefix = f"On {scenario}: "
            rows, own = _without_scenario(rows, own)
        known = [row for row in rows if row["num_seeds"]]
        for sentence in [
            *_best(metric, known),
            *_against(known, table),
            *([] if named else _among_others(own, rows[0]["baseline"])),
        ]:
            yield prefix + sentence


def _without_scenario(rows: Sequence[Row], pairs: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Names that the prefix has said half of already, if what is left still tells arms apart."""
    names = {row["label"]: row["method"] for row in rows}
    if len(set(names.values())) < len(names):
        return [*rows], [*pairs]
    return (
        [{**row, **{key: names[row[key]] for key in ("label", "baseline")}} for row in rows],
        [{**row, **{key: names[row[key]] for key in ("first", "second")}} for row in pairs],
    )


def _best(metric: Metric, known: Sequence[Row]) -> Iterator[str]:
    if not known:
        return
    best, title = known[0], metric.title.lower()
    most = "highest" if metric.higher_is_better else "lowest"
    if len(known) == 1:
        yield f"Only {best['label']} has a number; there is nothing to compare it with."
        return
    value = estimate(best["mean"], best["ci95"])
    yield f"{best['label']} has the {most} {title}: {value} over {_seeds(best['num_seeds'])}."
    if max(row["num_seeds"] for row in known) == 1:
        yield (
            "With one seed there is no interval and no test, so no difference can be trusted; "
            "run at least 5 (--seeds 5)."
        )


def _against(known: Sequence[Row], table: pd.DataFrame) -> Iterator[str]:
    """What the tests against the baseline found."""
    num_tests = int(table["p"].notna().sum())
    for verdict in ("better", "worse"):
        rows = [row for row in known if row["verdict"] == verdict]
        if rows:
            gaps = listed([f"{row['label']} by {_gap(row)}" for row in rows])
            worst = max(row["p_corrected"] for row in rows)
            yield (
                f"{verdict.capitalize()} than {rows[0]['baseline']}, and the "
                f"difference{'s hold' if len(rows) > 1 else ' holds'}: {gaps} "
                f"(paired over {_spanned(rows)}, {p_value(worst)}"
                f"{' or less' if len(rows) > 1 and worst >= 0.001 else ''}"
                f"{' after correction' if num_tests > 1 else ''})."
            )
    rows = [row for row in known if row["verdict"] == "undecided"]
    if rows:
        gaps = listed([f"{row['label']} ({_undecided(row)})" for row in rows])
        yield f"Cannot be told apart from {rows[0]['baseline']}: {gaps}."
    rows = [row for row in known if row["verdict"] == "untested" and row["num_seeds"] > 1]
    if rows:
        reasons = listed([f"{row['label']} ({row['note']})" for row in rows])
        yield f"Not tested against {rows[0]['baseline']}: {reasons}."


def _among_others(pairs: Sequence[Row], baseline: str) -> Iterator[str]:
    rows = [
        pair
        for pair in pairs
        if pair["p_corrected"] >= ALPHA and baseline not in (pair["first"], pair["second"])
    ]
    rows = sorted(rows, key=lambda row: row["p_corrected"])
    if rows:
        named = [f"{row['first']} and {row['second']} ({_needed(row)})" for row in rows]
        yield (
            f"Not told apart either, with the seeds it would take: {'; '.join(_shortened(named))}."
        )


def _shortened(named: Sequence[str]) -> list[str]:
    more = len(named) - MOST_PAIRS
    return [*named[:MOST_PAIRS], *([f"and {counted(more, 'more pair')}"] if more > 0 else [])]


def about_ranks(metric: Metric, ranks: pd.DataFrame | None, test: RankTest | None) -> Iterator[str]:
    if ranks is None:
        return
    first, num_scenarios = ranks.iloc[0], ranks.shape[1] - 2
    yield (
        f"Over {num_scenarios} scenarios {first['method']} has the best average rank in "
        f"{metric.title.lower()}, {first['average_rank']:.2f} of {len(ranks)}."
    )
    if test is None:
        yield "Ranks are not tested: that takes three strategies."
    elif not test.holds:
        yield (
            f"The ranks may be chance (Friedman's test, {p_value(test.friedman_p)}): more "
            "scenarios would be needed to say which strategy is better in general."
        )
    else:
        best = first["method"]
        behind = [str(m) for m in ranks["method"] if test.nemenyi.loc[best, m] < ALPHA]
        ahead = (
            f"{best} clearly ahead of {listed(behind)}" if behind else f"but {best} is not alone"
        )
        yield (
            f"The ranks differ (Friedman's test, {p_value(test.friedman_p)}), {ahead}; ranks "
            f"closer than {test.critical_difference:.2f} cannot be told apart (Nemenyi)."
        )


def doubts(pairs: pd.DataFrame) -> Iterator[str]:
    """Where the rank test contradicts the t test that a difference is claimed by."""
    for row in pairs.to_dict("records"):
        if row["p_corrected"] < ALPHA <= row["p_wilcoxon"]:
            yield (
                f"{row['first']} and {row['second']}: a few seeds may carry the difference; "
                f"Wilcoxon's signed-rank test does not see it ({p_value(row['p_wilcoxon'])})"
            )


def _gap(row: Row) -> str:
    return estimate(abs(row["difference"]), row["difference_ci95"])


def _undecided(row: Row) -> str:
    apart = "" if row["note"] else f"{_gap(row)} apart; it would take "
    return apart + _needed(row)


def _needed(row: Row) -> str:
    if row["note"]:
        return str(row["note"])
    needed = row["seeds_needed"]
    return about(needed, "seed") if needed == needed else f"over {_seeds(MOST_SEEDS)}"


def _seeds(count: float) -> str:
    return counted(count, "seed")


def _spanned(rows: Sequence[Row]) -> str:
    fewest, most = (int(bound(row["num_common"] for row in rows)) for bound in (min, max))
    span = "" if fewest == most else f"{fewest} to "
    return span + counted(most, "common seed")
