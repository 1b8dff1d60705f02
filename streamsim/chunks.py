"""From a configuration to populations: settings that one program can hold side by side share one,
and a population that is too large for the machine is cut into chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from streamsim import composition, devices, draws, pairs, settings
from streamsim.compilation import Compiler
from streamsim.configuration import Configuration
from streamsim.fitting import check_view
from streamsim.flow import World
from streamsim.foreign import Recipe
from streamsim.foreign.onebyone import no_transference
from streamsim.learner import Learner
from streamsim.network import Network
from streamsim.optimizers import TrainOptions
from streamsim.population import STRETCH, Population
from streamsim.prequential import PrequentialOptions
from streamsim.program import Program
from streamsim.settings import ModelFactory, Objects, Setting
from streamsim.strategy import Part, Scope
from streamsim.stream import Stream, StreamSpec
from streamsim.transference import TransferenceOptions
from streamsim.trees import map_tree, stack

PLANNED_BYTES = 64  # of the plan of a step, for every sample of its batch


@dataclass(frozen=True)
class Group:
    """Settings that differ in traced numbers only."""

    setting: Setting  # of the first
    traced: Sequence[str]
    members: Sequence[tuple[int, Mapping[str, Any]]]  # index and swept values


@dataclass(frozen=True)
class Chunk:
    """Replicas that are trained together."""

    replicas: Sequence[tuple[int, int]]  # (setting, seed)
    spec: StreamSpec
    device: torch.device
    learner: Callable[[], Learner]  # drawn and allocated only when its turn comes
    notes: Sequence[str] = ()
    transference: TransferenceOptions | None = None  # None: not measured
    prequential: PrequentialOptions | None = None
    watchers: Sequence[str] = ()  # names of all parts, if any of them watches


def make_chunks(
    wanted: Configuration,
    objects: Objects,
    root: Path,
    device: torch.device,
    vectorize: str,
    compiler: Compiler,
) -> list[Chunk]:
    """Everything that will be trained, checked before anything is."""
    chunks: list[Chunk] = []
    for group in _groups(wanted, objects):
        chunks += _chunks_of(group, wanted, root, device, vectorize, compiler)
    return chunks


def _groups(wanted: Configuration, objects: Objects) -> list[Group]:
    """Settings by everything that shapes a program, in the order of their first member."""
    groups: dict[str, Group] = {}
    for index, values in enumerate(wanted.settings()):
        setting = settings.build(wanted, objects, values)
        traced = settings.traced(values, setting)
        shaping = repr(sorted((k, v) for k, v in values.items() if k not in traced))
        first = groups.get(shaping, Group(setting, traced, []))
        groups[shaping] = Group(first.setting, traced, [*first.members, (index, values)])
    return list(groups.values())


def _chunks_of(
    group: Group,
    wanted: Configuration,
    root: Path,
    device: torch.device,
    vectorize: str,
    compiler: Compiler,
) -> Iterator[Chunk]:
    setting = group.setting
    stream = setting.scenario.stream(root)
    check_view(wanted.scenario, setting.scenario, stream, root, replica_key(wanted.seeds[0]))
    if setting.foreign is not None:
        devices.check_batch(
            setting.train.batch_size, _sample_bytes(setting.train, stream.spec), torch.device("cpu")
        )
        yield from _foreign_chunks(group, setting.foreign, wanted.seeds, stream)
        return
    model = setting.model
    assert model is not None
    watches = any(part.watch() for part in setting.parts)
    judges = setting.prequential is not None or watches
    _check_fit(setting, stream.spec, judges)
    network = Network(_module(model, stream.spec, draws.fold(torch.tensor(0), "shape")))
    _check_model(network.model)
    per_sample = _sample_bytes(setting.train, stream.spec, network)
    devices.check_batch(setting.train.batch_size, per_sample, device)
    pool = {name: tensor.to(device) for name, tensor in stream.pool.items()}
    watchers = [part.name for part in setting.parts] if watches else []
    program = Program(setting.parts, stream, pool, network, setting.train, judges)
    members = [(s, v, seed) for s, v in group.members for seed in wanted.seeds]
    largest = _largest(vectorize, program, model, members[0], group, device)
    notes = composition.hints(setting.parts, stream.spec)
    measured = setting.transference, setting.prequential
    start = 0
    for size in devices.chunk_sizes(len(members), largest):
        chosen = members[start : start + size]
        start += size

        def learner(chosen: Sequence[tuple[int, Mapping[str, Any], int]] = chosen) -> Learner:
            return _population(program, model, chosen, group, device, compiler)

        replicas = [(index, seed) for index, _, seed in chosen]
        yield Chunk(replicas, stream.spec, device, learner, notes, *measured, watchers)


def _check_fit(setting: Setting, spec: StreamSpec, judges: bool) -> None:
    """Refuse what this stream cannot be learned with, or measured on."""
    if judges and spec.label_delay and _scope(setting.parts) != "experience":
        names = "+".join(part.name for part in setting.parts)
        raise ValueError(
            f"'{names}' trains on more than what comes, so that no sample can wait for its label; "
            "leave out label-delay, or judge nothing with --no-prequential"
        )
    composition.check_fit(setting.parts, spec, setting.train.batch_size)
    if setting.transference is not None:
        scope = _scope(setting.parts)
        pairs.check_fit(setting.transference, spec.num_experiences, scope)


def _foreign_chunks(
    group: Group, recipe: Recipe, seeds: Sequence[int], stream: Stream
) -> Iterator[Chunk]:
    """Other libraries train one replica at a time, on the CPU."""
    setting, device = group.setting, torch.device("cpu")
    if setting.transference is not None:
        raise ValueError(no_transference(recipe.name))
    recipe.check(stream, replica_key(seeds[0]))
    for index, _ in group.members:
        for seed in seeds:

            def learner(seed: int = seed) -> Learner:
                judges = setting.prequential is not None
                return recipe.learner(stream, replica_key(seed), setting.train, judges)

            yield Chunk(
                [(index, seed)], stream.spec, device, learner, prequential=setting.prequential
            )


def _population(
    program: Program,
    model: ModelFactory,
    members: Sequence[tuple[int, Mapping[str, Any], int]],
    group: Group,
    device: torch.device,
    compiler: Compiler,
) -> Population:
    keys = [replica_key(seed) for _, _, seed in members]
    drawn = [program.stream.draw(key) for key in keys]
    worlds = [
        World(key, replica.tables, _numbers(program, values, group.traced))
        for key, replica, (_, values, _) in zip(keys, drawn, members, strict=True)
    ]
    world: World = worlds[0] if len(worlds) == 1 else stack(worlds)
    return Population(
        program=program,
        world=map_tree(lambda tensor: tensor.to(device), world),
        replicas=drawn,
        initial_module=lambda key: _module(model, program.stream.spec, key),
        compiler=compiler,
        device=device,
        scope=_scope(program.parts),
    )


def _scope(parts: Sequence[Part]) -> Scope:
    """The data that training at an experience sees; at most one part chooses."""
    return next((part.scope for part in parts if part.scope != "experience"), "experience")


def replica_key(seed: int) -> Tensor:
    """The key of all draws of a seed: settings share it, so they differ in nothing else."""
    return draws.fold(torch.tensor(seed), "replica")


def _numbers(
    program: Program, values: Mapping[str, Any], traced: Sequence[str]
) -> dict[str, Tensor]:
    """A replica's numbers for traced options; the learning rate is always one."""
    numbers = {"train.lr": program.train.lr, **{name: values[name] for name in traced}}
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in numbers.items()}


