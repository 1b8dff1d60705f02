"""Learners of other libraries as strategies, one replica at a time, such as `river:GaussianNB`.

The word before the colon names a library. Its module offers two functions, `recipe(name, values)`
and `describe(name)`, and is imported when a strategy asks for it; so is the library.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from streamsim.options import Option

if TYPE_CHECKING:
    from torch import Tensor

    from streamsim.learner import Learner
    from streamsim.optimizers import TrainOptions
    from streamsim.stream import Stream


class Library(NamedTuple):
    """Where a library's learners come from."""

    module: str
    about: str  # one line for `streamsim list`


LIBRARIES: Mapping[str, Library] = {
    "river": Library(
        "streamsim.foreign.river",
        "Any classifier of river, such as river:HoeffdingTreeClassifier; one replica at a time.",
    )
}
USED = ("train.epochs", "train.iterations", "train.batch_size")  # which samples a step brings


class Recipe(Protocol):
    """A learner whose options are checked, before it is built."""

    @property
    def name(self) -> str:
        """The strategy's name, as it was given."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """Every option with its value, defaults included, as plain data."""
        ...

    def check(self, stream: Stream, key: Tensor) -> None:
        """ValueError if it cannot learn such a stream; `key` is that of any replica."""
        ...

    def learner(self, stream: Stream, key: Tensor, train: TrainOptions, judges: bool) -> Learner:
        """One replica, not started."""
        ...


class Description(NamedTuple):
    """What `streamsim show` prints."""

    about: str
    options: list[Option]


def is_foreign(strategy: str) -> bool:
    """Whether a strategy, or a part of it, is of another library.

    >>> is_foreign("river:HoeffdingTreeClassifier"), is_foreign("replay+lwf")
    (True, False)
    """
    return any(part.strip().partition(":")[0] in LIBRARIES and ":" in part
               for part in strategy.split("+"))  # fmt: skip


def recipe(strategy: str, values: Mapping[str, Any]) -> Recipe:
    """The learner of a name with its options, or a line that says what is wrong with them."""
    made: Recipe = _library(strategy).recipe(strategy.strip(), values)
    return made


def describe(strategy: str) -> Description:
    """What a learner does, and its options."""
    found: Description = _library(strategy).describe(strategy.strip())
    return found


def heeds(name: str) -> bool:
    """Whether an option, named as in `--set`, means anything to a learner without a network."""
    section = name.partition(".")[0]
    return section != "model" and (section != "train" or name in USED)


def check_given(strategy: str, names: Iterable[str]) -> None:
    """Refuse options that it would not heed."""
    for name in names:
        if not heeds(name):
            raise ValueError(
                f"{name}: '{strategy}' brings its own model and has no optimizer; leave it out "
                f"(it heeds {', '.join(USED)})"
            )


def _library(strategy: str) -> Any:
    parts = [part.strip() for part in strategy.split("+")]
    if len(parts) > 1:
        alone = next(part for part in parts if is_foreign(part))
        raise ValueError(
            f"strategy '{strategy}': '{alone}' cannot be summed with other parts, because they "
            f"take part in the training of a network and it has none; run '{alone}' by itself"
        )
    return import_module(LIBRARIES[strategy.strip().partition(":")[0]].module)
