"""Recorded rows stream in their order, test rows apart, scaled by nothing that comes later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from streamsim.stream import ExactView, Reveal, Stream
from streamsim.testing import assert_conforms
from streamsim_scenarios.table import Table

from .conftest import key

NUM_ROWS = 120


def frame(num_rows: int = NUM_ROWS) -> pd.DataFrame:
    generator = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "x": generator.normal(5, 2, num_rows).round(4),
            "site": np.arange(num_rows) % 3,
            "label": generator.integers(0, 3, num_rows),
        }
    )


def stream(folder: Path, data: pd.DataFrame | None = None, **options: Any) -> Stream:
    path = folder / "rows.csv"
    (frame() if data is None else data).to_csv(path, index=False)
    return Table(path=(str(path),), label="label", **options).stream(Path())


def rows_of(found: Stream, part: str, column: str = "x") -> list[list[float]]:
    """The numbers of a column as recorded, experience by experience."""
    replica = found.draw(key(0))
    ids = [getattr(experience, part) for experience in replica.experiences]
    return [found.view.inputs(found.pool, {}, each)[:, 0].tolist() for each in ids]


def test_experiences_are_stretches_whose_every_tenth_row_is_held_out(tmp_path: Path) -> None:
    found = stream(tmp_path, n_experiences=3, scaling="none")
    recorded = np.split(frame()["x"].to_numpy(dtype=np.float32), 3)
    for train, test, part in zip(
        rows_of(found, "train"), rows_of(found, "test"), recorded, strict=True
    ):
        held = np.arange(40) % 10 == 5
        assert train == part[~held].tolist()
        assert test == part[held].tolist()


def test_labels_belong_to_their_rows(tmp_path: Path) -> None:
    found = stream(tmp_path, scaling="none", by="site")
    known = dict(zip(frame()["x"].astype(np.float32), frame()["label"], strict=True))
    for experience in found.draw(key(0)).experiences:
        for ids in (experience.train, experience.test):
            x = found.view.inputs(found.pool, {}, ids)[:, 0].numpy()
            assert found.view.labels(found.pool, {}, ids).tolist() == [known[v] for v in x]


def test_experiences_by_a_column_hold_one_value_each(tmp_path: Path) -> None:
    found = stream(tmp_path, scaling="none", by="site")
    data = frame()
    for site, (train, test) in enumerate(
        zip(rows_of(found, "train"), rows_of(found, "test"), strict=True)
    ):
        recorded = data["x"][data["site"] == site].astype(np.float32).tolist()
        assert sorted(train + test) == sorted(recorded)
        assert train == [x for x in recorded if x in train]


def expected(values: np.ndarray, known: np.ndarray) -> Any:
    return np.clip((values - known.mean()) / known.std(), -10, 10)


def test_test_rows_are_scaled_by_the_training_rows_up_to_their_experiences_end(
    tmp_path: Path,
) -> None:
    plain, found = stream(tmp_path, scaling="none"), stream(tmp_path)
    seen: list[float] = []
    for number, (train, test) in enumerate(
        zip(rows_of(plain, "train"), rows_of(plain, "test"), strict=True)
    ):
        scaled = rows_of(found, "train")[number]
        for place in range(2 if number == 0 else 0, len(train)):
            known = np.array(seen + train[:place])
            assert scaled[place] == pytest.approx(expected(np.array(train[place]), known), abs=1e-4)
        seen += train
        np.testing.assert_allclose(
            rows_of(found, "test")[number], expected(np.array(test), np.array(seen)), atol=1e-4
        )


@pytest.mark.parametrize("row", [24, 60, 100])
def test_later_rows_change_no_bit_of_what_was_learned_before(tmp_path: Path, row: int) -> None:
    other = frame()
    other.loc[row:, "x"] = -1e6
    other.loc[row:, "label"] = 2 - other.loc[row:, "label"]
    a, b = stream(tmp_path), stream(tmp_path, other)
    ids = torch.cat([e.train for e in a.draw(key(0)).experiences])[: int(row * 0.9)]
    assert torch.equal(a.view.inputs(a.pool, {}, ids), b.view.inputs(b.pool, {}, ids))
    assert torch.equal(a.view.labels(a.pool, {}, ids), b.view.labels(b.pool, {}, ids))
    assert not torch.equal(a.pool["x"], b.pool["x"])


def test_without_held_out_rows_all_train_in_order_and_some_are_tested_as_they_were(
    tmp_path: Path,
) -> None:
    found = stream(tmp_path, held_out=False)
    experiences = found.draw(key(0)).experiences
    assert torch.cat([e.train for e in experiences]).tolist() == list(range(NUM_ROWS))
    for experience in experiences:
        assert (experience.test - NUM_ROWS).tolist() == experience.train[[6, 18]].tolist()
        again = found.view.inputs(found.pool, {}, experience.test)
        assert torch.equal(again, found.view.inputs(found.pool, {}, experience.train[[6, 18]]))


def test_columns_and_categories_make_the_inputs(tmp_path: Path) -> None:
    data = frame()
    data.loc[3, "x"] = None
    assert stream(tmp_path, data, missing="mean").spec.input_shape == (2,)
    assert stream(tmp_path, data, missing="indicator").spec.input_shape == (3,)
    found = stream(tmp_path, data, missing="indicator", categorical=("site",))
    assert found.spec.input_shape == (5,)  # x, three sites, whether x is missing
    assert torch.equal(found.pool["x"][:, 1:4].sum(1), torch.ones(NUM_ROWS))


def test_inputs_have_the_names_of_their_columns(tmp_path: Path) -> None:
    data = frame()
    data.loc[3, "x"] = None
    found = stream(tmp_path, data, missing="indicator", categorical=("site",))
    assert found.spec.features == ("x", "site=0", "site=1", "site=2", "x is missing")


def test_as_recorded_numbers_are_there_unrounded(tmp_path: Path) -> None:
    data = frame()
    found = stream(tmp_path, data, scaling="none", held_out=False)
    ids = torch.arange(NUM_ROWS)
    assert isinstance(found.view, ExactView)
    whole = found.view.exact(found.pool, {}, ids)
    assert whole[:, 0].tolist() == data["x"].tolist()
    assert torch.equal(whole.float(), found.view.inputs(found.pool, {}, ids))
    assert not isinstance(stream(tmp_path, data).view, ExactView)


def test_nothing_is_revealed_unless_asked_for(tmp_path: Path) -> None:
    hidden, shown = stream(tmp_path), stream(tmp_path, boundaries="revealed")
    assert hidden.spec.reveals == frozenset()
    assert shown.spec.reveals == {Reveal.BOUNDARIES}
    assert hidden.spec.ordered
    assert hidden.spec.setting == "domain"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"n_experiences": 2, "rows_per_experience": 50},
            "n_experiences=2 and rows_per_experience=50 cut the rows in two ways; keep one",
        ),
        ({"by": "site", "n_experiences": 2}, "n_experiences=2 and by=site cut"),
        ({"n_experiences": 61}, "scenario.n_experiences=61 leaves"),
        ({"test_share": 0.6}, "less than or equal to 0.5"),
    ],
)
def test_cuts_that_do_not_fit_are_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        stream(tmp_path, **options)


@pytest.mark.parametrize("held_out", [True, False])
def test_a_recorded_stream_conforms(tmp_path: Path, held_out: bool) -> None:
    stream(tmp_path)
    path = (str(tmp_path / "rows.csv"),)
    assert_conforms(Table(path=path, label="label", by="site", held_out=held_out))


def test_the_view_maps_over_replicas(tmp_path: Path) -> None:
    found = stream(tmp_path)
    ids = torch.arange(6).view(2, 3)
    for look in (found.view.inputs, found.view.labels):
        together = torch.func.vmap(lambda i, look=look: look(found.pool, {}, i))(ids)
        assert torch.equal(together, look(found.pool, {}, ids))
