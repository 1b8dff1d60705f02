"""Which experiences could share a head: tasks clustered by what they do to each other.

Shape letters: T tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    Floats = npt.NDArray[np.float64]

BREAK_EVEN = 1.0  # a step neither lowers nor raises the loss of the other


@dataclass(frozen=True)
class Grouping:
    """Advice: the tree of mergers, and the groups it falls into at a height."""

    tasks: tuple[int, ...]  # names of the leaves 0 .. T-1
    distance: Floats  # [T, T] mutual transference, 0 on the diagonal
    linkage: Floats  # [T-1, 4] as scipy.cluster.hierarchy.dendrogram reads it
    height: float  # where the tree is cut
    groups: tuple[tuple[int, ...], ...]  # task names; largest group first


def group_tasks(
    table: pd.DataFrame, *, after: int | None = None, height: float = BREAK_EVEN
) -> Grouping:
    """Cluster the tasks of a transference table at a checkpoint, the last one by default.

    Average linkage over `mutual_transference`: two groups merge at the mean ratio between their
    tasks. Cut at 1, the default, groups are those in which a step on one task lowers the loss on
    the others, on average over pairs; all tasks in one group, or each in its own, is an answer
    too. `table` holds one setting of one run; all its seeds are averaged, which only makes sense
    where an experience means the same to every seed: fix the order of classes, or give one seed.
    """
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    matrix = mean_ratios(table, after)
    distance = mutual_transference(matrix.to_numpy())
    tasks = tuple(int(task) for task in matrix.index)
    if len(tasks) < 2:
        raise ValueError("transference of a single task; grouping needs at least 2")
    tree = linkage(squareform(distance, checks=False), method="average")
    # "distance" joins what merges at the height itself: break-even does no harm
    numbers = fcluster(tree, height, criterion="distance")
    members = [tuple(tasks[i] for i in np.flatnonzero(numbers == n)) for n in np.unique(numbers)]
    groups = tuple(sorted(members, key=lambda group: (-len(group), group)))
    return Grouping(tasks, distance, tree, height, groups)


def mean_ratios(table: pd.DataFrame, after: int | None = None) -> pd.DataFrame:
    """Geometric mean over seeds of LR(source→target) at a checkpoint: sources down, targets across.

    Replicas without numbers are left out. ValueError if the table is of several arms or settings,
    has other columns, no such checkpoint, or a pair without any number.
    """
    import numpy as np

    absent = [c for c in ("after", "source", "target", "ratio") if c not in table]
    if absent:
        raise ValueError(f"a transference table has a column {absent[0]}; this one does not")
    for name in ("label", "setting"):
        if name in table and table[name].nunique() > 1:
            raise ValueError(f"the table holds several {name}s; give the rows of one")
    known = sorted(table["after"].unique())
    after = known[-1] if after is None and known else after
    if after not in known:
        raise ValueError(f"no transference after {after}; the table has {_listed(known)}")
    logs = table[table["after"] == after].assign(
        # a ratio of 0 is a loss that vanished, and has no logarithm
        log=lambda rows: np.log(rows["ratio"].where(rows["ratio"] > 0))
    )
    mean = logs.groupby(["source", "target"])["log"].mean().unstack("target")
    if list(mean.index) != list(mean.columns) or mean.isna().any(axis=None):
        raise ValueError(
            f"some pairs of experiences have no ratio after {after}: every replica diverged there, "
            "or rows are missing"
        )
    return mean.map(np.exp)


def mutual_transference(ratio: Floats) -> Floats:
    """What two tasks do to each other, `[T, T]` to `[T, T]`: the geometric mean of both ratios.

    Below 1 they help each other, above 1 they harm each other; 0 on the diagonal.

    >>> import numpy as np
    >>> mutual_transference(np.array([[0.9, 0.5], [2.0, 0.8]]))[0, 1]
    np.float64(1.0)
    """
    import numpy as np

    mutual = np.sqrt(ratio * ratio.T)
    np.fill_diagonal(mutual, 0.0)
    return mutual


def _listed(known: list[Any]) -> str:
    return ", ".join(map(str, known)) or "no rows"
