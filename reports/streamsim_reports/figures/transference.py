"""Transference between experiences: a heat map, and its distribution through training.

LR(i -> j) is the loss on j after one update on i, divided by the loss before: below 1 the update
helped (positive transfer), above 1 it hurt. Abdollahzadeh et al. 2021, NeurIPS. Ratios are averaged
as logarithms, so that halving and doubling cancel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamsim_reports.cohort import Cohort
from streamsim_reports.figures.captions import caption
from streamsim_reports.figures.heat import heat_map
from streamsim_reports.figures.kind import Kind
from streamsim_reports.figures.theme import neutral

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BINS = 30  # of a histogram; even, so that 1 is an edge
MOST_WRITTEN = 6  # shares of negative transfer under a histogram


def ratios(cohort: Cohort) -> pd.DataFrame:
    """The raw table with `trained`, tasks counted from 1, and log2 of the ratio; ValueError if none.

    Replicas that diverged have no ratio; neither has a pair whose loss was zero before.
    """
    import numpy as np

    table = cohort.table("transference")
    table = table[(table["ratio"] > 0) & np.isfinite(table["ratio"].astype(float))]
    if table.empty:
        raise ValueError("nothing to draw: the transference table has no ratio")
    return table.assign(
        trained=table["after"] + 1,
        source=table["source"] + 1,
        target=table["target"] + 1,
        log2=np.log2(table["ratio"].astype(float)),
    )


def transference_numbers(cohort: Cohort) -> pd.DataFrame:
    """Geometric mean over seeds, at the last checkpoint: label, scenario, source, target.

    `ratio` is that mean; `mean` and `ci95` are of its base-2 logarithm.
    """
    from streamsim_reports.figures.estimates import estimate

    table = ratios(cohort)
    last = table["trained"] == table.groupby("label", observed=True)["trained"].transform("max")
    by = ["label", "scenario", "trained", "source", "target"]
    numbers = estimate(table[last], by, "log2")
    return numbers.assign(ratio=2 ** numbers["mean"])


def draw_transference(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """One row for each source, one column for each target; white is no effect."""
    cells = numbers.pivot(index="source", columns="target", values="mean")
    limit = max(float(cells.abs().max().max()), 0.01)
    texts = (2**cells).map("{:.2f}".format)
    heat_map(axes, cells, texts, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes.set_xlabel("Loss measured on")
    axes.set_ylabel("One update on")
    return axes


def transference_histogram_numbers(cohort: Cohort) -> pd.DataFrame:
    """How ratios are distributed at each checkpoint: label, scenario, trained, low, high, share.

    Pairs of a task with itself are left out; seeds are pooled. `negative` is the share of all pairs
    of the checkpoint with a ratio above 1, num_pairs how many they are. The outermost bins hold
    what lies beyond them (at most 1 % on each side).
    """
    import numpy as np
    import pandas as pd

    table = ratios(cohort)
    table = table[table["source"] != table["target"]]
    if table.empty:
        raise ValueError("nothing to draw: transference has no pair of different tasks")
    limit = max(float(table["log2"].abs().quantile(0.98)), 0.01)
    edges = np.linspace(-limit, limit, BINS + 1)
    parts = []
    groups = table.groupby(["label", "scenario", "trained"], observed=True)
    for (label, scenario, trained), rows in groups:
        counts, _ = np.histogram(rows["log2"].clip(-limit, limit), edges)
        parts.append(
            pd.DataFrame(
                {
                    "label": label,
                    "scenario": scenario,
                    "trained": trained,
                    "low": 2 ** edges[:-1],
                    "high": 2 ** edges[1:],
                    "share": counts / len(rows),
                    "negative": float((rows["log2"] > 0).mean()),
                    "num_pairs": len(rows),
                    "num_seeds": rows["seed"].nunique(),
                }
            )
        )
    numbers = pd.concat(parts, ignore_index=True)
    numbers["label"] = pd.Categorical(numbers["label"], categories=cohort.labels, ordered=True)
    return numbers


def draw_transference_histogram(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """One column for each checkpoint, darker where more pairs are; 1 is no effect."""
    import numpy as np

    cells = numbers.pivot(index="low", columns="trained", values="share")
    edges = np.log2(np.append(cells.index, numbers["high"].max()))
    columns = np.arange(len(cells.columns) + 1)
    axes.pcolormesh(columns, edges, cells, cmap="mako_r", vmin=0, rasterized=cells.size > 150)
    axes.grid(False)
    axes.axhline(0, color=neutral("ink"), linewidth=1)
    _ratio_ticks(axes.yaxis, float(edges[-1]))
    negative = numbers.groupby("trained")["negative"].first()
    every = -(-len(negative) // MOST_WRITTEN)
    shown = list(range(0, len(negative), every))
    axes.set_xticks(
        [place + 0.5 for place in shown],
        [f"{negative.index[place]}\n{100 * negative.iloc[place]:.0f} %" for place in shown],
    )
    axes.set_xlabel("Experiences trained; share of negative transfer")
    axes.set_ylabel("Loss after / before")
    return axes


def _ratio_ticks(axis: Any, limit: float) -> None:
    """Ratios on an axis of base-2 logarithms: symmetric around 1, as far as the data go."""
    import math

    steps = [s for s in (1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2, 4, 16) if math.log2(s) <= limit][-3:]
    values = [*(1 / step for step in reversed(steps)), 1, *steps]
    axis.set_ticks([math.log2(value) for value in values], [f"{value:.3g}" for value in values])


_MEANING = (
    "Loss on one experience after a single update on another, divided by the loss before: "
    "below 1 the update helps (positive transfer), above 1 it hurts (negative)."
)

TRANSFERENCE = Kind(
    name="transference",
    title="Transference",
    description="What one update on an experience does to the loss on each other, as a heat map.",
    numbers=transference_numbers,
    draw=draw_transference,
    caption=lambda cohort, numbers: caption(
        cohort,
        numbers,
        f"{_MEANING} At the last checkpoint; geometric mean, blue helps, red hurts.",
        interval="",
    ),
    panel="label",
    columns=3,
    shared="none",
    bar="Loss after / before",
    bar_ticks=_ratio_ticks,
)

TRANSFERENCE_HISTOGRAM = Kind(
    name="transference-histogram",
    title="Transference through training",
    description="How transference ratios are distributed at each checkpoint of training.",
    numbers=transference_histogram_numbers,
    draw=draw_transference_histogram,
    caption=lambda cohort, numbers: caption(
        cohort,
        numbers[[]].assign(num_seeds=numbers["num_seeds"], label=numbers["label"]),
        f"{_MEANING} Darker: more pairs of different tasks; under each checkpoint the share of "
        "pairs above 1. Seeds are pooled.",
        interval="",
    ),
    panel="label",
    columns=3,
    shared="y",
    bar="Share of pairs (%)",
)
