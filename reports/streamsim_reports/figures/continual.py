"""Accuracy inside experiences: what evaluation at their ends cannot see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamsim_reports.cohort import Cohort
from streamsim_reports.figures import marks
from streamsim_reports.figures.captions import caption
from streamsim_reports.figures.kind import Kind
from streamsim_reports.figures.theme import neutral

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

POINTS = 2400  # of a whole figure; of more moments, the worst of every few is drawn
MOMENT = ["label", "scenario", "experience", "step"]


def continual_numbers(cohort: Cohort) -> pd.DataFrame:
    """Accuracy at evaluated moments: label, scenario, series, experience, step.

    `series` is "past" (mean over the experiences before the one in training) or "current" (the one
    in training). `step` counts from the start of the stream. A replica's last moment in an
    experience is drawn at the end of the longest replica's, and moments that some replica never
    reached are left out, so that every mean is over the same seeds.
    """
    import pandas as pd

    from streamsim_reports.figures.estimates import estimate
    from streamsim_reports.figures.replicas import healthy

    table = _aligned(healthy(cohort, "continual"))
    by = [*MOMENT, "seed"]
    last = table["step"] == table["length"]
    # the level from which the next experience starts: all that is learned by now
    start = table[last].assign(experience=table["experience"] + 1, step=0)
    past = pd.concat([table[table["on"] < table["experience"]], start])
    current = table[table["on"] == table["experience"]]
    series = []
    for name, rows in {"past": past, "current": current}.items():
        averaged = rows.groupby(by, observed=True)["accuracy"].mean().reset_index()
        found = _thinned(_complete(estimate(averaged, MOMENT, "accuracy")), len(cohort.arms))
        series.append(found.assign(series=name))
    numbers = pd.concat(series, ignore_index=True).merge(_offsets(table))
    numbers["step"] += numbers.pop("offset")
    numbers["experience"] += 1
    numbers["label"] = pd.Categorical(numbers["label"], categories=cohort.labels, ordered=True)
    return numbers


def _aligned(table: pd.DataFrame) -> pd.DataFrame:
    """With `length`, the steps of an experience; every replica's last moment lies there."""
    experience = ["label", "experience"]
    own = table.groupby([*experience, "seed"], observed=True)["step"].transform("max")
    length = table.groupby(experience, observed=True)["step"].transform("max")
    return table.assign(length=length, step=table["step"].where(table["step"] < own, length))


def _offsets(table: pd.DataFrame) -> pd.DataFrame:
    """Steps before each experience: label, experience, offset."""
    lengths = table.groupby(["label", "experience"], observed=True)["length"].max().reset_index()
    before = lengths.groupby("label", observed=True)["length"].cumsum() - lengths["length"]
    return lengths.assign(offset=before).drop(columns="length")


def _complete(found: pd.DataFrame) -> pd.DataFrame:
    """Moments that every replica which trained on the experience has reached."""
    most = found.groupby(["label", "experience"], observed=True)["num_seeds"].transform("max")
    return found[found["num_seeds"] == most]


def _thinned(found: pd.DataFrame, arms: int) -> pd.DataFrame:
    """Of every few moments in a row the one with the lowest mean, if there are many."""
    experience = found.groupby(["label", "experience"], observed=True)
    every = -(-len(found) * 2 // POINTS)
    if every == 1:
        return found
    place = experience.cumcount()
    size = experience["step"].transform("size")
    # the level before and the end of an experience stay
    run = (place // every).where((place > 0) & (place < size - 1), -1 - (place > 0))
    lowest = found.assign(run=run).groupby(["label", "experience", "run"], observed=True)["mean"]
    return found.loc[lowest.idxmin()].sort_values(MOMENT)


def draw_continual(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """Past experiences as a line with band and gaps, the experience in training dashed."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    color, other = "C0", "C1"
    # each is named once, in the legend
    past_name, current_name, gap_name = (
        iter([name]) for name in ("past experiences", "in training", "stability gap")
    )
    for _, rows in numbers.groupby("experience"):
        past = rows[rows["series"] == "past"].sort_values("step")
        current = rows[rows["series"] == "current"].sort_values("step")
        alone = "." if len(current) == 1 else None
        axes.plot(current["step"], current["mean"], color=other, linestyle=(0, (3, 1.5)),
                  linewidth=1, marker=alone, label=next(current_name, None))  # fmt: skip
        if len(past) < 2:
            continue
        axes.axvline(past["step"].iloc[0], color=neutral("grid"), linewidth=0.8, zorder=0.5)
        marks.line(axes, past, "step", color=color, label=next(past_name, None))
        lowest = past.sort_values("mean").iloc[0]
        axes.vlines(lowest["step"], lowest["mean"], past["mean"].iloc[0], color=neutral("ink"),
                    linewidth=1.4, label=next(gap_name, ""), zorder=3)  # fmt: skip
    axes.grid(False, axis="x")
    axes.set_xlim(0, numbers["step"].max() * 1.01)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes.set_xlabel("Training steps")
    marks.accuracy_axis(axes, numbers)
    axes.set_ylim(-0.02, 1.02)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return axes


CONTINUAL = Kind(
    name="continual",
    title="Accuracy while training",
    description="Accuracy on past experiences within training, with the dips as new ones begin.",
    numbers=continual_numbers,
    draw=draw_continual,
    caption=lambda cohort, numbers: caption(
        cohort,
        numbers,
        "Accuracy evaluated during training: the mean over all past experiences, and the "
        "experience in training. Vertical lines in the background are starts of experiences; the "
        "stability gap is the drop from there to the lowest point before the next one.",
    ),
    panel="label",
    columns=3,
)
