"""Data sets of river as streams: recorded ones, and generators, run once for all seeds.

Phishing, ImageSegments, Shuttle and Bananas come with river. What river would have to download is
refused with the command that does it.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

from pydantic import Field
from pydantic.dataclasses import dataclass

from streamsim.options import did_you_mean
from streamsim_scenarios.recorded import Columns, Recorded
from streamsim_scenarios.tables.encoding import Reading
from streamsim_scenarios.tables.files import Piece, Source

LABEL = "(label)"  # the column of labels; no feature is called so
BLOCK = 4096  # samples at once
GENERATED = 10_000  # samples of a generator, unless told otherwise
HINTS: Mapping[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "int | None": int | None,
    "float | None": float | None,
    "tuple[int, ...]": tuple[int, ...],
}


@dataclass(frozen=True, kw_only=True)
class RiverData(Recorded, Columns):
    """Any classification data set of river, with its options: write river:Phishing, river:SEA."""

    river: ClassVar[type[Any] | None] = None
    reference: ClassVar[str] = (
        "Montiel et al. 2021, River: machine learning for streaming data in Python"
    )

    @classmethod
    def named(cls, name: str) -> type[RiverData]:
        """The scenario of a data set; `synth.` before a generator may be left out."""
        return _scenario(name)

    @classmethod
    def members(cls) -> list[str]:
        """The names that `named` takes."""
        return [*_known()]

    def source(self, root: Path) -> Source:
        return _source(self._opened())

    def reading(self) -> Reading:
        return Reading(
            LABEL,
            categorical=self.categorical,
            drop=self.drop,
            max_categories=self.max_categories,
            missing=self.missing,
            most_rows=self.n_samples,
        )

    def _opened(self) -> Any:
        """River's object; ValueError where it is no stream of labelled samples."""
        if self.river is None:
            raise ValueError(
                "river:NAME stands for a data set of river; see: streamsim show scenario river:NAME"
            )
        given = {name: getattr(self, name) for name in _options(self.river)}
        name = self.river.__name__
        try:
            found = self.river(**given)
        except ValueError as error:
            raise ValueError(f"river:{name}: {error}") from None
        if found.task not in ("Binary classification", "Multi-class classification"):
            raise ValueError(f"river:{name} is for {found.task.lower()}; choose one with classes")
        if found.sparse:
            raise ValueError(f"river:{name} has {found.n_features:,} sparse features; too many")
        if not getattr(found, "is_downloaded", True):
            arguments = ", ".join(f"{key}={value!r}" for key, value in given.items())
            raise ValueError(
                f"river:{name} is not downloaded; run: python -c "
                f'"from river import datasets; datasets.{name}({arguments}).download()"'
            )
        return found


@functools.cache
def _known() -> dict[str, type[Any]]:
    """Recorded data sets by name, generators with `synth.` before."""
    from river import datasets
    from river.datasets import synth

    found: dict[str, type[Any]] = {}
    for prefix, module in (("", datasets), ("synth.", synth)):
        found |= {prefix + name: getattr(module, name) for name in sorted(module.__all__)}
    return {name: each for name, each in found.items() if inspect.isclass(each)}


@functools.cache
def _scenario(name: str) -> type[RiverData]:
    """A class of options: those of every recorded stream, and river's own."""
    known = _known()
    found = known.get(name) or known.get(f"synth.{name}")
    if found is None:
        short = [each.removeprefix("synth.") for each in known]
        see = "; see: streamsim show scenario river:NAME"
        hint = did_you_mean(name, [*known, *short]) or see
        raise ValueError(f"river has no data set '{name}'{hint}")
    fields = _options(found)
    members: dict[str, Any] = {
        "__annotations__": {key: hint for key, (hint, _) in fields.items()},
        "__doc__": inspect.cleandoc(found.__doc__ or name).partition("\n\n")[0].rstrip(".") + ".",
        "__module__": __name__,
        "river": found,
        **{key: Field(default, description="river's own") for key, (_, default) in fields.items()},
    }
    if found.__module__.startswith("river.datasets.synth"):
        members["__annotations__"]["n_samples"] = int
        members["n_samples"] = Field(GENERATED, ge=4, description="samples to generate")
    made: Any = dataclass(frozen=True, kw_only=True)(type(found.__name__, (RiverData,), members))
    return cast("type[RiverData]", made)


def _options(river: type[Any]) -> dict[str, tuple[Any, Any]]:
    """The arguments of a data set that can be typed, each with type and default.

    What a generator draws must be the same in every run, so seeds have a number.
    """
    found: dict[str, tuple[Any, Any]] = {}
    for name, parameter in itertools.islice(
        inspect.signature(river.__init__).parameters.items(), 1, None
    ):
        default = parameter.default
        hint = HINTS.get(str(parameter.annotation), type(default))
        if name.startswith("seed"):
            found[name] = (int, 1)
        elif hint in HINTS.values() and name != "n_samples":
            found[name] = (hint, default)
    return found


def _source(dataset: Any) -> Source:
    """A data set as a table; the features are those of its first samples."""
    name = type(dataset).__name__
    head = list(itertools.islice(dataset, BLOCK))
    features = list(dict.fromkeys(str(key) for x, _ in head for key in x))

    def pieces() -> Iterator[Piece]:
        samples, first = iter(dataset), 1
        while batch := list(itertools.islice(samples, BLOCK)):
            yield Piece(f"river:{name}", first, _rows(name, first, features, batch))
            first += len(batch)

    return Source(f"river:{name}", (*features, LABEL), pieces)


def _rows(
    name: str, first: int, features: list[str], batch: list[tuple[Mapping[Any, Any], Any]]
) -> Any:
    """Samples as a pyarrow.RecordBatch."""
    import pyarrow as pa

    named = [{str(key): value for key, value in x.items()} for x, _ in batch]
    for index, x in enumerate(named):
        if odd := x.keys() - {*features}:
            raise ValueError(
                f"river:{name}, row {first + index}: feature '{min(odd)}' comes up for the first "
                "time; a network needs to know its inputs"
            )
    columns = {feature: [x.get(feature) for x in named] for feature in features}
    columns[LABEL] = [label for _, label in batch]
    try:
        return pa.RecordBatch.from_pydict(columns)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"river:{name}: its samples are no table ({error})") from None
