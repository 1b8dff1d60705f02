"""Metrics of the accuracy matrix R[i, j]: accuracy on experience j after training on experience i.

Every function is pure and takes `[..., E, E]` to `[...]`, so one matrix or a stack of them will do.
Formulas count experiences from 1 to E, as the papers do. A NaN that a formula needs makes the
result NaN; so does having too few experiences for the formula to mean anything.

Shape letters: E experiences (first the one trained, then the one evaluated).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamsim.metrics.arrays import Floats


def average_accuracy(accuracy_EE: npt.ArrayLike) -> Floats:
    """Mean accuracy over all experiences at the end of the stream, [..., E, E] -> [...].

    ACC = 1/E sum_j R[E, j]. Lopez-Paz & Ranzato 2017, "Gradient episodic memory for continual
    learning", NeurIPS; Chaudhry et al. 2018 (see `forgetting`) call it A_E.

    >>> average_accuracy([[0.9, 0.1], [0.6, 0.8]]).item()
    0.7
    """
    matrix_EE = _square(accuracy_EE)
    return mean_or_nan(matrix_EE[..., -1, :])


def average_incremental_accuracy(accuracy_EE: npt.ArrayLike) -> Floats:
    """Mean accuracy over the experiences seen so far, averaged over time, [..., E, E] -> [...].

    AIA = 1/E sum_i A_i with A_i = 1/i sum_{j <= i} R[i, j]. Rebuffi et al. 2017, "iCaRL:
    Incremental classifier and representation learning", CVPR. Experiences weigh the same
    whatever their size; the first one counts, which some later papers leave out.

    >>> average_incremental_accuracy([[0.9, 0.1], [0.6, 0.8]]).item()  # (0.9 + 0.7) / 2
    0.8
    """
    matrix_EE = _square(accuracy_EE)
    num_experiences = matrix_EE.shape[-1]
    seen_EE = np.tril(np.ones((num_experiences, num_experiences), dtype=bool))
    seen_accuracy_EE = np.where(seen_EE, matrix_EE, 0.0)
    return mean_or_nan(seen_accuracy_EE.sum(axis=-1) / np.arange(1, num_experiences + 1))


def learning_accuracy(accuracy_EE: npt.ArrayLike) -> Floats:
    """Mean accuracy on each experience right after training on it, [..., E, E] -> [...].

    LA = 1/E sum_i R[i, i]. Riemer et al. 2019, "Learning to learn without forgetting by maximizing
    transfer and minimizing interference", ICLR.

    >>> round(learning_accuracy([[0.9, 0.1], [0.6, 0.8]]).item(), 3)
    0.85
    """
    return mean_or_nan(_diagonal(_square(accuracy_EE)))


def forgetting_per_experience(accuracy_EE: npt.ArrayLike) -> Floats:
    """Drop from the best earlier accuracy to the final one, [..., E, E] -> [..., E-1].

    f_j = max_{l in 1..E-1} R[l, j] - R[E, j], for j < E. Chaudhry et al. 2018 (see `forgetting`).
    As in the paper, l runs over all rows but the last, those before j was trained included. A NaN
    above the diagonal means that j was not evaluated so early, and drops out of the maximum.

    >>> forgetting_per_experience([[0.9, 0.1, 0.2], [0.6, 0.8, 0.3], [0.5, 0.7, 0.6]]).round(3)
    array([0.4, 0.1])
    """
    matrix_EE = _square(accuracy_EE)
    num_experiences = matrix_EE.shape[-1]
    future_EE = np.triu(np.ones((num_experiences, num_experiences), dtype=bool), k=1)
    known_EE = np.where(future_EE & np.isnan(matrix_EE), -np.inf, matrix_EE)
    # With one experience there are no earlier rows and no columns either: the result is empty.
    best_E = known_EE[..., :-1, :-1].max(axis=-2, initial=-np.inf)
    return np.asarray(best_E - matrix_EE[..., -1, :-1])


def forgetting(accuracy_EE: npt.ArrayLike) -> Floats:
    """Mean drop from the best earlier accuracy to the final one, [..., E, E] -> [...].

    F = 1/(E-1) sum_{j < E} f_j, with f_j of `forgetting_per_experience`; negative when old
    experiences got better. Chaudhry et al. 2018, "Riemannian walk for incremental learning:
    Understanding forgetting and intransigence", ECCV, section 3.

    >>> forgetting([[0.9, 0.1, 0.2], [0.6, 0.8, 0.3], [0.5, 0.7, 0.6]]).round(3).item()
    0.25
    """
    return mean_or_nan(forgetting_per_experience(accuracy_EE))


def backward_transfer(accuracy_EE: npt.ArrayLike) -> Floats:
    """What later experiences did to earlier ones: mean gain, [..., E, E] -> [...].

    BWT = 1/(E-1) sum_{j < E} R[E, j] - R[j, j]. Lopez-Paz & Ranzato 2017, "Gradient episodic
    memory for continual learning", NeurIPS.

    >>> backward_transfer([[0.9, 0.1], [0.6, 0.8]]).round(3).item()
    -0.3
    """
    matrix_EE = _square(accuracy_EE)
    return mean_or_nan((matrix_EE[..., -1, :] - _diagonal(matrix_EE))[..., :-1])


def forward_transfer(accuracy_EE: npt.ArrayLike, initial_E: npt.ArrayLike) -> Floats:
    """Gain over an untrained model just before training, [..., E, E], [..., E] -> [...].

    FWT = 1/(E-1) sum_{i = 2..E} R[i-1, i] - b_i, where b_i is the accuracy on i before any
    training. Lopez-Paz & Ranzato 2017, "Gradient episodic memory for continual learning", NeurIPS.

    >>> forward_transfer([[0.9, 0.3], [0.6, 0.8]], initial_E=[0.1, 0.1]).round(3).item()
    0.2
    """
    matrix_EE = _square(accuracy_EE)
    untrained_E = _vector(initial_E, matrix_EE, "initial_E")
    just_before_E = np.diagonal(matrix_EE, offset=1, axis1=-2, axis2=-1)
    return mean_or_nan(just_before_E - untrained_E[..., 1:])


def intransigence(accuracy_EE: npt.ArrayLike, reference_E: npt.ArrayLike) -> Floats:
    """Inability to learn the new: mean shortfall from a reference, [..., E, E], [..., E] -> [...].

    I = 1/E sum_j a*_j - R[j, j], where a*_j is the accuracy on j of a reference trained jointly.
    Chaudhry et al. 2018 (see `forgetting`), who state it for one j and a reference trained on
    experiences 1..j; here one reference trained on the whole stream serves every j.

    >>> intransigence([[0.9, 0.1], [0.6, 0.8]], reference_E=[0.95, 0.95]).round(3).item()
    0.1
    """
    matrix_EE = _square(accuracy_EE)
    joint_E = _vector(reference_E, matrix_EE, "reference_E")
    return mean_or_nan(joint_E - _diagonal(matrix_EE))


def mean_or_nan(values_N: Floats) -> Floats:
    """Mean over the last axis, NaN (without a warning) when there is nothing to average.

    >>> mean_or_nan(np.zeros((2, 0))).tolist()
    [nan, nan]
    """
    if values_N.shape[-1] == 0:
        return np.full(values_N.shape[:-1], np.nan)
    return np.asarray(values_N.mean(axis=-1))


def _diagonal(matrix_EE: Floats) -> Floats:
    return np.diagonal(matrix_EE, axis1=-2, axis2=-1)


def _square(accuracy_EE: npt.ArrayLike) -> Floats:
    matrix_EE = np.asarray(accuracy_EE, dtype=np.float64)
    shape = matrix_EE.shape
    if len(shape) < 2 or shape[-1] != shape[-2] or shape[-1] == 0:
        raise ValueError(
            f"the accuracy matrix has shape {shape}; its last two axes must be equal and not "
            "empty: experience trained, experience evaluated"
        )
    return matrix_EE


def _vector(given_E: npt.ArrayLike, matrix_EE: Floats, name: str) -> Floats:
    vector_E = np.asarray(given_E, dtype=np.float64)
    num_experiences = matrix_EE.shape[-1]
    if vector_E.ndim < 1 or vector_E.shape[-1] != num_experiences:
        raise ValueError(
            f"{name} has shape {vector_E.shape}; its last axis must hold one accuracy for each "
            f"of the {num_experiences} experiences"
        )
    return vector_E
