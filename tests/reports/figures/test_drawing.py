"""Drawings of every kind: complete, legible, the same each time, and safe with any name."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from streamsim.runs import open_run
from streamsim_reports.cohort import Cohort, gather
from streamsim_reports.figures import FORMATS, KINDS, figure, render, save
from streamsim_reports.figures.marks import End, name_ends
from streamsim_reports.figures.theme import COLORS, SCHEMES, looks, plain, style, wrapped

WriteRun = Callable[..., Path]


@pytest.fixture(scope="module")
def full(full_runs: list[Path]) -> Cohort:
    return gather(full_runs)


@pytest.fixture(scope="module")
def twelve(twelve_runs: list[Path]) -> Cohort:
    return gather(twelve_runs)


def texts(drawn: Figure) -> Iterator[Text]:
    """What is written, without ticks that lie outside."""
    axes: Any  # matplotlib keeps some of this to itself
    for axes in drawn.axes:
        for axis in (axes.xaxis, axes.yaxis):
            for tick in axis._update_ticks():
                yield tick.label1
            yield axis.label
        yield from (axes.title, axes._left_title, axes._right_title, *axes.texts)
        if axes.get_legend() is not None:
            yield from axes.get_legend().get_texts()
    for legend in drawn.legends:
        yield from legend.get_texts()
    yield from drawn.texts


def overlaps(drawn: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that lie upon each other."""
    drawn.set_canvas(FigureCanvasAgg(drawn))
    drawn.draw_without_rendering()
    # of an annotation, the text without its arrow
    written = [text for text in texts(drawn) if text.get_visible() and text.get_text().strip()]
    boxes = [(text.get_text(), Text.get_window_extent(text).padded(-1)) for text in written]
    return [
        (one, other)
        for (one, box), (other, rest) in itertools.combinations(boxes, 2)
        if box.overlaps(rest)
    ]


# -- every kind ------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_can_be_drawn_saved_and_told(name: str, full: Cohort) -> None:
    kind = KINDS[name]
    assert kind.name == name
    assert kind.description.endswith(".")
    assert "\n" not in kind.description
    assert kind.available(full) is None
    numbers = kind.numbers(full)
    assert 0 < len(numbers) < 2000
    caption = kind.caption(full, numbers)
    assert f"{3} seeds" in caption
    drawn = figure(kind, full, standalone=True)
    assert overlaps(drawn) == []
    content = render(drawn, "svg")
    root = ET.fromstring(content)
    shown = " ".join(root.itertext())
    assert f"{kind.title}: split-digits" in shown
    assert len(content) < 400_000


@pytest.mark.parametrize("name", KINDS)
def test_a_panel_can_be_drawn_alone_from_downloaded_numbers(name: str, full: Cohort) -> None:
    kind = KINDS[name]
    numbers = kind.numbers(full)
    first = numbers[numbers[kind.panel] == numbers[kind.panel].iloc[0]]
    text = first.to_csv(index=False)
    read = pd.read_csv(io.StringIO(text), dtype={"value": str})
    before = read.copy()
    axes = Figure().subplots()
    assert isinstance(axes, Axes)
    assert kind.draw(read, axes) is axes
    assert axes.has_data()
    assert axes.get_xlabel()
    pd.testing.assert_frame_equal(read, before)


TWELVE = ["forgetting-curves", "average-accuracy", "accuracy-matrix", "transfer", "continual"]


@pytest.mark.parametrize("name", TWELVE)
def test_nothing_overlaps_with_twelve_strategies_and_twenty_experiences(
    name: str, twelve: Cohort
) -> None:
    drawn = figure(KINDS[name], twelve, "dark", standalone=True)
    assert overlaps(drawn) == []
    assert len(render(drawn, "svg")) < 700_000


def test_the_check_for_overlaps_sees_one() -> None:
    drawn = Figure()
    drawn.text(0.5, 0.5, "one text")
    drawn.text(0.51, 0.5, "upon another")
    assert overlaps(drawn) == [("one text", "upon another")]


# -- what a drawing shows --------------------------------------------------------------------------
def test_no_band_is_drawn_for_one_seed(tmp_path: Path, write_run: WriteRun) -> None:
    one, two = write_run(tmp_path / "a", seeds=1), write_run(tmp_path / "b", seeds=2)
    for path, bands in ((one, 0), (two, 5)):
        drawn = figure(KINDS["forgetting-curves"], gather([path]))
        assert len(drawn.axes[0].collections) == bands
    cohort = gather([one])
    kind = KINDS["average-accuracy"]
    assert "One seed: no interval can be given." in kind.caption(cohort, kind.numbers(cohort))


