"""Claims about class streams: who arrives when, under which label."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from streamsim import options
from streamsim.stream import Experience, Replica, Reveal, Setting, Stream
from streamsim_scenarios.split import (
    Split,
    SplitCifar100,
    SplitDigits,
    SplitFashionMnist,
    SplitMnist,
    SplitOmniglot,
)

from .conftest import Make, assert_vmap_equals_loop, key, made_up

NOWHERE = Path("nowhere")


def streamed(**given: Any) -> Stream:
    return Split(**given).on(made_up()).stream(NOWHERE)


def labels(stream: Stream, replica: Replica, ids: Tensor) -> list[int]:
    return sorted(set(stream.view.labels(stream.pool, replica.tables, ids).tolist()))


def classes(stream: Stream, ids: Tensor) -> list[int]:
    return sorted(set(stream.pool["y"][ids].tolist()))


def everything(experience: Experience) -> Tensor:
    parts = (experience.train, experience.test, experience.valid)
    return torch.cat([part for part in parts if part is not None])


# -- labels ----------------------------------------------------------------------------------------
def test_class_incremental_experiences_own_successive_labels() -> None:
    stream = streamed(n_experiences=3)
    replica = stream.draw(key(0))
    found = [labels(stream, replica, everything(e)) for e in replica.experiences]
    assert found == [[0, 1], [2, 3], [4, 5]]
    assert stream.spec.num_classes == 6
    assert stream.spec.num_tasks == 1
    assert stream.spec.setting == "class"


def test_task_incremental_keeps_the_labels_and_reveals_the_experience() -> None:
    stream = streamed(n_experiences=3, setting="task")
    replica = stream.draw(key(0))
    assert Reveal.TASK_LABELS in stream.spec.reveals
    assert stream.spec.num_tasks == 3
    for number, experience in enumerate(replica.experiences):
        ids = everything(experience)
        assert set(stream.view.tasks(stream.pool, replica.tables, ids).tolist()) == {number}
        assert labels(stream, replica, ids) == [2 * number, 2 * number + 1]


def test_domain_incremental_restarts_labels_in_every_experience() -> None:
    stream = streamed(n_experiences=3, setting="domain")
    replica = stream.draw(key(0))
    found = [labels(stream, replica, everything(e)) for e in replica.experiences]
    assert found == [[0, 1]] * 3
    assert stream.spec.num_classes == 2
    assert Reveal.TASK_LABELS not in stream.spec.reveals


def test_label_is_the_place_of_the_class_in_the_order() -> None:
    stream = streamed(n_experiences=6)
    replica = stream.draw(key(3))
    order = [classes(stream, e.train)[0] for e in replica.experiences]
    assert [replica.tables["label"][c].item() for c in order] == list(range(6))


def test_hidden_boundaries_are_not_revealed() -> None:
    assert Reveal.BOUNDARIES in streamed(n_experiences=2).spec.reveals
    assert streamed(n_experiences=2, boundaries="hidden").spec.reveals == frozenset()


# -- order -----------------------------------------------------------------------------------------
def test_fixed_order_is_that_of_the_data_set_for_every_seed() -> None:
    stream = streamed(n_experiences=3, class_order="fixed")
    for seed in range(3):
        replica = stream.draw(key(seed))
        found = [classes(stream, everything(e)) for e in replica.experiences]
        assert found == [[0, 1], [2, 3], [4, 5]]


def test_uneven_groups_give_the_first_experiences_one_class_more() -> None:
    stream = streamed(n_experiences=4, class_order="fixed")
    replica = stream.draw(key(0))
    assert [classes(stream, e.train) for e in replica.experiences] == [[0, 1], [2, 3], [4], [5]]


def test_same_key_draws_the_same_replica() -> None:
    options = {"n_experiences": 2, "validation": 0.3, "meta_classes": 2}
    first, second = (streamed(**options).draw(key(5)) for _ in range(2))
    for one, other in zip(first.experiences, second.experiences, strict=True):
        assert torch.equal(everything(one), everything(other))
    assert first.meta is not None
    assert second.meta is not None
    assert torch.equal(first.meta, second.meta)
    assert all(torch.equal(first.tables[k], second.tables[k]) for k in first.tables)


def test_different_keys_draw_different_orders() -> None:
    stream = streamed(n_experiences=6)
    orders = {tuple(stream.draw(key(seed)).tables["label"].tolist()) for seed in range(8)}
    assert len(orders) == 8


def test_draws_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    streamed(n_experiences=2, validation=0.2).draw(key(0))
    assert torch.equal(before, torch.get_rng_state())


# -- identities ------------------------------------------------------------------------------------
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**62),
    n_experiences=st.integers(1, 4),
    meta_classes=st.integers(0, 2),
    validation=st.sampled_from([0.0, 0.1, 0.4]),
    setting=st.sampled_from(["class", "task"]),
)
def test_experiences_partition_the_samples_of_the_stream(
    seed: int, n_experiences: int, meta_classes: int, validation: float, setting: Setting
) -> None:
    data = made_up()
    stream = streamed(
        n_experiences=n_experiences,
        meta_classes=meta_classes,
        validation=validation,
        setting=setting,
    )
    replica = stream.draw(torch.tensor(seed))
    ids = torch.cat([everything(e) for e in replica.experiences])
    in_stream = torch.isin(stream.pool["y"], stream.pool["y"][ids])
    assert torch.equal(ids.sort().values, in_stream.nonzero().flatten())
    assert in_stream.sum() < len(in_stream) or meta_classes == 0
    num_train = len(data.y_train)
    for experience in replica.experiences:
        assert bool((experience.train < num_train).all())
        assert bool((experience.test >= num_train).all())
        assert experience.valid is None or bool((experience.valid < num_train).all())
    assert labels(stream, replica, ids) == list(range(stream.spec.num_classes))


def test_validation_takes_its_share_of_every_class() -> None:
    stream = SplitDigits(validation=0.25, n_experiences=1).stream(NOWHERE)
    (experience,) = stream.draw(key(0)).experiences
    assert experience.valid is not None
    kept = stream.pool["y"][experience.train].bincount()
    held = stream.pool["y"][experience.valid].bincount()
    assert torch.allclose(held / (held + kept), torch.tensor(0.25), atol=0.005)


def test_held_out_samples_of_a_class_do_not_depend_on_its_experience() -> None:
    many = streamed(n_experiences=6, validation=0.4).draw(key(1))
    one = streamed(n_experiences=1, validation=0.4).draw(key(1))
    together = torch.cat([e.valid for e in many.experiences if e.valid is not None])
    assert one.experiences[0].valid is not None
    assert torch.equal(together.sort().values, one.experiences[0].valid.sort().values)


# -- meta-training classes -------------------------------------------------------------------------
@pytest.mark.parametrize("class_order", ["shuffled", "fixed"])
def test_meta_classes_are_disjoint_from_the_stream(class_order: str) -> None:
    stream = streamed(n_experiences=2, meta_classes=2, class_order=class_order)
    replica = stream.draw(key(0))
    assert Reveal.META_CLASSES in stream.spec.reveals
    assert stream.spec.num_classes == 4
    assert replica.meta is not None
    assert replica.meta.shape == (2, 7)  # the smallest class: 5 training and 2 test samples
    apart = [classes(stream, row) for row in replica.meta]
    met = classes(stream, torch.cat([everything(e) for e in replica.experiences]))
    assert sorted(met + [label for (label,) in apart]) == list(range(6))
    assert set(labels(stream, replica, replica.meta.flatten())) == {-1}


def test_meta_samples_have_one_shape_in_all_replicas() -> None:
    stream = streamed(n_experiences=2, meta_classes=2)
    shapes = {tuple(m.shape) for s in range(6) if (m := stream.draw(key(s)).meta) is not None}
    assert shapes == {(2, 7)}


def test_background_classes_are_for_meta_training_only(make: Make) -> None:
    data = make(num_classes=8, num_background=3)
    stream = Split(n_experiences=2, classes=4, meta_classes=2).on(data).stream(NOWHERE)
    for seed in range(5):
        replica = stream.draw(key(seed))
        assert replica.meta is not None
        assert set(classes(stream, replica.meta.flatten())) < {0, 1, 2}
        met = classes(stream, torch.cat([e.train for e in replica.experiences]))
        assert len(met) == 4
        assert set(met) < {3, 4, 5, 6, 7}


def test_fewer_classes_make_a_stream_of_the_first_in_order() -> None:
    some = streamed(n_experiences=3, classes=3)
    replica, whole = some.draw(key(0)), streamed(n_experiences=6).draw(key(0))
    assert some.spec.num_classes == 3
    for one, other in zip(replica.experiences, whole.experiences, strict=False):
        assert torch.equal(one.train, other.train)


def test_no_meta_classes_give_no_meta_samples() -> None:
    stream = streamed(n_experiences=2)
    assert stream.draw(key(0)).meta is None
    assert Reveal.META_CLASSES not in stream.spec.reveals


# -- view ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_view_over_replicas_equals_a_loop(make: Make, dtype: torch.dtype) -> None:
    data = make(dtype=dtype, shape=(3, 2, 2))
    for setting in get_args(Setting):
        assert_vmap_equals_loop(Split(n_experiences=3, setting=setting).on(data).stream(NOWHERE))


def test_bytes_are_seen_as_fractions_of_255(make: Make) -> None:
    data = make(dtype=torch.uint8)
    stream = Split(n_experiences=2).on(data).stream(NOWHERE)
    seen = stream.view.inputs(stream.pool, {}, torch.arange(4))
    assert torch.equal(seen, data.x_train[:4].to(torch.float32) / 255)


def test_test_samples_follow_training_samples_in_the_pool() -> None:
    data = made_up()
    stream = streamed(n_experiences=2)
    ids = torch.tensor([len(data.y_train), len(data.y_train) + 5])
    assert torch.equal(stream.view.inputs(stream.pool, {}, ids), data.x_test[[0, 5]])
    assert torch.equal(stream.pool["y"][ids], data.y_test[[0, 5]])


# -- refusals --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"n_experiences": 11},
            "n_experiences=11: split-digits has 10 classes in its stream; choose 1 to 10",
        ),
        (
            {"n_experiences": 4, "setting": "domain"},
            "n_experiences=4: split-digits has 10 classes in its stream, and setting=domain needs "
            "equal groups of 2 or more; choose 1, 2, 5",
        ),
        (
            {"n_experiences": 10, "setting": "domain"},
            "n_experiences=10: split-digits has 10 classes in its stream, and setting=domain needs "
            "equal groups of 2 or more; choose 1, 2, 5",
        ),
        (
            {"n_experiences": 5, "meta_classes": 6},
            "n_experiences=5: split-digits has 4 classes in its stream; choose 1 to 4",
        ),
        (
            {"classes": 12},
            "classes=12: split-digits has 10 classes for its stream; choose 2 to 10",
        ),
        (
            {"meta_classes": 9},
            "meta_classes=9: split-digits can keep 8 of its 10 classes apart; choose 0 to 8",
        ),
        (
            {"classes": 8, "meta_classes": 3},
            "meta_classes=3: split-digits can keep 2 of its 10 classes apart; choose 0 to 2",
        ),
    ],
)
def test_impossible_groups_are_refused_in_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole message is compared)
        SplitDigits(**given).stream(NOWHERE)
    assert str(error.value) == message


def test_bounds_are_told_by_option() -> None:
    with pytest.raises(ValueError, match=r"^scenario\.validation=0\.5: input should be less than"):
        options.build(SplitDigits, {"validation": "0.5"}, "scenario")


def test_a_family_without_data_says_how_to_give_some() -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        Split().stream(NOWHERE)
    assert str(error.value) == "Split() has no data; use Split(...).on(LabelledData(...))"


# -- published data sets ---------------------------------------------------------------------------
def test_defaults_of_the_large_ones() -> None:
    assert SplitCifar100().n_experiences == 10
    assert (SplitOmniglot().classes, SplitOmniglot().meta_classes) == (50, 100)


def test_own_data_is_no_option_and_leaves_the_scenario_as_it_was() -> None:
    plain = SplitDigits(n_experiences=2)
    own = plain.on(made_up())
    assert "own" not in options.names(SplitDigits)
    assert own.stream(NOWHERE).spec.num_classes == 6
    assert plain.stream(NOWHERE).spec.num_classes == 10


@pytest.mark.parametrize("family", [SplitMnist, SplitFashionMnist])
def test_real_images_split_into_pairs(family: type[Split], real_data: Path) -> None:
    stream = family().stream(real_data)
    replica = stream.draw(key(0))
    assert stream.spec.input_shape == (1, 28, 28)
    assert sum(len(e.train) for e in replica.experiences) == 60_000
    assert sum(len(e.test) for e in replica.experiences) == 10_000
    x = stream.view.inputs(stream.pool, replica.tables, replica.experiences[0].train[:100])
    assert x.dtype == torch.float32
    assert (x.min().item(), x.max().item()) == (0.0, 1.0)
