"""The summary in words: what was run, who wins, what is forgotten, what cannot be concluded."""

from __future__ import annotations

from collections.abc import Iterator

from streamsim.metrics import METRICS, mean_ci
from streamsim.metrics.checks import NOTHING_WATCHED
from streamsim_reports.page import detectors
from streamsim_reports.page.model import Answer, Point
from streamsim_reports.page.records import seed_count, status
from streamsim_reports.page.scores import HEADLINES, UNSURE, WHILE_LEARNING, Gap, Results
from streamsim_reports.page.text import count, listed, number, p_value, plus_minus, printable
from streamsim_reports.sentences import doubts

MOST_WINNERS = 3  # named where they cannot be told apart
QUESTIONS = {
    WHILE_LEARNING: ("Which is most accurate while learning?", "How accurate is it as it learns?"),
    "forgetting": ("Which strategy forgets least?", "How much is forgotten?"),
    "average_accuracy": ("Which is most accurate at the end?", "How accurate is it at the end?"),
}


def answers(results: Results) -> list[Answer]:
    """The questions of a first look: who, by how much, how sure."""
    single = len(results.cohort.arms) == 1
    answer = _alone if single else _answer
    return [answer(results, metric) for metric in results.headlines if results.ranked(metric)]


def _answer(results: Results, metric: str) -> Answer:
    question, (best, *others) = QUESTIONS[metric][0], results.ranked(metric)
    value = f"{METRICS[metric].title} {plus_minus(best.mean, best.half)}"
    if not others:
        sentence = f"{value}; no other run has a number to compare it with."
        return Answer(question, best.label, sentence, "", "doubt")
    verb = "more" if METRICS[metric].higher_is_better else "less"
    away = abs(others[0].mean - best.mean)
    sentence = f"{value}, {number(away)} {verb} than {others[0].label}, the next."
    names = [best.label, *_tied(results, metric)]
    if len(names) > 1:
        sentence = f"{best.label}: {sentence[0].lower()}{sentence[1:]}"
    winner = " or ".join(names) if len(names) <= MOST_WINNERS else f"one of {len(names)}"
    gap = results.gaps.get(metric, {}).get(others[0].label)
    if gap is None:
        refusal = f"Not sure: {results.refusal}." if results.refusal else ""
        return Answer(question, winner, sentence, refusal, "doubt")
    return Answer(question, winner, sentence, _certainty(gap), "good" if gap.sure else "doubt")


def _tied(results: Results, metric: str) -> list[str]:
    """The arms that cannot be told apart from the best."""
    return [gap.label for gap in results.gaps.get(metric, {}).values() if not gap.sure]


def _alone(results: Results, metric: str) -> Answer:
    """What there is to say about a single strategy."""
    score = results.ranked(metric)[0]
    sentence = f"Mean and 95 % confidence interval over {count(score.num_seeds, 'seed')}."
    if score.num_seeds < 2:
        sentence = "One seed: no interval can be given."
    value = plus_minus(score.mean, score.half)
    return Answer(QUESTIONS[metric][1], value, sentence, "", "plain")


def _certainty(gap: Gap) -> str:
    if gap.sure:
        return f"Sure: the difference holds in a paired test ({p_value(gap.corrected)}, corrected)."
    if gap.corrected != gap.corrected:
        return "Not sure: with so few common seeds nothing can be tested."
    more = ""
    if gap.seeds_needed == gap.seeds_needed:
        more = f"; about {count(int(gap.seeds_needed), 'seed')} would be needed"
    return f"Not sure: the two cannot be told apart ({p_value(gap.corrected)}, corrected){more}."


def points(results: Results) -> list[Point]:
    """The whole summary, one heading after the other."""
    problems = list(wrong(results))
    found = [
        Point("What was run", list(_run(results))),
        *_victories(results),
        Point("What is forgotten", list(_forgotten(results))),
        Point("Where transfer is negative", [*_transfer(results), *_pairs(results)]),
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
        f"({stream['setting']}-incremental, {count(stream['num_experiences'], 'experience')}), "
        f"{seed_count(cohort)}; model {listed(models)}."
    )


def _victories(results: Results) -> list[Point]:
    """Who wins while learning and at the end, in the order of their weight."""
    at_end = list(_wins(results, "average_accuracy"))
    worth = Point("What detectors are worth", list(detectors.sentences(results)))
    if not results.judged:
        running = Point("How it does while learning", list(_while_learning(results)))
        return [Point("Who wins", at_end), running, worth]
    while_learning = [
        *_wins(results, WHILE_LEARNING),
        "Prequential accuracy is that on samples before learning from them, over the whole stream.",
    ]
    return [
        Point("Who wins while learning", while_learning),
        worth,
        Point("Who wins at the end, on held-out samples", at_end),
    ]


def _wins(results: Results, metric: str) -> Iterator[str]:
    if metric in results.comparisons:
        yield from results.comparisons[metric].sentences
    elif ranked := results.ranked(metric):
        value = plus_minus(ranked[0].mean, ranked[0].half)
        yield f"{ranked[0].label}: {METRICS[metric].title.lower()} {value}."


