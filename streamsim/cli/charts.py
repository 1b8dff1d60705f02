"""The picture of a stream as text: one line a row, 80 columns wide, no colours needed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

WIDTH = 80
NAME = 18  # columns of names
ROWS = 12  # of classes; more classes share rows
BARS = " ▁▂▃▄▅▆▇█"
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz+"
CLEAR = 0.75  # share of a concept that rules
COLUMNS = WIDTH - NAME - 2


def chart(about: Mapping[str, Any], table: pd.DataFrame) -> str:
    """What `streamsim preview` prints, of a `streamsim.preview.Preview`."""
    total = int(table["stop"].max())
    panels = {str(name): rows for name, rows in table.groupby("panel", sort=False)}
    lines = [*_heading(about), "", _line("experience", _experiences(panels["experiences"], total))]
    if "concepts" in panels:
        lines.append(_line("concept", _concepts(panels["concepts"], total)))
    classes = _classes(panels["classes"])
    top = max(rows["value"].max() for _, rows in classes)
    lines += ["", f"share of each class (a full block: {100 * top:.0f} %)"]
    lines += [_line(f"  {name}", _bars(rows, total, 0.0, top)) for name, rows in classes]
    if "features" in panels:
        rows = panels["features"]
        # noise must not look like drift
        low, high = min(rows["value"].min(), -0.5), max(rows["value"].max(), 0.5)
        lines += ["", f"means of the features that move most, {low:.1f} to {high:.1f} std. dev."]
        lines += [_line(f"  {n}", _bars(v, total, low, high)) for n, v in _named(rows)]
    if "truth" in panels:
        lines += ["", "what only the stream knows"]
        for name, rows in _named(panels["truth"]):
            low, high = min(rows["value"].min(), 0.0), max(rows["value"].max(), 0.0)
            lines.append(_line(f"  {name}", _bars(rows, total, low, high or 1.0)))
            lines.append(f"{'':{NAME}}  {rows['value'].min():.3g} to {rows['value'].max():.3g}")
    end = f"{total:,} training samples"
    return "\n".join([*lines, "", f"{'':{NAME}}  0{end.rjust(COLUMNS - 1)}"])


def sentence(about: Mapping[str, Any]) -> str:
    """What a stream is, in a line of words."""
    shape = " x ".join(map(str, about["input_shape"]))
    reveals = ", ".join(about["reveals"]) or "nothing"
    order = "in the order of time" if about["ordered"] else "shuffled within experiences"
    if about["label_delay"]:
        order += f", labels {about['label_delay']:,} samples later"
    number = about["num_experiences"]
    return (
        f"{about['setting']}-incremental: {number} experience{'s' if number > 1 else ''}, "
        f"{about['num_classes']} classes, inputs {shape}, {about['train_samples']:,} training and "
        f"{about['test_samples']:,} test samples, {order}; reveals {reveals}"
    )


def _heading(about: Mapping[str, Any]) -> list[str]:
    import textwrap

    return [
        f"{about['scenario']}, seed {about['seed']}",
        *textwrap.wrap(sentence(about), WIDTH, break_on_hyphens=False),
    ]


def _line(name: str, marks: str) -> str:
    short = name if len(name) <= NAME else name[: NAME - 1] + "…"
    return f"{short:{NAME}}  {marks}".rstrip()


def _experiences(rows: pd.DataFrame, total: int) -> str:
    """`|1      |2      |3`: a bar where one begins, its number where there is room."""
    marks = [" "] * COLUMNS
    starts = [int(start * COLUMNS / total) for start in rows["start"]] + [COLUMNS]
    for number, (at, end) in enumerate(itertools.pairwise(starts)):
        text = f"|{number + 1}"
        marks[at : at + len(text)] = text if len(text) <= end - at else text[:1]
    return "".join(marks[:COLUMNS])


def _concepts(rows: pd.DataFrame, total: int) -> str:
    """The number of the concept that rules (a letter from 10 on), `~` where none clearly does."""
    wide = rows.pivot(index="start", columns="name", values="value")
    leaders, shares = wide.idxmax(axis=1).tolist(), wide.max(axis=1).tolist()
    marks = []
    for moment in _moments(total):
        place = int(wide.index.searchsorted(moment, side="right")) - 1
        number = min(int(leaders[place]), len(DIGITS) - 1)
        marks.append(DIGITS[number] if shares[place] > CLEAR else "~")
    return "".join(marks)


def _classes(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows of each class, or of successive classes together."""
    names = list(dict.fromkeys(rows["name"]))
    size = -(-len(names) // ROWS)
    found = []
    for first in range(0, len(names), size):
        group = names[first : first + size]
        of_group = rows[rows["name"].isin(group)]
        together = of_group.groupby("start", as_index=False)[["value"]].sum()
        found.append((group[0] if size == 1 else f"{group[0]} to {group[-1]}", together))
    return found


def _named(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    names = list(dict.fromkeys(rows["name"]))
    return [(name, rows[rows["name"] == name]) for name in names]


def _bars(rows: pd.DataFrame, total: int, low: float, high: float) -> str:
    """A bar for each column of text: how high the value stands between `low` and `high`."""
    starts, values = rows["start"].to_numpy(), rows["value"].to_numpy()
    heights = [values[starts.searchsorted(moment, side="right") - 1] for moment in _moments(total)]
    shares = [(height - low) / (high - low) for height in heights]
    # only a share of nothing is blank
    least = [int(low != 0 or share > 0) for share in shares]
    top = len(BARS) - 1
    return "".join(BARS[max(round(s * top), m)] for s, m in zip(shares, least, strict=True))


def _moments(total: int) -> list[float]:
    """The middle of what each column of text stands for."""
    return [(column + 0.5) * total / COLUMNS for column in range(COLUMNS)]
