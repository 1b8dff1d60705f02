"""Transference between experiences: a heat map, and its distribution through training.

LR(i -> j) is the loss on j after one update on i, divided by the loss before: below 1 the update
helped (positive transfer), above 1 it hurt. Abdollahzadeh et al. 2021, NeurIPS. Ratios are averaged
as logarithms, so that halving and doubling cancel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamsim_reports.cohort import Cohort
from streamsim_reports.figures.captions import caption
from streamsim_reports.figures.heat import VECTOR, heat_map
from streamsim_reports.figures.kind import Kind
from streamsim_reports.figures.theme import neutral

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_BINS = 30  # of a histogram
STEPS = (
    (0.99, 1.01),
    (0.98, 1.02),
    (0.95, 1.05),
    (0.9, 1.1),
    (0.8, 1.25),
    (0.67, 1.5),
    (0.5, 2),
    (0.25, 4),
    (0.0625, 16),
)  # ticks on both sides of 1
MOST_WRITTEN = 6  # shares of negative transfer under a histogram


def ratios(cohort: Cohort, name: str = "transference") -> pd.DataFrame:
    """The raw table with `trained`, tasks counted from 1, and log2 of the ratio.

    Replicas that diverged have no ratio; neither has a pair whose loss was zero before. ValueError
    if nothing is left.
    """
    import numpy as np

    table = cohort.table(name)
    table = table[(table["ratio"] > 0) & np.isfinite(table["ratio"].astype(float))]
    if table.empty:
        raise ValueError("the transference table has no ratio")
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
    """How ratios are distributed at each checkpoint: panel, label, trained, low, high, share.

    A panel is an arm's transference between experiences (`trained` counts experiences) or between
    the episodes of its meta-training (`trained` counts outer steps; `between` says which). Pairs of
    a task with itself are left out; seeds are pooled. `negative` is the share of the checkpoint's
    pairs with a ratio above 1, num_pairs how many they are. The outermost bins hold what lies
    beyond them (at most 1 % on each side).
    """
    import numpy as np
    import pandas as pd

    pairs = _pairs(cohort)
    by = ["panel", "label", "scenario", "between", "trained"]
    groups = pairs.groupby(by, observed=True, sort=True)
    bins = 2 * int(min(MOST_BINS, max(8.0, groups.size().min() ** 0.5)) // 2)
    limit = max(float(pairs["log2"].abs().quantile(0.98)), 0.01)
    edges = np.linspace(-limit, limit, bins + 1)
    parts = []
    for key, rows in groups:
        counts, _ = np.histogram(rows["log2"].clip(-limit, limit), edges)
        named: dict[str, Any] = dict(zip(by, key, strict=True))
        part = pd.DataFrame({"low": 2 ** edges[:-1], "high": 2 ** edges[1:]})
        parts.append(
            part.assign(
                **named,
                share=counts / len(rows),
                negative=float((rows["log2"] > 0).mean()),
                num_pairs=len(rows),
                num_seeds=rows["seed"].nunique(),
            )
        )
    numbers = pd.concat(parts, ignore_index=True)
    numbers["panel"] = pd.Categorical(numbers["panel"], pairs["panel"].cat.categories, ordered=True)
    return numbers[[*by, *(name for name in numbers if name not in by)]]


def _pairs(cohort: Cohort) -> pd.DataFrame:
    """Pairs of different tasks, between experiences and between episodes, by panel."""
    import pandas as pd

    tables, reasons = [], []
    for name, between in {"transference": "experiences", "meta_transference": "episodes"}.items():
        try:
            table = ratios(cohort, name).assign(between=between)
        except ValueError as error:
            reasons.append(str(error))
            continue
        extra = " (episodes)" if between == "episodes" else ""
        trained = table["after"] + (between == "experiences")  # outer steps are counts already
        panel = table["label"].astype(str) + extra
        tables.append(table.assign(panel=panel, trained=trained))
    different = [table[table["source"] != table["target"]] for table in tables]
    if not any(len(table) for table in different):
        raise ValueError(reasons[0] if not tables else "transference of a single task has no pairs")
    every = pd.concat(different, ignore_index=True)
    panels = [label + extra for label in cohort.labels for extra in ("", " (episodes)")]
    used = [panel for panel in panels if panel in set(every["panel"])]
    return every.assign(panel=pd.Categorical(every["panel"], categories=used, ordered=True))


def draw_transference_histogram(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """One column for each checkpoint, darker where more pairs are; 1 is no effect."""
    import numpy as np

    cells = numbers.pivot(index="low", columns="trained", values="share")
    edges = np.log2(np.append(cells.index, numbers["high"].max()))
    columns = np.arange(len(cells.columns) + 1)
    axes.pcolormesh(columns, edges, cells, cmap="mako_r", vmin=0, rasterized=cells.size > VECTOR)
    axes.grid(False)
    axes.axhline(0, color=neutral("ink"), linewidth=1)
    _ratio_ticks(axes.yaxis, float(edges[-1]))
    negative = numbers.groupby("trained")["negative"].first()
    every = -(-len(negative) // MOST_WRITTEN)
    shown = list(range(0, len(negative), every))
    axes.set_xticks(
        [place + 0.5 for place in shown],
        [f"{negative.index[place]:,}\n{100 * negative.iloc[place]:.0f} %" for place in shown],
    )
    episodes = numbers["between"].iloc[0] == "episodes"
    axes.set_xlabel("Outer steps; negative" if episodes else "Experiences trained; negative")
    axes.set_ylabel("Loss after / before")
    return axes


def _ratio_ticks(axis: Any, limit: float) -> None:
    """Ratios on an axis of base-2 logarithms: symmetric around 1, as far as the data go."""
    import math

    steps = [step for step in STEPS if math.log2(step[1]) <= limit][-2:]
    values = sorted({1.0, *(value for step in steps for value in step)})
    axis.set_ticks([math.log2(value) for value in values], [f"{value:.4g}" for value in values])


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
        numbers,
        f"{_MEANING} Darker: more pairs of different tasks; under each checkpoint the share of "
        "pairs above 1 (negative transfer).",
        interval=None,
    ),
    panel="panel",
    columns=3,
    shared="y",
    bar="Share of pairs (%)",
)
