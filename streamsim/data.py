"""Real data sets: where they lie, whether they are there, and reading them into tensors.

Only `get` uses the network. torchvision takes seconds to import, so it is imported where nothing
simpler does: to download, and for CIFAR, whose pickles are opened only after their checksums.

Shape letters: N samples.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import math
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import platformdirs
import torch
from torch import Tensor

from streamsim.options import did_you_mean

Samples = tuple[Tensor, Tensor]  # inputs and labels


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
    read: Callable[[str, Path], LabelledData]
    files: tuple[str, ...] = ()  # NAME counts as present when NAME.zip is
    torchvision: str = ""  # the torchvision class that downloads it
    parts: tuple[Mapping[str, bool], ...] = ({"train": True},)  # arguments that bring all of it


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
    if missing := _missing(known, root):
        raise ValueError(
            f"{name} is not in {root} (no {missing}); run `streamsim data get {name}`, "
            "or name the folder that has it with --data-root or STREAMSIM_DATA"
        )
    try:
        return known.read(name, root)
    except OSError as error:
        raise ValueError(f"{name} in {root} cannot be read: {_first_line(error)}") from None


def status(name: str, root: Path) -> Status:
    """Whether a data set is there, without reading it."""
    known = _known(name)
    path = root / known.files[0].split("/")[0] if known.files else _digits_file()
    return Status(name, not _missing(known, root), path, known.about)


def get(name: str, root: Path) -> Status:
    """Download a data set unless it is there; a killed download leaves no half-written file."""
    known = _known(name)
    if _missing(known, root):
        try:
            root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=root, prefix=f".{name}-") as folder:
                for part in known.parts:
                    _torchvision(known.torchvision)(folder, download=True, **part)
                _move(Path(folder), root)
        except (OSError, RuntimeError) as error:
            raise ValueError(
                f"cannot download {name} to {root}: {_first_line(error)}; "
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


def _torchvision(name: str) -> Any:
    import torchvision.datasets

    return getattr(torchvision.datasets, name)


def _move(source: Path, target: Path) -> None:
    """Move every file of a folder to the same place in another one."""
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, place)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _damaged(name: str, path: Path, reason: str) -> ValueError:
    return ValueError(
        f"{path} is damaged ({reason}); delete it and run `streamsim data get {name}`"
    )


def _labelled(name: str, train: Samples, test: Samples, num_background: int = 0) -> LabelledData:
    return LabelledData(
        name=name,
        x_train=train[0],
        y_train=train[1],
        x_test=test[0],
        y_test=test[1],
        num_classes=int(train[1].max()) + 1,
        num_background=num_background,
    )


def _rank_in_class(y: Tensor) -> Tensor:
    """How many earlier samples have the same label.

    >>> _rank_in_class(torch.tensor([5, 5, 2, 5])).tolist()
    [0, 1, 0, 2]
    """
    order, count = y.argsort(stable=True), y.bincount()
    rank = torch.empty_like(y)
    rank[order] = torch.arange(len(y)) - (count.cumsum(0) - count)[y[order]]
    return rank


def _digits_file() -> Path:
    """scikit-learn's own file, found without importing scikit-learn (two seconds)."""
    spec = importlib.util.find_spec("sklearn")
    folders = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(folders or ["sklearn"]))) / "datasets/data/digits.csv.gz"


def _digits_table() -> npt.NDArray[np.float64]:
    """[1797, 65]: 64 pixels of 0 .. 16 and the label."""
    if _digits_file().is_file():
        return np.loadtxt(_digits_file(), delimiter=",")
    from sklearn.datasets import load_digits  # knows where that release keeps its file

    pixels, labels = load_digits(return_X_y=True)
    return np.column_stack([pixels, labels])


def _read_digits(name: str, root: Path) -> LabelledData:
    """Every fifth sample of each class is for testing."""
    table = torch.from_numpy(_digits_table())
    x = table[:, :64].div(16).to(torch.float32).view(-1, 1, 8, 8)
    y = table[:, 64].to(torch.int64)
    test = _rank_in_class(y) % 5 == 4
    return _labelled(name, (x[~test], y[~test]), (x[test], y[test]))


def _idx(name: str, path: Path, rank: int) -> Tensor:
    """An idx file of bytes: 0, 0, 8, rank, then the sizes as big-endian int32, then the values."""
    raw, start = np.fromfile(path, np.uint8), 4 + 4 * rank
    if raw[:4].tolist() != [0, 0, 8, rank] or len(raw) < start:
        raise _damaged(name, path, f"no idx file of {rank} dimensions")
    sizes = raw[4:start].view(">i4").tolist()
    if len(raw) - start != math.prod(sizes):
        raise _damaged(name, path, f"{len(raw) - start} bytes of data, not {math.prod(sizes)}")
    return torch.from_numpy(raw[start:]).view(*sizes)


def _read_mnist(name: str, root: Path) -> LabelledData:
    def samples(part: str) -> Samples:
        raw = root / DATASETS[name].torchvision / "raw"
        x = _idx(name, raw / f"{part}-images-idx3-ubyte", 3)[:, None].to(torch.float32).div_(255)
        return x, _idx(name, raw / f"{part}-labels-idx1-ubyte", 1).to(torch.int64)

    return _labelled(name, samples("train"), samples("t10k"))


