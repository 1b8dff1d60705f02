"""What accuracy costs: memory, and time."""

from __future__ import annotations

import itertools
import math
import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from streamsim_reports.cohort import Arm, Cohort
from streamsim_reports.figures import marks
from streamsim_reports.figures.captions import caption, names
from streamsim_reports.figures.kind import Kind
from streamsim_reports.figures.theme import looks, neutral, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MEMORY = re.compile(r"strategy\.(.+\.)?memory_size")
UNBOUNDED = {"joint", "cumulative"}  # parts that keep every sample


class Unit(NamedTuple):
    """One kind of cost."""

    column: str
    axis: str
    amount: float  # for which a price is told
    more: str  # the amount in words


SAMPLES = Unit("memory", "Memory (samples)", 100, "100 more samples")
SECONDS = Unit("seconds", "Time for a replica (seconds)", 1, "1 more second")


def memory_of(arm: Arm) -> float | None:
    """Samples a strategy may remember; None where it keeps the whole stream."""
    if UNBOUNDED & set(arm.strategy.split("+")):
        return None
    sizes = [value for name, value in arm.options.items() if MEMORY.fullmatch(name)]
    return float(sum(int(size) for size in sizes))


def seconds_of(arm: Arm) -> float | None:
    """Wall-clock seconds of the run, divided by its replicas; None if they are not noted."""
    seconds = arm.run.info.get("timings", {}).get("seconds")
    replicas = len(arm.run.settings) * len(arm.run.configuration["seeds"])
    return None if not seconds else float(seconds) / replicas


def cost_numbers(unit: Unit, cohort: Cohort) -> pd.DataFrame:
    """Average accuracy in the end against cost: label, scenario, strategy, the cost, `frontier`.

    An arm is on the frontier if no arm of its scenario is as cheap and better. Runs that are
    unfinished, and for memory those that keep the whole stream, are left out.
    """
    from streamsim_reports.figures.scores import scores

    found, reasons = scores(cohort, ["average_accuracy"])
    cost_of = memory_of if unit is SAMPLES else seconds_of
    costs = {arm.label: cost_of(arm) for arm in cohort.arms}
    strategies = {arm.label: arm.strategy for arm in cohort.arms}
    found[unit.column] = found["label"].astype(str).map(costs).astype(float)
    found["strategy"] = found["label"].astype(str).map(strategies)
    found = found[found[unit.column].notna()].drop(columns="metric")
    if found.empty:
        raise ValueError("; ".join(reasons) or f"no run tells its {unit.column}")
    found = found.sort_values(["scenario", unit.column, "mean"], ascending=[True, True, False])
    best = found.groupby("scenario")["mean"].cummax()
    earlier = best.groupby(found["scenario"]).shift().fillna(-1.0)
    return found.assign(frontier=found["mean"] > earlier).reset_index(drop=True)


def draw_cost(unit: Unit, numbers: pd.DataFrame, axes: Axes) -> Axes:
    """A point for each arm with its interval; a thin staircase joins the best at each cost."""
    own = looks(numbers["label"])
    best = numbers[numbers["frontier"]]
    axes.plot(best[unit.column], best["mean"], drawstyle="steps-post", color=neutral("muted"),
              linewidth=0.8, label="best at its cost")  # fmt: skip
    for row in numbers.sort_values("mean", ascending=False).to_dict("records"):
        look = own[str(row["label"])]
        cost, mean, name = row[unit.column], row["mean"], wrapped(row["label"], marks.WRAP)
        axes.plot(cost, mean, look.marker, color=look.color, markersize=6, label=name)
        if row["ci95"] == row["ci95"]:
            axes.errorbar(cost, mean, yerr=row["ci95"], color=look.color, capsize=2, linewidth=1)
    _cost_axis(axes, numbers[unit.column])
    axes.set_xlabel(unit.axis)
    marks.accuracy_axis(axes, numbers, "Average accuracy (%)")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return axes


def _cost_axis(axes: Axes, costs: pd.Series) -> None:
    """Logarithmic where costs span decades; zero keeps a place of its own."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    positive = costs[costs > 0]
    if len(positive) and (costs.max() / positive.min() >= 20):
        if (costs == 0).any():
            axes.set_xscale("symlog", linthresh=positive.min(), linscale=0.4)
            decades = range(math.ceil(math.log10(positive.min())), 1 + int(math.log10(costs.max())))
            axes.set_xticks([0, *(10.0**decade for decade in decades)])
        else:
            axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.06)
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda x, _: f"{x:,.0f}" if x >= 10 or x == round(x) else f"{x:g}")
    )


def cost_caption(unit: Unit, cohort: Cohort, numbers: pd.DataFrame) -> str:
    """What is drawn, and what a point costs along the frontier."""
    about = "Average accuracy in the end; the staircase joins the best at each cost."
    if unit is SECONDS:
        about += " Time is that of the whole run divided by its replicas, on its own machine."
    if unit is SAMPLES and any(memory_of(arm) is None for arm in cohort.arms):
        about += " Strategies that keep the whole stream are left out."
    prices = []
    for _, rows in numbers[numbers["frontier"]].groupby("scenario"):
        steps = rows.to_dict("records")
        for cheap, dear in itertools.pairwise(steps):
            more = dear[unit.column] - cheap[unit.column]
            gain = 100 * (dear["mean"] - cheap["mean"])
            if more > 0:
                prices.append(
                    f"{gain:.1f} points from {cheap['label']} to {dear['label']} "
                    f"({gain / more * unit.amount:.2g} for {unit.more})"
                )
    if prices:
        about += f" What a point costs: {names(prices)}."
    return caption(cohort, numbers, about, "whisker")


def _kind(name: str, title: str, description: str, unit: Unit) -> Kind:
    return Kind(
        name=name,
        title=title,
        description=description,
        numbers=partial(cost_numbers, unit),
        draw=partial(draw_cost, unit),
        caption=partial(cost_caption, unit),
        panel="scenario",
        columns=1,
        tall=lambda numbers: 0.2 * numbers["label"].nunique(),
    )


MEMORY_COST = _kind(
    "memory-cost",
    "What accuracy costs in memory",
    "Average accuracy against the number of samples that a strategy remembers.",
    SAMPLES,
)
TIME_COST = _kind(
    "time-cost",
    "What accuracy costs in time",
    "Average accuracy against the seconds that training a replica took.",
    SECONDS,
)
