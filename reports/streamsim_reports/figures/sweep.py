"""A metric against the values of a swept option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from streamsim_reports.cohort import Arm, Cohort
from streamsim_reports.figures import marks
from streamsim_reports.figures.captions import caption
from streamsim_reports.figures.kind import Kind
from streamsim_reports.figures.theme import looks, plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

MOST_TICKS = 8
DECADES = 30.0  # largest over smallest value from which an axis is logarithmic


def sweep_numbers(cohort: Cohort) -> pd.DataFrame:
    """Average accuracy in the end against a swept value: option, line, place, value.

    Arms of one strategy, model and scenario that differ in options are a sweep; the option with
    most values becomes the axis, those of the others name lines. `place` is the value where all
    values of an option are numbers, else their rank; `value` is its text.
    """
    import pandas as pd

    from streamsim_reports.figures.scores import scores

    found, reasons = scores(cohort, ["average_accuracy"])
    rows = []
    several = len(cohort.scenarios) > 1
    for arms in _groups(cohort):
        option, others = _differing(arms)
        if option is None:
            continue
        for arm in arms:
            rest = [f"{name.rpartition('.')[2]}={text(arm.options.get(name))}" for name in others]
            line = " ".join([arm.strategy, *rest, *([f"on {arm.scenario}"] if several else [])])
            value = arm.options.get(option)
            rows.append((arm.label, option, line, value, text(value)))
    if not rows:
        raise ValueError("no option was swept; run with --sweep section.option=V1,V2")
    swept = pd.DataFrame(rows, columns=["label", "option", "line", "raw", "value"])
    swept["place"] = swept.groupby("option")["raw"].transform(_places)
    numbers = found.merge(swept.drop(columns="raw"), on="label").drop(columns="metric")
    if numbers.empty:
        raise ValueError("; ".join(reasons))
    numbers["line"] = pd.Categorical(numbers["line"], categories=list(dict.fromkeys(swept["line"])))
    numbers["label"] = pd.Categorical(numbers["label"], categories=cohort.labels, ordered=True)
    return numbers


def _groups(cohort: Cohort) -> list[list[Arm]]:
    """Arms that differ in nothing but options."""
    groups: dict[tuple[str, ...], list[Arm]] = {}
    for arm in cohort.arms:
        key = (arm.scenario, arm.strategy, str(arm.run.configuration["model"]))
        groups.setdefault(key, []).append(arm)
    return list(groups.values())


def _differing(arms: list[Arm]) -> tuple[str | None, list[str]]:
    """The option with most values, and the others that differ."""
    options: list[Mapping[str, Any]] = [arm.options for arm in arms]
    every = list(dict.fromkeys(name for own in options for name in own))
    values = {name: {text(own.get(name)) for own in options} for name in every}
    differing = [name for name in every if len(values[name]) > 1]
    option = max(differing, key=lambda name: len(values[name]), default=None)
    return option, [name for name in differing if name != option]


def _places(raw: pd.Series) -> pd.Series:
    """The values themselves if all are numbers, else 0, 1, 2 as they appear."""
    import pandas as pd

    numbers = [isinstance(v, (int, float)) and not isinstance(v, bool) for v in raw]
    if all(numbers):
        return raw.astype(float)
    return pd.Series(pd.factorize(raw.map(text))[0], index=raw.index, dtype=float)


def text(value: Any) -> str:
    """A value as it is written after `--set name=`.

    >>> text(0.1), text([100, 100]), text(None)
    ('0.1', '100,100', 'none')
    """
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ",".join(text(item) for item in value)
    return "none" if value is None else str(value)


def draw_sweep(numbers: pd.DataFrame, axes: Axes) -> Axes:
    """A line for each strategy and value of the other options."""
    marks.accuracy_axis(axes, numbers, "Average accuracy (%)")
    _value_axis(axes, numbers)
    axes.set_xlabel(plain(numbers["option"].iloc[0]))
    own = looks(numbers["line"])
    ends = {}
    for line, rows in numbers.groupby("line", observed=True):
        look = own[str(line)]
        marks.line(axes, rows, "place", **look._asdict())
        last = rows.sort_values("place").iloc[-1]
        ends[str(line)] = marks.End(last["place"], last["mean"], look.color)
    marks.name_ends(axes, ends)
    return axes


def _value_axis(axes: Axes, numbers: pd.DataFrame) -> None:
    """Ticks at the values that were tried; logarithmic where they span decades."""
    from matplotlib.ticker import NullLocator

    tried = numbers.drop_duplicates("place").sort_values("place")
    low, high = tried["place"].iloc[0], tried["place"].iloc[-1]
    numeric = list(tried["value"]) == [text(float(place)) for place in tried["place"]]
    if numeric and low > 0 and high / low >= DECADES:
        axes.set_xscale("log")
    every = -(-len(tried) // MOST_TICKS)
    axes.set_xticks(list(tried["place"])[::every], [plain(v) for v in tried["value"]][::every])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(x=0.04)


SWEEP = Kind(
    name="sweep",
    title="Swept options",
    description="Average accuracy in the end against the values of a swept option.",
    numbers=sweep_numbers,
    draw=draw_sweep,
    caption=lambda cohort, numbers: caption(
        cohort, numbers, "Average accuracy in the end against the values that were tried."
    ),
    panel="option",
    columns=1,
    shared="none",
    tall=lambda numbers: marks.names_height(numbers.assign(label=numbers["line"])),
)
