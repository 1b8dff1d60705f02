"""Transference against plain loops over pairs, one replica, one source and one target at a time.

Shape letters: R replicas, I sources, J targets, E experiences.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor
from torch.func import vmap

import streamsim
from streamsim import resolution, simulator
from streamsim.chunks import make_chunks
from streamsim.cli import main
from streamsim.compilation import Compiler
from streamsim.models import Mlp
from streamsim.population import Population
from streamsim.runs import checkpoints
from streamsim.transference import (
    PairLosses,
    Task,
    TransferenceOptions,
    episodic_losses,
    episodic_transference,
    pair_columns,
    pair_losses,
)

Weights = dict[str, Tensor]
ALL = TransferenceOptions(samples=10_000)
FEW = {"scenario.n_experiences": 2, "transference.samples": 8}


# -- the heart ------------------------------------------------------------------------------------
def test_two_parabolas_by_hand() -> None:
    """Loss (w - t)², one step of 0.25 from 0: half the way to the source."""
    targets = torch.tensor([1.0, 3.0])
    losses = pair_losses(
        lambda params, source: {"w": params["w"] - 0.25 * 2 * (params["w"] - source)},
        lambda params: (params["w"] - targets) ** 2,
        {"w": torch.tensor(0.0)},
        targets,
    )
    assert losses.before.tolist() == [1, 9]
    assert losses.after.tolist() == [[0.25, 6.25], [0.25, 2.25]]
    assert losses.ratio.tolist() == [[0.25, 6.25 / 9], [0.25, 0.25]]


def test_a_ratio_to_nothing_and_an_overflow_have_no_number() -> None:
    inf = float("inf")
    losses = PairLosses(torch.tensor([0.0, 0.0, 2.0]), torch.tensor([[0.0, 1.0, inf]]))
    assert losses.ratio.isnan().all()


def test_columns_name_every_pair_of_every_replica() -> None:
    losses = PairLosses(torch.tensor([[1.0, 2.0]] * 2), torch.arange(12.0).view(2, 3, 2))
    found = pair_columns(losses, seed=[7, 9])
    assert len(found["ratio"]) == 12
    for row in range(12):
        replica, source, target = (
            [7, 9].index(int(found["seed"][row])),
            int(found["source"][row]),
            int(found["target"][row]),
        )
        assert found["loss_before"][row] == losses.before[replica, target]
        assert found["loss_after"][row] == losses.after[replica, source, target]


# -- few-shot tasks -------------------------------------------------------------------------------
def _tasks(num: int, seed: int) -> Task:
    """Regression sets of five samples in three dimensions."""
    drawn = torch.Generator().manual_seed(seed)
    sets = [
        (torch.randn(num, 5, 3, generator=drawn), torch.randn(num, 5, generator=drawn))
        for _ in range(2)
    ]
    return Task(*sets)


def _net(seed: int = 0) -> Weights:
    drawn = torch.Generator().manual_seed(seed)
    return {"a": torch.randn(4, 3, generator=drawn), "b": torch.randn(4, generator=drawn)}


def _loss(params: Any, samples: Any) -> Tensor:
    x, y = samples
    errors: Tensor = (x @ params["a"].T).tanh() @ params["b"] - y
    return errors.square().mean()


def _slow_step(weights: Weights, loss: Tensor, lr: float, graph: bool) -> Weights:
    grads = torch.autograd.grad(loss, list(weights.values()), create_graph=graph)
    if not graph:
        grads = tuple(g.detach() for g in grads)
    return {name: w - lr * g for (name, w), g in zip(weights.items(), grads, strict=True)}


def _slow_query_loss(weights: Weights, task: Task, number: int, steps: int, graph: bool) -> Tensor:
    support, query = ([t[number] for t in side] for side in task)
    for _ in range(steps):
        weights = _slow_step(weights, _loss(weights, support), 0.3, graph)
    return _loss(weights, query)


@pytest.mark.parametrize("order", ["second", "first"])
@pytest.mark.parametrize("steps", [1, 3])
def test_episodes_equal_the_papers_three_steps_in_a_loop(order: Any, steps: int) -> None:
    sources, targets, graph = _tasks(6, 1), _tasks(2, 2), order == "second"
    found = episodic_losses(
        *(_loss, _net(), sources, targets),
        inner_lr=0.3,
        outer_lr=0.2,
        inner_steps=steps,
        order=order,
        chunk_size=4,
    )
    weights = {name: w.requires_grad_() for name, w in _net().items()}
    for j in range(2):
        before = _slow_query_loss(weights, targets, j, steps, graph)
        assert found.before[j].item() == pytest.approx(before.item(), rel=1e-5)
        for i in range(6):
            outer = _slow_query_loss(weights, sources, i, steps, graph)
            updated = _slow_step(weights, outer, 0.2, False)
            after = _slow_query_loss(updated, targets, j, steps, graph)
            assert found.after[i, j].item() == pytest.approx(after.item(), rel=1e-5)


def test_second_and_first_order_differ() -> None:
    given = (_loss, _net(), _tasks(3, 1), _tasks(2, 2))
    second = episodic_losses(*given, inner_lr=0.3, outer_lr=0.2)
    first = episodic_losses(*given, inner_lr=0.3, outer_lr=0.2, order="first")
    assert torch.equal(second.before, first.before)
    assert (second.after - first.after).abs().min() > 1e-4


def test_episodes_map_over_replicas() -> None:
    nets = [_net(seed) for seed in range(3)]
    stacked = {name: torch.stack([net[name] for net in nets]) for name in nets[0]}
    sources, targets = _tasks(4, 1), _tasks(2, 2)

    def losses(params: Weights) -> PairLosses:
        return episodic_losses(_loss, params, sources, targets, inner_lr=0.3, outer_lr=0.2)

    together = vmap(losses)(stacked)
    for place, net in enumerate(nets):
        torch.testing.assert_close(together.ratio[place], losses(net).ratio, rtol=1e-5, atol=1e-5)


def test_the_tidy_table_has_a_row_a_pair_and_leaves_no_graph() -> None:
    weights = {name: w.requires_grad_() for name, w in _net().items()}
    given = (_loss, weights, _tasks(4, 1), _tasks(2, 2))
    table = episodic_transference(*given, inner_lr=0.3, outer_lr=0.2)
    assert list(table) == ["source", "target", "loss_before", "loss_after", "ratio"]
    losses = episodic_losses(*given, inner_lr=0.3, outer_lr=0.2)
    row = table.query("source == 3 and target == 1").iloc[0]
    assert row["ratio"] == pytest.approx(losses.ratio[3, 1].item())


# -- experiences of a stream ----------------------------------------------------------------------
def _population(
    strategy: str = "naive",
    scenario: dict[str, Any] | None = None,
    seeds: Sequence[int] = (0, 1),
    lrs: Sequence[float] = (0.1, 0.5),
) -> Population:
    """Every seed at every learning rate."""
    options = {f"scenario.{name}": value for name, value in (scenario or {}).items()}
    wanted, objects = resolution.resolve(
        *("split-digits", strategy, Mlp(hidden=(12,)).build, options, seeds),
        {"train.lr": list(lrs)} if len(lrs) > 1 else {},
        None,
    )
    size = str(len(seeds) * len(lrs))
    (chunk,) = make_chunks(wanted, objects, Path(), torch.device("cpu"), size, Compiler("off"))
    learner = chunk.learner()
    assert isinstance(learner, Population)
    learner.start()
    return learner


def _train(learner: Population, *experiences: int) -> None:
    for experience in experiences:
        learner.begin(experience)
        learner.train(experience, range(learner.num_steps(experience)))
        learner.end(experience)


Logits = Callable[[Weights, Tensor, Tensor], Tensor]  # of weights, inputs and task labels


def _bare(weights: Weights, x: Tensor, task: Tensor) -> Tensor:
    return _features(weights, x) @ weights["head.weight"].T + weights["head.bias"]


def _heads(weights: Weights, x: Tensor, task: Tensor) -> Tensor:
    h = _features(weights, x)
    weight, bias = weights["multihead.weight"][task], weights["multihead.bias"][task]
    return torch.einsum("bf,bcf->bc", h, weight) + bias


def _features(weights: Weights, x: Tensor) -> Tensor:
    return (x.flatten(1) @ weights["stages.0.1.weight"].T + weights["stages.0.1.bias"]).relu()


def _plain_loop(
    learner: Population, replica: int, lr: float, seen: set[int], logits: Logits = _bare
) -> Tensor:
    """LR(i→j) `[E, E]` over all samples: nothing batched, nothing masked, columns cut out."""
    stream, drawn = learner.program.stream, learner.replicas[replica]
    weights = {k: p[replica].clone().requires_grad_() for k, p in learner.parameters().items()}

    def loss(weights: Weights, ids: Tensor, classes: set[int]) -> Tensor:
        given = stream.pool, drawn.tables, ids
        x, y, task = (
            read(*given) for read in (stream.view.inputs, stream.view.labels, stream.view.tasks)
        )
        columns = sorted(seen | classes)
        place = torch.tensor([columns.index(int(label)) for label in y])
        return F.cross_entropy(logits(weights, x, task)[:, columns], place)

    def classes(experience: int) -> set[int]:
        ids = drawn.experiences[experience].train
        return set(stream.view.labels(stream.pool, drawn.tables, ids).tolist())

    num = len(drawn.experiences)
    ratio = torch.empty(num, num)
    for i in range(num):
        stepped = loss(weights, drawn.experiences[i].train, classes(i))
        grads = torch.autograd.grad(
            stepped, list(weights.values()), allow_unused=True, materialize_grads=True
        )
        updated = {k: w - lr * g for (k, w), g in zip(weights.items(), grads, strict=True)}
        for j in range(num):
            held_out = drawn.experiences[j].test, classes(j)
            ratio[i, j] = loss(updated, *held_out) / loss(weights, *held_out)
    return ratio.detach()


def test_a_stream_equals_the_plain_loop_before_any_training() -> None:
    """No class has been seen: each experience counts its own, and every replica steps its way."""
    learner = _population()
    ratio = learner.transference(ALL, -1).ratio
    for replica, lr in enumerate((0.1, 0.1, 0.5, 0.5)):
        expected = _plain_loop(learner, replica, lr, set())
        torch.testing.assert_close(ratio[replica].float(), expected, rtol=1e-5, atol=1e-5)


def test_a_stream_equals_the_plain_loop_between_experiences() -> None:
    learner = _population()
    _train(learner, 0, 1)
    ratio = learner.transference(ALL, 1).ratio
    assert ratio.shape == (4, 5, 5)
    for replica, lr in enumerate((0.1, 0.1, 0.5, 0.5)):
        expected = _plain_loop(learner, replica, lr, {0, 1, 2, 3})
        torch.testing.assert_close(ratio[replica].float(), expected, rtol=1e-5, atol=1e-5)


def test_a_step_size_of_its_own_replaces_the_runs() -> None:
    learner = _population()
    _train(learner, 0)
    ratio = learner.transference(TransferenceOptions(samples=10_000, lr=0.02), 0).ratio
    expected = _plain_loop(learner, 3, 0.02, {0, 1})
    torch.testing.assert_close(ratio[3].float(), expected, rtol=1e-5, atol=1e-5)


def test_the_strategys_heads_are_what_learns() -> None:
    learner = _population("multihead", {"setting": "task", "n_experiences": 2}, lrs=(0.1,))
    _train(learner, 0, 1)
    ratio = learner.transference(ALL, 1).ratio
    # a head is asked about the classes of its own task only, whatever else has been seen
    expected = _plain_loop(learner, 1, 0.1, set(), _heads)
    torch.testing.assert_close(ratio[1].float(), expected, rtol=1e-5, atol=1e-5)


def test_measuring_changes_nothing_and_gives_the_same_again() -> None:
    learner = _population()
    _train(learner, 0)
    before = learner.state()
    first, second = (learner.transference(TransferenceOptions(), 0) for _ in range(2))
    assert torch.equal(first.after, second.after)
    assert all(torch.equal(leaf, before[name]) for name, leaf in learner.state().items())


def test_few_samples_are_the_replicas_own_and_differ_from_each_other() -> None:
    learner = _population(lrs=(0.1,))
    learner.transference(TransferenceOptions(samples=7), -1)
    sides = learner._evaluation._sides
    assert sides is not None
    for replica, drawn in enumerate(learner.replicas):
        for number, experience in enumerate(drawn.experiences):
            train, test = (side.ids[replica, number].tolist() for side in sides)
            assert len(set(train)) == len(set(test)) == 7
            assert set(train) <= set(experience.train.tolist())
            assert set(test) <= set(experience.test.tolist())
    assert not torch.equal(sides.train.ids[0], sides.train.ids[1])


def test_memory_bounds_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = _population()
    whole = learner.transference(TransferenceOptions(), -1).ratio
    monkeypatch.setattr("streamsim.pairs.CPU_BYTES", 1)
    torch.testing.assert_close(
        learner.transference(TransferenceOptions(), -1).ratio, whole, rtol=1e-5, atol=1e-5
    )


# -- recorded by a run ----------------------------------------------------------------------------
def _bytes(folder: Path) -> dict[str, bytes]:
    files = [*folder.glob("*.parquet"), *(folder / "parameters").glob("*.safetensors")]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_a_run_records_every_pair_at_every_checkpoint_and_learns_the_same(tmp_path: Path) -> None:
    options = {"scenario.n_experiences": 3}
    plain = streamsim.run("split-digits", "replay", seeds=2, options=options, out=tmp_path / "a")
    run = streamsim.run(
        *("split-digits", "replay"),
        seeds=2,
        options=options,
        transference=True,
        out=tmp_path / "b",
    )
    table = run.table("transference")
    keys = ["setting", "seed", "after", "source", "target"]
    assert len(table) == len(table.drop_duplicates(keys)) == 2 * 3 * 3 * 3
    assert (table["ratio"] == table["loss_after"] / table["loss_before"]).all()
    learned, expected = _bytes(tmp_path / "b"), _bytes(tmp_path / "a")
    assert learned.pop("transference.parquet")
    assert learned == expected
    assert not any(name.startswith("transference") for name in plain.configuration["options"])
    with pytest.raises(ValueError, match=r"no transference; run with --transference"):
        plain.table("transference")
    with pytest.raises(ValueError, match=r"meta-learns, such as maml-init"):
        run.table("meta_transference")


def test_a_seed_alone_measures_what_it_measures_among_others(tmp_path: Path) -> None:
    given: dict[str, Any] = {"options": FEW, "transference": True}
    among = streamsim.run("split-digits", seeds=5, vectorize=3, out=tmp_path / "a", **given)
    alone = streamsim.run("split-digits", seeds=[4], out=tmp_path / "b", **given)
    expected = alone.table("transference")["ratio"].to_numpy()
    found = among.table("transference").query("seed == 4")["ratio"].to_numpy()
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_replica_that_diverged_has_no_numbers(tmp_path: Path) -> None:
    run = streamsim.run(
        *("split-digits", "naive"),
        options=FEW,
        sweep={"train.lr": [0.1, 1e30]},
        transference=True,
        out=tmp_path,
    )
    table = run.table("transference")
    numbers = table.groupby("setting")[["loss_before", "loss_after", "ratio"]].count()
    assert numbers.to_numpy().tolist() == [[8, 8, 8], [0, 0, 0]]


def test_checkpoints_can_be_chosen(tmp_path: Path) -> None:
    options = {**FEW, "transference.after": "-1,1"}
    run = streamsim.run("split-digits", options=options, transference=True, out=tmp_path)
    assert set(run.table("transference")["after"]) == {-1, 1}


def test_joint_training_passes_one_checkpoint(tmp_path: Path) -> None:
    run = streamsim.run("split-digits", "joint", options=FEW, transference=True, out=tmp_path / "a")
    assert set(run.table("transference")["after"]) == {1}
    options = {**FEW, "transference.after": "0"}
    with pytest.raises(ValueError, match=r"after=0: training passes no such .* choose -1 or 1"):
        streamsim.run(
            "split-digits", "joint", options=options, transference=True, out=tmp_path / "b"
        )


SCRIPT = """
    import sys
    from streamsim import drive, simulator
    drive.CHECKPOINT_SECONDS, drive.CHECKPOINT_SHARE = 0.0, 1e9
    simulator.run(
        "split-digits", "replay", seeds=4, vectorize=2, transference=True, out=sys.argv[1]
    )
