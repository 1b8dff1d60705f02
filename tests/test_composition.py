"""A strategy is a sum of parts: what fits goes together, what does not is refused by name."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import composition, strategy
from streamsim.modifiers import Modified
from streamsim.strategy import Context, Data, Params, Part, Predictor, Scope, State, with_options
from streamsim.stream import Batch, Reveal, StreamSpec
from streamsim_scenarios.drift import SeaAbrupt
from streamsim_scenarios.modifiers.blurred import Blurred
from streamsim_scenarios.modifiers.feature_shift import FeatureShift
from streamsim_scenarios.modifiers.label_noise import LabelNoise
from streamsim_scenarios.split import SplitDigits


@dataclass(frozen=True, kw_only=True)
class Pull(Part):
    """Reads nothing but samples and labels."""

    name: ClassVar[str] = "pull"
    strength: float = Field(default=1.0, ge=0)
    memory_size: int = 5


@dataclass(frozen=True, kw_only=True)
class Push(Part):
    """Refuses small batches."""

    name: ClassVar[str] = "push"
    memory_size: int = 7

    def check(self, spec: StreamSpec, batch_size: int) -> None:
        if batch_size < 2:
            raise ValueError(f"push: batches of {batch_size}")


class Near(Part):
    """Predicts."""

    name = "near"

    def predictor(self, ctx: Context, state: State) -> Predictor:
        return lambda batch: batch.x


class Far(Near):
    """Predicts otherwise."""

    name = "far"

    def predictor(self, ctx: Context, state: State) -> Predictor:
        return lambda batch: -batch.x


class Hinge(Part):
    """Brings a criterion."""

    name = "hinge"

    def criterion(self, ctx: Context, state: State, logits: Tensor, batch: Batch) -> Tensor:
        return logits.sum(-1)


class Square(Hinge):
    """Brings another, by inheritance."""

    name = "square"


class All(Part):
    """Chooses the data to train on."""

    name = "all"
    scope: ClassVar[Scope] = "joint"


class Past(Part):
    """Chooses other data to train on."""

    name = "past"
    scope: ClassVar[Scope] = "cumulative"


class Heads(Part):
    """Needs task labels."""

    name = "heads"

    def needs(self) -> frozenset[Reveal]:
        return frozenset({Reveal.TASK_LABELS})


class Episodes(Part):
    """Needs classes kept apart."""

    name = "episodes"

    def needs(self) -> frozenset[Reveal]:
        return frozenset({Reveal.META_CLASSES})


class Anchor(Part):
    """Acts at boundaries, and declares nothing."""

    name = "anchor"

    def end_experience(self, ctx: Context, state: State, data: Data) -> tuple[Params, State]:
        return ctx.params, state


CLASSES: dict[str, type[Part]] = {"pull": Pull, "push": Push}


def spec(*reveals: Reveal) -> StreamSpec:
    return StreamSpec(
        input_shape=(4,),
        num_classes=3,
        num_experiences=2,
        setting="class",
        reveals=frozenset(reveals),
    )


def refusal(act: Callable[[], Any]) -> str:
    """What is said; always a single line."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        act()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- names ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["replay+lwf", " replay + lwf "])
def test_a_sum_of_names_is_its_parts_in_the_order_written(text: str) -> None:
    assert list(composition.part_classes(text)) == ["replay", "lwf"]
    built = composition.build_parts(text, {"replay.memory_size": "50", "alpha": 2})
    assert [part.name for part in built] == ["replay", "lwf"]
    assert [vars(built[0])["memory_size"], vars(built[1])["alpha"]] == [50, 2.0]


@pytest.mark.parametrize("text", ["", "+", "replay+", "+replay", "replay++lwf", "replay+ +lwf"])
def test_an_empty_part_is_refused(text: str) -> None:
    line = refusal(lambda: composition.part_classes(text))
    assert line == f"strategy '{text}' has an empty part; write names as in replay+lwf"


def test_a_part_named_twice_is_refused() -> None:
    line = refusal(lambda: composition.part_classes("replay+lwf+replay"))
    assert line == "strategy 'replay+lwf+replay' has the part 'replay' twice; name it once"


def test_an_unknown_part_is_refused_with_a_near_one() -> None:
    line = refusal(lambda: composition.part_classes("replay+lfw"))
    assert line.startswith("unknown strategy 'lfw'; did you mean 'lwf'?")


