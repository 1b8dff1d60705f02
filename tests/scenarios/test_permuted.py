"""Claims about permuted pixels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamsim.stream import Reveal
from streamsim_scenarios.permuted import Permuted, PermutedDigits, PermutedMnist

from .conftest import Make, assert_vmap_equals_loop, key, made_up

NOWHERE = Path("nowhere")


def test_first_experience_shows_the_original_samples(make: Make) -> None:
    data = make()
    stream = Permuted(n_experiences=3).on(data).stream(NOWHERE)
    replica = stream.draw(key(0))
    seen = stream.view.inputs(stream.pool, replica.tables, replica.experiences[0].train)
    assert torch.equal(seen, data.x_train)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**62), experience=st.integers(0, 3), channels=st.integers(1, 3))
def test_every_experience_permutes_pixels_and_keeps_labels(
    seed: int, experience: int, channels: int
) -> None:
    data = made_up(shape=(channels, 3, 4))
    stream = Permuted(n_experiences=4).on(data).stream(NOWHERE)
    replica = stream.draw(torch.tensor(seed))
    ids = replica.experiences[experience].test
    seen = stream.view.inputs(stream.pool, replica.tables, ids)
    order = replica.tables["permutation"][experience]
    assert order.sort().values.tolist() == list(range(12))
    assert torch.equal(seen.flatten(2), data.x_test.flatten(2)[:, :, order])
    assert torch.equal(stream.view.labels(stream.pool, replica.tables, ids), data.y_test)


def test_seeds_and_experiences_draw_their_own_permutations() -> None:
    stream = PermutedDigits(n_experiences=3).stream(NOWHERE)
    rows = [row for seed in range(3) for row in stream.draw(key(seed)).tables["permutation"][1:]]
    assert len({tuple(row.tolist()) for row in rows}) == 6
    again = stream.draw(key(0)).tables["permutation"]
    assert torch.equal(again, stream.draw(key(0)).tables["permutation"])


def test_more_experiences_leave_the_first_ones_as_they_were() -> None:
    few, many = (PermutedDigits(n_experiences=n).stream(NOWHERE).draw(key(0)) for n in (2, 4))
    assert torch.equal(few.tables["permutation"], many.tables["permutation"][:2])


def test_experiences_share_no_id_and_hold_all_samples(make: Make) -> None:
    data = make()
    stream = Permuted(n_experiences=3, validation=0.2).on(data).stream(NOWHERE)
    replica = stream.draw(key(0))
    parts = [p for e in replica.experiences for p in (e.train, e.test, e.valid) if p is not None]
    num_samples = len(data.y_train) + len(data.y_test)
    assert torch.cat(parts).sort().values.tolist() == list(range(3 * num_samples))
    assert all(len(e.test) == len(data.y_test) for e in replica.experiences)


def test_a_sample_held_out_once_is_held_out_in_every_experience(make: Make) -> None:
    data = make()
    stream = Permuted(n_experiences=2, validation=0.2).on(data).stream(NOWHERE)
    first, second = (e.valid for e in stream.draw(key(0)).experiences)
    assert first is not None
    assert second is not None
    assert torch.equal(first + len(data.y_train) + len(data.y_test), second)


def test_task_setting_reveals_the_experience_and_domain_does_not(make: Make) -> None:
    domain, task = (
        scenario.on(make()).stream(NOWHERE)
        for scenario in (Permuted(n_experiences=2), Permuted(n_experiences=2, setting="task"))
    )
    assert domain.spec.reveals == {Reveal.BOUNDARIES}
    assert domain.spec.num_tasks == 1
    assert task.spec.reveals == {Reveal.BOUNDARIES, Reveal.TASK_LABELS}
    assert task.spec.num_tasks == 2
    replica = task.draw(key(0))
    told = [task.view.tasks(task.pool, replica.tables, e.test) for e in replica.experiences]
    assert [set(t.tolist()) for t in told] == [{0}, {1}]


@pytest.mark.parametrize("shape", [(5,), (1, 4, 4), (3, 2, 2)])
def test_view_over_replicas_equals_a_loop(make: Make, shape: tuple[int, ...]) -> None:
    assert_vmap_equals_loop(Permuted(n_experiences=3).on(make(shape=shape)).stream(NOWHERE))


def test_real_digits_keep_their_ink(real_data: Path) -> None:
    stream = PermutedMnist(n_experiences=2).stream(real_data)
    replica = stream.draw(key(0))
    first, second = (
        stream.view.inputs(stream.pool, replica.tables, e.train[:50]) for e in replica.experiences
    )
    assert not torch.equal(first, second)
    assert torch.allclose(first.sum((1, 2, 3)), second.sum((1, 2, 3)))
