"""New plugin packages: `streamsim new` fills in the files below `files/`."""

from __future__ import annotations

import keyword
import os
import re
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import NamedTuple

from streamsim import registry
from streamsim.options import did_you_mean
from streamsim.registry import GROUPS, Kind

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
FILES = Path(__file__).parent / "files"
LAYOUT = {  # place in the new package to template; $words are filled in, in both
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README-$kind.md.txt",
    "$package/__init__.py": "init.py.txt",
    "$package/$module.py": "$kind.py.txt",
    "$package/py.typed": "py.typed.txt",
    "tests/test_$module.py": "test_$kind.py.txt",
}


class Shape(NamedTuple):
    """What differs between kinds of plugins."""

    module: str
    suffix: str  # of class names that would otherwise mean something else


SHAPES: Mapping[Kind, Shape] = {
    "scenario": Shape("scenario", "Stream"),
    "modifier": Shape("modifier", "Modifier"),
    "strategy": Shape("part", "Part"),
}


def write(kind: str, name: str, folder: Path) -> Path:
    """Write a plugin package that works into a new or empty folder, or raise ValueError."""
    found = next((known for known in SHAPES if known == kind), None)
    if found is None:
        near = did_you_mean(kind, SHAPES)
        raise ValueError(f"unknown kind '{kind}'; choose one of {', '.join(SHAPES)}{near}")
    _check_name(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there and not empty; choose another --folder")
    words = _words(found, name)
    texts = {
        _fill(place, words): _read(_fill(file, words), words) for place, file in LAYOUT.items()
    }
    try:
        _write_whole(folder.absolute(), texts)
    except OSError as error:
        raise ValueError(
            f"cannot write {folder}: {error.strerror}; choose another --folder"
        ) from None
    return folder


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(
            f"the name '{name}': use lower-case letters, digits and single hyphens, beginning with "
            "a letter, as in my-replay"
        )
    for kind in SHAPES:
        if name in registry.plugins(kind):
            taken = registry.plugins(kind)[name].package
            raise ValueError(f"{taken} has a {kind} '{name}' already; choose another name")
    if find_spec(_package(name)) is not None:
        raise ValueError(f"a package {_package(name)} is installed already; choose another name")


def _package(name: str) -> str:
    return f"streamsim_{name.replace('-', '_')}"


def _words(kind: Kind, name: str) -> dict[str, str]:
    """What templates may ask for."""
    module, suffix = SHAPES[kind]
    cls = "".join(part.capitalize() for part in name.split("-"))
    used = re.findall(r"\w+", (FILES / f"{kind}.py.txt").read_text(encoding="utf-8"))
    if keyword.iskeyword(cls) or cls in used:
        cls += suffix
    return {
        "kind": kind,
        "group": GROUPS[kind],
        "name": name,
        "package": _package(name),
        "module": module,
        "cls": cls,
    }


def _fill(text: str, words: dict[str, str]) -> str:
    return Template(text).substitute(words)


def _read(file: str, words: dict[str, str]) -> str:
    return _fill((FILES / file).read_text(encoding="utf-8"), words)


def _write_whole(folder: Path, texts: dict[str, str]) -> None:
    """Put the files into a hidden folder beside the target, then rename what is in it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as hidden:
        ready = Path(hidden) / "ready"
        for place, text in texts.items():
            (ready / place).parent.mkdir(parents=True, exist_ok=True)
            (ready / place).write_text(text, encoding="utf-8", newline="\n")
        if not folder.exists():
            os.replace(ready, folder)
            return
        for entry in ready.iterdir():
            os.replace(entry, folder / entry.name)
