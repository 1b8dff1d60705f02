"""Compiling: chosen where it pays, remembered, never fatal, and never changed within a run."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from streamsim import compilation
from streamsim.compilation import Compiler, Mode, Timing, decide

LONG, SHORT = 10**9, 10
milliseconds = st.integers(1, 1000).map(lambda n: n / 1000)
seconds = st.integers(0, 60).map(float)
measured = st.builds(Timing, milliseconds, milliseconds, milliseconds, seconds)
unmeasured = st.builds(Timing, milliseconds, milliseconds, st.none(), seconds)
steps = st.integers(1, 10**7)


class Moving(NamedTuple):
    """What a step changes."""

    params: dict[str, Tensor]


ARGS = (Moving({"w": torch.ones(8, 8)}),)


CLOCK = SimpleNamespace(now=0.0)


class Counted:
    """A step that counts its calls and takes its time, by a clock of ours."""

    def __init__(self, seconds: float = 0.0001) -> None:
        self.calls, self.seconds = 0, seconds

    def __call__(self, moving: Moving) -> Tensor:
        self.calls += 1
        CLOCK.now += self.seconds
        return moving.params["w"] @ moving.params["w"]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes only in steps, so that no choice hangs on how busy the machine is."""
    monkeypatch.setattr(compilation, "time", SimpleNamespace(perf_counter=lambda: CLOCK.now))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """What torch.compile makes of anything: a quick step."""
    quick = Counted()
    monkeypatch.setattr(torch, "compile", lambda function, **options: quick)
    return quick


def chosen(compiler: Compiler, eager: Counted, signature: str = "program") -> Any:
    return compiler.step("key", signature, eager, Counted(), ARGS)


def slow() -> Counted:
    return Counted(seconds=0.01)


# -- the decision ---------------------------------------------------------------------------------
@given(unmeasured, st.integers(0, 9))
def test_runs_of_under_ten_seconds_are_not_worth_a_compilation(
    timing: Timing, num_steps: int
) -> None:
    assert timing.eager * num_steps < compilation.SHORT_SECONDS == 10
    assert decide(timing, num_steps)[0] == "eager"


@given(measured | unmeasured, steps, steps)
def test_a_longer_run_is_compiled_where_a_shorter_one_is(timing: Timing, a: int, b: int) -> None:
    if decide(timing, min(a, b))[0] == "compiled":
        assert decide(timing, max(a, b))[0] == "compiled"


@given(measured, steps)
def test_once_compiled_the_faster_step_wins(timing: Timing, num_steps: int) -> None:
    assert timing.compiled is not None
    faster = "compiled" if timing.compiled < timing.eager else "eager"
    assert decide(timing, num_steps, sunk=True)[0] == faster


def test_a_measured_compilation_must_repay_itself() -> None:
    timing = Timing(eager=0.003, floor=0.0, compiled=0.001, compilation=20.0)
    assert decide(timing, 9_000)[0] == "eager"
    assert decide(timing, 11_000)[0] == "compiled"


def test_a_step_that_is_all_arithmetic_stays_eager() -> None:
    assert decide(Timing(eager=0.003, floor=0.003), 10**6)[0] == "eager"
    assert decide(Timing(eager=0.003, floor=0.0), 10**6)[0] == "compiled"


# -- the choice -----------------------------------------------------------------------------------
@pytest.mark.parametrize(("mode", "choice"), [("on", "compiled"), ("off", "eager")])
def test_on_and_off_measure_nothing(mode: Mode, choice: str, compiled: Counted) -> None:
    compiler, eager = Compiler(mode, num_steps=LONG), slow()
    step = chosen(compiler, eager)
    assert step is (compiled if mode == "on" else eager)
    assert (compiler.choice, compiler.reason) == (choice, f"--compile {mode}")
    assert eager.calls == compiled.calls == 0


def test_auto_stays_eager_for_short_runs(compiled: Counted) -> None:
    compiler, eager = Compiler(num_steps=SHORT), slow()
    assert chosen(compiler, eager) is eager
    assert compiled.calls == 0
    assert "would not repay a compilation" in compiler.reason


