"""The conformance kit fails each broken part by the one check that names its fault."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.strategy import (
    Arrivals,
    Context,
    Data,
    Net,
    Params,
    Part,
    Setup,
    StepContext,
    Update,
)
from streamsim.stream import Batch, Reveal
from streamsim.testing import Result, Toy, assert_conforms, check_strategy, failures, strategies
from streamsim.trees import Tree


@dataclass(frozen=True, kw_only=True)
class Sound(Part):
    """Pulls weights towards those of the last boundary; nothing is wrong with it."""

    name: ClassVar[str] = "sound"
    reference: ClassVar[str] = "none"

    strength: float = Field(default=0.1, ge=0, description="weight of the pull")

    def init(self, setup: Setup, params: Params) -> Tree:
        device = setup.key.device
        return {"anchor": {k: p.clone() for k, p in params.items()}, "count": _zero(device)}

    def loss(self, ctx: StepContext, state: Tree) -> Tensor:
        pulls = [(p - state["anchor"][k]).square().sum() for k, p in ctx.params.items()]
        return self.strength * torch.stack(pulls).sum()

    def end_experience(self, ctx: Context, state: Tree, data: Data) -> tuple[Params, Tree]:
        return ctx.params, {"anchor": dict(ctx.params), "count": state["count"] + 1}


def _zero(device: torch.device) -> Tensor:
    return torch.zeros((), dtype=torch.int64, device=device)


class NeedsTasks(Part):
    """Reads task labels without declaring it."""

    name: ClassVar[str] = "needs-tasks"

    def forward(self, ctx: Context, state: Tree, params: Params, batch: Batch, net: Net) -> Tensor:
        assert batch.task is not None
        return net(params, batch)


class Diverges(Part):
    """Weights overflow."""

    name: ClassVar[str] = "diverges"

    def after_step(self, ctx: StepContext, state: Tree, update: Update) -> tuple[Params, Tree]:
        return {k: p * 1e30 for k, p in update.after.items()}, state


class DrawsGlobally(Part):
    """Draws from torch's own generator."""

    name: ClassVar[str] = "draws-globally"

    def gradients(self, ctx: StepContext, state: Tree, grads: Params) -> Params:
        return {k: g * torch.rand_like(g) for k, g in grads.items()}


class WritesGradients(Part):
    """Writes into its arguments."""

    name: ClassVar[str] = "writes-gradients"

    def gradients(self, ctx: StepContext, state: Tree, grads: Params) -> Params:
        for g in grads.values():
            g.mul_(0.5)
        return grads


class WritesDicts(Part):
    """Takes the place of an argument's entry."""

    name: ClassVar[str] = "writes-dicts"

    def init(self, setup: Setup, params: Params) -> Tree:
        return {"count": _zero(setup.key.device)}

    def after_step(
        self, ctx: StepContext, state: dict[str, Tensor], update: Update
    ) -> tuple[Params, Tree]:
        state["count"] = state["count"] + 1
        return update.after, state


class WritesWeights(Part):
    """Writes into weights while they want a gradient; autograd refuses."""

    name: ClassVar[str] = "writes-weights"

    def end_experience(self, ctx: Context, state: Tree, data: Data) -> tuple[Params, Tree]:
        for p in ctx.params.values():
            p.mul_(0.9)
        return ctx.params, state


class ChangesType(Part):
    """Its count becomes a float."""

    name: ClassVar[str] = "changes-type"

    def init(self, setup: Setup, params: Params) -> Tree:
        return {"count": _zero(setup.key.device)}

    def end_experience(self, ctx: Context, state: Tree, data: Data) -> tuple[Params, Tree]:
        return ctx.params, {"count": state["count"] + 0.5}


class Grows(Part):
    """Its memory grows with every experience."""

    name: ClassVar[str] = "grows"

    def init(self, setup: Setup, params: Params) -> Tensor:
        return _zero(setup.key.device)[None]

    def end_experience(self, ctx: Context, state: Tensor, data: Data) -> tuple[Params, Tensor]:
        return ctx.params, torch.cat([state, state])


class ForgetsDevice(Part):
    """Makes a tensor wherever torch makes tensors."""

    name: ClassVar[str] = "forgets-device"

    def loss(self, ctx: StepContext, state: Tree) -> Tensor:
        return ctx.logits.sum() * torch.zeros(())


class Peeks(Part):
    """Looks at samples that it has not been given."""

    name: ClassVar[str] = "peeks"

    def init(self, setup: Setup, params: Params) -> Tensor:
        return torch.zeros((), device=setup.key.device)

    def end_experience(self, ctx: Context, state: Tensor, data: Data) -> tuple[Params, Tensor]:
        return ctx.params, ctx.take(data.ids[:20] + 1).x.mean()


class CountsPadding(Part):
    """Reads the size of padded data, which depends on the neighbours."""

    name: ClassVar[str] = "counts-padding"

    def init(self, setup: Setup, params: Params) -> Tensor:
        return _zero(setup.key.device)

    def end_experience(self, ctx: Context, state: Tensor, data: Data) -> tuple[Params, Tensor]:
        return ctx.params, state + data.ids.shape[0]


