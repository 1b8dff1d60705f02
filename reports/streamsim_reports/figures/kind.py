"""What a kind of figure is: numbers from runs, a drawing of the numbers, and words about both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from streamsim_reports.figures.marks import percent_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from streamsim_reports.cohort import Cohort


def percent_ticks(axis: Any, _limit: float) -> None:
    """Shares as percentages."""
    percent_axis(axis)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of figure. All of it is pure; `draw` only adds to the Axes it is given.

    `numbers` aggregates to exactly what is drawn, one tidy row for each point, bar or cell, and
    raises ValueError, in one line, where the cohort has nothing to draw. `draw` takes these numbers
    (all, or those of one panel) and reads its colours from matplotlib's rcParams, so it follows
    the style of whoever calls it. Experiences are counted from 1 in numbers and drawings.
    """

    name: str
    title: str
    description: str  # one sentence: the help text, and the beginning of an alt text
    numbers: Callable[[Cohort], pd.DataFrame]
    draw: Callable[[pd.DataFrame, Axes], Axes]
    caption: Callable[[Cohort, pd.DataFrame], str]
    panel: str  # the column whose values become panels of a figure
    columns: int = 4  # most panels side by side
    shared: Literal["both", "y", "none"] = "both"  # axes that are the same in all panels
    bar: str = ""  # the name of a colour bar for all panels
    bar_ticks: Callable[[Any, float], None] = percent_ticks  # for its axis, given its upper end
    tall: Callable[[pd.DataFrame], float] = lambda _: 0.0  # inches a panel needs at least

    def available(self, cohort: Cohort) -> str | None:
        """None if the cohort can be drawn, else the reason why not."""
        try:
            self.numbers(cohort)
        except ValueError as error:
            return str(error)
        return None
