"""The conformance kit by name: what is looked up, built, described and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

import streamsim
from streamsim import registry
from streamsim.modifiers import Modified, marked_view
from streamsim.registry import Plugin
from streamsim.strategy import Context, Data, Params, Part, Setup, State, StepContext
from streamsim.stream import Scenario, Stream, Tables
from streamsim.testing import Toy, assert_conforms, check, check_strategy, failures, promises
from streamsim.testing.descriptions import description
from streamsim.testing.results import Check, Result, run_checks
from streamsim.testing.running import _check_modifier
from streamsim.testing.toys import Given, flat


@dataclass(frozen=True, kw_only=True)
class Sound(Part):
    """Shrinks logits; nothing is wrong with it."""

    name: ClassVar[str] = "sound"
    reference: ClassVar[str] = "none"

    strength: float = Field(default=0.1, ge=0, description="of the shrinking")

    def loss(self, ctx: StepContext, state: State) -> Tensor:
        return self.strength * ctx.logits.square().mean()


class Peeks(Part):
    """Looks at samples that it has not been given."""

    name: ClassVar[str] = "peeks"

    def init(self, setup: Setup, params: Params) -> Tensor:
        return torch.zeros((), device=setup.key.device)

    def end_experience(self, ctx: Context, state: Tensor, data: Data) -> tuple[Params, Tensor]:
        return ctx.params, ctx.take(data.ids[:20] + 1).x.mean()


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
        ValueError, match="unknown scenario, modifier or strategy 'sond'; did you mean 'sound'"
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


def test_what_looks_like_an_option_must_be_one() -> None:
    class Undecorated(Sound):
        """A dataclass decorator was forgotten."""

        name: ClassVar[str] = "undecorated"
        weight: float = 1.0

    assert description("strategy", "sound", Sound) == ""
    assert "weight is no option" in description("strategy", "undecorated", Undecorated)
    assert "has no docstring" in description("scenario", "toy", type("Toy", (), {}))
    assert "is not a streamsim.strategy.Part" in description("strategy", "toy", Toy)


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
    assert list(found) == ["gone is described"]
    assert "mend or uninstall that package" in found["gone is described"]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"strategy.bad": 1}, "unknown option strategy.bad"),
        ({"strategy.strength": -1}, "strategy.sound.strength=-1"),
        ({"scenario.bad": 1}, "no options of 'sound', which is a strategy"),
    ],
)
def test_options_that_are_refused_are_no_fault_of_the_plugin(
    given: dict[str, Any], line: str
) -> None:
    with pytest.raises(ValueError, match=line):
        check("sound", options=given)


def test_chaotic_training_is_named_as_what_may_make_replicas_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(promises, "equals_alone", lambda subject: "weights differ")
    found = failures(check_strategy(Sound(), options={"train.lr": 0.2}))
    detail = found["alone equals among others"]
    assert detail.startswith("weights differ")
    assert "train.lr=0.2 lets rounding grow: try without" in detail
    assert "rounding" not in failures(check_strategy(Sound()))["alone equals among others"]


class Sideways:
    """Made for images: a vector comes out as an image."""

    def modify(self, stream: Stream) -> Stream:
        def widen(tables: Tables, x: Tensor, ids: Tensor, mark: Tensor) -> Tensor:
            return x * mark.view(-1, 1, 1, 1).ne(1)

        return replace(stream, view=marked_view(stream.view, 1, change_inputs=widen))


class ForImages(Sideways):
    """The same, which says so."""

    def modify(self, stream: Stream) -> Stream:
        if len(stream.spec.input_shape) != 3:
            raise ValueError("needs images")
        return super().modify(stream)


def test_a_modifier_for_images_must_refuse_vectors() -> None:
    found = failures(_check_modifier("sideways", Sideways(), None))
    assert found.keys() == {"vectors: samples are as announced"}
    results = _check_modifier("images", ForImages(), None)
    assert failures(results) == {}
    assert results[-1] == Result("vectors: fits, or is refused", True, "needs images")


def test_a_view_that_does_not_fit_its_stream_is_refused_by_the_name_of_its_modifier(
    tmp_path: Path,
) -> None:
    vectors = Given(flat(Toy().stream(tmp_path)))
    scenario = Modified(vectors, {"images": Sideways()})
    line = r"'images' does not fit .* shape \[2, 1, 2, 64\] .* not \[2, 64\] and torch.float32"
    with pytest.raises(ValueError, match=line):
        streamsim.run(scenario, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_assertions_list_every_failure() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_conforms(Peeks())
    head, line = str(caught.value).splitlines()
    assert head == "1 of 12 checks failed, 0 were not tried:"
    assert line.startswith("  no peeking at later experiences or test samples: after experience 0")


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
