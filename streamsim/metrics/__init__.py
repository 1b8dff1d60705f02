"""Metrics: tables in, numbers out. Every metric is a pure function of what a run recorded.

`summarize` turns the tables of a run into one row per setting and metric, `per_replica` into one
per setting, seed and metric. The functions behind them work on plain arrays: `accuracy_matrices`
and `continual_curves` make the arrays from the tables.
"""

from streamsim.metrics.arrays import (
    AccuracyMatrices,
    ContinualCurves,
    accuracy_matrices,
    continual_curves,
)
from streamsim.metrics.catalogue import METRICS
from streamsim.metrics.continual import min_accuracy, stability_gap, worst_case_accuracy
from streamsim.metrics.detection import detection
from streamsim.metrics.estimate import Estimate, mean_ci
from streamsim.metrics.matrix import (
    average_accuracy,
    average_incremental_accuracy,
    backward_transfer,
    forgetting,
    forgetting_per_experience,
    forward_transfer,
    intransigence,
    learning_accuracy,
)
from streamsim.metrics.metric import Metric, MetricData
from streamsim.metrics.prequential import prequential_curves
from streamsim.metrics.summary import per_replica, summarize

__all__ = [
    "METRICS",
    "AccuracyMatrices",
    "ContinualCurves",
    "Estimate",
    "Metric",
    "MetricData",
    "accuracy_matrices",
    "average_accuracy",
    "average_incremental_accuracy",
    "backward_transfer",
    "continual_curves",
    "detection",
    "forgetting",
    "forgetting_per_experience",
    "forward_transfer",
    "intransigence",
    "learning_accuracy",
    "mean_ci",
    "min_accuracy",
    "per_replica",
    "prequential_curves",
    "stability_gap",
    "summarize",
    "worst_case_accuracy",
]
