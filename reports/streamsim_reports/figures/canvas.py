"""From a kind and a cohort to a whole figure: panels, legend, title, caption; and to a file."""

from __future__ import annotations

import math
import re
import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamsim_reports.cohort import Cohort
from streamsim_reports.figures.captions import names
from streamsim_reports.figures.heat import make_legible
from streamsim_reports.figures.kind import Kind
from streamsim_reports.figures.theme import SIZE, in_order, neutral, plain, style, wrapped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")
WIDTH = 8.4  # inches
ONE_MAP = 5.0  # inches of a single square map with its bar of colours
DPI = 200  # of PNG files and of bitmaps within others
_PATH, _LONG = re.compile(rb' d="[^"]*"'), re.compile(rb"(\.\d\d)\d+")  # 1/100 point will do
_NO_DATE: dict[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "png": {},
    "pdf": {"CreationDate": None},
}


def figure(kind: Kind, cohort: Cohort, scheme: str = "light", standalone: bool = False) -> Figure:
    """A figure of a cohort, `scheme` "light" or "dark"; ValueError if it has nothing to draw.

    `standalone` adds the title above and the caption below, for a picture that travels alone.
    """
    from matplotlib.figure import Figure

    numbers = kind.numbers(cohort)
    panels = _panels(kind, numbers)
    columns = _columns(len(panels), kind.columns)
    rows = math.ceil(len(panels) / columns)
    with style(scheme):
        height = rows * max(_height(columns), kind.tall(numbers) + 0.6)
        width = ONE_MAP if kind.bar and len(panels) == 1 else WIDTH
        drawn = Figure(figsize=(width, height), layout="constrained")
        grid = drawn.subplots(
            rows,
            columns,
            squeeze=False,
            sharex=kind.shared == "both",
            sharey=kind.shared != "none",
        )
        every = list(grid.flat)
        heights = []
        for axes, (name, part) in zip(every, panels.items(), strict=False):
            kind.draw(part, axes)
            heights.append(axes.get_ylim())
            if len(panels) > 1 or kind.panel not in ("scenario", "option"):
                axes.set_title(wrapped(name, {1: 70, 2: 40, 3: 24}.get(columns, 17)), loc="left")
        for axes in every[len(panels) :]:
            axes.remove()
        used = every[: len(panels)]
        if kind.shared != "none":  # each panel has set limits for itself
            used[0].set_ylim(min(low for low, _ in heights), max(high for _, high in heights))
        _tidy(used, columns, kind.shared)
        _merge_legends(drawn, used)
        if kind.bar:
            _add_bar(drawn, used, kind)
        if standalone:
            title = f"{kind.title}: {names(cohort.scenarios)}"
            _frame(drawn, title, kind.caption(cohort, numbers))
    return drawn


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure; the ending of the name chooses the format. The same figure, the same bytes.

    ValueError for an unknown format or a place that cannot be written.
    """
    path = Path(path)
    check_path(path)
    content = render(figure, path.suffix.lower().removeprefix("."))
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror}") from None


def render(figure: Figure, format: str) -> bytes:
    """A figure as SVG, PNG or PDF."""
    import io

    import matplotlib

    content = io.BytesIO()
    # text stays text in SVG: small, sharp, and read by screen readers and searches
    fixed: Any = {"svg.fonttype": "none", "svg.hashsalt": "streamsim", "pdf.fonttype": 42}
    metadata = dict(_NO_DATE[format])
    if title := figure.get_suptitle():
        metadata["Title"] = title
    with matplotlib.rc_context(fixed), warnings.catch_warnings():
        # names in scripts that the font lacks: browsers have other fonts
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(content, format=format, dpi=DPI, metadata=metadata)
    if format != "svg":
        return content.getvalue()
    return _PATH.sub(lambda path: _LONG.sub(rb"\1", path[0]), content.getvalue())


def check_path(path: Path) -> None:
    """ValueError if a figure cannot be saved there; nothing is written."""
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        wanted = ", ".join(f".{format}" for format in FORMATS)
        raise ValueError(f"{path}: unknown format; choose a name that ends in {wanted}")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}; make it first")


def _panels(kind: Kind, numbers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Numbers of each panel, in the order of the cohort."""
    names = in_order(numbers[kind.panel])
    own = numbers[kind.panel].astype(str)
    return {name: part for name in names if len(part := numbers[own == name])}


def _columns(panels: int, most: int) -> int:
    """Panels side by side: few enough to be read, in rows as even as can be."""
    if panels <= 3:
        return min(panels, most)
    rows = math.ceil(panels / most)
    return 2 if panels == 4 and most >= 2 else math.ceil(panels / rows)


def _height(columns: int) -> float:
    """Inches of a row of panels."""
    return {1: 3.8, 2: 2.9, 3: 2.5}.get(columns, 2.1)


def _tidy(used: list[Axes], columns: int, shared: str) -> None:
    """Names of axes, and ticks of shared ones, stay at the outer panels."""
    rows = math.ceil(len(used) / columns)
    for number, axes in enumerate(used):
        if shared == "both":
            axes.xaxis.set_tick_params(labelbottom=number + columns >= len(used))
        if shared != "none":
            axes.yaxis.set_tick_params(labelleft=number % columns == 0)
        if number // columns < rows - 1 and shared != "y":
            axes.set_xlabel("")
        if number % columns:
            axes.set_ylabel("")


def _merge_legends(drawn: Figure, used: list[Axes]) -> None:
    """One legend beside all panels, with what any of them names."""
    entries: dict[str, Any] = {}
    title = ""
    for axes in used:
        legend = axes.get_legend()
        if legend is not None:
            texts = [text.get_text() for text in legend.get_texts()]
            for text, handle in zip(texts, legend.legend_handles, strict=True):
                entries.setdefault(text, handle)
            title = legend.get_title().get_text() or title
            legend.remove()
    if entries:
        drawn.legend(
            list(entries.values()),
            list(entries),
            title=title or None,
            loc="outside right upper",
            alignment="left",
        )


def _add_bar(drawn: Figure, used: list[Axes], kind: Kind) -> None:
    """One colour bar, and one scale of colours, for all panels."""
    meshes = [axes.collections[0] for axes in used]
    limits = [mesh.get_clim() for mesh in meshes]
    low, high = min(limit[0] for limit in limits), max(limit[1] for limit in limits)
    for mesh in meshes:
        mesh.set_clim(low, high)
    for axes in used:
        make_legible(axes)
    bar = drawn.colorbar(meshes[0], ax=used, label=kind.bar, shrink=0.8, aspect=25, pad=0.02)
    bar.outline.set_visible(False)
    kind.bar_ticks(bar.ax.yaxis, high)


def _frame(drawn: Figure, title: str, caption: str) -> None:
    """Title above and caption below; the figure grows by what they need."""
    share = drawn.get_figwidth() / WIDTH
    lines = textwrap.wrap(plain(caption), int(125 * share))
    heads = textwrap.wrap(plain(title), int(72 * share))
    more = 0.4 + 0.2 * (len(heads) - 1) + 0.165 * len(lines)
    drawn.set_figheight(drawn.get_figheight() + more)
    drawn.suptitle("\n".join(heads), x=0.012, ha="left", fontsize=SIZE + 4, fontweight="bold")
    drawn.supxlabel(
        "\n".join(lines),
        x=0.012,
        ha="left",
        fontsize=SIZE - 1,
        color=neutral("muted"),
        linespacing=1.35,
    )
