"""Any classifier of river as a strategy: `river:HoeffdingTreeClassifier`,
`river:forest.ARFClassifier`.

Montiel et al. 2021, "River: machine learning for streaming data in Python", JMLR 22.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from torch import Tensor

from streamsim import draws
from streamsim.foreign import Description, signatures
from streamsim.foreign.onebyone import Features, Guess, OneByOne
from streamsim.optimizers import TrainOptions
from streamsim.options import did_you_mean
from streamsim.registry import MEMBER
from streamsim.stream import Stream

# abstract classes, everything once more, and learners that choose which labels to ask for
LEFT_OUT = {"base", "api", "active"}
WHERE = "strategy"


class RiverModel:
    """A classifier of river: the label that it predicts, and the probabilities it gives."""

    def __init__(self, classifier: Any) -> None:
        from river.base import Classifier

        self.classifier = classifier
        self.guess: Callable[[Features], Guess] = self._by_probability
        if type(classifier).predict_one is not Classifier.predict_one:
            self.guess = self._by_itself

    def predict(self, x: Features) -> Guess:
        return self.guess(x)

    def learn(self, x: Features, y: int) -> None:
        self.classifier.learn_one(x, y)

    def _by_probability(self, x: Features) -> Guess:
        """As `river.base.Classifier.predict_one` does it, asking once."""
        found = self.classifier.predict_proba_one(x)
        return Guess(int(max(found, key=found.get)) if found else None, found)

    def _by_itself(self, x: Features) -> Guess:
        """Some predict in a way of their own; a few of them give no probabilities, and are held
        to be certain of what they say."""
        predicted = self.classifier.predict_one(x)
        label = None if predicted is None else int(predicted)
        try:
            return Guess(label, self.classifier.predict_proba_one(x))
        except NotImplementedError:
            return Guess(label, {} if label is None else {label: 1.0})


@dataclass(frozen=True)
class RiverRecipe:
    """A classifier by name, with its options; a `streamsim.foreign.Recipe`."""

    name: str  # as it was given
    kind: type
    options: Mapping[str, Any]

    def model(self, key: Tensor) -> RiverModel:
        """A fresh one of a replica, whose key gives the seed where none is set."""
        key = draws.fold(key, "river")
        return RiverModel(signatures.build(self.kind, self.options, key, WHERE, _find))

    def check(self, stream: Stream, key: Tensor) -> None:
        """Build one and let it learn two samples: options are tried before a run begins."""
        trial = self.learner(stream, key, TrainOptions(iterations=2, batch_size=1), judges=False)
        trial.start()
        trial.train(0, range(2))
        num_classes = stream.spec.num_classes
        if num_classes > 2 and not self.model(key).classifier._multiclass:
            raise ValueError(
                f"'{self.name}' tells 2 classes apart, and this stream has {num_classes}; let it "
                "tell each from the rest: river:OneVsRestClassifier --set "
                f"strategy.classifier={self.kind.__name__}"
            )

    def learner(self, stream: Stream, key: Tensor, train: TrainOptions, judges: bool) -> OneByOne:
        return OneByOne(self.name, stream, key, train, judges, lambda: self.model(key))


def recipe(name: str, values: Mapping[str, Any]) -> RiverRecipe:
    """The classifier that a name such as `river:HoeffdingTreeClassifier` stands for."""
    kind = _classifier(name)
    return RiverRecipe(name, kind, signatures.resolve(kind, values, WHERE, _find))


def describe(name: str) -> Description:
    if name.endswith(MEMBER):
        about = "Any classifier of river, by its name or the end of it"
        return Description(f"{about}: {', '.join(_fitting((_base(name),)))}.", [])
    kind = _classifier(name)
    return Description(inspect.getdoc(kind) or "", signatures.describe(kind))


def _base(name: str) -> type:
    """What every classifier of river is."""
    try:
        from river.base import Classifier
    except ImportError as error:
        raise ValueError(f"'{name}' needs river: pip install river ({error})") from None
    base: type = Classifier
    return base


def _classifier(name: str) -> type:
    base = _base(name)
    try:
        return _find(name.partition(":")[2].strip(), (base,))
    except ValueError as error:
        raise ValueError(f"strategy '{name}': {error}") from None


@cache
def _public() -> Mapping[str, type]:
    """Every public class of river by its full name, as in `tree.HoeffdingTreeClassifier`."""
    import river

    found: dict[str, type] = {}
    modules = [m.name for m in pkgutil.iter_modules(river.__path__) if m.name[0] != "_"]
    for module in modules:
        if module in LEFT_OUT:
            continue
        for name in _offered(module):
            thing = getattr(import_module(f"river.{module}"), name)
            inner = [(name, thing)] if inspect.isclass(thing) else []
            if inspect.ismodule(thing) and name not in LEFT_OUT:
                inner = [(f"{name}.{k}", getattr(thing, k)) for k in _offered(f"{module}.{name}")]
            found |= {f"{module}.{path}": cls for path, cls in inner if inspect.isclass(cls)}
    return found


def _offered(module: str) -> list[str]:
    """What a module of river names as its own; a part of river whose libraries are missing has
    nothing to offer."""
    try:
        loaded = import_module(f"river.{module}")
    except ImportError:
        return []
    return [name for name in getattr(loaded, "__all__", ()) if hasattr(loaded, name)]


def _fitting(allowed: tuple[type, ...]) -> dict[str, type]:
    """The classes that can be built and are of a kind."""
    return {
        full: cls
        for full, cls in _public().items()
        if issubclass(cls, allowed) and not inspect.isabstract(cls)
    }


def _find(name: str, allowed: tuple[type, ...]) -> type:
    """A class by its full name, or by the end of it if only one has it."""
    fitting = _fitting(allowed)
    matches = [full for full in fitting if f".{full}".endswith(f".{name}")]
    if len(matches) == 1:
        return fitting[matches[0]]
    wanted = " or ".join(kind.__name__ for kind in allowed)
    short = sorted({full.rpartition(".")[2] for full in fitting})
    if not name:
        raise ValueError(f"name a {wanted}: {', '.join(short)}")
    if matches:
        raise ValueError(f"river has several; say which: {' or '.join(matches)}")
    near = did_you_mean(name.rpartition(".")[2], short)
    other = [full for full in _public() if f".{full}".endswith(f".{name}")]
    if other:
        raise ValueError(f"river.{other[0]} cannot be used as a {wanted} here{near}")
    see = "" if near else "; see: streamsim show strategy river:NAME"
    raise ValueError(f"river has no {wanted} '{name}'{near}{see}")
