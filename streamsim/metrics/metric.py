"""What a metric is, and what it may look at.

Shape letters: K replicas, E experiences, S moments, M of CURVES, D of detection.SCORES.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streamsim.metrics.arrays import Floats, Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class MetricData:
    """All that a metric may look at: the replicas of one hyper-parameter setting."""

    accuracy_KEE: Floats  # [k, i, j]: accuracy on j after training on i; NaN where not known
    initial_KE: Floats  # accuracy before any training; NaN where not known
    accuracy_KSE: Floats | None = None  # accuracies inside experiences, None without them
    experience_KS: Ints | None = None  # experience in training at each moment, or PADDING
    reference_E: Floats | None = None  # accuracy of a jointly trained model, None without one
    judged_KM: Floats | None = None  # over the whole stream, by CURVES; None without judging
    detected_KD: Floats | None = None  # by SCORES, NaN where unknown; None if nothing watched
    protocol: str | None = None  # "class", "task", "domain" or not told

    @property
    def num_experiences(self) -> int:
        return int(self.accuracy_KEE.shape[-1])


Check = Callable[[MetricData], str | None]  # why the data give no number, in a sentence, or None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number per replica, `function(data) -> [K]`; NaN for replicas that lack what it needs."""

    name: str
    title: str
    function: Callable[[MetricData], Floats]
    higher_is_better: bool
    reference: str
    undefined: Check
    lacking: str = "accuracies are missing"  # said of replicas without a number
