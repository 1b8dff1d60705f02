"""The conformance kit fails each broken plugin by the one check that names its fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

import streamsim
from streamsim import draws, registry
from streamsim.chunks import replica_key
from streamsim.registry import Plugin
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
from streamsim.stream import (
    Batch,
    Experience,
    Replica,
    Reveal,
    Scenario,
    Stream,
    StreamSpec,
    Tables,
)
from streamsim.testing import (
    Result,
    Toy,
    assert_conforms,
    check,
    check_scenario,
    check_strategy,
    scenarios,
    strategies,
)
from streamsim.testing.driving import FAST, SEEDS
from streamsim.testing.results import Check, run_checks
from streamsim.trees import Tree


def failures(results: list[Result]) -> dict[str, str]:
    """Failed checks and why, without those that were not tried because of them."""
    return {
        result.check: result.detail
        for result in results
        if not result.passed and not result.detail.startswith("not tried")
    }


# -- parts, each with one fault ---------------------------------------------------------------
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
    assert "(test_testing.py:" in found


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


def test_seeds_of_the_toy_idle_at_different_times() -> None:
    stream = Toy().stream(Path())
    sizes = [[len(e.train) for e in stream.draw(replica_key(seed)).experiences] for seed in SEEDS]
    steps = [[-(-size // FAST["train.batch_size"]) for size in of_seed] for of_seed in sizes]
    assert all(len(set(at_experience)) > 1 for at_experience in zip(*steps, strict=True))
    # the chunk of all but the first seed is padded otherwise than all of them
    assert [max(sizes) for sizes in zip(*steps, strict=True)] != [
        max(sizes[1:]) for sizes in zip(*steps, strict=True)
    ]
    # the default memory of 200 samples overflows
    assert all(sum(of_seed) > 200 for of_seed in sizes[:2])


# -- scenarios, each with one fault -----------------------------------------------------------
@plain_dataclass(frozen=True)
class Changed:
    """The toy, with one thing changed."""

    change: Callable[[Stream], Stream]
    reveals: frozenset[Reveal] = frozenset(Reveal)

    def stream(self, root: Path) -> Stream:
        return self.change(Toy(reveals=self.reveals).stream(root))


@plain_dataclass(frozen=True)
class View:
    """The toy's view, with one thing changed."""

    on_inputs: Callable[[Tables, Tensor, Tensor], Tensor] = lambda pool, ids, x: x
    on_labels: Callable[[Tensor], Tensor] = lambda y: y

    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.on_inputs(pool, ids, pool["x"][ids])

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return self.on_labels(tables["label"][pool["y"][ids]])

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return tables["task"][pool["y"][ids]]


def _drawing(change: Callable[[Replica, Tensor], Replica]) -> Callable[[Stream], Stream]:
    return lambda stream: replace(stream, draw=lambda key: change(stream.draw(key), key))


def _announcing(change: Callable[[StreamSpec], StreamSpec]) -> Callable[[Stream], Stream]:
    return lambda stream: replace(stream, spec=change(stream.spec))


def _viewing(view: View) -> Callable[[Stream], Stream]:
    return lambda stream: replace(stream, view=view)


def _first(replica: Replica, change: Callable[[Experience], Experience]) -> Replica:
    first, *others = replica.experiences
    return replace(replica, experiences=[change(first), *others])


def _shuffle_globally(replica: Replica, key: Tensor) -> Replica:
    return _first(replica, lambda e: replace(e, train=e.train[torch.randperm(len(e.train))]))


def _ragged_table(replica: Replica, key: Tensor) -> Replica:
    size = int(draws.integers(key, torch.tensor(0), 1000))
    return replace(replica, tables={**replica.tables, "more": torch.zeros(size)})


def _scaled_by_batch(pool: Tables, ids: Tensor, x: Tensor) -> Tensor:
    return x / x.std()


