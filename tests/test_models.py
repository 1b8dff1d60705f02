"""Small networks: right shapes, readable stages, and nothing that replicas cannot share."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from streamsim import registry
from streamsim.models import Cnn, Mlp, Model, ReducedResnet18
from streamsim.network import Network
from streamsim.stream import StreamSpec

SMALL: dict[str, Model] = {
    "mlp": Mlp(hidden=(6, 5)),
    "cnn": Cnn(channels=(4, 8)),
    "resnet18-reduced": ReducedResnet18(width=4),
}
each_model = pytest.mark.parametrize("model", SMALL.values(), ids=SMALL)


def spec(*shape: int, num_classes: int = 5) -> StreamSpec:
    return StreamSpec(
        input_shape=shape,
        num_classes=num_classes,
        num_experiences=1,
        setting="class",
        reveals=frozenset(),
    )


def inputs(*shape: int, num: int = 3) -> Tensor:
    return torch.randn(num, *shape, generator=torch.Generator().manual_seed(0))


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in net.named_parameters()}


@pytest.mark.parametrize("name", sorted(registry.plugins("model")))
def test_every_registered_model_builds_for_images(name: str) -> None:
    net = registry.load("model", name)().build(spec(3, 8, 8))
    assert net(inputs(3, 8, 8)).shape == (3, 5)


@each_model
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 7), (1, 1, 1), (2, 28, 28)])
def test_images_of_any_size_become_logits(model: Model, shape: tuple[int, ...]) -> None:
    net = model.build(spec(*shape, num_classes=7))
    assert net(inputs(*shape)).shape == (3, 7)


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3, 2)])
@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 4, 4)])
def test_an_mlp_takes_any_shape_and_depth(hidden: tuple[int, ...], shape: tuple[int, ...]) -> None:
    net = Mlp(hidden=hidden).build(spec(*shape))
    assert net(inputs(*shape)).shape == (3, 5)
    assert sum(isinstance(module, nn.Linear) for module in net.modules()) == len(hidden) + 1


@pytest.mark.parametrize(
    ("activation", "module"), [("relu", nn.ReLU), ("tanh", nn.Tanh), ("gelu", nn.GELU)]
)
def test_the_activation_follows_every_hidden_layer(activation: Any, module: type) -> None:
    net = Mlp(hidden=(4, 3), activation=activation).build(spec(6))
    assert sum(isinstance(found, module) for found in net.modules()) == 2


# -- replicas -------------------------------------------------------------------------------------
@each_model
def test_replicas_side_by_side_equal_each_alone(model: Model) -> None:
    nets = [model.build(spec(2, 8, 8)) for _ in range(3)]
    stacked = {name: torch.stack([weights(net)[name] for net in nets]) for name in weights(nets[0])}
    x = torch.stack([inputs(2, 8, 8, num=4) + i for i in range(3)])

    def forward(params: dict[str, Tensor], x: Tensor) -> Tensor:
        out: Tensor = functional_call(nets[0], params, (x,))
        return out

    together = vmap(forward)(stacked, x)
    alone = torch.stack([net(each) for net, each in zip(nets, x, strict=True)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@each_model
def test_models_keep_no_running_statistics(model: Model) -> None:
    net = model.build(spec(2, 8, 8))
    assert list(net.buffers()) == []
    training, evaluating = net.train()(inputs(2, 8, 8)), net.eval()(inputs(2, 8, 8))
    assert torch.equal(training, evaluating)


@each_model
def test_a_sample_does_not_see_its_neighbours(model: Model) -> None:
    """As it would through batch statistics."""
    net, x = model.build(spec(2, 8, 8)), inputs(2, 8, 8)
    torch.testing.assert_close(net(x)[:1], net(x[:1]), rtol=1e-4, atol=1e-5)


@each_model
def test_every_parameter_is_trained(model: Model) -> None:
    net = model.build(spec(2, 8, 8))
    net(inputs(2, 8, 8)).square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())


# -- stages ---------------------------------------------------------------------------------------
@each_model
def test_stages_lead_to_features_and_the_head_to_logits(model: Model) -> None:
    network = Network(model.build(spec(2, 8, 8)))
    params, x = weights(network.model), inputs(2, 8, 8)
    features = network.features(params, x)
    assert features.shape == (3, network.num_features)
    h = x
    for index in range(network.num_stages):
        h = network.stage(index, params, h)
    torch.testing.assert_close(h, features)
    torch.testing.assert_close(network.head(params, features), network(params, x))
    torch.testing.assert_close(network(params, x), network.model(x).detach())


# -- refusals -------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["cnn", "resnet18-reduced"])
@pytest.mark.parametrize("shape", [(6,), (6, 6), (1, 2, 3, 4)])
def test_a_convolutional_model_needs_images(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"^model {name} needs images .* choose model mlp$"):
        SMALL[name].build(spec(*shape))


@pytest.mark.parametrize("hidden", [(0,), (4, -1)])
def test_a_layer_without_units_is_refused(hidden: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="every layer needs at least 1 unit"):
        Mlp(hidden=hidden)


@pytest.mark.parametrize("channels", [(0,), (6,), (8, 2)])
def test_channels_that_group_norm_cannot_divide_are_refused(channels: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="multiples of 4, for GroupNorm"):
        Cnn(channels=channels)


def test_a_width_that_group_norm_cannot_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        ReducedResnet18(width=6)
