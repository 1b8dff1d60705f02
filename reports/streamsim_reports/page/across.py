"""What holds over several scenarios: ranks, and whether they can be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamsim.metrics import METRICS
from streamsim_reports.page.model import Across, Cell, Column, Picture, Table
from streamsim_reports.page.pictures import as_picture
from streamsim_reports.page.scores import Results
from streamsim_reports.page.text import data_uri, number, printable
from streamsim_reports.sentences import about_ranks

if TYPE_CHECKING:
    from streamsim_reports.comparison import Comparison

DESCRIPTION = (
    "Average ranks over scenarios, 1 the best; bars join strategies that cannot be told apart "
    "(critical difference, Demšar 2006)."
)


def across(whole: Results) -> Across | None:
    """Ranks in the headline metrics; None if no strategy ran on several scenarios."""
    ranked = {n: c for n, c in whole.comparisons.items() if c.ranks is not None}
    if not ranked:
        return None
    return Across(
        words=[
            printable(sentence, 1000)
            for name, comparison in ranked.items()
            for sentence in about_ranks(METRICS[name], comparison.ranks, comparison.rank_test)
        ],
        tables=[_table(name, comparison) for name, comparison in ranked.items()],
        pictures=[
            _picture(name, comparison)
            for name, comparison in ranked.items()
            if comparison.rank_test is not None
        ],
    )


def _table(metric: str, comparison: Comparison) -> Table:
    assert comparison.ranks is not None
    ranks = comparison.ranks
    scenarios = [str(name) for name in ranks.columns[2:]]
    rows = [
        [Cell(printable(row[0], 48)), *(Cell(number(float(r)), float(r)) for r in row[1:])]
        for row in ranks.itertuples(index=False)
    ]
    columns = [
        Column("Strategy"),
        Column("Average rank", numeric=True),
        *(Column(printable(name, 60), numeric=True) for name in scenarios),
    ]
    title = f"Ranks in {METRICS[metric].title.lower()}, 1 the best"
    return Table(f"ranks-{metric}", title, columns, rows, csv=data_uri(ranks))


def _picture(metric: str, comparison: Comparison) -> Picture:
    from matplotlib.figure import Figure

    from streamsim_reports.comparison import critical_difference_axes
    from streamsim_reports.figures.theme import style

    assert comparison.ranks is not None
    with style():
        drawn = Figure((8.4, 0.9 + 0.2 * len(comparison.ranks)), layout="constrained")
        critical_difference_axes(comparison, drawn.subplots())
    title = f"Ranks in {METRICS[metric].title.lower()}"
    return as_picture(drawn, f"ranks-{metric}", title, DESCRIPTION, comparison.ranks, "across")
