"""Real data sets: where they lie, whether they are there, and getting them when asked to.

Only `get` uses the network. `streamsim.readers` knows the files.

Shape letters: N samples.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import platformdirs
import torch
from torch import Tensor

from streamsim import readers
from streamsim.options import did_you_mean
from streamsim.readers import Parts, Reader


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledData:
    """Samples with class labels: a published data set, or your own.

    Inputs are float32, used as they are, or uint8, which stands for [0, 1] in steps of 1/255.

    >>> x, y = torch.rand(4, 2), torch.tensor([0, 1, 0, 1])
    >>> LabelledData(name="mine", x_train=x, y_train=y, x_test=x, y_test=y, num_classes=2).shape
    (2,)
    """

    name: str
    x_train: Tensor = field(repr=False)  # [N, ...], images as [N, channels, height, width]
    y_train: Tensor = field(repr=False)  # [N] int64, 0 .. num_classes-1
    x_test: Tensor = field(repr=False)
    y_test: Tensor = field(repr=False)
    num_classes: int
    num_background: int = 0  # the first classes, if they are meant for meta-training only

    def __post_init__(self) -> None:
        for part, x, y in (
            ("train", self.x_train, self.y_train),
            ("test", self.x_test, self.y_test),
        ):
            if x.dtype not in (torch.float32, torch.uint8) or y.dtype != torch.int64:
                raise ValueError(
                    f"{self.name}: {part} inputs of {x.dtype} and labels of {y.dtype}; "
                    "give inputs of torch.float32 or torch.uint8 and labels of torch.int64"
                )
            if y.shape != x.shape[:1] or len(y) == 0 or x.shape[1:] != self.shape:
                raise ValueError(
                    f"{self.name}: {part} inputs of shape {tuple(x.shape)} and labels of shape "
                    f"{tuple(y.shape)}; give one label for each input of shape {self.shape}"
                )
            if y.min() < 0 or y.max() >= self.num_classes:
                raise ValueError(
                    f"{self.name}: {part} labels from {y.min()} to {y.max()}; "
                    f"labels of {self.num_classes} classes run from 0 to {self.num_classes - 1}"
                )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.x_train.shape[1:])


class DataSet(NamedTuple):
    """A published data set: what it is, how it is read, its files below the data root."""

    about: str
    read: Reader | None  # None: rows in the order of time, which only scenarios read
    files: tuple[str, ...] = ()  # NAME counts as present when NAME.zip is
    torchvision: str = ""  # the torchvision class that downloads it
    parts: tuple[Mapping[str, bool], ...] = ({"train": True},)  # arguments that bring all of it
    source: str = ""  # where it comes from, if not by torchvision


class Status(NamedTuple):
    """One line of `streamsim data`."""

    name: str
    present: bool
    path: Path
    about: str


def data_root(given: Path | None = None) -> Path:
    """Where data sets lie: what is given, else STREAMSIM_DATA, else the user's data folder.

    >>> data_root(Path("here")).name
    'here'
    """
    if given is not None:
        return given.expanduser()
    if named := os.environ.get("STREAMSIM_DATA"):
        return Path(named).expanduser()
    return platformdirs.user_data_path("streamsim", appauthor=False) / "data"


def load(name: str, root: Path) -> LabelledData:
    """A data set as tensors, or one ValueError line that says what to do."""
    known = _known(name)
    if known.read is None:
        raise ValueError(f"{name} is rows in the order of time; use the scenario '{name}'")
    files(name, root)
    try:
        return _labelled(name, known.read(name, root))
    except OSError as error:
        raise ValueError(f"{name} in {root} cannot be read: {readers.first_line(error)}") from None


def files(name: str, root: Path) -> list[Path]:
    """The files of a data set, or one ValueError line that says what to do."""
    known = _known(name)
    if missing := _missing(known, root):
        how = f"put it there, from {known.source}"
        if known.torchvision:
            how = f"run `streamsim data get {name}`"
        raise ValueError(
            f"{name} is not in {root} (no {missing}); {how}, "
            "or name the folder that has it with --data-root or STREAMSIM_DATA"
        )
    return [root / file for file in known.files]


def status(name: str, root: Path) -> Status:
    """Whether a data set is there, without reading it."""
    known = _known(name)
    path = root / known.files[0].split("/")[0] if known.files else readers.digits_file()
    return Status(name, not _missing(known, root), path, known.about)


def get(name: str, root: Path) -> Status:
    """Download a data set unless it is there; a killed download leaves no half-written file."""
    known = _known(name)
    if not known.torchvision:
        files(name, root)  # what cannot be downloaded is there, or its message says how to get it
    elif _missing(known, root):
        try:
            root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=root, prefix=f".{name}-") as folder:
                for part in known.parts:
                    readers.torchvision_class(known.torchvision)(folder, download=True, **part)
                _move(Path(folder), root)
        except (OSError, RuntimeError) as error:
            raise ValueError(
                f"cannot download {name} to {root}: {readers.first_line(error)}; "
                "check the network and the folder, or copy the files there by hand"
            ) from None
    return status(name, root)


def _known(name: str) -> DataSet:
    if name not in DATASETS:
        hint = did_you_mean(name, DATASETS) or f"; there are {', '.join(DATASETS)}"
        raise ValueError(f"unknown data set '{name}'{hint}")
    return DATASETS[name]


def _missing(known: DataSet, root: Path) -> str:
    """The first of its files that is not below the root, or nothing."""
    absent = (f for f in known.files if not ((root / f).exists() or (root / f"{f}.zip").is_file()))
    return next(absent, "")


def _move(source: Path, target: Path) -> None:
    """Move every file of a folder to the same place in another one."""
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, place)


def _labelled(name: str, parts: Parts) -> LabelledData:
    return LabelledData(
        name=name,
        x_train=parts.train[0],
        y_train=parts.train[1],
        x_test=parts.test[0],
        y_test=parts.test[1],
        num_classes=int(parts.train[1].max()) + 1,
        num_background=parts.num_background,
    )


def _mnist(folder: str, megabytes: int) -> DataSet:
    about = f"60,000 + 10,000 grey images 28x28, 10 classes; {megabytes} MB to download"
    files = (f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in _IDX)
    return DataSet(
        about, readers.mnist(folder), tuple(f"{folder}/raw/{file}" for file in files), folder
    )


def _cifar(num_classes: int, folder: str, *files: str) -> DataSet:
    about = f"50,000 + 10,000 colour images 32x32, {num_classes} classes; 170 MB to download"
    kind = f"CIFAR{num_classes}"
    return DataSet(about, readers.cifar(kind), tuple(f"{folder}/{f}" for f in files), kind)


def _drift_data_set(about: str, prefix: str) -> DataSet:
    files = tuple(f"streams/{prefix}_{part}.csv" for part in ("data", "class"))
    source = "https://github.com/vlosing/driftDatasets"
    return DataSet(f"{about}, 2 classes", None, files, source=source)


_IDX = ("images-idx3", "labels-idx1")
_BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
DATASETS: Mapping[str, DataSet] = {
    "digits": DataSet("1,442 + 355 grey images 8x8, 10 classes; in scikit-learn", readers.digits),
    "mnist": _mnist("MNIST", 12),
    "fashion-mnist": _mnist("FashionMNIST", 31),
    "cifar10": _cifar(10, "cifar-10-batches-py", *_BATCHES, "test_batch", "batches.meta"),
    "cifar100": _cifar(100, "cifar-100-python", "train", "test", "meta"),
    "omniglot": DataSet(
        "20 drawings of each of 964 + 659 characters, grey 28x28; 15 MB to download",
        readers.omniglot,
        readers.OMNIGLOT,
        "Omniglot",
        ({"background": True}, {"background": False}),
    ),
    "electricity": DataSet(
        "45,312 rows in time order, 6 features, 2 classes",
        None,
        ("streams/electricity.csv",),
        source="data/ of https://github.com/adaptive-machine-learning/CapyMOA",
    ),
    "weather": _drift_data_set("18,159 rows in time order, 8 features", "NEweather"),
    "sea-concepts": _drift_data_set("50,000 rows in order, 3 features", "SEA_training"),
}
