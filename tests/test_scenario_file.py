"""Scenarios as TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import streamsim
from streamsim import configuration, drive, scenario_file
from streamsim.modifiers import Modified
from streamsim_scenarios.drift import SeaAbrupt
from streamsim_scenarios.modifiers.label_noise import LabelNoise

WHOLE = """
scenario = "sea-abrupt"
samples = 6_000
start = 3

[options]
noise = 0.05
test_samples = 40

[[takeovers]]
at = 3_000
to = 2
kind = "gradual"
width = 500

[[takeovers]]
at = 4_500
to = 3

[modifiers.label-noise]
share = 0.25
"""


def _write(folder: Path, text: str) -> str:
    path = folder / "drift.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_stands_for_a_name_and_its_options(tmp_path: Path) -> None:
    name, options = scenario_file.read(_write(tmp_path, WHOLE))
    assert name == "sea-abrupt+label-noise"
    assert options == {
        "scenario.n_samples": 6000,
        "scenario.concepts": [3, 2, 3],
        "scenario.positions": [3000, 4500],
        "scenario.widths": [500, 0],
        "scenario.drift": ["gradual", "gradual"],
        "scenario.noise": 0.05,
        "scenario.test_samples": 40,
        "scenario.label-noise.share": 0.25,
    }
    wanted, objects = configuration.resolve(
        str(tmp_path / "drift.toml"), "naive", "mlp", {}, 1, {}, None
    )
    built = configuration.build(wanted, objects, {}).scenario
    schedule: dict[str, Any] = {"concepts": (3, 2, 3), "positions": (3000, 4500)}
    schedule |= {"widths": (500, 0), "drift": ("gradual", "gradual")}
    expected = SeaAbrupt(n_samples=6000, noise=0.05, test_samples=40, **schedule)
    assert built == Modified(expected, {"label-noise": LabelNoise(share=0.25)})


@pytest.mark.parametrize(
    ("takeover", "widths", "drift"),
    [
        ("", [0], ["gradual"]),
        ('kind = "abrupt"', [0], ["gradual"]),
        ("width = 9", [9], ["gradual"]),
        ('kind = "gradual"\nwidth = 9', [9], ["gradual"]),
        ('kind = "incremental"\nwidth = 9', [9], ["incremental"]),
    ],
)
def test_kind_and_width_follow_from_one_another(
    tmp_path: Path, takeover: str, widths: list[int], drift: list[str]
) -> None:
    text = f'scenario = "sea-abrupt"\n[[takeovers]]\nat = 100\nto = 1\n{takeover}\n'
    _, options = scenario_file.read(_write(tmp_path, text))
    assert (options["scenario.widths"], options["scenario.drift"]) == (widths, drift)


def test_every_takeover_has_a_kind_of_its_own(tmp_path: Path) -> None:
    text = "".join(
        f"[[takeovers]]\nat = {at}\nto = {at % 3}\n{kind}\n"
        for at, kind in (
            (400, 'kind = "abrupt"'),
            (700, "width = 90"),
            (800, 'kind = "incremental"\nwidth = 500'),
        )
    )
    _, options = scenario_file.read(_write(tmp_path, 'scenario = "sea-abrupt"\n' + text))
    assert options["scenario.widths"] == [0, 90, 500]
    assert options["scenario.drift"] == ["gradual", "gradual", "incremental"]


def test_kinds_can_also_be_given_as_options_are(tmp_path: Path) -> None:
    text = (
        'scenario = "digits-stream"\n[modifiers.rotation]\nlevels = [0, 90, 0]\n'
        'widths = [300, 600]\ndrift = ["gradual", "incremental"]\n'
        '[modifiers.brightness]\ndrift = "gradual"'
    )
    _, options = scenario_file.read(_write(tmp_path, text))
    assert options["scenario.rotation.drift"] == ["gradual", "incremental"]
    assert options["scenario.brightness.drift"] == "gradual"


def test_a_file_without_takeovers_leaves_the_schedule_to_the_scenario(tmp_path: Path) -> None:
    text = 'scenario = "split-digits"\n[options]\nn_experiences = 2\n'
    assert scenario_file.read(_write(tmp_path, text)) == (
        "split-digits",
        {"scenario.n_experiences": 2},
    )
    alone = scenario_file.read(_write(tmp_path, 'scenario = "sea-abrupt"\nstart = 2\n'))[1]
    assert (alone["scenario.concepts"], alone["scenario.positions"]) == ([2], [])


SEA = 'scenario = "sea-abrupt"\n'
TAKEOVER = SEA + "[[takeovers]]\nat = 100\nto = 1\n"
BAD = [
    ("", "scenario is missing; write scenario ="),
    ("scenario = 3", "scenario is missing; write scenario ="),
    ('scenario = "sea-abrup"', "unknown scenario 'sea-abrup'; did you mean 'sea-abrupt'"),
    ("scenario = ", "is no TOML: "),
    (SEA + "sampels = 9", "unknown key sampels; choose .*; did you mean 'samples'"),
    (SEA + "samples = 0", "samples=0: give a whole number of 1 or more"),
    (SEA + "samples = true", "samples=True: give a whole number of 1 or more"),
    (SEA + "samples = 2.5", r"samples=2\.5: give a whole number"),
    (SEA + "start = -1", "start=-1: give a whole number of 0 or more"),
    (SEA + "options = 3", r"options=3: write a table, \[options\]"),
    (SEA + "[options]\nnois = 1", "unknown option scenario.nois; .*did you mean 'noise'"),
    (SEA + "[options]\nnoise = 2", "scenario.noise=2: .*less than or equal to 1"),
    (TAKEOVER + "[options]\nwidths = [5]", "options.widths: samples, start and takeovers say this"),
    (SEA + "takeovers = 3", r"takeovers: write each one below a line \[\[takeovers\]\]"),
    (SEA + "[[takeovers]]\nto = 1", r"takeovers\[1\].at is missing: give a whole number of 1"),
    (SEA + "[[takeovers]]\nat = 1", r"takeovers\[1\].to is missing: give a whole number of 0"),
    (TAKEOVER + "knid = 3", r"unknown key takeovers\[1\].knid; .*did you mean 'kind'"),
    (TAKEOVER + 'kind = "graduall"', r"kind='graduall': choose .*did you mean 'gradual'"),
    (TAKEOVER + 'kind = "gradual"', r"takeovers\[1\].width=0: kind='gradual' has a width of 1"),
    (TAKEOVER + 'kind = "abrupt"\nwidth = 5', r"\.width=5: kind='abrupt' has no width"),
    (
        TAKEOVER + "[[takeovers]]\nat = 100\nto = 0",
        r"takeovers\[2\].at=100: the one before is at 1",
    ),
    (SEA + "[options]\ndrift = 3", "scenario.drift=3: input should be a valid tuple"),
    (SEA + 'options = {drift = ["gradul"]}', "drift=gradul: .*; did you mean 'gradual'"),
    (SEA + 'options = {drift = ["gradual", "gradual"]}', "give one kind for all 3 takeovers"),
    (TAKEOVER.replace("100", "30_000"), "positions=30000: choose .* n_samples=20000"),
    ('scenario = "split-digits"\nsamples = 5', "samples: the scenario split-digits has no n_samp"),
    (
        'scenario = "split-digits"\nstart = 5',
        "start and takeovers: the scenario split-digits has no concepts",
    ),
    (SEA + "[modifiers]\nlabel-noise = 3", r"modifiers.label-noise=3: write a table"),
    (SEA + "[modifiers.label-nois]", "unknown modifier 'label-nois'; did you mean 'label-noise'"),
    (SEA + "[modifiers.label-noise]\nshare = 2", "scenario.label-noise.share=2"),
]


@pytest.mark.parametrize(("text", "complaint"), BAD)
def test_a_wrong_file_is_refused_with_its_name_and_the_key(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(ValueError, match=complaint) as caught:
        scenario_file.read(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.toml: cannot be read: No such file"):
        scenario_file.read(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"bytes\.toml: cannot be read: it is not UTF-8 text"):
        scenario_file.read(tmp_path / "bytes.toml")


def test_options_given_besides_go_before_the_file(tmp_path: Path) -> None:
    path = _write(tmp_path, WHOLE)
    given = {"scenario.noise": "0.5"}
    swept = {"scenario.share": ["0.1", "0.2"]}
    found, _ = configuration.resolve(path, "naive", "mlp", given, 1, {}, None)
    assert found.options["scenario.noise"] == 0.5
    wide, _ = configuration.resolve(
        path, "naive", "mlp", {}, 1, {"scenario.label-noise.share": swept["scenario.share"]}, None
    )
    assert wide.sweep == {"scenario.label-noise.share": (0.1, 0.2)}


def test_a_run_resumes_without_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path, WHOLE.replace("6_000", "5_000"))
    small: dict[str, Any] = {"options": {"train.batch_size": 50}, "compile": "off"}
    whole = streamsim.run(path, "naive", out=tmp_path / "whole", **small)
    monkeypatch.setattr(drive, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(drive, "CHECKPOINT_SHARE", 1e9)

    def stop(progress: drive.Progress) -> None:
        if progress.experience == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        streamsim.run(path, "naive", out=tmp_path / "half", progress=stop, **small)
    Path(path).unlink()
    again = streamsim.resume(tmp_path / "half")
    assert again.status == "finished"
    for table in ("accuracy", "prequential"):
        assert again.table(table).equals(whole.table(table))