def _writing(pool: Tables, ids: Tensor, x: Tensor) -> Tensor:
    pool["x"].add_(1.0)
    return x


def _on_default_device(pool: Tables, ids: Tensor, x: Tensor) -> Tensor:
    return x + torch.zeros(x.shape[1:])


def _branching(pool: Tables, ids: Tensor, x: Tensor) -> Tensor:
    return x if int(ids.max()) >= 0 else -x


BROKEN_STREAMS: Mapping[str, tuple[Callable[[Stream], Stream], str]] = {
    "global generator": (_drawing(_shuffle_globally), scenarios.REPLAYS),
    "one experience too many": (
        _announcing(lambda spec: replace(spec, num_experiences=4)),
        scenarios.EXPERIENCES,
    ),
    "empty test part": (
        _drawing(lambda r, key: _first(r, lambda e: replace(e, test=e.test[:0]))),
        scenarios.EXPERIENCES,
    ),
    "tables of different sizes": (_drawing(_ragged_table), scenarios.STACKS),
    "test samples to train on": (
        _drawing(
            lambda r, key: _first(r, lambda e: replace(e, train=torch.cat([e.train, e.test[:1]])))
        ),
        scenarios.APART,
    ),
    "labels out of range": (_viewing(View(on_labels=lambda y: y + 1)), scenarios.SAMPLES),
    "inputs of another shape": (
        _viewing(View(on_inputs=lambda pool, ids, x: x.flatten(1))),
        scenarios.SAMPLES,
    ),
    "inputs of another type": (
        _viewing(View(on_inputs=lambda pool, ids, x: x.double())),
        scenarios.SAMPLES,
    ),
    "no classes apart": (
        _drawing(lambda replica, key: replace(replica, meta=None)),
        scenarios.REVEALS,
    ),
    "classes apart that are not": (
        _drawing(lambda r, key: replace(r, meta=r.experiences[1].train[None, :20])),
        scenarios.REVEALS,
    ),
    "hidden task labels": (
        _announcing(lambda spec: replace(spec, reveals=spec.reveals - {Reveal.TASK_LABELS})),
        scenarios.REVEALS,
    ),
    "writes into the pool": (_viewing(View(on_inputs=_writing)), scenarios.UNTOUCHED),
    "depends on the batch": (_viewing(View(on_inputs=_scaled_by_batch)), scenarios.BATCHES),
    "forgets the device": (_viewing(View(on_inputs=_on_default_device)), scenarios.DEVICES),
    "cannot be mapped": (_viewing(View(on_inputs=_branching)), scenarios.MAPS),
    "diverges": (
        _viewing(View(on_inputs=lambda pool, ids, x: x * 1e25)),
        scenarios.RUNS,
    ),
}


@pytest.mark.parametrize("reveals", [frozenset(), frozenset(Reveal)], ids=["nothing", "all"])
def test_a_sound_scenario_passes_every_check(reveals: frozenset[Reveal]) -> None:
    assert failures(check_scenario(Toy(reveals=reveals))) == {}
    assert_conforms(Toy(reveals=reveals))


@pytest.mark.parametrize("fault", BROKEN_STREAMS)
def test_a_broken_scenario_fails_the_one_check_that_names_its_fault(fault: str) -> None:
    change, expected = BROKEN_STREAMS[fault]
    assert list(failures(check_scenario(Changed(change)))) == [expected]


def test_a_missing_data_set_is_one_honest_result() -> None:
    def missing(stream: Stream) -> Stream:
        raise ValueError("letters is not in here; run `streamsim data get letters`")

    assert check_scenario(Changed(missing)) == [
        Result(scenarios.DATA, False, "letters is not in here; run `streamsim data get letters`")
    ]


# -- by name ----------------------------------------------------------------------------------
@dataclass(frozen=True, kw_only=True)
class Undescribed(Part):
    name: ClassVar[str] = "another"

    strength: float = Field(default=-1.0, ge=0)


