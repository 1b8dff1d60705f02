"""Figures of runs: kinds by name, each from tidy numbers to an Axes.

In a notebook, `KINDS["average-accuracy"]` has `numbers(cohort)` and `draw(numbers, axes)`;
`figure` puts panels, legend and style together, `save` writes SVG, PNG or PDF.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamsim_reports.figures import (
    continual,
    cost,
    curves,
    forgetting,
    grouping,
    matrix,
    prequential,
    sweep,
    transfer,
    transference,
)
from streamsim_reports.figures.canvas import FORMATS, check_path, figure, render, save
from streamsim_reports.figures.kind import Kind

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        curves.FORGETTING_CURVES,
        curves.AVERAGE_ACCURACY,
        matrix.ACCURACY_MATRIX,
        forgetting.FORGETTING,
        transfer.TRANSFER,
        continual.CONTINUAL,
        prequential.PREQUENTIAL_COMPARISON,
        prequential.PREQUENTIAL,
        transference.TRANSFERENCE,
        transference.TRANSFERENCE_HISTOGRAM,
        grouping.TRANSFERENCE_GROUPS,
        cost.MEMORY_COST,
        cost.TIME_COST,
        sweep.SWEEP,
    )
}

__all__ = ["FORMATS", "KINDS", "Kind", "check_path", "figure", "render", "save"]