def _read_cifar(name: str, root: Path) -> LabelledData:
    reader = _torchvision(DATASETS[name].torchvision)

    def samples(train: bool) -> Samples:
        found = reader(root, train=train)
        x = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
        return x, torch.tensor(found.targets)

    try:
        with warnings.catch_warnings():  # NumPy 2.4 deprecates how these old pickles spell a dtype
            warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
            return _labelled(name, samples(train=True), samples(train=False))
    except RuntimeError as error:  # a wrong checksum; torchvision does not say of which file
        from torchvision.datasets.utils import check_integrity

        sums = [*reader.train_list, *reader.test_list]
        sums.append((reader.meta["filename"], reader.meta["md5"]))
        folder = root / reader.base_folder
        wrong = (folder / file for file, md5 in sums if not check_integrity(folder / file, md5))
        raise _damaged(name, next(wrong, folder), _first_line(error)) from None


def _read_omniglot(name: str, root: Path) -> LabelledData:
    """Background classes first; of every character's 20 drawings the last 5 are for testing."""
    (x_first, y_first), (x_last, y_last) = (
        _drawings(name, root / file) for file in DATASETS[name].files
    )
    num_background = int(y_first.max()) + 1
    x, y = torch.cat([x_first, x_last]), torch.cat([y_first, y_last + num_background])
    test = _rank_in_class(y) >= 15
    return _labelled(name, (x[~test], y[~test]), (x[test], y[test]), num_background)


def _drawings(name: str, folder: Path) -> Samples:
    """The drawings of a zip, else of a folder, kept in the user's cache: reading takes seconds."""
    archive = folder.with_name(f"{folder.name}.zip")
    files = [archive] if archive.is_file() else sorted(folder.rglob("*.png"))
    facts = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    stamp = hashlib.sha256(repr(facts).encode()).hexdigest()
    cache = platformdirs.user_cache_path("streamsim", appauthor=False) / f"{name}-{stamp[:20]}.npz"
    try:
        with np.load(cache, allow_pickle=False) as kept:
            return torch.from_numpy(kept["x"]), torch.from_numpy(kept["y"])
    except Exception:  # absent, or damaged in one of many ways: made anew
        x, y = _decoded(name, folder, files)
    with suppress(OSError):  # a cache that cannot be written costs only time
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent) as scratch:
            np.savez(Path(scratch) / "new.npz", x=x, y=y)
            os.replace(Path(scratch) / "new.npz", cache)
    return torch.from_numpy(x), torch.from_numpy(y)


def _decoded(name: str, folder: Path, files: list[Path]) -> tuple[npt.NDArray[Any], ...]:
    """`[N, 1, 28, 28]` uint8 with ink 255, and `[N]` labels: characters in the order of names."""
    from PIL import Image

    def small(png: bytes) -> npt.NDArray[np.uint8]:
        drawing = Image.open(io.BytesIO(png)).convert("L")
        return np.asarray(drawing.resize((28, 28), Image.Resampling.BILINEAR))

    source = files[0] if [file.suffix for file in files] == [".zip"] else folder
    try:
        if source is folder:
            pngs = {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
        else:
            with zipfile.ZipFile(source) as archive:
                names = sorted(n for n in archive.namelist() if n.endswith(".png"))
                pngs = {n: archive.read(n) for n in names}
        x = 255 - np.stack([small(png) for png in pngs.values()])
        _, y = np.unique([n.rpartition("/")[0] for n in pngs], return_inverse=True)
    except Exception as error:  # whatever zipfile and Pillow raise on damage, or no drawings
        raise _damaged(name, source, _first_line(error)) from None
    return x[:, None], y.astype(np.int64)


def _mnist(folder: str, megabytes: int) -> DataSet:
    about = f"60,000 + 10,000 grey images 28x28, 10 classes; {megabytes} MB to download"
    files = (f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in _IDX)
    return DataSet(about, _read_mnist, tuple(f"{folder}/raw/{file}" for file in files), folder)


def _cifar(num_classes: int, folder: str, *files: str) -> DataSet:
    about = f"50,000 + 10,000 colour images 32x32, {num_classes} classes; 170 MB to download"
    return DataSet(about, _read_cifar, tuple(f"{folder}/{f}" for f in files), f"CIFAR{num_classes}")


_IDX = ("images-idx3", "labels-idx1")
_BATCHES = [f"data_batch_{number}" for number in range(1, 6)]
DATASETS: Mapping[str, DataSet] = {
    "digits": DataSet("1,442 + 355 grey images 8x8, 10 classes; in scikit-learn", _read_digits),
    "mnist": _mnist("MNIST", 12),
    "fashion-mnist": _mnist("FashionMNIST", 31),
    "cifar10": _cifar(10, "cifar-10-batches-py", *_BATCHES, "test_batch", "batches.meta"),
    "cifar100": _cifar(100, "cifar-100-python", "train", "test", "meta"),
    "omniglot": DataSet(
        "20 drawings of each of 964 + 659 characters, grey 28x28; 15 MB to download",
        _read_omniglot,
        ("omniglot-py/images_background", "omniglot-py/images_evaluation"),
        "Omniglot",
        ({"background": True}, {"background": False}),
    ),
}
