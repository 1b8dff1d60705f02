"""The picture of a stream."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from streamsim_reports import preview
from streamsim_reports.figures import save

COLUMNS = ["panel", "name", "start", "stop", "experience", "value"]


def _table(num_classes: int = 2, truths: tuple[str, ...] = ()) -> pd.DataFrame:
    """Two experiences of 100 samples, two slices each; classes of one share."""
    rows: list[tuple[Any, ...]] = []
    for e in range(2):
        rows.append(("experiences", str(e), 100 * e, 100 * e + 100, e, 30.0))
    for k in range(4):
        where = (50 * k, 50 * k + 50, k // 2)
        for c in range(num_classes):
            rows.append(("classes", str(c), *where, 1 / num_classes))
        rows.append(("concepts", "0", *where, float(k < 2)))
        rows.append(("concepts", "7", *where, float(k >= 2)))
        rows.append(("features", "x5", *where, 0.1 * k))
        for name in truths:
            rows.append(("truth", name, *where, 10.0 * k))
    return pd.DataFrame(rows, columns=COLUMNS)


def _titles(figure: Any) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


def test_panels_are_those_that_the_table_has() -> None:
    whole = preview.figure(_table(truths=("rotation", "wrong labels")), "sea, seed 0", "words")
    assert _titles(whole) == [
        "experiences",
        "concepts",
        "share of each class, %",
        "means of the features that move most",
        "rotation (hidden from learners)",
        "wrong labels (hidden from learners)",
    ]
    table = _table()
    bare = preview.figure(table[table["panel"].isin(["experiences", "classes"])], "a", "b")
    assert _titles(bare) == ["experiences", "share of each class, %"]
    assert whole.axes[0].get_xlim() == (0, 200)


def test_bands_add_up_to_everything_and_lines_are_the_means() -> None:
    drawn: Any = preview.figure(_table(4), "title", "words")
    _, _, classes, features = drawn.axes
    tops = [band.get_paths()[0].vertices[:, 1].max() for band in classes.collections]
    assert tops == pytest.approx([0.25, 0.5, 0.75, 1.0])
    (line,) = features.get_lines()
    assert line.get_xdata().tolist() == [0, 50, 100, 150, 200]
    assert line.get_ydata() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.3])


def test_concepts_and_experiences_bear_their_numbers() -> None:
    experiences, concepts, *_ = preview.figure(_table(), "title", "words").axes
    assert [text.get_text() for text in experiences.texts] == ["1", "2"]
    assert [(text.get_text(), text.get_position()[0]) for text in concepts.texts] == [
        ("0", 50),
        ("7", 150),
    ]


def test_noise_does_not_look_like_drift() -> None:
    low, high = preview.figure(_table(), "title", "words").axes[3].get_ylim()
    assert low <= -0.5
    assert high >= 0.5


def test_a_hundred_classes_have_no_legend_and_ten_have_one() -> None:
    many = preview.figure(_table(100), "title", "words").axes[2]
    assert many.get_legend() is None
    assert many.get_title(loc="left") == "share of each class, % (100 classes)"
    legend: Any = preview.figure(_table(10), "title", "words").axes[2].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [str(c) for c in range(9, -1, -1)]


def test_neighbouring_bands_have_different_colours() -> None:
    colors = [preview._many(20)[k] for k in range(20)]
    for one, other in itertools.pairwise(colors):
        assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 0.3


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_saved_and_is_the_same_every_time(
    tmp_path: Path, ending: str, scheme: str
) -> None:
    written = []
    for number in range(2):
        path = tmp_path / f"{number}.{ending}"
        save(preview.figure(_table(), "a & b", "words " * 60, scheme), path)
        written.append(path.read_bytes())
    assert written[0] == written[1]
    assert len(written[0]) > 1000
