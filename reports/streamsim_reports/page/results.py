"""The tables of results: standings, every metric, every experience, every difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from streamsim.metrics import METRICS
from streamsim_reports.page.model import Cell, Column, Strip, Table, Tone
from streamsim_reports.page.scores import UNSURE, Gap, Results, Score
from streamsim_reports.page.text import NOTHING, count, data_uri, number, p_value, plus_minus

if TYPE_CHECKING:
    import pandas as pd


def standings(results: Results, prefix: str) -> Table:
    """Who forgets least, by how much, and how sure that is: the first table of the page."""
    first = results.headline
    others = [name for name in results.headlines if name != first]
    ranked = results.ranked(first)
    low, high = _limits(ranked)
    rows = []
    for score in [*ranked, *(s for s in results.of(first) if not s.known)]:
        behind = [_behind(results, first, score.label)] if len(results.cohort.arms) > 1 else []
        rows.append([
            Cell(score.label),
            replace(_estimate(score), strip=_strip(score, low, high)),
            *behind,
            *(_estimate(results.scores[score.label, name]) for name in others),
            _seeds(score),
        ])  # fmt: skip
    title = METRICS[first].title
    columns = [
        Column("Strategy"),
        Column(title, numeric=True, drawn=True),
        *([Column("Behind the best", numeric=True)] if len(rows) > 1 else []),
        *(Column(METRICS[name].title, numeric=True) for name in others),
        Column("Seeds", numeric=True),
    ]
    return Table(
        f"{prefix}-standings",
        f"{title}, best first, with its 95 % confidence interval",
        columns,
        rows,
        order=(1, "descending" if METRICS[first].higher_is_better else "ascending"),
    )


def _limits(scores: Sequence[Score]) -> tuple[float, float]:
    """The ends of an axis that holds every interval, and zero."""
    ends = [end for score in scores for end in _interval(score)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    return (low, high) if high > low else (0.0, 1.0)


def _interval(score: Score) -> tuple[float, float]:
    half = score.half if score.half == score.half else 0.0
    return score.mean - half, score.mean + half


def _strip(score: Score, low: float, high: float) -> Strip | None:
    if not score.known:
        return None
    begin, end = _interval(score)
    places = [round(100 * (value - low) / (high - low), 2) for value in (begin, score.mean, end)]
    return Strip(*places)


def _behind(results: Results, metric: str, label: str) -> Cell:
    """How far an arm is from the best, and whether that can be told apart from chance."""
    if metric not in results.comparisons or not results.scores[label, metric].known:
        return Cell(NOTHING)
    if label == results.comparisons[metric].baseline:
        return Cell("best", 0.0, tone="good")
    gap = results.gaps[metric][label]
    note = p_value(gap.corrected)
    if gap.corrected >= UNSURE:
        note = f"cannot be told apart, {note}"
    tone: Tone = "plain" if gap.sure else "doubt"
    away = abs(gap.difference)
    return Cell(plus_minus(away, gap.half), _sortable(away), note, tone=tone)


def _estimate(score: Score) -> Cell:
    return Cell(plus_minus(score.mean, score.half), _sortable(score.mean), score.note)


def _sortable(value: float) -> float | None:
    return value if value == value else None


def _seeds(score: Score) -> Cell:
    note = f"{score.num_diverged} diverged" if score.num_diverged else ""
    tone: Tone = "bad" if score.num_diverged else "plain"
    return Cell(str(score.num_seeds), score.num_seeds, note, tone=tone)


def every_metric(results: Results, prefix: str) -> Table:
    """Mean and interval of every metric that some arm has."""
    import pandas as pd

    defined = [name for name in METRICS if results.ranked(name)]
    rows = [
        [Cell(label), *(replace(_estimate(results.scores[label, n]), note="") for n in defined)]
        for label in results.cohort.labels
    ]
    columns = [
        Column("Strategy"),
        *(Column(METRICS[n].title, numeric=True, hint=METRICS[n].reference) for n in defined),
    ]
    scores = [asdict(score) for name in defined for score in results.of(name)]
    numbers = pd.DataFrame(scores).rename(columns={"half": "ci95"})
    return Table(f"{prefix}-metrics", "Every metric", columns, rows, csv=data_uri(numbers))


def by_experience(results: Results, prefix: str) -> Table:
    """Accuracy on each experience at the end, mean over seeds that have not diverged."""
    final = results.final
    experiences = sorted({on for _, on in final})
    rows = [
        [Cell(label), *(_plain(final.get((label, on), float("nan"))) for on in experiences)]
        for label in results.cohort.labels
    ]
    columns = [Column("Strategy"), *(Column(str(on), numeric=True) for on in experiences)]
    return Table(
        f"{prefix}-by-experience",
        "Accuracy on each experience at the end, mean over seeds",
        columns,
        rows,
        csv=data_uri(_long(final)),
    )


def _long(final: dict[tuple[str, int], float]) -> pd.DataFrame:
    import pandas as pd

    rows = [(*key, value) for key, value in final.items()]
    return pd.DataFrame(rows, columns=["label", "experience", "mean"])


def _plain(value: float) -> Cell:
    return Cell(number(value), _sortable(value))


def differences(results: Results, prefix: str) -> list[Table]:
    """Each arm against the best one, metric by metric."""
    tables = []
    for metric, comparison in results.comparisons.items():
        title = METRICS[metric].title.lower()
        columns = [
            Column("Strategy"),
            Column("Difference", numeric=True),
            Column("Test", numeric=True, hint="p of the paired test alone"),
            Column("Corrected", numeric=True, hint="p after correction for many comparisons"),
            Column("Effect size", numeric=True),
            Column("Seeds to tell", numeric=True),
        ]
        tables.append(
            Table(
                f"{prefix}-differences-{metric}",
                f"Difference in {title} from {comparison.baseline}, paired over common seeds",
                columns,
                [_difference(gap) for gap in results.gaps[metric].values()],
                csv=data_uri(comparison.table),
            )
        )
    return tables


def _difference(gap: Gap) -> list[Cell]:
    needed = gap.seeds_needed
    return [
        Cell(gap.label),
        Cell(plus_minus(gap.difference, gap.half), _sortable(gap.difference)),
        Cell(p_value(gap.p), _sortable(gap.p)),
        Cell(
            p_value(gap.corrected), _sortable(gap.corrected), tone="plain" if gap.sure else "doubt"
        ),
        Cell(number(gap.effect), _sortable(gap.effect)),
        Cell(count(int(needed), "seed") if needed == needed else NOTHING, _sortable(needed)),
    ]
