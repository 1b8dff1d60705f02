"""What parts promise, one function a promise: parts on a small stream in, a complaint out."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamsim import simulator
from streamsim.population import Population
from streamsim.runs import checkpoints
from streamsim.runs.checkpoints import Checkpoint
from streamsim.stream import Replica
from streamsim.testing.driving import (
    CORRECT,
    SEEDS,
    Moment,
    Subject,
    difference,
    go_through,
    growing,
    moment,
    num_experiences,
    rows,
    train,
    trained_state,
)
from streamsim.testing.toys import Given, altered
from streamsim.testing.watching import (
    Call,
    Watch,
    hidden_generators,
    kept,
    outermost,
    seeded,
    watched,
    written,
)

ROUNDING = 1e-5  # of the largest number nearby; a population's sums run in another order
COMPILED = 1e-4


def trains(subject: Subject) -> str:
    """One replica gets through the stream, and its weights stay finite."""
    for number, each in enumerate(subject.alone):
        bad = [n for n, t in each.items() if n.startswith("params/") and not t.isfinite().all()]
        if bad:
            return f"{bad[0]} is not finite after experience {number - 1}"
    return ""


def replays(subject: Subject) -> str:
    """Two runs leave the same bytes, whatever state other generators are in."""
    drawing: list[str] = []

    def watch(hook: str, call: Call, args: Mapping[str, Any]) -> Any:
        before = hidden_generators()
        result = call()
        if hidden_generators() != before:
            drawing.append(hook)
        return result

    _train_watched(subject, watch)
    if drawing:
        return f"{drawing[0]} draws from a global generator; use streamsim.draws and ctx.key"
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_run_files(subject, Path(folder) / str(seed), seed) for seed in (1, 2))
    odd = sorted(
        name for name in first.keys() | second.keys() if first.get(name) != second.get(name)
    )
    return f"two equal runs differ in {', '.join(odd)}" if odd else ""


def _run_files(subject: Subject, path: Path, seed: int) -> Mapping[str, bytes]:
    """The tables and weights that a run of two seeds leaves, one replica after the other."""
    with seeded(seed):
        simulator.run(
            subject.scenario,
            list(subject.parts),
            model=subject.model,
            options=subject.options,
            seeds=SEEDS[:2],
            out=path,
            data=subject.root,
            device="cpu",
            vectorize="off",
            compile="off",
        )
    files = [*path.glob("*.parquet"), *path.glob("parameters/*.safetensors")]
    return {file.name: file.read_bytes() for file in files}


def keeps_state(subject: Subject) -> str:
    """The tree of tensors that training changes looks the same after every phase."""
    learner = subject.learner(SEEDS[:1])
    learner.start()
    first = trained_state(learner)
    for experience in range(num_experiences(learner)):
        num_steps = learner.num_steps(experience)
        if not num_steps:
            continue
        phases = (
            ("the beginning of", partial(learner.begin, experience)),
            ("training at", partial(learner.train, experience, range(num_steps))),
            ("the end of", partial(learner.end, experience)),
        )
        for phase, go in phases:
            go()
            if odd := _changed_shape(first, trained_state(learner)):
                return f"{odd} after {phase} experience {experience}"
    return ""


def _changed_shape(before: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> str:
    for name in [*before, *(n for n in now if n not in before)]:
        was, is_now = (_described(tree.get(name)) for tree in (before, now))
        if was != is_now:
            return f"{name} was {was} and is {is_now}"
    return ""


def _described(leaf: Tensor | None) -> str:
    return "absent" if leaf is None else f"{list(leaf.shape)} of {leaf.dtype}"


def leaves_inputs(subject: Subject) -> str:
    """No hook writes into what it was given, nor into the pool."""
    found: list[str] = []

    def watch(hook: str, call: Call, args: Mapping[str, Any]) -> Any:
        before = kept(args)
        result = call()
        found.extend(f"{hook} writes into {name}" for name in written(before, args))
        return result

    pool = kept({"pool": subject.stream.pool})
    try:
        _train_watched(subject, watch)
    except RuntimeError as error:
        # autograd stops the worst: writing into weights that want a gradient
        if "in-place operation" not in str(error):
            raise
        found.append(str(error))
    found += [f"a hook writes into {n}" for n in written(pool, {"pool": subject.stream.pool})]
    return found[0] if found else ""


def names_devices(subject: Subject) -> str:
    """Hooks work when the default device is not the data's.

    The meta device stands in for the CPU of someone whose data is on a GPU: torch refuses to mix
    it with the data, so that a forgotten `device=` shows without a GPU.
    """
    found: list[str] = []

    def watch(hook: str, call: Call, args: Mapping[str, Any]) -> Any:
        try:
            with torch.device("meta"):
                return call()
        except (RuntimeError, NotImplementedError) as error:
            if "meta" in str(error):
                found.append(hook)
            raise

    try:
        _train_watched(subject, watch)
    except (RuntimeError, NotImplementedError):
        if not found:
            raise
    return f"{found[0]} makes a tensor without device=..." if found else ""


def _train_watched(subject: Subject, watch: Watch) -> None:
    outer = outermost(watch)
    parts = [watched(part, outer) for part in subject.parts]
    train(subject.with_parts(parts).learner(SEEDS[:1]))


def equals_alone(subject: Subject) -> str:
    """Every seed by itself, without a replica axis, against its row among others."""
    for row, seed in enumerate(SEEDS):
        alone = train(subject.learner([seed])) if row else subject.alone
        if odd := difference(alone, rows(subject.together, [row]), ROUNDING):
            return f"seed {seed}: {odd}"
    return ""


def equals_in_chunks(subject: Subject) -> str:
    """Some of the seeds: other sizes, so other padding."""
    chunk = train(subject.learner(SEEDS[1:]))
    return difference(chunk, rows(subject.together, range(1, len(SEEDS))), ROUNDING)


def equals_in_stretches(subject: Subject) -> str:
    """Planned a few steps at a time; steps that read the state of a stretch's end differ."""
    return difference(train(subject.learner(), growing), subject.together, ROUNDING)