@dataclass(frozen=True, kw_only=True)
class Demanding:
    """The toy, for those who say how much of it they want."""

    size: int = Field(ge=1, description="of nothing")

    def stream(self, root: Path) -> Stream:
        return Toy().stream(root)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names for some of the classes here."""
    tables: dict[str, dict[str, type]] = {
        "strategy": {"sound": Sound, "undescribed": Undescribed, "both": Sound},
        "scenario": {"demanding": Demanding, "both": Toy},
    }

    plugins, load = registry.plugins, registry.load

    def plugins_here(kind: registry.Kind) -> Mapping[str, Plugin]:
        here = {name: Plugin(name, "here", "test") for name in tables.get(kind, {})}
        return {**plugins(kind), **here}

    def load_here(kind: registry.Kind, name: str) -> type:
        found = tables.get(kind, {}).get(name)
        return load(kind, name) if found is None else found

    monkeypatch.setattr(registry, "plugins", plugins_here)
    monkeypatch.setattr(registry, "load", load_here)


@pytest.mark.usefixtures("registered")
def test_an_unknown_name_is_refused_with_a_near_one() -> None:
    with pytest.raises(
        ValueError, match="unknown scenario or strategy 'sond'; did you mean 'sound'"
    ):
        check("sond")


@pytest.mark.usefixtures("registered")
def test_a_registered_part_is_described_built_and_checked() -> None:
    results = check("sound", options={"strategy.strength": 0.2, "train.batch_size": 12})
    assert [result.check for result in results[:2]] == [
        "sound is described",
        "builds with its defaults",
    ]
    assert failures(results) == {}
    assert len(results) == len(check_strategy(Sound())) + 2


@pytest.mark.usefixtures("registered")
def test_a_part_that_says_nothing_of_itself_is_told_everything_that_is_missing() -> None:
    found = failures(check("undescribed"))["undescribed is described"]
    for text in (
        "Undescribed has no docstring",
        "registered as 'undescribed', but Undescribed.name is 'another'",
        "Undescribed.reference is empty",
        "option strength has no description",
        "the defaults are refused: Undescribed.strength=-1.0",
    ):
        assert text in found


@pytest.mark.usefixtures("registered")
def test_an_option_without_default_must_be_given() -> None:
    assert "demanding" not in failures(check("demanding", options={"scenario.size": 3}))
    found = failures(check("demanding"))
    assert list(found) == ["builds with its defaults"]
    assert "size" in found["builds with its defaults"]


@pytest.mark.usefixtures("registered")
def test_a_name_of_both_kinds_is_checked_as_both() -> None:
    names = [result.check for result in check("both")]
    assert "scenario: both is described" in names
    assert "strategy: replays from its seed" in names


def test_a_plugin_that_cannot_be_imported_fails_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = {"gone": Plugin("gone", "no_such_module:Gone", "somebody")}
    monkeypatch.setattr(registry, "plugins", lambda kind: gone if kind == "strategy" else {})
    found = failures(check("gone"))
    assert list(found) == ["gone is described", "builds with its defaults"]
    assert "mend or uninstall that package" in found["gone is described"]


def test_assertions_list_every_failure() -> None:
    with pytest.raises(
        AssertionError, match=r"(?s)\d+ of \d+ checks fail.*no peeking.*: before|after"
    ):
        assert_conforms(Peeks())


def test_a_check_that_raises_has_failed() -> None:
    def broken() -> str:
        raise KeyError("anchor")

    [result] = run_checks([Check("holds", broken)])
    assert not result.passed
    assert result.detail.startswith("KeyError: 'anchor' (test_testing.py:")


def test_the_toy_serves_as_a_scenario_of_a_run(tmp_path: Path) -> None:
    scenario: Scenario = Toy()
    run = streamsim.run(scenario, Sound(), seeds=2, out=tmp_path / "run")
    assert run.status == "finished"
