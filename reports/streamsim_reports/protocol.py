"""What makes runs comparable: the same data, the same revealed, the same model, the same budget.

Arms on different streams do not answer the same question, so different data or different revealed
settings on one scenario are *refused*. Another model or another budget may well be what somebody
wants to compare, so those are *warned* about. Options of the strategy itself, and how it is tuned
(learning rate, optimizer), belong to the strategy and are no difference of protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamsim_reports.cohort import Arm, Cohort
from streamsim_reports.wording import listed

STREAM = ("setting", "num_experiences", "num_classes", "input_shape", "reveals")
BUDGET = ("train.epochs", "train.iterations", "train.batch_size")


@dataclass(frozen=True)
class Difference:
    """A field in which arms on one scenario were not run alike."""

    scenario: str
    field: str  # such as scenario.n_experiences, reveals, model or train.epochs
    values: Mapping[str, Sequence[str]]  # each value, as text, to the labels of its arms
    refused: bool  # no paired comparison makes sense; otherwise a warning

    def __str__(self) -> str:
        parts = [f"{value} for {listed(labels, 4)}" for value, labels in self.values.items()]
        return f"{self.field} on {self.scenario} is {listed(parts)}"


def protocol_differences(cohort: Cohort) -> list[Difference]:
    """Every field that differs between arms on the same scenario, those that are refused first."""
    found = [
        difference
        for scenario in cohort.scenarios
        for difference in _differences([arm for arm in cohort.arms if arm.scenario == scenario])
    ]
    return sorted(found, key=lambda difference: not difference.refused)


def stages(cohort: Cohort, anyway: bool = False) -> dict[str, list[Arm]]:
    """Arms that may be compared with each other, by the name of what they ran on.

    A scenario whose options split its arms into comparable groups counts as several, each with
    those options in its name. ValueError names the differing fields if that leaves an arm alone;
    `anyway` keeps such a scenario whole.
    """
    found: dict[str, list[Arm]] = {}
    for scenario in cohort.scenarios:
        arms = [arm for arm in cohort.arms if arm.scenario == scenario]
        refused = [difference for difference in _differences(arms) if difference.refused]
        groups: dict[str, list[Arm]] = {}
        for arm in arms:
            about = [f"{d.field.rpartition('.')[2]}={_value_of(d, arm)}" for d in refused]
            groups.setdefault(" ".join([scenario, *about]), []).append(arm)
        alone = [group[0] for group in groups.values() if len(group) == 1]
        if anyway or len(arms) == 1:
            groups = {scenario: arms}
        elif alone and refused:
            raise ValueError(
                f"{listed([arm.label for arm in alone], 3)} cannot be compared with the others: "
                f"{'; '.join(map(str, refused))}; give runs of one protocol, or compare --anyway"
            )
        found |= groups
    return found


def _value_of(difference: Difference, arm: Arm) -> str:
    return next(
        (value for value, labels in difference.values.items() if arm.label in labels), "unknown"
    )


def _differences(arms: Sequence[Arm]) -> Iterator[Difference]:
    options = list(_differing(arms, [_with_prefix(arm, "scenario.") for arm in arms], True))
    yield from options
    # what a stream turned out to be follows from its options where those are recorded
    if not options:
        yield from _differing(arms, [_stream(arm) for arm in arms], True)
    swept = {name for arm in arms for name in arm.run.configuration["sweep"]}
    for difference in _differing(arms, [_model_and_budget(arm) for arm in arms], False):
        # a swept field is what is being studied
        if difference.field not in swept:
            yield difference


def _differing(
    arms: Sequence[Arm], facts: Sequence[Mapping[str, Any]], refused: bool
) -> Iterator[Difference]:
    """Fields with more than one recorded value."""
    for field in dict.fromkeys(name for own in facts for name in own):
        values: dict[str, list[str]] = {}
        for arm, own in zip(arms, facts, strict=True):
            if field in own:
                values.setdefault(_text(own[field]), []).append(arm.label)
        if len(values) > 1:
            yield Difference(arms[0].scenario, field, values, refused)


def _with_prefix(arm: Arm, prefix: str) -> dict[str, Any]:
    return {name: value for name, value in arm.options.items() if name.startswith(prefix)}


def _stream(arm: Arm) -> dict[str, Any]:
    """Of the first setting, which is the one that a run folder describes."""
    stream = arm.run.info["stream"]
    return {name: stream[name] for name in STREAM if name in stream}


def _model_and_budget(arm: Arm) -> dict[str, Any]:
    budget = {name: arm.options[name] for name in BUDGET if name in arm.options}
    memory = [value for name, value in arm.options.items() if name.endswith(".memory_size")]
    model = arm.run.configuration["model"]
    return (
        {"model": model}
        | _with_prefix(arm, "model.")
        | budget
        | ({"memory_size": memory} if memory else {})
    )


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "nothing"
    return "none" if value is None else str(value)
