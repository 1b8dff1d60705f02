"""Whether a run's training step is compiled or runs eagerly.

Compiled and eager steps may differ in the last bit, so the choice must not flicker: what was
measured is remembered per program and machine, and so is what was chosen for as many steps; a run
records its choice, and resuming keeps it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from streamsim import draws

Mode = Literal["auto", "on", "off"]
Choice = Literal["compiled", "eager"]
Step = Callable[..., Any]

PROBES = 8  # timed calls a measurement
SHORT_SECONDS = 10.0  # eager runs shorter than this are never worth a compilation
COMPILE_SECONDS = 20.0  # what a first compilation costs, where none was measured
EXPECTED_GAIN = 0.5  # share of the time above arithmetic that compiling is expected to save
MARGIN = 1.5  # how many times over the expected gain must repay the compilation


@dataclass(frozen=True)
class Timing:
    """What is known of one program on this machine, in seconds."""

    eager: float  # a step
    floor: float | None = None  # a step's matrix products alone, at the machine's best rate
    compiled: float | None = None  # a step
    compilation: float = COMPILE_SECONDS
    # by number of steps: the same run must not be decided anew once more is known, or once a
    # compilation has been paid for
    chosen: Mapping[str, Choice] = field(default_factory=dict)


@dataclass
class Compiler:
    """Makes the choice once a run, and keeps the compiled functions."""

    mode: Mode = "auto"
    num_steps: int = 0  # training steps of the whole run, all chunks added up
    cache: Path | None = None  # folder of remembered timings; None remembers nothing
    choice: Choice | None = None
    reason: str = ""
    _functions: dict[Any, Step] = field(default_factory=dict)

    def step(
        self, key: Any, signature: str, eager: Step, whole: Step, args: tuple[Any, ...]
    ) -> Step:
        """`eager`, or `whole` compiled: two functions of the same arguments, of which `args` are
        one example. `key` names the function in this process, `signature` the program anywhere."""
        if self.choice is None:
            self.choice, self.reason = self._choose(key, signature, eager, whole, args)
        return eager if self.choice == "eager" else self._compiled(key, whole)

    @contextmanager
    def unguarded(self) -> Iterator[None]:
        """For calls with arguments of the last call's kind: same tree, shapes, types and strides.

        A compiled step compares them, and whatever else its trace read, at every call: up to half
        the time of small steps. Nothing is left out where a trace broke: what runs between its
        pieces may read anything.
        """
        if self.choice != "compiled" or _a_trace_broke():
            yield
            return
        with torch.compiler.set_stance(skip_guard_eval_unsafe=True):
            yield

    def _compiled(self, key: Any, whole: Step) -> Step:
        if key not in self._functions:
            import torch._dynamo as dynamo

            # it warns where CUDA is installed and there is no GPU, which is no news to anybody
            logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
            # every program and chunk counts against the one code object that vmap returns
            dynamo.config.recompile_limit = max(dynamo.config.recompile_limit, 256)
            # it cannot trace the hash, and need not; said here, as saying it imports the compiler
            dynamo.assume_constant_result(draws.purpose)  # type: ignore[no-untyped-call]
            self._functions[key] = torch.compile(whole, dynamic=False)
        return self._functions[key]

    def _choose(
        self, key: Any, signature: str, eager: Step, whole: Step, args: tuple[Any, ...]
    ) -> tuple[Choice, str]:
        if self.mode != "auto":
            return ("compiled" if self.mode == "on" else "eager"), f"--compile {self.mode}"
        timing = self._remembered(signature)
        before = None if timing is None else timing.chosen.get(str(self.num_steps))
        if before is not None:
            return before, "as chosen before for as many steps"
        if timing is None:
            timing = Timing(_best_seconds(eager, args))
        if timing.floor is None and timing.eager * self.num_steps >= SHORT_SECONDS:
            timing = replace(timing, floor=_arithmetic_seconds(eager, args))
        choice, reason = decide(timing, self.num_steps)
        if choice == "compiled" and timing.compiled is None:
            try:
                timing = self._try_compiled(key, whole, args, timing)
            except Exception as error:  # no C++ compiler, or something it cannot compile
                first_line = str(error).strip().splitlines()[0] if str(error).strip() else ""
                return "eager", f"compilation failed: {type(error).__name__}: {first_line[:200]}"
            choice, reason = decide(timing, self.num_steps, sunk=True)
        chosen = {**timing.chosen, str(self.num_steps): choice}
        self._remember(signature, replace(timing, chosen=chosen))
        return choice, reason

    def _try_compiled(self, key: Any, whole: Step, args: tuple[Any, ...], timing: Timing) -> Timing:
        start = time.perf_counter()
        function = self._compiled(key, whole)
        function(*args)
        compilation = time.perf_counter() - start
        return replace(timing, compiled=_best_seconds(function, args), compilation=compilation)

    def _file(self, signature: str) -> Path | None:
        if self.cache is None:
            return None
        return self.cache / f"{hashlib.sha256(signature.encode()).hexdigest()[:24]}.json"

    def _remembered(self, signature: str) -> Timing | None:
        file = self._file(signature)
        try:
            if file is None:
                return None
            timing = Timing(**json.loads(file.read_text()))
            known = {k: v for k, v in asdict(timing).items() if v is not None}
            valid = set(known.pop("chosen").values()) <= set(get_args(Choice))
            whole = valid and {"eager", "compilation"} <= known.keys()
            return timing if whole and all(isinstance(v, float) for v in known.values()) else None
        except (OSError, ValueError, TypeError, AttributeError, KeyError):
            return None  # absent, or not ours: measure again

    def _remember(self, signature: str, timing: Timing) -> None:
        file = self._file(signature)
        if file is None:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = file.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps(asdict(timing)))
            fresh.replace(file)
        except OSError:
            pass  # a cache that cannot be written only costs a measurement next time


def decide(timing: Timing, num_steps: int, sunk: bool = False) -> tuple[Choice, str]:
    """The faster way through `num_steps`; `sunk`: the compilation is already paid for.

    >>> decide(Timing(eager=0.003, floor=0.0003), num_steps=100_000)[0]
    'compiled'
    >>> decide(Timing(eager=0.003, floor=0.0003), num_steps=1_000)[0]
    'eager'
    """
    total = timing.eager * num_steps
    if timing.compiled is not None:
        cost = 0.0 if sunk else timing.compilation
        faster = timing.compiled * num_steps + cost < total
        verdict = f"{1e3 * timing.compiled:.3g} ms compiled, {1e3 * timing.eager:.3g} ms eager"
        return ("compiled" if faster else "eager"), f"measured a step: {verdict}"
    gain = EXPECTED_GAIN * max(0.0, timing.eager - (timing.floor or 0.0)) * num_steps
    if total < SHORT_SECONDS or gain < MARGIN * timing.compilation:
        return "eager", f"about {total:.3g} s of eager steps would not repay a compilation"
    return "compiled", f"about {gain:.3g} s to gain"


def _a_trace_broke() -> bool:
    from torch._dynamo.utils import counters

    return bool(counters["graph_break"])


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _best_seconds(step: Step, args: tuple[Any, ...]) -> float:
    """Least time of a call, after two to warm up: what other processes take only adds to it."""
    seconds = []
    for _ in range(2 + PROBES):
        _synchronise()
        start = time.perf_counter()
        step(*args)
        _synchronise()
        seconds.append(time.perf_counter() - start)
    return min(seconds[2:])


def _arithmetic_seconds(step: Step, args: tuple[Any, ...]) -> float:
    """Time that a step's matrix products and convolutions would take at the machine's best rate."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step(*args)
    device = next(iter(args[0].params.values())).device
    side = 512 if device.type == "cpu" else 4096
    square = torch.ones(side, side, device=device)
    seconds = _best_seconds(torch.mm, (square, square))
    return float(counter.get_total_flops()) * seconds / (2 * side**3)


def signature(*parts: Any) -> str:
    """What makes a program the same one: its parts, shapes, device, threads and torch."""
    machine = (torch.__version__, torch.get_num_threads(), torch.cuda.is_available())
    return repr((*parts, machine))
