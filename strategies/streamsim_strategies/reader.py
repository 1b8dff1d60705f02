"""What parts have in common that keep a memory and read some of it in every step."""

from __future__ import annotations

from pydantic import Field
from pydantic.dataclasses import dataclass

from streamsim.strategy import Arrivals, Context, Data, Params, Part, Setup
from streamsim.stream import Reveal, StreamSpec
from streamsim_strategies import memory
from streamsim_strategies.memory import Drawn, Memory, Policy, Size


@dataclass(frozen=True, kw_only=True)
class Reader(Part):
    """Steps find what was drawn for them in `ctx.plan`."""

    memory_size: Size = 200
    batch_size: int | None = Field(
        default=None, ge=1, description="samples read in a step; none: as many as arrive"
    )
    policy: Policy = "reservoir"

    def needs(self) -> frozenset[Reveal]:
        return memory.needs(self.policy)

    def check(self, spec: StreamSpec, batch_size: int) -> None:
        num = self.batch_size or batch_size
        memory.check(self.name, self.memory_size, num, self.policy, spec.num_classes)

    def init(self, setup: Setup, params: Params) -> Memory:
        return memory.empty(self.memory_size, setup)

    def plan(self, ctx: Context, state: Memory, arrivals: Arrivals) -> tuple[Memory, Drawn]:
        num = self.batch_size or arrivals.ids.shape[1]
        return memory.plan(state, ctx, arrivals, self.policy, num, self.name)

    def end_experience(self, ctx: Context, state: Memory, data: Data) -> tuple[Params, Memory]:
        return ctx.params, memory.end(state, ctx, data, self.policy)