def test_captions_tell_who_is_missing(tmp_path: Path, write_run: WriteRun) -> None:
    cohort = gather(
        [
            write_run(tmp_path / "a", strategy="naive", diverged={(0, 1): 2, (0, 3): 0}),
            write_run(tmp_path / "b", strategy="lwf", done=3),
            write_run(tmp_path / "c", strategy="ewc", diverged={(0, seed): 0 for seed in range(5)}),
        ]
    )
    kind = KINDS["average-accuracy"]
    caption = kind.caption(cohort, kind.numbers(cohort))
    assert "Mean over 3 to 5 seeds" in caption
    assert "Diverged and left out: 2 of 5 of naive and 5 of 5 of ewc." in caption
    assert "Unfinished, drawn as far as it goes: lwf (3 of 5 experiences)." in caption
    assert "Without numbers for this figure: ewc." in caption


def test_points_are_where_the_numbers_are(full: Cohort) -> None:
    kind = KINDS["average-accuracy"]
    numbers = kind.numbers(full)
    axes = kind.draw(numbers, Figure().subplots())
    for label, rows in numbers.groupby("label", observed=True):
        line = next(line for line in axes.lines if line.get_label() == label)
        assert np.array_equal(line.get_xdata(), rows["trained"])
        assert np.array_equal(line.get_ydata(), rows["mean"])


def test_arms_are_compared_while_learning_in_one_panel_with_drifts_once(
    tmp_path: Path, write_run: WriteRun, full_runs: list[Path]
) -> None:
    run = open_run(full_runs[0])
    tables = {name: run.table(name) for name in ("prequential", "drifts", "alarms")}
    paths = [write_run(tmp_path / name, strategy=name, seeds=3, tables=tables)
             for name in ("a", "b")]  # fmt: skip
    kind = KINDS["prequential-comparison"]
    found = kind.numbers(gather(paths))
    assert set(found["series"]) == {"accuracy", "drift"}
    (axes,) = figure(kind, gather(paths)).axes
    lines = {str(line.get_label()): line for line in axes.lines}
    for label in ("a", "b"):
        rows = found[(found["label"] == label) & (found["series"] == "accuracy")]
        assert np.array_equal(lines[label].get_ydata(), rows.sort_values("position")["mean"])
    assert len(axes.lines) == 2 + found[found["series"] == "drift"]["position"].nunique()


def test_a_single_map_leaves_no_empty_half(tmp_path: Path, write_run: WriteRun) -> None:
    (axes, bar) = figure(KINDS["accuracy-matrix"], gather([write_run(tmp_path / "r")])).axes
    drawn = axes.figure
    assert drawn is not None
    drawn.draw_without_rendering()  # type: ignore[union-attr]
    assert axes.get_position().x0 < 0.25
    assert bar.get_position().x1 > 0.8


def test_panels_that_share_an_axis_show_all_of_each(
    tmp_path: Path, write_run: WriteRun, full_runs: list[Path]
) -> None:
    run = open_run(full_runs[0])
    low = run.table("prequential").assign(accuracy=0.2)
    high = low.assign(accuracy=0.9)
    paths = [write_run(tmp_path / name, strategy=name, seeds=3, tables={"prequential": table})
             for name, table in {"a": low, "b": high}.items()]  # fmt: skip
    drawn = figure(KINDS["prequential"], gather(paths))
    for axes, value in zip(drawn.axes, (0.2, 0.9), strict=True):
        bottom, top = axes.get_ylim()
        assert bottom < value < top
    # rows of bars still count from the top
    bottom, top = figure(KINDS["transfer"], gather(full_runs)).axes[0].get_ylim()
    assert bottom > top


def test_what_is_written_in_cells_can_be_read_in_every_panel(
    tmp_path: Path, write_run: WriteRun, full_runs: list[Path]
) -> None:
    """One scale of colours for panels of which one has far larger ratios."""
    strong = open_run(full_runs[0]).table("transference")
    weak = strong.assign(ratio=strong["ratio"] ** 0.1)
    paths = [write_run(tmp_path / name, strategy=name, tables={"transference": table})
             for name, table in {"a": strong, "b": weak}.items()]  # fmt: skip
    drawn = figure(KINDS["transference"], gather(paths))
    for axes in drawn.axes[:2]:
        assert len(axes.texts) == 25
        cells: Any = axes.collections[0].get_facecolor()
        for text, cell in zip(axes.texts, cells, strict=True):
            assert contrast(to_hex(str(text.get_color())), to_hex(cell)) > 4.5


