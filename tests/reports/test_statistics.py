"""Paired tests against closed forms, loops and integrals written out here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests

from streamsim_reports.statistics import holm, paired_test, seeds_needed


def test_three_seeds_by_hand() -> None:
    """Differences 0.3, 0.2, 0.1: mean 0.2, deviation 0.1, t = 2 sqrt(3) with 2 degrees."""
    test = paired_test([0.8, 0.9, 0.7], [0.5, 0.7, 0.6])
    t = 2 * math.sqrt(3)
    assert test.num_common == 3
    assert test.difference == pytest.approx(0.2)
    assert test.effect == pytest.approx(2.0)
    assert test.p == pytest.approx(1 - t / math.sqrt(2 + t**2))  # closed form for 2 degrees
    assert test.half_width == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-6)  # t tables


def test_pairing_takes_out_what_seeds_share() -> None:
    shared = np.array([0.1, 0.9, 0.4, 0.6, 0.2, 0.8])
    gain = np.array([0.02, 0.03, 0.02, 0.04, 0.03, 0.03])
    assert paired_test(shared + gain, shared).p < 0.001
    assert stats.ttest_ind(shared + gain, shared).pvalue > 0.8


def test_the_interval_excludes_zero_exactly_where_the_test_rejects() -> None:
    draws = np.random.default_rng(0).normal(0.5, 1.0, (50, 8))
    rejected = 0
    for first in draws:
        test = paired_test(first, np.zeros(8))
        assert (abs(test.difference) > test.half_width) == (test.p < 0.05)
        rejected += test.p < 0.05
    assert 0 < rejected < 50


def test_swapping_sides_only_turns_the_sign() -> None:
    first, second = np.random.default_rng(1).normal(size=(2, 7))
    one, other = paired_test(first, second), paired_test(second, first)
    assert (one.difference, one.effect) == pytest.approx((-other.difference, -other.effect))
    assert (one.p, one.p_wilcoxon) == pytest.approx((other.p, other.p_wilcoxon))


def test_the_rank_test_counts_signs_of_six_seeds() -> None:
    """All six differences positive: 2 of 64 assignments of signs are as extreme."""
    gains = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert paired_test(gains, [0.0] * 6).p_wilcoxon == pytest.approx(2 / 64)
    assert math.isnan(paired_test(gains[:5], [0.0] * 5).p_wilcoxon)


@pytest.mark.parametrize(("values", "note"), [([], "no common seeds"), ([0.5], "one common seed")])
def test_fewer_than_two_seeds_are_not_tested(values: list[float], note: str) -> None:
    test = paired_test(values, [0.2] * len(values))
    assert test.note == note
    assert all(map(math.isnan, (test.p, test.effect, test.half_width)))


def test_equal_values_are_equal_and_nothing_else() -> None:
    test = paired_test([0.1 + 0.2, 0.7], [0.3, 0.7])
    assert (test.difference, test.p, test.note) == (0.0, 1.0, "equal on every seed")


def test_a_difference_without_spread_is_told_but_not_tested() -> None:
    test = paired_test([0.5, 0.6, 0.7], [0.4, 0.5, 0.6])
    assert test.difference == pytest.approx(0.1)
    assert math.isnan(test.p)
    assert "no spread" in test.note


def holm_by_hand(p_values: list[float]) -> list[float]:
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, p_values[i] * (len(p_values) - rank)))
        corrected[i] = largest
    return corrected


def test_holm_steps_down() -> None:
    p_values = [*np.random.default_rng(2).uniform(size=12) ** 3, 0.5, 0.5]
    assert holm(p_values) == pytest.approx(holm_by_hand(p_values))
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


def test_tests_that_were_not_made_do_not_count() -> None:
    assert holm([0.01, math.nan, 0.03]) == pytest.approx([0.02, math.nan, 0.03], nan_ok=True)
    assert holm([]) == []
    assert all(map(math.isnan, holm([math.nan])))


def power_by_integral(num_seeds: int, effect: float, num_tests: int) -> float:
    """Chance that |t| is large enough, integrated over the estimated deviation."""
    freedom = num_seeds - 1
    critical = stats.t.isf(0.05 / num_tests / 2, freedom)
    shift = effect * math.sqrt(num_seeds)

    def density(s: float) -> float:
        found = stats.norm.sf(critical * s - shift) + stats.norm.cdf(-critical * s - shift)
        return float(found * stats.chi.pdf(s * math.sqrt(freedom), freedom) * math.sqrt(freedom))

    pieces = [integrate.quad(density, *ends, limit=200)[0] for ends in ((0, 1), (1, 8))]
    return float(sum(pieces))


@pytest.mark.parametrize(
    ("effect", "num_tests"), [(0.2, 1), (0.5, 1), (1.0, 66), (2.0, 66), (5.0, 10), (-5.0, 500)]
)
def test_the_seeds_needed_are_the_fewest_with_80_percent_power(
    effect: float, num_tests: int
) -> None:
    enough = int(seeds_needed(effect, num_tests))
    assert power_by_integral(enough, abs(effect), num_tests) >= 0.8
    assert power_by_integral(enough - 1, abs(effect), num_tests) < 0.8


def test_cohens_table_of_power() -> None:
    """Cohen 1988: d = 0.5, two-sided 0.05, 80 % power: 34 pairs."""
    assert seeds_needed(0.5) == 34


def test_what_no_number_of_seeds_shows_is_infinite() -> None:
    assert seeds_needed(0.001) == math.inf
    assert seeds_needed(0.0) == math.inf
    assert math.isnan(seeds_needed(math.nan))


def test_an_undecided_test_always_asks_for_more_seeds() -> None:
    for seed in range(40):
        first = np.random.default_rng(seed).normal(0.6, 1.0, 6)
        test = paired_test(first, np.zeros(6))
        if test.p >= 0.05 / 3:
            assert seeds_needed(test.effect, 3) > 6
