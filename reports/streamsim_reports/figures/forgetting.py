"""How much each experience was forgotten in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamsim_reports.cohort import Cohort
from streamsim_reports.figures import marks
from streamsim_reports.figures.captions import caption
from streamsim_reports.figures.kind import Kind

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def forgetting_numbers(cohort: Cohort) -> pd.DataFrame:
    """f_j of Chaudhry et al. 2018 for each experience but the last: label, scenario, experience.

    Of an unfinished run, as if the last experience trained were the end of the stream.
    """
    import pandas as pd

    from streamsim.metrics import accuracy_matrices, forgetting_per_experience
    from streamsim_reports.figures.estimates import estimate
    from streamsim_reports.figures.replicas import healthy

    tables = []
    arms = healthy(cohort, "accuracy").groupby(["label", "scenario"], observed=True)
    for key, rows in arms:
        label, scenario = map(str, key)
        done = int(rows["after"].max()) + 1
        if done < 2:
            continue
        matrices = accuracy_matrices(rows)
        lost_KE = forgetting_per_experience(matrices.accuracy_KEE[:, :done, :done])
        wide = pd.DataFrame(lost_KE, columns=range(1, done))
        tables.append(wide.melt(var_name="experience").assign(label=label, scenario=scenario))
    if not tables:
        raise ValueError("forgetting needs at least two finished experiences")
    every = pd.concat(tables, ignore_index=True)
    every["label"] = pd.Categorical(every["label"], categories=cohort.labels, ordered=True)
    return estimate(every, ["label", "scenario", "experience"], "value")


def draw_forgetting(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """A line for each arm over the experiences, in percentage points."""
    marks.experience_axis(axes, "Experience", 1, int(numbers["experience"].max()))
    low = float((numbers["mean"] - numbers["ci95"].fillna(0)).min())
    high = float((numbers["mean"] + numbers["ci95"].fillna(0)).max())
    margin = 0.04 * max(high - low, 0.05)
    axes.set_ylim(min(low, 0) - margin, min(max(high, 0), 1) + margin)
    marks.percent_axis(axes.yaxis)
    axes.set_ylabel("Forgetting (percentage points)")
    marks.zero_line(axes)
    return marks.arm_lines(numbers, axes, "experience")


FORGETTING = Kind(
    name="forgetting",
    title="Forgetting of each experience",
    description="How far accuracy on each experience fell from its best, strategies side by side.",
    numbers=forgetting_numbers,
    draw=draw_forgetting,
    caption=lambda cohort, numbers: caption(
        cohort,
        numbers,
        "Best earlier accuracy on an experience minus its accuracy in the end; lower is better, "
        "below zero it got better with time.",
    ),
    panel="scenario",
    columns=1,
    shared="none",
    tall=marks.names_height,
)
