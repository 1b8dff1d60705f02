"""The picture of a stream: who comes when, and how the samples change, on one axis of time.

Reads the table that `streamsim.preview.preview` makes; its columns are panel, name, start, stop,
experience and value, one row for each slice of time.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from streamsim_reports.figures.marks import percent_axis
from streamsim_reports.figures.theme import COLORS, DASHES, SIZE, neutral, plain, ramp, style

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 8.4  # inches
HEIGHTS = {"experiences": 0.4, "concepts": 0.4, "classes": 2.1, "features": 1.9, "truth": 1.0}
LONGEST = 22  # characters of a name in the legend; more would squeeze the picture
NAMED = 10  # bands with a name of their own in the legend, at most


def figure(table: pd.DataFrame, title: str, caption: str, scheme: str = "light") -> Figure:
    """Panels below one another, those that the table has; `scheme` "light" or "dark"."""
    from matplotlib.figure import Figure

    panels = _panels(table)
    heights = [HEIGHTS[str(rows["panel"].iloc[0])] for rows in panels]
    with style(scheme):
        drawn = Figure(
            figsize=(WIDTH, sum(heights) + 0.34 * len(panels) + 1.0), layout="constrained"
        )
        every = drawn.subplots(
            len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
        )
        for rows, axes in zip(panels, every[:, 0], strict=True):
            _PANELS[rows["panel"].iloc[0]](rows, axes)
        last = every[-1, 0]
        last.set_xlim(0, table["stop"].max())
        last.xaxis.set_major_formatter("{x:,.0f}")
        last.set_xlabel("training samples")
        drawn.suptitle(plain(title), x=0.012, ha="left", fontsize=SIZE + 4, fontweight="bold")
        drawn.supxlabel(
            textwrap.fill(plain(caption), 125),
            x=0.012,
            ha="left",
            fontsize=SIZE - 1,
            color=neutral("muted"),
        )
    return drawn


def _panels(table: pd.DataFrame) -> list[pd.DataFrame]:
    """Rows of each panel; each ground truth, in a unit of its own, has one for itself."""
    found = [table[table["panel"] == panel] for panel in HEIGHTS if panel != "truth"]
    truths = table[table["panel"] == "truth"]
    found += [rows for _, rows in truths.groupby("name", sort=False)]
    return [rows for rows in found if not rows.empty]


def _experiences(rows: pd.DataFrame, axes: Axes) -> None:
    """Boxes with numbers, counted from 1; without numbers where there is no room."""
    total = rows["stop"].max()
    for number, (start, stop) in enumerate(zip(rows["start"], rows["stop"], strict=True)):
        axes.axvspan(start, stop, color=neutral("muted"), alpha=0.28 if number % 2 else 0.12, lw=0)
        if stop - start > total / 60:
            axes.text((start + stop) / 2, 0.5, f"{number + 1}", ha="center", va="center")
    _strip(axes, "experiences")


def _concepts(rows: pd.DataFrame, axes: Axes) -> None:
    """Bands whose heights are shares; the number stands where a concept rules."""
    _bands(rows, axes)
    wide = rows.pivot(index="start", columns="name", values="value")
    leader = wide.idxmax(axis=1)
    stops = rows.groupby("start")["stop"].first()
    runs = (leader != leader.shift()).cumsum()
    for _, run in leader.groupby(runs):
        middle = (run.index[0] + stops[run.index[-1]]) / 2
        axes.text(
            middle,
            0.5,
            str(run.iloc[0]),
            ha="center",
            va="center",
            color="white",
            fontweight="bold",
        )
    _strip(axes, "concepts")


def _classes(rows: pd.DataFrame, axes: Axes) -> None:
    _bands(rows, axes)
    number = rows["name"].nunique()
    axes.set_ylim(0, 1)
    percent_axis(axes.yaxis)
    axes.grid(visible=False)
    if number <= NAMED:
        axes.legend(*_reversed(axes), title="class", loc="upper left", bbox_to_anchor=(1.0, 1.03))
    axes.set_title("share of each class, %" + (f" ({number} classes)" if number > NAMED else ""))


def _features(rows: pd.DataFrame, axes: Axes) -> None:
    _lines(rows, axes)
    low, high = rows["value"].min(), rows["value"].max()
    axes.set_ylim(min(low * 1.08, -0.5), max(high * 1.08, 0.5))  # noise must not look like drift
    axes.set_ylabel("std. deviations")
    axes.set_title("means of the features that move most")


def _truth(rows: pd.DataFrame, axes: Axes) -> None:
    _lines(rows, axes, legend=False)
    axes.set_title(f"{plain(rows['name'].iloc[0])} (hidden from learners)")


_PANELS: dict[str, Any] = {
    "experiences": _experiences,
    "concepts": _concepts,
    "classes": _classes,
    "features": _features,
    "truth": _truth,
}


def _bands(rows: pd.DataFrame, axes: Axes) -> None:
    """Shares on top of one another, constant within each slice."""
    names = list(dict.fromkeys(rows["name"]))
    colors = COLORS if len(names) <= len(COLORS) else _many(len(names))
    edges = _edges(rows[rows["name"] == names[0]])
    low: Any = 0.0
    for name, color in zip(names, colors, strict=False):
        high = low + _held(rows[rows["name"] == name])
        axes.fill_between(edges, low, high, step="post", color=color, lw=0, label=plain(name))
        low = high


def _many(number: int) -> list[Any]:
    """Colours for many bands: in order, and every other one paler, to tell neighbours apart."""
    from matplotlib.colors import to_rgb

    pale = 0.42
    return [
        tuple(c + (1 - c) * pale * (index % 2) for c in to_rgb(color))
        for index, color in enumerate(ramp(number))
    ]


def _lines(rows: pd.DataFrame, axes: Axes, legend: bool = True) -> None:
    names = list(dict.fromkeys(rows["name"]))
    for index, name in enumerate(names):
        own = rows[rows["name"] == name]
        axes.plot(
            _edges(own),
            _held(own),
            drawstyle="steps-post",
            color=COLORS[index % len(COLORS)],
            linestyle=DASHES[index % len(DASHES)],
            label=plain(name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"),
        )
    if legend:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.03))


def _edges(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Beginnings of slices and the end of the last one."""
    import numpy as np

    return np.append(rows["start"].to_numpy(), rows["stop"].iloc[-1])


def _held(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Values at the edges: each holds until the next."""
    import numpy as np

    return np.append(rows["value"].to_numpy(), rows["value"].iloc[-1])


def _reversed(axes: Axes) -> tuple[list[Any], list[str]]:
    """Legend entries in the order of the bands, from top to bottom."""
    handles, labels = axes.get_legend_handles_labels()
    return handles[::-1], labels[::-1]


def _strip(axes: Axes, title: str) -> None:
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_title(title)
    axes.tick_params(bottom=False)
    for side in axes.spines.values():
        side.set_visible(False)
