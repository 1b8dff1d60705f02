"""How figures look: two colour schemes, and a look for each arm that survives grey printing.

Coloured marks are the same in both schemes; only neutral colours differ, so a page may swap these.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

# seaborn's colour-blind palette without its two colours that vanish on white, neighbours apart
COLORS = ("#0173b2", "#d55e00", "#029e73", "#cc78bc", "#56b4e9", "#ca9161", "#de8f05", "#949494")
DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.2, 1.2, 1.2)))
MARKERS = "os^DvPX<>ph*"
SIZE = 9.0  # of text, in points
BAND = 0.18  # opacity of intervals


@dataclass(frozen=True)
class Scheme:
    """The neutral colours of a figure."""

    paper: str
    ink: str  # titles, labels
    muted: str  # ticks, notes
    grid: str


SCHEMES = {
    "light": Scheme("#ffffff", "#1f2328", "#59636e", "#dfe3e8"),
    "dark": Scheme("#14181d", "#e6e9ed", "#9aa4af", "#2c333b"),
}


class Look(NamedTuple):
    """What tells an arm apart from the others: any one of the three nearly does."""

    color: str
    linestyle: Any
    marker: str


@contextmanager
def style(scheme: str = "light") -> Iterator[Scheme]:
    """Draw in a scheme, "light" or "dark"; afterwards matplotlib is as it was."""
    import matplotlib
    import seaborn

    if scheme not in SCHEMES:
        raise ValueError(f"unknown colour scheme '{scheme}'; choose {' or '.join(SCHEMES)}")
    colors = SCHEMES[scheme]
    with matplotlib.rc_context():
        seaborn.set_theme("paper", "ticks", COLORS)
        _rc().update(_parameters(colors))
        yield colors


def _parameters(colors: Scheme) -> dict[str, Any]:
    neutral = {
        colors.paper: ("figure.facecolor", "axes.facecolor", "savefig.facecolor"),
        colors.ink: ("text.color", "axes.labelcolor"),
        colors.muted: ("xtick.color", "ytick.color", "axes.edgecolor"),
        colors.grid: ("grid.color",),
    }
    sizes = {
        SIZE: ("font.size", "axes.labelsize", "axes.titlesize"),
        SIZE - 1: ("xtick.labelsize", "ytick.labelsize", "legend.fontsize"),
    }
    return {
        **{name: color for color, names in neutral.items() for name in names},
        **{name: size for size, names in sizes.items() for name in names},
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
        "text.parse_math": False,  # names of arms are text, whatever signs they hold
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "legend.title_fontsize": SIZE - 1,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "grid.linewidth": 0.6,
        "xtick.major.size": 3.0,
        "ytick.major.size": 3.0,
        "xtick.major.width": 0.8,
        "ytick.major.width": 0.8,
        "lines.linewidth": 1.5,
        "lines.markersize": 4.0,
        "legend.frameon": False,
        "figure.dpi": 100,
    }


def looks(labels: pd.Series) -> dict[str, Look]:
    """The look of each label, by its place among all labels of the cohort.

    >>> import pandas as pd
    >>> looks(pd.Series(["naive", "replay", "naive"]))["replay"].marker
    's'
    """
    cycle = _rc()["axes.prop_cycle"].by_key().get("color", COLORS)
    return {
        label: Look(
            cycle[index % len(cycle)], DASHES[index % len(DASHES)], MARKERS[index % len(MARKERS)]
        )
        for index, label in enumerate(in_order(labels))
    }


def in_order(labels: pd.Series) -> list[str]:
    """Every label once: in the order of the cohort, else as they appear."""
    import pandas as pd

    if isinstance(labels.dtype, pd.CategoricalDtype):
        return [str(label) for label in labels.cat.categories]
    return [str(label) for label in labels.drop_duplicates()]


def ramp(number: int) -> list[Any]:
    """Colours for experiences, first to last: ordered in lightness, seen on white and on black."""
    import matplotlib
    import numpy as np

    return list(matplotlib.colormaps["plasma"](np.linspace(0.36, 0.82, number)))


def neutral(name: str) -> Any:
    """A neutral colour of the style in force: ink, muted, grid or paper."""
    names = {
        "ink": "text.color",
        "muted": "ytick.color",
        "grid": "grid.color",
        "paper": "axes.facecolor",
    }
    return _rc()[names[name]]


def _rc() -> Any:
    import matplotlib

    return matplotlib.rcParams


def plain(text: object) -> str:
    r"""A name on one line, without characters that a picture cannot hold.

    >>> plain("a\x00b\nc")
    'a�b c'
    """
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def wrapped(text: object, width: int, lines: int = 3) -> str:
    r"""A name on a few lines, broken at blanks and after "+"; what is too long ends in an ellipsis.

    >>> wrapped("multihead+ewc+replay", 20)
    'multihead+ewc+\nreplay'
    """
    breakable = plain(text).replace("+", "+ ")
    cut = textwrap.wrap(breakable, width, max_lines=lines, placeholder="\N{HORIZONTAL ELLIPSIS}")
    return "\n".join(cut).replace("+ ", "+")
