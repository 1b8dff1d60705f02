"""A population is its replicas: none is changed by its neighbours, by cuts or by a pause.

Shape letters: N samples, C classes, R replicas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from streamsim import draws, resolution
from streamsim.chunks import make_chunks
from streamsim.compilation import Compiler, Mode
from streamsim.models import Cnn, Mlp
from streamsim.population import Population
from streamsim.strategy import Arrivals, Context, Params, Part, Setup, StepContext, Update
from streamsim.stream import Experience, Replica, Reveal, Stream, StreamSpec, Tables
from streamsim.trees import flatten, unstack
from streamsim_strategies.lwf import Lwf
from streamsim_strategies.replay import Replay

SEEDS = (0, 1, 2, 3, 4)
PER_CLASS, NUM_CLASSES, NUM_META = 24, 4, 4


@dataclass(frozen=True)
class View:
    def inputs(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return pool["x"][ids] + tables["shift"]

    def labels(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return tables["label"][pool["y"][ids]]

    def tasks(self, pool: Tables, tables: Tables, ids: Tensor) -> Tensor:
        return tables["label"][pool["y"][ids]] // 2


@dataclass(frozen=True, kw_only=True)
class Ragged:
    """Two experiences of two classes; one replica has 3 samples where another has 17."""

    shape: tuple[int, ...] = (4,)
    tasks: bool = False
    boundaries: bool = True

    def stream(self, root: Path) -> Stream:
        generator = torch.Generator().manual_seed(0)
        y_N = torch.arange(NUM_CLASSES + NUM_META).repeat_interleave(PER_CLASS)
        centre = torch.randn(NUM_CLASSES + NUM_META, *self.shape, generator=generator)
        x_N = centre[y_N] + 0.5 * torch.randn(len(y_N), *self.shape, generator=generator)
        reveals = {Reveal.BOUNDARIES, Reveal.META_CLASSES}
        if not self.boundaries:
            reveals.remove(Reveal.BOUNDARIES)
        if self.tasks:
            reveals.add(Reveal.TASK_LABELS)
        spec = StreamSpec(
            input_shape=self.shape,
            num_classes=NUM_CLASSES,
            num_experiences=2,
            setting="task" if self.tasks else "class",
            reveals=frozenset(reveals),
            num_tasks=2 if self.tasks else 1,
        )
        return Stream(spec, {"x": x_N, "y": y_N}, View(), draw)


def draw(key: Tensor) -> Replica:
    order_C = draws.permutation(draws.fold(key, "classes"), NUM_CLASSES)
    label_C = torch.full((NUM_CLASSES + NUM_META,), -1)
    label_C[order_C] = torch.arange(NUM_CLASSES)
    experiences = []
    for number, pair in enumerate(order_C.split(2)):  # type: ignore[no-untyped-call]
        ids = (pair[:, None] * PER_CLASS + torch.arange(PER_CLASS)).flatten()
        ids = ids[draws.permutation(draws.fold(key, "samples", number), len(ids))]
        size = 3 + int(draws.integers(draws.fold(key, "size"), torch.tensor(number), 15))
        experiences.append(Experience(ids[:size], ids[30 + number :]))
    shift = 0.2 * draws.normal(draws.fold(key, "shift"), torch.tensor(0))
    meta = torch.arange(NUM_CLASSES * PER_CLASS, (NUM_CLASSES + NUM_META) * PER_CLASS)
    return Replica(experiences, {"label": label_C, "shift": shift}, meta.view(NUM_META, PER_CLASS))


@dataclass(frozen=True)
class Follower(Part):
    """Counts its replica's steps and adds up how far its weights went."""

    name: ClassVar[str] = "follower"

    def init(self, setup: Setup, params: Params) -> dict[str, Tensor]:
        return {"steps": torch.tensor(0), "way": torch.tensor(0.0)}

    def after_step(
        self, ctx: StepContext, state: Mapping[str, Tensor], update: Update
    ) -> tuple[Params, dict[str, Tensor]]:
        moved = [(update.after[k] - update.before[k]).abs().sum() for k in update.after]
        way = state["way"] + torch.stack(moved).sum()
        return update.after, {"steps": state["steps"] + 1, "way": way}


