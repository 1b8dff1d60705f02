"""Prequential curves against river's and scikit-learn's metrics over the raw predictions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from river import metrics as river
from river import utils
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score

from streamsim.metrics import prequential_curves

Ints = npt.NDArray[np.int64]
BLOCK, CLASSES = 10, 3


def predictions(num: int, seed: int) -> tuple[Ints, Ints]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, CLASSES, num)
    return label, np.where(rng.random(num) < 0.6, label, rng.integers(0, CLASSES, num))


def tables(label: Ints, predicted: Ints, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a run would have recorded."""
    sums, counts = [], []
    before = np.concatenate([[-1], label[:-1]])
    for start in range(0, len(label), BLOCK):
        here = slice(start, start + BLOCK)
        y, p = label[here], predicted[here]
        common = {"setting": 0, "seed": seed, "position": start + len(y)}
        hits, same = int((y == p).sum()), int((before[here] == y).sum())
        sums.append(
            {**common, "total": len(y), "correct": hits, "persistent": same, "log_loss": y.mean()}
        )
        for c in range(CLASSES):
            found = [int((y == c).sum()), int((p == c).sum()), int(((y == c) & (p == c)).sum())]
            if any(found):
                names = ["labelled", "predicted", "correct"]
                counts.append({**common, "class": c, **dict(zip(names, found, strict=True))})
    return pd.DataFrame(sums), pd.DataFrame(counts)


@pytest.mark.parametrize("window", [None, 10, 30])
def test_curves_equal_rivers_metrics(window: int | None) -> None:
    label, predicted = predictions(95, 3)
    curves = prequential_curves(*tables(label, predicted), window)
    kinds: dict[str, Any] = {"accuracy": river.Accuracy, "kappa": river.CohenKappa}
    theirs: dict[str, Any] = {
        name: kind() if window is None else utils.Rolling(kind, window)
        for name, kind in kinds.items()
    }
    rows = iter(curves.to_dict("records"))
    for n, (y, p) in enumerate(zip(label.tolist(), predicted.tolist(), strict=True), start=1):
        for metric in theirs.values():
            metric.update(y, p)
        if n % BLOCK == 0 or (n == len(label) and window is None):
            row = next(rows)
            assert row["position"] == n
            for name, metric in theirs.items():
                assert row[name] == pytest.approx(metric.get()), name


@pytest.mark.parametrize("window", [None, 20])
def test_kappa_and_balanced_accuracy_equal_those_of_scikit_learn(window: int | None) -> None:
    label, predicted = predictions(100, 8)
    curves = prequential_curves(*tables(label, predicted), window)
    for row in curves.to_dict("records"):
        end = int(row["position"])
        here = slice(max(0, end - (window or end)), end)
        y, p = label[here], predicted[here]
        assert row["kappa"] == pytest.approx(cohen_kappa_score(y, p))
        assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, p))
        assert row["log_loss"] == pytest.approx(y.mean())


def test_kappa_temporal_is_accuracy_above_the_last_label_once_more() -> None:
    label = np.array([0] * 5 + [1] * 5)
    predicted = np.array([0] * 5 + [1] * 4 + [0])
    (row,) = prequential_curves(*tables(label, predicted)).to_dict("records")
    # right 9 of 10; the last label once more: 8 of 10 (the first has none before)
    assert row["kappa_temporal"] == pytest.approx((0.9 - 0.8) / (1 - 0.8))


def test_kappas_are_undefined_where_chance_is_always_right() -> None:
    zeros = np.zeros(20, np.int64)
    second = prequential_curves(*tables(zeros, zeros), 10).iloc[1]
    assert math.isnan(second["kappa"])
    assert math.isnan(second["kappa_temporal"])
    assert second["accuracy"] == second["balanced_accuracy"] == 1


def test_replicas_do_not_mix() -> None:
    one, other = (tables(*predictions(40, seed), seed) for seed in (1, 2))
    sums, counts = (pd.concat(pair) for pair in zip(one, other, strict=True))
    together = prequential_curves(sums, counts)
    apart = pd.concat([prequential_curves(*one), prequential_curves(*other)], ignore_index=True)
    pd.testing.assert_frame_equal(together, apart)


@pytest.mark.parametrize("window", [5, 15, 0])
def test_a_window_is_a_whole_number_of_blocks(window: int) -> None:
    with pytest.raises(ValueError, match=f"a window of {window} samples over blocks of 10"):
        prequential_curves(*tables(*predictions(40, 0)), window)
