"""Checks, each in an environment of its own: `nox -s tests`, `nox -s lint types` and others."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests", "lint", "types"]
nox.needs_version = ">=2024.10"

PYTHONS = ["3.11", "3.12", "3.13"]
CODE = ["streamsim", "scenarios", "strategies", "reports", "tests", "noxfile.py"]


@nox.session
def tests(session: nox.Session) -> None:
    """The default suite, doctests included, with the Python that runs nox."""
    _tests(session)


for version in PYTHONS:

    @nox.session(name=f"tests-{version}", python=version)
    def tests_with(session: nox.Session) -> None:
        """The default suite with one supported Python."""
        _tests(session)


def _tests(session: nox.Session) -> None:
    session.install("-e", ".[dev]")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def science(session: nox.Session) -> None:
    """Slow checks against published results."""
    session.install("-e", ".[dev]")
    session.run("pytest", "-n", "2", "-m", "slow", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict, over everything."""
    session.install("-e", ".[dev]")
    session.run("mypy", *CODE)


@nox.session
def bench(session: nox.Session) -> None:
    """Side-by-side timings, printed as ratios."""
    session.install("-e", ".[dev]")
    session.run("python", "tests/benchmarks/run.py", *session.posargs)


@nox.session
def gallery(session: nox.Session) -> None:
    """The pictures of the documentation, from their own commands."""
    session.install("-e", ".")
    common = ["--seeds", "10", "--quiet"]
    runs = []
    for strategy in ("naive", "ewc", "agem", "ncm", "replay", "replay+lwf"):
        runs.append(f"{session.create_tmp()}/{strategy}")
        given = [*common, "--set", "train.epochs=5", "--out", runs[-1]]
        session.run("streamsim", "run", "split-digits", strategy, *given)
    session.run("streamsim", "plot", "forgetting-curves", *runs, "-o", "docs/forgetting.svg")
    runs = []
    slow = ["--set", "train.lr=0.02"]
    for name, *given in (
        ["naive", "naive", *slow],
        ["adwin", "on-drift:reset", *slow],
        ["oracle", "on-drift:reset", *slow, "--set", "strategy.trigger=oracle"],
        ["tree", "river:HoeffdingAdaptiveTreeClassifier"],
    ):
        runs.append(f"{session.create_tmp()}/sine/{name}")
        session.run("streamsim", "run", "sine-reversal", *given, *common, "--out", runs[-1])
    session.run("streamsim", "plot", "prequential", *runs, "-o", "docs/drift.svg")
