"""Figures as part of a page: matplotlib's SVG made small, safe, themed and readable aloud.

A page with a strict Content-Security-Policy blocks `style` attributes, so they become presentation
attributes. Only elements and attributes on a list survive, ids are prefixed (several figures share
a document) and coordinates lose digits that nobody can see.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from matplotlib.figure import Figure

ELEMENTS = {
    "svg", "g", "defs", "clipPath", "path", "use", "text", "tspan", "rect", "image", "line",
    "circle", "polygon", "polyline", "linearGradient", "stop", "pattern",
}  # fmt: skip
PRESENTATION = {
    "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity",
    "stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin",
    "stroke-miterlimit", "opacity", "clip-path", "clip-rule", "font-size", "font-style",
    "font-weight", "text-anchor", "image-rendering", "stop-color", "stop-opacity",
}  # fmt: skip
GEOMETRY = {
    "id", "d", "x", "y", "x1", "y1", "x2", "y2", "width", "height", "r", "cx", "cy", "points",
    "transform", "viewBox", "href", "offset", "clipPathUnits", "gradientUnits", "patternUnits",
    "preserveAspectRatio",
}  # fmt: skip
DEFAULTS = {"fill-opacity": "1", "stroke-opacity": "1", "opacity": "1", "stroke-dashoffset": "0"}
HAS_NUMBERS = {"d", "x", "y", "x1", "y1", "x2", "y2", "width", "height", "points", "transform"}
FONTS = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def draw_svg(figure: Figure) -> str:
    """Matplotlib's own SVG of a figure: text stays text, equal figures give equal bytes."""
    import matplotlib as mpl

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "streamsim"}):
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    return buffer.getvalue()


def inline_svg(
    source: str, prefix: str, title: str, description: str, colours: Mapping[str, str]
) -> str:
    """An SVG document as an `<svg>` element to put into a page.

    `prefix` keeps its ids apart from those of other figures; `title` and `description` are what a
    screen reader says; `colours` maps hexadecimal colours to what stands for them in the page,
    such as `var(--ink)`; a key may begin with the attribute it is meant for, `stroke #ffffff`.
    Script, style sheets, foreign objects and links do not survive.
    """
    root = ElementTree.fromstring(source)
    used = _references(root)
    lower = {colour.lower(): new for colour, new in colours.items()}
    _clean(root, prefix, used, lower)
    width, height = root.attrib.get("viewBox", "0 0 0 0").split()[2:]
    root.attrib |= {"width": _pixels(width), "height": _pixels(height)}
    # what matplotlib says in a style sheet
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt", "font-family": FONTS}
    root.attrib |= {
        "xmlns": "http://www.w3.org/2000/svg",
        "role": "img",
        "aria-labelledby": f"{prefix}-title {prefix}-desc",
    }
    for position, (name, text) in enumerate({"title": title, "desc": description}.items()):
        element = ElementTree.Element(name, {"id": f"{prefix}-{name}"})
        element.text = text
        root.insert(position, element)
    return ElementTree.tostring(root, encoding="unicode")


def _clean(element: Element, prefix: str, used: set[str], colours: Mapping[str, str]) -> None:
    element.tag = _local(element.tag)
    element.attrib = _attributes(element, prefix, used, colours)
    if element.tag not in ("text", "tspan"):
        element.text = None
        for child in element:
            child.tail = None
    for child in list(element):
        if _local(child.tag) not in ELEMENTS:
            element.remove(child)
            continue
        _clean(child, prefix, used, colours)
        if child.tag in ("g", "defs") and len(child) == 0:
            element.remove(child)
    # groups that say nothing are half of what matplotlib writes
    element[:] = [
        kept
        for child in element
        for kept in (list(child) if child.tag == "g" and not child.attrib else [child])
    ]


def _attributes(
    element: Element, prefix: str, used: set[str], colours: Mapping[str, str]
) -> dict[str, str]:
    """Presentation and geometry only, `style` taken apart, references prefixed."""
    given = {_local(name): value for name, value in element.attrib.items()}
    for declaration in given.pop("style", "").split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            given[name.strip()] = value.strip()
    kept: dict[str, str] = {}
    for name, value in given.items():
        if name in PRESENTATION and DEFAULTS.get(name) != value:
            local = re.sub(r"url\(#([^)]*)\)", rf"url(#{prefix}-\1)", value)
            if "url(" not in local or local.startswith(f"url(#{prefix}-"):
                colour = local.lower()
                kept[name] = colours.get(f"{name} {colour}", colours.get(colour, local))
        elif name == "id" and value in used:
            kept[name] = f"{prefix}-{value}"
        elif name == "href" and value.startswith("#"):
            kept[name] = f"#{prefix}-{value[1:]}"
        elif name == "href" and value.startswith("data:image/png;base64,"):
            kept[name] = value
        elif name in GEOMETRY and name not in ("id", "href"):
            kept[name] = _rounded(value) if name in HAS_NUMBERS else value
    if kept.get("transform", "").startswith("rotate(0 "):
        del kept["transform"]
    if element.tag == "text":
        kept.setdefault("fill", colours.get("#000000", "#000000"))
    return kept


def _references(root: Element) -> set[str]:
    """The ids that something in the document points to."""
    found: set[str] = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            if _local(name) == "href" and value.startswith("#"):
                found.add(value[1:])
            found.update(re.findall(r"url\(#([^)]*)\)", value))
    return found


def _rounded(text: str) -> str:
    """Numbers to a hundredth of a point.

    >>> _rounded("M 12.345678 0.5 L 3 1.999")
    'M12.35 .5L3 2'
    """
    short = re.sub(r"-?\d+(\.\d+)?", lambda found: _short(float(found[0])), text)
    return re.sub(r"\s*([MLQCZz])\s*", r"\1", " ".join(short.split()))


def _pixels(points: str) -> str:
    """At this size text has the size it was drawn with."""
    return f"{float(points) * 4 / 3:.0f}"


def _short(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return {"-0": "0"}.get(text, re.sub(r"^(-?)0\.", r"\1.", text))


def _local(name: str) -> str:
    return name.rpartition("}")[2]
