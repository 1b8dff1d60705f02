"""Agrawal: ten rules by which a bank might grant loans.

Numbers are computed in float64, where they are exact, and rounded once, so that a device that fuses
multiplication and addition draws the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from streamsim import draws
from streamsim_scenarios.concepts.concept import (
    Feature,
    Samples,
    State,
    at,
    choose,
    column,
    joined,
    lanes,
    numbered,
)


class Applicant(NamedTuple):
    """The columns of the inputs, [N] each."""

    salary: Tensor
    commission: Tensor
    age: Tensor
    elevel: Tensor  # level of education
    car: Tensor  # its make
    zipcode: Tensor
    hvalue: Tensor  # value of the house
    hyears: Tensor  # since it was bought
    loan: Tensor


_WHOLE = {"age": 61, "elevel": 5, "car": 20, "zipcode": 9, "hyears": 30}  # how many numbers


@dataclass(frozen=True, kw_only=True)
class Agrawal:
    """Nine features of an applicant; variant v is the published function v + 1.

    The functions are river's, which follow MOA (the fifth compares a salary where the paper
    compares a loan). Perturbed values stay in their range; river's perturbed house values do not,
    as its bounds are swapped. Without river's `balance_classes`, which rejects samples until the
    wanted class comes, which has no bound; class shares are a matter of the schedule.
    """

    name: ClassVar[str] = "agrawal"
    reference: ClassVar[str] = (
        "Agrawal, Imielinski & Swami 1993, Database mining: a performance perspective"
    )
    num_classes: ClassVar[int] = 2
    variants: ClassVar[int] = 10
    features: ClassVar[tuple[Feature, ...]] = (
        Feature("salary", 20_000, 150_000),
        Feature("commission", 0, 85_000),
        Feature("age", 20, 80),
        Feature("elevel", 0, 4, 5),
        Feature("car", 1, 20, 20),
        Feature("zipcode", 0, 8, 9),
        Feature("hvalue", 0, 1_200_000),
        Feature("hyears", 1, 30),
        Feature("loan", 0, 500_000),
    )

    perturbation: float = Field(
        default=0.0, ge=0, le=1, description="noise of the numbers, as a share of their range"
    )

    def prepare(self, key: Tensor, variant: int | Tensor) -> State:
        return {"rule": numbered(self, key, variant)}

    def generate(
        self, state: State, key: Tensor, index: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Samples:
        keys, counter = lanes(key, index, 4 + len(_WHOLE) + 6)
        inputs = joined(torch.stack(_applicant(keys[: 4 + len(_WHOLE)], counter)))
        labels = self.label(state, inputs, time, which)
        if self.perturbation == 0:
            return Samples(inputs, labels)
        offset = self.perturbation * (2 * _exact(keys[-6:], counter) - 1)
        columns = [*_perturbed(_columns(inputs), offset)]  # a list: older compilers know no other
        return Samples(joined(torch.stack(columns)), labels)

    def label(
        self, state: State, inputs: Tensor, time: Tensor, which: Tensor | None = None
    ) -> Tensor:
        applicant = _columns(inputs)
        return choose([rule(applicant) for rule in _RULES], at(state["rule"], which))


def _columns(inputs: Tensor) -> Applicant:
    return Applicant(*inputs.to(torch.float64).unbind(-1))


def _exact(key: Tensor, counter: Tensor) -> Tensor:
    return draws.uniform(key, counter).to(torch.float64)


def _applicant(keys: Tensor, counter: Tensor) -> Applicant:
    """Draw the columns, float64."""
    salary, commission, hvalue, loan = _exact(keys[:4], counter)
    sizes = column(torch.tensor(list(_WHOLE.values()), device=counter.device), counter)
    drawn = draws.integers(keys[4:], counter, sizes).to(torch.float64)
    whole = dict(zip(_WHOLE, drawn, strict=True))
    salary = 20_000 + 130_000 * salary
    return Applicant(
        salary=salary,
        commission=torch.where(salary >= 75_000, 0, 10_000 + 75_000 * commission),
        age=20 + whole["age"],
        elevel=whole["elevel"],
        car=1 + whole["car"],
        zipcode=whole["zipcode"],
        hvalue=(8 - whole["zipcode"]) * 100_000 * (0.5 + hvalue),
        hyears=1 + whole["hyears"],
        loan=500_000 * loan,
    )


def _perturbed(a: Applicant, offset: Tensor) -> Applicant:
    """Each number moved by a share of its range [6, N], and kept within."""
    move = offset.unbind()
    house = (8 - a.zipcode) * 100_000
    commission = (a.commission + 75_000 * move[1]).clamp(10_000, 85_000)
    return a._replace(
        salary=(a.salary + 130_000 * move[0]).clamp(20_000, 150_000),
        commission=torch.where(a.commission > 0, commission, 0),
        age=(a.age + 60 * move[2]).clamp(20, 80).round(),
        hvalue=torch.minimum(torch.maximum(a.hvalue + house * move[3], 0.5 * house), 1.5 * house),
        hyears=(a.hyears + 29 * move[4]).clamp(1, 30).round(),
        loan=(a.loan + 500_000 * move[5]).clamp(0, 500_000),
    )


# -- the rules ------------------------------------------------------------------------------------
def _within(low: float, x: Tensor, high: float) -> Tensor:
    return (low <= x) & (x <= high)


def _by_age(age: Tensor, young: Tensor, middle: Tensor, old: Tensor) -> Tensor:
    return torch.where(age < 40, young, torch.where(age < 60, middle, old))


def _age(a: Applicant) -> Tensor:
    return (a.age < 40) | (a.age >= 60)


def _age_pay(age: Tensor, pay: Tensor) -> Tensor:
    return _by_age(
        age,
        _within(50_000, pay, 100_000),
        _within(75_000, pay, 125_000),
        _within(25_000, pay, 75_000),
    )


def _age_education(a: Applicant) -> Tensor:
    return _by_age(a.age, a.elevel <= 1, _within(1, a.elevel, 3), a.elevel >= 2)


def _age_education_salary(a: Applicant) -> Tensor:
    low = _within(25_000, a.salary, 75_000)
    middle = _within(50_000, a.salary, 100_000)
    high = _within(75_000, a.salary, 125_000)
    return _by_age(
        a.age,
        torch.where(a.elevel <= 1, low, middle),
        torch.where(_within(1, a.elevel, 3), middle, high),
        torch.where(a.elevel >= 2, middle, low),
    )


def _age_salary_loan(a: Applicant) -> Tensor:
    return _by_age(
        a.age,
        torch.where(
            _within(50_000, a.salary, 100_000),
            _within(100_000, a.loan, 300_000),
            _within(200_000, a.salary, 400_000),
        ),
        torch.where(
            _within(75_000, a.salary, 125_000),
            (a.salary >= 200_000) & (a.loan <= 400_000),
            _within(300_000, a.salary, 500_000),
        ),
        torch.where(
            _within(25_000, a.salary, 75_000),
            _within(300_000, a.loan, 500_000),
            _within(75_000, a.loan, 300_000),
        ),
    )


def _income(a: Applicant) -> Tensor:
    return 2 * (a.salary + a.commission) / 3


def _equity(a: Applicant) -> Tensor:
    return torch.where(a.hyears >= 20, a.hvalue * (a.hyears - 20) / 10, 0)


# class 0 where more than 1 is left to live on
_RULES: tuple[Callable[[Applicant], Tensor], ...] = (
    _age,
    lambda a: _age_pay(a.age, a.salary),
    _age_education,
    _age_education_salary,
    _age_salary_loan,
    lambda a: _age_pay(a.age, a.salary + a.commission),
    lambda a: _income(a) - a.loan / 5 - 20_000 <= 1,
    lambda a: _income(a) - 5000 * a.elevel - 20_000 <= 1,
    lambda a: _income(a) - 5000 * a.elevel - a.loan / 5 - 10_000 <= 1,
    lambda a: _income(a) - 5000 * a.elevel + _equity(a) / 5 - 10_000 <= 1,
)
