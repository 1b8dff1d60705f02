"""From run folders to a page: every fact gathered once, nothing laid out yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from streamsim.metrics import METRICS
from streamsim.runs import Run, open_run
from streamsim_reports.cohort import Arm, Cohort, gather
from streamsim_reports.page import records, results, words
from streamsim_reports.page.across import across
from streamsim_reports.page.checks import checked
from streamsim_reports.page.detectors import detectors
from streamsim_reports.page.model import Cell, Chapter, Column, Detail, Page, Table
from streamsim_reports.page.pictures import pictures
from streamsim_reports.page.scores import Results
from streamsim_reports.page.text import count, distinct, listed, plus_minus, printable
from streamsim_reports.protocol import stages


def gather_page(runs: Iterable[Run | str | Path]) -> Page:
    """The page of some runs; ValueError, in one line, where a folder cannot be read."""
    opened = [checked(run if isinstance(run, Run) else open_run(run)) for run in runs]
    whole = Results(_named(gather(opened)))
    cohort = whole.cohort
    parts = _parts(whole)
    return Page(
        title=_title(cohort),
        subtitle=_subtitle(cohort),
        warnings=list(_warnings(parts.values())),
        chapters=[
            _chapter(part, f"scenario-{i}", name) for i, (name, part) in enumerate(parts.items(), 1)
        ],
        across=across(whole) if len(parts) > 1 else None,
        details=[_detail(arm, whole) for arm in cohort.arms],
        configuration=records.configuration(cohort),
        environment=records.environments(cohort),
        commands=records.reproduction(cohort),
        version=version("streamsim"),
    )


def _named(cohort: Cohort) -> Cohort:
    """The same arms with names that can be shown."""
    labels = distinct(cohort.labels)
    arms = zip(cohort.arms, labels, strict=True)
    return Cohort(tuple(replace(arm, label=label) for arm, label in arms))


def _parts(whole: Results) -> dict[str, Results]:
    """Arms that ran on the same stream, by its name; labels lose what they then have in common."""
    cohort = whole.cohort
    try:
        groups = stages(cohort)
    except ValueError:  # an arm that cannot be compared; its chapter will say so
        groups = {n: [arm for arm in cohort.arms if arm.scenario == n] for n in cohort.scenarios}
    if len(groups) == 1:
        return dict.fromkeys(groups, whole)
    methods = [printable(name, 48) for name in cohort.methods]
    short = dict(zip(cohort.labels, methods, strict=True))
    found = {}
    for name, arms in groups.items():
        labels = [short[arm.label] for arm in arms]
        alike = len(set(labels)) < len(labels)
        named = arms if alike else [replace(arm, label=short[arm.label]) for arm in arms]
        found[name] = Results(Cohort(tuple(named)))
    return found


def _chapter(part: Results, name: str, scenario: str) -> Chapter:
    first = "prequential-comparison" if part.judged else "average-accuracy"
    drawn, absent = pictures(part.cohort, name, first)
    lead = next((picture for picture in drawn if picture.kind == first), None)
    return Chapter(
        name=name,
        scenario=printable(scenario, 120),
        answers=words.answers(part),
        standings=results.standings(part, name),
        points=words.points(part),
        tables=[
            *detectors(part, name),
            results.every_metric(part, name),
            results.by_experience(part, name),
            *results.differences(part, name),
        ],
        lead=lead,
        pictures=[picture for picture in drawn if picture is not lead],
        absent=absent,
    )


def _title(cohort: Cohort) -> str:
    scenarios = [printable(name, 60) for name in cohort.scenarios]
    strategies = list(dict.fromkeys(arm.strategy for arm in cohort.arms))
    if len(strategies) > 1:
        who = count(len(strategies), "strategy")
    else:
        who = printable(strategies[0], 60)
        if len(cohort.arms) > len(scenarios):
            who += f" in {count(len(cohort.arms), 'setting')}"
    return f"{who} on {listed(scenarios, 3)}"


def _subtitle(cohort: Cohort) -> str:
    """`class-incremental · 5 experiences · 30 seeds each`."""
    streams = [run.info["stream"] for run in cohort.runs]
    kinds = list(dict.fromkeys(f"{s.get('setting', 'unknown')}-incremental" for s in streams))
    lengths = list(dict.fromkeys(s.get("num_experiences", 0) for s in streams))
    found = [listed(kinds), records.seed_count(cohort)]
    if len(lengths) == 1:
        found.insert(1, count(int(lengths[0]), "experience"))
    return printable(" · ".join(found))


def _warnings(parts: Iterable[Results]) -> Iterator[str]:
    """What a reader has to know before believing anything below."""
    for part in parts:
        yield from words.wrong(part)
        yield from part.warnings


def _detail(arm: Arm, whole: Results) -> Detail:
    scores = [whole.scores[arm.label, name] for name in METRICS]
    metrics = [
        [
            Cell(METRICS[score.metric].title),
            Cell(plus_minus(score.mean, score.half), score.mean if score.known else None),
            Cell(str(score.num_seeds), score.num_seeds),
            Cell(score.note),
        ]
        for score in scores
    ]
    columns = [Column("Metric"), Column("Mean", True), Column("Seeds", True), Column("Note")]
    own = records.own_options(arm)
    return Detail(
        label=arm.label,
        headline=_headline(arm, whole),
        facts=records.facts(arm),
        tables=[
            Table("", f"Metrics of {arm.label}", columns, metrics),
            *([own] if own.rows else []),
        ],
        notes=[printable(note, 1000) for note in records.notes(arm.run)],
    )


def _headline(arm: Arm, whole: Results) -> str:
    """`forgetting 0.119 ± 0.012, average accuracy 0.878 ± 0.011`, or what became of it."""
    found = [
        f"{METRICS[name].title.lower()} {plus_minus(score.mean, score.half)}"
        for name in whole.headlines
        if (score := whole.scores[arm.label, name]).known
    ]
    if arm.run.status != "finished":
        found.append(records.status(arm.run))
    return ", ".join(found) or "no results"
