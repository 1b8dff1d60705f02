"""Metrics of accuracies measured inside experiences: what evaluation at their ends cannot see.

Each function takes `accuracy_SE` `[..., S, E]`, the accuracy on each experience at each evaluated
moment, and `experience_S` `[..., S]` or `[S]`, the experience (from 0) in training at that moment,
both in training order, to `[...]`. Moments with a negative experience are padding and are skipped.
Formulas count experiences from 1 to E; f_n is the model after n steps of the whole stream, |T_k|
the number of steps done when training on experience k ends, A(E_i, f_n) the accuracy of f_n on
experience i. Only evaluated steps can be seen: with one evaluation in N steps, a minimum is an
upper bound on the minimum over every step.

Reference: De Lange, van de Ven & Tuytelaars 2023, "Continual evaluation for lifelong learning:
Identifying the stability gap", ICLR.

Shape letters: S moments, E experiences, K experiences in training (T_1..T_E), B booleans over S.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamsim.metrics.arrays import PADDING, Floats, Ints
from streamsim.metrics.matrix import mean_or_nan


def min_accuracy(accuracy_SE: npt.ArrayLike, experience_S: npt.ArrayLike) -> Floats:
    """Mean worst accuracy of past experiences since they were learned, [..., S, E] -> [...].

    min-ACC = 1/(E-1) sum_{i < E} min_{|T_i| < n <= |T_E|} A(E_i, f_n), at the end of the stream.
    NaN with fewer than two experiences. De Lange et al. 2023 (module docstring).

    >>> curve_SE = [[0.9, np.nan], [0.3, 0.5], [0.6, 0.8]]  # a dip as the second begins
    >>> min_accuracy(curve_SE, experience_S=[0, 1, 1]).item()
    0.3
    """
    curve_SE, trained_S = _checked(accuracy_SE, experience_S)
    num_experiences = curve_SE.shape[-1]
    lowest_KE = _lowest_per_experience(curve_SE, trained_S)
    past_KE = np.tril(np.ones((num_experiences, num_experiences), dtype=bool), k=-1)
    return mean_or_nan(_lowest(lowest_KE, past_KE)[..., :-1])


def worst_case_accuracy(accuracy_SE: npt.ArrayLike, experience_S: npt.ArrayLike) -> Floats:
    """Trade-off of learning the last experience and never losing the past, [..., S, E] -> [...].

    WC-ACC = 1/E A(E_E, f_{|T_E|}) + (1 - 1/E) min-ACC, with min-ACC of `min_accuracy`: never
    above the average accuracy at the end of the stream.
    NaN with fewer than two experiences. De Lange et al. 2023 (module docstring).

    >>> curve_SE = [[0.9, np.nan], [0.3, 0.5], [0.6, 0.8]]
    >>> round(worst_case_accuracy(curve_SE, experience_S=[0, 1, 1]).item(), 3)  # (0.8 + 0.3) / 2
    0.55
    """
    curve_SE, trained_S = _checked(accuracy_SE, experience_S)
    share = 1 / curve_SE.shape[-1]
    newest = _at_ends(curve_SE, trained_S)[..., -1, -1]
    return np.asarray(share * newest + (1 - share) * min_accuracy(curve_SE, trained_S))


def stability_gap(accuracy_SE: npt.ArrayLike, experience_S: npt.ArrayLike) -> Floats:
    """Mean depth of the dips as new experiences begin, [..., S, E] -> [...].

    SG = 2/(E(E-1)) sum_{k = 2..E} sum_{i < k} [A(E_i, f_{|T_{k-1}|})
    - min_{|T_{k-1}| < n <= |T_k|} A(E_i, f_n)]: every pair of a transition into experience k and a
    past experience i weighs the same. It counts what is lost for good as well as what recovers.
    NaN with fewer than two experiences. A summary of the phenomenon that De Lange et al. 2023
    (module docstring) identify; the paper itself reports WC-ACC and min-ACC.

    >>> curve_SE = [[0.9, np.nan], [0.3, 0.5], [0.6, 0.8]]
    >>> round(stability_gap(curve_SE, experience_S=[0, 1, 1]).item(), 3)  # 0.9 - 0.3
    0.6
    """
    curve_SE, trained_S = _checked(accuracy_SE, experience_S)
    before_KE = _at_ends(curve_SE, trained_S)[..., :-1, :]
    during_KE = _lowest_per_experience(curve_SE, trained_S)[..., 1:, :]
    rows, columns = np.tril_indices(curve_SE.shape[-1] - 1)
    return mean_or_nan((before_KE - during_KE)[..., rows, columns])


def _lowest_per_experience(curve_SE: Floats, trained_S: Ints) -> Floats:
    """Lowest accuracy on each experience while training on each, [..., S, E] -> [..., K, E]."""
    num_experiences = curve_SE.shape[-1]
    lowest = [_lowest(curve_SE, (trained_S == k)[..., None]) for k in range(num_experiences)]
    return np.stack(lowest, axis=-2)


def _at_ends(curve_SE: Floats, trained_S: Ints) -> Floats:
    """Accuracy on each experience at the end of each, [..., S, E] -> [..., K, E]."""
    # The row after the last: any experience but its own.
    beyond = np.full_like(trained_S[..., :1], PADDING - 1)
    next_S = np.concatenate([trained_S[..., 1:], beyond], axis=-1)
    return _lowest_per_experience(curve_SE, np.where(trained_S != next_S, trained_S, PADDING))


def _lowest(values_SE: Floats, chosen_BE: npt.NDArray[np.bool_]) -> Floats:
    """Minimum over S of the chosen values, NaN if one of them is NaN or none was chosen."""
    lowest_E = np.where(chosen_BE, values_SE, np.inf).min(axis=-2, initial=np.inf)
    return np.where(np.isposinf(lowest_E), np.nan, lowest_E)


def _checked(accuracy_SE: npt.ArrayLike, experience_S: npt.ArrayLike) -> tuple[Floats, Ints]:
    curve_SE = np.asarray(accuracy_SE, dtype=np.float64)
    trained_S = np.asarray(experience_S, dtype=np.int64)
    if curve_SE.ndim < 2 or trained_S.ndim < 1 or trained_S.shape[-1] != curve_SE.shape[-2]:
        raise ValueError(
            f"accuracy_SE has shape {curve_SE.shape} and experience_S {trained_S.shape}; give "
            "[..., moments, experiences] and [..., moments]"
        )
    if curve_SE.shape[-1] == 0:
        raise ValueError("accuracy_SE has no experiences; its last axis needs at least one")
    return curve_SE, trained_S