def test_names_at_ends_keep_their_order_and_distance() -> None:
    drawn = Figure()
    axes = drawn.subplots()
    axes.set_ylim(0, 1)
    name_ends(axes, {f"arm {i}": End(1, 0.5 + 0.001 * i, "C0") for i in range(12)})
    annotations: Any = axes.texts
    places = [text.xyann[1] for text in annotations]
    assert [text.get_text() for text in axes.texts] == [f"arm {i}" for i in range(12)]
    assert min(b - a for a, b in itertools.pairwise(places)) > 0.03
    assert sum(places) / 12 == pytest.approx(0.5055)  # moved apart evenly


def test_each_of_twelve_arms_has_a_look_of_its_own_without_colour() -> None:
    every = looks(pd.Series([f"arm {i}" for i in range(12)])).values()
    assert len({look.marker for look in every}) == 12
    assert len({(look.color, look.linestyle) for look in every}) >= 8


# -- names that others chose -----------------------------------------------------------------------
def test_names_are_text_whatever_they_hold(tmp_path: Path, write_run: WriteRun) -> None:
    name = r"$\frac{x}$ </text><script>alert(1)</script> \x1b"[:-4] + "\x1b[31m\x00" + "long " * 40
    cohort = gather([write_run(tmp_path / "a", strategy=name, scenario="\u5b66\u7fd2"),
                     write_run(tmp_path / "b")])  # fmt: skip
    for kind in ("forgetting-curves", "average-accuracy", "time-cost", "transfer"):
        drawn = figure(KINDS[kind], cohort, standalone=True)
        root = ET.fromstring(render(drawn, "svg"))
        assert not [element for element in root.iter() if element.tag.endswith("script")]
        assert r"$\frac{x}$" in " ".join(root.itertext())


def test_names_are_cut_where_they_can_be_read() -> None:
    assert plain("a\tb\x00") == "a b\N{REPLACEMENT CHARACTER}"
    assert wrapped("replay+lwf", 20) == "replay+lwf"
    lines = wrapped("word " * 50, 20).split("\n")
    assert len(lines) == 3
    assert lines[-1].endswith("\N{HORIZONTAL ELLIPSIS}")


# -- colours ---------------------------------------------------------------------------------------
def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", SCHEMES)
def test_text_and_marks_stand_out_from_the_paper(name: str) -> None:
    scheme = SCHEMES[name]
    assert contrast(scheme.ink, scheme.paper) > 7
    assert contrast(scheme.muted, scheme.paper) > 4.5
    assert min(contrast(color, scheme.paper) for color in COLORS) > 2.2


def test_a_style_leaves_matplotlib_as_it_was() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams.copy())
    with style("dark") as scheme:
        assert matplotlib.rcParams["axes.facecolor"] == scheme.paper
    after = dict(matplotlib.rcParams)
    assert {key for key in before if before[key] != after[key]} <= {"backend"}
    with pytest.raises(ValueError, match="unknown colour scheme 'blue'; choose light or dark"):
        style("blue").__enter__()


# -- files -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("format", FORMATS)
def test_the_same_numbers_give_the_same_bytes(format: str, full: Cohort, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(figure(KINDS["accuracy-matrix"], full), tmp_path / f"{name}.{format}")
    first, second = (tmp_path / f"{name}.{format}" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_bad_places_and_formats_are_refused(full: Cohort, tmp_path: Path) -> None:
    drawn = figure(KINDS["average-accuracy"], full)
    with pytest.raises(ValueError, match=r"unknown format; choose a name that ends in \.svg"):
        save(drawn, tmp_path / "a.gif")
    with pytest.raises(ValueError, match="there is no folder"):
        save(drawn, tmp_path / "none" / "a.svg")
    (tmp_path / "b.svg").mkdir()
    with pytest.raises(ValueError, match="cannot write"):
        save(drawn, tmp_path / "b.svg")


def test_drawing_leaves_no_state_in_pyplot(five_runs: list[Path]) -> None:
    code = (
        "import sys, matplotlib.pyplot as plt\n"
        "from streamsim_reports.cohort import gather\n"
        "from streamsim_reports.figures import KINDS, figure\n"
        "figure(KINDS['accuracy-matrix'], gather(sys.argv[1:]))\n"
        "print(plt.get_fignums(), 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(five_runs[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"
