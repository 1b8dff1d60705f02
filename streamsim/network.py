"""The bare model, as parts call it: pure functions of its parameters, as a whole or in stages.

Shape letters: B samples of a batch, C classes, F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.func import functional_call

from streamsim.trees import Params


@dataclass(frozen=True)
class Network:
    """The bare model as pure functions of parameters.

    A model has `stages` (an `nn.Sequential`, from input to features) and `head` (features to
    logits); a model without them can be called as a whole only.
    """

    model: nn.Module

    def __post_init__(self) -> None:
        # looked up now: computing a cached property for the first time breaks a compiler's trace
        _ = self.names, self._slots

    @cached_property
    def names(self) -> frozenset[str]:
        """The model's own parameters, among those of parts."""
        return frozenset(name for name, _ in self.model.named_parameters())

    @cached_property
    def _slots(self) -> list[tuple[dict[str, nn.Parameter | None], str, str]] | None:
        """Where each parameter hangs: (a module's own table, its name there, its full name).

        None if two names share a tensor.
        """
        every = dict(self.model.named_parameters(remove_duplicate=False))
        if len(every) > len(self.names):
            return None
        paths = [(name.rpartition("."), name) for name in every]
        return [
            (self.model.get_submodule(path)._parameters, own, name)
            for (path, _, own), name in paths
        ]

    def __call__(self, params: Params, x: Tensor) -> Tensor:
        """Logits `[B, C]`."""
        out: Tensor
        if self._slots is None or torch.compiler.is_compiling():
            mine = {k: v for k, v in params.items() if k in self.names}
            out = functional_call(self.model, mine, (x,))
            return out
        # what functional_call does, without its walk by name: a fifth of a small network's step
        hung = [table[own] for table, own, _ in self._slots]
        try:
            for table, own, name in self._slots:
                table[own] = params[name]  # type: ignore[assignment]  # a tensor serves
            out = self.model(x)
        finally:
            for (table, own, _), parameter in zip(self._slots, hung, strict=True):
                table[own] = parameter
        return out

    @property
    def num_stages(self) -> int:
        return len(self._stages())

    def features(self, params: Params, x: Tensor) -> Tensor:
        """What the head reads, `[B, F]`."""
        return _under("stages.", self._stages(), params, x)

    def stage(self, index: int, params: Params, h: Tensor) -> Tensor:
        """One step of the way from input to features."""
        return _under(f"stages.{index}.", self._stages()[index], params, h)

    def head(self, params: Params, h: Tensor) -> Tensor:
        """Features to logits `[B, C]`."""
        self._stages()
        head = self.model.head
        assert isinstance(head, nn.Module)
        return _under("head.", head, params, h)

    @property
    def num_features(self) -> int:
        """Width of the features, the head's input."""
        self._stages()
        width = getattr(self.model.head, "in_features", None)
        if not isinstance(width, int):
            raise ValueError(f"{type(self.model).__name__}.head has no in_features; use nn.Linear")
        return width

    def _stages(self) -> nn.Sequential:
        stages = getattr(self.model, "stages", None)
        if not isinstance(stages, nn.Sequential) or not hasattr(self.model, "head"):
            raise ValueError(
                f"the model {type(self.model).__name__} has no 'stages' (nn.Sequential) "
                "and 'head', which this strategy needs for features; add them, or use mlp or cnn"
            )
        return stages


def _under(prefix: str, module: nn.Module, params: Params, x: Tensor) -> Tensor:
    """Call a submodule with the parameters under its prefix."""
    own = {k[len(prefix) :]: v for k, v in params.items() if k.startswith(prefix)}
    out: Tensor = functional_call(module, own, (x,))
    return out
