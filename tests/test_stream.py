"""What scenarios emit: impossible streams are refused, and ragged ids are padded with real ones."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamsim.stream import Batch, Reveal, StreamSpec, pad


def spec(num_experiences: int, num_classes: int) -> StreamSpec:
    return StreamSpec(
        input_shape=(4,),
        num_classes=num_classes,
        num_experiences=num_experiences,
        setting="class",
        reveals=frozenset(Reveal),
    )


@pytest.mark.parametrize(("num_experiences", "num_classes"), [(0, 2), (-1, 2), (1, 1), (1, 0)])
def test_a_stream_without_anything_to_learn_is_refused(
    num_experiences: int, num_classes: int
) -> None:
    with pytest.raises(ValueError, match="at least 1 experience and 2 classes"):
        spec(num_experiences, num_classes)


@pytest.mark.parametrize("names", [("a", "b", "c"), ("a", "b", "c", "c"), ()])
def test_every_feature_has_a_name_of_its_own_or_none_has(names: tuple[str, ...]) -> None:
    assert replace(spec(1, 2), features=("a", "b", "c", "d")).features is not None
    with pytest.raises(ValueError, match=r"names of features for inputs of shape \[4\]"):
        replace(spec(1, 2), features=names)


def test_the_smallest_stream_is_accepted() -> None:
    assert spec(1, 2).num_tasks == 1


def test_reveals_are_plain_text_for_run_json() -> None:
    assert json.loads(json.dumps(sorted(spec(1, 2).reveals))) == [
        "boundaries",
        "meta-training classes",
        "task labels",
    ]


def test_task_labels_are_hidden_unless_given() -> None:
    batch = Batch(torch.zeros(1, 4), torch.zeros(1, dtype=torch.int64), torch.ones(1))
    assert batch.task is None


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=7), min_size=1, max_size=5))
def test_padding_keeps_every_row_and_repeats_its_first_id(rows: list[list[int]]) -> None:
    padded = pad([torch.tensor(row) for row in rows])
    longest = max(map(len, rows))
    assert padded.ids.dtype == padded.size.dtype == torch.int64
    assert padded.size.tolist() == [len(row) for row in rows]
    assert padded.ids.tolist() == [row + row[:1] * (longest - len(row)) for row in rows]


def test_an_experience_without_samples_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^an experience without samples; every experience needs"):
        pad([torch.tensor([1]), torch.tensor([], dtype=torch.int64)])
