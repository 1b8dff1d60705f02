"""Perturbed applicants."""

from __future__ import annotations

import torch
from river.datasets import synth

from streamsim_scenarios.concepts.agrawal import Agrawal

from .conftest import alike, rivers, sampled

NUM = 4000
NAMES = [feature.name for feature in Agrawal.features]


def test_perturbed_columns_are_distributed_as_rivers() -> None:
    """But for the house, whose bounds river swaps, and the last 10,000 of a commission."""
    x = sampled(Agrawal(perturbation=0.3), NUM).inputs
    inputs, _ = rivers(synth.Agrawal(perturbation=0.3, seed=1), NUM)
    for i, name in enumerate(NAMES):
        if name not in ("hvalue", "commission"):
            assert alike(x[:, i], inputs[:, i].float()), name


def test_perturbing_moves_numbers_by_at_most_that_share_of_their_range() -> None:
    clean, noisy = (sampled(Agrawal(perturbation=share), NUM) for share in (0.0, 0.1))
    moved = (noisy.inputs - clean.inputs).abs()
    house = 100_000 * (8 - clean.inputs[:, NAMES.index("zipcode")])
    ranges = {"salary": 130e3, "commission": 75e3, "age": 60, "hyears": 29, "loan": 500e3}
    for i, name in enumerate(NAMES):
        if name in ("elevel", "car", "zipcode"):
            assert not moved[:, i].any(), name
            continue
        span = house if name == "hvalue" else torch.tensor(float(ranges[name]))
        rounding = 0.5 if name in ("age", "hyears") else 0.1
        assert (moved[:, i] <= 0.1 * span + rounding).all(), name
        assert float((moved[:, i] / span.clamp(min=1)).max()) > 0.09, name
    assert torch.equal(clean.labels, noisy.labels)


def test_perturbed_values_stay_possible() -> None:
    clean, noisy = (sampled(Agrawal(perturbation=share), NUM) for share in (0.0, 1.0))
    column = dict(zip(NAMES, noisy.inputs.unbind(-1), strict=True))
    none = clean.inputs[:, NAMES.index("commission")] == 0
    assert torch.equal(column["commission"] == 0, none)
    assert float(column["commission"][~none].min()) >= 10_000
    house = 100_000 * (8 - column["zipcode"])
    assert ((column["hvalue"] >= 0.5 * house) & (column["hvalue"] <= 1.5 * house)).all()
    for name in ("age", "hyears"):
        assert torch.equal(column[name], column[name].round())


def test_only_salaries_below_75000_bring_a_commission() -> None:
    x = sampled(Agrawal(), NUM).inputs
    salary, commission = x[:, 0], x[:, 1]
    assert torch.equal(commission == 0, salary >= 75_000)
