"""What every concept promises, whatever it generates."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from streamsim.options import build
from streamsim_scenarios.concepts import CONCEPTS, Concept, Labelling, Samples, State

from .conftest import concept, key, sampled

MOVING: dict[str, dict[str, Any]] = {
    "hyperplane": {"mag_change": 0.01, "n_drift_features": 3},
    "rbf": {"change_speed": 0.02, "n_drift_centroids": 30},
}
NOISY: dict[str, dict[str, Any]] = {
    "sea": {"noise": 0.2},
    "led": {"noise": 0.1},
    "agrawal": {"perturbation": 0.2},
    "sine": {"irrelevant_features": True},
}
CASES = {
    **{name: (name, {}) for name in CONCEPTS},
    **{f"moving {name}": (name, options) for name, options in MOVING.items()},
    **{f"noisy {name}": (name, options) for name, options in NOISY.items()},
    "bare led": ("led", {"irrelevant_features": False}),
    "bare waveform": ("waveform", {"irrelevant_features": False}),
    "straight hyperplane": ("hyperplane", {"mag_change": 0.01, "sigma": 0.0}),
}
LABELLING = {"sea", "hyperplane", "sine", "stagger", "mixed", "agrawal", "random-tree"}


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def given(request: pytest.FixtureRequest) -> Concept:
    name, options = request.param
    return concept(name, **options)


def at(given: Concept, index: Tensor, seed: int = 0, variant: int = 0) -> Samples:
    """Samples of a stream that is one concept, so that index and time agree."""
    return given.generate(given.prepare(key(seed), variant), key(seed), index, index)


def assert_same(ours: Samples, theirs: Samples) -> None:
    assert torch.equal(ours.inputs, theirs.inputs)
    assert torch.equal(ours.labels, theirs.labels)


# -- what comes out -------------------------------------------------------------------------------
def test_samples_have_the_announced_shape(given: Concept) -> None:
    inputs, labels = at(given, torch.arange(500))
    assert inputs.shape == (500, len(given.features))
    assert (inputs.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert inputs.T.is_contiguous()
    assert inputs.isfinite().all()
    assert int(labels.min()) >= 0
    assert int(labels.max()) < given.num_classes


def test_every_class_comes(given: Concept) -> None:
    assert len(torch.unique(at(given, torch.arange(3000)).labels)) == given.num_classes


def test_features_stay_in_their_range(given: Concept) -> None:
    inputs = at(given, torch.arange(3000)).inputs
    for column, feature in zip(inputs.unbind(-1), given.features, strict=True):
        if feature.num_values is not None:
            every = torch.linspace(feature.low, feature.high, feature.num_values)
            assert torch.equal(torch.unique(column), every), feature
        elif given.name not in ("rbf", "waveform"):  # normal noise knows no range
            assert feature.low <= float(column.min()), feature
            assert float(column.max()) <= feature.high, feature
            assert float(column.max() - column.min()) > 0.9 * (feature.high - feature.low), feature


def test_features_have_names_of_their_own(given: Concept) -> None:
    assert len({feature.name for feature in given.features}) == len(given.features)


def test_which_concepts_have_a_labelling_function() -> None:
    assert {name for name in CONCEPTS if isinstance(concept(name), Labelling)} == LABELLING


@pytest.mark.parametrize("name", sorted(LABELLING))
def test_without_noise_the_labels_are_those_of_the_labelling_function(name: str) -> None:
    given = concept(name, **({"noise": 0.0} if name == "hyperplane" else {}))
    assert isinstance(given, Labelling)
    state, index = given.prepare(key(), 1), torch.arange(1000)
    inputs, labels = given.generate(state, key(), index, index)
    assert torch.equal(given.label(state, inputs, index), labels)


@pytest.mark.parametrize("name", ["sea", "hyperplane"])
def test_noise_flips_that_share_of_labels_and_no_input(name: str) -> None:
    clean, noisy = (sampled(concept(name, noise=noise), 5000) for noise in (0.0, 0.3))
    assert torch.equal(clean.inputs, noisy.inputs)
    flipped = clean.labels != noisy.labels
    assert abs(float(flipped.double().mean()) - 0.3) < 4 * (0.3 * 0.7 / 5000) ** 0.5
    before, after = flipped[:-1].double(), flipped[1:].double()
    assert abs(float((before * after).mean()) - 0.09) < 0.02


# -- a sample depends on nothing but key, number and time -----------------------------------------
def test_chunks_do_not_change_the_samples(given: Concept) -> None:
    index = torch.arange(977)
    parts = [at(given, part) for part in torch.split(index, [1, 6, 70, 900])]
    assert_same(Samples(*map(torch.cat, zip(*parts, strict=True))), at(given, index))


def test_order_and_company_do_not_change_a_sample(given: Concept) -> None:
    index = torch.tensor([5, 2**33 + 1, 5, 0, 123])
    together = at(given, index)
    assert_same(Samples(together.inputs[[0]], together.labels[[0]]), at(given, index[:1]))
    assert torch.equal(together.inputs[0], together.inputs[2])
    table = at(given, index[[3, 4, 1, 0]].view(2, 2))
    assert torch.equal(table.inputs.flatten(0, 1), together.inputs[[3, 4, 1, 0]])


def test_a_replica_is_unchanged_by_its_neighbours(given: Concept) -> None:
    keys, index = torch.stack([key(seed) for seed in range(3)]), torch.arange(300)

    def one(key: Tensor) -> tuple[State, Samples]:
        state = given.prepare(key, 0)
        return state, given.generate(state, key, index, index)

    states, samples = vmap(one)(keys)
    for seed in range(3):
        alone = given.prepare(key(seed), 0)
        assert {name: tensor.tolist() for name, tensor in alone.items()} == {
            name: tensor[seed].tolist() for name, tensor in states.items()
        }
        assert_same(Samples(*(part[seed] for part in samples)), at(given, index, seed))
    assert not torch.equal(samples.inputs[0], samples.inputs[1])


def test_every_sample_may_have_a_concept_of_its_own(given: Concept) -> None:
    """As a batch that a memory mixes from all times needs it."""
    variants = torch.tensor([0, 1, 1, 0]) if (given.variants or 2) > 1 else torch.zeros(4).long()
    index = torch.tensor([3, 3, 8, 9])
    states = vmap(lambda v: given.prepare(key(), v))(variants)
    mixed = vmap(lambda s, i: given.generate(s, key(), i, i))(states, index)
    for place, (variant, number) in enumerate(zip(variants.tolist(), index, strict=True)):
        alone = at(given, number, variant=variant)
        assert_same(Samples(*(part[place] for part in mixed)), alone)


def test_samples_of_stacked_concepts_are_those_of_each_alone(given: Concept) -> None:
    variants = [0, 1] if (given.variants or 2) > 1 else [0, 0]
    states = [given.prepare(key(), variant) for variant in variants]
    state = {name: torch.stack([each[name] for each in states]) for name in states[0]}
    index, which = torch.arange(300), torch.arange(300) // 7 % 2
    together = given.generate(state, key(), index, index, which)
    for k, variant in enumerate(variants):
        alone = at(given, index, variant=variant)
        assert_same(
            Samples(*(part[which == k] for part in together)),
            Samples(*(part[which == k] for part in alone)),
        )


@pytest.mark.parametrize("options", [{}, MOVING["hyperplane"]], ids=["still", "moving"])
def test_a_plane_between_two_has_the_weights_between_theirs(options: dict[str, Any]) -> None:
    plane = concept("hyperplane", noise=0.0, **options)
    assert isinstance(plane, Labelling)
    states = [plane.prepare(key(), variant) for variant in (0, 1, 2)]
    state = {name: torch.stack([each[name] for each in states]) for name in states[0]}
    index, which = torch.arange(200), torch.linspace(0, 2, 200, dtype=torch.float64)
    inputs, labels = plane.generate(state, key(), index, index, which)
    for n in range(200):
        low = min(int(which[n]), 1)
        mixed = {
            name: torch.lerp(states[low][name], states[low + 1][name], which[n] - low)
            for name in states[0]
        }
        assert plane.label(mixed, inputs[n], index[n]) == labels[n]


def test_whole_programs_are_captured_for_compilation(given: Concept) -> None:
    torch.compiler.reset()
    index, state = torch.arange(64), given.prepare(key(), 0)
    captured = torch.compile(given.generate, fullgraph=True, backend="eager")
    assert_same(captured(state, key(), index, index), at(given, index))


def test_arguments_are_left_alone(given: Concept) -> None:
    state, index = given.prepare(key(), 0), torch.arange(50)
    before = {name: tensor.clone() for name, tensor in state.items()}
    given.generate(state, key(), index, index)
    assert torch.equal(index, torch.arange(50))
    assert all(torch.equal(state[name], before[name]) for name in before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_generates_the_same_samples(given: Concept) -> None:
    index, there = torch.arange(2000), key().cuda()
    state = given.prepare(there, 0)
    inputs, labels = given.generate(state, there, index.cuda(), index.cuda())
    expected = at(given, index)
    torch.testing.assert_close(inputs.cpu(), expected.inputs, rtol=1e-6, atol=1e-6)
    assert torch.equal(labels.cpu(), expected.labels)


# -- concepts and variants ------------------------------------------------------------------------
def test_variants_are_different_concepts(given: Concept) -> None:
    if given.variants == 1:
        pytest.skip("has only one concept")
    first, last = (at(given, torch.arange(500), variant=v) for v in (0, (given.variants or 10) - 1))
    same = torch.equal(first.inputs, last.inputs) and torch.equal(first.labels, last.labels)
    assert not same


@pytest.mark.parametrize("name", ["hyperplane", "rbf", "random-tree"])
def test_concepts_without_numbers_are_drawn_from_the_seed(name: str) -> None:
    given = concept(name)
    states = [given.prepare(key(seed), variant) for seed in (0, 1) for variant in (0, 1)]
    assert given.variants is None
    leaf = next(iter(states[0]))
    assert len({tuple(state[leaf].flatten().tolist()) for state in states}) == 4


@pytest.mark.parametrize("name", CONCEPTS)
def test_a_variant_that_does_not_exist_is_refused(name: str) -> None:
    given = concept(name)
    wrong = [-1] if given.variants is None else [-1, given.variants]
    for variant in wrong:
        with pytest.raises(ValueError, match=f"variant {variant} of the concept {name}: choose 0"):
            given.prepare(key(), variant)


@pytest.mark.parametrize("name", ["led", "waveform"])
def test_without_irrelevant_features_nothing_can_change_places(name: str) -> None:
    with pytest.raises(ValueError, match="choose 0 to 0"):
        concept(name, irrelevant_features=False).prepare(key(), 1)


def test_every_concept_names_its_source() -> None:
    for name, family in CONCEPTS.items():
        given = family()
        assert given.name == name
        assert any(year.strip(",").isdigit() for year in given.reference.split()), name


# -- options --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("sea", {"noise": "1.5"}, "noise=1.5: input should be less than or equal to 1"),
        ("sea", {"noize": "0.1"}, "did you mean 'noise'"),
        ("hyperplane", {"n_features": "1"}, "n_features=1: input should be greater"),
        ("hyperplane", {"n_drift_features": "11"}, "11 of 10 features; choose 0 to 10"),
        ("hyperplane", {"sigma": "0.6"}, "sigma=0.6: input should be less"),
        ("hyperplane", {"mag_change": "-1"}, "mag_change=-1: input should be greater"),
        ("rbf", {"n_drift_centroids": "51"}, "51 of 50 centroids; choose 0 to 50"),
        ("rbf", {"change_speed": "nan"}, "change_speed"),
        ("rbf", {"n_classes": "1"}, "n_classes=1"),
        ("led", {"noise": "-0.1"}, "noise=-0.1"),
        ("agrawal", {"perturbation": "2"}, "perturbation=2"),
        ("random-tree", {"max_tree_depth": "9"}, "more than 100000 leaves"),
        ("random-tree", {"max_tree_depth": "99999"}, "more than 100000 leaves"),
        ("random-tree", {"n_num_features": "0", "n_cat_features": "2"}, "choose more features"),
        ("random-tree", {"n_num_features": "0", "n_cat_features": "0"}, "choose more features"),
    ],
)
def test_bad_options_are_refused_in_one_line(name: str, options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match="concept") as caught:
        build(CONCEPTS[name], options, "concept")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
