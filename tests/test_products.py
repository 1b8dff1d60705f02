"""Products by oneDNN: the same numbers as torch's own, within the context alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import grad, vmap

from streamsim import products
from streamsim.products import by_onednn


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(products, "LARGE", 2)


def _numbers(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


LAYOUTS = {
    "plain": (_numbers(3, 5, 7), _numbers(3, 7, 4)),
    "left turned": (_numbers(3, 7, 5).mT, _numbers(3, 7, 4)),
    "right turned": (_numbers(3, 5, 7), _numbers(3, 4, 7).mT),
    "both turned": (_numbers(3, 7, 5).mT, _numbers(3, 4, 7).mT),
    "one for all": (_numbers(5, 7).expand(3, 5, 7), _numbers(3, 7, 4)),
    "every second": (_numbers(6, 5, 14)[::2, :, ::2], _numbers(3, 7, 4)),
    "a single row": (_numbers(3, 1, 7), _numbers(3, 7, 1)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_products_are_those_of_float64_whatever_the_layout(layout: str) -> None:
    a, b = LAYOUTS[layout]
    with by_onednn():
        product = torch.bmm(a, b)
        out = torch.bmm(a, b, out=torch.empty(0))
    exact = (a.double() @ b.double()).float()
    torch.testing.assert_close(product, exact)
    assert torch.equal(out, product)


def test_small_products_and_other_numbers_have_the_very_bits_of_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b = LAYOUTS["plain"]
    small, double = torch.bmm(a, b), torch.bmm(a.double(), b.double())
    with by_onednn():
        assert torch.equal(torch.bmm(a.double(), b.double()), double)
        monkeypatch.setattr(products, "LARGE", 2**22)
        assert torch.equal(torch.bmm(a, b), small)
        assert torch.equal(torch.bmm(a, b, out=torch.empty(0)), small)


def test_gradients_under_vmap_and_compiled_steps_go_through_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    w, x = _numbers(3, 4, 7), _numbers(3, 5, 7)
    calls = []
    own = products._bmm_out

    def counted(a: Tensor, b: Tensor, *, out: Tensor) -> Tensor:
        calls.append(a.shape)
        return own(a, b, out=out)

    def loss(w: Tensor, x: Tensor) -> Tensor:
        return torch.nn.functional.linear(x, w).square().sum()

    monkeypatch.setattr(products, "_bmm_out", counted)
    expected = vmap(grad(loss))(w, x)
    with by_onednn():
        torch.testing.assert_close(vmap(grad(loss))(w, x), expected)
        assert len(calls) >= 2
    num = len(calls)
    vmap(grad(loss))(w, x)
    assert len(calls) == num  # outside, torch is as it was


def test_the_context_is_left_when_something_fails() -> None:
    before = torch.bmm(*LAYOUTS["plain"])
    with pytest.raises(KeyError), by_onednn():
        raise KeyError
    assert torch.equal(torch.bmm(*LAYOUTS["plain"]), before)


def test_only_large_weights_of_processors_with_unused_units_gain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(products, "LARGE", 2**22)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    for vendor, gains in (("vendor_id : AuthenticAMD", True), ("GenuineIntel", False)):
        products._leaves_avx512_unused.cache_clear()
        monkeypatch.setattr(products, "_vendor", lambda vendor=vendor: vendor)
        assert products.gain([torch.zeros(256, 784)], rows=64) is gains
        assert products.gain([torch.zeros(64, 100)], rows=1280) is gains
        assert not products.gain([torch.zeros(100, 100), torch.zeros(10**6)], rows=64)
        assert not products.gain([], rows=1280)
    products._leaves_avx512_unused.cache_clear()
