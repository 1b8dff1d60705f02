"""Who imports whom: the house stays as ARCHITECTURE.md draws it, and importing costs nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import streamsim

ROOT = Path(__file__).parents[1]
CORE = ROOT / "streamsim"
FOLDERS = [CORE, ROOT / "scenarios", ROOT / "strategies", ROOT / "reports"]
PLUGIN_PACKAGES = {"streamsim_scenarios", "streamsim_strategies", "streamsim_reports"}
PUBLIC = {"stream", "strategy", "draws", "trees", "optimizers", "data", "options"}
PUBLIC |= {"transference", "detection", "modifiers", "network"}
HEAVY = {"torch", "pandas", "numpy", "pydantic", "sklearn", "seaborn", "avalanche", "river"}
HEAVY |= {"torchvision", "scipy", "pyarrow", "safetensors"}
UNPICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def files(*folders: Path) -> list[Path]:
    """Modules; templates of plugins to come are text."""
    found = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return [file for file in found if "templates" not in file.relative_to(ROOT).parts[:-1]]


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """Dotted names, with what is imported from them: `from a import b` is `a.b`."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def everywhere(file: Path) -> set[str]:
    return imported(ast.walk(tree(file)))


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported; not what is there for type checkers."""
    yield node
    children = ast.iter_child_nodes(node)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        children = iter(node.orelse)
    for child in children:
        yield from at_import(child)


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def offenders(folder_or_files: Sequence[Path], forbidden: set[str]) -> dict[str, set[str]]:
    """Which files import forbidden packages anywhere, and which ones."""
    assert folder_or_files
    found = {str(f.relative_to(ROOT)): roots(everywhere(f)) & forbidden for f in folder_or_files}
    return {name: packages for name, packages in found.items() if packages}


# -- the core and its plugins ---------------------------------------------------------------------
def test_the_core_never_imports_a_plugin() -> None:
    assert offenders(files(CORE), PLUGIN_PACKAGES - {"streamsim_reports"}) == {}
    below = [file for file in files(CORE) if file.parent.name != "cli"]
    assert offenders(below, PLUGIN_PACKAGES) == {}


@pytest.mark.parametrize("kind", ["scenarios", "strategies"])
def test_plugins_import_only_public_modules_of_the_core(kind: str) -> None:
    found = files(ROOT / kind)
    assert len(found) > 3
    for file in found:
        core = {name for name in everywhere(file) if name.split(".")[0] == "streamsim"}
        hidden = {
            name for name in core if name.split(".")[1:2] == [] or name.split(".")[1] not in PUBLIC
        }
        assert not hidden, f"{file.name} imports {', '.join(sorted(hidden))}"


def test_scenarios_and_strategies_do_not_know_each_other() -> None:
    assert offenders(files(ROOT / "scenarios"), PLUGIN_PACKAGES - {"streamsim_scenarios"}) == {}
    assert offenders(files(ROOT / "strategies"), PLUGIN_PACKAGES - {"streamsim_strategies"}) == {}


def test_metrics_know_tables_and_themselves_only() -> None:
    found = files(CORE / "metrics")
    assert offenders(found, {"torch"}) == {}
    for file in found:
        core = {name for name in everywhere(file) if name.split(".")[0] == "streamsim"}
        assert all(name.startswith("streamsim.metrics.") for name in core), file.name


def test_the_command_line_stays_in_its_folder() -> None:
    core = [file for file in files(CORE) if "cli" not in file.relative_to(CORE).parts]
    assert offenders(core, {"typer", "click", "rich"}) == {}
    assert not [f.name for f in core if any("streamsim.cli" in name for name in everywhere(f))]


# -- cost and safety ------------------------------------------------------------------------------
def test_command_modules_import_nothing_heavy() -> None:
    found = files(CORE / "cli")
    assert len(found) > 3
    for file in found:
        heavy = roots(imported(at_import(tree(file)))) & HEAVY
        assert not heavy, f"{file.name} imports {', '.join(sorted(heavy))} at its top"


@pytest.mark.parametrize("module", ["streamsim", "streamsim.cli"])
def test_importing_leaves_heavy_libraries_alone(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(done.stdout.split())
    assert module in loaded
    assert loaded & HEAVY == set()


def test_an_eager_run_leaves_the_compiler_alone(tmp_path: Path) -> None:
    """Importing it takes as long as importing torch."""
    code = (
        "import sys, streamsim\n"
        "options = {'scenario.n_experiences': 2, 'train.iterations': 2}\n"
        "run = streamsim.run('split-digits', 'replay', seeds=2, options=options, out=sys.argv[1],"
        " compile='off')\n"
        "print(run.status, *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    status, *loaded = done.stdout.split()
    assert status == "finished"
    assert "torch" in loaded
    assert "torch._dynamo" not in loaded


def test_nobody_unpickles() -> None:
    found = files(*FOLDERS)
    assert offenders(found, UNPICKLERS) == {}
    for file in found:
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) != "torch.load", f"{file.name}, line {node.lineno}"
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", f"{file.name}, line {node.lineno}"


def test_the_rules_see_what_they_are_to_forbid(tmp_path: Path) -> None:
    """Inside functions too, and at the top only what runs there."""
    file = tmp_path / "module.py"
    file.write_text(
        "import a.b\n"
        "from c import d\n"
        "if TYPE_CHECKING:\n    import e\n"
        "else:\n    import f\n"
        "try:\n    import g\n"
        "except ImportError:\n    import h\n"
        "class C:\n    import i\n"
        "    def method(self):\n        import j\n"
        "def function():\n    import k\n"
    )
    assert everywhere(file) == {"a.b", "c.d", *"efghijk"}
    assert imported(at_import(tree(file))) == {"a.b", "c.d", *"fghi"}


# -- the front door -------------------------------------------------------------------------------
def test_every_public_name_is_there() -> None:
    for name in streamsim.__all__:
        assert getattr(streamsim, name) is not None


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="module 'streamsim' has no attribute 'runn'"):
        streamsim.runn  # noqa: B018
