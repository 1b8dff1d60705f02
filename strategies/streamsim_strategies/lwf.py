"""Learning without Forgetting: on new samples, keep the answers of the model as it was."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim.strategy import Context, Data, Params, Part, Setup, StepContext, mask


class Teacher(NamedTuple):
    """The model at the last boundary."""

    params: Params
    classes: Tensor  # [C] bool: what it had seen
    experiences: Tensor  # float32 scalar: how many it had been through
    tasks: Tensor  # [T] bool: the task labels that came with them, where they are revealed


@dataclass(frozen=True, kw_only=True)
class Lwf(Part):
    """Distil the last boundary's model on incoming samples: alpha T^2 CE(teacher/T, model/T).

    The teacher answers with the classes it had seen; the model is judged over all that have been
    seen by now, so probability that it gives to a new class counts as an answer that is not the
    teacher's (van de Ven et al. 2022). Distilling over the old classes alone would leave the new
    ones free to win everywhere. Their own runs leave T^2 out (alpha = 1 / T^2), and let the term
    grow with the experiences unless those bring new classes (growing).
    """

    name: ClassVar[str] = "lwf"
    reference: ClassVar[str] = (
        "Li & Hoiem 2016, Learning without forgetting; Hinton et al. 2015 (temperature); "
        "van de Ven et al. 2022 (classes)"
    )

    alpha: float = Field(default=1.0, ge=0, description="weight of the distillation term")
    temperature: float = Field(default=2.0, gt=0, description="softens both distributions")
    growing: bool = Field(
        default=False, description="multiply alpha by the number of past experiences"
    )

    def init(self, setup: Setup, params: Params) -> Teacher:
        device = setup.key.device
        unseen = torch.zeros(setup.spec.num_classes, dtype=torch.bool, device=device)
        frozen = {k: p.clone() for k, p in params.items()}
        no_tasks = torch.zeros(setup.spec.num_tasks, dtype=torch.bool, device=device)
        return Teacher(frozen, unseen, torch.zeros((), device=device), no_tasks)

    def loss(self, ctx: StepContext, state: Teacher) -> Tensor:
        """Without a teacher (first experience) the term is 0. With task labels, every past task's
        answers are kept, as in the paper: each is asked for by its own label."""
        incoming = ctx.incoming
        weight = incoming.weight / incoming.weight.sum().clamp_min(1e-12)
        if incoming.task is None:
            target = ctx.forward(state.params, incoming).detach()
            term = self._distance(ctx, state, target, ctx.logits[: ctx.num_incoming]) @ weight
        else:
            target, logits = _of_every_task(ctx, state.params), _of_every_task(ctx, ctx.params)
            term_T = self._distance(ctx, state, target.detach(), logits) @ weight
            term = (term_T * state.tasks).sum() / state.tasks.sum().clamp_min(1)
        factor = state.experiences if self.growing else (state.experiences > 0).to(term.dtype)
        return self.alpha * factor * term

    def _distance(
        self, ctx: StepContext, teacher: Teacher, target: Tensor, logits: Tensor
    ) -> Tensor:
        """`[..., B]`: T^2 times the cross-entropy of softened answers `[..., B, C]`; the teacher's
        are zero beyond the classes it had seen."""
        soft = (mask(target, teacher.classes) / self.temperature).softmax(-1)
        log = (mask(logits, ctx.seen) / self.temperature).log_softmax(-1)
        return -(soft * log).sum(-1) * self.temperature**2

    def end_experience(self, ctx: Context, state: Teacher, data: Data) -> tuple[Params, Teacher]:
        tasks = state.tasks
        if ctx.tasks is not None:
            # padding repeats the first sample, so it brings no task of its own
            tasks = tasks | (
                ctx.tasks(data.ids)[:, None] == torch.arange(tasks.shape[0], device=tasks.device)
            ).any(0)
        return ctx.params, Teacher(ctx.params, ctx.seen, state.experiences + 1, tasks)


def _of_every_task(ctx: StepContext, params: Params) -> Tensor:
    """Logits of the incoming samples under every task's label, `[T, B, C]`."""
    incoming = ctx.incoming
    task_T = torch.arange(ctx.spec.num_tasks, device=incoming.x.device)

    def asked(task: Tensor) -> Tensor:
        assert incoming.task is not None
        return ctx.forward(params, incoming._replace(task=task.expand_as(incoming.task)))

    # mapped over labels alone, what does not depend on them (features) is computed once
    return torch.vmap(asked)(task_T)
