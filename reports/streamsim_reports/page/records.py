"""What runs were: configuration, environment, the life of each, and the commands to repeat them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamsim.runs import Run
from streamsim_reports.cohort import Arm, Cohort
from streamsim_reports.page import commands
from streamsim_reports.page.model import Cell, Column, Command, Fact, Table
from streamsim_reports.page.text import count, printable

STATUS = {
    "finished": "finished",
    "running": "not finished (running or killed)",
    "interrupted": "interrupted",
}


def configuration(cohort: Cohort) -> list[Table]:
    """What every arm shares, and where they differ. A part's own options stand with its arm."""
    everything = {arm.label: _choices(arm) for arm in cohort.arms}
    names = list(dict.fromkeys(name for choices in everything.values() for name in choices))
    holders = {name: [c[name] for c in everything.values() if name in c] for name in names}
    differing = [name for name in names if len(set(holders[name])) > 1]
    shared = [
        name for name in names if name not in differing and len(holders[name]) == len(everything)
    ]
    tables = []
    if differing:
        columns = [Column("Strategy"), *(Column(name) for name in differing)]
        rows = [
            [Cell(label), *(Cell(choices.get(name, "")) for name in differing)]
            for label, choices in everything.items()
        ]
        tables.append(Table("differences", "Where the runs differ", columns, rows))
    first = everything[cohort.labels[0]]
    caption = "The same in every run" if len(cohort.arms) > 1 else "Every option"
    rows = [[Cell(name), Cell(first[name])] for name in shared]
    return [*tables, Table("options", caption, [Column("Option"), Column("Value")], rows)]


def _choices(arm: Arm) -> dict[str, str]:
    names = arm.run.configuration
    always = {
        "scenario": names["scenario"],
        "model": names["model"],
        "seeds": seeds(names["seeds"]),
        "evaluated every": _steps(names.get("eval_every")),
        "revealed": _revealed(arm.run.info["stream"]),
    }
    options = {name: commands.typed(value) for name, value in arm.options.items()}
    return {printable(k, 80): printable(v, 200) for k, v in {**always, **options}.items()}


def own_options(arm: Arm) -> Table:
    """The options of the parts of one arm's strategy."""
    rows = [
        [Cell(printable(name, 80)), Cell(printable(commands.typed(value), 200))]
        for name, value in arm.options.items()
        if name.startswith("strategy.") or name in arm.run.settings[arm.setting]
    ]
    return Table("", f"Options of {arm.label}", [Column("Option"), Column("Value")], rows)


def facts(arm: Arm) -> list[Fact]:
    """The life of an arm's run."""
    info, names = arm.run.info, arm.run.configuration
    found = {
        "Scenario": arm.scenario,
        "Strategy": arm.strategy,
        "Status": status(arm.run),
        "Seeds": seeds(names["seeds"]),
        "Run folder": arm.run.path,
        "Time for the whole run": _seconds(_part(info, "timings").get("seconds")),
        "Most memory used": _memory(_part(info, "peak_bytes")),
        "Training steps": _part(info, "steps").get("choice"),
    }
    return [Fact(name, printable(value)) for name, value in found.items() if value]


def environments(cohort: Cohort) -> list[Table]:
    """Machines and versions; runs from one and the same environment share a column."""
    groups: list[tuple[dict[str, str], list[str]]] = []
    for run in cohort.runs:
        described = _environment(run)
        label = next(arm.label for arm in cohort.arms if arm.run is run)
        for known, labels in groups:
            if known == described:
                labels.append(label)
                break
        else:
            groups.append((described, [label]))
    names = list(dict.fromkeys(name for described, _ in groups for name in described))
    heads = [", ".join(labels) for _, labels in groups] if len(groups) > 1 else ["Every run"]
    rows = [
        [Cell(name), *(Cell(described.get(name, "")) for described, _ in groups)] for name in names
    ]
    columns = [Column("What"), *(Column(head) for head in heads)]
    return [Table("environments", "Where the runs were made", columns, rows)]


def _environment(run: Run) -> dict[str, str]:
    given = run.info["environment"]
    plain = {k: v for k, v in given.items() if k not in ("packages", "command")}
    packages = _part(given, "packages")
    return {
        printable(name, 80): printable(value)
        for name, value in {**plain, **packages}.items()
        if value is not None
    }


def reproduction(cohort: Cohort) -> list[Command]:
    """One command a run, and the one that makes the page."""
    found = []
    for run in cohort.runs:
        label = next(arm.label for arm in cohort.arms if arm.run is run)
        title = (
            label if len(run.settings) == 1 else f"{run.configuration['strategy']}, all settings"
        )
        full, typed = commands.in_full(run), commands.as_typed(run)
        if full is None:
            note = "This run used objects given from Python; run the same program again."
            found.append(Command(printable(title), typed or "", note))
            continue
        note = f"As it was typed: {typed}" if typed else "This run was started from Python."
        found.append(_command(title, full, note))
    paths = [run.path for run in cohort.runs]
    return [*found, _command("This page", commands.report(paths))]


def _command(title: str, text: str, note: str = "") -> Command:
    """A command as it is, or not at all: one that was changed to be shown is not the command."""
    if printable(text, len(text)) != text:
        text, note = "", "The command holds characters that cannot be shown; see run.json."
    return Command(printable(title), text, printable(note, 2000))


def notes(run: Run) -> list[Any]:
    """What the simulator had to say about the run."""
    found = run.info.get("notes")
    return found if isinstance(found, list) else []


def seeds(given: Sequence[int]) -> str:
    """`30 (0 to 29)`, `3 (7, 11, 13)`."""
    ordered = sorted(given)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[0] + len(ordered))):
        which = f"{ordered[0]} to {ordered[-1]}"
    else:
        which = ", ".join(map(str, ordered[:12])) + (", …" if len(ordered) > 12 else "")
    return f"{len(ordered)} ({which})"


def status(run: Run) -> str:
    return STATUS.get(run.status, run.status)


def _part(info: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = info.get(name)
    return part if isinstance(part, Mapping) else {}


def _revealed(stream: Mapping[str, Any]) -> str:
    reveals = stream.get("reveals")
    return ", ".join(map(str, reveals)) if isinstance(reveals, list) and reveals else "nothing"


def _steps(every: object) -> str:
    return "experience" if every is None else f"experience, and every {every} steps"


def _seconds(value: object) -> str:
    if not isinstance(value, (int, float)):
        return ""
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def _memory(peaks: Mapping[str, Any]) -> str:
    known = {name: value for name, value in peaks.items() if isinstance(value, (int, float))}
    return ", ".join(f"{value / 2**20:,.0f} MiB ({name})" for name, value in known.items())


def seed_count(cohort: Cohort) -> str:
    """`30 seeds each`, or the range where runs differ."""
    counts = sorted({len(arm.run.configuration["seeds"]) for arm in cohort.arms})
    if len(counts) == 1:
        return count(counts[0], "seed") + (" each" if len(cohort.arms) > 1 else "")
    return f"{counts[0]} to {counts[-1]} seeds"
