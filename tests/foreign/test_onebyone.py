"""A learner of single samples: the same stream as a network's, judged, resumed, compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

import streamsim
from streamsim import drive, resolution
from streamsim.chunks import make_chunks, replica_key
from streamsim.compilation import Compiler
from streamsim.foreign.onebyone import Features, Guess, OneByOne, failing_as, log_loss
from streamsim.learner import Learner
from streamsim.optimizers import TrainOptions
from streamsim.runs import checkpoints
from streamsim.stream import Scenario
from streamsim.transference import TransferenceOptions

SMALL = {"scenario.n_samples": 400, "scenario.test_samples": 30}
TREE = "river:HoeffdingTreeClassifier"


@dataclass
class Diary:
    """Writes down what it is asked; says the label of the sample before, at first nothing."""

    lines: list[tuple[str, float]] = field(default_factory=list)
    last: int | None = None

    def predict(self, x: Features) -> Guess:
        self.lines.append(("predict", x[0]))
        return Guess(self.last, {} if self.last is None else {self.last: 0.75})

    def learn(self, x: Features, y: int) -> None:
        self.lines.append(("learn", x[0]))
        self.last = y


def _diarist(scenario: Scenario, judges: bool = True, **options: Any) -> OneByOne:
    stream = scenario.stream(Path())
    made = OneByOne("diary", stream, replica_key(0), TrainOptions(**options), judges, Diary)
    made.start()
    return made


@pytest.fixture
def five(given: Any) -> Scenario:
    """Ten samples in two experiences and two tests; the first number is the time."""
    x = torch.arange(12.0)[:, None].expand(12, 2)
    made: Scenario = given(x, torch.tensor([0, 0, 1, 1, 0, 2, 2, 0, 1, 1, 2, 1]), num_tests=2)
    return made


# -- test, then train -----------------------------------------------------------------------------
def test_every_sample_is_predicted_and_then_learned_before_the_next(five: Scenario) -> None:
    learner = _diarist(five, batch_size=2)
    assert learner.num_steps(0) == 3
    learner.train(0, range(3))
    assert learner.model.lines == [(do, t) for t in range(5) for do in ("predict", "learn")]  # type: ignore[attr-defined]


def test_predictions_and_losses_of_a_worked_example(five: Scenario) -> None:
    learner = _diarist(five, batch_size=2)
    learner.train(0, range(3))
    judged = learner.take_judged()
    assert judged.label.tolist() == [[0, 0, 1, 1, 0]]
    assert judged.counts.tolist() == [[False, True, True, True, True]]  # at first it cannot tell
    assert judged.predicted[0, 1:].tolist() == [0, 0, 1, 1]
    hit, miss = -math.log(0.75), -math.log(1e-15)
    expected = [miss, hit, miss, hit, miss]
    assert judged.log_loss[0].tolist() == pytest.approx(expected)
    losses = learner.take_losses()
    assert losses.value[0].tolist() == pytest.approx([(miss + hit) / 2, (miss + hit) / 2, miss])
    assert losses.active.all()
    assert learner.take_losses().value.shape == (1, 0)


def test_later_epochs_are_learned_and_not_judged(five: Scenario) -> None:
    learner = _diarist(five, batch_size=5, epochs=3)
    learner.train(0, range(learner.num_steps(0)))
    assert learner.take_judged().counts.sum() == 4
    assert len(learner.model.lines) == 2 * 15  # type: ignore[attr-defined]


def test_testing_learns_nothing(five: Scenario) -> None:
    learner = _diarist(five)
    learner.train(0, range(1))
    assert learner.correct([0, 1], 0).tolist() == [[0, 0]]  # says 0; tests are 2 and 1
    assert learner.test_sizes([0, 1]).tolist() == [[2, 2]]
    done = [line for line in learner.model.lines if line[0] == "learn"]  # type: ignore[attr-defined]
    assert len(done) == 5


def test_numbers_come_unrounded_and_by_name_where_the_stream_has_them(given: Any) -> None:
    x, seen = torch.tensor([[0.1, 7.0]], dtype=torch.float64).expand(12, 2), []

    class Listener(Diary):
        def predict(self, x: Features) -> Guess:
            seen.append(x)
            return Guess(None, {})

        def learn(self, x: Features, y: int) -> None:
            assert x == seen[-1]

    learner = _diarist(given(x, torch.arange(12) % 2, num_tests=2, features=("age", "size")))
    learner.model = Listener()
    learner.train(0, range(1))
    assert seen == [{"age": 0.1, "size": 7.0}] * 5
    assert float(torch.tensor(0.1)) != 0.1


def test_a_loss_of_what_is_no_probability_is_finite() -> None:
    assert log_loss({0: math.nan}, 0) == pytest.approx(-math.log(1e-15))
    assert log_loss({0: 2.0}, 0) == 0.0
    assert log_loss({1: 1.0}, 0) == pytest.approx(-math.log(1e-15))


# -- the same stream as a network's ---------------------------------------------------------------
def _learners(*strategies: str, seeds: int = 2, **options: Any) -> list[Learner]:
    """The learner of the last seed for each strategy."""
    found = []
    for strategy in strategies:
        wanted, objects = resolution.resolve(
            "split-digits", strategy, "mlp", options, seeds, {}, None, prequential=True
        )
        device = torch.device("cpu")
        chunks = make_chunks(wanted, objects, Path(), device, "off", Compiler("off"))
        found.append(chunks[-1].learner())
    return found


@pytest.mark.parametrize("length", [{"train.epochs": 2}, {"train.iterations": 40}])
def test_a_network_with_the_same_seed_gets_the_same_samples(length: dict[str, int]) -> None:
    steps, labels, tests = [], [], []
    for learner in _learners("naive", "river:NoChangeClassifier", **length):
        learner.start()
        for experience in (0, 1):
            num = learner.num_steps(experience)
            for start in range(0, num, 30):
                learner.train(experience, range(start, min(start + 30, num)))
        judged = learner.take_judged()
        steps.append(num)
        labels.append(judged.label[judged.counts].tolist())
        tests.append(learner.test_sizes(range(5)).tolist())
    assert steps[0] == steps[1]
    assert tests[0] == tests[1]
    assert labels[0][1:] == labels[1]  # the very first sample is one that river cannot tell
    assert len(labels[1]) > 300


def test_runs_of_a_network_and_of_river_are_compared_table_by_table(tmp_path: Path) -> None:
    made = [
        streamsim.run("sea-abrupt", name, options=SMALL, seeds=2, out=tmp_path / str(k))
        for k, name in enumerate(("replay", TREE))
    ]
    for table in ("accuracy", "training", "prequential", "replicas"):
        first, second = (run.table(table) for run in made)
        assert list(first.columns) == list(second.columns)
        assert first.dtypes.equals(second.dtypes)
    for table in ("accuracy", "training"):
        keys = ("seed", "after", "on", "total", "experience", "steps")
        kept = [[c for c in keys if c in run.table(table)] for run in made]
        assert made[0].table(table)[kept[0]].equals(made[1].table(table)[kept[1]])
    seeds = [run.summary().set_index("metric")["num_seeds"] for run in made]
    assert seeds[0].equals(seeds[1])
    assert set(made[1].prequential()["seed"]) == {0, 1}
    assert made[1].parameters(1) == {}
    assert made[1].info["chunks"] == [1, 1]


# -- the life of a run ----------------------------------------------------------------------------
def _bytes(folder: Path) -> dict[str, bytes]:
    files = [*folder.glob("*.parquet"), *(folder / "parameters").glob("*.safetensors")]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


FOREST = {**SMALL, "strategy.n_models": 2, "train.batch_size": 1}


@pytest.mark.parametrize("moment", [(0, 1), (1, 3), (2, 2)])  # seed, evaluations by then
def test_interrupted_and_resumed_it_gives_the_same_bytes(
    moment: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(drive, "CHECKPOINT_SHARE", 1e9)
    given: dict[str, Any] = {"options": FOREST, "seeds": 3, "eval_every": 30}
    stop_at = moment[0] * 400 + moment[1] * 60

    def stop(progress: drive.Progress) -> None:
        if progress.done >= stop_at:
            raise KeyboardInterrupt

    name, folder = "river:ARFClassifier", tmp_path / "a"
    with pytest.raises(KeyboardInterrupt):
        streamsim.run("sea-abrupt", name, out=folder, progress=stop, **given)
    assert checkpoints.exists(folder)
    assert streamsim.resume(folder).status == "finished"
    streamsim.run("sea-abrupt", name, out=tmp_path / "b", **given)
    assert _bytes(folder) == _bytes(tmp_path / "b")
    assert {"accuracy.parquet", "prequential.parquet"} <= _bytes(folder).keys()


def test_evaluating_more_often_changes_nothing(tmp_path: Path) -> None:
    for every, name in ((None, "a"), (7, "b")):
        streamsim.run(
            "sea-abrupt",
            "river:ARFClassifier",
            options=FOREST,
            eval_every=every,
            out=tmp_path / name,
        )
    first, second = _bytes(tmp_path / "a"), _bytes(tmp_path / "b")
    assert second.keys() - first.keys() == {"continual.parquet"}
    assert all(second[name] == content for name, content in first.items())


def test_a_restored_learner_goes_on_as_if_nothing_had_happened(five: Scenario) -> None:
    whole, other = _diarist(five, batch_size=1), _diarist(five, batch_size=1)
    whole.train(0, range(5))
    whole.train(1, range(2))
    other.restore(whole.state())
    assert other.model == whole.model
    assert other.state()["position"].tolist() == [1, 2]
    assert other.take_losses().value.shape == (1, 0)
    with pytest.raises(ValueError, match="not of 'diary'"):
        other.restore({"weights": torch.zeros(1)})


def test_options_of_it_can_be_swept(tmp_path: Path) -> None:
    sweep = {"strategy.grace_period": ["20", "200"], "strategy.leaf_prediction": ["mc", "nb"]}
    swept = streamsim.run("sea-abrupt", TREE, options=SMALL, sweep=sweep, out=tmp_path / "a")
    assert swept.settings[1] == {"strategy.grace_period": 20, "strategy.leaf_prediction": "nb"}
    values = {f"strategy.{k}": v for k, v in (("grace_period", 20), ("leaf_prediction", "nb"))}
    alone = streamsim.run("sea-abrupt", TREE, options={**SMALL, **values}, out=tmp_path / "b")
    theirs = swept.table("accuracy").query("setting == 1").drop(columns="setting")
    ours = alone.table("accuracy").drop(columns="setting")
    assert ours.equals(theirs.reset_index(drop=True))


def test_the_same_call_finds_its_own_results_and_run_json_tells_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = streamsim.run("sea-abrupt", TREE, options=SMALL)
    again = streamsim.run("sea-abrupt", TREE, options={**SMALL, "strategy.grace_period": "200"})
    assert first.path == again.path
    options = first.configuration["options"]
    assert options["strategy.grace_period"] == 200
    kept = {name for name in options if name.partition(".")[0] in ("train", "model")}
    assert kept == {"train.epochs", "train.iterations", "train.batch_size"}
    assert first.configuration["model"] == "none"


# -- what it cannot do ----------------------------------------------------------------------------
def test_it_makes_no_steps_whose_transference_could_be_measured(
    five: Scenario, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="leave out --transference"):
        streamsim.run("sea-abrupt", TREE, options=SMALL, transference=True, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()
    with pytest.raises(ValueError, match="'diary' makes no gradient steps"):
        _diarist(five).transference(TransferenceOptions(), 0)


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"options": {"train.lr": 0.1}}, r"train\.lr: .*has no optimizer; leave it out"),
        ({"options": {"model.hidden": (3,)}}, r"model\.hidden: .*brings its own model"),
        ({"sweep": {"train.momentum": [0.1]}}, r"train\.momentum: .*train\.batch_size"),
        ({"model": "linear"}, "brings its own model; leave out --model"),
    ],
)
def test_what_only_means_something_to_a_network_is_refused(
    more: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        streamsim.run("sea-abrupt", TREE, **more)


def test_what_a_library_raises_is_one_line() -> None:
    def boom() -> None:
        raise KeyError("first\nsecond")

    call: Callable[[], None] = boom
    with (
        pytest.raises(ValueError, match=r"^it failed: KeyError: 'first\\nsecond'$"),
        failing_as("it failed"),
    ):
        call()
