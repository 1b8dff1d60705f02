"""Transference: does an update on one task lower or raise the loss on another?

    LR(i→j) = loss on j after one update on i / loss on j before

Below 1 the transfer from i to j is positive, above 1 it is negative (Abdollahzadeh, Malekzadeh &
Cheung 2021, "Revisit Multimodal Meta-Learning through the Lens of Multi-Task Learning"; extends
Fifty et al. 2021, "Efficiently Identifying Task Groupings for Multi-Task Learning"). What a task is
and what an update is differ: `streamsim.pairs` reads it between experiences of a stream,
`episodic_losses` between few-shot tasks. `pair_losses` is at the heart of both.

Everything is pure and written for ONE replica; `torch.func.vmap` maps it over replicas.

Shape letters: I sources, J targets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.func import grad, vmap

from streamsim.trees import Params, Tree, flatten, map_tree

if TYPE_CHECKING:
    import pandas as pd

Loss = Callable[[Any, Any], Tensor]  # parameters and samples to a scalar
Order = Literal["second", "first"]
Number = float | Tensor


@dataclass(frozen=True, kw_only=True)
class TransferenceOptions:
    """What `--transference` measures."""

    samples: int = Field(
        default=64,
        ge=1,
        description="training samples of an experience in a step, and test samples in a loss; "
        "an experience with fewer brings what it has",
    )
    lr: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="size of the step on the source; none: the run's own"
    )
    after: tuple[int, ...] | None = Field(
        default=None,
        description="experiences after which to measure, -1 before any; none: after every one",
    )
    episodes: int = Field(
        default=200, ge=1, description="source episodes, where a part meta-learns"
    )
    targets: int = Field(default=1, ge=1, description="target episodes, where a part meta-learns")
    moments: int = Field(
        default=5,
        ge=2,
        description="moments of meta-training, evenly spread from its beginning to its end",
    )

    def __post_init__(self) -> None:
        if self.after is not None and (
            not self.after or min(self.after) < -1 or len({*self.after}) < len(self.after)
        ):
            raise ValueError(
                f"after={','.join(map(str, self.after))}: name different experiences from 0, "
                "and -1 for before any"
            )


class PairLosses(NamedTuple):
    """Losses of targets before and after an update on each source; replicas may come first."""

    before: Tensor  # [..., J]
    after: Tensor  # [..., I, J]

    @property
    def ratio(self) -> Tensor:
        """LR(i→j), `[..., I, J]` float64; not a number where a loss overflowed or was 0 before."""
        ratio = self.after.double() / self.before.double()[..., None, :]
        return torch.where(ratio.isfinite(), ratio, math.nan)


class Task(NamedTuple):
    """A few-shot task, or many of them stacked: trees of tensors that the loss can read."""

    support: Tree
    query: Tree


def pair_losses(
    update: Callable[[Params, Tree], Params],
    measure: Callable[[Params], Tensor],
    params: Params,
    sources: Tree,
    updated_at_once: int | None = None,
    measured_at_once: int | None = None,
) -> PairLosses:
    """The loss on every target after an update on every source.

    `update(params, source)` returns the weights after an update on one source, `measure(params)`
    the losses of all targets, `[J]`. `sources` is a tree of tensors with I first. Each source is
    stepped on once, and then all targets are measured under all updated weights as one batched
    program. Memory is bounded by how many sources' weights are held, and how many are measured.
    """
    num = next(iter(flatten(sources).values())).shape[0]
    after = []
    for start in range(0, num, updated_at_once or num):
        some = map_tree(lambda t, s=start: t[s : s + (updated_at_once or num)], sources)
        updated = vmap(update, in_dims=(None, 0))(params, some)
        after.append(vmap(measure, chunk_size=measured_at_once)(updated))
    return PairLosses(measure(params), torch.cat(after))


# -- few-shot tasks -------------------------------------------------------------------------------
def adapt(
    loss: Loss, params: Params, support: Tree, *, steps: int, lr: Number, order: Order = "second"
) -> Params:
    """Weights after gradient steps on a support set (Finn et al. 2017, alg. 2, lines 5 and 6).

    `order="first"` takes the gradients for constants, as first-order MAML does.
    """
    adapted = dict(params)
    for _ in range(steps):
        gradient = grad(loss)(adapted, support)
        if order == "first":
            gradient = {k: g.detach() for k, g in gradient.items()}
        adapted = descend(adapted, gradient, lr)
    return adapted


def descend(params: Params, gradient: Params, lr: Number) -> dict[str, Tensor]:
    """One step of plain gradient descent."""
    return {k: p - lr * gradient[k] for k, p in params.items()}


def episodic_losses(
    loss: Loss,
    params: Params,
    sources: Task,
    targets: Task,
    *,
    inner_lr: Number,
    outer_lr: Number,
    inner_steps: int = 1,
    order: Order = "second",
    chunk_size: int | None = None,
) -> PairLosses:
    """Transference between few-shot tasks, Abdollahzadeh et al. 2021, section 3.

    1. Adapt θ on the support set of target j; its query loss is `before`.
    2. Update θ by one step along the gradient of the query loss of source i, adapted on i's
       support set (through the adaptation, or `order="first"`).
    3. Adapt the updated weights on the support set of j; its query loss is `after`.

    `loss(params, samples)` returns the mean loss of a support or query set: trees of tensors, with
    the tasks first in `sources` and `targets`. Maps over replicas by `torch.func.vmap`.
    """

    def query_loss(params: Params, task: Task) -> Tensor:
        adapted = adapt(loss, params, task.support, steps=inner_steps, lr=inner_lr, order=order)
        return loss(adapted, task.query)

    def update(params: Params, source: Task) -> Params:
        return descend(params, grad(query_loss)(params, source), outer_lr)

    def measure(params: Params) -> Tensor:
        losses: Tensor = vmap(query_loss, in_dims=(None, 0))(params, targets)
        return losses

    return pair_losses(update, measure, params, sources, chunk_size)


def episodic_transference(
    loss: Loss,
    params: Params,
    sources: Task,
    targets: Task,
    *,
    inner_lr: Number,
    outer_lr: Number,
    inner_steps: int = 1,
    order: Order = "second",
    chunk_size: int | None = None,
) -> pd.DataFrame:
    """`episodic_losses` as a tidy table: source, target, loss_before, loss_after, ratio.

    Called at moments of meta-training, it tells how the share of negative transfer moves, as does
    the table `meta_transference` of a run of maml-init with `--transference`:
    `table.groupby("after")["ratio"].apply(lambda ratio: (ratio > 1).mean())`.

    >>> def loss(params, samples):
    ...     return (params["w"] - samples).square().mean()
    >>> task = Task(support=torch.tensor([[0.0], [4.0]]), query=torch.tensor([[0.0], [4.0]]))
    >>> target = Task(support=torch.tensor([[1.0]]), query=torch.tensor([[1.0]]))
    >>> params = {"w": torch.tensor(2.0)}
    >>> table = episodic_transference(loss, params, task, target, inner_lr=0.1, outer_lr=0.1)
    >>> bool((table["ratio"] > 1).mean() == 0.5)  # a step to 0 helps to reach 1, one to 4 hurts
    True
    """
    import pandas as pd

    with torch.no_grad():
        losses = episodic_losses(
            loss,
            params,
            sources,
            targets,
            inner_lr=inner_lr,
            outer_lr=outer_lr,
            inner_steps=inner_steps,
            order=order,
            chunk_size=chunk_size,
        )
    return pd.DataFrame({name: column.numpy() for name, column in pair_columns(losses).items()})


def pair_columns(losses: PairLosses, **axes: Sequence[int]) -> dict[str, Tensor]:
    """A tidy table's columns, one row a pair; `axes` name the axes before I and J and label them.

    >>> pairs = PairLosses(torch.tensor([[2.0]]), torch.tensor([[[1.0], [3.0]]]))
    >>> pair_columns(pairs, seed=[7])["ratio"].tolist()
    [0.5, 1.5]
    """
    shape = losses.after.shape
    labels = [*axes.values(), range(shape[-2]), range(shape[-1])]
    found = {}
    for place, (name, values) in enumerate(zip([*axes, "source", "target"], labels, strict=True)):
        column = torch.tensor(list(values))
        ones = [1] * (len(shape) - place - 1)
        found[name] = column.view(-1, *ones).expand(shape).flatten()
    return {
        **found,
        "loss_before": losses.before[..., None, :].expand(shape).flatten().double().cpu(),
        "loss_after": losses.after.flatten().double().cpu(),
        "ratio": losses.ratio.flatten().cpu(),
    }
