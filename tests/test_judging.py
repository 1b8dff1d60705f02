"""Predictions from scores, against the definitions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from streamsim.judging import MOST_LOG_LOSS, predictions


@given(
    num_classes=st.integers(1, 6),
    seed=st.integers(0, 1000),
    spread=st.sampled_from([0, 1, 200]),
    all_known=st.booleans(),
)
def test_the_highest_score_among_known_classes_wins(
    num_classes: int, seed: int, spread: int, all_known: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    # whole numbers: several scores are often the highest, and then the first class wins
    shape = 3, 2, 5, num_classes
    scores = torch.randint(-spread, spread + 1, shape, generator=generator).float()
    label = torch.randint(num_classes, (3, 2, 5), generator=generator)
    known = torch.randint(2, (3, 2, num_classes), generator=generator).bool() | all_known
    predicted, log_loss = predictions(known, scores, label)
    for place in torch.cartesian_prod(*map(torch.arange, label.shape)).tolist():
        s, r, b = place
        row = {c: float(scores[s, r, b, c]) for c in range(num_classes) if known[s, r, c]}
        if not row:  # none has been seen: all of them count
            row = dict(enumerate(scores[s, r, b].tolist()))
        assert predicted[s, r, b] == max(row, key=lambda c: row[c])
        own = row.get(int(label[s, r, b]), -float("inf"))
        total = torch.tensor(list(row.values())).double().logsumexp(0).item()
        expected = min(total - own, MOST_LOG_LOSS)
        assert float(log_loss[s, r, b]) == pytest.approx(expected, rel=1e-5, abs=1e-4)