# -- options --------------------------------------------------------------------------------------
def test_an_option_goes_to_every_part_that_has_it() -> None:
    assert composition.assign(CLASSES, {"memory_size": 3, "strength": 2}) == {
        "pull": {"memory_size": 3, "strength": 2},
        "push": {"memory_size": 3},
    }


def test_an_option_with_the_name_of_a_part_goes_to_that_part() -> None:
    assert composition.assign(CLASSES, {"push.memory_size": 3}) == {
        "pull": {},
        "push": {"memory_size": 3},
    }


def test_an_option_of_no_part_is_refused_with_a_near_one() -> None:
    assert refusal(lambda: composition.assign(CLASSES, {"memory_sise": 3})) == (
        "unknown option strategy.memory_sise; it has memory_size, strength; "
        "did you mean 'memory_size'?"
    )
    assert refusal(lambda: composition.assign({"near": Near}, {"strength": 3})) == (
        "unknown option strategy.strength; it has no options"
    )


def test_an_option_of_an_unknown_part_is_refused_with_a_near_one() -> None:
    assert refusal(lambda: composition.assign(CLASSES, {"pul.strength": 3})) == (
        "unknown part 'pul' in strategy.pul.strength; this strategy has pull, push; "
        "did you mean 'pull'?"
    )


def test_an_option_that_its_part_lacks_is_refused() -> None:
    line = refusal(lambda: composition.build_parts("replay+lwf", {"lwf.memory_size": 3}))
    assert line.startswith("unknown option strategy.lwf.memory_size; it has alpha")


# -- what fits together ---------------------------------------------------------------------------
def test_parts_that_fit_are_accepted() -> None:
    parts = [Pull(), Push(), Near(), Hinge(), Past(), Heads(), Anchor()]
    composition.check_fit(parts, spec(Reveal.TASK_LABELS, Reveal.BOUNDARIES), 10)


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ([Near(), Pull(), Far()], "near and far each bring a predictor, and a strategy can follow"),
        ([Far(), Near()], "far and near each bring a predictor"),
        ([Hinge(), Square()], "hinge and square each bring a criterion"),
        ([All(), Pull(), Past()], "all and past each choose the data to train on; keep one"),
    ],
)
def test_parts_that_contradict_each_other_are_refused_by_name(parts: list[Part], line: str) -> None:
    assert refusal(lambda: composition.check_fit(parts, spec(), 10)).startswith(line)


@pytest.mark.parametrize(
    ("part", "need", "remedy"),
    [
        (Heads(), "task labels", "--set scenario.setting=task"),
        (Anchor(), "boundaries", "--set scenario.boundaries=revealed"),
        (Episodes(), "meta-training classes", "--set scenario.meta_classes=4"),
    ],
)
def test_a_need_that_the_stream_hides_is_refused_with_the_remedy(
    part: Part, need: str, remedy: str
) -> None:
    others = [reveal for reveal in Reveal if reveal != need]
    line = refusal(lambda: composition.check_fit([Pull(), part], spec(*others), 10))
    assert line.startswith(f"'{part.name}' needs {need}, which this stream does not reveal (")
    assert remedy in line
    assert line.endswith(f", or leave '{part.name}' out")
    composition.check_fit([Pull(), part], spec(Reveal(need)), 10)


def test_a_part_may_refuse_a_stream_itself() -> None:
    assert refusal(lambda: composition.check_fit([Push()], spec(), 1)) == "push: batches of 1"
    composition.check_fit([Push()], spec(), 2)


def test_unused_task_labels_are_hinted_at() -> None:
    tasks = spec(Reveal.TASK_LABELS)
    [hint] = composition.hints([Pull(), Push()], tasks)
    assert "no part of 'pull+push' uses them; 'multihead+pull+push' would" in hint
    assert composition.hints([Pull(), Heads()], tasks) == []
    assert composition.hints([Pull()], spec()) == []


# -- parts ----------------------------------------------------------------------------------------
def test_boundaries_are_needed_exactly_where_a_boundary_hook_is_defined() -> None:
    assert Anchor().needs() == {Reveal.BOUNDARIES}
    assert Pull().needs() == Near().needs() == frozenset()


def test_a_misspelt_hook_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Wrong\.end_experiance is not a hook of a part; hooks"):

        class Wrong(Part):
            def end_experiance(self) -> None: ...


