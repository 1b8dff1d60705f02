"""What streams promise, one function a promise: a scenario and some replicas in, a complaint out.

Shape letters: B ids of a batch, R replicas.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.func import vmap

from streamsim import simulator
from streamsim.chunks import replica_key
from streamsim.stream import Experience, Replica, Reveal, Scenario, Stream, Tables
from streamsim.testing.driving import FAST, SEEDS
from streamsim.testing.toys import Given
from streamsim.testing.watching import hidden_generators, kept, seeded, written
from streamsim.trees import flatten, stack

MOST = 128  # samples looked at in each part of an experience
FEW = 16  # where they are looked at one by one
SMALL = 64  # samples of each part of an experience in the run
ROUNDING = 1e-5

Look = Callable[[Tables, Tensor], Tensor]  # (tables, ids) to inputs, labels or task labels


@dataclass(frozen=True)
class Subject:
    """A scenario, its stream and some replicas, each made once."""

    scenario: Scenario
    root: Path

    @cached_property
    def stream(self) -> Stream:
        return self.scenario.stream(self.root)

    @cached_property
    def replicas(self) -> list[Replica]:
        return [self.stream.draw(replica_key(seed)) for seed in SEEDS]

    @cached_property
    def looks(self) -> Mapping[str, Look]:
        """What the engine asks of the view."""
        pool, view = self.stream.pool, self.stream.view
        looks: dict[str, Look] = {
            "inputs": lambda tables, ids: view.inputs(pool, tables, ids),
            "labels": lambda tables, ids: view.labels(pool, tables, ids),
        }
        if Reveal.TASK_LABELS in self.stream.spec.reveals:
            looks["tasks"] = lambda tables, ids: view.tasks(pool, tables, ids)
        return looks


def opens(subject: Subject) -> str:
    """A ValueError says what is missing, in words meant for users."""
    try:
        return "" if subject.stream else "there is no stream"
    except ValueError as error:
        return str(error)


def replays(subject: Subject) -> str:
    """Drawn again from a stream opened again, in another order, after other draws elsewhere."""
    first = [_named(replica) for replica in subject.replicas]
    before = hidden_generators()
    subject.stream.draw(replica_key(SEEDS[0]))
    if hidden_generators() != before:
        return "draw uses a global generator; use streamsim.draws and the key it is given"
    with seeded(1):
        again = subject.scenario.stream(subject.root)
        second = [_named(again.draw(replica_key(seed))) for seed in reversed(SEEDS)][::-1]
    for seed, one, other in zip(SEEDS, first, second, strict=True):
        for name in one.keys() | other.keys():
            if name not in one or name not in other or not one[name].equal(other[name]):
                return f"seed {seed} drawn twice differs in {name}"
    return ""


def _named(replica: Replica) -> dict[str, Tensor]:
    """Everything of a replica by name."""
    ids = {
        f"{part} of experience {number}": ids
        for number, experience in enumerate(replica.experiences)
        for part, ids in _parts(experience).items()
    }
    tables = {f"tables/{name}": leaf for name, leaf in flatten(replica.tables).items()}
    return {**ids, **tables, **({} if replica.meta is None else {"meta": replica.meta})}


def _parts(experience: Experience) -> dict[str, Tensor]:
    parts = {"train": experience.train, "test": experience.test}
    return parts if experience.valid is None else {**parts, "valid": experience.valid}


def has_experiences(subject: Subject) -> str:
    """As many as the specification says, each with ids to train and test on."""
    for replica in subject.replicas:
        found, announced = len(replica.experiences), subject.stream.spec.num_experiences
        if found != announced:
            return f"{found} experiences are drawn, {announced} are announced"
        for name, ids in _named(replica).items():
            if " of experience " in name:
                if ids.ndim != 1 or ids.dtype != torch.int64:
                    return f"{name} is {list(ids.shape)} of {ids.dtype}, not [n] of torch.int64"
                if not len(ids):
                    return f"{name} is empty"
    return ""


def has_samples(subject: Subject) -> str:
    """Inputs, labels and task labels have the announced shapes, types and ranges."""
    for replica in subject.replicas:
        for name, ids in _some(replica).items():
            for what, look in subject.looks.items():
                # the engine looks labels up for a whole stretch, [S, B], at once
                shape = ids.shape if what == "inputs" else (1, len(ids))
                if odd := _odd_values(subject.stream, what, look(replica.tables, ids.view(shape))):
                    return f"{what} of {name} {odd}"
    return ""


def _some(replica: Replica, most: int = MOST) -> dict[str, Tensor]:
    """Some ids of every part, spread over all of it, and of the classes kept apart."""
    return {
        f"{part} of experience {number}": ids[:: -(-len(ids) // most)]
        for number, experience in enumerate(replica.experiences)
        for part, ids in _parts(experience).items()
    }


def _odd_values(stream: Stream, what: str, values: Tensor) -> str:
    spec = stream.spec
    if what == "inputs":
        if values.shape[1:] != spec.input_shape or values.dtype != torch.float32:
            expected = f"[B, {', '.join(map(str, spec.input_shape))}] of torch.float32"
            return f"are {list(values.shape)} of {values.dtype}, not {expected}"
        return "" if values.isfinite().all() else "are not all finite"
    if values.ndim != 2 or values.dtype != torch.int64:
        return (
            f"of ids [S, B] are {list(values.shape)} of {values.dtype}, not [S, B] of torch.int64"
        )
    high = spec.num_classes if what == "labels" else spec.num_tasks
    low, most = int(values.min()), int(values.max())
    outside = low < 0 or most >= high
    return f"run from {low} to {most}, not within 0 to {high - 1}" if outside else ""


def keeps_apart(subject: Subject) -> str:
    """No id of an experience is in two of its parts."""
    for replica in subject.replicas:
        for number, experience in enumerate(replica.experiences):
            parts = list(_parts(experience).items())
            for i, (name, ids) in enumerate(parts):
                for other, more in parts[i + 1 :]:
                    if shared := int(torch.isin(ids, more).sum()):
                        return f"experience {number}: {shared} ids of {name} are also in {other}"
    return ""


def reveals(subject: Subject) -> str:
    """Task labels and meta-training classes are there exactly where they are announced."""
    spec = subject.stream.spec
    if spec.setting == "task" and Reveal.TASK_LABELS not in spec.reveals:
        return "the setting is task, but task labels are not revealed"
    for replica in subject.replicas:
        announced = Reveal.META_CLASSES in spec.reveals
        if (replica.meta is not None) != announced:
            return f"meta-training classes are {'announced' if announced else 'drawn'} only"
        if replica.meta is not None:
            if replica.meta.ndim != 2 or replica.meta.dtype != torch.int64:
                return (
                    f"meta is {list(replica.meta.shape)} of {replica.meta.dtype}, not [classes, n]"
                )
            for name, ids in _named(replica).items():
                if " of experience " in name and torch.isin(ids, replica.meta).any():
                    return f"samples for meta-training are also in {name}"
            x = subject.looks["inputs"](replica.tables, replica.meta.flatten()[:MOST])
            if odd := _odd_values(subject.stream, "inputs", x):
                return f"inputs of meta-training classes {odd}"
    return ""


def stacks(subject: Subject) -> str:
    """Tables and meta-training classes of different seeds have the same shapes and types."""
    described = [
        {
            name: f"{list(leaf.shape)} of {leaf.dtype}"
            for name, leaf in _named(replica).items()
            if " of experience " not in name
        }
        for replica in subject.replicas
    ]
    for seed, one in zip(SEEDS, described, strict=True):
        for name in one.keys() | described[0].keys():
            if one.get(name) != described[0].get(name):
                a, b = described[0].get(name, "absent"), one.get(name, "absent")
                return f"{name} is {a} for seed {SEEDS[0]} and {b} for seed {seed}"
    return ""


def leaves_pool(subject: Subject) -> str:
    """Neither drawing nor looking writes into the pool or a replica's tables."""
    replica = subject.replicas[0]
    things = {"pool": subject.stream.pool, "tables": replica.tables}
    before = kept(things)
    subject.stream.draw(replica_key(SEEDS[1]))
    for ids in _some(replica).values():
        for look in subject.looks.values():
            look(replica.tables, ids)
    found = written(before, things)
    return f"{found[0]} has been written to" if found else ""


