"""Comparisons as text: for reading, for papers, for spreadsheets and for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streamsim.metrics import METRICS
from streamsim_reports.comparison import Comparison
from streamsim_reports.wording import about

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "-"


def cells(comparison: Comparison) -> list[list[str]]:
    """The table as people read it, its head first; columns that say nothing are left out."""
    rows = comparison.table.to_dict("records")
    columns = {
        "scenario": [row["scenario"] for row in rows],
        "strategy": [row["label"] for row in rows],
        METRICS[comparison.metric].title.lower(): [
            _with_interval(row["mean"], row["ci95"]) for row in rows
        ],
        "seeds": [_seeds(row) for row in rows],
        "difference": [_difference(row) for row in rows],
        "p": [_p(row["p"]) for row in rows],
        "corrected": [_p(row["p_corrected"]) for row in rows],
        "effect": [_decimals(row["effect"], 2) for row in rows],
        "verdict": [_verdict(row) for row in rows],
    }
    if len(set(columns["scenario"])) == 1:
        del columns["scenario"]
    elif len(set(comparison.table["method"])) < len(rows):
        columns["strategy"] = [row["method"] for row in rows]
    return [list(columns), *map(list, zip(*columns.values(), strict=True))]


def text(comparison: Comparison) -> str:
    """Aligned columns, then the sentences."""
    table = cells(comparison)
    words = ("strategy", "scenario", "verdict")
    left = [i for i, name in enumerate(table[0]) if name in words]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return "\n".join([*lines, "", *comparison.sentences])


def markdown(comparison: Comparison) -> str:
    """A pipe table, then the sentences as a list."""
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in cells(comparison)]
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]
    return "\n".join([*lines, "", *(f"- {sentence}" for sentence in comparison.sentences)])


def latex(comparison: Comparison) -> str:
    """A table for the package booktabs, the best mean of each scenario in bold."""
    import pandas as pd

    head, *body = cells(comparison)
    table = comparison.table.reset_index(drop=True)
    best = table.index[~table["scenario"].duplicated() & table["mean"].notna()]
    frame = pd.DataFrame(body, columns=head)
    style = frame.style.hide(axis="index").format(escape="latex").format_index(
        escape="latex", axis="columns"
    )  # fmt: skip
    title = METRICS[comparison.metric].title.lower()
    style = style.set_properties(subset=(best, [title]), textbf="--rwrap")
    words = ("strategy", "scenario", "verdict")
    align = "".join("l" if name in words else "r" for name in head)
    made = str(style.to_latex(hrules=True, column_format=align)).replace("±", r"$\pm$")
    return "\n".join([*(f"% {sentence}" for sentence in comparison.sentences), made.rstrip()])


def numbers(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """All tables under each other, unrounded, with the metric first."""
    import pandas as pd

    tables = [c.table.assign(metric=c.metric) for c in comparisons]
    table = pd.concat(tables, ignore_index=True)
    return table[["metric", *(name for name in table if name != "metric")]]


def plain(comparison: Comparison) -> dict[str, Any]:
    """Everything, for JSON; null where there is no number."""
    test = comparison.rank_test
    return {
        "metric": comparison.metric,
        "higher_is_better": METRICS[comparison.metric].higher_is_better,
        "table": _records(comparison.table),
        "pairs": _records(comparison.pairs),
        "ranks": None if comparison.ranks is None else _records(comparison.ranks),
        "rank_test": test
        and {
            "num_scenarios": test.num_scenarios,
            "friedman_p": test.friedman_p,
            "critical_difference": test.critical_difference,
            "nemenyi": test.nemenyi.to_dict(),
        },
        "sentences": comparison.sentences,
        "warnings": comparison.warnings,
    }


def render(comparisons: Sequence[Comparison], form: str) -> str:
    """Text in one of FORMATS, without a last line break."""
    if form == "json":
        return json.dumps([plain(c) for c in comparisons], indent=2, ensure_ascii=False)
    if form == "csv":
        return str(numbers(comparisons).to_csv(index=False)).rstrip("\n")
    one = {"table": text, "markdown": markdown, "latex": latex}[form]
    return "\n\n".join(one(c) for c in comparisons)


FORMATS = ("table", "csv", "json", "latex", "markdown")


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): None if value != value else value for key, value in row.items()}
        for row in table.to_dict("records")
    ]


def _seeds(row: Mapping[Any, Any]) -> str:
    gone = row["num_diverged"]
    return f"{row['num_seeds']}" + (f" ({gone} diverged)" if gone else "")


def _difference(row: Mapping[Any, Any]) -> str:
    if row["difference"] != row["difference"]:
        return NOTHING
    sign = "+" if row["difference"] > 0 else ""
    return sign + _with_interval(row["difference"], row["difference_ci95"])


def _verdict(row: Mapping[Any, Any]) -> str:
    if row["verdict"] == "undecided" and row["seeds_needed"] == row["seeds_needed"]:
        return f"undecided ({about(row['seeds_needed'], 'seed')})"
    if row["verdict"] in ("undecided", "untested") and row["note"]:
        return f"{row['verdict']}: {row['note']}"
    return str(row["verdict"])


def _with_interval(mean: float, half_width: float) -> str:
    half = "" if half_width != half_width else f" ± {half_width:.4f}"
    return _decimals(mean, 4) + half


def _p(p: float) -> str:
    return "<0.0001" if p < 0.0001 else _decimals(p, 4)


def _decimals(value: float, decimals: int) -> str:
    return NOTHING if value != value else f"{value:.{decimals}f}"
