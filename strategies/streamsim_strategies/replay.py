"""Experience replay: rehearse samples kept from the past beside those that arrive."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from streamsim.strategy import Arrivals, Context, Rehearsal
from streamsim.stream import Reveal
from streamsim_strategies.memory import Drawn, Memory
from streamsim_strategies.reader import Reader


@dataclass(frozen=True, kw_only=True)
class Replay(Reader):
    """Rehearse a small memory of past samples beside those that arrive (ER)."""

    name: ClassVar[str] = "replay"
    reference: ClassVar[str] = (
        "Chaudhry et al. 2019, On tiny episodic memories in continual learning; "
        "weighting=experiences: van de Ven et al. 2022, Three types of incremental learning"
    )

    batch_size: int | None = Field(
        default=None, ge=1, description="rehearsed samples of a step; none: as many as arrive"
    )
    weighting: Literal["samples", "experiences"] = Field(
        default="samples",
        description="samples: every sample counts the same; experiences: at the t-th experience, "
        "rehearsal counts 1 - 1/t of the loss",
    )

    def needs(self) -> frozenset[Reveal]:
        counts = {Reveal.BOUNDARIES} if self.weighting == "experiences" else set()
        return super().needs() | counts

    def plan(self, ctx: Context, state: Memory, arrivals: Arrivals) -> tuple[Memory, Drawn]:
        state, drawn = super().plan(ctx, state, arrivals)
        if self.weighting == "experiences":
            # the loss is a weighted mean: num * weight against incoming is t - 1 against 1
            assert ctx.experience is not None
            num, incoming_S1 = drawn.ids.shape[1], arrivals.weight.sum(1, keepdim=True)
            drawn = drawn._replace(weight=drawn.weight * ctx.experience * incoming_S1 / num)
        return state, drawn

    def rehearse(self, ctx: Context, state: Memory, plan: Drawn) -> Rehearsal:
        return Rehearsal(plan.ids, plan.weight)
