"""Ranks and their tests, on the example that Demšar (2006) works through."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from streamsim_reports.ranking import draw_ranks, rank, rank_test

# Demšar 2006, table 6: areas under the curve of C4.5 and its variants on 14 data sets
TABLE_6 = pd.DataFrame(
    [
        (0.763, 0.768, 0.771, 0.798),
        (0.599, 0.591, 0.590, 0.569),
        (0.954, 0.971, 0.968, 0.967),
        (0.628, 0.661, 0.654, 0.657),
        (0.882, 0.888, 0.886, 0.898),
        (0.936, 0.931, 0.916, 0.931),
        (0.661, 0.668, 0.609, 0.685),
        (0.583, 0.583, 0.563, 0.625),
        (0.775, 0.838, 0.866, 0.875),
        (1.000, 1.000, 1.000, 1.000),
        (0.940, 0.962, 0.965, 0.962),
        (0.619, 0.666, 0.614, 0.669),
        (0.972, 0.981, 0.9751, 0.975),  # ranked 2 and 3 there, beyond the printed decimals
        (0.957, 0.978, 0.946, 0.970),
    ],
    columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"],
    index=[f"set{number}" for number in range(14)],
)


def test_average_ranks_are_those_of_the_paper() -> None:
    average = rank(TABLE_6, True).set_index("method")["average_rank"]
    printed = {"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}
    assert average.round(3).to_dict() == pytest.approx(printed)
    assert average.index[0] == "C4.5+m+cf"


def test_the_critical_difference_is_that_of_the_paper() -> None:
    test = rank_test(TABLE_6)
    assert test is not None
    assert test.num_scenarios == 14
    assert test.critical_difference == pytest.approx(2.569 * math.sqrt(20 / 84), abs=5e-4)


def test_friedman_by_hand() -> None:
    """chi2 = 12 S / (A (A + 1)) (sum of squared ranks - A (A + 1)^2 / 4), without ties."""
    means = pd.DataFrame(np.random.default_rng(0).random((6, 4)), columns=list("abcd"))
    average = rank(means, True).set_index("method")["average_rank"]
    chi2 = 12 * 6 / (4 * 5) * ((average**2).sum() - 4 * 25 / 4)
    upper = math.erfc(math.sqrt(chi2 / 2)) + math.sqrt(2 * chi2 / math.pi) * math.exp(-chi2 / 2)
    test = rank_test(means)
    assert test is not None
    assert test.friedman_p == pytest.approx(upper)  # closed form for 3 degrees of freedom


def test_nemenyi_rejects_exactly_beyond_the_critical_difference() -> None:
    means = pd.DataFrame(np.random.default_rng(1).random((9, 5)) + np.arange(5) * 0.4)
    means.columns = pd.Index(list("abcde"))
    test = rank_test(means)
    assert test is not None
    average = rank(means, True).set_index("method")["average_rank"]
    nemenyi: dict[str, dict[str, float]] = test.nemenyi.to_dict()  # type: ignore[assignment]
    outcomes = set()
    for first in "abcde":
        for second in "abcde":
            apart = abs(average[first] - average[second]) > test.critical_difference
            assert (nemenyi[first][second] < 0.05) == apart
            outcomes.add(bool(apart))
    assert outcomes == {True, False}


def test_lower_can_be_better() -> None:
    assert rank(TABLE_6, False)["method"].iloc[0] == "C4.5"


@pytest.mark.parametrize("shape", [(5, 2), (1, 4)])
def test_too_few_of_either_are_not_tested(shape: tuple[int, int]) -> None:
    assert rank_test(pd.DataFrame(np.random.default_rng(0).random(shape))) is None


def test_methods_that_are_equal_everywhere_are_not_tested() -> None:
    assert rank_test(pd.DataFrame(0.5, index=range(3), columns=list("abc"))) is None


def test_the_diagram_names_every_method_and_joins_the_inseparable() -> None:
    axes = Figure().subplots()
    test = rank_test(TABLE_6)
    assert test is not None
    draw_ranks(rank(TABLE_6, True), test, axes)
    texts = [text.get_text() for text in axes.texts]
    assert {text.split("  ")[0] for text in texts} >= {"C4.5+m", "C4.5+m+cf"}
    assert "critical difference 1.25" in texts
    (bar,) = [line for line in axes.lines if line.get_linewidth() == 3]
    ends = np.sort(np.asarray(bar.get_xdata(), dtype=float))[[0, -1]]
    assert ends == pytest.approx([1.964, 3.143], abs=1e-3)
