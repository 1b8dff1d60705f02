"""Prequential (test-then-train) curves with the true drifts and the alarms of detectors.

Positions count the samples seen. A run has the tables `drifts` and `alarms` if a detector watched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamsim_reports.cohort import Cohort
from streamsim_reports.figures import marks
from streamsim_reports.figures.captions import caption
from streamsim_reports.figures.kind import Kind
from streamsim_reports.figures.theme import SIZE, neutral, plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BINS = 200  # points of a curve
FEWER_BINS = 80  # where the curves of several arms lie upon another
EVENT_BINS = 50  # places of drifts and alarms
KEYS = ("label", "scenario", "setting", "seed", "position", "total", "correct", "persistent")


def prequential_numbers(cohort: Cohort, bins: int = BINS) -> pd.DataFrame:
    """Curves, drifts and alarms: label, scenario, series, position, mean, ci95, num_seeds.

    `series` is the name of the metric, "drift" or "alarm". The metric is averaged in up to `bins`
    stretches of the stream for each seed, then over seeds; of a drift or an alarm, `mean` is the
    share of seeds that have one there.
    """
    import pandas as pd

    from streamsim_reports.figures.estimates import estimate
    from streamsim_reports.figures.replicas import healthy

    table = healthy(cohort, "prequential")
    metric = _metric(table)
    table = table[table[metric].notna()]
    if table.empty:
        raise ValueError("the prequential table is empty")
    stretched = _stretched(table, table, bins)
    by = ["label", "scenario", "position"]
    # rows are means over blocks of `total` samples, and the last block may be shorter
    weight = stretched["total"].astype(float) if "total" in stretched else 1.0
    sums = stretched.assign(weight=weight, weighted=stretched[metric] * weight)
    sums = sums.groupby([*by, "seed"], observed=True)[["weighted", "weight"]].sum()
    value = (sums["weighted"] / sums["weight"]).rename(metric).reset_index()
    parts = [estimate(value, by, metric).assign(series=metric)]
    seeds = table.groupby("label", observed=True)["seed"].nunique()
    for name, series in {"drifts": "drift", "alarms": "alarm"}.items():
        try:
            events = cohort.table(name)
        except ValueError:  # no run was watched
            continue
        if events.empty:
            continue
        events = _stretched(events, table, EVENT_BINS).drop_duplicates([*by, "seed"])
        count = events.groupby(by, observed=True)["seed"].nunique()
        found = count.rename("mean").reset_index()
        of = found["label"].map(seeds).astype(float)
        parts.append(found.assign(series=series, mean=found["mean"] / of, num_seeds=of.astype(int)))
    numbers = pd.concat(parts, ignore_index=True)
    numbers["label"] = pd.Categorical(numbers["label"], categories=cohort.labels, ordered=True)
    return numbers


def _metric(table: pd.DataFrame) -> str:
    """Accuracy, or else the first metric there is."""
    metrics = [str(name) for name in table if name not in KEYS]
    if not metrics:
        raise ValueError("the prequential table has no metric, such as accuracy")
    return "accuracy" if "accuracy" in metrics else metrics[0]


def _stretched(rows: pd.DataFrame, table: pd.DataFrame, bins: int) -> pd.DataFrame:
    """Rows with positions moved to the middle of their stretch, if there are more than `bins`."""
    length = table.groupby("label", observed=True)["position"].max()
    width = (rows["label"].map(length).astype(float) / bins).clip(lower=1)
    own = rows.groupby("label", observed=True)["position"].nunique()
    fine = rows["label"].map(own).astype(float) <= bins
    # a position counts the samples up to the end of a block
    middle = (((rows["position"] - 1).clip(lower=0) // width + 0.5) * width).round()
    return rows.assign(position=middle.where(~fine, rows["position"]).astype("int64"))


def draw_prequential(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """The metric as a line, drifts as vertical lines, alarms as marks along the bottom."""
    events = numbers["series"].isin(["drift", "alarm"])
    curve = numbers[~events]
    metric = str(curve["series"].iloc[0])
    marks.line(axes, curve, "position", color="C0", label=plain(metric))
    if metric == "accuracy":
        marks.accuracy_axis(axes, curve)
        marks.note(axes, f"{100 * curve['mean'].mean():.1f} %")
    else:
        axes.set_ylabel(plain(metric))
    label: str | None = "true drift"
    for row in numbers[numbers["series"] == "drift"].to_dict("records"):
        axes.axvline(row["position"], color="C1", linestyle=(0, (4, 2)), linewidth=1.1,
                     alpha=0.25 + 0.75 * row["mean"], label=label)  # fmt: skip
        label = None
    alarms = numbers[numbers["series"] == "alarm"]
    if len(alarms):
        # size tells the share of seeds: a mark of full size is an alarm in every one
        axes.scatter(alarms["position"], [0.0] * len(alarms), s=8 + 40 * alarms["mean"],
                     transform=axes.get_xaxis_transform(), marker="^", color=neutral("ink"),
                     linewidth=0, clip_on=False, zorder=4, label="alarm")  # fmt: skip
    _samples_axis(axes, numbers)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=SIZE - 1)
    return axes


def comparison_numbers(cohort: Cohort) -> pd.DataFrame:
    """The curves and drifts of `prequential_numbers`, for curves that share their axes."""
    numbers = prequential_numbers(cohort, FEWER_BINS)
    return numbers[numbers["series"] != "alarm"].reset_index(drop=True)


def draw_comparison(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """A line for each arm, named at its end; drifts as vertical lines."""
    drifts = numbers["series"] == "drift"
    curves = numbers[~drifts]
    metric = str(curves["series"].iloc[0])
    if metric == "accuracy":
        marks.accuracy_axis(axes, curves, "Accuracy while learning (%)")
    else:
        axes.set_ylabel(plain(metric))
    # arms of one stream have the same drifts, and each may tell only of some seeds
    shares = numbers[drifts].groupby("position")["mean"].max()
    for position, share in shares.items():
        axes.axvline(float(str(position)), color=neutral("muted"), linestyle=(0, (4, 2)),
                     linewidth=1.0, alpha=0.25 + 0.75 * share, zorder=1)  # fmt: skip
    _samples_axis(axes, numbers)
    return marks.arm_lines(curves, axes, "position")


def comparison_caption(cohort: Cohort, numbers: pd.DataFrame) -> str:
    curves = numbers[numbers["series"] != "drift"]
    about = "Every sample is predicted before it is trained on, stretch by stretch."
    if len(curves) < len(numbers):
        about += " Dashed vertical lines are the beginnings of true drifts."
    return caption(cohort, curves, about)


def _samples_axis(axes: Axes, numbers: pd.DataFrame) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlim(0, numbers["position"].max() * 1.01)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.set_xlabel("Samples seen")


def prequential_caption(cohort: Cohort, numbers: pd.DataFrame) -> str:
    """What the curve is, and what marks drifts and alarms where there are any."""
    sentences = ["Every sample is predicted before it is trained on."]
    series = set(numbers["series"])
    if "accuracy" in series:
        sentences.append("The percentage at the right of a panel is the mean over the stream.")
    if "drift" in series:
        sentences.append("Dashed vertical lines are the beginnings of true drifts.")
    if "alarm" in series:
        sentences.append("Triangles are alarms of a detector, larger where more seeds have one.")
    curves = numbers[~numbers["series"].isin(["drift", "alarm"])]
    return caption(cohort, curves, " ".join(sentences))


PREQUENTIAL = Kind(
    name="prequential",
    title="Test, then train",
    description="Prequential accuracy along the stream, with true drifts and alarms marked.",
    numbers=prequential_numbers,
    draw=draw_prequential,
    caption=prequential_caption,
    panel="label",
    columns=2,
)

PREQUENTIAL_COMPARISON = Kind(
    name="prequential-comparison",
    title="Accuracy while learning",
    description="Prequential accuracy along the stream, strategies side by side.",
    numbers=comparison_numbers,
    draw=draw_comparison,
    caption=comparison_caption,
    panel="scenario",
    columns=1,
    shared="none",
    tall=marks.names_height,
)
