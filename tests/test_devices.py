"""Where a population runs, and in how many chunks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from streamsim import devices
from streamsim.models import Cnn, Mlp, ReducedResnet18
from streamsim.stream import StreamSpec

CPU = torch.device("cpu")


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: bool = False, mps: bool = False) -> None:
    """A machine with or without GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


# -- choosing -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(False, False, "cpu"), (True, False, "cuda"), (False, True, "mps"), (True, True, "cuda")],
)
def test_auto_takes_a_gpu_if_there_is_one(
    cuda: bool, mps: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, cuda=cuda, mps=mps)
    assert devices.choose("auto") == torch.device(chosen)
    assert devices.choose(chosen) == torch.device(chosen)
    assert devices.choose("cpu") == CPU


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_in_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch)
    with pytest.raises(ValueError, match=name) as caught:
        devices.choose(name)
    assert str(caught.value) == f"--device {name}: this machine has none; available: cpu"


@pytest.mark.parametrize("name", ["gpu", "", "CPU", "cuda:0"])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^--device {name}: choose auto, cpu, cuda or mps$"):
        devices.choose(name)


def test_a_cpu_is_described_with_its_threads() -> None:
    assert devices.describe(CPU) == f"cpu, {torch.get_num_threads()} threads"


# -- memory ---------------------------------------------------------------------------------------
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_chunks_are_few_equal_and_hold_everyone(num_replicas: int, largest: int) -> None:
    sizes = devices.chunk_sizes(num_replicas, largest)
    assert sum(sizes) == num_replicas
    assert 1 <= min(sizes) <= max(sizes) <= largest
    assert max(sizes) - min(sizes) <= 1
    assert (len(sizes) - 1) * largest < num_replicas  # one fewer could not hold them


def test_the_budget_does_not_depend_on_what_is_free() -> None:
    before = devices.budget(CPU)
    held = torch.ones(2**24)
    assert devices.budget(CPU) == before > held.nbytes


def test_peak_memory_is_in_bytes() -> None:
    held = torch.ones(2**22)
    assert devices.peak_bytes(CPU)["host"] > held.nbytes


def test_tensors_kept_for_the_backward_pass_are_weighed() -> None:
    x, y = torch.ones(10, requires_grad=True), torch.ones(10, requires_grad=True)

    def product(x: Tensor, y: Tensor) -> Tensor:
        return x * y

    assert devices.saved_bytes(product, x, y) == 2 * 10 * 4
    assert devices.saved_bytes(product, x.detach(), y) == 10 * 4  # the factor of y alone
    assert devices.saved_bytes(product, x.detach(), y.detach()) == 0


# -- models ---------------------------------------------------------------------------------------
def test_convolutions_are_recognised_wherever_they_are() -> None:
    spec = StreamSpec(
        input_shape=(1, 8, 8),
        num_classes=3,
        num_experiences=1,
        setting="class",
        reveals=frozenset(),
    )
    assert devices.convolves(Cnn(channels=(4,)).build(spec))
    assert devices.convolves(ReducedResnet18(width=4).build(spec))
    assert devices.convolves(nn.Sequential(nn.Sequential(nn.ConvTranspose1d(1, 1, 1))))
    assert not devices.convolves(Mlp().build(spec))
