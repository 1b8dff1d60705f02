"""Plugins by name: a stranger's package joins in, and a broken one never harms the others."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamsim import registry


class Site:
    """A folder on the import path, with distributions as pip would install them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def install(
        self, package: str, table: str, plugin: str = "", point: str = "plugins", kind: str = ""
    ) -> None:
        """A package whose `table` is the code of its module and `plugin` that of `<name>_part`."""
        module = package.replace("-", "_")
        self.modules += [module, f"{module}_part"]
        (self.folder / f"{module}.py").write_text(table)
        (self.folder / f"{module}_part.py").write_text(plugin)
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        group = kind or "streamsim.strategies"
        (info / "entry_points.txt").write_text(f"[{group}]\n{point} = {module}:PLUGINS\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    registry.plugins.cache_clear()
    yield site
    registry.plugins.cache_clear()
    for module in site.modules:
        sys.modules.pop(module, None)


def problem(name: str) -> str:
    """What is said of a plugin that cannot be loaded; always a single line."""
    with pytest.raises(ValueError, match="strategy") as caught:
        registry.load("strategy", name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def others_work() -> bool:
    return registry.load("strategy", "replay").__name__ == "Replay"


# -- a stranger's package -------------------------------------------------------------------------
def test_a_stranger_uses_the_same_door(site: Site) -> None:
    site.install("lake", "PLUGINS = {'pull': 'lake_part:Pull'}", "class Pull: pass")
    found = registry.plugins("strategy")
    assert found["pull"] == ("pull", "lake_part:Pull", "lake", "")
    assert registry.load("strategy", "pull").__module__ == "lake_part"
    assert others_work()


def test_a_plugin_is_imported_only_when_it_is_asked_for(site: Site) -> None:
    site.install("lake", "PLUGINS = {'pull': 'lake_part:Pull'}", "class Pull: pass")
    assert "pull" in registry.plugins("strategy")
    assert "lake_part" not in sys.modules
    registry.load("strategy", "pull")
    assert "lake_part" in sys.modules


def test_kinds_have_names_of_their_own(site: Site) -> None:
    table = "PLUGINS = {'replay': 'lake_part:Scenario'}"
    site.install("lake", table, "class Scenario: pass", kind="streamsim.scenarios")
    assert registry.load("scenario", "replay").__name__ == "Scenario"
    assert others_work()


def test_built_in_plugins_are_listed_first(site: Site) -> None:
    site.install("lake", "PLUGINS = {'aaa': 'lake_part:A'}", point="aaa")
    assert list(registry.plugins("strategy"))[-1] == "aaa"


# -- families -------------------------------------------------------------------------------------
FAMILY = """
class Shoal:
    @classmethod
    def named(cls, name):
        if name != "pike":
            raise ValueError(f"no fish '{name}'")
        return type(name, (cls,), {})
"""


def test_a_family_gives_the_plugins_of_its_names(site: Site) -> None:
    site.install("lake", "PLUGINS = {'fish:NAME': 'lake_part:Shoal'}", FAMILY)
    assert registry.load("strategy", "fish:pike").__name__ == "pike"
    assert registry.load("strategy", "fish:NAME").__name__ == "Shoal"
    assert registry.offers("strategy", "fish:pike")
    assert not registry.offers("strategy", "bird:pike")
    assert not registry.offers("strategy", "fish:")


def test_a_family_says_which_names_it_does_not_have(site: Site) -> None:
    site.install("lake", "PLUGINS = {'fish:NAME': 'lake_part:Shoal'}", FAMILY)
    with pytest.raises(ValueError, match=r"^no fish 'perch'$"):
        registry.load("strategy", "fish:perch")
    assert "did you mean 'fish:pike'?" in problem("fisch:pike")
    assert "unknown strategy 'fish:'; did you mean 'fish:NAME'?" in problem("fish:")


def test_a_family_that_fails_gives_one_line(site: Site) -> None:
    site.install("lake", "PLUGINS = {'fish:NAME': 'lake_part:Shoal'}", "import lake_engine")
    assert "No module named 'lake_engine'" in problem("fish:pike")


# -- a broken package -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("raise RuntimeError('no engine\\nand more')", "RuntimeError: no engine"),
        ("import lake_engine", "ModuleNotFoundError: No module named 'lake_engine'"),
        ("PLUGINS = (", "SyntaxError: "),
        ("TABLE = {}", "AttributeError: "),
        ("PLUGINS = 3", "TypeError: "),
    ],
)
def test_a_table_that_fails_is_named_and_the_others_work(
    site: Site, table: str, reason: str
) -> None:
    site.install("lake", table)
    [broken] = [plugin for plugin in registry.plugins("strategy").values() if plugin.problem]
    assert broken.package == "lake"
    assert broken.problem.startswith(reason)
    line = problem(broken.name)
    assert f"of lake cannot be loaded from lake:PLUGINS: {reason}" in line
    assert line.endswith("mend or uninstall that package")
    assert others_work()


