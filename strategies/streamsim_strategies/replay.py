"""Experience replay: rehearse samples kept from the past beside those that arrive."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from streamsim.strategy import Arrivals, Context, Data, Params, Part, Rehearsal, Setup
from streamsim.stream import Reveal, StreamSpec
from streamsim_strategies import memory
from streamsim_strategies.memory import POLICIES, Drawn, Memory, Policy


@dataclass(frozen=True, kw_only=True)
class Replay(Part):
    """Rehearse a small memory of past samples beside those that arrive (ER)."""

    name: ClassVar[str] = "replay"
    reference: ClassVar[str] = (
        "Chaudhry et al. 2019, On tiny episodic memories in continual learning; "
        "weighting=experiences: van de Ven et al. 2022, Three types of incremental learning"
    )

    memory_size: int = Field(default=200, ge=1, description="samples kept")
    batch_size: int | None = Field(
        default=None, ge=1, description="rehearsed samples of a step; none: as many as arrive"
    )
    policy: Policy = Field(default="reservoir", description=POLICIES)
    weighting: Literal["samples", "experiences"] = Field(
        default="samples",
        description="samples: every sample counts the same; experiences: at the t-th experience, "
        "rehearsal counts 1 - 1/t of the loss",
    )

    def needs(self) -> frozenset[Reveal]:
        counts = {Reveal.BOUNDARIES} if self.weighting == "experiences" else set()
        return memory.needs(self.policy) | counts

    def check(self, spec: StreamSpec, batch_size: int) -> None:
        num = self.batch_size or batch_size
        memory.check(self.name, self.memory_size, num, self.policy, spec.num_classes)

    def init(self, setup: Setup, params: Params) -> Memory:
        return memory.empty(self.memory_size, setup)

    def plan(self, ctx: Context, state: Memory, arrivals: Arrivals) -> tuple[Memory, Drawn]:
        num = self.batch_size or arrivals.ids.shape[1]
        state, drawn = memory.plan(state, ctx, arrivals, self.policy, num, self.name)
        if self.weighting == "experiences":
            # the loss is a weighted mean: num * weight against incoming is t - 1 against 1
            assert ctx.experience is not None
            incoming_S1 = arrivals.weight.sum(1, keepdim=True)
            drawn = drawn._replace(weight=drawn.weight * ctx.experience * incoming_S1 / num)
        return state, drawn

    def rehearse(self, ctx: Context, state: Memory, plan: Drawn) -> Rehearsal:
        return Rehearsal(plan.ids, plan.weight)

    def end_experience(self, ctx: Context, state: Memory, data: Data) -> tuple[Params, Memory]:
        return ctx.params, memory.end(state, ctx, data, self.policy)
