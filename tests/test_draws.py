"""Random numbers are pure functions of key and counter, with the distributions they claim."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.func import vmap

from streamsim import draws
from streamsim.compilation import Compiler

INT64 = st.integers(-(2**63), 2**63 - 1)
KEY = torch.tensor(2024)
Draw = Callable[[Tensor, Tensor], Tensor]
DRAWS: dict[str, Draw] = {
    "bits": draws.bits,
    "uniform": draws.uniform,
    "integers": lambda key, counter: draws.integers(key, counter, 10),
    "normal": draws.normal,
}
each_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


def splitmix64(seed: int, counter: int) -> int:
    """Steele, Lea & Flood 2014, in NumPy's unsigned arithmetic."""

    def unsigned(value: int) -> npt.NDArray[np.uint64]:
        return np.array([value % 2**64], dtype=np.uint64)

    z = unsigned(seed) + unsigned(counter + 1) * unsigned(0x9E3779B97F4A7C15)
    z = (z ^ (z >> unsigned(30))) * unsigned(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> unsigned(27))) * unsigned(0x94D049BB133111EB)
    return int((z ^ (z >> unsigned(31)))[0])


def is_plausible(counts: npt.ArrayLike) -> bool:
    """Whether equally likely outcomes were counted, by Pearson's test; keys are fixed, so this
    never flickers."""
    return bool(stats.chisquare(counts).pvalue > 1e-3)


def test_bits_are_the_published_outputs_of_splitmix64() -> None:
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    drawn = draws.bits(torch.tensor(1234567), draws.counters(5)).tolist()
    assert [bits % 2**64 for bits in drawn] == published


@settings(deadline=None)
@given(seed=INT64, counter=INT64)
def test_bits_equal_an_independent_implementation(seed: int, counter: int) -> None:
    drawn = draws.bits(torch.tensor(seed), torch.tensor(counter))
    assert drawn.dtype == torch.int64
    assert int(drawn) % 2**64 == splitmix64(seed, counter)


@settings(deadline=None)
@given(seed=INT64, by=st.integers(-(2**62), 2**62))
def test_a_key_ahead_draws_what_comes_later(seed: int, by: int) -> None:
    key, counter = torch.tensor(seed), draws.counters(20)
    ahead = draws.ahead(key, torch.tensor(by))
    for draw in (draws.bits, draws.uniform, DRAWS["integers"]):
        assert torch.equal(draw(ahead, counter), draw(key, counter + by))


# -- distributions --------------------------------------------------------------------------------
def test_uniform_numbers_fill_their_interval_evenly() -> None:
    x = draws.uniform(KEY, draws.counters(2**18))
    assert x.dtype == torch.float32
    assert is_plausible(torch.histc(x, 256, 0, 1).numpy())
    assert float(x.double().mean()) == pytest.approx(1 / 2, abs=0.002)
    assert float(x.double().var()) == pytest.approx(1 / 12, abs=0.001)


@pytest.mark.parametrize("lag", [1, 2, 7])
def test_successive_uniform_numbers_are_independent(lag: int) -> None:
    cell = (draws.uniform(KEY, draws.counters(2**17)) * 16).long()
    pairs = 16 * cell[:-lag:2] + cell[lag::2][: len(cell[:-lag:2])]
    assert is_plausible(pairs.bincount(minlength=256).numpy())


@pytest.mark.parametrize("bits", [0, -1, 2**63 - 1, -(2**63), 2**39, 2**40])
def test_extreme_bits_stay_in_range(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bits", "_upper"):
        monkeypatch.setattr(draws, name, lambda key, counter: torch.full_like(counter, bits))
    counter = draws.counters(3)
    assert ((draws.uniform(KEY, counter) >= 0) & (draws.uniform(KEY, counter) < 1)).all()
    assert draws.normal(KEY, counter).isfinite().all()
    for high in (1, 2, 10, 2**31 - 1):
        drawn = draws.integers(KEY, counter, high)
        assert ((drawn >= 0) & (drawn < high)).all()


def test_the_largest_uniform_number_is_one_step_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "_upper", lambda key, counter: torch.full_like(counter, -1))
    assert draws.uniform(KEY, torch.tensor(0)).item() == 1 - 2**-24


