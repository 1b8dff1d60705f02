"""Labelling functions give river's labels on river's own inputs, noise off."""

from __future__ import annotations

import random

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from river.datasets import synth
from river.datasets.base import SyntheticDataset
from torch.func import vmap

from streamsim_scenarios.concepts import Labelling
from streamsim_scenarios.concepts.agrawal import Agrawal
from streamsim_scenarios.concepts.hyperplane import Hyperplane
from streamsim_scenarios.concepts.mixed import Mixed
from streamsim_scenarios.concepts.random_tree import RandomTree
from streamsim_scenarios.concepts.sea import Sea
from streamsim_scenarios.concepts.sine import Sine
from streamsim_scenarios.concepts.stagger import Stagger

from .conftest import START, key, rivers
from .trees import stored

NUM = 60
SEED = st.integers(0, 2**32)
each_example = settings(max_examples=25, deadline=None)


def assert_rivers_labels(ours: Labelling, variant: int, theirs: SyntheticDataset) -> None:
    inputs, labels = rivers(theirs, NUM)
    assert ours.label(ours.prepare(key(), variant), inputs, START).tolist() == labels.tolist()


@each_example
@given(seed=SEED, variant=st.integers(0, 3))
def test_sea(seed: int, variant: int) -> None:
    assert_rivers_labels(Sea(), variant, synth.SEA(variant=variant, seed=seed))


@each_example
@given(seed=SEED, variant=st.integers(0, 3), noise=st.booleans())
def test_sine(seed: int, variant: int, noise: bool) -> None:
    theirs = synth.Sine(classification_function=variant, seed=seed, has_noise=noise)
    assert_rivers_labels(Sine(irrelevant_features=noise), variant, theirs)


@each_example
@given(seed=SEED, variant=st.integers(0, 2))
def test_stagger(seed: int, variant: int) -> None:
    theirs = synth.STAGGER(classification_function=variant, seed=seed)
    assert_rivers_labels(Stagger(), variant, theirs)


@each_example
@given(seed=SEED, variant=st.integers(0, 1))
def test_mixed(seed: int, variant: int) -> None:
    theirs = synth.Mixed(classification_function=variant, seed=seed)
    assert_rivers_labels(Mixed(), variant, theirs)


@pytest.mark.parametrize("variant", range(10))
@settings(max_examples=8, deadline=None)
@given(seed=SEED)
def test_agrawal(variant: int, seed: int) -> None:
    theirs = synth.Agrawal(classification_function=variant, seed=seed)
    assert_rivers_labels(Agrawal(), variant, theirs)


@pytest.mark.parametrize("variant", range(10))
@settings(max_examples=60, deadline=None)
@given(
    salary=st.sampled_from([20e3, 25e3, 50e3, 75e3, 1e5, 125e3, 150e3]),
    commission=st.sampled_from([0.0, 1e4, 5e4]),
    age=st.sampled_from([20, 39, 40, 59, 60, 80]),
    elevel=st.integers(0, 4),
    hyears=st.sampled_from([1, 19, 20, 21, 30]),
    loan=st.sampled_from([0.0, 75e3, 1e5, 2e5, 3e5, 4e5, 5e5]),
)
def test_agrawal_on_every_border(
    variant: int,
    salary: float,
    commission: float,
    age: int,
    elevel: int,
    hyears: int,
    loan: float,
) -> None:
    applicant = (salary, commission, age, elevel, 7, 3, 5e5, hyears, loan)
    theirs = getattr(synth.Agrawal, f"_classification_function_{variant}")(*applicant)
    inputs = torch.tensor([applicant], dtype=torch.float64)
    ours = Agrawal()
    assert ours.label(ours.prepare(key(), variant), inputs, START).tolist() == [theirs]


@each_example
@given(seed=SEED, n_features=st.integers(2, 15), mag_change=st.sampled_from([0.0, 0.01]))
def test_hyperplane(seed: int, n_features: int, mag_change: float) -> None:
    """With the weights that river has at each sample."""
    theirs = synth.Hyperplane(
        seed=seed, n_features=n_features, mag_change=mag_change, noise_percentage=0.0
    )
    rng, stream = random.Random(seed), iter(theirs)
    weights, inputs, labels = [[rng.random() for _ in range(n_features)]], [], []
    for _ in range(NUM):
        x, y = next(stream)
        inputs.append(list(x.values()))
        labels.append(y)
        weights.append(list(theirs._weights))
    ours, state = (
        Hyperplane(n_features=n_features),
        {"weights": torch.tensor(weights[:-1], dtype=torch.float64)},
    )
    found = vmap(lambda s, x: ours.label(s, x, START))(
        state, torch.tensor(inputs, dtype=torch.float64)
    )
    assert found.tolist() == labels


@each_example
@given(
    seed=SEED,
    n_num_features=st.integers(0, 4),
    n_cat_features=st.integers(0, 4),
    n_categories_per_feature=st.integers(2, 4),
    n_classes=st.integers(2, 5),
    max_tree_depth=st.integers(1, 4),
    first_leaf_level=st.integers(0, 4),
)
def test_random_tree(seed: int, **options: int) -> None:
    """On river's own tree."""
    possible = options["n_cat_features"] >= options["max_tree_depth"]
    assume(options["n_num_features"] > 0 or possible)
    theirs = synth.RandomTree(seed_tree=seed, seed_sample=seed, **options)
    inputs, labels = rivers(theirs, NUM)
    ours = RandomTree(**options)
    assert ours.label(stored(theirs, ours), inputs, START).tolist() == labels.tolist()
