"""Final weights are found by seed and setting, or refused."""

import pytest
import torch
from safetensors.torch import save

from streamsim.runs import Run, weights

REPLICAS = ((0, 3), (0, 8))  # (setting, seed)


def test_the_weights_of_a_replica_are_found_in_its_chunk(run: Run) -> None:
    weight = torch.arange(12.0).view(2, 2, 3)
    weights.write(run.path, 0, REPLICAS, {"weight": weight})
    weights.write(run.path, 1, [(1, 3)], {"weight": -weight[:1].transpose(1, 2)})
    assert torch.equal(run.parameters(8)["weight"], weight[1])
    assert torch.equal(run.parameters(3, setting=1)["weight"], -weight[0].T)
    with pytest.raises(ValueError, match="no weights of seed 4, setting 0 in"):
        run.parameters(4)


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"metadata"])
def test_damaged_weights_are_refused_in_one_line(content: bytes, run: Run) -> None:
    weights.write(run.path, 0, REPLICAS, {"weight": torch.ones(2, 3)})
    file = run.path / "parameters" / "000.safetensors"
    file.write_bytes(save({"weight": torch.ones(2, 3)}) if content == b"metadata" else content)
    with pytest.raises(ValueError, match=r"000.safetensors is damaged") as caught:
        run.parameters(3)
    assert "\n" not in str(caught.value)
