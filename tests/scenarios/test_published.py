"""Published streams are the files in the data root, row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamsim import registry
from streamsim.stream import Stream
from streamsim_scenarios.published import Electricity, SeaConcepts

from .conftest import key

FILES = {
    "electricity": ("streams/electricity.csv", "streams/electricity.csv", 1),
    "weather": ("streams/NEweather_data.csv", "streams/NEweather_class.csv", 0),
    "sea-concepts": ("streams/SEA_training_data.csv", "streams/SEA_training_class.csv", 0),
}
SHAPES = {"electricity": (45_312, 6, 5), "weather": (18_159, 8, 5), "sea-concepts": (50_000, 3, 4)}


def opened(name: str, root: Path, **options: object) -> Stream:
    stream: Stream = registry.load("scenario", name)(**options).stream(root)
    return stream


def recorded(name: str, root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels by numpy's own reader."""
    features, labels, header = FILES[name]
    x = np.genfromtxt(root / features, delimiter=",", skip_header=header)
    y = np.genfromtxt(root / labels, delimiter=",", skip_header=header)
    return (x[:, :-1] if header else x), (y[:, -1] if header else y)


@pytest.mark.parametrize("name", FILES)
def test_streams_hold_the_rows_of_their_files(name: str, real_data: Path) -> None:
    stream = opened(name, real_data, scaling="none", held_out=False)
    x, y = recorded(name, real_data)
    assert torch.equal(stream.pool["x"], torch.from_numpy(x.astype(np.float32)))
    assert torch.equal(stream.pool["y"], torch.from_numpy(y.astype(np.int64)))
    num_rows, num_features, num_experiences = SHAPES[name]
    assert x.shape == (num_rows, num_features)
    assert stream.spec.input_shape == (num_features,)
    assert (stream.spec.num_experiences, stream.spec.num_classes) == (num_experiences, 2)


def test_the_four_concepts_of_sea_are_its_experiences(real_data: Path) -> None:
    """The sum of the first two features is compared with a threshold; 10 % of labels are wrong."""
    stream = opened("sea-concepts", real_data, scaling="none", held_out=False)
    share = []
    for experience in stream.draw(key(0)).experiences:
        x = stream.view.inputs(stream.pool, {}, experience.train)
        y = stream.view.labels(stream.pool, {}, experience.train)
        by_threshold = [
            float(((x[:, 0] + x[:, 1] > threshold).long() == y).double().mean())
            for threshold in (7.0, 8.0, 9.0, 9.5)
        ]
        best = max(by_threshold)
        share.append((by_threshold.index(best), max(best, 1 - min(by_threshold))))
    assert len({number for number, _ in share}) >= 2
    assert all(right > 0.85 for _, right in share)


def test_only_the_four_concepts_of_sea_know_their_drifts(real_data: Path) -> None:
    sea, others = SeaConcepts().stream(real_data), SeaConcepts(n_experiences=3).stream(real_data)
    assert sea.spec.knows_drifts
    assert not others.spec.knows_drifts
    assert not Electricity().stream(real_data).spec.knows_drifts


def test_the_last_label_is_a_good_guess_for_electricity(real_data: Path) -> None:
    y = opened("electricity", real_data, held_out=False).pool["y"]
    assert float((y[1:] == y[:-1]).double().mean()) == pytest.approx(0.853, abs=0.001)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_one_line_with_the_place_looked_in(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{name} is not in {tmp_path}.*no streams/") as caught:
        opened(name, tmp_path)
    assert "\n" not in str(caught.value)


def test_small_files_read_too(tmp_path: Path) -> None:
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams/NEweather_data.csv").write_text("1,2\n3,4\n" * 10)
    (tmp_path / "streams/NEweather_class.csv").write_text("0\n1\n" * 10)
    stream = opened("weather", tmp_path, n_experiences=2, scaling="none", held_out=False)
    assert stream.pool["x"][:2].tolist() == [[1, 2], [3, 4]]
    assert stream.pool["y"][:4].tolist() == [0, 1, 0, 1]
