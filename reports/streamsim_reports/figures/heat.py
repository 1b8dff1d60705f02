"""Heat maps that stay legible from two to a hundred rows; shared by several figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamsim_reports.figures.theme import SIZE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_WRITTEN = 10  # rows and columns up to which the numbers are written into the cells
MOST_TICKS = 6
VECTOR = 150  # cells up to which a map is drawn as paths; larger ones are small bitmaps in a file


def heat_map(axes: Axes, cells: pd.DataFrame, texts: pd.DataFrame, **colors: Any) -> None:
    """Cells in colour; `texts` are written into them while there is room. NaN stays empty."""
    import seaborn

    small = max(cells.shape) <= MOST_WRITTEN
    seaborn.heatmap(
        cells,
        annot=texts.to_numpy() if small else False,
        fmt="",
        annot_kws={"fontsize": SIZE - 2 if max(cells.shape) > 5 else SIZE - 1},
        cbar=False,
        square=True,
        linewidths=0.6 if small else 0,
        linecolor=axes.get_facecolor(),
        rasterized=cells.size > VECTOR,
        xticklabels=False,
        yticklabels=False,
        ax=axes,
        **colors,
    )
    axes.grid(False)
    axes.set_xticks(*_ticks(list(cells.columns)))
    axes.set_yticks(*_ticks(list(cells.index)), rotation=0)


def _ticks(names: list[Any]) -> tuple[list[float], list[str]]:
    """Positions and texts of a few evenly spaced names."""
    every = 1 if len(names) <= MOST_WRITTEN else -(-len(names) // MOST_TICKS)
    return [i + 0.5 for i in range(0, len(names), every)], [str(name) for name in names[::every]]
