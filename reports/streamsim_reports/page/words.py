"""The summary in words: what was run, who wins, what is forgotten, what cannot be concluded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from streamsim.metrics import METRICS
from streamsim_reports.page.model import Answer, Point
from streamsim_reports.page.records import seed_count, status
from streamsim_reports.page.results import HEADLINES, UNSURE, Results, last_rows
from streamsim_reports.page.text import count, listed, number, p_value, plus_minus, printable

if TYPE_CHECKING:
    from streamsim_reports.comparison import Comparison

QUESTIONS = {
    "forgetting": ("Which strategy forgets least?", "How much is forgotten?"),
    "average_accuracy": ("Which is most accurate at the end?", "How accurate is it at the end?"),
}


def answers(results: Results) -> list[Answer]:
    """The questions of a first look: who, by how much, how sure."""
    return [_answer(results, metric) for metric in HEADLINES if results.has(metric)]


def _answer(results: Results, metric: str) -> Answer:
    several, single = QUESTIONS[metric]
    title = METRICS[metric].title
    rows = results.of(metric)
    rows = rows[rows["mean"].notna()]
    best = rows.iloc[0]
    value = f"{title} {plus_minus(best['mean'], best['ci95'])}"
    if len(results.cohort.arms) == 1:
        return Answer(single, plus_minus(best["mean"], best["ci95"]), *_alone(best))
    if len(rows) == 1:
        sentence = f"{value}; no other run has a number to compare it with."
        return Answer(several, best["label"], sentence, "", "doubt")
    second = rows.iloc[1]
    gap = abs(second["mean"] - best["mean"])
    verb = "less" if not METRICS[metric].higher_is_better else "more"
    sentence = f"{value}: {number(gap)} {verb} than {second['label']}, the next."
    certainty, sure = _certainty(results.comparisons[metric], best["label"], second["label"])
    return Answer(several, best["label"], sentence, certainty, "good" if sure else "doubt")


def _alone(best: object) -> tuple[str, str, str]:
    """What there is to say about a single strategy."""
    seeds = int(best["num_seeds"])  # type: ignore[index]
    if seeds < 2:
        return "One seed: no interval can be given.", "", "doubt"
    return f"Mean and 95 % confidence interval over {count(seeds, 'seed')}.", "", "plain"


def _certainty(comparison: Comparison, best: str, second: str) -> tuple[str, bool]:
    row = comparison.table.set_index("label").loc[second]
    p, needed = float(row["p_corrected"]), row["seeds_needed"]
    if p != p:
        return "Not sure: with so few common seeds nothing can be tested.", False
    if p < UNSURE:
        return f"Sure: the difference holds in a paired test ({p_value(p)}, corrected).", True
    about = f"; about {count(int(needed), 'seed')} would be needed" if needed == needed else ""
    return f"Not sure: the two cannot be told apart ({p_value(p)}, corrected){about}.", False


def points(results: Results) -> list[Point]:
    """The whole summary, one heading after the other."""
    problems = list(wrong(results))
    found = [
        Point("What was run", list(_run(results))),
        Point("Who wins", list(_wins(results))),
        Point("What is forgotten", list(_forgotten(results))),
        Point("Where transfer is negative", list(_transfer(results))),
        Point("What cannot be concluded", list(_open(results)), "doubt"),
        Point("What went wrong", problems, "bad")
        if problems
        else Point("What went wrong", ["Nothing: every run is finished, no replica diverged."]),
    ]
    return [point for point in found if point.sentences]


def _run(results: Results) -> Iterator[str]:
    cohort, stream = results.cohort, results.cohort.arms[0].run.info["stream"]
    names = list(dict.fromkeys(arm.strategy for arm in cohort.arms))
    models = list(dict.fromkeys(str(run.configuration["model"]) for run in cohort.runs))
    settings = f" in {count(len(cohort.arms), 'setting')}" if len(cohort.arms) > len(names) else ""
    yield printable(
        f"{listed(names)}{settings} on {cohort.arms[0].scenario} "
        f"({stream.get('setting')}-incremental, "
        f"{count(int(stream.get('num_experiences', 0)), 'experience')}), "
        f"{seed_count(cohort)}; model {listed(models)}."
    )


def _wins(results: Results) -> Iterator[str]:
    if "average_accuracy" in results.comparisons:
        yield from results.comparisons["average_accuracy"].sentences
    elif results.has("average_accuracy"):
        best = results.of("average_accuracy").iloc[0]
        value = plus_minus(best["mean"], best["ci95"])
        yield f"{best['label']} ends with an average accuracy of {value}."


def _forgotten(results: Results) -> Iterator[str]:
    if not results.has("forgetting"):
        return
    if "forgetting" in results.comparisons:
        yield from results.comparisons["forgetting"].sentences
    known = results.accuracy[results.accuracy["accuracy"].notna()]
    keys = ["label", "on"]
    learned = known[known["after"] == known["on"]].groupby(keys, observed=True)["accuracy"].mean()
    final = last_rows(results.accuracy).groupby(keys, observed=True)["accuracy"].mean()
    loss = (learned - final).dropna()
    if not loss.empty and loss.max() > 0:
        label, on = loss.idxmax()  # type: ignore[misc]
        yield (
            f"The largest loss: {label} on experience {on}, from {number(learned[label, on])} when "
            f"it had been learned to {number(final[label, on])} at the end."
        )


def _transfer(results: Results) -> Iterator[str]:
    for metric in ("backward_transfer", "forward_transfer"):
        rows = results.of(metric)
        rows = rows[rows["mean"].notna()]
        if rows.empty:
            continue
        negative = rows[rows["mean"] + rows["ci95"].fillna(0) < 0]["label"].tolist()
        which = "every strategy" if len(negative) == len(rows) > 1 else listed(negative)
        name = METRICS[metric].title
        if negative:
            yield f"{name} is negative with {which}."
        else:
            yield f"{name} is not clearly below zero with any strategy."
    yield from _pairs(results)


def _pairs(results: Results) -> Iterator[str]:
    """From the table of transference: a ratio above 1 means that a step on the source harms."""
    import numpy as np

    try:
        table = results.cohort.table("transference")
    except ValueError:
        yield "Which experiences harm which was not measured; run with --transference for that."
        return
    table = table[(table["source"] != table["target"]) & table["ratio"].notna()]
    for label, rows in table.groupby("label", observed=True):
        last = rows[rows["after"] == rows["after"].max()]
        mean = np.exp(np.log(last["ratio"]).groupby([last["source"], last["target"]]).mean())
        source, target = mean.idxmax()
        share = float((mean > 1).mean())
        yield (
            f"{label}: at the end a step on one experience harms another in {share:.0%} of all "
            f"pairs, most of all {source} → {target} (loss × {number(float(mean.max()), 2)})."
        )


def _open(results: Results) -> Iterator[str]:
    for metric, comparison in results.comparisons.items():
        yield from _ties(metric, comparison)
    single = [arm.label for arm in results.cohort.arms if len(arm.run.configuration["seeds"]) == 1]
    if single:
        yield f"With one seed there is no interval and no test: {listed(single)}."
    counts = {len(arm.run.configuration["seeds"]) for arm in results.cohort.arms}
    if len(counts) > 1:
        yield "Numbers of seeds differ; paired tests use the seeds that runs have in common."
    undefined = results.summary[results.summary["mean"].isna() & (results.summary["note"] != "")]
    for note, rows in undefined.groupby("note", sort=False):
        titles = list(dict.fromkeys(METRICS[name].title for name in rows["metric"]))
        if len(rows) == len(results.cohort.arms) * len(titles):
            yield f"{listed(titles)}: {note}."


def _ties(metric: str, comparison: Comparison) -> Iterator[str]:
    table = comparison.table
    tied = table[table["p_corrected"] >= UNSURE]
    if not tied.empty:
        yield (
            f"In {METRICS[metric].title.lower()}, {comparison.baseline} cannot be told apart from "
            f"{listed(tied['label'].astype(str).tolist())}."
        )


def wrong(results: Results) -> Iterator[str]:
    """Runs that are not finished and replicas that diverged: counted, never dropped."""
    for run in results.cohort.runs:
        labels = [arm.label for arm in results.cohort.arms if arm.run is run]
        if run.status != "finished":
            yield f"{listed(labels)}: {status(run)}; shown as far as it goes."
    gone = results.summary.groupby("label", sort=False)["num_diverged"].max()
    for arm in results.cohort.arms:
        if number_gone := int(gone[arm.label]):
            total = len(arm.run.configuration["seeds"])
            yield f"{arm.label}: {number_gone} of {total} replicas diverged, left out of means."
