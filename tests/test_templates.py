"""What `streamsim new` writes is a plugin that works, and what CONTRIBUTING.md shows does too."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamsim import templates
from streamsim.cli import app

REPOSITORY = Path(__file__).resolve().parents[1]
MODULES = {"scenario": "scenario", "modifier": "modifier", "strategy": "part"}


def files(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def environment(package: Path, site: Path) -> dict[str, str]:
    """An environment in which a package is installed: importable, its entry points registered."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0\n")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    path = os.pathsep.join([str(site), str(package), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("kind", MODULES)
def test_a_new_package_passes_its_own_tests(kind: str, tmp_path: Path) -> None:
    package = templates.write(kind, "own-try", tmp_path / "package")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=package,
        env=environment(package, tmp_path / "site"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "2 passed" in found.stdout


@pytest.mark.parametrize("kind", MODULES)
def test_a_new_package_is_complete(kind: str, tmp_path: Path) -> None:
    package = templates.write(kind, "own-try", tmp_path / "deep" / "package")
    module = MODULES[kind]
    assert set(files(package)) == {
        "README.md",
        "pyproject.toml",
        "streamsim_own_try/__init__.py",
        "streamsim_own_try/py.typed",
        f"streamsim_own_try/{module}.py",
        f"tests/test_{module}.py",
    }
    assert not [file for file in package.rglob("*") if file.is_file() and "$" in file.read_text()]
    assert [path.name for path in package.parent.iterdir()] == ["package"]


@pytest.mark.parametrize("kind", MODULES)
def test_a_new_package_is_clean_code(kind: str, tmp_path: Path) -> None:
    package = templates.write(kind, "own-try", tmp_path / "package")
    settings = ["--config", str(REPOSITORY / "pyproject.toml"), "--no-cache", str(package)]
    for command in (["check"], ["format", "--check"]):
        found = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *settings],
            cwd=package,  # where streamsim is somebody else's package
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODULES)
def test_a_new_package_is_strictly_typed(kind: str, tmp_path: Path) -> None:
    package = templates.write(kind, "own-try", tmp_path / "package")
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "streamsim_own_try", "tests"],
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        (
            "strategi",
            "own-try",
            "unknown kind 'strategi'; choose one of scenario, modifier, strategy; did you",
        ),
        ("strategy", "Own_try", "the name 'Own_try': use lower-case letters"),
        ("strategy", "own--try", "the name 'own--try'"),
        ("strategy", "2nd-try", "beginning with a letter"),
        ("strategy", "", "the name ''"),
        ("strategy", "replay", "streamsim has a strategy 'replay' already"),
        ("scenario", "replay", "streamsim has a strategy 'replay' already"),
        ("modifier", "replay", "streamsim has a strategy 'replay' already"),
        ("strategy", "label-noise", "streamsim has a modifier 'label-noise' already"),
        ("scenario", "scenarios", "a package streamsim_scenarios is installed already"),
    ],
)
def test_what_cannot_be_written_is_refused(
    kind: str, name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        templates.write(kind, name, tmp_path / "package")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(ValueError, match="is there and not empty"):
            templates.write("strategy", "own-try", folder)
    assert files(tmp_path) == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert templates.write("strategy", "own-try", Path()) == Path()
    assert "pyproject.toml" in files(tmp_path)


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ValueError, match="No space left on device; choose another --folder"):
        templates.write("strategy", "own-try", tmp_path / "package")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "name", "cls"),
    [
        ("strategy", "own-try", "OwnTry"),
        ("strategy", "none", "NonePart"),
        ("strategy", "data", "DataPart"),
        ("scenario", "blobs", "BlobsStream"),
        ("scenario", "stream", "StreamStream"),
        ("modifier", "gaps", "Gaps"),
        ("modifier", "replica", "ReplicaModifier"),
    ],
)
def test_class_names_mean_nothing_else(kind: str, name: str, cls: str, tmp_path: Path) -> None:
    package = templates.write(kind, name, tmp_path / "package")
    [init] = package.glob("streamsim_*/__init__.py")
    assert f':{cls}"' in init.read_text()
    for file in package.rglob("*.py"):
        compile(file.read_text(), str(file), "exec")


# -- CONTRIBUTING.md --------------------------------------------------------------------------
def blocks(language: str) -> list[str]:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def test_the_python_in_contributing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(blocks("python")) >= 4
    (tmp_path / "shown.py").write_text("\n\n".join(blocks("python")), encoding="utf-8")
    runpy.run_path(str(tmp_path / "shown.py"), run_name="shown")


def test_the_commands_in_contributing_exist() -> None:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    commands = {line.split()[1] for line in lines if line.startswith("streamsim ")}
    assert {"new", "check", "run", "list"} <= commands
    for command in commands:
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_contributing_names_every_hook_and_every_check() -> None:
    from streamsim.strategy import HOOKS
    from streamsim.testing import scenarios, strategies

    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    claims = [
        value
        for module in (scenarios, strategies)
        for key, value in vars(module).items()
        if key.isupper() and isinstance(value, str)
    ]
    assert [name for name in (*HOOKS, *claims) if name not in text] == []
