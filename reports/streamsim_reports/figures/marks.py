"""Marks that several figures share: lines with bands, names at their ends, axes of accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from streamsim_reports.figures.theme import BAND, SIZE, looks, neutral, plain, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MINUS = "\N{MINUS SIGN}"
WRAP = 26  # characters of a name in a line


class End(NamedTuple):
    """Where a line ends."""

    x: float
    y: float
    color: Any


def line(axes: Axes, rows: pd.DataFrame, x: str, **look: Any) -> None:
    """A line through `mean`, with a band of `ci95` where it is known."""
    import numpy as np

    rows = rows.sort_values(x)
    at, mean, half = (rows[name].to_numpy(dtype=float) for name in (x, "mean", "ci95"))
    axes.plot(at, mean, **look)
    if np.isfinite(half).any():
        axes.fill_between(
            at, mean - half, mean + half, color=look["color"], alpha=BAND, linewidth=0
        )


def arm_lines(numbers: pd.DataFrame, axes: Axes, x: str) -> Axes:
    """A line for each arm, its name at the end; arms without numbers are skipped."""
    ends = {}
    own = looks(numbers["label"])
    every = max(1, numbers[x].nunique() // 10)  # markers tell lines apart without covering them
    for label, rows in numbers.groupby("label", observed=True):
        look = own[str(label)]
        line(axes, rows, x, **look._asdict(), markevery=every, label=plain(label))
        last = rows.sort_values(x).iloc[-1]
        ends[str(label)] = End(last[x], last["mean"], look.color)
    name_ends(axes, ends)
    return axes


def name_ends(axes: Axes, ends: Mapping[str, End]) -> None:
    """Names right of the Axes, each joined to the end of its line, none upon another.

    Moves names apart as little as possible (least squares). Set the limits of the axis before.
    """
    import numpy as np
    from scipy.optimize import isotonic_regression

    order = sorted(ends, key=lambda name: ends[name].y)
    texts = [wrapped(name, WRAP) for name in order]
    low, high = axes.get_ylim()
    # layout may take some of the height that an Axes has at first
    height = 0.75 * axes.bbox.height / axes.figure.dpi * 72
    lines = np.array([1 + text.count("\n") for text in texts])
    gap = 1.3 * (SIZE - 1) * (high - low) / height
    centre = gap * (np.cumsum(lines) - lines / 2)
    wanted = np.array([ends[name].y for name in order])
    placed = centre + isotonic_regression(wanted - centre).x
    placed += min(0.0, high - placed[-1])
    for name, text, y in zip(order, texts, placed, strict=True):
        axes.annotate(
            text,
            xy=(ends[name].x, ends[name].y),
            xytext=(1.04, y),
            textcoords=axes.get_yaxis_transform(),
            fontsize=SIZE - 1,
            va="center",
            arrowprops={
                "arrowstyle": "-",
                "color": ends[name].color,
                "linewidth": 0.8,
                "linestyle": (0, (1, 1.5)),  # no part of the data
                "relpos": (0, 0.5),
                "shrinkA": 1,
            },
        )


def names_height(numbers: pd.DataFrame) -> float:
    """Inches that the names of all lines need."""
    labels = numbers["label"].astype(str).unique()
    lines = sum(1 + wrapped(label, WRAP).count("\n") for label in labels)
    return lines * 1.3 * (SIZE - 1) / 72 / 0.75


def accuracy_axis(axes: Axes, numbers: pd.DataFrame, name: str = "Accuracy (%)") -> None:
    """Shares as percentages; from 0 to 100, or closer where all is well above 50."""
    lowest = float((numbers["mean"] - numbers["ci95"].fillna(0)).min())
    bottom = 0.0 if lowest < 0.55 else int(lowest * 10 - 0.5) / 10
    axes.set_ylim(bottom - 0.02 * (1 - bottom), 1 + 0.02 * (1 - bottom))
    percent_axis(axes.yaxis)
    axes.set_ylabel(name)


def percent_axis(axis: Any) -> None:
    """Shares as percentages, differences of shares as percentage points."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(
        FuncFormatter(lambda share, _: f"{round(100 * share, 2):g}".replace("-", MINUS))
    )


def experience_axis(axes: Axes, name: str, first: int, last: int) -> None:
    """Whole numbers, all of them if there are few."""
    from matplotlib.ticker import MaxNLocator

    margin = 0.03 * max(last - first, 1)
    axes.set_xlim(first - margin, last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    axes.set_xlabel(name)


def zero_line(axes: Axes, vertical: bool = False) -> None:
    draw = axes.axvline if vertical else axes.axhline
    draw(0, color=neutral("ink"), linewidth=0.8, zorder=1.5)


def note(axes: Axes, text: str) -> None:
    """A short remark at the right of the title line."""
    axes.set_title(
        text, loc="right", fontsize=SIZE - 1, fontweight="normal", color=neutral("muted")
    )
