"""The checks of a strategy, in order, and what each of them rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamsim.data import data_root
from streamsim.settings import ModelFactory
from streamsim.strategy import Part
from streamsim.stream import Reveal, Scenario
from streamsim.testing import promises
from streamsim.testing.driving import FAST, Subject
from streamsim.testing.results import Check, Result, run_checks
from streamsim.testing.sweeping import sweeps
from streamsim.testing.toys import Toy

TRAINS = "trains, and needs no more than it declares"
REPLAYS = "replays from its seed"
KEEPS = "state keeps keys, shapes and dtypes"
UNTOUCHED = "inputs stay untouched"
ALONE = "alone equals among others"
CHUNKS = "chunking changes nothing"
STRETCHES = "one stretch equals many"
PEEKING = "no peeking at later experiences or test samples"
RESUMES = "resumed equals uninterrupted"
REVEALED = "trains where more is revealed"
DEVICES = "tensors are made on the device of the data"
SWEEPS = "float options may be swept"
COMPILED = "compiled equals eager"


def check_strategy(
    parts: Part | Sequence[Part],
    *,
    scenario: Scenario | None = None,
    model: str | ModelFactory = "mlp",
    options: Mapping[str, Any] | None = None,
    root: str | Path | None = None,
    compile: bool = False,
) -> list[Result]:
    """Train parts many times, and see whether they keep every promise of a strategy.

    By default on `Toy`, which reveals what the parts declare to need. Parts that need another
    kind of stream bring a small one as `scenario`. `options` are keyed like `--set` and concern
    the model and training. With `compile`, the compiled step is tried too.
    """
    parts = [parts] if isinstance(parts, Part) else list(parts)
    needs: frozenset[Reveal] = frozenset().union(*(part.needs() for part in parts))
    options = options or {}
    fast = {k: v for k, v in FAST.items() if model == "mlp" or not k.startswith("model.")}
    if "train.iterations" in options:
        del fast["train.epochs"]
    subject = Subject(
        parts,
        scenario if scenario is not None else Toy(reveals=needs),
        model,
        {**fast, **options},
        data_root(Path(root) if root is not None else None),
    )
    checks = [*_checks(subject)]
    if scenario is None:
        told = replace(subject, scenario=Toy(reveals=frozenset(Reveal)))
        checks.append(Check(REVEALED, lambda: promises.trains(told), (TRAINS,)))
    if compile:
        checks.append(Check(COMPILED, lambda: promises.equals_compiled(subject), (TRAINS, ALONE)))
    return run_checks(checks)


def _checks(subject: Subject) -> Iterator[Check]:
    """A part that fails one of the first four would fail most others for the same reason."""
    roots = (TRAINS, REPLAYS, UNTOUCHED, KEEPS)
    yield Check(TRAINS, lambda: promises.trains(subject))
    yield Check(REPLAYS, lambda: promises.replays(subject), roots[:1])
    yield Check(UNTOUCHED, lambda: promises.leaves_inputs(subject), roots[:1])
    yield Check(KEEPS, lambda: promises.keeps_state(subject), roots[:1])
    yield Check(DEVICES, lambda: promises.names_devices(subject), roots[:1])
    yield Check(PEEKING, lambda: promises.looks_ahead(subject), roots)
    yield Check(ALONE, lambda: _alone(subject), roots)
    among = (*roots, ALONE)
    yield Check(CHUNKS, lambda: promises.equals_in_chunks(subject), among)
    yield Check(STRETCHES, lambda: promises.equals_in_stretches(subject), among)
    yield Check(RESUMES, lambda: promises.resumes(subject), among)
    yield Check(SWEEPS, lambda: sweeps(subject), among)


def _alone(subject: Subject) -> str:
    """Where training is chaotic, rounding grows until it looks like a fault of the part."""
    odd = promises.equals_alone(subject)
    given = [
        f"{n}={v}" for n, v in subject.options.items() if n[:6] == "train." and FAST.get(n) != v
    ]
    doubt = f"; perhaps because {', '.join(given)} lets rounding grow: try without"
    return odd + (doubt if odd and given else "")
