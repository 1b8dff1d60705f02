"""Numbers as text, aligned; the same on a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streamsim.options import show_value

if TYPE_CHECKING:
    import pandas as pd

    from streamsim.runs import Run


def aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns padded to their widest entry; `right` lists the columns of numbers.

    >>> print(aligned([["metric", "mean"], ["forgetting", "0.1"]], right=[1]))
    metric      mean
    forgetting   0.1
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def summary_table(run: Run, rows: Sequence[Mapping[str, Any]], notes: bool) -> str:
    """The metrics of a run; undefined ones only with `notes`, which say why."""
    swept = len(run.settings) > 1
    head = ["setting"] * swept + ["metric", "mean", "95 % CI", "seeds"] + ["note"] * notes
    body = []
    for row in rows:
        defined = row["mean"] == row["mean"]
        # a setting that has no number at all keeps one row, so that it is seen
        if not (defined or notes or row["metric"] == "average_accuracy"):
            continue
        mean = f"{row['mean']:.4f}" if defined else "-"
        half = f"± {row['ci95']:.4f}" if row["ci95"] == row["ci95"] else "-"
        seeds = str(row["num_seeds"])
        if row["num_diverged"]:
            seeds += f" ({row['num_diverged']} diverged)"
        setting = [setting_name(run.settings[row["setting"]])] * swept
        body.append([*setting, row["metric"], mean, half, seeds, *[row["note"]] * notes])
    first = int(swept)
    return aligned([head, *body], right=[first + 1, first + 2, first + 3])


def divergence(replicas: pd.DataFrame) -> list[str]:
    """What became of replicas whose loss was no number any more; nothing if there are none."""
    gone = replicas[replicas["diverged_step"].notna()]
    if gone.empty:
        return []
    first = gone.sort_values(["diverged_experience", "diverged_step"]).iloc[0]
    return [
        f"diverged: {len(gone)} of {len(replicas)} replicas, the first (seed {first['seed']}) at "
        f"experience {first['diverged_experience']}, step {first['diverged_step']}; they are left "
        "out of the means; a smaller train.lr may help"
    ]


def setting_name(setting: Mapping[str, Any]) -> str:
    """`strategy.lwf.alpha=0.1 train.lr=0.5`, as it is typed."""
    return " ".join(f"{name}={show_value(value)}" for name, value in setting.items())