def _module(model: ModelFactory, spec: StreamSpec, key: Tensor) -> nn.Module:
    """A network with the model's own initialisation, as a pure function of a key.

    Built on the CPU whatever the device, with the global generator borrowed and put back.
    """
    generator = torch.default_generator
    before = generator.get_state()
    try:
        generator.manual_seed(int(draws.fold(key, "initial weights")) & (2**63 - 1))
        return model(spec)
    finally:
        generator.set_state(before)


def _check_model(model: nn.Module) -> None:
    if not any(True for _ in model.parameters()):
        raise ValueError(f"the model {type(model).__name__} has no parameters to train")
    running = [name for name, b in model.named_buffers() if b.is_floating_point()]
    if running:
        raise ValueError(
            f"the model keeps running statistics ({', '.join(running[:3])}), which replicas cannot "
            "share; use GroupNorm or LayerNorm in place of BatchNorm"
        )


def _sample_bytes(train: TrainOptions, spec: StreamSpec, network: Network | None = None) -> int:
    """Memory that training takes for every sample of a batch, about."""
    kept = 4 * torch.Size(spec.input_shape).numel()
    if network is not None:
        params = dict(network.model.named_parameters())
        one, two = (
            devices.saved_bytes(network, params, torch.zeros(n, *spec.input_shape)) for n in (1, 2)
        )
        kept += two - one
    steps = min(STRETCH, train.epochs if train.iterations is None else train.iterations)
    return devices.COPIES * kept + steps * PLANNED_BYTES


def side_by_side(vectorize: str) -> int | None:
    """Replicas of a chunk, as asked for: `auto` (None), `off` or a number."""
    if vectorize in ("auto", "off"):
        return None if vectorize == "auto" else 1
    asked = int(vectorize) if vectorize.isdecimal() else 0
    if asked < 1:
        raise ValueError(f"--vectorize {vectorize}: choose auto, off or a number of replicas")
    return asked


def _largest(
    vectorize: str,
    program: Program,
    model: ModelFactory,
    member: tuple[int, Mapping[str, Any], int],
    group: Group,
    device: torch.device,
) -> int:
    """Replicas of a chunk at most: as asked for, or as fit into memory."""
    asked = side_by_side(vectorize)
    if asked is not None:
        return asked
    if device.type == "cpu" and devices.convolves(program.network.model):
        return 1  # a batched convolution is no faster there, and takes R times the memory
    one = _population(program, model, [member], group, device, Compiler("off"))
    return max(1, devices.budget(device) // one.bytes_needed())