def looks_ahead(subject: Subject) -> str:
    """Everything but the training samples of the first experience is altered: nothing that has
    been learned by its end may change."""

    def keep(replica: Replica) -> Tensor:
        known = [replica.experiences[0].train]
        return torch.cat(known if replica.meta is None else [*known, replica.meta.flatten()])

    other = replace(subject, scenario=Given(altered(subject.stream, keep)))
    instead = train(other.learner(SEEDS[:1]), until=1)
    return difference(_learned(subject.alone[:2]), _learned(instead))


def _learned(moments: Sequence[Moment]) -> list[Moment]:
    """Without the test results, which may change."""
    return [{name: leaf for name, leaf in m.items() if name != CORRECT} for m in moments]


def resumes(subject: Subject) -> str:
    """Put down and taken up by a fresh population, between experiences and within one."""
    learner = subject.learner()
    steps = [learner.num_steps(e) for e in range(num_experiences(learner))]
    trained = [e for e, number in enumerate(steps) if number]
    within, last = trained[:2][-1], trained[-1]
    for experience, step in ((within, steps[within] // 2), (last, 0)):
        going_on, saved = _interrupted(subject.learner(), experience, step)
        fresh = subject.learner()
        fresh.restore(saved)
        resumed = _finished(fresh, experience, step)
        if odd := difference([resumed], [going_on]):
            where = f"step {step} of experience {experience}"
            return f"resumed at {where}: {odd.replace('before training', 'at the end')}"
    return ""


def _interrupted(
    learner: Population, experience: int, step: int
) -> tuple[Moment, Mapping[str, Tensor]]:
    """How a training ends, and what a checkpoint at a step holds, read back from disk."""
    learner.start()
    for earlier in range(experience):
        go_through(learner, earlier)
    if step:
        learner.begin(experience)
        learner.train(experience, range(step))
    with tempfile.TemporaryDirectory() as folder:
        checkpoints.write(Path(folder), Checkpoint({}, learner.state(), {}))
        saved = checkpoints.read(Path(folder)).state
    return _finished(learner, experience, step), saved


def _finished(learner: Population, experience: int, step: int) -> Moment:
    num_steps = learner.num_steps(experience)
    if not step:
        learner.begin(experience)
    learner.train(experience, range(step, num_steps))
    learner.end(experience)
    for later in range(experience + 1, num_experiences(learner)):
        go_through(learner, later)
    return moment(learner, num_experiences(learner) - 1)


def equals_compiled(subject: Subject) -> str:
    """Two experiences with the step compiled."""
    learner = subject.learner(compile="on")
    number = min(2, num_experiences(learner))
    return difference(train(learner, until=number), subject.together[: number + 1], COMPILED)
