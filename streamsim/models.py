"""Small networks by name. Each has `stages` (input to features) and `head` (features to logits), so
that parts can read features and reach between stages; none keeps running statistics.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from streamsim.stream import StreamSpec

PLUGINS = {
    "mlp": "streamsim.models:Mlp",
    "cnn": "streamsim.models:Cnn",
    "resnet18-reduced": "streamsim.models:ReducedResnet18",
}

Activation = Literal["relu", "tanh", "gelu"]
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": partial(nn.ReLU, inplace=True),  # a pass over memory less
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
}


class Model(Protocol):
    """A registered model: a frozen dataclass of options that builds networks."""

    def build(self, spec: StreamSpec) -> nn.Module:
        """A freshly initialised network from `spec.input_shape` to `spec.num_classes` logits."""
        ...


class Staged(nn.Module):
    """Stages, then a linear head."""

    def __init__(self, stages: list[nn.Module], num_features: int, num_classes: int) -> None:
        super().__init__()
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(num_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.stages(x))
        return out


@dataclass(frozen=True, kw_only=True)
class Mlp:
    """Fully connected layers; each hidden layer is a stage."""

    hidden: tuple[int, ...] = Field(default=(100, 100), description="units of each hidden layer")
    activation: Activation = Field(default="relu", description="after each hidden layer")

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden={self.hidden}: every layer needs at least 1 unit")

    def build(self, spec: StreamSpec) -> nn.Module:
        widths = [math.prod(spec.input_shape), *self.hidden]
        stages: list[nn.Module] = [
            nn.Sequential(
                *([nn.Flatten()] if i == 0 else []),
                nn.Linear(width, following),
                ACTIVATIONS[self.activation](),
            )
            for i, (width, following) in enumerate(itertools.pairwise(widths))
        ]
        return Staged(stages or [nn.Flatten()], widths[-1], spec.num_classes)


def _image_channels(spec: StreamSpec, model: str) -> int:
    if len(spec.input_shape) != 3:
        raise ValueError(
            f"model {model} needs images (channels, height, width); this stream's inputs have the "
            f"shape {spec.input_shape}; choose model mlp"
        )
    return spec.input_shape[0]


@dataclass(frozen=True, kw_only=True)
class Cnn:
    """3x3 convolutions with GroupNorm, each halving the image; each block is a stage."""

    channels: tuple[int, ...] = Field(
        default=(32, 64), min_length=1, description="channels of each block, multiples of 4"
    )

    def __post_init__(self) -> None:
        if any(width < 4 or width % 4 for width in self.channels):
            raise ValueError(f"channels={self.channels}: multiples of 4, for GroupNorm")

    def build(self, spec: StreamSpec) -> nn.Module:
        widths = [_image_channels(spec, "cnn"), *self.channels]
        _, height, width = spec.input_shape
        stages: list[nn.Module] = []
        for fan_in, fan_out in itertools.pairwise(widths):
            layers = [nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.GroupNorm(4, fan_out), nn.ReLU()]
            if min(height, width) >= 2:
                layers.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
            stages.append(nn.Sequential(*layers))
        stages.append(nn.Flatten())
        return Staged(stages, widths[-1] * height * width, spec.num_classes)


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016), with GroupNorm for BatchNorm."""

    def __init__(self, fan_in: int, fan_out: int, stride: int, groups: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(fan_in, fan_out, 3, stride, 1, bias=False),
            nn.GroupNorm(groups, fan_out),
            nn.ReLU(),
            nn.Conv2d(fan_out, fan_out, 3, 1, 1, bias=False),
            nn.GroupNorm(groups, fan_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or fan_in != fan_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(fan_in, fan_out, 1, stride, bias=False), nn.GroupNorm(groups, fan_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = (self.body(x) + self.shortcut(x)).relu()
        return out


@dataclass(frozen=True, kw_only=True)
class ReducedResnet18:
    """ResNet-18 with a third of the channels (Lopez-Paz & Ranzato 2017) and GroupNorm."""

    width: int = Field(default=20, ge=4, multiple_of=4, description="channels of the first stage")

    def build(self, spec: StreamSpec) -> nn.Module:
        groups = 4
        stem = nn.Sequential(
            nn.Conv2d(_image_channels(spec, "resnet18-reduced"), self.width, 3, 1, 1, bias=False),
            nn.GroupNorm(groups, self.width),
            nn.ReLU(),
        )
        widths = [self.width * 2**i for i in range(4)]
        stages: list[nn.Module] = [stem]
        for i, fan_out in enumerate(widths):
            fan_in = widths[max(i - 1, 0)]
            stages.append(
                nn.Sequential(
                    _ResidualBlock(fan_in, fan_out, 1 if i == 0 else 2, groups),
                    _ResidualBlock(fan_out, fan_out, 1, groups),
                )
            )
        stages.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        return Staged(stages, widths[-1], spec.num_classes)
