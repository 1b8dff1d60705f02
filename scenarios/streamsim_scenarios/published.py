"""Published streams of recorded rows, read from the data root."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from streamsim import data
from streamsim_scenarios.recorded import Recorded
from streamsim_scenarios.tables.encoding import Reading
from streamsim_scenarios.tables.files import Source, beside, csv
from streamsim_scenarios.tables.stretches import Cuts


@dataclass(frozen=True, kw_only=True)
class Electricity(Recorded):
    """Whether the price of electricity goes up or down in New South Wales, every half hour.

    45,312 rows, 6 features, 2 classes: two years and a half. The last label is that of the next row
    in 85 % of all: compare kappa-temporal, not accuracy. Published results judge every row, as
    held_out=false does.
    """

    reference: ClassVar[str] = "Harries 1999, Splice-2 comparative evaluation: electricity pricing"

    def source(self, root: Path) -> Source:
        [file] = data.files("electricity", root)
        return csv(file)

    def reading(self) -> Reading:
        return Reading("class", most_rows=self.n_samples)


@dataclass(frozen=True, kw_only=True)
class Weather(Recorded):
    """Whether it rains at Bellevue, Nebraska, day after day.

    18,159 rows, 8 features, 2 classes: fifty years of measurements.
    """

    reference: ClassVar[str] = (
        "Elwell & Polikar 2011, Incremental learning of concept drift in nonstationary environments"
    )

    def source(self, root: Path) -> Source:
        return _in_two_files("weather", root)

    def reading(self) -> Reading:
        return Reading(LABEL, most_rows=self.n_samples)


@dataclass(frozen=True, kw_only=True)
class SeaConcepts(Recorded):
    """The sample of the four SEA concepts that is handed round: the same rows for everybody.

    50,000 rows, 3 features, 2 classes; a concept lasts 12,500 rows. `sea-abrupt` draws new ones.
    """

    reference: ClassVar[str] = (
        "Street & Kim 2001, A streaming ensemble algorithm (SEA) for large-scale classification"
    )

    n_experiences: int | None = Field(
        default=None,
        ge=1,
        description="equal stretches of rows; the 4 concepts unless cut in another way",
    )

    def source(self, root: Path) -> Source:
        return _in_two_files("sea-concepts", root)

    def reading(self) -> Reading:
        return Reading(LABEL, most_rows=self.n_samples)

    def cuts(self) -> Cuts:
        given = super().cuts()
        return CONCEPTS if given == Cuts() else given

    def knows_drifts(self) -> bool:
        return self.cuts() == CONCEPTS


LABEL = "class"
CONCEPTS = Cuts(rows_per_experience=12_500)


def _in_two_files(name: str, root: Path) -> Source:
    """Features in one file, labels in another, row by row, without headers."""
    features, labels = data.files(name, root)
    return beside(csv(features, header=False), LABEL, csv(labels, header=False))
