"""A scenario as a small TOML text: `streamsim run drift.toml replay`.

    scenario = "sea-abrupt"      # any registered name
    samples = 20_000
    start = 0                    # the first concept

    [options]                    # as after --set scenario.
    noise = 0.05

    [[takeovers]]                # in the order of time; for scenarios that are made of concepts
    at = 8_000
    to = 2                       # number of the next concept
    kind = "gradual"             # abrupt, gradual or incremental, whatever the others are
    width = 1_000

    [modifiers.label-noise]      # as in sea-abrupt+label-noise; its options
    share = 0.1

Reading gives a name and plain options, so a run folder needs the file no more.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from streamsim import composition, options
from streamsim.options import did_you_mean

ENDING = ".toml"
KEYS = ("scenario", "samples", "start", "options", "takeovers", "modifiers")
TAKEOVER = ("at", "to", "kind", "width")
KINDS = ("abrupt", "gradual", "incremental")
SCHEDULE = ("concepts", "positions", "widths", "drift")  # options that takeovers stand for


def read(path: str | Path) -> tuple[str, dict[str, Any]]:
    """The scenario's name, with modifiers, and its options, keyed like `--set`.

    ValueError, in one line that names the file and the key.
    """
    try:
        return _resolved(_parsed(Path(path)))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError("cannot be read: it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is no TOML: {error}") from None


def _resolved(given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    _known(given, KEYS, "")
    if not isinstance(given.get("scenario"), str):
        raise ValueError('scenario is missing; write scenario = "sea-abrupt"')
    name, values = given["scenario"], dict(_table(given, "options"))
    cls = next(iter(composition.scenario_classes(name).values()))
    schedule = _schedule(given)
    if "samples" in given:
        schedule["n_samples"] = _number(given, "samples", 1)
    for option in schedule:
        if option not in options.names(cls):
            key = "samples" if option == "n_samples" else "start and takeovers"
            raise ValueError(f"{key}: the scenario {name} has no {option}; leave that out")
        if option in values:
            raise ValueError(
                f"options.{option}: samples, start and takeovers say this; leave one out"
            )
    values |= schedule
    for modifier in _table(given, "modifiers"):
        name += f"+{modifier}"
        own = _table(given["modifiers"], modifier, "modifiers.")
        values |= {f"{modifier}.{option}": value for option, value in own.items()}
    composition.build_scenario(name, values)  # refused here, where the file has a name
    return name, {f"scenario.{option}": value for option, value in values.items()}


def _schedule(given: Mapping[str, Any]) -> dict[str, Any]:
    """Takeovers as the options of a drifting stream; nothing if there are none."""
    if "takeovers" not in given and "start" not in given:
        return {}
    takeovers = given.get("takeovers", [])
    if not isinstance(takeovers, list) or not all(isinstance(t, dict) for t in takeovers):
        raise ValueError("takeovers: write each one below a line [[takeovers]]")
    start = _number(given, "start", 0) if "start" in given else 0
    concepts, positions, widths, drift = [start], [], [], []
    for number, takeover in enumerate(takeovers, 1):
        where = f"takeovers[{number}]."
        _known(takeover, TAKEOVER, where)
        positions.append(_number(takeover, "at", 1, where))
        concepts.append(_number(takeover, "to", 0, where))
        kind, width = _kind(takeover, where)
        widths.append(width)
        drift.append("gradual" if kind == "abrupt" else kind)  # of width 0 they are the same
    for number, (earlier, later) in enumerate(itertools.pairwise(positions), 2):
        if later <= earlier:
            raise ValueError(
                f"takeovers[{number}].at={later}: the one before is at {earlier}; "
                "write them in the order of time"
            )
    schedule = (concepts, positions, widths or [0], drift or ["gradual"])
    return dict(zip(SCHEDULE, schedule, strict=True))


def _kind(takeover: Mapping[str, Any], where: str) -> tuple[str, int]:
    """Kind and width: each follows from the other where one is left out."""
    width = _number(takeover, "width", 0, where) if "width" in takeover else 0
    kind = takeover.get("kind", "gradual" if width else "abrupt")
    if kind not in KINDS:
        raise ValueError(
            f"{where}kind={kind!r}: choose {', '.join(KINDS)}{did_you_mean(str(kind), KINDS)}"
        )
    if (kind == "abrupt") != (width == 0):
        wants = "no width" if kind == "abrupt" else "a width of 1 sample or more"
        raise ValueError(f"{where}width={width}: kind={kind!r} has {wants}")
    return kind, width


def _known(given: Iterable[str], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            raise ValueError(
                f"unknown key {where}{key}; choose {', '.join(known)}{did_you_mean(key, known)}"
            )


def _table(given: Mapping[str, Any], key: str, where: str = "") -> Mapping[str, Any]:
    found = given.get(key, {})
    if not isinstance(found, dict):
        raise ValueError(f"{where}{key}={found!r}: write a table, [{where}{key}]")
    return found


def _number(given: Mapping[str, Any], key: str, least: int, where: str = "") -> int:
    value = given.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        shown = " is missing" if value is None else f"={value!r}"
        raise ValueError(f"{where}{key}{shown}: give a whole number of {least} or more")
    return value