@dataclass(frozen=True)
class Watcher(Part):
    """Plans what a part could read a boundary from: its clock and its key."""

    name: ClassVar[str] = "watcher"

    def plan(self, ctx: Context, state: Any, arrivals: Arrivals) -> tuple[Any, dict[str, Tensor]]:
        assert ctx.key is not None
        return state, {"clock": arrivals.clock, "key": ctx.key.expand(arrivals.clock.shape)}


def populations(
    strategy: str | Sequence[Part],
    options: Mapping[str, Any],
    seeds: Sequence[int],
    *,
    together: int | None = None,
    scenario: Ragged | None = None,
    compile: Mode = "off",
    sweep: Mapping[str, Sequence[Any]] | None = None,
) -> list[Population]:
    """Chunks of a configuration, not started."""
    scenario = scenario or Ragged(tasks="multihead" in strategy)
    model = Cnn(channels=(4,)) if len(scenario.shape) == 3 else Mlp(hidden=(6,))
    given = {"train.lr": 0.05, "train.batch_size": 3, **options}
    given = {k: v for k, v in given.items() if k not in (sweep or {})}
    chosen, objects = resolution.resolve(
        scenario, strategy, model.build, given, seeds, sweep or {}, None
    )
    chunks = make_chunks(
        chosen,
        objects,
        Path(),
        torch.device("cpu"),
        str(together or 1000),
        Compiler(compile),
    )
    learners = [chunk.learner() for chunk in chunks]
    return [learner for learner in learners if isinstance(learner, Population)]


def one_population(*args: Any, **options: Any) -> Population:
    (learner,) = populations(*args, **options)
    return learner


def train(learner: Population, experiences: Sequence[int] = (0, 1), stretch: int = 256) -> None:
    for experience in experiences:
        total = learner.num_steps(experience)
        learner.begin(experience)
        for start in range(0, total, stretch):
            learner.train(experience, range(start, min(start + stretch, total)))
        learner.end(experience)


def trained(*args: Any, **options: Any) -> Population:
    learner = one_population(*args, **options)
    learner.start()
    train(learner)
    return learner


def state_of(learner: Population, replica: int) -> dict[str, Tensor]:
    """Everything that training has changed, of one replica."""
    state = learner.state()
    return state if learner.size == 1 else {name: leaf[replica] for name, leaf in state.items()}


