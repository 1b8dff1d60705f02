"""Numbers and names as people write them."""

from __future__ import annotations

from collections.abc import Sequence


def listed(words: Sequence[str], most: int | None = None) -> str:
    """
    >>> listed(["naive", "ewc", "replay"]), listed(["naive", "ewc", "replay", "lwf"], most=2)
    ('naive, ewc and replay', 'naive, ewc and 2 more')
    """
    shown = [*words]
    if most is not None and len(words) > most + 1:
        shown = [*words[:most], f"{len(words) - most} more"]
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def number(value: float) -> str:
    """Three decimals, as many as seeds usually allow.

    >>> number(0.12345), number(-0.00004)
    ('0.123', '0.000')
    """
    text = f"{value:.3f}"
    return text.removeprefix("-") if float(text) == 0 else text


def estimate(mean: float, half_width: float) -> str:
    """
    >>> estimate(0.5, 0.01), estimate(0.5, float("nan"))
    ('0.500 ± 0.010', '0.500')
    """
    return number(mean) + (f" ± {number(half_width)}" if half_width == half_width else "")


def p_value(p: float) -> str:
    """
    >>> p_value(0.0301), p_value(0.0000002)
    ('p = 0.030', 'p < 0.001')
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def counted(count: float, noun: str) -> str:
    """
    >>> counted(1, "seed"), counted(30, "seed")
    ('1 seed', '30 seeds')
    """
    return f"{count:,.0f} {noun}{'' if count == 1 else 's'}"


def about(count: float, noun: str) -> str:
    """A count that is not known to more than two digits.

    >>> about(34, "seed"), about(2511, "seed")
    ('about 34 seeds', 'about 2,500 seeds')
    """
    digits = max(0, len(str(round(count))) - 2)
    return f"about {counted(round(count, -digits), noun)}"
