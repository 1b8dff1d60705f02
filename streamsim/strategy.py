"""What strategies are made of: a strategy is a sum of parts, a part is a handful of pure hooks.

Every hook is written for ONE replica and is optional; the engine vectorises it over replicas. A
hook takes values and returns values: no `.item()`, no writing into arguments, no shape that
depends on data. Float options may arrive as scalar tensors, because a sweep trains many values at
once. Random numbers are drawn by `streamsim.draws` from a key folded with a purpose, as in
`draws.uniform(draws.fold(ctx.key, "my-part"), counters)`.

Shape letters: B samples of a batch, C classes, S steps of a stretch, N samples of an experience.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from streamsim.detection import Watch
from streamsim.network import Network
from streamsim.stream import Batch, Reveal, StreamSpec
from streamsim.transference import PairLosses, TransferenceOptions
from streamsim.trees import Params as Params  # plugins find it here, among what hooks take
from streamsim.trees import Tree

State = Tree
Options = TypeVar("Options")
Predictor = Callable[[Batch], Tensor]  # batch to scores [B, C], the highest wins
Net = Callable[[Params, Batch], Tensor]  # batch to logits [B, C]
Scope = Literal["experience", "cumulative", "joint"]

MASKED = -1e30  # a logit that no softmax sees; finite, so that 0 * MASKED stays 0


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is known before the first sample, for one replica."""

    spec: StreamSpec
    network: Network
    take: Callable[[Tensor], Batch]  # ids to samples
    key: Tensor  # of this replica; fold a purpose of your own into it
    batch_size: int
    meta: Tensor | None = None  # [classes, samples] ids of the meta-training classes


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a part may read between steps, for one replica."""

    spec: StreamSpec
    network: Network
    params: Params
    forward: Net  # the model with every part's `forward` wrapped round it
    loss: Callable[[Params, Batch], Tensor]  # weighted mean of the criterion: what a gradient needs
    take: Callable[[Tensor], Batch]  # ids to samples
    labels: Callable[[Tensor], Tensor]  # ids to class labels, without touching inputs
    tasks: Callable[[Tensor], Tensor] | None  # ids to task labels; None where they are hidden
    seen: Tensor  # [C] bool, classes that have arrived so far
    experience: Tensor | None  # int64 scalar, counted from 0; None where boundaries are hidden
    key: Tensor | None  # of this replica and experience, the same for all parts: fold a purpose
    # of your own into it; None within steps and predictions, which draw nothing: draw in `plan`


@dataclass(frozen=True, kw_only=True)
class StepContext(Context):
    """What a part may read within a step."""

    batch: Batch  # incoming samples first, then those that parts rehearse
    num_incoming: int  # rows of `batch` that have just arrived
    logits: Tensor  # [B, C] of `batch` under `params`
    plan: Tree  # this part's slice for this step of what its `plan` returned

    @property
    def incoming(self) -> Batch:
        """The rows of `batch` that have just arrived."""
        rows = (None if field is None else field[: self.num_incoming] for field in self.batch)
        return Batch(*rows)  # type: ignore[arg-type]


class Data(NamedTuple):
    """The training samples of one experience, padded to the same N in every replica."""

    ids: Tensor  # [N]
    weight: Tensor  # [N] float32: 1, or 0 for padding
    take: Callable[[Tensor], Batch]

    def batches(self, size: int) -> Iterator[Batch]:
        """All samples in order, `size` at a time (the last one may be smaller)."""
        for ids, weight in zip(
            torch.split(self.ids, size), torch.split(self.weight, size), strict=True
        ):
            yield self.take(ids)._replace(weight=weight)


class Arrivals(NamedTuple):
    """The samples that a stretch of training steps will bring, in order."""

    ids: Tensor  # [S, B]
    labels: Tensor  # [S, B]
    weight: Tensor  # [S, B] float32, 0 for padding
    fresh: Tensor  # [S, B] bool: seen for the first time (later epochs repeat samples)
    clock: Tensor  # [S] int64: steps this replica has made: in this experience, or ever, if
    # boundaries are hidden
    inputs: Tensor | None = None  # [S, B, *input_shape], where the stream generates its samples


class Rehearsal(NamedTuple):
    """Samples that a part adds to the batch. The loss is the weighted mean over all samples."""

    ids: Tensor  # [b]
    weight: Tensor  # [b]; an incoming sample weighs 1


class Update(NamedTuple):
    """One step of the optimiser, for parts that follow the path of the weights."""

    before: Params
    after: Params
    grads: Params


@dataclass(frozen=True, kw_only=True)
class AlarmContext:
    """What a part may read when its detector raises an alarm, for one replica."""

    ctx: Context
    states: Mapping[str, State]  # of every part, by name
    recent: Data  # the newest samples, as many as its watch asks for
    end_experience: Callable[[], tuple[Params, Mapping[str, State]]]  # as if one ended here


class Reaction(NamedTuple):
    """What an alarm changes."""

    params: Params
    states: Mapping[str, State]


class Part:
    """One ingredient of a strategy: options as fields of a frozen dataclass, hooks as methods.

    Public methods are hooks and nothing else, so that a misspelt hook is an error rather than a
    method that never runs.
    """

    name: ClassVar[str] = ""  # the name it is registered under; prefix of its own parameters
    reference: ClassVar[str] = ""  # the paper
    scope: ClassVar[Scope] = "experience"  # the data that training at an experience sees

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for attribute, value in vars(cls).items():
            if inspect.isfunction(value) and attribute not in HOOKS and attribute[0] != "_":
                raise TypeError(
                    f"{cls.__name__}.{attribute} is not a hook of a part; hooks are "
                    f"{', '.join(HOOKS)}. Begin the names of helpers with '_'"
                )

    # -- declarations -------------------------------------------------------------------------
    def needs(self) -> frozenset[Reveal]:
        """What the stream must reveal; by default boundaries, if a boundary hook is defined."""
        uses_boundaries = overrides(self, "begin_experience") or overrides(self, "end_experience")
        return frozenset({Reveal.BOUNDARIES} if uses_boundaries else ())

    def provides(self) -> frozenset[Reveal]:
        """What it makes up for where the stream hides it."""
        return frozenset()

    def watch(self) -> Watch | None:
        """The detector whose alarms `on_alarm` answers."""
        return None

    def check(self, spec: StreamSpec, batch_size: int) -> None:
        """Raise ValueError if these options make no sense on this stream."""

    # -- before training ----------------------------------------------------------------------
    def initial_weights(self, setup: Setup, params: Params) -> Params:
        """Other initial weights of the model: same keys and shapes."""
        return params

    def meta_transference(
        self, setup: Setup, params: Params, options: TransferenceOptions
    ) -> Mapping[int, PairLosses]:
        """What an outer step on an episode does to others, by outer steps made so far.

        For parts whose `initial_weights` meta-learns; `params` are what that hook is given.
        """
        return {}

    def parameters(self, setup: Setup, params: Params) -> Params:
        """Trainable tensors of its own, named `{self.name}.anything`, stepped with the model's."""
        return {}

    def init(self, setup: Setup, params: Params) -> State:
        """State of fixed shapes, a tree of tensors."""
        return {}

    # -- between steps ------------------------------------------------------------------------
    def begin_experience(self, ctx: Context, state: State, data: Data) -> tuple[Params, State]:
        return ctx.params, state

    def end_experience(self, ctx: Context, state: State, data: Data) -> tuple[Params, State]:
        return ctx.params, state

    def plan(self, ctx: Context, state: State, arrivals: Arrivals) -> tuple[State, Tree]:
        """Do ahead, in bulk, what depends on the order of arrivals and on draws alone.

        Returns the state after the stretch and a tree of `[S, ...]` tensors, of which each step
        gets its slice as `ctx.plan`. Steps must read the slice: the state is already that of the
        stretch's end. One stretch or many must give the same.
        """
        return state, {}

    def on_alarm(self, alarm: AlarmContext, state: State) -> Reaction:
        """Between two steps, after the one whose samples raised an alarm."""
        return Reaction(alarm.ctx.params, alarm.states)

    # -- within a step ------------------------------------------------------------------------
    def forward(self, ctx: Context, state: State, params: Params, batch: Batch, net: Net) -> Tensor:
        """Logits `[B, C]`; `net(params, batch)` is the model, wrapped by parts written before."""
        return net(params, batch)

    def rehearse(self, ctx: Context, state: State, plan: Tree) -> Rehearsal:
        """Samples to train on beside the incoming ones."""
        raise NotImplementedError("only called where a part overrides it")

    def criterion(self, ctx: Context, state: State, logits: Tensor, batch: Batch) -> Tensor:
        """The loss of each sample, `[B]`, in place of cross-entropy over the classes seen."""
        raise NotImplementedError("only called where a part overrides it")

    def loss(self, ctx: StepContext, state: State) -> Tensor:
        """A scalar term to add to the loss."""
        raise NotImplementedError("only called where a part overrides it")

    def gradients(self, ctx: StepContext, state: State, grads: Params) -> Params:
        """Other gradients, from those of the loss (already changed by parts written before)."""
        return grads

    def rates(self, ctx: StepContext, state: State) -> Mapping[str, float | Tensor]:
        """Factors on the learning rate by parameter name; 0 freezes, an absent name means 1."""
        return {}

    def after_step(self, ctx: StepContext, state: State, update: Update) -> tuple[Params, State]:
        return update.after, state

    # -- prediction ---------------------------------------------------------------------------
    def predictor(self, ctx: Context, state: State) -> Predictor:
        """The prediction rule, prepared once for an evaluation; at most one part has one."""
        raise NotImplementedError("only called where a part overrides it")

    # -- for parts themselves -----------------------------------------------------------------
    def _own(self, params: Params) -> Params:
        """This part's own parameters, without the prefix."""
        prefix = f"{self.name}."
        return {k[len(prefix) :]: v for k, v in params.items() if k.startswith(prefix)}


HOOKS = (
    *("needs", "provides", "watch", "on_alarm"),
    *("check", "parameters", "initial_weights", "meta_transference", "init"),
    *("begin_experience", "end_experience", "plan"),
    *("forward", "rehearse", "criterion", "loss", "gradients", "rates", "after_step"),
    "predictor",
)
EXCLUSIVE = ("criterion", "predictor")  # two of these in one strategy contradict each other


def overrides(part: Part, hook: str) -> bool:
    return getattr(type(part), hook) is not getattr(Part, hook)


def mask(logits: Tensor, allowed: Tensor) -> Tensor:
    """Put the logits of classes that are not allowed (`[C]` or `[B, C]` bool) out of the race."""
    return torch.where(allowed, logits, MASKED)


def with_options(options: Options, values: Mapping[str, Any]) -> Options:
    """A copy of a frozen dataclass with some fields replaced, unchecked: traced tensors will do."""
    copy = object.__new__(type(options))
    for field in fields(options):  # type: ignore[arg-type]
        value = values[field.name] if field.name in values else getattr(options, field.name)
        object.__setattr__(copy, field.name, value)
    return copy
