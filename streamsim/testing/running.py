"""From a registered name to the checks of what is behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from streamsim import composition, foreign, registry
from streamsim import options as typed_options
from streamsim.modifiers import Modified, Modifier
from streamsim.options import did_you_mean
from streamsim.registry import Kind
from streamsim.strategy import Part
from streamsim.stream import Scenario
from streamsim.testing.descriptions import description
from streamsim.testing.results import Check, Result, failures, one_line, run_checks
from streamsim.testing.scenarios import check_scenario
from streamsim.testing.strategies import check_strategy
from streamsim.testing.toys import Given, Toy, flat

KINDS: tuple[Kind, ...] = ("scenario", "modifier", "strategy")
Options = Mapping[str, Any]


def check(
    name: str,
    *,
    options: Options | None = None,
    root: str | Path | None = None,
    compile: bool = False,
) -> list[Result]:
    """Certify what is registered under a name; a name of several kinds is checked as all of them.

    `options` are keyed like `--set`, as in `{"strategy.iterations": 3}`, and make a check faster,
    or possible where an option has no default; `root` is the data root; with `compile`, compiled
    training is tried too, which takes its time. A sum such as `replay+lwf` is a strategy;
    `split-digits+label-noise` is a scenario. A modifier is checked on small streams.
    """
    # libraries may bring scenarios under the same word as learners
    if foreign.is_foreign(name) and not _loads("scenario", name):
        raise ValueError(
            f"'{name}' is no scenario and not made of parts, which are what is checked here; "
            f"try it: streamsim run sea-abrupt {name}"
        )
    kinds = [kind for kind in KINDS if registry.offers(kind, name)]
    if not kinds and "+" in name:
        base = name.partition("+")[0].strip()
        kinds = ["scenario" if base in registry.plugins("scenario") else "strategy"]
    if not kinds:
        known = [n for kind in KINDS for n, p in registry.plugins(kind).items() if not p.problem]
        raise ValueError(
            f"unknown scenario, modifier or strategy '{name}'{did_you_mean(name, known)} "
            f"(see: {', '.join(f'streamsim list {registry.PLURALS[kind]}' for kind in KINDS)})"
        )
    given = {key.partition(".")[0] for key in options or {}}
    for section in given - {*kinds, *(("model", "train") if "strategy" in kinds else ())}:
        raise ValueError(
            f"{section}.…: no options of '{name}', which is a {' and a '.join(kinds)}; write "
            f"--set {kinds[0]}.OPTION=VALUE"
        )
    results: list[Result] = []
    for kind in kinds:
        prefix = f"{kind}: " if len(kinds) > 1 else ""
        found = _check_as(kind, name, options or {}, root, compile)
        results += [result._replace(check=prefix + result.check) for result in found]
    return results


def assert_conforms(
    subject: str | Scenario | Part | Sequence[Part],
    *,
    options: Options | None = None,
    root: str | Path | None = None,
    compile: bool = False,
) -> None:
    """Raise AssertionError with a line for every failed check of a name, a scenario or parts.

    `options`, `root` and `compile` are those of `check`; a scenario object has its own options.
    """
    if isinstance(subject, str):
        results = check(subject, options=options, root=root, compile=compile)
    elif isinstance(subject, (Part, Sequence)):
        parts = cast("Part | Sequence[Part]", subject)
        results = check_strategy(parts, options=options, root=root, compile=compile)
    else:
        results = check_scenario(subject, root=root)
    found = failures(results)
    if found:
        untried = sum(not result.passed for result in results) - len(found)
        head = f"{len(found)} of {len(results)} checks failed, {untried} were not tried:"
        lines = [f"  {claim}: {detail}" for claim, detail in found.items()]
        raise AssertionError("\n".join([head, *lines]))


def _loads(kind: Kind, name: str) -> bool:
    try:
        registry.load(kind, name)
    except ValueError:
        return False
    return True


def _check_as(
    kind: Kind, name: str, given: Options, root: str | Path | None, compile: bool
) -> list[Result]:
    """The description of everything in the name, then what objects built from it do."""
    names = [part.strip() for part in name.split("+")]
    kinds: list[Kind] = [
        kind if kind != "scenario" or not i else "modifier" for i in range(len(names))
    ]
    own = {key.removeprefix(f"{kind}."): v for key, v in given.items() if key.startswith(kind)}
    built: list[Any] = []
    broken = [n for its, n in zip(kinds, names, strict=True) if not _loads(its, n)]
    if own and not broken:
        _build(kind, name, own)  # what it refuses is no fault of the plugin

    def build() -> str:
        built.append(_build(kind, name, own))
        return ""

    described = [
        Check(f"{each} is described", partial(_description, its, each))
        for its, each in zip(kinds, names, strict=True)
    ]
    rests = tuple(f"{each} is described" for each in broken)
    results = run_checks([*described, Check("builds with its defaults", build, rests)])
    if not built:
        return results
    if kind == "scenario":
        return results + check_scenario(built[0], root=root)
    if kind == "modifier":
        return results + _check_modifier(name, built[0], root)
    others = {key: v for key, v in given.items() if not key.startswith(kind)}
    return results + check_strategy(built[0], options=others, root=root, compile=compile)


def _check_modifier(name: str, modifier: Modifier, root: str | Path | None) -> list[Result]:
    """The checks of a scenario, of small ones with the modifier: images with and without an order,
    and vectors. It may refuse images or vectors, but not both."""
    images = Toy().stream(Path())
    streams = {
        "shuffled": images,
        "ordered": replace(images, spec=replace(images.spec, ordered=True)),
        "vectors": flat(images),
    }
    results, refusals = [], dict[str, str]()
    for what, stream in streams.items():
        try:
            modifier.modify(stream)
        except ValueError as error:
            refusals[what] = one_line(str(error))
            continue
        except Exception:  # the checks tell where it came from
            pass
        found = check_scenario(Modified(Given(stream), {name: modifier}), root=root)
        results += [result._replace(check=f"{what}: {result.check}") for result in found]
    accepts = bool(results)
    fits = [Result(f"{what}: fits, or is refused", accepts, why) for what, why in refusals.items()]
    return results + fits


def _description(kind: Kind, name: str) -> str:
    return description(kind, name, registry.load(kind, name))


def _build(kind: Kind, name: str, values: Options) -> Any:
    if kind == "strategy":
        return composition.build_parts(name, values)
    if kind == "scenario":
        return composition.build_scenario(name, values)
    return typed_options.build(registry.load(kind, name), values, kind)
