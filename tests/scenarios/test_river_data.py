"""Any data set of river is a scenario, sample by sample as river gives it."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from river import datasets
from river.datasets import synth

from streamsim import options, registry
from streamsim.cli import main
from streamsim.stream import Stream
from streamsim.testing import check, failures
from streamsim_scenarios import river_data


def opened(name: str, **given: Any) -> Stream:
    cls = registry.load("scenario", f"river:{name}")
    stream: Stream = options.build(cls, given, "scenario").stream(Path())
    return stream


AS_GIVEN = {"scaling": "none", "held_out": "false"}


@pytest.mark.parametrize("name", ["Phishing", "ImageSegments", "Bananas"])
def test_bundled_data_sets_are_what_river_gives(name: str) -> None:
    stream = opened(name, **AS_GIVEN)
    samples = list(getattr(datasets, name)())
    x = np.array([list(x.values()) for x, _ in samples], np.float32)
    classes = sorted({y for _, y in samples})
    assert torch.equal(stream.pool["x"], torch.from_numpy(x))
    assert stream.pool["y"].tolist() == [classes.index(y) for _, y in samples]


@pytest.mark.parametrize("name", ["synth.SEA", "SEA"])
def test_generators_take_their_own_options(name: str) -> None:
    stream = opened(name, variant="2", seed="7", noise="0.1", n_samples="500", **AS_GIVEN)
    samples = list(synth.SEA(variant=2, seed=7, noise=0.1).take(500))
    x = np.array([list(x.values()) for x, _ in samples], np.float32)
    assert torch.equal(stream.pool["x"], torch.from_numpy(x))
    assert stream.pool["y"].tolist() == [int(y) for _, y in samples]


def test_generators_repeat_themselves_without_a_seed() -> None:
    first, second = (opened("RandomRBF", n_samples="50") for _ in range(2))
    assert torch.equal(first.pool["x"], second.pool["x"])
    assert len(first.pool["y"]) == 50


def test_samples_do_not_depend_on_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = opened("Phishing")
    monkeypatch.setattr(river_data, "BLOCK", 7)
    assert torch.equal(opened("Phishing").pool["x"], whole.pool["x"])


def test_every_option_of_every_data_set_is_described() -> None:
    for name in river_data._known():
        described = options.describe(registry.load("scenario", f"river:{name}"))
        assert all(option.help and option.default != "required" for option in described)


@pytest.mark.parametrize("name", ["river:Phishing", "river:LED"])
def test_members_of_the_family_conform(name: str) -> None:
    assert failures(check(name)) == {}


class _Growing(datasets.base.Dataset):
    """A feature appears in the sixth sample."""

    def __init__(self) -> None:
        self.task = "Binary classification"

    def __iter__(self) -> Any:
        for i in itertools.count():
            yield {"a": float(i), **({"b": 1.0} if i >= 5 else {})}, i % 2 == 0


def test_a_feature_that_comes_up_late_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(river_data, "BLOCK", 4)
    with pytest.raises(ValueError, match="row 6: feature 'b' comes up for the first time"):
        for _ in river_data._source(_Growing()).pieces():
            pass


BAD = [
    ("river:Fishing", (), "river has no data set 'Fishing'; did you mean 'Phishing'?"),
    ("river:Xyzzy", (), "river has no data set 'Xyzzy'; see: streamsim show scenario "),
    ("rivr:Phishing", (), "unknown scenario 'rivr:Phishing'; did you mean 'river:Phishing'?"),
    ("river:NAME", (), "river:NAME stands for a data set of river; see: "),
    ("river:AirlinePassengers", (), "river:AirlinePassengers is for regression"),
    ("river:SolarFlare", (), "river:SolarFlare is for multi-output regression"),
    ("river:SEA", ("variant=9",), "river:SEA: "),
    ("river:SEA", ("variant=x",), "scenario.variant=x: input should be a valid integer"),
    ("river:SEA", ("varient=1",), "unknown option scenario.varient; .* mean 'variant'"),
    ("river:Elec2", (), "river:Elec2 is not downloaded; run: python -c .*Elec2.*download"),
]


@pytest.mark.parametrize(("name", "given", "message"), BAD)
def test_bad_names_and_options_are_one_line(
    name: str,
    given: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIVER_DATA", str(tmp_path / "river"))
    words = [word for text in given for word in ("--set", f"scenario.{text}")]
    monkeypatch.setattr(sys, "argv", ["streamsim", "run", name, "naive", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
    assert re.search(message, err), err
