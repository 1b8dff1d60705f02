"""Heat maps that stay legible from two to a hundred rows; shared by several figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamsim_reports.figures.theme import SIZE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_LETTERS = 30  # in a row, up to which numbers are written into the cells
MOST_NAMED = 10  # rows and columns up to which each has its name
MOST_TICKS = 6
VECTOR = 150  # cells up to which a map is drawn as paths; larger ones are small bitmaps in a file


def heat_map(axes: Axes, cells: pd.DataFrame, texts: pd.DataFrame, **colors: Any) -> None:
    """Cells in colour; `texts` are written into them while there is room. NaN stays empty."""
    import seaborn

    longest = max(len(text) for text in texts.to_numpy().flat)
    small = max(cells.shape) * longest <= MOST_LETTERS
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
    make_legible(axes)
    axes.grid(False)
    axes.set_xticks(*_ticks(list(cells.columns)))
    axes.set_yticks(*_ticks(list(cells.index)), rotation=0)


def make_legible(axes: Axes) -> None:
    """Black or white on each cell, whichever stands out more (WCAG 2.2: relative luminance).

    To be called again when the limits of the colours have changed.
    """
    import numpy as np

    if not axes.texts:
        return
    mesh: Any = axes.collections[0]
    mesh.update_scalarmappable()
    share = mesh.get_facecolors()[:, :3]
    linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    known = ~np.ma.getmaskarray(mesh.get_array()).ravel()
    for text, light in zip(axes.texts, luminance[known], strict=False):
        text.set_color("black" if (light + 0.05) ** 2 > 0.05 * 1.05 else "white")


def _ticks(names: list[Any]) -> tuple[list[float], list[str]]:
    """Positions and texts of a few evenly spaced names."""
    every = 1 if len(names) <= MOST_NAMED else -(-len(names) // MOST_TICKS)
    return [i + 0.5 for i in range(0, len(names), every)], [str(name) for name in names[::every]]
