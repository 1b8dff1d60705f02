"""Metrics of accuracies inside experiences: a hand-worked stream, then a slow loop."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsim import metrics
from streamsim.metrics.arrays import PADDING

Floats = npt.NDArray[np.float64]
Curve = list[list[float]]
NAN = float("nan")

# Three experiences, two moments each; the past dips as each new experience begins.
CURVE = [
    [0.4, NAN, NAN],
    [0.8, NAN, NAN],
    [0.2, 0.5, NAN],
    [0.6, 0.9, NAN],
    [0.3, 0.4, 0.1],
    [0.5, 0.7, 0.8],
]
TRAINED = [0, 0, 1, 1, 2, 2]
ALL = [metrics.min_accuracy, metrics.worst_case_accuracy, metrics.stability_gap]


def test_min_accuracy_of_a_hand_worked_stream() -> None:
    # Experience 0 is worst (0.2) during experience 1, experience 1 (0.4) during experience 2.
    assert metrics.min_accuracy(CURVE, TRAINED).item() == pytest.approx(0.3)


def test_worst_case_accuracy_of_a_hand_worked_stream() -> None:
    assert metrics.worst_case_accuracy(CURVE, TRAINED).item() == pytest.approx((0.8 + 2 * 0.3) / 3)


def test_stability_gap_of_a_hand_worked_stream() -> None:
    gaps = [0.8 - 0.2, 0.6 - 0.3, 0.9 - 0.4]
    assert metrics.stability_gap(CURVE, TRAINED).item() == pytest.approx(sum(gaps) / 3)


def test_stability_gap_is_zero_when_nothing_dips() -> None:
    assert metrics.stability_gap([[0.5, NAN], [0.5, 0.1], [0.5, 0.9]], [0, 1, 1]).item() == 0


@pytest.mark.parametrize("metric", ALL)
def test_one_experience_gives_nan_without_a_warning(metric: Any) -> None:
    assert np.isnan(metric([[0.5], [0.9]], [0, 0]))


@pytest.mark.parametrize("metric", ALL)
def test_an_experience_that_was_never_evaluated_gives_nan(metric: Any) -> None:
    assert np.isnan(metric(CURVE[:2] + CURVE[4:], [0, 0, 2, 2]))
    assert np.isnan(metric(CURVE[:4], TRAINED[:4]))


@pytest.mark.parametrize("metric", ALL)
def test_a_replica_that_diverged_inside_the_last_experience_gives_nan(metric: Any) -> None:
    assert np.isnan(metric([*CURVE[:5], [NAN] * 3], TRAINED))


@pytest.mark.parametrize("metric", ALL)
def test_padding_changes_nothing(metric: Any) -> None:
    padded = metric([*CURVE, [NAN] * 3, [NAN] * 3], [*TRAINED, PADDING, PADDING])
    assert padded.item() == metric(CURVE, TRAINED).item()


@pytest.mark.parametrize("metric", ALL)
def test_moments_shared_by_all_replicas_may_be_given_once(metric: Any) -> None:
    stack = np.stack([CURVE, 0.5 * np.array(CURVE)])
    once, each = metric(stack, TRAINED), metric(stack, [TRAINED, TRAINED])
    assert once.shape == (2,)
    assert once.tolist() == each.tolist()


@pytest.mark.parametrize("metric", ALL)
def test_moments_that_do_not_match_the_curve_are_refused(metric: Any) -> None:
    with pytest.raises(ValueError, match=r"shape \(6, 3\) and experience_S \(5,\)"):
        metric(CURVE, TRAINED[:5])
    with pytest.raises(ValueError, match="no experiences"):
        metric(np.zeros((2, 0)), [0, 0])


# --- slow loops, written from the paper -----------------------------------------------------------


def slow_min_accuracy(curve: Curve, trained: list[int], num_experiences: int) -> float:
    lows = []
    for i in range(num_experiences - 1):
        ended = max(n for n, k in enumerate(trained) if k == i)  # |T_i|
        lows.append(min(curve[n][i] for n in range(ended + 1, len(trained))))
    return sum(lows) / len(lows)


def slow_worst_case_accuracy(curve: Curve, trained: list[int], num_experiences: int) -> float:
    share = 1 / num_experiences
    low = slow_min_accuracy(curve, trained, num_experiences)
    return share * curve[-1][num_experiences - 1] + (1 - share) * low


def slow_stability_gap(curve: Curve, trained: list[int], num_experiences: int) -> float:
    gaps = []
    for k in range(1, num_experiences):
        ended = max(n for n, e in enumerate(trained) if e == k - 1)
        for i in range(k):
            during = [curve[n][i] for n, e in enumerate(trained) if e == k]
            gaps.append(curve[ended][i] - min(during))
    return sum(gaps) / len(gaps)


SLOW = [slow_min_accuracy, slow_worst_case_accuracy, slow_stability_gap]


@st.composite
def streams(draw: st.DrawFn) -> tuple[Floats, list[int]]:
    """A curve [S, E] with one to three moments an experience, and which experience each is in."""
    counts = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    trained = [k for k, count in enumerate(counts) for _ in range(count)]
    curve = [
        [draw(st.floats(0, 1)) if on <= k else NAN for on in range(len(counts))] for k in trained
    ]
    return np.array(curve), trained


@pytest.mark.parametrize(("fast", "slow"), list(zip(ALL, SLOW, strict=True)))
@given(stream=streams())
def test_a_metric_equals_its_slow_loop(fast: Any, slow: Any, stream: Any) -> None:
    curve, trained = stream
    expected = slow(curve.tolist(), trained, curve.shape[1])
    assert fast(curve, trained).item() == pytest.approx(expected, abs=1e-12)


@given(stream=streams())
def test_worst_case_accuracy_is_never_above_the_final_average_accuracy(stream: Any) -> None:
    curve, trained = stream
    worst = metrics.worst_case_accuracy(curve, trained).item()
    assert worst <= curve[-1].mean() + 1e-12