def test_auto_compiles_long_runs_where_that_is_faster(compiled: Counted) -> None:
    compiler = Compiler(num_steps=LONG)
    assert chosen(compiler, slow()) is compiled
    assert compiler.choice == "compiled"
    assert compiler.reason == "measured a step: 0.1 ms compiled, 10 ms eager"


def test_a_compilation_that_has_been_paid_for_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if, in hindsight, it took longer than it will save."""
    quick = Counted()

    def compiling(moving: Moving) -> Tensor:
        CLOCK.now += 1000.0 if quick.calls == 0 else 0.0
        return quick(moving)

    monkeypatch.setattr(torch, "compile", lambda function, **options: compiling)
    compiler = Compiler(num_steps=10_000)
    assert chosen(compiler, slow()) is compiling
    assert compiler.choice == "compiled"


def test_auto_stays_eager_where_compiling_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **options: slow())
    compiler, eager = Compiler(num_steps=LONG), Counted()
    assert chosen(compiler, eager) is eager
    assert compiler.reason == "measured a step: 10 ms compiled, 0.1 ms eager"


def test_the_whole_step_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda function, **options: given.append(function))
    compiler, whole = Compiler("on"), Counted()
    for _ in range(3):
        compiler.step("one", "", Counted(), whole, ARGS)
    assert given == [whole]
    compiler.step("two", "", Counted(), whole, ARGS)
    assert given == [whole, whole]


@pytest.mark.parametrize("recorded", ["compiled", "eager"])
def test_a_recorded_choice_is_kept(recorded: Any, compiled: Counted) -> None:
    compiler, eager = Compiler(num_steps=LONG, choice=recorded, reason="as before"), slow()
    assert chosen(compiler, eager) is (compiled if recorded == "compiled" else eager)
    assert eager.calls == compiled.calls == 0
    assert compiler.reason == "as before"


def test_the_choice_is_made_once_a_run(compiled: Counted) -> None:
    compiler = Compiler(num_steps=LONG)
    chosen(compiler, slow())
    assert chosen(compiler, Counted(), "another program") is compiled


# -- failure --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("no C++ compiler\nlong story"), "RuntimeError: no C++ compiler"),
        (NotImplementedError(), "NotImplementedError: "),
    ],
)
def test_a_failing_compilation_falls_back_to_eager(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(moving: Moving) -> None:
        raise error

    monkeypatch.setattr(torch, "compile", lambda function, **options: fail)
    compiler, eager = Compiler(num_steps=LONG, cache=tmp_path), slow()
    assert chosen(compiler, eager) is eager
    assert compiler.reason == f"compilation failed: {reason}"
    assert list(tmp_path.iterdir()) == []


# -- memory ---------------------------------------------------------------------------------------
def test_timings_are_remembered(compiled: Counted, tmp_path: Path) -> None:
    cache = tmp_path / "not" / "there" / "yet"
    assert chosen(Compiler(num_steps=LONG, cache=cache), slow()) is compiled
    calls = compiled.calls
    later, eager = Compiler(num_steps=LONG, cache=cache), slow()
    assert chosen(later, eager) is compiled
    assert eager.calls == 0
    assert compiled.calls == calls


def test_the_same_run_twice_is_chosen_for_alike(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first time, the compilation is paid for when its cost becomes known; the second time it
    would not repay itself."""
    quick = Counted()

    def compiling(moving: Moving) -> Tensor:
        CLOCK.now += 1000.0 if quick.calls == 0 else 0.0
        return quick(moving)

    monkeypatch.setattr(torch, "compile", lambda function, **options: compiling)
    for _ in range(2):
        compiler = Compiler(num_steps=10_000, cache=tmp_path)
        chosen(compiler, slow())
        assert compiler.choice == "compiled"


def test_what_a_longer_run_found_out_changes_no_shorter_one(
    compiled: Counted, tmp_path: Path
) -> None:
    choices = []
    for num_steps in (2_000, LONG, 2_000):  # eager, as a guess; then compiling turns out cheap
        compiler = Compiler(num_steps=num_steps, cache=tmp_path)
        chosen(compiler, slow())
        choices.append(compiler.choice)
    assert choices == ["eager", "compiled", "eager"]


