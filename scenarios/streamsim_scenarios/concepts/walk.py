"""Random walks whose position at any time is computed directly, not step by step.

Shape letters: N times, L levels, W walks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from streamsim import draws

LEVELS = 24


def walk(key: Tensor, time: Tensor, num: int) -> Tensor:
    """Positions at `time` [N], counted in steps, of `num` <= 64 independent walks: [N, W] float64.

    Straight from each whole time to the next. Starts at 0; the mean is 0, and the variance of the
    change between two whole times is the time between, up to 2**24 steps.

    Midpoint displacement (Lévy 1948, Processus stochastiques et mouvement brownien): an end point,
    then on every level the middle of each interval of length l, moved by ± half the root of l.
    """
    level_L = torch.arange(LEVELS, device=time.device)
    length_L = 2.0 ** (LEVELS - level_L).to(torch.float64)
    place_NL = time.to(torch.float64)[..., None] / length_L
    number_NL = place_NL.floor()
    tent_NL = 0.5 - (place_NL - number_NL - 0.5).abs()
    sign_NLW = _signs(key, (level_L << 40) + number_NL.to(torch.int64), num)
    inner_NW = (sign_NLW * (tent_NL * length_L.sqrt())[..., None]).sum(-2)
    last_W = _signs(key, torch.full_like(level_L[0], -1), num)
    return inner_NW + last_W * (time[..., None] * 2.0 ** (-LEVELS / 2))


def _signs(key: Tensor, counter: Tensor, num: int) -> Tensor:
    """Random signs ±1, `num` of each counter's bits."""
    bits = draws.bits(key, counter)[..., None] >> torch.arange(num, device=counter.device)
    return (2 * (bits & 1) - 1).to(torch.float64)