def ignores_batches(subject: Subject) -> str:
    """A sample does not depend on those it is taken with, nor on their order."""
    replica = subject.replicas[0]
    for name, ids in _some(replica, FEW).items():
        for what, look in subject.looks.items():
            together = look(replica.tables, ids)
            singly = torch.cat([look(replica.tables, ids[i : i + 1]) for i in range(len(ids))])
            backwards = look(replica.tables, ids.flip(0)).flip(0)
            if not (_close(together, singly) and _close(together, backwards)):
                return f"{what} of {name} depend on the batch they are in"
    return ""


def _close(a: Tensor, b: Tensor) -> bool:
    scale = max(float(a.abs().max()), 1.0) if a.is_floating_point() else 0.0
    return a.shape == b.shape and torch.allclose(a, b, rtol=0.0, atol=ROUNDING * scale)


def names_devices(subject: Subject) -> str:
    """The view works when the default device is not the data's (see the same check of parts)."""
    replica = subject.replicas[0]
    ids = replica.experiences[0].train[:FEW]
    for what, look in subject.looks.items():
        try:
            with torch.device("meta"):
                device = look(replica.tables, ids).device
        except (RuntimeError, NotImplementedError) as error:
            if "meta" not in str(error):
                raise
            device = torch.device("meta")
        if device.type == "meta":
            return f"{what} makes a tensor without device=..."
    return ""


def maps(subject: Subject) -> str:
    """One vmapped look for all replicas gives what a look for each of them gives."""
    replicas = subject.replicas
    size = min(MOST, *(len(r.experiences[-1].train) for r in replicas))
    ids_RB = torch.stack([r.experiences[-1].train[:size] for r in replicas])
    tables = stack([dict(r.tables) for r in replicas])
    for what, look in subject.looks.items():
        together = vmap(look)(tables, ids_RB)
        for row, replica in enumerate(replicas):
            if not _close(look(replica.tables, ids_RB[row]), together[row]):
                return f"{what} of seed {SEEDS[row]} differ under vmap"
    return ""


def runs(subject: Subject) -> str:
    """A run of two replicas with the strategy naive, over a little of the first experience."""
    stream = subject.stream

    def draw(key: Tensor) -> Replica:
        replica = stream.draw(key)
        first = {part: ids[:SMALL] for part, ids in _parts(replica.experiences[0]).items()}
        return replace(replica, experiences=[Experience(**first)])

    spec = replace(stream.spec, num_experiences=1)
    with tempfile.TemporaryDirectory() as folder:
        run = simulator.run(
            Given(replace(stream, spec=spec, draw=draw)),
            "naive",
            options=FAST,
            seeds=SEEDS[:2],
            out=Path(folder) / "run",
            data=subject.root,
            device="cpu",
            vectorize=2,
            compile="off",
        )
        diverged = run.table("replicas")["diverged_step"].notna().any()
    return (
        "naive diverges on it: are the inputs around 0, within about [-3, 3]?" if diverged else ""
    )
