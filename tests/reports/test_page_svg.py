"""Figures inside a page: the same picture, in half the bytes, and nothing but a picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from streamsim_reports.page.svg import PRESENTATION, draw_svg, inline_svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn() -> Figure:
    figure = Figure((4, 3))
    axes = figure.subplots()
    axes.plot([0, 1, 2], [0.123456, 0.5, 0.25], label="a <b>", marker="o", color="#0173b2")
    axes.fill_between([0, 1, 2], [0, 0.3, 0.1], [0.2, 0.7, 0.4], alpha=0.2)
    axes.pcolormesh([0, 1], [0, 1], [[1.0]])
    axes.legend(loc="upper right")
    axes.set_title("<script>alert(1)</script>", color="#123456")
    return figure


@pytest.fixture(scope="module")
def source() -> str:
    return draw_svg(drawn())


def test_the_same_figure_gives_the_same_bytes(source: str) -> None:
    assert draw_svg(drawn()) == source


def test_no_style_is_left_and_none_is_lost(source: str) -> None:
    """What `style` said, an attribute says; independent: declarations counted in the source."""
    inline = inline_svg(source, "f", "t", "d", {})
    assert "style" not in inline
    for name in ("fill", "stroke", "stroke-width", "clip-path", "fill-opacity", "text-anchor"):
        said = re.findall(rf'[";] ?{name}: ([^;"]+)', source)
        kept = re.findall(rf' {name}="([^"]+)"', inline)
        assert set(said) - {"1"} <= set(kept) | {f"url(#{u[5:]}" for u in kept}, name


def test_coordinates_move_less_than_can_be_seen(source: str) -> None:
    pattern = r"[-.\d]+"
    before = [p.get("d", "") for p in ElementTree.fromstring(source).iter(f"{SVG}path")]
    after = [
        p.get("d", "")
        for p in ElementTree.fromstring(inline_svg(source, "f", "t", "d", {})).iter(f"{SVG}path")
    ]
    assert len(before) == len(after) > 5
    for old, new in zip(before, after, strict=True):
        numbers = [[float(n) for n in re.findall(pattern, d)] for d in (old, new)]
        assert numbers[1] == pytest.approx(numbers[0], abs=0.0051)


def test_it_is_half_as_large(source: str) -> None:
    assert len(inline_svg(source, "f", "t", "d", {})) < 0.6 * len(source)


def test_ids_of_two_figures_never_meet_and_references_still_hold(source: str) -> None:
    one, two = (inline_svg(source, name, "t", "d", {}) for name in ("one", "two"))
    ids = [set(re.findall(r' id="([^"]+)"', text)) for text in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]
    used = set(re.findall(r"url\(#([^)]+)\)", one)) | set(re.findall(r'href="#([^"]+)"', one))
    assert used
    assert used <= ids[0]


def test_colours_follow_the_page(source: str) -> None:
    inline = inline_svg(source, "f", "t", "d", {"#0173B2": "var(--c1)", "#123456": "var(--ink)"})
    assert "#0173b2" not in inline
    assert 'stroke="var(--c1)"' in inline
    assert 'fill="var(--ink)"' in inline


def test_a_screen_reader_hears_a_title_and_a_description(source: str) -> None:
    root = ElementTree.fromstring(inline_svg(source, "f", "<i>Title</i>", "What & why", {}))
    assert root.get("role") == "img"
    named = {element.get("id"): element.text for element in root}
    assert [named[name] for name in (root.get("aria-labelledby") or "").split()] == [
        "<i>Title</i>",
        "What & why",
    ]


HOSTILE = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
 viewBox="0 0 10 20" onload="alert(1)">
<style>*{display:none}</style><script>alert(2)</script>
<foreignObject><b xmlns="http://www.w3.org/1999/xhtml" onclick="alert(3)">x</b></foreignObject>
<a xlink:href="javascript:alert(4)"><text>link</text></a>
<use xlink:href="https://example.org/a.svg#b"/><image href="https://example.org/a.png"/>
<path id="p" d="M 0 0" onclick="alert(5)"
 style="fill: url(https://example.org/x); behavior: url(y)"/>
<animate attributeName="href" values="javascript:alert(6)"/><text>seen</text></svg>"""


def test_nothing_but_a_picture_survives() -> None:
    inline = inline_svg(HOSTILE, "f", "t", "d", {})
    root = ElementTree.fromstring(inline)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "title", "desc", "use", "image", "path", "text"),
    }
    for forbidden in ("alert", "example.org", "javascript", "onclick", "behavior", "style"):
        assert forbidden not in inline
    assert "seen" in inline


def test_only_known_presentation_is_kept() -> None:
    inline = inline_svg(
        '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0" '
        'style="fill: red; position: fixed; stroke: blue"/></svg>', "f", "t", "d", {},
    )  # fmt: skip
    assert 'fill="red"' in inline
    assert 'stroke="blue"' in inline
    assert "fixed" not in inline
    assert "position" not in PRESENTATION


def test_its_natural_size_is_that_of_the_view_box_in_pixels() -> None:
    root = ElementTree.fromstring(inline_svg(HOSTILE, "f", "t", "d", {}))
    assert (root.get("width"), root.get("height")) == ("13", "27")  # 10 and 20 points
