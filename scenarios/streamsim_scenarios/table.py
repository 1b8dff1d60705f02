"""Your own table as a stream: CSV, Parquet or ARFF."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator
from pydantic.dataclasses import dataclass

from streamsim_scenarios.recorded import Columns, Recorded
from streamsim_scenarios.tables.encoding import Reading
from streamsim_scenarios.tables.files import Source, open_table
from streamsim_scenarios.tables.stretches import Cuts


@dataclass(frozen=True, kw_only=True)
class File:
    """Where the rows are, and what their columns are for."""

    path: tuple[str, ...] = Field(
        min_length=1, description="a .csv, .parquet or .arff file, or several with equal columns"
    )
    label: str = Field(description="the column of class labels")
    time: str | None = Field(
        default=None, description="a column of numbers or dates that must not go back"
    )
    window: str | None = Field(
        default=None, description="experiences by time: 7d, 12h, 30min, or a number"
    )
    by: str | None = Field(
        default=None,
        description="experiences by the values of a column, in the order in which they appear",
    )
    header: bool = Field(
        default=True, description="names in the first line of text; without, they are 1, 2, 3, ..."
    )
    classes: tuple[str, ...] | None = Field(
        default=None,
        min_length=2,
        description="the only labels that may occur; none: all that do, sorted",
    )
    checksum: str | None = Field(
        default=None, description="of the files, filled in; others are refused when resuming"
    )


@dataclass(frozen=True, kw_only=True)
class Table(Recorded, Columns, File):
    """Your own CSV, Parquet or ARFF file, row after row.

    Texts are categories, with one input each; numbers are scaled by what came before. The label,
    the time and the column of `by` are no inputs. Empty fields, NA, N/A, NaN, null and ? are
    missing values. Rows are read in pieces: the table may be larger than memory on a CPU.
    """

    reference: ClassVar[str] = (
        "Gama, Sebastião & Rodrigues 2013, On evaluating stream learning algorithms"
    )

    @field_validator("path", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """A single path will do."""
        return tuple(map(str, [value] if isinstance(value, (str, Path)) else value))

    @model_validator(mode="after")
    def _check_file(self) -> Self:
        if self.window is not None and self.time is None:
            raise ValueError(f"window={self.window} needs the column of times; give time=COLUMN")
        roles = [name for name in (self.label, self.time, self.by) if name is not None]
        if twice := [name for name in roles if roles.count(name) > 1 or name in self.drop]:
            raise ValueError(f"column '{twice[0]}' is given for two purposes; keep one")
        self.source(Path())  # a file that is not there is better known now
        found = _checksum(tuple(map(_stamp, self.path)))
        if self.checksum not in (None, found):
            raise ValueError(
                f"path={','.join(self.path)}: checksum={self.checksum}, and now it is {found}; the "
                "rows have changed: bring the old ones back, or leave scenario.checksum out"
            )
        object.__setattr__(self, "checksum", found)
        return self

    def source(self, root: Path) -> Source:
        return open_table([Path(path).expanduser() for path in self.path], self.header)

    def reading(self) -> Reading:
        return Reading(
            self.label,
            self.time,
            self.by,
            self.categorical,
            self.drop,
            self.max_categories,
            self.missing,
            self.classes,
            self.n_samples,
        )

    def cuts(self) -> Cuts:
        return Cuts(self.n_experiences, self.rows_per_experience, self.window, self.by)


def _stamp(path: str) -> tuple[str, int, int]:
    """What changes when a file does."""
    file = Path(path).expanduser()
    return str(file.absolute()), file.stat().st_size, file.stat().st_mtime_ns


@functools.lru_cache
def _checksum(files: tuple[tuple[str, int, int], ...]) -> str:
    """Of the contents of files: results of other rows must not be taken for those of these."""
    whole = hashlib.sha256()
    for name, _, _ in files:
        with Path(name).open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:16]