class Branches(Part):
    """Chooses by the value of a tensor, which a population cannot."""

    name: ClassVar[str] = "branches"

    def loss(self, ctx: StepContext, state: Tree) -> Tensor:
        total = ctx.logits.sum() * 0
        return total if total.item() >= 0 else -total


class ReadsEnd(Part):
    """Reads in steps what its plan left at the end of the stretch."""

    name: ClassVar[str] = "reads-end"

    def init(self, setup: Setup, params: Params) -> Tensor:
        return _zero(setup.key.device)

    def plan(self, ctx: Context, state: Tensor, arrivals: Arrivals) -> tuple[Tensor, Tree]:
        return state + arrivals.fresh.sum(), {}

    def gradients(self, ctx: StepContext, state: Tensor, grads: Params) -> Params:
        return {k: g / (1 + 0.01 * state) for k, g in grads.items()}


class RemembersOutside(Part):
    """Keeps something in Python, where no checkpoint finds it."""

    name: ClassVar[str] = "remembers-outside"
    outside: ClassVar[list[int]] = []

    def init(self, setup: Setup, params: Params) -> Tensor:
        self.outside.clear()
        return _zero(setup.key.device)

    def begin_experience(self, ctx: Context, state: Tensor, data: Data) -> tuple[Params, Tensor]:
        self.outside.append(1)
        return ctx.params, state

    def end_experience(self, ctx: Context, state: Tensor, data: Data) -> tuple[Params, Tensor]:
        return ctx.params, state + len(self.outside)


@dataclass(frozen=True, kw_only=True)
class BranchesOnOption(Part):
    """Chooses by the value of an option, which a sweep cannot."""

    name: ClassVar[str] = "branches-on-option"

    strength: float = Field(default=0.1, ge=0, description="of nothing")

    def loss(self, ctx: StepContext, state: Tree) -> Tensor:
        return ctx.logits.square().sum() * (self.strength if self.strength > 0.05 else 0.0)


class AfraidOfTasks(Part):
    """Cannot stand to be told more than it needs."""

    name: ClassVar[str] = "afraid-of-tasks"

    def forward(self, ctx: Context, state: Tree, params: Params, batch: Batch, net: Net) -> Tensor:
        assert batch.task is None
        return net(params, batch)


BROKEN: dict[type[Part], str] = {
    NeedsTasks: strategies.TRAINS,
    Diverges: strategies.TRAINS,
    DrawsGlobally: strategies.REPLAYS,
    WritesGradients: strategies.UNTOUCHED,
    WritesDicts: strategies.UNTOUCHED,
    WritesWeights: strategies.UNTOUCHED,
    ChangesType: strategies.KEEPS,
    Grows: strategies.KEEPS,
    ForgetsDevice: strategies.DEVICES,
    Peeks: strategies.PEEKING,
    CountsPadding: strategies.ALONE,
    Branches: strategies.ALONE,
    ReadsEnd: strategies.STRETCHES,
    RemembersOutside: strategies.RESUMES,
    BranchesOnOption: strategies.SWEEPS,
    AfraidOfTasks: strategies.REVEALED,
}


def test_a_sound_part_passes_every_check() -> None:
    assert failures(check_strategy(Sound())) == {}
    assert_conforms(Sound())


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: str(cls.name))
def test_a_broken_part_fails_the_one_check_that_names_its_fault(cls: type[Part]) -> None:
    found = failures(check_strategy(cls()))
    assert list(found) == [BROKEN[cls]]
    assert "\n" not in found[BROKEN[cls]]


def test_what_rests_on_a_failed_check_is_not_passed() -> None:
    results = {result.check: result for result in check_strategy(DrawsGlobally())}
    assert results[strategies.ALONE].detail == "not tried, because 'replays from its seed' failed"
    assert not results[strategies.ALONE].passed


def test_a_complaint_names_the_hook_and_the_argument() -> None:
    found = failures(check_strategy(WritesGradients()))[strategies.UNTOUCHED]
    assert found == "writes-gradients.gradients writes into grads['head.bias']"
    found = failures(check_strategy(DrawsGlobally()))[strategies.REPLAYS]
    assert found.startswith("draws-globally.gradients draws from a global generator")


def test_an_exception_is_told_with_its_type_and_place() -> None:
    found = failures(check_strategy(NeedsTasks()))[strategies.TRAINS]
    assert found.startswith("AssertionError: ")
    assert "(test_testing_parts.py:" in found


def test_parts_are_checked_in_sum() -> None:
    assert list(failures(check_strategy([Sound(), Peeks()]))) == [strategies.PEEKING]


def test_parts_are_checked_on_a_stream_of_their_own() -> None:
    results = check_strategy(Sound(), scenario=Toy(reveals=frozenset(Reveal)))
    assert failures(results) == {}
    assert strategies.REVEALED not in [result.check for result in results]


@pytest.mark.slow
def test_a_compiled_step_is_checked_on_request() -> None:
    results = check_strategy(Sound(), compile=True)
    assert results[-1] == Result(strategies.COMPILED, True)


def test_checks_leave_generators_and_threads_alone() -> None:
    before = torch.get_rng_state(), torch.get_num_threads()
    check_strategy(Sound())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.get_num_threads() == before[1]
