"""The loss that all strategies start from."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own convention)
from torch.func import grad, vmap

from streamsim import composed
from streamsim.composed import cross_entropy


@pytest.mark.parametrize("few", [0, 10**9])
def test_cross_entropy_and_its_gradient_are_torchs_own(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composed, "FEW", few)
    logits = 5 * torch.randn(3, 7, 4, generator=torch.Generator().manual_seed(0))
    logits[:, :, 3] = -torch.inf  # a class that has not been seen
    label = torch.arange(21).view(3, 7) % 3
    ours = vmap(cross_entropy)(logits, label)
    theirs = F.cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none")
    torch.testing.assert_close(ours.flatten(), theirs)
    slope = vmap(grad(lambda x, y: cross_entropy(x, y).sum()))(logits, label)
    leaf = logits.flatten(0, 1).requires_grad_()
    F.cross_entropy(leaf, label.flatten(), reduction="sum").backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    torch.testing.assert_close(slope.flatten(0, 1), leaf.grad)