def test_helpers_begin_with_an_underscore() -> None:
    class Right(Part):
        def _pull(self) -> int:
            return 3

    assert Right()._pull() == 3


def test_every_public_method_of_a_part_is_a_hook() -> None:
    methods = {name for name, value in vars(Part).items() if callable(value) and name[0] != "_"}
    assert methods == set(strategy.HOOKS)


def test_inherited_hooks_count() -> None:
    assert strategy.overrides(Square(), "criterion")
    assert not strategy.overrides(Pull(), "criterion")


def test_a_copy_with_traced_options_leaves_the_part_untouched() -> None:
    part, traced = Pull(strength=2.0), torch.tensor(3.0)
    copy = with_options(part, {"strength": traced})
    assert type(copy) is Pull
    assert vars(copy) == {"strength": traced, "memory_size": 5}
    assert part.strength == 2.0


def test_masked_logits_never_win_and_weigh_nothing() -> None:
    logits = torch.tensor([[1.0, 9.0, 2.0]])
    masked = strategy.mask(logits, torch.tensor([True, False, True]))
    assert masked.argmax(-1).tolist() == [2]
    assert masked.softmax(-1)[0, 1] == 0
    assert (0 * masked).isfinite().all()
    rows = strategy.mask(logits.expand(2, 3), torch.tensor([[True] * 3, [True, False, False]]))
    assert rows.argmax(-1).tolist() == [1, 0]


def test_data_comes_in_batches_with_their_weights() -> None:
    data = Data(
        torch.arange(5),
        torch.tensor([1.0, 1, 1, 1, 0]),
        lambda ids: Batch(ids[:, None], ids, torch.ones(len(ids))),
    )
    batches = list(data.batches(2))
    assert [batch.y.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]
    assert [batch.weight.tolist() for batch in batches] == [[1, 1], [1, 1], [0]]


# -- scenarios and their modifiers ----------------------------------------------------------------
def test_a_scenario_without_modifiers_is_itself() -> None:
    built = composition.build_scenario("split-digits", {"n_experiences": 2})
    assert built == SplitDigits(n_experiences=2)


def test_modifiers_come_in_the_order_written_with_their_options() -> None:
    values = {"n_experiences": 2, "blurred.width": 30, "share": "0.5"}
    built = composition.build_scenario("split-digits+label-noise+blurred", values)
    assert isinstance(built, Modified)
    assert built.base == SplitDigits(n_experiences=2)
    assert list(built.modifiers.items()) == [
        ("label-noise", LabelNoise(share=0.5)),
        ("blurred", Blurred(width=30)),
    ]


def test_a_bare_option_is_the_scenarios_own_or_every_modifiers_that_has_it() -> None:
    built = composition.build_scenario("sea-abrupt+feature-shift", {"widths": (7,)})
    assert isinstance(built, Modified)
    assert built.base == SeaAbrupt(widths=(7,))
    assert built.modifiers["feature-shift"] == FeatureShift()
    shared = composition.build_scenario("split-digits+label-noise+missing-labels", {"share": 0.2})
    assert isinstance(shared, Modified)
    assert [modifier.share for modifier in shared.modifiers.values()] == [0.2, 0.2]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "values", "line"),
    [
        ("split-digitz+blurred", {}, "unknown scenario 'split-digitz'; did you mean"),
        ("blurred", {}, "unknown scenario 'blurred'"),
        ("split-digits+replay", {}, "unknown modifier 'replay'"),
        ("split-digits+ +blurred", {}, "has an empty modifier; write names as in split-digits+"),
        ("split-digits+blurred+blurred", {}, "has the modifier 'blurred' twice"),
        ("split-digits+blurred", {"width": 1, "blurred.width": 2}, "scenario.blurred.width is giv"),
        ("split-digits+blurred", {"blured.width": 2}, "unknown modifier 'blured' .* 'blurred'"),
        ("split-digits", {"blurred.width": 2}, "this scenario has none"),
        ("split-digits+blurred", {"blurred.widht": 2}, "unknown option scenario.blurred.widht"),
        ("split-digits+blurred", {"clases": 2}, "unknown option scenario.clases; .* 'classes'"),
    ],
)
def test_scenarios_that_cannot_be_are_refused(name: str, values: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        composition.build_scenario(name, values)
