"""Figures of the page: drawn once, their colours tied to the colour scheme of the reader."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from streamsim_reports.cohort import Cohort
from streamsim_reports.page.model import Absent, Picture
from streamsim_reports.page.svg import draw_svg, inline_svg
from streamsim_reports.page.text import data_uri

LEAD_SIZE = (5.6, 3.9)  # inches; the figure beside the summary has half the width

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from streamsim_reports.figures import Kind


def pictures(cohort: Cohort, prefix: str, lead: str) -> tuple[list[Picture], list[Absent]]:
    """Every figure that the runs have data for, and the others with the reason.

    `lead` is the kind that stands beside the summary.
    """
    from streamsim_reports.figures import KINDS

    drawn, absent = [], []
    for kind in KINDS.values():
        try:
            numbers = kind.numbers(cohort)
        except ValueError as error:
            absent.append(Absent(kind.title, str(error)))
        else:
            size = LEAD_SIZE if kind.name == lead else None
            drawn.append(_picture(kind, cohort, numbers, prefix, size))
    return drawn, absent


def _colours() -> dict[str, str]:
    """The neutral colours of the light scheme, as the style sheet calls them."""
    from streamsim_reports.figures.theme import SCHEMES

    light = SCHEMES["light"]
    return {
        light.ink: "var(--ink)",
        light.muted: "var(--soft)",
        light.grid: "var(--line)",
        f"stroke {light.paper}": "var(--paper)",  # white text on a dark cell stays white
    }


def _picture(
    kind: Kind,
    cohort: Cohort,
    numbers: pd.DataFrame,
    prefix: str,
    size: tuple[float, float] | None,
) -> Picture:
    from streamsim_reports.figures import figure

    drawn = figure(replace(kind, numbers=lambda _: numbers), cohort)
    if size is not None:
        drawn.set_size_inches(size)
    caption = kind.caption(cohort, numbers)
    about = f"{kind.description} {caption}"
    return replace(
        as_picture(drawn, kind.name, kind.title, about, numbers, prefix), caption=caption
    )


def as_picture(
    drawn: Figure, name: str, title: str, description: str, numbers: pd.DataFrame, prefix: str
) -> Picture:
    """A drawn figure with the numbers behind it; the description is its caption and alt text."""
    with warnings.catch_warnings():
        # the browser brings the letters that matplotlib's own font lacks
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        # names may be so long that they leave no room to lay out
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        source = draw_svg(drawn)
    own = f"{prefix}-{name}"
    return Picture(
        kind=name,
        name=own,
        title=title,
        caption=description,
        svg=inline_svg(source, own, title, description, _colours()),
        csv=data_uri(numbers),
        file=f"{own}.csv",
    )
