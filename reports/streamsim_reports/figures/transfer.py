"""Backward and forward transfer as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamsim_reports.cohort import Cohort
from streamsim_reports.figures import marks
from streamsim_reports.figures.captions import caption
from streamsim_reports.figures.kind import Kind
from streamsim_reports.figures.theme import SIZE, looks, neutral, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

TITLES = {
    "backward_transfer": "Backward transfer (BWT)",
    "forward_transfer": "Forward transfer (FWT)",
}


def transfer_numbers(cohort: Cohort) -> pd.DataFrame:
    """BWT and FWT of each arm: metric, label, scenario; mean is NaN where one is not defined."""
    import pandas as pd

    from streamsim_reports.figures.scores import scores

    found, reasons = scores(cohort, list(TITLES))
    if found.empty:
        raise ValueError("; ".join(reasons))
    titles = [title for name, title in TITLES.items() if name in set(found["metric"])]
    found["metric"] = pd.Categorical(found["metric"].map(TITLES), categories=titles)
    # both metrics have the same arms, so that panels have the same rows
    arms = found[["label", "scenario"]].drop_duplicates().sort_values("label")
    return found[["metric"]].drop_duplicates().merge(arms, how="cross").merge(found, how="left")


def draw_transfer(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """A bar for each arm from zero, its interval and its number."""
    own = looks(numbers["label"])
    several = numbers["scenario"].nunique() > 1
    rows = numbers.to_dict("records")
    for place, row in enumerate(rows):
        if row["mean"] != row["mean"]:
            axes.annotate("not defined", (0, place), xytext=(4, 0), textcoords="offset points",
                          va="center", fontsize=SIZE - 1, color=neutral("muted"))  # fmt: skip
            continue
        half = row["ci95"] if row["ci95"] == row["ci95"] else 0.0
        color = own[str(row["label"])].color
        axes.barh(place, row["mean"], height=0.62, color=color, alpha=0.75, linewidth=0)
        if half:
            axes.errorbar(
                row["mean"], place, xerr=half, color=neutral("ink"), linewidth=1, capsize=2
            )
        left = row["mean"] < 0
        axes.annotate(
            f"{100 * row['mean']:+.1f}".replace("-", marks.MINUS),
            (row["mean"] - half if left else row["mean"] + half, place),
            xytext=(-4 if left else 4, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=SIZE - 1,
        )
    names = [
        wrapped(f"{row['label']} ({row['scenario']})" if several else row["label"], marks.WRAP, 2)
        for row in rows
    ]
    axes.set_yticks(range(len(rows)), names, color=neutral("ink"))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.margins(x=0.22)
    axes.grid(False, axis="y")
    axes.set_xticks([tick for tick in axes.get_xticks() if -1 <= tick <= 1])
    marks.percent_axis(axes.xaxis)
    axes.set_xlabel("Percentage points")
    marks.zero_line(axes, vertical=True)
    return axes


def transfer_caption(cohort: Cohort, numbers: pd.DataFrame) -> str:
    """What the bars mean, and why one of the two is missing."""
    from streamsim_reports.figures.scores import scores

    about = (
        "Backward transfer is what later experiences did to earlier ones (below zero: forgetting); "
        "forward transfer is the gain over an untrained model before an experience is trained."
    )
    _, reasons = scores(cohort, list(TITLES))
    if reasons:
        about += f" Not defined everywhere ({'; '.join(reasons[:2])})."
    return caption(cohort, numbers, about, "whisker")


TRANSFER = Kind(
    name="transfer",
    title="Backward and forward transfer",
    description="Backward and forward transfer of each strategy as bars around zero.",
    numbers=transfer_numbers,
    draw=draw_transfer,
    caption=transfer_caption,
    panel="metric",
    columns=2,
    shared="y",
    tall=lambda numbers: 0.6 + 0.24 * len(numbers[["label", "scenario"]].drop_duplicates()),
)
