"""Whether float options may be traced: two values side by side equal each value by itself."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields

import torch

from streamsim import options
from streamsim.strategy import Part
from streamsim.testing.driving import SEEDS, Subject, difference, rows, train
from streamsim.testing.results import told

ROUNDING = 1e-5


def sweeps(subject: Subject) -> str:
    """Every float option of every part in turn."""
    for place, part in enumerate(subject.parts):
        for name in options.names(type(part)):
            if options.is_float(type(part), name):
                try:
                    complaint = _swept(subject, place, name)
                except Exception as error:  # a hook that cannot take a tensor
                    complaint = told(error)
                if complaint:
                    return f"{part.name}.{name}: {complaint}"
    return ""


def _swept(subject: Subject, place: int, name: str) -> str:
    """A population of two values, against populations of one value each."""
    part = subject.parts[place]
    pairs = _settings(part, name)
    if len(pairs) < 2:
        return ""  # an option of a single value cannot be swept
    learner = subject.learner()
    values = [pairs[row % 2][0] for row in range(len(SEEDS))]
    traced = {f"strategy.{part.name}.{name}": torch.tensor(values, dtype=torch.float32)}
    learner.world = learner.world._replace(values={**learner.world.values, **traced})
    mixed = train(learner)
    for number, (value, setting) in enumerate(pairs):
        chosen = range(number, len(SEEDS), 2)
        fixed = [*subject.parts[:place], setting, *subject.parts[place + 1 :]]
        single = subject.together if setting is part else train(subject.with_parts(fixed).learner())
        if odd := difference(rows(mixed, chosen), rows(single, chosen), ROUNDING):
            return f"{value:g} in a sweep is not {value:g} by itself: {odd}"
    return ""


def _settings(part: Part, name: str) -> list[tuple[float, Part]]:
    """Two values that an option accepts, each with a part that has it; its own comes first."""
    given = getattr(part, name)
    found = [(given, part)] if isinstance(given, (int, float)) else []
    start = float(given) if found else 0.5
    values = {f.name: getattr(part, f.name) for f in fields(part) if f.init}  # type: ignore[arg-type]
    for value in (start * 0.5, start * 2, start + 0.25, 0.25, 0.5, 1.0, 2.0):
        if len(found) < 2 and value not in [v for v, _ in found]:
            with suppress(ValueError):
                other = options.build(type(part), {**values, name: value}, part.name)
                found.append((value, other))
    return found
