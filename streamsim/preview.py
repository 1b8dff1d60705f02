"""What a stream looks like over time, in numbers: class shares, feature means, ground truth.

Only some samples of every stretch of time are looked at, a chunk at a time, so a stream of any
length is previewed in the same memory and time.

Shape letters: N samples, T slices of time, C classes, F features.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch import Tensor

from streamsim import composition, draws, scenario_file
from streamsim.chunks import replica_key
from streamsim.configuration import parse_seeds
from streamsim.data import data_root
from streamsim.modifiers import Modified, in_time
from streamsim.stream import Replica, Scenario, Stream, truth_of

if TYPE_CHECKING:
    import pandas as pd

SLICES = 60  # of the whole stream, at most, but for one in every experience
SAMPLES = 2000  # looked at in a slice, at most
ENOUGH = 50  # samples of a slice, so that its means mean something
FLOATS = 2**22  # inputs held at once
FEATURES = 4  # shown: those whose means move most


class Preview(NamedTuple):
    """A stream in numbers."""

    about: Mapping[str, Any]  # scenario, seed, samples, experiences, classes, setting, reveals...
    table: pd.DataFrame  # panel, name, start, stop, experience, value: see `preview`


class Slice(NamedTuple):
    """A stretch of time within an experience, in training samples since the beginning."""

    experience: int
    start: int
    stop: int
    ids: Tensor  # [N] of samples looked at


def preview(
    scenario: str | Scenario,
    *,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    data: str | Path | None = None,
) -> Preview:
    """A scenario, by name, file or object, as one seed meets it.

    `options` are keyed like `--set`, as in `{"scenario.n_experiences": 3}`. Each row of the table
    is one number of one slice of time, from training sample `start` to `stop`: in the panel
    `classes` the share of a class, in `features` the mean of a feature in standard deviations of
    the whole stream (the few that move most), in `concepts` the share of a concept, in `truth`
    the mean of whatever else the stream alone knows, by name, and in `experiences` the number of
    test samples. ValueError for bad input.
    """
    (seed,) = parse_seeds([seed])
    built, name = _scenario(scenario, options or {})
    stream = built.stream(data_root(Path(data) if data is not None else None))
    key = replica_key(seed)
    replica = in_time(stream, draws.fold(key, "preview"), stream.draw(key))
    slices = list(_slices(stream, replica))
    rows = [*_experiences(replica), *_classes(stream, replica, slices)]
    base = built.base if isinstance(built, Modified) else built
    rows += [*_features(stream, replica, slices, base), *_truths(stream, replica, slices, base)]
    import pandas as pd

    columns = ["panel", "name", "start", "stop", "experience", "value"]
    return Preview(_about(name, seed, stream, replica), pd.DataFrame(rows, columns=columns))


def _scenario(scenario: str | Scenario, values: Mapping[str, Any]) -> tuple[Scenario, str]:
    """The scenario to look at, and its name."""
    if not isinstance(scenario, str):
        if values:
            raise ValueError(f"{next(iter(values))}: the scenario is an object; set it there")
        return scenario, type(scenario).__name__
    for name in values:
        if not name.startswith("scenario."):
            raise ValueError(f"{name}: a preview shows a scenario; options begin with scenario.")
    if scenario.endswith(scenario_file.ENDING):
        scenario, written = scenario_file.read(scenario)
        values = {**written, **values}
    own = {name.removeprefix("scenario."): value for name, value in values.items()}
    return composition.build_scenario(scenario, own), scenario


def _about(name: str, seed: int, stream: Stream, replica: Replica) -> dict[str, Any]:
    spec = stream.spec
    return {
        "scenario": name,
        "seed": seed,
        "train_samples": sum(len(e.coming) for e in replica.experiences),
        "test_samples": sum(len(e.test) for e in replica.experiences),
        "num_experiences": spec.num_experiences,
        "num_classes": spec.num_classes,
        "input_shape": list(spec.input_shape),
        "setting": spec.setting,
        "ordered": spec.ordered,
        "label_delay": spec.label_delay,
        "reveals": sorted(str(reveal) for reveal in spec.reveals),
    }


def _slices(stream: Stream, replica: Replica) -> Iterator[Slice]:
    """Time cut into stretches of about the same length, each within one experience.

    Within an experience that training shuffles, any two moments are alike: it is one slice.
    """
    total = sum(len(e.coming) for e in replica.experiences)
    floats = max(1, torch.Size(stream.spec.input_shape).numel())
    most = max(1, min(SAMPLES, FLOATS // floats))
    begin = 0
    for number, experience in enumerate(replica.experiences):
        size = len(experience.coming)
        num = round(min(SLICES * size / total, size / ENOUGH)) if stream.spec.ordered else 1
        num = max(num, 1)
        edges = [size * k // num for k in range(num + 1)]
        for start, stop in itertools.pairwise(edges):
            step = -(-(stop - start) // most)
            yield Slice(number, begin + start, begin + stop, experience.coming[start:stop:step])
        begin += size


Row = tuple[str, str, int, int, int, float]


def _rows(panel: str, names: list[str], slices: list[Slice], values: Tensor) -> Iterator[Row]:
    """One row for each name and slice, of values [T, len(names)]."""
    for name, column in zip(names, values.T.tolist(), strict=True):
        for each, value in zip(slices, column, strict=True):
            yield panel, name, each.start, each.stop, each.experience, value


def _experiences(replica: Replica) -> Iterator[Row]:
    start = 0
    for number, e in enumerate(replica.experiences):
        stop = start + len(e.coming)
        yield "experiences", str(number), start, stop, number, float(len(e.test))
        start = stop


def _classes(stream: Stream, replica: Replica, slices: list[Slice]) -> Iterator[Row]:
    """Only classes that have labels in the stream at all."""
    num = stream.spec.num_classes
    counts_TC = torch.stack(
        [
            stream.view.labels(stream.pool, replica.tables, each.ids).bincount(minlength=num)
            for each in slices
        ]
    )
    share_TC = counts_TC.double() / counts_TC.sum(1, keepdim=True)
    there = [c for c in range(num) if counts_TC[:, c].any()]
    yield from _rows("classes", [str(c) for c in there], slices, share_TC[:, there])


def _features(
    stream: Stream, replica: Replica, slices: list[Slice], scenario: Scenario
) -> Iterator[Row]:
    """Means in standard deviations of all samples looked at, of the features that move most."""
    sums, squares, sizes = [], [], []
    for each in slices:
        x_NF = stream.view.inputs(stream.pool, replica.tables, each.ids).flatten(1).double()
        sums.append(x_NF.sum(0))
        squares.append(x_NF.square().sum(0))
        sizes.append(len(x_NF))
    sum_TF, size_T1 = torch.stack(sums), torch.tensor(sizes, dtype=torch.float64)[:, None]
    mean_F = sum_TF.sum(0) / size_T1.sum()
    variance_F = torch.stack(squares).sum(0) / size_T1.sum() - mean_F.square()
    moves_F = variance_F > 1e-12  # a constant feature has no standard deviation
    standard_TF = (sum_TF / size_T1 - mean_F) / variance_F.clamp_min(1e-12).sqrt()
    ranked = torch.where(moves_F, standard_TF.var(0, correction=0), -1.0)
    most = ranked.argsort(descending=True, stable=True)[:FEATURES]
    chosen = [int(f) for f in most if moves_F[f]]
    of_concepts = getattr(scenario, "features", None)
    known = [feature.name for feature in of_concepts] if of_concepts else stream.spec.features
    names = [known[f] if known else _feature_name(stream.spec.input_shape, f) for f in chosen]
    yield from _rows("features", names, slices, standard_TF[:, chosen])


def _feature_name(shape: tuple[int, ...], feature: int) -> str:
    """`x3`, or of an image `pixel 2,5`: row and column.

    >>> _feature_name((1, 8, 8), 21), _feature_name((3, 8, 8), 64)
    ('pixel 2,5', 'pixel 0,0 ch 1')
    """
    if len(shape) != 3:
        return f"x{feature}"
    channel, pixel = divmod(feature, shape[1] * shape[2])
    of = f" ch {channel}" if shape[0] > 1 else ""
    return f"pixel {pixel // shape[2]},{pixel % shape[2]}{of}"


def _truths(
    stream: Stream, replica: Replica, slices: list[Slice], scenario: Scenario
) -> Iterator[Row]:
    truths = [truth_of(stream.view, stream.pool, replica.tables, each.ids) for each in slices]
    for name in truths[0]:
        values = [truth[name].double() for truth in truths]
        if name != "concept":
            means = torch.stack([value.mean() for value in values])
            yield from _rows("truth", [name], slices, means[:, None])
            continue
        numbers = getattr(scenario, "concepts", None) or range(
            1 + int(max(v.max() for v in values))
        )
        shares = torch.stack([_concept_shares(value, list(numbers)) for value in values])
        named = [f"{number}" for number in sorted(set(numbers))]
        yield from _rows("concepts", named, slices, shares)


def _concept_shares(place_N: Tensor, numbers: list[int]) -> Tensor:
    """How much of each concept samples at these places hold: between two of them, some of both."""
    near_NK = (1 - (place_N[:, None] - torch.arange(len(numbers))).abs()).clamp_min(0)
    different = sorted(set(numbers))
    which = torch.tensor([different.index(number) for number in numbers])
    return near_NK.mean(0) @ F.one_hot(which, len(different)).double()
