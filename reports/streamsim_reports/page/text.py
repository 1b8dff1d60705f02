"""Values as text on a page."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from streamsim_reports import wording

if TYPE_CHECKING:
    import pandas as pd

MINUS = "\N{MINUS SIGN}"
GLUE = "\N{NO-BREAK SPACE}"
NOTHING = "\N{EN DASH}"


def number(value: float) -> str:
    """A number with a proper minus; a dash where there is none.

    >>> number(-0.12345), number(float("nan"))
    ('−0.123', '–')
    """
    return NOTHING if math.isnan(value) else wording.number(value).replace("-", MINUS)


def plus_minus(mean: float, half: float) -> str:
    """`0.123 ± 0.045`, never broken into lines; without an interval (one seed) the mean alone."""
    if math.isnan(mean):
        return NOTHING
    return wording.estimate(mean, half).replace("-", MINUS).replace(" ", GLUE)


def p_value(p: float) -> str:
    """`p < 0.001`, `p = 0.034`, never broken into lines."""
    return "not tested" if math.isnan(p) else wording.p_value(p).replace(" ", GLUE)


def listed(names: Sequence[str], most: int = 6) -> str:
    """`a, b and c`; of many names the first few and how many more."""
    return wording.listed(names, most)


def count(amount: int, noun: str) -> str:
    """`1 seed`, `30 seeds`, `2 strategies`."""
    return wording.counted(amount, noun) if noun[-1] != "y" or amount == 1 else (
        f"{amount:,} {noun[:-1]}ies"
    )  # fmt: skip


def printable(text: object, most: int = 400) -> str:
    """Text from a stranger's folder: no control characters, no endless words.

    >>> printable("a\\x00b\\ud800")
    'a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}'
    """
    # categories: Cc control, Cf format (turns the direction of writing), Cs surrogate
    shown = "".join(
        " " if letter in "\n\t\r"
        else "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in ("Cc", "Cf", "Cs")
        else letter
        for letter in str(text)[: most + 1]
    )  # fmt: skip
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def distinct(labels: Iterable[str], most: int = 48) -> list[str]:
    """Printable names that stay different from each other when they are cut short."""
    found: list[str] = []
    for label in labels:
        short = printable(label, most)
        again = sum(1 for other in found if other == short or other.startswith(f"{short} ("))
        found.append(short if short not in found else f"{short} ({again + 1})")
    return found


def data_uri(table: pd.DataFrame) -> str:
    """A table as CSV in an address of its own, which any browser saves, from disk and offline."""
    text = table.to_csv(index=False, float_format="%.9g", lineterminator="\n")
    return "data:text/csv;charset=utf-8," + quote(text.encode("utf-8", "replace"), ",;:/@!$()*=+")
