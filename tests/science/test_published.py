"""Split MNIST against published numbers: van de Ven, Tuytelaars & Tolias 2022, "Three types of
incremental learning", Nature Machine Intelligence 4, table 2, with the protocol of that paper:
MLP 784-400-400, Adam 0.001, batch 128, 2000 iterations at each of 5 experiences of two shuffled
classes.

Slow: `nox -s science`. Run as a script, it prints the whole table.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import streamsim

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
ITERATIONS = 2000
EWC_STRENGTH = {"class": 1e9, "domain": 1e10, "task": 1e5}
PUBLISHED = {
    "none": {"class": 19.9, "domain": 60.0, "task": 84.0},
    "ewc": {"class": 20.6, "domain": 63.0, "task": 99.0},
    "lwf": {"class": 22.0, "domain": 72.0, "task": 99.6},
    "replay": {"class": 89.0, "domain": 94.0, "task": 99.0},
    "joint": {"class": 98.2, "domain": 98.6, "task": 99.7},
}
REPLAY = {
    "strategy.replay.policy": "per-class",
    "strategy.replay.memory_size": 1000,  # 100 per class
    "strategy.replay.weighting": "experiences",
}


def protocol(method: str, setting: str) -> tuple[str, dict[str, Any]]:
    """Strategy and options of one cell of the table."""
    part = "naive" if method == "none" else method
    strategy = f"multihead+{part}" if setting == "task" else part
    options: dict[str, Any] = {
        "scenario.setting": setting,
        "model.hidden": (400, 400),
        "train.optimizer": "adam",
        "train.lr": 0.001,
        "train.batch_size": 128,
        "train.iterations": ITERATIONS,
    }
    if method == "ewc":
        options["strategy.ewc.strength"] = EWC_STRENGTH[setting]
    if method == "lwf":
        # their distillation lacks the factor T^2, and grows with the experiences unless classes do
        options |= {
            "strategy.lwf.temperature": 2.0,
            "strategy.lwf.alpha": 1 / 2.0**2,
            "strategy.lwf.growing": setting != "class",
        }
    return strategy, options | (REPLAY if method == "replay" else {})


def accuracy(method: str, setting: str, seeds: int, **execution: Any) -> tuple[float, float]:
    """Average accuracy after the stream and half its 95 % interval, in percent."""
    strategy, options = protocol(method, setting)
    run = streamsim.run("split-mnist", strategy, options=options, seeds=seeds, **execution)
    row = run.summary().set_index("metric").loc["average_accuracy"].to_dict()
    return 100 * float(row["mean"]), 100 * float(row["ci95"])


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["class", "domain", "task"])
@pytest.mark.parametrize("method", list(PUBLISHED))
def test_split_mnist_reaches_the_published_accuracy(
    method: str, setting: str, tmp_path: Path
) -> None:
    if not (SHARED / "MNIST").is_dir():
        pytest.skip(f"needs MNIST in {SHARED.name}/ beside the checkout")
    mean, half = accuracy(method, setting, 5, data=SHARED, out=tmp_path)
    assert abs(mean - PUBLISHED[method][setting]) < 2 + half


def table(folder: Path, seeds: int, **execution: Any) -> None:
    """Print measured against published accuracy for every cell."""
    for method, cells in PUBLISHED.items():
        for setting, published in cells.items():
            out = folder / f"{method}-{setting}"
            mean, half = accuracy(method, setting, seeds, out=out, **execution)
            print(
                f"{method:7} {setting:7} {mean:6.2f} ± {half:4.2f}  published {published}",
                flush=True,
            )


if __name__ == "__main__":
    table(Path(sys.argv[1]), int(sys.argv[2]), data=Path(sys.argv[3]))