"""


def test_killed_while_measuring_a_run_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(SCRIPT), str(folder)])
    while process.poll() is None and not _measured(folder):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run was over before it could be killed"
    assert _measured(folder)
    simulator.resume(folder)
    streamsim.run(
        *("split-digits", "replay"),
        seeds=4,
        vectorize=2,
        transference=True,
        out=tmp_path / "whole",
    )
    assert _bytes(folder) == _bytes(tmp_path / "whole")


def _measured(folder: Path) -> bool:
    """Whether a checkpoint holds some pairs."""
    return checkpoints.exists(folder) and "transference" in checkpoints.read(folder).rows


# -- what bad input gets --------------------------------------------------------------------------
RUN = ["run", "split-digits", "naive", "--transference"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([*RUN[:3], "--set", "transference.samples=9"], "is not measured; add --transference"),
        ([*RUN, "--set", "transference.smaples=9"], "did you mean 'samples'"),
        ([*RUN, "--set", "transference.samples=0"], "transference.samples=0: .*equal to 1"),
        ([*RUN, "--set", "transference.lr=0"], "transference.lr=0: .*greater than 0"),
        ([*RUN, "--set", "transference.lr=nan"], "transference.lr=nan: "),
        ([*RUN, "--set", "transference.after=9"], "after=9: .*choose -1 to 4"),
        ([*RUN, "--set", "transference.after=-2"], "after=-2: name different experiences"),
        ([*RUN, "--set", "transference.after=1,1"], "after=1,1: name different experiences"),
        ([*RUN, "--set", "transference.moments=1"], "moments=1: .*equal to 2"),
        ([*RUN, "--sweep", "transference.lr=1,2"], "one way.*use --set transference.lr=VALUE"),
        ([*RUN, "--set", "transferance.lr=1"], "did you mean 'transference'"),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["streamsim", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
    assert re.search(complaint, err), err
    assert list(tmp_path.iterdir()) == []
