"""Claims about turned images, held against two independent implementations."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import pytest
import scipy.ndimage
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from streamsim.stream import Reveal, Stream
from streamsim_scenarios.rotated import Rotated, RotatedDigits, RotatedMnist, taps

from .conftest import Make, assert_vmap_equals_loop, key, made_up

NOWHERE = Path("nowhere")
IMAGE = made_up(shape=(2, 5, 7), num_classes=2)


def turned(degrees: float) -> Tensor:
    """Training images of the experience that is turned by so much."""
    stream = Rotated(n_experiences=2, degrees=degrees).on(IMAGE).stream(NOWHERE)
    return seen(stream, experience=1)


def seen(stream: Stream, experience: int, seed: int = 0) -> Tensor:
    replica = stream.draw(key(seed))
    ids = replica.experiences[experience].train
    return stream.view.inputs(stream.pool, replica.tables, ids)


@settings(max_examples=40, deadline=None)
@given(degrees=st.floats(0.5, 359.5))
def test_equals_scipy(degrees: float) -> None:
    expected = scipy.ndimage.rotate(
        IMAGE.x_train.numpy(), degrees, axes=(2, 3), reshape=False, order=1, mode="grid-constant"
    )
    torch.testing.assert_close(turned(degrees), torch.from_numpy(expected), atol=2e-5, rtol=0)


@settings(max_examples=40, deadline=None)
@given(degrees=st.floats(0.5, 359.5))
def test_equals_grid_sample(degrees: float) -> None:
    angle, (height, width) = math.radians(degrees), IMAGE.shape[1:]
    cos, sin = math.cos(angle), math.sin(angle)
    theta = torch.tensor([[cos, -sin * height / width, 0], [sin * width / height, cos, 0]])
    x = IMAGE.x_train
    grid = F.affine_grid(theta.expand(len(x), 2, 3), list(x.shape), align_corners=False)
    expected = F.grid_sample(x, grid, align_corners=False)
    torch.testing.assert_close(turned(degrees), expected, atol=2e-5, rtol=0)


def test_a_quarter_turn_is_counter_clockwise(make: Make) -> None:
    data = make(shape=(1, 4, 4))
    stream = Rotated(n_experiences=5, degrees=90).on(data).stream(NOWHERE)
    for quarters in range(5):
        expected = data.x_train.rot90(quarters, (2, 3))
        torch.testing.assert_close(seen(stream, quarters), expected, atol=1e-5, rtol=0)


def test_first_fixed_angle_shows_the_original_samples() -> None:
    stream = Rotated(n_experiences=2).on(IMAGE).stream(NOWHERE)
    assert torch.equal(seen(stream, experience=0), IMAGE.x_train)


@settings(max_examples=30, deadline=None)
@given(degrees=st.floats(-720, 720), height=st.integers(1, 6), width=st.integers(1, 6))
def test_weights_are_shares_and_taps_are_pixels(degrees: float, height: int, width: int) -> None:
    tables = taps(torch.tensor([degrees]), height, width)
    total = tables["weight"].view(4, -1).sum(0)
    assert bool((tables["weight"] >= 0).all())
    assert bool((total <= 1 + 1e-5).all())
    assert bool(((tables["tap"] >= 0) & (tables["tap"] < height * width)).all())


def test_fixed_angles_are_shared_and_random_ones_drawn_by_each_seed(make: Make) -> None:
    fixed, random = (
        scenario.on(make()).stream(NOWHERE)
        for scenario in (Rotated(n_experiences=3), Rotated(n_experiences=3, angles="random"))
    )
    assert fixed.draw(key(0)).tables == {}
    assert torch.equal(seen(fixed, 2, seed=0), seen(fixed, 2, seed=1))
    assert torch.equal(seen(random, 2, seed=0), seen(random, 2, seed=0))
    assert not torch.equal(seen(random, 2, seed=0), seen(random, 2, seed=1))


def test_random_angles_stay_in_their_step(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    drawn: list[Tensor] = []

    def spy(degrees_E: Tensor, height: int, width: int) -> dict[str, Tensor]:
        drawn.append(degrees_E)
        return dict(taps(degrees_E, height, width))

    monkeypatch.setattr("streamsim_scenarios.rotated.taps", spy)
    stream = Rotated(n_experiences=4, degrees=10, angles="random").on(make()).stream(NOWHERE)
    for seed in range(20):
        stream.draw(key(seed))
    angles_RE = torch.stack(drawn)
    assert bool((angles_RE // 10 == torch.arange(4)).all())
    assert len(set(angles_RE.flatten().tolist())) == 80


def test_task_setting_reveals_the_experience() -> None:
    stream = RotatedDigits(setting="task", boundaries="hidden", n_experiences=4).stream(NOWHERE)
    assert stream.spec.reveals == {Reveal.TASK_LABELS}
    assert stream.spec.num_tasks == 4


def test_flat_inputs_are_refused(make: Make) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole message is compared)
        Rotated().on(make(shape=(5,))).stream(NOWHERE)
    assert str(error.value) == (
        "made-up has inputs of shape (5,), which cannot be rotated; give images of shape "
        "(channels, height, width)"
    )


@pytest.mark.parametrize("angles", ["fixed", "random"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_view_over_replicas_equals_a_loop(
    make: Make, angles: Literal["fixed", "random"], dtype: torch.dtype
) -> None:
    scenario = Rotated(n_experiences=3, angles=angles)
    assert_vmap_equals_loop(scenario.on(make(shape=(3, 4, 4), dtype=dtype)).stream(NOWHERE))


def test_real_digits_upside_down(real_data: Path) -> None:
    stream = RotatedMnist(n_experiences=2, degrees=180).stream(real_data)
    ids = stream.draw(key(0)).experiences[1].train[:20]
    upside_down = stream.view.inputs(stream.pool, {}, ids)
    original = stream.view.inputs(stream.pool, {}, ids - 70_000)
    torch.testing.assert_close(upside_down, original.rot90(2, (2, 3)), atol=1e-4, rtol=0)
