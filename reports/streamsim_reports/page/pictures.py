"""Figures of the page: drawn once, their colours tied to the colour scheme of the reader."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from streamsim_reports.cohort import Cohort
from streamsim_reports.page.model import Absent, Picture
from streamsim_reports.page.svg import draw_svg, inline_svg
from streamsim_reports.page.text import data_uri

LEAD = "average-accuracy"  # the figure beside the summary, which has half the width
LEAD_SIZE = (5.6, 3.9)  # inches

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from streamsim_reports.figures import Kind


def pictures(cohort: Cohort, prefix: str) -> tuple[list[Picture], list[Absent]]:
    """Every figure that the runs have data for, and the others with the reason."""
    from streamsim_reports.figures import KINDS

    drawn, absent = [], []
    for kind in KINDS.values():
        try:
            numbers = kind.numbers(cohort)
        except ValueError as error:
            absent.append(Absent(kind.title, str(error)))
        else:
            drawn.append(_picture(kind, cohort, numbers, prefix))
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


def _picture(kind: Kind, cohort: Cohort, numbers: pd.DataFrame, prefix: str) -> Picture:
    from streamsim_reports.figures import figure

    drawn = figure(replace(kind, numbers=lambda _: numbers), cohort)
    if kind.name == LEAD:
        drawn.set_size_inches(LEAD_SIZE)
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
