"""Reactions to drift: a detector watches each replica's errors, and its alarm changes something.

Every reaction has the same triggers: river's detectors, and `oracle` (the true drifts), `periodic`
and `never`, to tell what the detector itself is worth.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.detection import BINARY, Direction, Signal, Trigger, Watch, detector
from streamsim.strategy import (
    AlarmContext,
    Arrivals,
    Context,
    Params,
    Part,
    Reaction,
    Setup,
    State,
    StepContext,
)
from streamsim.stream import Reveal, StreamSpec
from streamsim_strategies.memory import Memory


@dataclass(frozen=True, kw_only=True)
class OnDriftWatch(Part):
    """Only record the alarms of a drift detector."""

    name: ClassVar[str] = "on-drift:watch"
    reference: ClassVar[str] = (
        "Gama, Žliobaitė, Bifet, Pechenizkiy & Bouchachia 2014, A survey on concept drift "
        "adaptation"
    )

    trigger: Trigger = Field(default="adwin", description="what raises alarms")
    detector: tuple[str, ...] = Field(
        default=(), description="options of the detector as in river, such as delta=0.01"
    )
    signal: Signal = Field(default="error", description="what the detector reads of each sample")
    direction: Direction = Field(
        default="up", description="up: only changes for the worse count; both: all do"
    )
    period: int = Field(default=1000, ge=1, description="samples between alarms, if periodic")

    def watch(self) -> Watch | None:
        return self._watch(recent=0)

    def check(self, spec: StreamSpec, batch_size: int) -> None:
        if self.signal == "loss" and self.trigger in BINARY:
            raise ValueError(
                f"strategy.{self.name}.trigger={self.trigger} reads errors only; choose "
                "signal=error, or adwin, kswin or page-hinkley"
            )
        if self.trigger == "oracle" and not spec.knows_drifts:
            raise ValueError(
                f"strategy.{self.name}.trigger=oracle: nobody knows where this stream drifts; "
                "choose a detector, periodic or never"
            )
        detector(self._watch(recent=0), [], seed=0)

    def _watch(self, recent: int) -> Watch:
        options: dict[str, float] = {}
        for text in self.detector:
            option, _, value = text.partition("=")
            try:
                options[option.strip()] = float(value)
            except ValueError:
                raise ValueError(
                    f"strategy.{self.name}.detector: '{text}' is no option; write name=number, as "
                    "in delta=0.01"
                ) from None
        return Watch(self.trigger, options, self.signal, self.direction, self.period, recent)


@dataclass(frozen=True, kw_only=True)
class OnDriftReset(OnDriftWatch):
    """Begin again from the initial weights, everywhere or in the head alone."""

    name: ClassVar[str] = "on-drift:reset"

    what: Literal["all", "head"] = Field(default="all", description="weights that begin again")

    def init(self, setup: Setup, params: Params) -> Params:
        return {k: p.clone() for k, p in params.items()}

    def on_alarm(self, alarm: AlarmContext, state: Params) -> Reaction:
        params = {
            k: state[k] if self.what == "all" or k.startswith(("head.", "multihead.")) else p
            for k, p in alarm.ctx.params.items()
        }
        return Reaction(params, alarm.states)


@dataclass(frozen=True, kw_only=True)
class OnDriftBoost(OnDriftWatch):
    """Learn faster for a while."""

    name: ClassVar[str] = "on-drift:boost"

    factor: float = Field(default=10.0, gt=0, description="on the learning rate, after an alarm")
    steps: int = Field(default=100, ge=1, description="training steps that it lasts")

    def init(self, setup: Setup, params: Params) -> Tensor:
        """Steps left, int64 scalar."""
        return torch.zeros((), dtype=torch.int64, device=setup.key.device)

    def plan(self, ctx: Context, state: Tensor, arrivals: Arrivals) -> tuple[Tensor, Tensor]:
        active_S = (arrivals.weight.sum(-1) > 0).to(torch.int64)
        made_S = active_S.cumsum(0)
        return (state - made_S[-1]).clamp_min(0), made_S - active_S < state

    def rates(self, ctx: StepContext, state: Tensor) -> dict[str, float | Tensor]:
        assert isinstance(ctx.plan, Tensor)
        rate = torch.where(ctx.plan, self.factor, 1.0)
        return dict.fromkeys(ctx.params, rate)

    def on_alarm(self, alarm: AlarmContext, state: Tensor) -> Reaction:
        left = torch.full_like(state, self.steps)
        return Reaction(alarm.ctx.params, {**alarm.states, self.name: left})


@dataclass(frozen=True, kw_only=True)
class OnDriftRefresh(OnDriftWatch):
    """Forget what the other parts' memories hold; they fill anew."""

    name: ClassVar[str] = "on-drift:refresh"

    def on_alarm(self, alarm: AlarmContext, state: State) -> Reaction:
        states = {
            name: other._replace(
                filled=torch.zeros_like(other.filled), arrived=torch.zeros_like(other.arrived)
            )
            if isinstance(other, Memory)
            else other
            for name, other in alarm.states.items()
        }
        return Reaction(alarm.ctx.params, states)


@dataclass(frozen=True, kw_only=True)
class OnDriftConsolidate(OnDriftWatch):
    """End an experience here: parts that need boundaries, such as ewc and lwf, find them in alarms.

    They are given the newest samples; those after the drift that raised the alarm are few.
    """

    name: ClassVar[str] = "on-drift:consolidate"

    recent: int = Field(default=500, ge=1, description="newest samples that make the experience")

    def provides(self) -> frozenset[Reveal]:
        return frozenset({Reveal.BOUNDARIES})

    def watch(self) -> Watch | None:
        return self._watch(recent=self.recent)

    def on_alarm(self, alarm: AlarmContext, state: State) -> Reaction:
        return Reaction(*alarm.end_experience())
