"""The commands that make a run again, quoted for a shell."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from streamsim.runs import Run


def as_typed(run: Run) -> str | None:
    """The command that wrote the run; None if it came from Python."""
    command = run.info["environment"].get("command")
    if (
        not isinstance(command, list)
        or len(command) < 2
        or not str(command[0]).startswith("streamsim")
    ):
        return None
    return shlex.join(str(word) for word in command)


def in_full(run: Run) -> str | None:
    """A command with every option spelt out; None where objects came from Python.

    Spelt out, it means the same run even after a default changes. Raises nothing: what a stranger's
    folder holds is quoted, never interpreted.
    """
    names = run.configuration
    if any(":" in str(names[key]) or "#" in str(names[key]) for key in ("scenario", "model")):
        return None
    if "#" in str(names["strategy"]):
        return None
    words = ["streamsim", "run", str(names["scenario"]), str(names["strategy"])]
    words += ["--model", str(names["model"]), "--seeds", _seeds(names["seeds"])]
    for name, value in sorted(names["options"].items()):
        words += ["--set", f"{name}={typed(value)}"]
    for name, values in names["sweep"].items():
        texts = [typed(value) for value in values]
        # a single value with a comma in it needs a semicolon to be read as one value
        separator = ";" if any("," in text for text in texts) else ","
        ending = separator if len(texts) == 1 else ""
        words += ["--sweep", f"{name}={separator.join(texts)}{ending}"]
    measured = {name.partition(".")[0] for name in names["options"]}
    if "transference" in measured:
        words.append("--transference")
    # by default the scenario decides
    words.append("--prequential" if "prequential" in measured else "--no-prequential")
    if names.get("eval_every") is not None:
        words += ["--eval-every", str(names["eval_every"])]
    return shlex.join(words)


def report(paths: Iterable[Path]) -> str:
    """The command that makes the page from run folders."""
    return shlex.join(["streamsim", "report", *map(str, paths)])


def typed(value: Any) -> str:
    """A value as it is typed after `--set name=`.

    >>> typed([100, 100]), typed(None), typed(True), typed(0.05)
    ('100,100', 'none', 'true', '0.05')
    """
    if isinstance(value, (list, tuple)):
        return ",".join(typed(item) for item in value)
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _seeds(seeds: Sequence[int]) -> str:
    """`30` for the first thirty, else all of them, as `--seeds` reads them.

    >>> _seeds([0, 1, 2]), _seeds([7]), _seeds([3, 5])
    ('3', '7,', '3,5')
    """
    if list(seeds) == list(range(len(seeds))):
        return str(len(seeds))
    return ",".join(map(str, seeds)) + ("," if len(seeds) == 1 else "")
