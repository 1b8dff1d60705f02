"""Forgetting curves, and average accuracy as training goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamsim_reports.cohort import Cohort
from streamsim_reports.figures import marks
from streamsim_reports.figures.captions import caption
from streamsim_reports.figures.kind import Kind
from streamsim_reports.figures.theme import ramp

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_IN_LEGEND = 7


def forgetting_curves_numbers(cohort: Cohort) -> pd.DataFrame:
    """Accuracy on each experience since it was learned: label, scenario, experience, trained.

    `trained` is the number of experiences trained on so far; mean, ci95 and num_seeds are over the
    seeds that did not diverge.
    """
    from streamsim_reports.figures.estimates import estimate
    from streamsim_reports.figures.replicas import healthy

    table = healthy(cohort, "accuracy")
    table = table[(table["after"] >= 0) & (table["on"] <= table["after"])]
    if table.empty:
        raise ValueError("no experience is finished yet")
    table = table.assign(experience=table["on"] + 1, trained=table["after"] + 1)
    return estimate(table, ["label", "scenario", "experience", "trained"], "accuracy")


def draw_forgetting_curves(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """A line for each experience, from where it was learned; early ones are darker."""
    last = int(numbers["trained"].max())
    colors = ramp(int(numbers["experience"].max()))
    named = _named(len(colors))
    for experience, rows in numbers.groupby("experience"):
        marks.line(
            axes,
            rows,
            "trained",
            color=colors[int(str(experience)) - 1],
            marker="o",
            markersize=3 if last <= 10 else 1.5,
            label=str(experience) if experience in named else None,
        )
    marks.accuracy_axis(axes, numbers)
    axes.set_ylim(-0.02, 1.02)
    marks.experience_axis(axes, "Experiences trained", 1, last)
    final = numbers.loc[numbers["trained"] == last, "mean"].mean()
    marks.note(axes, f"{100 * final:.0f} %")
    axes.legend(title="experience", loc="upper left", bbox_to_anchor=(1, 1))
    return axes


def _named(number: int) -> list[int]:
    """Experiences that a legend names: all, or a few from the first to the last."""
    if number <= MOST_IN_LEGEND:
        return list(range(1, number + 1))
    return [1 + round(i * (number - 1) / 4) for i in range(5)]


def average_accuracy_numbers(cohort: Cohort) -> pd.DataFrame:
    """Accuracy averaged over the experiences seen so far: label, scenario, trained.

    First over experiences (A_i of Rebuffi et al. 2017), then over the seeds that did not diverge.
    """
    from streamsim_reports.figures.estimates import estimate
    from streamsim_reports.figures.replicas import healthy

    table = healthy(cohort, "accuracy")
    seen = table[(table["after"] >= 0) & (table["on"] <= table["after"])]
    if seen.empty:
        raise ValueError("no experience is finished yet")
    replica = ["label", "scenario", "seed", "after"]
    average = seen.groupby(replica, observed=True)["accuracy"].mean().reset_index()
    average["trained"] = average["after"] + 1
    return estimate(average, ["label", "scenario", "trained"], "accuracy")


def draw_average_accuracy(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """A line for each arm, named at its end."""
    marks.accuracy_axis(axes, numbers, "Average accuracy (%)")
    marks.experience_axis(axes, "Experiences trained", 1, int(numbers["trained"].max()))
    return marks.arm_lines(numbers, axes, "trained")


FORGETTING_CURVES = Kind(
    name="forgetting-curves",
    title="Forgetting curves",
    description="Accuracy on each experience as training goes on, one panel for each strategy.",
    numbers=forgetting_curves_numbers,
    draw=draw_forgetting_curves,
    caption=lambda cohort, numbers: caption(
        cohort,
        numbers,
        "Accuracy on the test samples of each experience, from the end of its own training on: "
        "a line that falls is forgetting. The percentage at the right of a panel is the "
        "average over all experiences in the end.",
    ),
    panel="label",
)

AVERAGE_ACCURACY = Kind(
    name="average-accuracy",
    title="Average accuracy",
    description="Accuracy averaged over the experiences seen so far, strategies side by side.",
    numbers=average_accuracy_numbers,
    draw=draw_average_accuracy,
    caption=lambda cohort, numbers: caption(
        cohort, numbers, "Accuracy averaged over the experiences seen so far."
    ),
    panel="scenario",
    columns=1,
    shared="none",
    tall=marks.names_height,
)
