"""Typed options: texts become values, and whatever is wrong with them is said in one line."""

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from pydantic.dataclasses import dataclass

from streamsim import options


@dataclass(frozen=True, kw_only=True)
class Toy:
    """One option of every type."""

    count: int = Field(default=3, ge=1, le=99, description="how many")
    rate: float = Field(default=0.5, gt=0, lt=1)
    limit: int | None = Field(default=None, ge=2)
    scale: Annotated[float, Field(gt=0)] | None = None
    widths: tuple[int, ...] = (4, 5)
    shares: tuple[float, ...] = ()
    on: bool = False
    rule: Literal["ring", "reservoir"] = "ring"
    label: str = "x"

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < self.count:
            raise ValueError(f"limit={self.limit} is below count={self.count}")


class Bare:
    """A plugin that is no dataclass has no options."""


def toy(**values: Any) -> Toy:
    return options.build(Toy, values, "toy")


def refusal(cls: type, values: Mapping[str, Any]) -> str:
    """What is said of bad options; always a single line."""
    with pytest.raises(ValueError, match="toy") as caught:
        options.build(cls, values, "toy")
    line = str(caught.value)
    assert "\n" not in line
    return line


# -- parsing --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("count", "7", 7),
        ("rate", "0.25", 0.25),
        ("rate", "1e-3", 0.001),
        ("limit", "none", None),
        ("limit", "None", None),
        ("limit", "5", 5),
        ("scale", "none", None),
        ("scale", "2", 2.0),
        ("widths", "100,50", (100, 50)),
        ("widths", "100", (100,)),
        ("widths", "100,", (100,)),
        ("widths", "100, 50", (100, 50)),
        ("widths", "", ()),
        ("shares", "0.5,1", (0.5, 1.0)),
        ("on", "true", True),
        ("on", "True", True),
        ("on", "1", True),
        ("on", "yes", True),
        ("on", "false", False),
        ("on", "0", False),
        ("on", "no", False),
        ("rule", "reservoir", "reservoir"),
        ("label", "none", "none"),
        ("label", "a,b", "a,b"),
    ],
)
def test_texts_become_values(option: str, text: str, value: object) -> None:
    parsed = getattr(toy(**{option: text}), option)
    assert (parsed, type(parsed)) == (value, type(value))


@given(
    st.builds(
        Toy,
        count=st.integers(1, 99),
        rate=st.floats(0, 1, exclude_min=True, exclude_max=True),
        limit=st.none() | st.integers(99, 1000),
        scale=st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
        widths=st.lists(st.integers()).map(tuple),
        shares=st.lists(st.floats(allow_nan=False, allow_infinity=False)).map(tuple),
        on=st.booleans(),
        rule=st.sampled_from(["ring", "reservoir"]),
    )
)
def test_a_shown_value_is_read_back_as_itself(built: Toy) -> None:
    texts = {name: options.show_value(value) for name, value in vars(built).items()}
    assert options.build(Toy, texts, "toy") == built


def test_values_from_python_are_taken_as_they_are() -> None:
    built = toy(count=7, limit=None, widths=(1, 2), on=True)
    assert (built.count, built.limit, built.widths, built.on) == (7, None, (1, 2), True)


def test_without_values_every_option_has_its_default() -> None:
    assert toy() == Toy()


# -- refusals -------------------------------------------------------------------------------------
def test_an_unknown_option_is_refused_with_a_near_one() -> None:
    assert refusal(Toy, {"cuont": "3"}) == (
        "unknown option toy.cuont; it has count, rate, limit, scale, widths, shares, on, rule, "
        "label; did you mean 'count'?"
    )


def test_an_option_of_something_without_options_is_refused() -> None:
    assert refusal(Bare, {"count": "3"}) == "unknown option toy.count; it has no options"