def _while_learning(results: Results) -> Iterator[str]:
    """Accuracy on samples judged before they were learned from, where that was recorded at all."""
    try:
        table = results.cohort.table("prequential")
    except ValueError:
        return
    sums = table[table["accuracy"].notna()].groupby(["label", "seed"], observed=True)
    shares = (sums["correct"].sum() / sums["total"].sum()).astype(float)
    means = {
        str(label): mean_ci(shares.loc[label].to_numpy()) for label in shares.index.unique("label")
    }
    ranked = sorted(means, key=lambda label: -means[label].mean)
    told = [f"{label} {plus_minus(*means[label][:2])}" for label in ranked]
    yield f"Accuracy on samples before learning from them, over the whole stream: {listed(told)}."


def _forgotten(results: Results) -> Iterator[str]:
    if "forgetting" in results.comparisons:
        yield from results.comparisons["forgetting"].sentences
    final = results.final
    losses = {key: value - final[key] for key, value in results.learned.items() if key in final}
    if losses and (most := max(losses, key=lambda key: losses[key])) and losses[most] > 0:
        yield (
            f"The largest loss: {most[0]} on experience {most[1]}, from "
            f"{number(results.learned[most])} when it had been learned to {number(final[most])} "
            "at the end."
        )


def _transfer(results: Results) -> Iterator[str]:
    for metric in ("backward_transfer", "forward_transfer"):
        scores = results.ranked(metric)
        if not scores:
            continue
        # without an interval nothing is clear, so one seed alone says nothing
        negative = [score.label for score in scores if score.mean + score.half < 0]
        everyone = len(negative) == len(scores) > 1
        if negative:
            which = "every strategy" if everyone else listed(negative)
            yield f"{METRICS[metric].title} is negative with {which}."
        else:
            yield f"{METRICS[metric].title} is not clearly below zero with any strategy."


def _pairs(results: Results) -> Iterator[str]:
    """From the table of transference: a ratio above 1 means that a step on the source harms."""
    import numpy as np

    try:
        table = results.cohort.table("transference")
    except ValueError:
        yield "Which experiences harm which was not measured; run with --transference for that."
        return
    table = table[(table["source"] != table["target"]) & (table["ratio"] > 0)]
    for label, rows in table.groupby("label", observed=True):
        last = rows[rows["after"] == rows["after"].max()]
        mean = np.log(last["ratio"]).groupby([last["source"], last["target"]]).mean()
        source, target = mean.index[int(mean.argmax())]
        share = float((mean > 0).mean())
        worst = number(float(np.exp(mean.max())))
        yield (
            f"{label}: at the end a step on one experience harms another in {share:.0%} of all "
            f"pairs, most of all {source + 1} → {target + 1} (loss × {worst})."
        )


def _open(results: Results) -> Iterator[str]:
    if results.refusal:
        yield f"Nothing is compared: {results.refusal}."
    for metric, gaps in results.gaps.items():
        tied = [gap.label for gap in gaps.values() if gap.corrected >= UNSURE]
        if tied:
            best = results.comparisons[metric].baseline
            title = METRICS[metric].title.lower()
            yield f"In {title}, {best} cannot be told apart from {listed(tied)}."
    for metric, comparison in results.comparisons.items():
        for doubt in doubts(comparison.pairs):
            yield f"In {METRICS[metric].title.lower()}, {doubt}."
    single = [arm.label for arm in results.cohort.arms if len(arm.run.configuration["seeds"]) == 1]
    if single:
        yield f"With one seed there is no interval and no test: {listed(single)}."
    if len({len(arm.run.configuration["seeds"]) for arm in results.cohort.arms}) > 1:
        yield "Numbers of seeds differ; paired tests use the seeds that runs have in common."
    yield from _undefined(results)


def _undefined(results: Results) -> Iterator[str]:
    """Metrics that no arm has, by the reason they have in common.

    A run without detectors leaves nothing open.
    """
    reasons: dict[str, list[str]] = {}
    for name, metric in METRICS.items():
        notes = {score.note for score in results.of(name)}
        if not results.ranked(name) and len(notes) == 1 and NOTHING_WATCHED not in notes:
            reasons.setdefault(notes.pop(), []).append(metric.title)
    for reason, titles in reasons.items():
        yield f"{listed(titles)}: {reason}."


def wrong(results: Results) -> Iterator[str]:
    """Runs that are not finished and replicas that diverged: counted, never dropped."""
    for run in results.cohort.runs:
        labels = [arm.label for arm in results.cohort.arms if arm.run is run]
        if run.status != "finished":
            yield f"{listed(labels)}: {status(run)}; shown as far as it goes."
    gone = [
        f"{count} of {len(arm.run.configuration['seeds'])} of {arm.label}"
        for arm in results.cohort.arms
        if (count := results.scores[arm.label, HEADLINES[-1]].num_diverged)
    ]
    if gone:
        yield f"Replicas that diverged and are left out of all means: {listed(gone)}."
