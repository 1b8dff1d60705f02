"""The sentences under a figure: what is averaged, what the band is, and who is missing."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from streamsim_reports.cohort import Cohort
from streamsim_reports.figures.replicas import diverged, num_done, num_experiences

MOST_NAMES = 4  # named in a sentence; the others are counted


def caption(
    cohort: Cohort, numbers: pd.DataFrame, about: str, interval: str | None = "band"
) -> str:
    """What is seen, then what holds for every figure: seeds, intervals, diverged, unfinished.

    `interval` is what shows it: band, whisker, "" where none is drawn, None where seeds are pooled.
    """
    seeds = pooled(numbers) if interval is None else over_seeds(numbers, interval)
    sentences = [about, seeds, *missing(cohort, numbers)]
    return " ".join(filter(None, sentences))


def over_seeds(numbers: pd.DataFrame, interval: str) -> str:
    """How many seeds were averaged, and what shows the interval."""
    seeds = numbers["num_seeds"].dropna().astype(int)
    if seeds.empty:
        return ""
    low, high = seeds.min(), seeds.max()
    if high == 1:
        return "One seed: no interval can be given." if interval else "One seed."
    count = f"{high} seeds" if low == high else f"{low} to {high} seeds"
    if not interval:
        return f"Mean over {count}."
    alone = "; none where there is one seed" if low == 1 else ""
    return f"Mean over {count}; the {interval} is its 95 % confidence interval{alone}."


def pooled(numbers: pd.DataFrame) -> str:
    """How many seeds lie in one distribution.

    >>> pooled(pd.DataFrame({"num_seeds": [5, 5]}))
    '5 seeds are pooled.'
    """
    low, high = int(numbers["num_seeds"].min()), int(numbers["num_seeds"].max())
    if high == 1:
        return "One seed."
    return f"{high} seeds are pooled." if low == high else f"{low} to {high} seeds are pooled."


def missing(cohort: Cohort, numbers: pd.DataFrame) -> list[str]:
    """Replicas that diverged, runs that are unfinished, arms that are not drawn."""
    sentences = []
    gone = diverged(cohort).groupby("label").size()
    if len(gone):
        of = {arm.label: len(arm.run.configuration["seeds"]) for arm in cohort.arms}
        counts = [f"{gone[label]} of {of[label]} of {label}" for label in of if label in gone]
        sentences.append(f"Diverged and left out: {names(counts)}.")
    drawn = set(numbers["label"].astype(str)) if "label" in numbers else set(cohort.labels)
    partial = [
        f"{arm.label} ({num_done(arm)} of {num_experiences(arm)} experiences)"
        for arm in cohort.arms
        if arm.run.status != "finished" and arm.label in drawn
    ]
    if partial:
        sentences.append(f"Unfinished, drawn as far as it goes: {names(partial)}.")
    absent = [label for label in cohort.labels if label not in drawn]
    if absent:
        sentences.append(f"Without numbers for this figure: {names(absent)}.")
    return sentences


def names(items: Iterable[str]) -> str:
    """A list as people write it.

    >>> names(["a", "b", "c"]), names("abcdef")
    ('a, b and c', 'a, b, c, d and 2 more')
    """
    everything = list(items)
    if len(everything) > MOST_NAMES + 1:
        return f"{', '.join(everything[:MOST_NAMES])} and {len(everything) - MOST_NAMES} more"
    if len(everything) == 1:
        return everything[0]
    return f"{', '.join(everything[:-1])} and {everything[-1]}"
