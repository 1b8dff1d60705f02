"""Modifiers that act by a schedule, against loops over single samples."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from streamsim.modifiers import Modifier
from streamsim.stream import Replica, Stream, truth_of
from streamsim_scenarios.modifiers.brightness import Brightness
from streamsim_scenarios.modifiers.feature_shift import FeatureShift
from streamsim_scenarios.modifiers.input_noise import InputNoise
from streamsim_scenarios.modifiers.label_swap import LabelSwap
from streamsim_scenarios.modifiers.rotation import Rotation
from streamsim_scenarios.rotated import Rotated

KEY = torch.tensor(3)
Drawn = tuple[Stream, Replica]


def _drawn(modifier: Modifier, stream: Stream) -> Drawn:
    modified = modifier.modify(stream)
    return modified, modified.draw(KEY)


def _all(drawn: Drawn, part: str = "train") -> Tensor:
    return torch.cat([getattr(e, part) for e in drawn[1].experiences])


def _levels(modifier: Any, stream: Stream, part: str = "train") -> Tensor:
    modified, replica = drawn = _drawn(modifier, stream)
    truth = truth_of(modified.view, modified.pool, replica.tables, _all(drawn, part))
    return truth[modifier.name]


def _inputs(drawn: Drawn, part: str = "train") -> Tensor:
    stream, replica = drawn
    return stream.view.inputs(stream.pool, replica.tables, _all(drawn, part))


def _labels(drawn: Drawn, part: str = "train") -> Tensor:
    stream, replica = drawn
    return stream.view.labels(stream.pool, replica.tables, _all(drawn, part))


# -- the schedule -----------------------------------------------------------------------------
def test_an_abrupt_level_begins_at_its_position(line: Stream) -> None:
    found = _levels(Brightness(levels=(0.0, 0.5, 0.25), positions=(300, 1700)), line)
    assert found.tolist() == [0.0] * 300 + [0.5] * 1400 + [0.25] * 300


def test_positions_are_evenly_spaced_unless_given(line: Stream) -> None:
    found = _levels(Brightness(levels=(0.0, 1.0, 2.0, 3.0)), line)
    assert found.tolist() == [float(k) for k in range(4) for _ in range(500)]


def test_an_incremental_level_moves_in_a_straight_line(line: Stream) -> None:
    found = _levels(
        Rotation(levels=(10.0, 50.0), positions=(1000,), widths=(400,), drift=("incremental",)),
        line,
    )
    for time, level in enumerate(found.tolist()):
        share = min(max((time - 800) / 400, 0), 1)
        assert abs(level - (10 + 40 * share)) <= 40 / 1000  # told in a thousand steps


def test_every_level_takes_over_in_its_own_way(line: Stream) -> None:
    mixed = Rotation(
        levels=(0.0, 40.0, 80.0, 20.0),
        positions=(400, 900, 1600),
        widths=(0, 300, 400),
        drift=("gradual", "gradual", "incremental"),
    )
    found, ends = _levels(mixed, line), _levels(mixed, line, "test").view(4, 60)[:, 0]
    assert found[:400].eq(0).all()
    assert set(found[400:1300].tolist()) == {40.0, 80.0}
    for time in range(1400, 1800, 50):
        assert found[time].item() == pytest.approx(80 - 60 * (time - 1400) / 400, abs=0.1)
    # the experiences of the test samples end at 500, 1000, 1500 and 2000
    assert torch.allclose(ends, torch.tensor([40.0, 80.0, 65.15, 20.0]).double(), atol=0.1)


def test_turns_of_no_given_width_follow_on_one_another(line: Stream) -> None:
    found = _levels(Rotation(levels=(0.0, 30.0, 60.0), widths=None, drift=("incremental",)), line)
    steps = (found[1:] - found[:-1]).tolist()
    assert all(step >= 0 for step in steps)
    still = [time for time, step in enumerate(steps) if step == 0 and 340 < time < 1660]
    assert len(still) < 5
    assert found[[0, -1]].tolist() == [0.0, 60.0]


def test_a_gradual_level_occurs_ever_more_often(line: Stream) -> None:
    found = _levels(Brightness(positions=(1000,), widths=(800,), levels=(0.0, 1.0)), line)
    assert set(found.tolist()) == {0.0, 1.0}
    for at in (-600, -200, 0, 200, 600):
        share = found[1000 + at - 100 : 1000 + at + 100].mean().item()
        assert abs(share - 1 / (1 + math.exp(-4 * at / 800))) < 0.15


def test_test_samples_stand_at_the_end_of_their_experience(line: Stream) -> None:
    abrupt = Brightness(levels=(0.0, 1.0), positions=(1000,))
    assert _levels(abrupt, line, "test").view(4, 60).tolist() == [[k] * 60 for k in (0, 0, 1, 1)]
    later = Brightness(levels=(0.0, 1.0), positions=(999,))
    assert _levels(later, line, "test").view(4, 60)[:, 0].tolist() == [0, 1, 1, 1]
    gradual = Brightness(levels=(0.0, 1.0), positions=(1200,), widths=(900,))
    assert _levels(gradual, line, "test").view(4, 60)[:, 0].tolist() == [0, 0, 1, 1]
    moving = Rotation(levels=(0.0, 40.0), positions=(1000,), widths=(2000,), drift=("incremental",))
    ends = _levels(moving, line, "test").view(4, 60)[:, 0]
    assert torch.allclose(ends, torch.tensor([10.0, 20.0, 30.0, 40.0]).double(), atol=0.1)


def test_a_shuffled_stream_gets_an_order_and_keeps_its_samples(groups: Stream) -> None:
    modified, replica = drawn = _drawn(Brightness(levels=(0.0, 0.0)), groups)
    assert modified.spec.ordered
    plain = groups.draw(KEY)
    for old, new in zip(plain.experiences, replica.experiences, strict=True):
        x = groups.view.inputs(groups.pool, plain.tables, old.train).flatten(1)
        y = modified.view.inputs(modified.pool, replica.tables, new.train).flatten(1)
        assert x[:, 0].sort().values.tolist() == y[:, 0].sort().values.tolist()
        assert x[:, 0].tolist() != y[:, 0].tolist()
    assert len(_all(drawn)) == 3000


def test_only_some_classes_may_change(line: Stream) -> None:
    drawn = _drawn(Brightness(levels=(0.5,), only=(1, 3)), line)
    before, after = _inputs((line, line.draw(KEY))), _inputs(drawn)
    changes = (before != after).flatten(1).any(1)
    concerned = torch.isin(_labels(drawn), torch.tensor([1, 3]))
    assert torch.equal(changes, concerned)


def test_only_a_region_may_change_in_training_and_test(line: Stream) -> None:
    swap = LabelSwap(levels=(0, 1), region=(1, 0.25, 0.5), only=(0, 1, 2))
    drawn, plain = _drawn(swap, line), (line, line.draw(KEY))
    for part in ("train", "test"):
        x, y, new = (
            _inputs(plain, part).flatten(1)[:, 1],
            _labels(plain, part),
            _labels(drawn, part),
        )
        late = torch.arange(len(y)) >= len(y) // 2
        changes = late & (x >= 0.25) & (x <= 0.5) & (y < 3)
        assert torch.equal(new, torch.where(changes, (y + 1) % 3, y))
        assert changes.any() == (part == "train")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"region": (0.0, 1.0)}, "at least 3 items"),
        ({"region": (0.0, 1.0, 0.5)}, "region=0,1,0.5: low is above high; swap them"),
        ({"levels": (0.0, 1.0), "positions": (5, 9)}, "2 levels need 1 of them"),
        ({"levels": (0.0, 1.0, 0.0), "positions": (9, 5)}, "growing numbers above 0"),
        ({"levels": (0.0, 1.0, 0.0), "widths": (1, 2, 3)}, "give one number of samples, or 2"),
        ({"widths": (-1,)}, "0 or more"),
        ({"levels": ()}, "at least 1 item"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Brightness(**options)


@pytest.mark.parametrize(
    ("modifier", "complaint"),
    [
        (Brightness(positions=(2000,)), "between 0 and the 2000 training samples"),
        (Brightness(region=(4, 0, 1)), "region begins with feature 4; choose 0 to 3"),
        (Brightness(region=(0.5, 0, 1)), "region begins with feature 0.5; choose 0 to 3"),
        (Brightness(only=(4,)), "brightness: only=4: labels run from 0 to 3"),
    ],
)
def test_a_schedule_that_does_not_fit_is_refused_before_anything_is_drawn(
    line: Stream, modifier: Modifier, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        modifier.modify(line)


def test_images_are_needed_where_pixels_are_meant(line: Stream) -> None:
    from dataclasses import replace

    vectors = replace(line, spec=replace(line.spec, input_shape=(4,)))
    for modifier in (Brightness(), Rotation()):
        with pytest.raises(ValueError, match=r"needs images .* the shape \(4,\)"):
            modifier.modify(vectors)


# -- what they do -----------------------------------------------------------------------------
def test_brightness_is_added_within_0_and_1(line: Stream) -> None:
    before = _inputs((line, line.draw(KEY)))
    after = _inputs(_drawn(Brightness(levels=(0.0, 0.75)), line))
    assert torch.equal(after[:1000], before[:1000])
    for x, y in zip(before[1000:].flatten().tolist(), after[1000:].flatten().tolist(), strict=True):
        assert y == pytest.approx(min(x + 0.75, 1.0))


def test_rotation_by_a_right_angle_moves_pixels_and_others_are_as_in_rotated(line: Stream) -> None:
    before = _inputs((line, line.draw(KEY)))
    after = _inputs(_drawn(Rotation(levels=(0.0, 90.0, 30.0), positions=(500, 1000)), line))
    assert torch.allclose(after[:500], before[:500], atol=1e-6)
    assert torch.allclose(after[500:1000], before[500:1000].rot90(1, (2, 3)), atol=1e-6)
    rotated = Rotated(n_experiences=2, degrees=30).on(_data(before)).stream(_nowhere())
    number = len(before) + 1  # of samples in its pool: one to test
    ids = number + torch.arange(1000, 2000)  # of the second experience, turned by 30 degrees
    expected = rotated.view.inputs(rotated.pool, {}, ids)
    assert torch.allclose(after[1000:], expected, atol=1e-6)


def _data(x: Tensor) -> Any:
    from streamsim.data import LabelledData

    y = torch.zeros(len(x), dtype=torch.int64)
    y[0] = 1
    return LabelledData(name="x", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1], num_classes=2)


def _nowhere() -> Any:
    from pathlib import Path

    return Path()


@pytest.mark.parametrize("how", ["shift", "scale"])
def test_every_feature_moves_in_a_direction_of_the_seed(line: Stream, how: Any) -> None:
    before = _inputs((line, line.draw(KEY)))
    drawn = _drawn(FeatureShift(levels=(0.0, 2.0), how=how), line)
    direction = drawn[1].tables["feature-shift/direction"]
    after = _inputs(drawn)
    moved = before[1000:] + 2 * direction if how == "shift" else before[1000:] * torch.exp(
        2 * direction
    )  # fmt: skip
    assert torch.equal(after[:1000], before[:1000])
    assert torch.allclose(after[1000:], moved, atol=1e-5)
    other = drawn[0].draw(KEY + 1).tables["feature-shift/direction"]
    assert not torch.equal(direction, other)


def test_input_noise_has_the_deviation_asked_for_and_stays_with_its_sample(line: Stream) -> None:
    before = _inputs((line, line.draw(KEY)))
    drawn = _drawn(InputNoise(levels=(0.0, 0.5)), line)
    after = _inputs(drawn)
    assert torch.equal(after[:1000], before[:1000])
    noise = after[1000:] - before[1000:]
    assert noise.std().item() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(2 * 4000))
    assert abs(noise.mean().item()) < 4 * 0.5 / math.sqrt(4000)
    neighbours = torch.corrcoef(noise.flatten(1).T) - torch.eye(4)
    assert neighbours.abs().max() < 4 / math.sqrt(1000)
    assert torch.equal(_inputs(drawn), after)


@pytest.mark.parametrize("only", [None, (3, 0, 2)])
def test_labels_move_round_the_circle_in_training_and_test(
    line: Stream, only: tuple[int, ...] | None
) -> None:
    drawn = _drawn(LabelSwap(levels=(0, 1, 2), positions=(700, 1400), only=only), line)
    circle = only or (0, 1, 2, 3)
    plain = (line, line.draw(KEY))

    def swapped(label: int, steps: int) -> int:
        if label not in circle:
            return label
        return circle[(circle.index(label) + steps) % len(circle)]

    steps = [0] * 700 + [1] * 700 + [2] * 600
    expected = [swapped(y, k) for y, k in zip(_labels(plain).tolist(), steps, strict=True)]
    assert _labels(drawn).tolist() == expected
    ends = [0] * 60 + [1] * 60 + [2] * 120
    expected = [swapped(y, k) for y, k in zip(_labels(plain, "test").tolist(), ends, strict=True)]
    assert _labels(drawn, "test").tolist() == expected


@pytest.mark.parametrize("only", [(1,), (1, 1)])
def test_a_circle_needs_two_different_labels(only: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="name two labels or more, each once"):
        LabelSwap(only=only)


def test_takeovers_are_true_drifts_beside_those_of_the_stream(line: Stream) -> None:
    brighter = Brightness(levels=(0.0, 0.5, 0.0), positions=(300, 1200))
    quiet = replace(line, draw=lambda key: replace(line.draw(key), drifts=[]))
    assert brighter.modify(quiet).draw(KEY).true_drifts() == [300, 1200]
    slowly = replace(brighter, widths=(100, 400))
    assert slowly.modify(quiet).draw(KEY).true_drifts() == [250, 1000]
    boundaries = line.draw(KEY).true_drifts()
    assert brighter.modify(line).draw(KEY).true_drifts() == sorted({*boundaries, 300, 1200})
