"""How a run shows itself in a notebook: what it was, its metrics, its accuracy matrix, its options.

Everything that comes from the folder is escaped: it may be a stranger's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamsim.runs import Run

MOST_EXPERIENCES = 12  # beyond which a matrix of numbers is no picture any more
RIGHT = "text-align:right"


def html(run: Run) -> str:
    """A fragment of HTML without scripts; a damaged table is told, not raised."""
    parts = [f"<b>{escape(run._headline)}</b><br><code>{escape(str(run.path))}</code>"]
    try:
        if run.status == "finished":
            parts += [_metrics(run), _matrix(run), _notes(run)]
        else:
            command = f"streamsim resume {run.path}"
            parts.append(f"<p>Finish it with <code>{escape(command)}</code></p>")
    except ValueError as error:
        parts.append(f"<p>{escape(str(error))}</p>")
    return f"<div>{''.join([*parts, _options(run)])}</div>"


def _metrics(run: Run) -> str:
    from streamsim.metrics import METRICS

    swept = len(run.settings) > 1
    rows = []
    for row in run.summary().to_dict("records"):
        if row["mean"] == row["mean"]:
            half = f" ± {row['ci95']:.4f}" if row["ci95"] == row["ci95"] else ""
            gone = f" ({row['num_diverged']} diverged)" if row["num_diverged"] else ""
            values = run.settings[row["setting"]].items()
            setting = ", ".join(f"{name}={value}" for name, value in values)
            title = METRICS[row["metric"]].title
            rows.append(
                [setting] * swept + [title, f"{row['mean']:.4f}{half}", f"{row['num_seeds']}{gone}"]
            )
    return _table(["setting"] * swept + ["metric", "mean ± 95 % CI", "seeds"], rows)


def _matrix(run: Run) -> str:
    """Mean accuracy after each experience (row) on each (column), of a run without a sweep."""
    table = run.table("accuracy")
    table = table[(table["after"] >= 0) & (table["on"] <= table["after"])]
    mean = table.pivot_table(index="after", columns="on", values="accuracy", aggfunc="mean")
    if len(run.settings) > 1 or not 2 <= len(mean) <= MOST_EXPERIENCES:
        return ""
    cells = "".join(
        f'<tr><th style="{RIGHT}">after {int(after) + 1}</th>{"".join(map(_cell, row))}</tr>'
        for after, row in zip(mean.index.tolist(), mean.to_numpy().tolist(), strict=True)
    )
    head = "".join(f'<th style="{RIGHT}">{int(on) + 1}</th>' for on in mean.columns.tolist())
    caption = "<caption>accuracy on each experience</caption>"
    return f"<table>{caption}<tr><th></th>{head}</tr>{cells}</table>"


def _cell(value: float) -> str:
    if value != value:
        return "<td></td>"
    # a wash of colour that leaves text legible on light and dark pages
    shade = f"background:rgba(64,145,200,{0.6 * min(max(value, 0.0), 1.0):.2f})"
    return f'<td style="{RIGHT};{shade}">{value:.2f}</td>'


def _notes(run: Run) -> str:
    notes = [*map(str, run.info.get("notes", []))]
    return f"<p>{'<br>'.join(map(escape, notes))}</p>" if notes else ""


def _options(run: Run) -> str:
    facts: dict[str, Any] = {**run.configuration["options"], "model": run.configuration["model"]}
    seconds = dict(run.info.get("timings") or {}).get("seconds")
    environment = dict(run.info["environment"])
    facts |= {"device": environment.get("device"), "seconds": seconds}
    rows = [[str(name), str(value)] for name, value in facts.items() if value is not None]
    table = _table(["option", "value"], rows)
    return f"<details><summary>options and environment</summary>{table}</details>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def lines() -> Iterator[str]:
        yield "".join(f"<th>{escape(cell)}</th>" for cell in head)
        for row in rows:
            yield "".join(f"<td>{escape(cell)}</td>" for cell in row)

    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines())}</table>"
