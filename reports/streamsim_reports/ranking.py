"""Ranks over several scenarios, and which of them can be told apart (Demšar 2006).

Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7. One scenario is
one observation, however many seeds it has: ranks say what to expect on the next scenario.

Shape letters: S scenarios, A methods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamsim_reports.statistics import ALPHA

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class RankTest:
    """Friedman's test of all ranks at once, and Nemenyi's of every pair."""

    num_scenarios: int
    friedman_p: float  # that all methods are equal
    critical_difference: float  # average ranks closer than this cannot be told apart
    nemenyi: pd.DataFrame  # [A, A]: p of each pair, corrected for their number

    @property
    def holds(self) -> bool:
        """Whether there is any difference at all; without one, pairs are not looked at."""
        return self.friedman_p < ALPHA


def rank(means: pd.DataFrame, higher_is_better: bool) -> pd.DataFrame:
    """Ranks from means [S, A], 1 the best, ties shared: method, average_rank, and each scenario.

    >>> import pandas as pd
    >>> means = pd.DataFrame({"naive": [0.2, 0.3], "ewc": [0.2, 0.5]}, index=["split", "rotated"])
    >>> rank(means, higher_is_better=True).to_numpy().tolist()
    [['ewc', 1.25, 1.5, 1.0], ['naive', 1.75, 1.5, 2.0]]
    """
    # means of equal accuracies may differ in their last bits
    ranks_AS = means.round(12).rank(axis=1, ascending=not higher_is_better).T
    ranks_AS.insert(0, "average_rank", ranks_AS.mean(axis=1))
    ranks_AS.index.name = "method"
    ranks_AS.columns.name = None
    return ranks_AS.sort_values("average_rank", kind="stable").reset_index()


def rank_test(means: pd.DataFrame) -> RankTest | None:
    """Friedman's and Nemenyi's tests on means [S, A]; None below 3 methods or 2 scenarios.

    critical difference = q sqrt(A (A + 1) / (6 S)), with q the studentized range at 0.05 over
    sqrt(2).
    """
    from scipy import stats

    num_scenarios, num_methods = means.shape
    if num_methods < 3 or num_scenarios < 2:
        return None
    rounded = means.round(12)
    if (rounded.nunique(axis=1) == 1).all():
        return None
    from scikit_posthocs import posthoc_nemenyi_friedman

    columns = [rounded[name].to_numpy() for name in rounded]
    quantile = float(stats.studentized_range.isf(ALPHA, num_methods, float("inf"))) / 2**0.5
    spread = (num_methods * (num_methods + 1) / (6 * num_scenarios)) ** 0.5
    return RankTest(
        num_scenarios,
        float(stats.friedmanchisquare(*columns).pvalue),
        quantile * spread,
        posthoc_nemenyi_friedman(rounded),
    )


def draw_ranks(ranks: pd.DataFrame, test: RankTest, axes: Axes) -> Axes:
    """A critical-difference diagram: bars join methods whose ranks cannot be told apart."""
    from matplotlib.ticker import MaxNLocator
    from matplotlib.transforms import ScaledTranslation
    from scikit_posthocs import critical_difference_diagram

    average = ranks.set_index("method")["average_rank"]
    ink = axes.xaxis.label.get_color()
    critical_difference_diagram(
        average,
        test.nemenyi,
        ax=axes,
        label_fmt_left="{label}  {rank:.2f}",
        label_fmt_right="{rank:.2f}  {label}",
        text_h_margin=0.02 * len(average),
        color_palette=dict.fromkeys(average.index, ink),
        marker_props={"s": 16},
        elbow_props={"linewidth": 0.8},
        crossbar_props={"color": ink, "linewidth": 3, "solid_capstyle": "butt"},
    )
    axes.set_xlim(1, max(len(average), 1 + test.critical_difference))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for artist in (*axes.lines, *axes.collections):
        artist.set_clip_on(False)
    # the library's own ruler for the critical difference lies on the numbers of the axis
    figure = axes.get_figure(root=True)
    assert figure is not None
    above = axes.transData + ScaledTranslation(0, 26 / 72, figure.dpi_scale_trans)
    ends = [1, 1 + test.critical_difference]
    axes.plot(ends, [0, 0], transform=above, color=ink, marker="|", linewidth=1, clip_on=False)
    text = f"critical difference {test.critical_difference:.2f}"
    axes.text(sum(ends) / 2, 0.15, text, transform=above, color=ink, ha="center", va="bottom")
    return axes