@settings(deadline=None)
@given(seed=INT64, high=st.integers(1, 2**31 - 1))
def test_integers_are_in_range(seed: int, high: int) -> None:
    drawn = draws.integers(torch.tensor(seed), draws.counters(50), high)
    assert drawn.dtype == torch.int64
    assert int(drawn.min()) >= 0
    assert int(drawn.max()) < high


@pytest.mark.parametrize("high", [2, 3, 7, 10, 1000])
def test_integers_are_unbiased(high: int) -> None:
    drawn = draws.integers(KEY, draws.counters(2**17), high)
    assert is_plausible(drawn.bincount(minlength=high).numpy())


def test_every_integer_may_have_a_bound_of_its_own() -> None:
    high = torch.tensor([1, 5, 1000]).repeat(200)
    counter = draws.counters(600)
    together = draws.integers(KEY, counter, high)
    alone = [int(draws.integers(KEY, c, int(h))) for c, h in zip(counter, high, strict=True)]
    assert together.tolist() == alone


@settings(deadline=None)
@given(seed=INT64, counter=st.integers(0, 2**60))
def test_normal_numbers_are_those_of_box_and_muller(seed: int, counter: int) -> None:
    first, second = (splitmix64(seed, 2 * counter + i) >> 11 for i in (0, 1))
    expected = np.sqrt(-2 * np.log((first + 1) / 2**53)) * np.cos(2 * np.pi * second / 2**53)
    drawn = float(draws.normal(torch.tensor(seed), torch.tensor(counter)))
    assert drawn == pytest.approx(float(expected), rel=2e-7, abs=1e-12)


def test_normal_numbers_are_standard_normal() -> None:
    x = draws.normal(KEY, draws.counters(2**17))
    assert x.dtype == torch.float32
    wide = x.double()
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        error = float((wide**power).mean()) - expected
        assert abs(error) < 4 * (variance / len(x)) ** 0.5
    assert stats.kstest(wide.numpy(), "norm").pvalue > 1e-3


def test_successive_normal_numbers_are_uncorrelated() -> None:
    x = draws.normal(KEY, draws.counters(2**17))
    assert abs(float((x[:-1] * x[1:]).mean())) < 0.01
    assert abs(float((x[:-1].square() * x[1:].square()).mean()) - 1) < 0.05


@settings(deadline=None)
@given(seed=INT64, size=st.integers(0, 60))
def test_a_permutation_has_every_place_once(seed: int, size: int) -> None:
    assert draws.permutation(torch.tensor(seed), size).sort().values.tolist() == list(range(size))


def test_every_permutation_is_equally_likely() -> None:
    orders = draws.permutation(draws.counters(12_000), 4)
    names = (orders * torch.tensor([64, 16, 4, 1])).sum(-1)
    counts = np.unique(names.numpy(), return_counts=True)[1]
    assert len(counts) == 24
    assert is_plausible(counts)


# -- keys -----------------------------------------------------------------------------------------
def test_seeds_purposes_experiences_and_steps_have_keys_of_their_own() -> None:
    keys = {
        int(draws.fold(torch.tensor(seed), purpose, experience, step))
        for seed in range(8)
        for purpose in ("order", "weights", "replay")
        for experience in range(8)
        for step in range(8)
    }
    assert len(keys) == 8 * 3 * 8 * 8


@settings(deadline=None)
@given(seed=INT64, a=INT64, b=INT64)
def test_folding_is_one_field_after_the_other(seed: int, a: int, b: int) -> None:
    key = torch.tensor(seed)
    folded = draws.fold(key, a, "noise", b)
    assert folded == draws.fold(draws.fold(draws.fold(key, a), "noise"), b)


