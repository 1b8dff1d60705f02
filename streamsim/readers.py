"""Reading the files of real data sets into tensors; with torchvision's loaders where it has one.

Shape letters: N samples.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import platformdirs
import torch
from torch import Tensor

Samples = tuple[Tensor, Tensor]  # inputs and labels
OMNIGLOT = ("omniglot-py/images_background", "omniglot-py/images_evaluation")


class Parts(NamedTuple):
    """What a reader finds."""

    train: Samples
    test: Samples
    num_background: int = 0  # the first classes, if they are meant for meta-training only


Reader = Callable[[str, Path], Parts]  # of a data set's name and the data root


def torchvision_class(name: str) -> Any:
    import torchvision.datasets

    return getattr(torchvision.datasets, name)


def first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def damaged(name: str, path: Path, reason: str) -> ValueError:
    return ValueError(
        f"{path} is damaged ({reason}); delete it and run `streamsim data get {name}`"
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


def digits_file() -> Path:
    """scikit-learn's own file, found without importing scikit-learn (two seconds)."""
    spec = importlib.util.find_spec("sklearn")
    folders = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(folders or ["sklearn"]))) / "datasets/data/digits.csv.gz"


def _digits_table() -> npt.NDArray[np.float64]:
    """[1797, 65]: 64 pixels of 0 .. 16 and the label."""
    if digits_file().is_file():
        return np.loadtxt(digits_file(), delimiter=",")
    from sklearn.datasets import load_digits  # knows where that release keeps its file

    pixels, labels = load_digits(return_X_y=True)
    return np.column_stack([pixels, labels])


def digits(name: str, root: Path) -> Parts:
    """Every fifth sample of each class is for testing."""
    table = torch.from_numpy(_digits_table())
    x = table[:, :64].div(16).to(torch.float32).view(-1, 1, 8, 8)
    y = table[:, 64].to(torch.int64)
    test = _rank_in_class(y) % 5 == 4
    return Parts((x[~test], y[~test]), (x[test], y[test]))


def _idx(name: str, path: Path, kind: str) -> Tensor:
    """An idx file, by torchvision's own function for one; what is wrong with it names the file."""
    from torchvision.datasets import mnist

    try:
        found: Tensor = getattr(mnist, f"read_{kind}_file")(str(path))
    except OSError:
        raise
    except Exception:  # torchvision asserts, indexes and reshapes its way through
        raise damaged(name, path, f"no complete idx file of {kind}s") from None
    return found


def mnist(folder: str) -> Reader:
    """A reader of idx files below a folder."""

    def read(name: str, root: Path) -> Parts:
        def samples(part: str) -> Samples:
            raw = root / folder / "raw"
            x = _idx(name, raw / f"{part}-images-idx3-ubyte", "image")
            y = _idx(name, raw / f"{part}-labels-idx1-ubyte", "label")
            return x[:, None].to(torch.float32).div_(255), y

        return Parts(samples("train"), samples("t10k"))

    return read


def cifar(kind: str) -> Reader:
    """A reader by torchvision's class, which opens the pickles only after their checksums."""

    def read(name: str, root: Path) -> Parts:
        reader = torchvision_class(kind)

        def samples(train: bool) -> Samples:
            found = reader(root, train=train)
            x = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
            return x, torch.tensor(found.targets)

        try:
            with warnings.catch_warnings():  # NumPy deprecates how these old pickles spell a dtype
                warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
                return Parts(samples(train=True), samples(train=False))
        except RuntimeError as error:  # a wrong checksum; torchvision does not say of which file
            raise damaged(name, _wrong_file(reader, root), first_line(error)) from None

    return read


def _wrong_file(reader: Any, root: Path) -> Path:
    """The first of a torchvision data set's files with another checksum than published."""
    from torchvision.datasets.utils import check_integrity

    sums = [*reader.train_list, *reader.test_list]
    sums.append((reader.meta["filename"], reader.meta["md5"]))
    folder: Path = root / reader.base_folder
    wrong = (folder / file for file, md5 in sums if not check_integrity(folder / file, md5))
    return next(wrong, folder)


def omniglot(name: str, root: Path) -> Parts:
    """Background classes first; of every character's 20 drawings the last 5 are for testing."""
    (x_first, y_first), (x_last, y_last) = (_drawings(name, root / file) for file in OMNIGLOT)
    num_background = int(y_first.max()) + 1
    x, y = torch.cat([x_first, x_last]), torch.cat([y_first, y_last + num_background])
    test = _rank_in_class(y) >= 15
    return Parts((x[~test], y[~test]), (x[test], y[test]), num_background)


def _drawings(name: str, folder: Path) -> Samples:
    """The drawings of a zip, else of a folder, kept in the user's cache: reading takes seconds."""
    archive = folder.with_name(f"{folder.name}.zip")
    files = [archive] if archive.is_file() else sorted(folder.rglob("*.png"))
    facts = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    stamp = hashlib.sha256(repr(facts).encode()).hexdigest()
    cache = platformdirs.user_cache_path("streamsim", appauthor=False) / f"{name}-{stamp[:20]}.npz"
    try:
        with cache.open("rb") as file, np.load(file, allow_pickle=False) as kept:
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
        raise damaged(name, source, first_line(error)) from None
    return x[:, None], y.astype(np.int64)
