"""Tasks grouped by mutual transference, as a dendrogram."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamsim_reports.cohort import Cohort
from streamsim_reports.figures import marks
from streamsim_reports.figures.captions import caption, names
from streamsim_reports.figures.kind import Kind
from streamsim_reports.figures.theme import neutral
from streamsim_reports.grouping import BREAK_EVEN, Grouping, group_tasks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def groupings(cohort: Cohort) -> dict[str, tuple[Grouping, int]]:
    """The grouping of each arm that has one, and its number of seeds; ValueError if none has."""
    from streamsim_reports.figures.transference import ratios

    found, reasons = {}, []
    for label, rows in ratios(cohort).groupby("label", observed=True):
        try:
            raw = rows.assign(source=rows["source"] - 1, target=rows["target"] - 1)
            found[str(label)] = group_tasks(raw), int(rows["seed"].nunique())
        except ValueError as error:
            reasons.append(str(error))
    if not found:
        raise ValueError(reasons[0])
    return found


def groups_numbers(cohort: Cohort) -> pd.DataFrame:
    """The tree of mergers of each arm: label, left, right, height, size, num_seeds.

    Clusters are numbered as scipy's linkages number them, from 1: 1 to T are experiences, T + 1 is
    the first merger. `height` is the mean mutual transference between the two that merge.
    """
    import pandas as pd

    parts = []
    for label, (grouping, num_seeds) in groupings(cohort).items():
        tree = grouping.linkage
        part = pd.DataFrame(tree, columns=["left", "right", "height", "size"])
        whole = part.astype({"left": int, "right": int, "size": int})
        whole[["left", "right"]] += 1
        parts.append(whole.assign(label=label, num_seeds=num_seeds))
    numbers = pd.concat(parts, ignore_index=True)
    numbers["label"] = pd.Categorical(numbers["label"], categories=cohort.labels, ordered=True)
    return numbers[["label", "left", "right", "height", "size", "num_seeds"]]


def draw_groups(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """Leaves at the left, mergers where they happen; what merges left of 1 helps each other."""
    from matplotlib.ticker import MaxNLocator
    from scipy.cluster.hierarchy import dendrogram

    tree = numbers[["left", "right", "height", "size"]].to_numpy(dtype=float)
    tree[:, :2] -= 1
    num = len(tree) + 1
    helpful, harmful = "C0", neutral("muted")
    dendrogram(
        tree,
        orientation="right",
        labels=[str(task) for task in range(1, num + 1)],
        link_color_func=lambda k: helpful if tree[k - num, 2] <= BREAK_EVEN else harmful,
        leaf_font_size=8 if num <= 12 else 6,
        ax=axes,
    )
    low, high = min(tree[:, 2].min(), BREAK_EVEN), max(tree[:, 2].max(), BREAK_EVEN)
    margin = 0.12 * max(high - low, 0.01)
    axes.set_xlim(low - margin, high + margin)
    axes.axvline(BREAK_EVEN, color=neutral("ink"), linewidth=0.8, linestyle=(0, (3, 2)))
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.set_xlabel("Mutual transference")
    axes.set_ylabel("Experience")
    number = num - int((tree[:, 2] <= BREAK_EVEN).sum())
    marks.note(axes, f"{number} group{'s' * (number > 1)}")
    return axes


def groups_caption(cohort: Cohort, numbers: pd.DataFrame) -> str:
    """What a merger means, and the suggested groups."""
    advice = []
    for label, (grouping, _) in groupings(cohort).items():
        groups = ["+".join(str(task + 1) for task in group) for group in grouping.groups]
        alone = len(groups) == len(numbers[numbers["label"] == label]) + 1
        advice.append(f"{label}: {'each alone' if alone else names(groups)}")
    about = (
        "Experiences that lower each other's loss merge left of the dashed line, and could share a "
        f"head. Suggested groups: {'; '.join(advice[:6])}{'; ...' if len(advice) > 6 else ''}."
    )
    return caption(cohort, numbers, about, interval="")


TRANSFERENCE_GROUPS = Kind(
    name="transference-groups",
    title="Groups by transference",
    description="Experiences clustered by what updates on them do to each other, as a tree.",
    numbers=groups_numbers,
    draw=draw_groups,
    caption=groups_caption,
    panel="label",
    columns=3,
    shared="none",
    tall=lambda numbers: 0.12 * float(numbers["size"].max()),
)
