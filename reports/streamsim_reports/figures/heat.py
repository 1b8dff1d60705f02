"""Heat maps that stay legible from two to a hundred rows; shared by several figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from streamsim_reports.figures.theme import SIZE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_LETTERS = 30  # in a row, up to which numbers are written into the cells
MOST_NAMED = 10  # rows and columns up to which each has its name
MOST_TICKS = 6
MIDDLE = 0.179  # luminance on which black and white stand out equally, at 4.6 to 1
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
    rescale(axes, *axes.collections[0].get_clim())
    axes.grid(False)
    axes.set_xticks(*_ticks(list(cells.columns)))
    axes.set_yticks(*_ticks(list(cells.index)), rotation=0)


def rescale(axes: Axes, low: float, high: float) -> None:
    """Give the colours of a map other limits; what is written in its cells stays legible."""
    from seaborn.utils import relative_luminance

    mesh: Any = axes.collections[0]
    mesh.set_clim(low, high)
    mesh.update_scalarmappable()
    values = np.ma.masked_invalid(mesh.get_array()).ravel()
    written = mesh.get_facecolor()[~np.ma.getmaskarray(values)]
    for text, color in zip(axes.texts, written, strict=False):  # none in a large map
        text.set_color("black" if relative_luminance(color) > MIDDLE else "white")


def _ticks(names: list[Any]) -> tuple[list[float], list[str]]:
    """Positions and texts of a few evenly spaced names."""
    every = 1 if len(names) <= MOST_NAMED else -(-len(names) // MOST_TICKS)
    return [i + 0.5 for i in range(0, len(names), every)], [str(name) for name in names[::every]]
