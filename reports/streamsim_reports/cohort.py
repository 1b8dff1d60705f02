"""Runs that are looked at together, each setting of each run an arm with a name of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from streamsim.runs import Run, open_run
from streamsim.runs.tables import NOT_ASKED, TABLES

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


@dataclass(frozen=True)
class Arm:
    """One hyper-parameter setting of one run: what a line in a figure or a row in a table shows."""

    label: str  # tells it apart from every other arm of its cohort
    run: Run
    setting: int

    @property
    def scenario(self) -> str:
        return str(self.run.configuration["scenario"])

    @property
    def strategy(self) -> str:
        return str(self.run.configuration["strategy"])

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of the run, with the values of this setting put in."""
        return {**self.run.configuration["options"], **self.run.settings[self.setting]}


@dataclass(frozen=True)
class Cohort:
    """Arms in the order in which their runs were given; each of their tables is read once."""

    arms: tuple[Arm, ...]
    _known: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def labels(self) -> list[str]:
        return [arm.label for arm in self.arms]

    @property
    def runs(self) -> list[Run]:
        """Each run once."""
        return list({arm.run.path: arm.run for arm in self.arms}.values())

    @property
    def scenarios(self) -> list[str]:
        """Each scenario once."""
        return list(dict.fromkeys(arm.scenario for arm in self.arms))

    @property
    def methods(self) -> list[str]:
        """What is compared over scenarios: a name an arm, equal where all but the scenario is."""
        keys = [(arm.strategy, repr(sorted(_own(arm).items()))) for arm in self.arms]
        first = dict(reversed(list(zip(keys, self.arms, strict=True))))
        names = dict(zip(first, _labels([*first.values()], (_options_apart,)), strict=True))
        return [names[key] for key in keys]

    def table(self, name: str) -> pd.DataFrame:
        """A raw table of all arms under each other: `label` and `scenario` come first.

        `label` is an ordered categorical, so that figures keep the order of the arms. Arms of runs
        that were not asked for the table are absent; ValueError if that is all of them, or if a
        table is damaged.
        """
        # a shallow copy: callers may add columns
        return self.once(("table", name), lambda: self._table(name)).copy(deep=False)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returns, made at the first call with this key; treat it as read-only."""
        if key not in self._known:
            self._known[key] = make()
        value: T = self._known[key]
        return value

    def _table(self, name: str) -> pd.DataFrame:
        import pandas as pd

        tables, reason = [], ""
        for arm in self.arms:
            try:
                rows = arm.run.table(name)
            except ValueError as error:
                if arm.run.has_table(name) or (name in TABLES and name not in NOT_ASKED):
                    raise  # damaged, not absent
                reason = str(error)
                continue
            if rows.empty and name in NOT_ASKED and arm.run.status != "finished":
                reason = NOT_ASKED[name]
                continue
            rows = rows[rows["setting"] == arm.setting]
            tables.append(rows.assign(label=arm.label, scenario=arm.scenario))
        if not tables:
            raise ValueError(reason)
        filled = [rows for rows in tables if not rows.empty] or tables[:1]
        table = pd.concat(filled, ignore_index=True)
        table["label"] = pd.Categorical(table["label"], categories=self.labels, ordered=True)
        first = ["label", "scenario"]
        return table[[*first, *(column for column in table if column not in first)]]


def gather(runs: Iterable[Run | str | Path]) -> Cohort:
    """Open runs and name their settings by what tells them apart; ValueError if there is none.

    A name is the strategy; where that is not enough, the options that differ follow, then the
    scenario, its options, and at last the folder.
    """
    opened = [run if isinstance(run, Run) else open_run(run) for run in runs]
    opened = list({run.path.resolve(): run for run in opened}.values())
    if not opened:
        raise ValueError("no runs given; name one or more run folders")
    arms = [Arm("", run, setting) for run in opened for setting in range(len(run.settings))]
    return Cohort(
        tuple(
            Arm(label, arm.run, arm.setting) for label, arm in zip(_labels(arms), arms, strict=True)
        )
    )


def _labels(
    arms: Sequence[Arm], describers: Sequence[Callable[[Arm, Sequence[Arm]], str]] | None = None
) -> list[str]:
    labels = [arm.strategy for arm in arms]
    for describe in describers or (
        _options_apart, _scenarios_apart, _streams_apart, _folders_apart
    ):  # fmt: skip
        counts = Counter(labels)
        if max(counts.values()) == 1:
            break
        groups = {label: [a for a, own in zip(arms, labels, strict=True) if own == label]
                  for label in counts}  # fmt: skip
        labels = [
            " ".join(filter(None, [label, describe(arm, groups[label])]))
            if counts[label] > 1
            else label
            for arm, label in zip(arms, labels, strict=True)
        ]
    return labels


def _options_apart(arm: Arm, group: Sequence[Arm]) -> str:
    """`alpha=0.1`: the options in which arms of one name differ, without those of the scenario."""
    return _apart(_own(arm), [_own(other) for other in group])


def _scenarios_apart(arm: Arm, group: Sequence[Arm]) -> str:
    return f"on {arm.scenario}" if len({other.scenario for other in group}) > 1 else ""


def _streams_apart(arm: Arm, group: Sequence[Arm]) -> str:
    """`n_experiences=10`: the options of one scenario in which arms of one name differ."""
    return _apart(arm.options, [other.options for other in group])


def _own(arm: Arm) -> dict[str, Any]:
    """The model and all options but those of the scenario."""
    own = {name: value for name, value in arm.options.items() if not name.startswith("scenario.")}
    return {**own, "model": arm.run.configuration["model"]}


def _apart(own: Mapping[str, Any], everything: Sequence[Mapping[str, Any]]) -> str:
    names = sorted({name for options in everything for name in options})
    differing = [
        name for name in names if len({repr(options.get(name)) for options in everything}) > 1
    ]
    return " ".join(
        f"{name.rpartition('.')[2]}={_short(own[name])}" for name in differing if name in own
    )


def _folders_apart(arm: Arm, group: Sequence[Arm]) -> str:
    names = [other.run.path.name for other in group]
    return f"({arm.run.path.name if len(set(names)) == len(names) else arm.run.path})"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ",".join(_short(item) for item in value)
    return str(value)
