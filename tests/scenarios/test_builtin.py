"""Claims that hold for every built-in scenario over labelled data."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.func

from streamsim import options, registry
from streamsim.stream import Stream
from streamsim_scenarios import PLUGINS
from streamsim_scenarios.permuted import Permuted
from streamsim_scenarios.rotated import Rotated
from streamsim_scenarios.split import Split

from .conftest import Make, key

FAMILIES = (Split, Permuted, Rotated)
NOWHERE = Path("nowhere")
DIGITS = [name for name in PLUGINS if name.endswith("-digits")]


def digits(name: str) -> Stream:
    stream: Stream = registry.load("scenario", name)().stream(NOWHERE)
    return stream


def test_listing_names_imports_nothing_heavy() -> None:
    code = "import sys, streamsim_scenarios; assert not {'torch', 'pydantic'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", PLUGINS)
def test_every_name_is_an_explained_class_of_options(name: str) -> None:
    found = registry.load("scenario", name)
    line = inspect.getdoc(found)
    assert line is not None
    assert line.splitlines()[0].endswith(".")
    assert found.reference
    described = options.describe(found)
    assert described
    assert all(option.help for option in described)
    required = [option.name for option in described if option.default == "required"]
    assert required == (["path", "label"] if name == "table" else [])


@pytest.mark.parametrize("name", DIGITS)
def test_every_label_and_id_is_in_range(name: str) -> None:
    stream = digits(name)
    replica = stream.draw(key(0))
    assert len(replica.experiences) == stream.spec.num_experiences
    for experience in replica.experiences:
        for ids in (experience.train, experience.test):
            x = stream.view.inputs(stream.pool, replica.tables, ids)
            y = stream.view.labels(stream.pool, replica.tables, ids)
            assert x.shape == (len(ids), *stream.spec.input_shape)
            assert (x.dtype, y.dtype, ids.dtype) == (torch.float32, torch.int64, torch.int64)
            assert 0 <= y.min() <= y.max() < stream.spec.num_classes


@pytest.mark.parametrize("name", DIGITS)
def test_ids_of_any_shape_are_understood(name: str) -> None:
    stream = digits(name)
    replica = stream.draw(key(0))
    ids = replica.experiences[1].train[:6]
    for look in (stream.view.inputs, stream.view.labels, stream.view.tasks):
        flat = look(stream.pool, replica.tables, ids)
        square = look(stream.pool, replica.tables, ids.view(2, 3))
        assert torch.equal(flat, square.flatten(0, 1))


@pytest.mark.parametrize("name", DIGITS)
def test_views_leave_pool_and_tables_untouched(name: str) -> None:
    stream = digits(name)
    replica = stream.draw(key(0))
    before = copy.deepcopy((stream.pool, replica.tables))
    stream.view.inputs(stream.pool, replica.tables, replica.experiences[1].train)
    for old, new in zip(before, (stream.pool, replica.tables), strict=True):
        assert all(torch.equal(old[k], new[k]) for k in new)


@pytest.mark.parametrize("family", FAMILIES)
def test_own_data_travels_with_the_scenario(family: type[Split], make: Make) -> None:
    scenario = family(n_experiences=2).on(make())
    again = pickle.loads(pickle.dumps(scenario))
    assert again == scenario
    assert torch.equal(again.stream(NOWHERE).pool["x"], scenario.stream(NOWHERE).pool["x"])


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_and_nested_maps_pass_through_the_view(family: type[Split], make: Make) -> None:
    stream = family(n_experiences=2).on(make()).stream(NOWHERE)
    replica = stream.draw(key(0))
    ids = replica.experiences[1].train[:4].view(2, 2)

    def loss(scale: torch.Tensor, some: torch.Tensor) -> torch.Tensor:
        return (scale * stream.view.inputs(stream.pool, replica.tables, some)).sum()

    grads = torch.func.vmap(torch.func.grad(loss), (None, 0))(torch.tensor(1.0), ids)
    expected = stream.view.inputs(stream.pool, replica.tables, ids).flatten(1).sum(1)
    torch.testing.assert_close(grads, expected)