@settings(deadline=None)
@given(seed=INT64, a=INT64, b=INT64)
def test_swapping_fields_gives_another_key(seed: int, a: int, b: int) -> None:
    key = torch.tensor(seed)
    assert (draws.fold(key, a, b) == draws.fold(key, b, a)) == (a == b)


def test_folding_a_purpose_compiles() -> None:
    """Views, which are compiled, may fold a key: one that did not trace would split the program."""

    def number(key: Tensor) -> Tensor:
        return draws.uniform(draws.fold(key, "noise"), torch.arange(4))

    key = torch.tensor(7)
    Compiler("on").step("number", "", number, number, (key,))  # tells the compiler about names
    compiled = torch.compile(number, backend="eager", fullgraph=True)
    assert torch.equal(compiled(key), number(key))


def test_keys_on_a_lattice_do_not_meet() -> None:
    """Without a second mixing round, (key, field) and (key + gamma, field - 1) would be one."""
    gamma = 0x9E3779B97F4A7C15 - 2**64
    key, moved = torch.tensor(5), torch.tensor(5) + gamma
    assert draws.fold(key, 3) != draws.fold(moved, 2)


@pytest.mark.parametrize(
    ("first", "second"),
    [((7, "order"), (7, "weights")), ((7, "order"), (8, "order")), ((7, 1), (7, 2))],
)
def test_streams_of_two_keys_are_independent(
    first: tuple[int, int | str], second: tuple[int, int | str]
) -> None:
    cells = [
        (draws.uniform(draws.fold(torch.tensor(seed), field), draws.counters(2**16)) * 16).long()
        for seed, field in (first, second)
    ]
    assert is_plausible((16 * cells[0] + cells[1]).bincount(minlength=256).numpy())


def test_keys_stay_what_they_were() -> None:
    """An unfinished run must go on with the same draws under the next release."""
    assert draws.purpose("order") == 2266928318220497415
    assert draws.fold(torch.tensor(7), "order", 3).item() == -1460536118352648291


# -- batching -------------------------------------------------------------------------------------
@each_draw
def test_draws_do_not_depend_on_what_is_drawn_beside_them(draw: Draw) -> None:
    keys, counter = draws.fold(draws.counters(4), "any"), draws.counters(5, 3)
    alone = torch.stack([torch.stack([draw(k, c) for c in counter.flatten()]) for k in keys])
    alone = alone.view(4, 5, 3)
    assert torch.equal(draw(keys[:, None, None], counter), alone)
    assert torch.equal(vmap(draw, in_dims=(0, None))(keys, counter), alone)


def test_folds_and_permutations_do_not_depend_on_batching() -> None:
    seeds, fields = draws.counters(6), draws.counters(6) * 3
    keys = torch.stack([draws.fold(s, "a", f) for s, f in zip(seeds, fields, strict=True)])
    assert torch.equal(draws.fold(seeds, "a", fields), keys)
    assert torch.equal(vmap(lambda s, f: draws.fold(s, "a", f))(seeds, fields), keys)
    orders = torch.stack([draws.permutation(key, 9) for key in keys])
    assert torch.equal(draws.permutation(keys, 9), orders)
    assert torch.equal(vmap(lambda key: draws.permutation(key, 9))(keys), orders)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_draws_the_same_bits() -> None:
    counter = draws.counters(100_000)
    for draw in (draws.bits, draws.uniform, DRAWS["integers"]):
        assert torch.equal(draw(KEY.cuda(), counter.cuda()).cpu(), draw(KEY, counter))
    assert torch.equal(draws.permutation(KEY.cuda(), 1000).cpu(), draws.permutation(KEY, 1000))
    torch.testing.assert_close(
        draws.normal(KEY.cuda(), counter.cuda()).cpu(),
        draws.normal(KEY, counter),
        rtol=2e-7,
        atol=1e-9,
    )