def test_another_program_is_measured_anew(compiled: Counted, tmp_path: Path) -> None:
    chosen(Compiler(num_steps=LONG, cache=tmp_path), slow())
    eager = slow()
    chosen(Compiler(num_steps=LONG, cache=tmp_path), eager, "another program")
    assert eager.calls > 0


def test_what_is_remembered_of_a_short_run_serves_a_long_one(
    compiled: Counted, tmp_path: Path
) -> None:
    assert chosen(Compiler(num_steps=SHORT, cache=tmp_path), slow()) is not compiled
    eager = slow()
    assert chosen(Compiler(num_steps=LONG, cache=tmp_path), eager) is compiled
    assert eager.calls == 1  # its arithmetic is counted, its time is known


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"eager": 1}',
        b'{"eager": null, "floor": 0}',
        b'{"eager": "1", "floor": 0}',
        b'{"eager": 1, "floor": 0, "other": 2}',
        b'{"eager": 1.0, "floor": 0.0, "chosen": null}',
        b'{"eager": 1.0, "floor": 0.0, "chosen": ["eager"]}',
        b'{"eager": 1.0, "floor": 0.0, "chosen": {"10": "both"}}',
        b'{"eager": 1.0, "floor": 0.0, "chosen": {"10": []}}',
    ],
)
def test_a_damaged_memory_is_measured_again(
    damaged: bytes, compiled: Counted, tmp_path: Path
) -> None:
    chosen(Compiler(num_steps=SHORT, cache=tmp_path), slow())
    [file] = tmp_path.iterdir()
    file.write_bytes(damaged)
    eager = slow()
    assert chosen(Compiler(num_steps=SHORT, cache=tmp_path), eager) is eager
    assert eager.calls > 0
    assert json.loads(file.read_text())["eager"] > 0


def test_a_memory_that_cannot_be_written_costs_nothing(compiled: Counted, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert chosen(Compiler(num_steps=LONG, cache=tmp_path / "file"), slow()) is compiled
    assert (tmp_path / "file").read_text() == "no folder"


def test_no_cache_remembers_nothing(compiled: Counted) -> None:
    chosen(Compiler(num_steps=SHORT), slow())
    eager = slow()
    chosen(Compiler(num_steps=SHORT), eager)
    assert eager.calls > 0


def test_a_signature_tells_programs_and_machines_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    here = compilation.signature("parts", 3)
    assert here == compilation.signature("parts", 3)
    assert here != compilation.signature("parts", 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 10**6)
    assert here != compilation.signature("parts", 3)


@pytest.mark.usefixtures("compiled")
def test_a_machine_without_a_gpu_is_not_told_so(caplog: pytest.LogCaptureFixture) -> None:
    chosen(Compiler("on"), slow())
    logging.getLogger("torch.utils.cpp_extension").warning("No CUDA runtime is found")
    assert caplog.text == ""


# -- calls without guards -------------------------------------------------------------------------
@pytest.fixture
def stances(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, bool]]:
    """What the compiler is told."""
    told: list[dict[str, bool]] = []

    @contextmanager
    def set_stance(**options: bool) -> Iterator[None]:
        told.append(options)
        yield

    monkeypatch.setattr(torch.compiler, "set_stance", set_stance)
    return told


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("mode", ["on", "off", "auto"])
def test_guards_are_left_out_of_compiled_steps_only(
    mode: Mode, stances: list[dict[str, bool]]
) -> None:
    compiler = Compiler(mode, num_steps=SHORT)
    chosen(compiler, slow())
    with compiler.unguarded():
        assert stances == ([{"skip_guard_eval_unsafe": True}] if mode == "on" else [])


@pytest.mark.usefixtures("compiled")
def test_guards_stay_where_a_trace_broke(
    stances: list[dict[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._dynamo.utils import counters

    monkeypatch.setitem(counters, "graph_break", Counter({"item": 1}))
    compiler = Compiler("on")
    chosen(compiler, slow())
    with compiler.unguarded():
        assert stances == []
