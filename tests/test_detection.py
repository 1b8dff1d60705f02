"""Detectors in the loop: each replica has its own, and a resumed one has read the same."""

from __future__ import annotations

import functools
from typing import Any, get_args

import pytest
from river import drift

from streamsim.detection import BINARY, RIVER, Direction, Monitors, Trigger, Watch, detector


def errors(num: int = 400) -> list[float]:
    """Wrong one time in ten; from the middle on, two times in three."""
    return [float(n % 10 == 0 if n < num // 2 else n % 3 != 0) for n in range(num)]


THEIRS: dict[Trigger, Any] = {
    "adwin": drift.ADWIN,
    "kswin": functools.partial(drift.KSWIN, seed=3),
    "page-hinkley": drift.PageHinkley,
    "ddm": drift.binary.DDM,
    "eddm": drift.binary.EDDM,
}


@pytest.mark.parametrize("trigger", list(THEIRS))
def test_a_detector_is_rivers(trigger: Trigger) -> None:
    theirs = THEIRS[trigger]()
    ours, alarms = detector(Watch(trigger, direction="both"), [], seed=3), []
    for n, value in enumerate(errors()):
        theirs.update(value)
        assert ours.read([value]) == ([0] if theirs.drift_detected else [])
        if theirs.drift_detected:
            alarms.append(n)
    assert alarms, "the stream should make every detector speak"


@pytest.mark.parametrize("trigger", sorted(RIVER))
def test_every_detector_of_river_can_be_made(trigger: Trigger) -> None:
    assert detector(Watch(trigger), [], seed=0).read([0.0]) == []


def test_every_trigger_is_known() -> None:
    assert set(get_args(Trigger)) == {*RIVER, "oracle", "periodic", "never"}
    assert set(BINARY) < set(RIVER)


@pytest.mark.parametrize("trigger", ["adwin", "kswin", "page-hinkley"])
def test_a_change_for_the_better_is_an_alarm_only_if_both_directions_count(
    trigger: Trigger,
) -> None:
    options = {"threshold": 20.0} if trigger == "page-hinkley" else {}
    better = [float(n % 3 != 0) for n in range(300)] + [0.0] * 300
    worse = [0.0] * 300 + [float(n % 3 != 0) for n in range(300)]
    found = {
        (direction, name): len(
            detector(Watch(trigger, options, direction=direction), [], 1).read(values)
        )
        for direction in ("up", "both")
        for name, values in (("better", better), ("worse", worse))
    }
    assert found["up", "better"] == 0
    assert found["both", "better"] > 0
    assert found["up", "worse"] > 0


def test_options_of_a_detector_are_rivers() -> None:
    strict, lax = (Watch("ddm", {"drift_threshold": value}) for value in (1.0, 30.0))
    found = [len(detector(watch, [], 0).read(errors())) for watch in (strict, lax)]
    assert found[0] > found[1] == 0


def test_an_unknown_option_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match="detector adwin has no option 'detla'") as refusal:
        detector(Watch("adwin", {"detla": 0.1}), [], 0)
    assert "did you mean 'delta'" in str(refusal.value)


def test_oracle_periodic_and_never_say_what_they_are_told() -> None:
    places = {
        trigger: [place + 1 for place in made.read([0.0] * 30)]
        for trigger, made in {
            "oracle": detector(Watch("oracle"), [10, 20], 0),
            "periodic": detector(Watch("periodic", period=7), [10, 20], 0),
            "never": detector(Watch("never"), [10, 20], 0),
        }.items()
    }
    assert places == {"oracle": [11, 21], "periodic": [7, 14, 21, 28], "never": []}


def monitors() -> Monitors:
    watches = {"a": Watch("ddm"), "b": Watch("oracle")}
    return Monitors(watches, [[5], [7]], [1, 2])


def fed(found: Monitors, values: list[float], step: int = 4) -> list[tuple[str, int, int]]:
    """Two replicas, of which the second is never wrong; samples come in steps."""
    alarms = []
    for start in range(0, len(values), step):
        row = values[start : start + step]
        both = [row, [0.0] * len(row)]
        alarms += [(a.part, a.replica, a.position) for a in found.read(both, both)]
    return alarms


def test_replicas_and_parts_have_detectors_of_their_own() -> None:
    alarms = fed(monitors(), errors())
    raised = [place + 1 for place in detector(Watch("ddm"), [], 0).read(errors())]
    assert raised
    assert [p for part, replica, p in alarms if (part, replica) == ("a", 0)] == raised
    assert [(r, p) for part, r, p in alarms if part == "b"] == [(0, 6), (1, 8)]
    assert not [alarm for alarm in alarms if alarm[:2] == ("a", 1)]


@pytest.mark.parametrize("trigger", [*sorted(RIVER), "oracle", "periodic"])
@pytest.mark.parametrize("direction", ["up", "both"])
def test_alarms_do_not_depend_on_how_many_values_come_at_once(
    trigger: Trigger, direction: Direction
) -> None:
    values = [value * 0.7 for value in errors()] if trigger not in BINARY else errors()
    watch = Watch(trigger, direction=direction, period=37)
    whole = detector(watch, [100, 250], 1).read(values)
    for step in (1, 7, 64):
        made = detector(watch, [100, 250], 1)
        found = [
            start + place
            for start in range(0, len(values), step)
            for place in made.read(values[start : start + step])
        ]
        assert found == whole


def test_a_restored_detector_goes_on_as_if_nothing_had_happened() -> None:
    values = errors()
    whole = fed(monitors(), values)
    for place in (0, 120, 212):
        before, after = monitors(), monitors()
        first = fed(before, values[:place])
        after.restore(before.state())
        assert first + fed(after, values[place:]) == whole
