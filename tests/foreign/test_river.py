"""Classifiers of river as strategies: what they get right is what they get right in river."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from river import (
    base,
    drift,
    ensemble,
    evaluate,
    forest,
    linear_model,
    metrics,
    multiclass,
    naive_bayes,
)
from river import tree as trees
from river.datasets import Phishing, synth
from torch import Tensor

import streamsim
from streamsim import foreign, registry
from streamsim.chunks import replica_key
from streamsim.foreign import river
from streamsim.foreign.onebyone import Features

Draw = Callable[..., Any]
Make = Callable[[], Any]  # the same classifier, made by river's own means

SMALL = {"scenario.n_samples": 600, "scenario.test_samples": 40}

# river's constructors without annotations
SCORE: Make = metrics.Accuracy
KAPPA: Make = metrics.CohenKappa
BAYES: Make = naive_bayes.GaussianNB
ONE_VS_ONE: Callable[[Any], Any] = multiclass.OneVsOneClassifier

CASES: Mapping[str, tuple[str, dict[str, Any], Make]] = {
    "tree": (
        "river:HoeffdingTreeClassifier",
        {"strategy.grace_period": "50", "strategy.leaf_prediction": "mc"},
        partial(trees.HoeffdingTreeClassifier, grace_period=50, leaf_prediction="mc"),
    ),
    "bayes": ("river:naive_bayes.GaussianNB", {}, naive_bayes.GaussianNB),
    "forest": (
        "river:forest.ARFClassifier",
        {"strategy.n_models": "3", "strategy.seed": "7"},
        partial(forest.ARFClassifier, n_models=3, seed=7),
    ),
    "two classes, which it calls false and true": (
        "river:LogisticRegression",
        {"strategy.l2": "0.01", "strategy.intercept_lr": "0.05"},
        partial(linear_model.LogisticRegression, l2=0.01, intercept_lr=0.05),
    ),
    "one that predicts in a way of its own": (
        "river:OneVsOneClassifier",
        {"strategy.classifier": "LogisticRegression"},
        lambda: ONE_VS_ONE(linear_model.LogisticRegression()),
    ),
    "one made of others": (
        "river:LeveragingBaggingClassifier",
        {
            "strategy.model": "HoeffdingTreeClassifier",
            "strategy.model.grace_period": 20,
            "strategy.n_models": 2,
            "strategy.seed": 1,
        },
        lambda: ensemble.LeveragingBaggingClassifier(
            trees.HoeffdingTreeClassifier(grace_period=20), n_models=2, seed=1
        ),
    ),
    "one with a detector": (
        "river:DriftRetrainingClassifier",
        {
            "strategy.model": "naive_bayes.GaussianNB",
            "strategy.drift_detector": "DDM",
            "strategy.drift_detector.warm_start": "20",
        },
        lambda: drift.DriftRetrainingClassifier(BAYES(), drift.binary.DDM(warm_start=20)),
    ),
}


def _run(scenario: Any, strategy: str, options: Mapping[str, Any], out: Path, **more: Any) -> Any:
    return streamsim.run(scenario, strategy, options=options, out=out, **more)


@pytest.mark.parametrize("case", CASES)
def test_judged_while_learning_it_scores_what_river_scores(
    case: str, draw: Draw, tmp_path: Path
) -> None:
    name, options, make = CASES[case]
    run = _run("sea-abrupt", name, {**SMALL, **options}, tmp_path)
    curves = run.prequential()
    built = registry.load("scenario", "sea-abrupt")(n_samples=600, test_samples=40)
    samples = list(itertools.chain(*draw(built).train))
    expected = evaluate.progressive_val_score(samples, make(), SCORE())
    assert curves["accuracy"].iloc[-1] == pytest.approx(expected.get(), abs=1e-12)
    kappa = evaluate.progressive_val_score(samples, make(), KAPPA())
    assert curves["kappa"].iloc[-1] == pytest.approx(kappa.get(), abs=1e-9)
    judged = run.table("prequential")["position"].iloc[-1]
    model, abstained = make(), 0
    for x, y in samples:
        abstained += model.predict_one(x) is None
        model.learn_one(x, y)
    assert judged == 600 - abstained


@pytest.mark.parametrize("case", ["tree", "bayes", "forest"])
def test_held_out_samples_are_predicted_as_river_predicts_them(
    case: str, draw: Draw, given: Any, tmp_path: Path
) -> None:
    name, options, make = CASES[case]
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(4, (160,), generator=generator)
    x = torch.randn(160, 2, 3, generator=generator) + y[:, None, None]
    scenario = given(x, y, num_tests=30)
    run = _run(scenario, name, options, tmp_path, prequential=False)
    drawn, model, expected = draw(scenario), make(), []
    for after in (-1, 0, 1):
        if after >= 0:
            for sample, label in drawn.train[after]:
                model.learn_one(sample, label)
        for on in (0, 1):
            correct = sum(model.predict_one(s) == label for s, label in drawn.test[on])
            expected.append((after, on, correct, 30))
    accuracy = run.table("accuracy")[["after", "on", "correct", "total"]]
    assert [tuple(row) for row in accuracy.itertuples(index=False)] == expected


AS_RECORDED = {"scenario.scaling": "none", "scenario.held_out": False}


@pytest.mark.parametrize("case", ["tree", "bayes", "forest"])
def test_on_electricity_it_scores_what_river_scores_on_the_file(
    case: str, shared_data: Path, tmp_path: Path
) -> None:
    """Rounded to float32, or without names, some of these would score something else."""
    name, options, make = CASES[case]
    given = {**AS_RECORDED, **options, "scenario.n_samples": 6000}
    run = _run("electricity", name, given, tmp_path, data=shared_data)
    table = pd.read_csv(shared_data / "streams" / "electricity.csv").head(6000)
    inputs = table.drop(columns="class").to_dict("records")
    samples = zip(inputs, table["class"].tolist(), strict=True)
    expected = evaluate.progressive_val_score(samples, make(), SCORE())
    assert run.prequential()["accuracy"].iloc[-1] == pytest.approx(expected.get(), abs=1e-12)


@pytest.mark.parametrize("data", ["Phishing", "SEA", "LED", "RandomRBF"])
def test_on_data_of_river_it_scores_what_river_scores(data: str, tmp_path: Path) -> None:
    name, options, make = CASES["forest"]
    seeds = {"SEA": {"seed": 1}, "LED": {"seed": 1}}
    seeds["RandomRBF"] = {"seed_model": 1, "seed_sample": 1}
    kind = Phishing if data == "Phishing" else getattr(synth, data)
    samples = list(itertools.islice(kind(**seeds.get(data, {})), 800))
    given = {**AS_RECORDED, **options, "scenario.n_samples": 800}
    run = _run(f"river:{data}", name, given, tmp_path)
    expected = evaluate.progressive_val_score(samples, make(), SCORE())
    assert run.prequential()["accuracy"].iloc[-1] == pytest.approx(expected.get(), abs=1e-12)


CLASSIFIERS = {
    name: kind for name, kind in river._public().items() if issubclass(kind, base.Classifier)
}
TEXT_ONLY = {"facto.FFMClassifier", "facto.FwFMClassifier"}  # their features have names in parts


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_every_classifier_is_described_and_predicts_what_it_predicts_in_river(name: str) -> None:
    options = foreign.describe(f"river:{name}").options
    required = [option.name for option in options if option.default == "required"]
    if required:
        with pytest.raises(ValueError, match=rf"strategy\.{required[0]} is needed"):
            foreign.recipe(f"river:{name}", {})
        return
    seed = {"seed": 1} if any(option.name == "seed" for option in options) else {}
    try:
        theirs = CLASSIFIERS[name](**seed)
    except RuntimeError as error:
        pytest.skip(str(error))
    ours = river.recipe(f"river:{name}", seed).model(torch.tensor(0))
    generator = torch.Generator().manual_seed(0)
    for row in torch.rand(40, 3, generator=generator).tolist():
        keys = ("a_1", "b_1", "b_2") if name in TEXT_ONLY else range(3)
        x: Any = dict(zip(keys, row, strict=True))
        assert ours.predict(x).label == theirs.predict_one(x)
        ours.learn(x, int(row[0] > row[1]))
        theirs.learn_one(x, int(row[0] > row[1]))


# -- seeds ----------------------------------------------------------------------------------------
def _predictions(key: Tensor, strategy: str, options: Mapping[str, Any]) -> list[Any]:
    model = river.recipe(strategy, options).model(key)
    generator = torch.Generator().manual_seed(0)
    found = []
    for row in torch.rand(60, 3, generator=generator).tolist():
        x: Features = dict(enumerate(row))
        found.append(dict(model.predict(x).probability))
        model.learn(x, int(row[0] > row[1]))
    return found


def test_a_replica_gives_its_classifier_a_seed() -> None:
    first, second = replica_key(0), replica_key(1)
    options = {"n_models": 2}
    found = _predictions(first, "river:ARFClassifier", options)
    assert found == _predictions(first, "river:ARFClassifier", options)
    assert found != _predictions(second, "river:ARFClassifier", options)


def test_a_seed_that_is_set_is_every_replicas() -> None:
    options = {"n_models": 2, "seed": 3}
    found = [_predictions(replica_key(k), "river:ARFClassifier", options) for k in (0, 1)]
    assert found[0] == found[1]


def test_objects_inside_get_seeds_of_their_own() -> None:
    options = {"model": "ARFClassifier"}
    model = river.recipe("river:BaggingClassifier", options).model(replica_key(0)).classifier
    seeds = {model.seed, model.model.seed}
    assert None not in seeds
    assert len(seeds) == 2


# -- names ----------------------------------------------------------------------------------------
def test_short_and_full_names_are_one_classifier() -> None:
    kinds = {
        river.recipe(name, {}).kind
        for name in ("river:ARFClassifier", "river:forest.ARFClassifier", " river: ARFClassifier ")
    }
    assert kinds == {forest.ARFClassifier}


BAD = [
    ("river:HoefdingTreeClassifier", {}, "did you mean 'HoeffdingTreeClassifier'"),
    ("river:tree.ARFClassifier", {}, "did you mean 'ARFClassifier'"),
    ("river:", {}, "name a Classifier: .*GaussianNB.*HoeffdingTreeClassifier"),
    (
        "river:HoeffdingTreeRegressor",
        {},
        "river.tree.HoeffdingTreeRegressor cannot be used as a Classifier",
    ),
    (
        "river:StandardScaler",
        {},
        "river.preprocessing.StandardScaler cannot be used as a Classifier",
    ),
    ("river:EntropySampler", {}, "river has no Classifier 'EntropySampler'"),
    ("river:os.path", {}, "river has no Classifier 'os.path'; see: streamsim show "),
    ("river:GaussianNB+replay", {}, "'river:GaussianNB' cannot be summed with other parts"),
    ("naive + river:GaussianNB", {}, "'river:GaussianNB' cannot be summed with other parts"),
    ("river:BaggingClassifier", {}, "strategy.model is needed: the name of a Classifier of river"),
    ("river:GaussianNB", {"alpha": 1}, "unknown option strategy.alpha; it has no options"),
]


@pytest.mark.parametrize(("name", "options", "complaint"), BAD)
def test_a_name_that_will_not_do_is_refused(
    name: str, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        foreign.recipe(name, options)


def test_a_name_that_two_classes_share_asks_which(monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"a.Tree": trees.HoeffdingTreeClassifier, "b.Tree": forest.ARFClassifier}
    monkeypatch.setattr(river, "_public", lambda: both)
    with pytest.raises(ValueError, match=r"say which: a\.Tree or b\.Tree"):
        river.recipe("river:Tree", {})
    assert river.recipe("river:b.Tree", {}).kind is forest.ARFClassifier


def test_without_river_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "river.base", None)
    with pytest.raises(ValueError, match="'river:GaussianNB' needs river: pip install river"):
        foreign.recipe("river:GaussianNB", {})


# -- fitting the stream ---------------------------------------------------------------------------
def test_two_classes_are_not_enough_for_a_stream_of_ten(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tells 2 classes apart, and this stream has 10.*OneVsR"):
        _run("led-abrupt", "river:LogisticRegression", SMALL, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    options = {**SMALL, "strategy.classifier": "LogisticRegression"}
    run = _run("led-abrupt", "river:OneVsRestClassifier", options, tmp_path / "b")
    assert run.prequential()["accuracy"].iloc[-1] > 0.3


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("FFMClassifier", {}, "failed to learn experience 0: AttributeError"),
        ("BaggingClassifier", {"model": "GaussianNB", "n_models": "2.5"}, "refuses its options"),
        ("HoeffdingTreeClassifier", {"leaf_prediction": "best"}, "would take 'nba'"),
        ("ARFClassifier", {"max_features": "many"}, "max_features"),
    ],
)
def test_what_river_itself_refuses_is_one_line_before_anything_is_written(
    name: str,
    options: dict[str, str],
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = {f"strategy.{option}": value for option, value in options.items()}
    with pytest.raises(ValueError, match=complaint) as caught:
        _run("sea-abrupt", f"river:{name}", {**SMALL, **given}, tmp_path / "a")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a").exists()
    assert capsys.readouterr().out == ""