def assert_same(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Whole numbers (memories, classes, counters) exactly, others to 1e-5."""
    assert ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        if expected.is_floating_point():
            torch.testing.assert_close(ours[name], expected, rtol=1e-5, atol=1e-5)
        else:
            assert torch.equal(ours[name], expected), name


def assert_identical(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


MEMORY = {"strategy.memory_size": 7}
BALANCED = {**MEMORY, "strategy.policy": "class-balanced"}
STRATEGIES: dict[str, tuple[str, dict[str, Any]]] = {
    "naive": ("naive", {"train.epochs": 2, "train.momentum": 0.9}),
    "adam": ("naive", {"train.epochs": 2, "train.optimizer": "adam"}),
    "iterations": ("replay", {**MEMORY, "train.iterations": 8}),
    "replay": ("replay", {**MEMORY, "train.epochs": 2}),
    "balanced replay": ("replay", BALANCED),
    "agem": ("agem", {**MEMORY, "train.epochs": 2}),
    "lwf": ("lwf", {}),
    "ewc": ("ewc", {"strategy.num_samples": 6}),
    "empirical ewc": ("ewc", {"strategy.fisher": "empirical"}),
    "cumulative": ("cumulative", {}),
    "joint": ("joint", {}),
    "heads": ("multihead+lwf+replay", MEMORY),
    "prototypes": ("replay+ncm", BALANCED),
    "maml": ("maml-init+naive", {"strategy.iterations": 3, "strategy.queries": 3}),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_seed_alone_equals_itself_among_others(name: str) -> None:
    strategy, options = STRATEGIES[name]
    among = trained(strategy, options, SEEDS)
    correct = among.correct([0, 1], 1)
    for r in (1, 4):
        alone = trained(strategy, options, (SEEDS[r],))
        assert_same(state_of(alone, 0), state_of(among, r))
        assert torch.equal(alone.correct([0, 1], 1), correct[r : r + 1])


def test_the_replicas_of_these_tests_have_unequal_sizes() -> None:
    learner = one_population("naive", {}, SEEDS)
    sizes = [[len(e.train) for e in replica.experiences] for replica in learner.replicas]
    assert max(first for first, _ in sizes) > 2 * min(first for first, _ in sizes)
    for r in (1, 4):  # both idle while others train
        assert any(sizes[r][e] + 3 <= max(size[e] for size in sizes) for e in range(2))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8)])
def test_a_convolution_alone_equals_itself_among_others(shape: tuple[int, ...]) -> None:
    images = Ragged(shape=shape)
    among = trained("replay+lwf", MEMORY, SEEDS[:3], scenario=images)
    alone = trained("replay+lwf", MEMORY, (2,), scenario=images)
    assert_same(state_of(alone, 0), state_of(among, 2))


@pytest.mark.parametrize("name", ["replay", "balanced replay", "ewc", "heads"])
def test_chunks_train_what_one_population_trains(name: str) -> None:
    strategy, options = STRATEGIES[name]
    whole = trained(strategy, options, SEEDS)
    chunks = populations(strategy, options, SEEDS, together=2)
    assert [chunk.size for chunk in chunks] == [2, 2, 1]
    r = 0
    for chunk in chunks:
        chunk.start()
        train(chunk)
        for place in range(chunk.size):
            assert_same(state_of(chunk, place), state_of(whole, r))
            r += 1


@pytest.mark.parametrize("name", ["replay", "balanced replay", "agem", "heads"])
@pytest.mark.parametrize("stretch", [1, 4])
def test_one_stretch_or_many_is_the_same_to_the_bit(name: str, stretch: int) -> None:
    strategy, options = STRATEGIES[name]
    whole = trained(strategy, options, SEEDS)
    cut = one_population(strategy, options, SEEDS)
    cut.start()
    train(cut, stretch=stretch)
    assert_identical(cut.state(), whole.state())
    assert_identical(
        cut.take_losses()._asdict(),
        whole.take_losses()._asdict(),
    )


def test_replicas_are_not_copies_of_each_other() -> None:
    learner = trained("replay", MEMORY, SEEDS)
    for tensor in (learner.parameters()["head.weight"], learner.carry.states["replay"].ids):
        assert len({tuple(row.flatten().tolist()) for row in tensor}) == len(SEEDS)


@pytest.mark.parametrize(
    "options",
    [
        {"train.momentum": 0.9, "train.weight_decay": 0.1},
        {"train.optimizer": "adam"},
        {"train.optimizer": "adamw", "train.weight_decay": 0.1},
    ],
    ids=["momentum", "adam", "adamw"],
)
def test_an_idle_replica_keeps_everything(options: dict[str, Any]) -> None:
    parts = [Replay(memory_size=7), Lwf(), Follower()]
    learner = one_population(parts, {**options, "train.epochs": 2}, SEEDS)
    learner.start()
    sizes = [[-(-len(e.train) // 3) for e in replica.experiences] for replica in learner.replicas]
    made = [0] * len(SEEDS)
    for experience in range(2):
        learner.begin(experience)
        per_pass = learner.num_steps(experience) // 2
        for step in range(2 * per_pass):
            before = [state_of(learner, r) for r in range(len(SEEDS))]
            learner.train(experience, range(step, step + 1))
            active = learner.take_losses().active[:, 0].tolist()
            assert active == [step % per_pass < size[experience] for size in sizes]
            for r in range(len(SEEDS)):
                after = state_of(learner, r)
                if active[r]:
                    made[r] += 1
                    assert int(after["states/follower/steps"]) == made[r]
                else:
                    assert_identical(after, before[r])
        learner.end(experience)
    assert learner.carry.states["follower"]["steps"].tolist() == made
    assert len(set(made)) > 1


@pytest.mark.parametrize("seeds", [(2,), SEEDS], ids=["alone", "population"])
@pytest.mark.parametrize("strategy", ["replay+lwf+ewc", "agem", "multihead+lwf"])
def test_an_eager_step_equals_one_of_functional_gradients(
    strategy: str, seeds: tuple[int, ...]
) -> None:
    learner = one_population(strategy, {}, seeds)
    learner.start()
    train(learner, [0])
    learner.begin(1)
    inputs = learner._plan(1, range(learner.num_steps(1))).inputs
    moving = learner._stretches.moving(learner.carry)
    for each in unstack(inputs, inputs.ids.shape[0]):
        given = moving, learner.carry.states, learner.world, each
        eager, eager_loss, _ = learner._stepper.eager(*given)
        whole, loss, _ = learner._stepper.whole(*given)
        torch.testing.assert_close(eager_loss, loss, rtol=1e-5, atol=1e-5)
        assert_same(flatten(eager), flatten(whole))
        moving = eager
    before, after = learner.parameters()["stages.0.1.bias"], moving.params["stages.0.1.bias"]
    assert (after.view_as(before) != before).any()


@pytest.mark.parametrize("seeds", [(2,), SEEDS], ids=["alone", "population"])
@pytest.mark.parametrize("name", ["naive", "adam", "replay", "balanced replay", "ewc", "heads"])
def test_a_restored_state_goes_on_to_the_bit(name: str, seeds: tuple[int, ...]) -> None:
    strategy, options = STRATEGIES[name]
    options = {**options, "train.epochs": 2}
    straight = one_population(strategy, options, seeds)
    straight.start()
    train(straight, [0])
    total = straight.num_steps(1)
    assert total > 2
    straight.begin(1)
    straight.train(1, range(2))
    saved = {name: leaf.clone() for name, leaf in straight.state().items()}
    resumed = one_population(strategy, options, seeds)
    resumed.restore(saved)
    for learner in (straight, resumed):
        learner.train(1, range(2, total))
        learner.end(1)
    assert_identical(resumed.state(), straight.state())
    assert torch.equal(resumed.correct([0, 1], 1), straight.correct([0, 1], 1))


def test_training_does_not_write_into_a_state_that_was_taken() -> None:
    learner = one_population("replay", {**MEMORY, "train.momentum": 0.9}, SEEDS)
    learner.start()
    taken = learner.state()
    copies = {name: leaf.clone() for name, leaf in taken.items()}
    train(learner)
    assert_identical(taken, copies)


def test_a_state_of_another_configuration_is_refused() -> None:
    saved = trained("replay", MEMORY, SEEDS).state()
    for strategy, options in (("naive", {}), ("replay", {"strategy.memory_size": 8})):
        with pytest.raises(ValueError, match="does not fit this configuration"):
            one_population(strategy, options, SEEDS).restore(saved)


@pytest.mark.parametrize("name", ["replay", "prototypes", "heads"])
def test_evaluation_changes_nothing(name: str) -> None:
    strategy, options = STRATEGIES[name]
    learner = trained(strategy, options, SEEDS)
    before = learner.state()
    first = learner.correct([1, 0, 1], 1)
    assert torch.equal(first[:, 0], first[:, 2])
    assert_identical(learner.state(), before)
    assert learner.test_sizes([1, 0]).tolist() == [[17, 18]] * len(SEEDS)


def test_settings_side_by_side_equal_each_alone() -> None:
    sweep = {
        "train.lr": [0.02, 0.1],
        "train.momentum": [0.0, 0.9],
        "strategy.lwf.alpha": [0.5, 3.0],
        "strategy.ewc.strength": [1.0, 50.0],
    }
    together = trained("lwf+ewc", {}, (0, 3), sweep=sweep)
    assert together.size == 32
    grid = [
        (lr, momentum, alpha, strength, seed)
        for lr in (0.02, 0.1)
        for momentum in (0.0, 0.9)
        for alpha in (0.5, 3.0)
        for strength in (1.0, 50.0)
        for seed in (0, 3)
    ]
    parameters = together.parameters()
    for r in (0, 7, 18, 31):
        lr, momentum, alpha, strength, seed = grid[r]
        options = {
            "train.lr": lr,
            "train.momentum": momentum,
            "strategy.lwf.alpha": alpha,
            "strategy.ewc.strength": strength,
        }
        alone = trained("lwf+ewc", options, (seed,)).parameters()
        assert_same({k: p[r] for k, p in parameters.items()}, {k: p[0] for k, p in alone.items()})


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(2,), SEEDS], ids=["alone", "population"])
def test_compiled_steps_equal_eager_ones(seeds: tuple[int, ...]) -> None:
    options = {**MEMORY, "train.epochs": 2, "train.momentum": 0.9}
    eager = trained("replay+lwf+agem", options, seeds)
    compiled = trained("replay+lwf+agem", options, seeds, compile="on")
    for r in range(len(seeds)):
        assert_same(state_of(compiled, r), state_of(eager, r))


@pytest.mark.parametrize(
    ("strategy", "sweep"),
    [
        ("lwf", {"strategy.lwf.alpha": [0.1, 1.0]}),
        ("naive", {"train.momentum": [0.1, 0.9]}),
        ("replay+agem", {}),
        ("multihead+ewc", {}),
    ],
    ids=str,
)
def test_a_step_is_traced_in_one_piece(strategy: str, sweep: dict[str, list[float]]) -> None:
    """Or else the compiler would run it in pieces, hardly faster than eagerly."""
    learner = one_population(strategy, MEMORY if "replay" in strategy else {}, (0, 1), sweep=sweep)
    learner.start()
    planned = learner._plan(0, range(1))
    moving = learner._stretches.moving(learner.carry)
    given = moving, learner.carry.states, learner.world, unstack(planned.inputs, 1)[0]
    traced = torch.compile(learner._stepper.whole, backend="eager", fullgraph=True, dynamic=False)
    after, losses, _ = traced(*given)
    eager = learner._stepper.eager(*given)
    torch.testing.assert_close(losses, eager[1])
    assert_same(flatten(after.params), flatten(eager[0].params))


def test_steps_without_guards_are_those_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where two programs take turns and replicas idle."""

    def interleaved() -> list[dict[str, Tensor]]:
        options = {"train.epochs": 2, "train.momentum": 0.9, "train.batch_size": 2}
        learners = [one_population(s, options, SEEDS, compile="on") for s in ("naive", "lwf")]
        for learner in learners:
            learner.start()
        for experience in range(2):
            for start in range(0, learners[0].num_steps(experience), 8):
                for learner in learners:
                    if start == 0:
                        learner.begin(experience)
                    stop = min(start + 8, learner.num_steps(experience))
                    learner.train(experience, range(start, stop))
            for learner in learners:
                learner.end(experience)
        return [learner.state() for learner in learners]

    stances = []
    set_stance = torch.compiler.set_stance

    def watched(**options: Any) -> Any:
        stances.append(options)
        return set_stance(**options)

    monkeypatch.setattr(torch.compiler, "set_stance", watched)
    without = interleaved()
    assert len(stances) > 3
    monkeypatch.setattr(Compiler, "unguarded", lambda self: nullcontext())
    for ours, theirs in zip(without, interleaved(), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("seeds", [(0,), SEEDS], ids=["alone", "together"])
def test_a_hidden_boundary_shows_in_no_clock_and_no_key(seeds: tuple[int, ...]) -> None:
    for boundaries in (True, False):
        scenario = Ragged(boundaries=boundaries)
        (learner,) = populations([Watcher()], {}, seeds, scenario=scenario)
        learner.start()
        clocks, keys = [], []
        for experience in range(2):
            steps = range(learner.num_steps(experience))
            planned = learner._plan(experience, steps)
            active = planned.active.view(len(steps), -1)
            watched = planned.inputs.plans["watcher"]
            clocks.append(
                [watched["clock"].view(active.shape)[a, r] for r, a in enumerate(active.T)]
            )
            keys.append(watched["key"].view(active.shape)[0])
        for before, after in zip(*clocks, strict=True):
            start = 0 if boundaries else len(before)
            assert before.tolist() == list(range(len(before)))
            assert after.tolist() == list(range(start, start + len(after)))
        assert bool((keys[0] == keys[1]).all()) == (not boundaries)
