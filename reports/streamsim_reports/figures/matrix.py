"""The accuracy matrix R[i, j] as a heat map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamsim_reports.cohort import Cohort
from streamsim_reports.figures.captions import caption
from streamsim_reports.figures.heat import heat_map
from streamsim_reports.figures.kind import Kind

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def accuracy_matrix_numbers(cohort: Cohort) -> pd.DataFrame:
    """Accuracy on `experience` after training on the first `trained`: label, scenario, both."""
    from streamsim_reports.figures.estimates import estimate
    from streamsim_reports.figures.replicas import healthy

    table = healthy(cohort, "accuracy")
    table = table[table["after"] >= 0]
    if table.empty:
        raise ValueError("no experience is finished yet")
    table = table.assign(experience=table["on"] + 1, trained=table["after"] + 1)
    return estimate(table, ["label", "scenario", "trained", "experience"], "accuracy")


def draw_accuracy_matrix(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """One row for each experience trained, one column for each experience tested."""
    size = int(max(numbers["trained"].max(), numbers["experience"].max()))
    cells = numbers.pivot(index="trained", columns="experience", values="mean")
    cells = cells.reindex(index=range(1, size + 1), columns=range(1, size + 1))
    heat_map(axes, cells, (cells * 100).map("{:.0f}".format), cmap="mako_r", vmin=0, vmax=1)
    axes.set_xlabel("Experience tested")
    axes.set_ylabel("Experiences trained")
    return axes


ACCURACY_MATRIX = Kind(
    name="accuracy-matrix",
    title="Accuracy matrix",
    description="Accuracy on every experience after training on each, as a heat map.",
    numbers=accuracy_matrix_numbers,
    draw=draw_accuracy_matrix,
    caption=lambda cohort, numbers: caption(
        cohort,
        numbers,
        "Accuracy (%) on the test samples of each experience (columns) after training on the "
        "first, the second and so on (rows): right of the diagonal is the future, left of it "
        "what is remembered.",
        interval="",
    ),
    panel="label",
    shared="none",
    bar="Accuracy (%)",
)
