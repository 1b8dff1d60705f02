"""Groups of tasks, on ratios made by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import dendrogram

from streamsim_reports.grouping import group_tasks, mean_ratios, mutual_transference

# 0 and 2 help each other, so do 1 and 3; across, a step hurts
HELP, HURT = 0.5, 2.0
MATRIX = [
    [0.4, HURT, HELP, HURT],
    [HURT, 0.4, HURT, HELP],
    [HELP, HURT, 0.4, HURT],
    [HURT, HELP, HURT, 0.4],
]


def table(*matrices: list[list[float]], after: int = 1) -> pd.DataFrame:
    """One seed a matrix."""
    rows: list[Mapping[str, float]] = [
        {"setting": 0, "seed": seed, "after": after, "source": i, "target": j, "ratio": ratio}
        for seed, matrix in enumerate(matrices)
        for i, row in enumerate(matrix)
        for j, ratio in enumerate(row)
    ]
    return pd.DataFrame(rows)


def test_tasks_that_help_each_other_share_a_group() -> None:
    found = group_tasks(table(MATRIX))
    assert found.groups == ((0, 2), (1, 3))
    assert found.height == 1
    # two merges at the mutual ratio 0.5, then both groups at 2: the mean over pairs across them
    assert found.linkage[:, 2].tolist() == pytest.approx([0.5, 0.5, 2.0])
    drawn = dendrogram(found.linkage, labels=list(found.tasks), no_plot=True)
    assert drawn["ivl"] in ([0, 2, 1, 3], [1, 3, 0, 2])


def test_two_groups_merge_at_the_mean_ratio_between_their_tasks() -> None:
    matrix = [[1.0, 0.5, 0.9], [0.5, 1.0, 1.5], [0.9, 1.5, 1.0]]
    found = group_tasks(table(matrix))
    assert found.linkage[1, 2] == pytest.approx((0.9 + 1.5) / 2)
    assert found.groups == ((0, 1), (2,))
    assert group_tasks(table(matrix), height=1.2).groups == ((0, 1, 2),)


@pytest.mark.parametrize(
    ("ratio", "groups"), [(0.99, ((0, 1, 2),)), (1.0, ((0, 1, 2),)), (1.01, ((0,), (1,), (2,)))]
)
def test_all_together_and_all_apart_are_answers(ratio: float, groups: object) -> None:
    assert group_tasks(table([[ratio] * 3] * 3)).groups == groups


def test_one_sided_help_counts_by_both_sides() -> None:
    mutual = mutual_transference(np.array([[0.1, 0.5], [8.0, 0.1]]))
    assert mutual.tolist() == [[0.0, 2.0], [2.0, 0.0]]


def test_seeds_are_averaged_as_ratios_and_those_without_numbers_left_out() -> None:
    without = [[math.nan] * 2] * 2
    found = mean_ratios(table([[1.0, 0.5], [4.0, 1.0]], [[1.0, 2.0], [4.0, 1.0]], without))
    assert found.to_numpy() == pytest.approx(np.array([[1.0, 1.0], [4.0, 1.0]]))


def test_the_last_checkpoint_is_the_default() -> None:
    both = pd.concat([table(MATRIX, after=3), table([[1.5] * 4] * 4, after=0)])
    assert group_tasks(both).groups == ((0, 2), (1, 3))
    assert len(group_tasks(both, after=0).groups) == 4


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (table(MATRIX).drop(columns="ratio"), "has a column ratio"),
        (table([[math.nan] * 2] * 2), "some pairs of experiences have no ratio after 1"),
        (table(MATRIX).iloc[:-1], "some pairs of experiences have no ratio after 1"),
        (table(MATRIX).iloc[:0], "no transference after None; the table has no rows"),
        (table([[0.5]]), "grouping needs at least 2"),
        (pd.concat([table(MATRIX), table(MATRIX).assign(setting=1)]), "several settings"),
        (table(MATRIX).assign(label=["a", "b"] * 8), "several labels"),
    ],
)
def test_tables_that_cannot_be_grouped_are_refused(rows: pd.DataFrame, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        group_tasks(rows)


def test_a_checkpoint_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no transference after 7; the table has 1"):
        group_tasks(table(MATRIX), after=7)
