"""Streams in numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from streamsim import preview as previews
from streamsim.chunks import replica_key
from streamsim.preview import Preview, preview
from streamsim.stream import Experience, Replica, Stream, StreamSpec
from streamsim.testing.toys import Given
from streamsim_scenarios.concepts.agrawal import Agrawal
from streamsim_scenarios.drift import SeaAbrupt
from streamsim_scenarios.split import SplitDigits


def _rows(found: Preview, panel: str) -> pd.DataFrame:
    return found.table[found.table["panel"] == panel]


def test_class_shares_of_a_shuffled_stream_are_those_of_its_experiences() -> None:
    found = preview("split-digits", seed=3)
    stream = SplitDigits().stream(Path())
    replica = stream.draw(replica_key(3))
    start = 0
    for number in range(5):
        experience = replica.experiences[number]
        labels = stream.view.labels(stream.pool, replica.tables, experience.train).tolist()
        rows = _rows(found, "classes")
        rows = rows[rows["experience"] == number]
        assert set(rows["start"]) == {start}
        assert set(rows["stop"]) == {start + len(labels)}
        start += len(labels)
        for name, value in zip(rows["name"], rows["value"], strict=True):
            assert value == pytest.approx(labels.count(int(name)) / len(labels))
    assert _rows(found, "experiences")["stop"].iloc[-1] == start == found.about["train_samples"]


def test_feature_means_are_in_standard_deviations_and_the_most_moving_come_first() -> None:
    found = preview("split-digits")
    stream = SplitDigits().stream(Path())
    replica = stream.draw(replica_key(0))
    parts = [
        stream.view.inputs(stream.pool, replica.tables, e.train).flatten(1).double()
        for e in replica.experiences
    ]
    every = torch.cat(parts)
    means = torch.stack([(p.mean(0) - every.mean(0)) / every.std(0, correction=0) for p in parts])
    moves = means.var(0, correction=0).nan_to_num(-1)
    best = moves.argsort(descending=True)[:4].tolist()
    names = [f"pixel {f // 8},{f % 8}" for f in best]
    rows = _rows(found, "features")
    assert list(dict.fromkeys(rows["name"])) == names
    for name, feature in zip(names, best, strict=True):
        assert rows[rows["name"] == name]["value"].tolist() == pytest.approx(
            means[:, feature].tolist()
        )


def test_features_of_concepts_have_their_names() -> None:
    rows = _rows(preview("agrawal-recurring+label-noise"), "features")
    assert set(rows["name"]) <= {feature.name for feature in Agrawal.features}
    assert len(set(rows["name"])) == 4


def test_features_of_a_table_are_called_as_its_columns(tmp_path: Path) -> None:
    rows = [f"{t},{'red' if t % 3 else 'blue'},{t % 2}" for t in range(40)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["price,colour,label", *rows]), encoding="utf-8")
    options = {"scenario.path": str(path), "scenario.label": "label"}
    found = _rows(preview("table+label-noise", options=options), "features")
    assert set(found["name"]) == {"price", "colour=0", "colour=1"}


def test_concepts_that_come_back_are_one_concept() -> None:
    options = {"scenario.n_samples": 6000, "scenario.concepts": "3,1,3", "scenario.widths": "0"}
    rows = _rows(preview("sea-abrupt", options=options), "concepts")
    assert set(rows["name"]) == {"1", "3"}
    for start, name, value in zip(rows["start"], rows["name"], rows["value"], strict=True):
        assert value == float((2000 <= start < 4000) == (name == "1"))


def test_a_concept_on_its_way_to_another_is_some_of_both() -> None:
    shares = previews._concept_shares(torch.tensor([0.0, 0.25, 0.75, 2.0]).double(), [5, 1, 5])
    assert shares.tolist() == [1.0 / 4, (1.0 + 0.75 + 0.25 + 1.0) / 4]


def test_slices_lie_within_experiences_and_cover_the_stream() -> None:
    for scenario in ("sea-abrupt", "split-digits+blurred", "hyperplane-incremental+label-noise"):
        found = preview(scenario)
        rows = _rows(found, "features")
        one = rows[rows["name"] == rows["name"].iloc[0]]
        assert one["start"].tolist() == [0, *one["stop"].tolist()[:-1]]
        assert one["stop"].iloc[-1] == found.about["train_samples"]
        for _, experience in _rows(found, "experiences").iterrows():
            own = one[one["experience"] == experience["experience"]]
            assert own["start"].min() == experience["start"]
            assert own["stop"].max() == experience["stop"]
        shares = _rows(found, "classes").groupby("start")["value"].sum()
        assert shares.to_numpy() == pytest.approx(1.0)


def test_a_long_stream_is_looked_at_in_small_pieces() -> None:
    looked: list[int] = []

    class Counting:
        def inputs(self, pool: Any, tables: Any, ids: torch.Tensor) -> torch.Tensor:
            looked.append(len(ids))
            return torch.zeros(len(ids), 5000)

        def labels(self, pool: Any, tables: Any, ids: torch.Tensor) -> torch.Tensor:
            return ids % 2

    spec = StreamSpec(
        input_shape=(5000,), num_classes=2, num_experiences=1, setting="domain",
        reveals=frozenset(), ordered=True,
    )  # fmt: skip
    replica = Replica([Experience(torch.arange(1_000_000), torch.arange(2))], {})
    found = preview(Given(Stream(spec, {}, Counting(), lambda key: replica)))  # type: ignore[arg-type]
    assert found.about["train_samples"] == 1_000_000
    assert max(looked) * 5000 <= previews.FLOATS
    assert sum(looked) <= previews.SLICES * previews.SAMPLES
    assert _rows(found, "features").empty  # constant features have no standard deviation


def test_what_a_modifier_knows_is_told() -> None:
    found = preview("sea-abrupt+label-noise", options={"scenario.share": 0.5})
    rows = _rows(found, "truth")
    assert set(rows["name"]) == {"wrong labels"}
    assert rows["value"].mean() == pytest.approx(0.5, abs=0.02)
    assert _rows(preview(SeaAbrupt()), "truth").empty


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others() -> None:
    first, again, other = (preview("rbf-abrupt", seed=seed).table for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize(
    ("scenario", "options", "seed", "complaint"),
    [
        ("sea-abrup", {}, 0, "did you mean 'sea-abrupt'"),
        ("sea-abrupt", {"train.lr": 1}, 0, "train.lr: a preview shows a scenario"),
        ("sea-abrupt", {"scenario.nois": 1}, 0, "did you mean 'noise'"),
        (SeaAbrupt(), {"scenario.noise": 1}, 0, "scenario.noise: the scenario is an object"),
        ("sea-abrupt", {}, -1, "seed -1: seeds run from 0"),
    ],
)
def test_bad_input_is_refused(scenario: Any, options: Any, seed: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        preview(scenario, options=options, seed=seed)