@pytest.mark.parametrize(
    ("plugin", "reason"),
    [
        ("raise RuntimeError('no engine\\nand more')", "RuntimeError: no engine"),
        ("import lake_engine", "ModuleNotFoundError: No module named 'lake_engine'"),
        ("class Push: pass", "AttributeError: module 'lake_part' has no attribute 'Pull'"),
    ],
)
def test_a_plugin_that_fails_gives_one_line(site: Site, plugin: str, reason: str) -> None:
    site.install("lake", "PLUGINS = {'pull': 'lake_part:Pull'}", plugin)
    assert problem("pull") == (
        f"strategy 'pull' of lake cannot be loaded from lake_part:Pull: {reason}; "
        "mend or uninstall that package"
    )
    assert others_work()


def test_two_tables_that_fail_are_both_named_with_their_reasons(site: Site) -> None:
    """Many packages will call their entry point the same."""
    site.install("lake", "import lake_engine")
    site.install("pond", "import pond_engine")
    problems = {p.package: p.problem for p in registry.plugins("strategy").values() if p.problem}
    assert "lake_engine" in problems["lake"]
    assert "pond_engine" in problems["pond"]


@pytest.mark.parametrize("point", ["a", "z"])
def test_a_broken_table_does_not_take_the_name_of_a_plugin(site: Site, point: str) -> None:
    """An entry point may be called as another package's plugin is, whichever is read first."""
    site.install("lake", "import lake_engine", point="pull")
    site.install("pond", "PLUGINS = {'pull': 'pond_part:Pull'}", "class Pull: pass", point=point)
    assert registry.load("strategy", "pull").__module__ == "pond_part"


# -- names ----------------------------------------------------------------------------------------
def test_a_name_that_is_taken_is_reported_and_the_first_keeps_it(site: Site) -> None:
    site.install("lake", "PLUGINS = {'replay': 'lake_part:Replay', 'pull': 'lake_part:Pull'}")
    found = registry.plugins("strategy")
    assert found["replay"].package == "streamsim"
    assert found["replay (lake)"].problem == "the name 'replay' is taken by streamsim"
    assert found["pull"].problem == ""
    assert "taken by streamsim" in problem("replay (lake)")
    assert others_work()


def test_a_strangers_entry_point_called_builtin_does_not_take_built_in_names(site: Site) -> None:
    site.install("lake", "PLUGINS = {'replay': 'lake_part:Replay'}", point="builtin")
    assert registry.plugins("strategy")["replay"].package == "streamsim"


def test_an_unknown_name_is_refused_with_a_near_one() -> None:
    assert problem("replayx") == (
        "unknown strategy 'replayx'; did you mean 'replay'? (see: streamsim list strategies)"
    )


def test_what_is_broken_is_not_suggested(site: Site) -> None:
    site.install("lake", "import lake_engine")
    [broken] = [plugin.name for plugin in registry.plugins("strategy").values() if plugin.problem]
    assert "did you mean" not in problem(f"{broken}x")


@pytest.mark.parametrize("kind", registry.GROUPS)
def test_every_built_in_plugin_loads(kind: registry.Kind) -> None:
    mine = [p.name for p in registry.plugins(kind).values() if p.package == "streamsim"]
    assert mine
    for name in mine:
        assert isinstance(registry.load(kind, name), type)
