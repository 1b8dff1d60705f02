"""The checks of a scenario, in order, and what each of them rests on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from streamsim.data import data_root
from streamsim.stream import Scenario
from streamsim.testing import announcements
from streamsim.testing.announcements import Subject
from streamsim.testing.results import Check, Result, run_checks

DATA = "data set is there"
REPLAYS = "replays from its key"
EXPERIENCES = "experiences are as announced"
SAMPLES = "samples are as announced"
APART = "training, validation and test samples are apart"
REVEALS = "reveals what it announces"
STACKS = "replicas have tables of the same shapes"
UNTOUCHED = "pool and tables stay untouched"
BATCHES = "a sample is the same in any batch"
DEVICES = "tensors are made on the device of the data"
MAPS = "the view maps over replicas"
RUNS = "naive learns from it"


def check_scenario(scenario: Scenario, *, root: str | Path | None = None) -> list[Result]:
    """Draw a few replicas, look at them, and let the strategy `naive` learn from a little of one.

    `root` is the data root. Without the data set, the first check fails and is the only one.
    """
    subject = Subject(scenario, data_root(Path(root) if root is not None else None))
    opened = run_checks([Check(DATA, lambda: announcements.opens(subject))])
    return opened + run_checks(_checks(subject)) if opened[0].passed else opened


def _checks(subject: Subject) -> Iterator[Check]:
    """Draws that do not replay, or are not as announced, would fail most others too."""
    yield Check(REPLAYS, lambda: announcements.replays(subject))
    yield Check(EXPERIENCES, lambda: announcements.has_experiences(subject), (REPLAYS,))
    drawn = (REPLAYS, EXPERIENCES)
    yield Check(STACKS, lambda: announcements.stacks(subject), drawn)
    yield Check(APART, lambda: announcements.keeps_apart(subject), drawn)
    yield Check(SAMPLES, lambda: announcements.has_samples(subject), drawn)
    seen = (*drawn, SAMPLES)
    yield Check(REVEALS, lambda: announcements.reveals(subject), seen)
    yield Check(UNTOUCHED, lambda: announcements.leaves_pool(subject), seen)
    pure = (*seen, UNTOUCHED)
    yield Check(BATCHES, lambda: announcements.ignores_batches(subject), pure)
    yield Check(DEVICES, lambda: announcements.names_devices(subject), pure)
    yield Check(MAPS, lambda: announcements.maps(subject), (*pure, STACKS))
    yield Check(RUNS, lambda: announcements.runs(subject), (*pure, STACKS, REVEALS, MAPS))
