"""A network is its model as functions of parameters, and says what the model lacks."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from streamsim.network import Network

X = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in net.named_parameters()}


def test_a_network_ignores_the_parameters_of_parts() -> None:
    network = Network(nn.Linear(6, 5))
    params = weights(network.model)
    assert network.names == set(params)
    more = {**params, "film.scale": torch.ones(3)}
    assert torch.equal(network(more, X), network(params, X))


@pytest.mark.parametrize(
    "read",
    [
        lambda network: network.features({}, X),
        lambda network: network.stage(0, {}, X),
        lambda network: network.head({}, X),
        lambda network: network.num_stages,
        lambda network: network.num_features,
    ],
    ids=["features", "stage", "head", "num_stages", "num_features"],
)
def test_a_model_without_stages_cannot_be_read_in_stages(read: Callable[[Network], Any]) -> None:
    network = Network(nn.Linear(6, 5))
    assert network(weights(network.model), X).shape == (3, 5)
    with pytest.raises(ValueError, match="the model Linear has no 'stages'"):
        read(network)
