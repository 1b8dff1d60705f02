"""Options of river's classes, read from their signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from river import forest, linear_model, multiclass, naive_bayes, optim, tree

from streamsim.foreign import signatures
from streamsim.foreign.river import _find


def _resolved(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    return signatures.resolve(cls, values, "strategy", _find)


def _built(cls: type, values: Mapping[str, Any]) -> Any:
    return signatures.build(cls, _resolved(cls, values), torch.tensor(0), "strategy", _find)


@pytest.mark.parametrize(
    ("cls", "option", "text", "value"),
    [
        (tree.HoeffdingTreeClassifier, "grace_period", "30", 30),
        (tree.HoeffdingTreeClassifier, "delta", "1e-3", 1e-3),
        (tree.HoeffdingTreeClassifier, "delta", "1", 1.0),
        (tree.HoeffdingTreeClassifier, "binary_split", "True", True),
        (tree.HoeffdingTreeClassifier, "max_depth", "none", None),
        (tree.HoeffdingTreeClassifier, "max_depth", "5", 5),
        (tree.HoeffdingTreeClassifier, "nominal_attributes", "0,2", [0, 2]),
        (tree.HoeffdingTreeClassifier, "nominal_attributes", "age,sex", ["age", "sex"]),
        (tree.HoeffdingTreeClassifier, "split_criterion", "gini", "gini"),
        (forest.ARFClassifier, "max_features", "sqrt", "sqrt"),
        (forest.ARFClassifier, "max_features", "3", 3),
        (forest.ARFClassifier, "max_features", "false", False),
        (linear_model.SoftmaxRegression, "l2", "0.5", 0.5),  # not annotated, default 0
        (linear_model.LogisticRegression, "intercept_lr", "0.5", 0.5),  # or an object
        (naive_bayes.BernoulliNB, "alpha", "2", 2.0),  # not annotated, default 1.0
    ],
)
def test_texts_become_what_the_signature_says(
    cls: type, option: str, text: str, value: Any
) -> None:
    found = _resolved(cls, {option: text})[option]
    assert (found, type(found)) == (value, type(value))
    assert _resolved(cls, {option: value})[option] == value  # from Python


@pytest.mark.parametrize(
    ("option", "given", "complaint"),
    [
        ("grace_period", "x", "strategy.grace_period=x: give a whole number"),
        ("grace_period", "1.5", "strategy.grace_period=1.5: give a whole number"),
        ("grace_period", 1.5, "strategy.grace_period=1.5: give a whole number"),
        ("grace_period", True, "strategy.grace_period=true: give a whole number"),
        ("grace_period", "none", "strategy.grace_period=none: give a whole number"),
        ("max_depth", "deep", r"strategy.max_depth=deep: give a whole number or none"),
        ("delta", "inf", "strategy.delta=inf: give a number"),
        ("binary_split", "1", r"strategy.binary_split=1: give true or false"),
        ("nominal_attributes", 3, "give features as in 0,1 or age,sex or none"),
        ("split_criterion", 3, "strategy.split_criterion=3: give text"),
        (
            "splitter",
            "Gaussian",
            "cannot be used as a Splitter here; did you mean 'GaussianSplitter'",
        ),
        ("splitter", "GaussianNB", "naive_bayes.GaussianNB cannot be used as a Splitter here"),
        ("splitter", 3, "splitter=3: give the name of a Splitter of river"),
        ("splitter.n_splits", "3", "strategy.splitter names no object; give strategy.splitter="),
        ("grace_perod", "3", "unknown option strategy.grace_perod; .*did you mean 'grace_period'"),
    ],
)
def test_what_an_option_does_not_take_is_one_line(option: str, given: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        _resolved(tree.HoeffdingTreeClassifier, {option: given})
    assert "\n" not in str(caught.value)


def test_every_default_is_filled_in_and_means_what_it_meant() -> None:
    resolved = _resolved(tree.HoeffdingTreeClassifier, {"splitter": "GaussianSplitter"})
    assert resolved["grace_period"] == 200
    assert resolved["splitter.n_splits"] == 10
    assert _resolved(tree.HoeffdingTreeClassifier, resolved) == resolved
    ours, theirs = _built(tree.HoeffdingTreeClassifier, {}), tree.HoeffdingTreeClassifier()
    assert ours._get_params() == theirs._get_params()


def test_objects_below_objects_have_options() -> None:
    values = {
        "classifier": "LogisticRegression",
        "classifier.optimizer": "optim.SGD",
        "classifier.optimizer.lr": "0.5",
        "classifier.loss": "losses.Hinge",
    }
    built = _built(multiclass.OneVsRestClassifier, values)
    inner = built.classifier
    assert isinstance(inner, linear_model.LogisticRegression)
    assert isinstance(inner.optimizer, optim.SGD)
    assert inner.optimizer.learning_rate == 0.5
    assert isinstance(inner.loss, optim.losses.Hinge)


def test_a_wrong_option_below_is_named_in_full() -> None:
    values = {"classifier": "GaussianNB", "classifier.alpha": 1}
    with pytest.raises(ValueError, match=r"unknown option strategy\.classifier\.alpha"):
        _resolved(multiclass.OneVsRestClassifier, values)


def test_descriptions_say_what_is_required() -> None:
    options = {o.name: o for o in signatures.describe(multiclass.OutputCodeClassifier)}
    assert options["classifier"].default == "required"
    assert options["classifier"].type == "the name of a Classifier of river"
    assert (options["coding_method"].type, options["coding_method"].default) == ("text", "random")
    assert options["seed"].type == "a whole number or none"