@pytest.mark.parametrize(
    ("option", "value", "given", "allowed"),
    [
        ("count", "0", "0", "greater than or equal to 1"),
        ("count", "100", "100", "less than or equal to 99"),
        ("count", 0, "0", "greater than or equal to 1"),
        ("rate", "1", "1", "less than 1"),
        ("scale", "nan", "nan", "greater than 0"),
        ("limit", "1", "1", "greater than or equal to 2"),
        ("scale", "-1", "-1", "greater than 0"),
        ("count", "many", "many", "valid integer"),
        ("count", "1.5", "1.5", "valid integer"),
        ("count", "none", "none", "valid integer"),
        ("count", "", "", "valid integer"),
        ("rate", "fast", "fast", "valid number"),
        ("on", "perhaps", "perhaps", "valid boolean"),
        ("widths", "4,x", "x", "valid integer"),
        ("shares", "0.5,nan", "0.5,nan", "give a finite number"),
        ("shares", "inf", "inf", "give a finite number"),
        ("rule", "rign", "rign", "'ring' or 'reservoir'; did you mean 'ring'?"),
        ("count", [1, 2], "1,2", "valid integer"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(
    option: str, value: object, given: str, allowed: str
) -> None:
    line = refusal(Toy, {option: value})
    assert line.startswith(f"toy.{option}={given}: ")
    assert allowed in line


def test_items_that_are_wrong_are_not_said_to_lack_as_well() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Schedule:
        widths: tuple[int, ...] = Field(default=(0,), min_length=1)

    assert refusal(Schedule, {"widths": "x"}).count(";") == 0
    assert "at least 1 item" in refusal(Schedule, {"widths": ""})


def test_an_empty_value_is_not_taken_for_none() -> None:
    line = refusal(Toy, {"limit": ""})
    assert line == "toy.limit= has no value; write toy.limit=none, or a value"


def test_everything_wrong_is_said_at_once() -> None:
    line = refusal(Toy, {"count": "0", "rate": "2"})
    assert "toy.count=0: " in line
    assert "; toy.rate=2: " in line


def test_options_that_contradict_each_other_are_refused_in_their_own_words() -> None:
    assert refusal(Toy, {"limit": "2", "count": "3"}) == "toy: limit=2 is below count=3"


# -- assignments ----------------------------------------------------------------------------------
def test_assignments_are_split_at_the_first_equals_sign() -> None:
    given = ["scenario.path=a=b.csv", "strategy.replay.memory_size=5", "model.hidden="]
    assert options.parse_assignments(given) == {
        "scenario.path": "a=b.csv",
        "strategy.replay.memory_size": "5",
        "model.hidden": "",
    }


@pytest.mark.parametrize("text", ["train.lr", "lr=0.1", "", "=", "train lr 0.1"])
def test_an_assignment_without_section_or_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write section.option=value, such as --set train.lr"):
        options.parse_assignments([text])


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^--sweep train.lr is given twice \(1 and 2\); keep one"):
        options.parse_assignments(["train.lr=1", "train.lr=2"], "--sweep")


# -- what people see ------------------------------------------------------------------------------
def test_options_are_described_by_type_default_bounds_and_help() -> None:
    described = {option.name: option for option in options.describe(Toy)}
    assert list(described) == options.names(Toy)
    assert described["count"] == ("count", "int", "3", ">= 1, <= 99", "how many")
    assert described["rate"] == ("rate", "float", "0.5", "> 0, < 1", "")
    assert described["limit"][1:4] == ("int | none", "none", ">= 2")
    assert described["widths"][1:3] == ("int,int,...", "4,5")
    assert described["on"][1:3] == ("bool", "false")
    assert described["rule"][1:3] == ("ring | reservoir", "ring")


def test_an_option_without_default_is_required() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Needy:
        path: str

    @plain_dataclass(frozen=True, kw_only=True)
    class PlainNeedy:
        path: str

    for cls in (Needy, PlainNeedy):
        assert [option.default for option in options.describe(cls)] == ["required"]


def test_an_option_that_must_be_given_is_asked_for_by_name() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Needy:
        path: str

    assert refusal(Needy, {}) == "toy.path is required: --set toy.path=..."


def test_something_without_options_has_nothing_to_describe() -> None:
    assert options.describe(Bare) == []
    assert options.names(Bare) == []


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("rate", True),
        ("scale", True),
        ("count", False),
        ("limit", False),
        ("on", False),
        ("widths", False),
        ("shares", False),
        ("rule", False),
    ],
)
def test_only_single_numbers_change_no_shape(option: str, expected: bool) -> None:
    assert options.is_float(Toy, option) is expected


def test_nothing_is_suggested_for_a_word_like_no_other() -> None:
    assert options.did_you_mean("xyz", ["replay", "lwf"]) == ""
    assert options.did_you_mean("replay", []) == ""
