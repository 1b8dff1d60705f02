"""Claims about data sets: found, refused in one line, and read as they were published."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import platformdirs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from streamsim import data, readers
from streamsim.data import LabelledData
from streamsim_scenarios.split import SplitCifar10, SplitOmniglot


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets beside the checkout."""
    folder = Path(__file__).resolve().parents[1].parent / "shared/data"
    if not folder.is_dir():
        pytest.skip(f"no real data sets in {folder}")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: folder)
    return folder


def refusal(name: str, root: Path) -> str:
    """The one line that `load` refuses with."""
    with pytest.raises(ValueError) as error:  # noqa: PT011 (callers compare the message)
        data.load(name, root)
    assert "\n" not in str(error.value)
    return str(error.value)


# -- where data lie --------------------------------------------------------------------------------
def test_root_is_what_is_given_else_the_environment_else_the_users_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STREAMSIM_DATA", "from/environment")
    assert data.data_root(Path("given")) == Path("given")
    assert data.data_root() == Path("from/environment")
    monkeypatch.setenv("STREAMSIM_DATA", "")
    default = data.data_root()
    assert default.parent == platformdirs.user_data_path("streamsim", appauthor=False)


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMSIM_DATA", "~/data")
    assert data.data_root() == Path.home() / "data"
    assert data.data_root(Path("~/here")) == Path.home() / "here"


def test_missing_data_name_the_folder_and_the_remedy(tmp_path: Path) -> None:
    assert refusal("mnist", tmp_path) == (
        f"mnist is not in {tmp_path} (no MNIST/raw/train-images-idx3-ubyte); run "
        "`streamsim data get mnist`, or name the folder that has it with --data-root or "
        "STREAMSIM_DATA"
    )


def test_unknown_data_set_gets_a_near_name_or_all_of_them(tmp_path: Path) -> None:
    assert refusal("mnits", tmp_path) == "unknown data set 'mnits'; did you mean 'mnist'?"
    assert refusal("svhn", tmp_path) == (
        "unknown data set 'svhn'; there are digits, mnist, fashion-mnist, cifar10, cifar100, "
        "omniglot, electricity, weather, sea-concepts"
    )


@pytest.mark.parametrize("name", data.DATASETS)
def test_status_tells_what_is_there_without_reading(name: str, tmp_path: Path) -> None:
    assert data.status(name, tmp_path).present is (name == "digits")
    for file in data.DATASETS[name].files:
        place = tmp_path / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    status = data.status(name, tmp_path)
    assert status.present
    assert status.name == name
    assert status.path.exists()
    assert status.about


def test_rows_in_order_are_for_scenarios_and_come_by_hand(tmp_path: Path) -> None:
    assert refusal("weather", tmp_path) == (
        "weather is rows in the order of time; use the scenario 'weather'"
    )
    for asked in (data.files, data.get):
        with pytest.raises(ValueError, match=r"no streams/NEweather_data\.csv.*put it there, from"):
            asked("weather", tmp_path)
    (tmp_path / "streams").mkdir()
    for part in ("data", "class"):
        (tmp_path / f"streams/NEweather_{part}.csv").touch()
    assert data.get("weather", tmp_path).present
    assert [file.name for file in data.files("weather", tmp_path)] == [
        "NEweather_data.csv",
        "NEweather_class.csv",
    ]


# -- labelled data ---------------------------------------------------------------------------------
def labelled(**given: Any) -> LabelledData:
    x, y = torch.rand(4, 3), torch.tensor([0, 1, 0, 1])
    values = {"x_train": x, "y_train": y, "x_test": x, "y_test": y, "num_classes": 2}
    return LabelledData(name="mine", **{**values, **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"x_train": torch.rand(4, 3).double()},
            "mine: train inputs of torch.float64 and labels of torch.int64; give inputs of "
            "torch.float32 or torch.uint8 and labels of torch.int64",
        ),
        (
            {"y_test": torch.zeros(4)},
            "mine: test inputs of torch.float32 and labels of torch.float32; give inputs of "
            "torch.float32 or torch.uint8 and labels of torch.int64",
        ),
        (
            {"y_train": torch.tensor([0, 1])},
            "mine: train inputs of shape (4, 3) and labels of shape (2,); give one label for each "
            "input of shape (3,)",
        ),
        (
            {"x_test": torch.rand(4, 5)},
            "mine: test inputs of shape (4, 5) and labels of shape (4,); give one label for each "
            "input of shape (3,)",
        ),
        (
            {"y_test": torch.tensor([0, 1, 2, 3])},
            "mine: test labels from 0 to 3; labels of 2 classes run from 0 to 1",
        ),
    ],
)
def test_own_data_that_do_not_fit_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole message is compared)
        labelled(**given)
    assert str(error.value) == message


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_rank_in_class_counts_earlier_samples(y: list[int]) -> None:
    expected = [y[:place].count(label) for place, label in enumerate(y)]
    assert readers._rank_in_class(torch.tensor(y)).tolist() == expected


# -- digits ----------------------------------------------------------------------------------------
def test_digits_are_those_of_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = readers._digits_table()
    monkeypatch.setattr(readers, "digits_file", lambda: tmp_path / "moved")
    assert np.array_equal(fast, readers._digits_table())


def test_digits_are_read_without_importing_scikit_learn() -> None:
    code = (
        "import sys; from pathlib import Path; from streamsim import data;"
        "data.load('digits', Path());"
        "assert not {'sklearn', 'torchvision', 'pandas'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_digits_split_every_class_four_to_one() -> None:
    digits = data.load("digits", Path("nowhere"))
    train, test = digits.y_train.bincount(), digits.y_test.bincount()
    assert digits.shape == (1, 8, 8)
    assert (len(digits.y_train), len(digits.y_test)) == (1442, 355)
    assert torch.equal(test, (train + test) // 5)
    assert (digits.x_train.min().item(), digits.x_train.max().item()) == (0.0, 1.0)


# -- MNIST and Fashion-MNIST -----------------------------------------------------------------------
def idx(*shape: int) -> bytes:
    values = np.arange(np.prod(shape)) % 10
    sizes = np.array(shape, ">i4").tobytes()
    return bytes([0, 0, 8, len(shape)]) + sizes + values.astype(np.uint8).tobytes()


def write_mnist(root: Path, num_train: int = 20, num_test: int = 10) -> Path:
    raw = root / "MNIST/raw"
    raw.mkdir(parents=True)
    for part, size in (("train", num_train), ("t10k", num_test)):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(size, 2, 5))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(size))
    return raw


def test_idx_files_are_read_as_torchvision_reads_them(tmp_path: Path) -> None:
    from torchvision.datasets import MNIST

    write_mnist(tmp_path)
    mnist, theirs = data.load("mnist", tmp_path), MNIST(tmp_path, train=False)
    assert torch.equal(mnist.x_test[:, 0], theirs.data.to(torch.float32) / 255)
    assert torch.equal(mnist.y_test, theirs.targets)
    assert mnist.shape == (1, 2, 5)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda raw: raw[:-3], "no complete idx file of images"),
        (lambda raw: raw[:10], "no complete idx file of images"),
        (lambda raw: b"", "no complete idx file of images"),
        (lambda raw: b"<html>" + raw, "no complete idx file of images"),
    ],
)
def test_damaged_idx_files_are_named(damage: Any, reason: str, tmp_path: Path) -> None:
    file = write_mnist(tmp_path) / "train-images-idx3-ubyte"
    file.write_bytes(damage(file.read_bytes()))
    assert refusal("mnist", tmp_path) == (
        f"{file} is damaged ({reason}); delete it and run `streamsim data get mnist`"
    )


def test_a_folder_in_place_of_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    file = write_mnist(tmp_path) / "t10k-labels-idx1-ubyte"
    file.unlink()
    file.mkdir()
    message = refusal("mnist", tmp_path)
    assert message.startswith(f"mnist in {tmp_path} cannot be read: ")
    assert str(file) in message


@pytest.mark.parametrize(
    ("name", "smallest_class", "mean"), [("mnist", 5421, 0.1307), ("fashion-mnist", 6000, 0.2860)]
)
def test_published_images(name: str, smallest_class: int, mean: float, real_data: Path) -> None:
    found = data.load(name, real_data)
    assert found.x_train.shape == (60_000, 1, 28, 28)
    assert found.x_test.shape == (10_000, 1, 28, 28)
    assert found.x_train.dtype == torch.float32
    assert int(found.y_train.bincount().min()) == smallest_class
    assert found.x_train.mean().item() == pytest.approx(mean, abs=1e-4)


# -- CIFAR -----------------------------------------------------------------------------------------
class OldPickler(pickle.Pickler):
    """Spells dtypes as the published files do, which NumPy 2.4 deprecates."""

    def reducer_override(self, obj: Any) -> Any:
        return (np.dtype, ("u1", 0, 1)) if isinstance(obj, np.dtype) else NotImplemented


def pickled(entry: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    OldPickler(stream, protocol=2).dump(entry)
    return stream.getvalue()


def write_cifar(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A few images in the published layout, with torchvision's checksums set to theirs."""
    reader = readers.torchvision_class(data.DATASETS[name].torchvision)
    folder: Path = root / reader.base_folder
    folder.mkdir(parents=True)
    labels, num_classes = ("labels", 10) if name == "cifar10" else ("fine_labels", 100)
    sums: dict[str, str] = {}
    for file, _ in [*reader.train_list, *reader.test_list]:
        pixels = np.arange(num_classes * 3072, dtype=np.uint64).reshape(-1, 3072) * 7 + len(sums)
        entry = {"data": pixels.astype(np.uint8), labels: list(range(num_classes))}
        (folder / file).write_bytes(pickled(entry))
        sums[file] = hashlib.md5((folder / file).read_bytes()).hexdigest()
    meta = folder / reader.meta["filename"]
    meta.write_bytes(pickled({reader.meta["key"]: [str(label) for label in range(num_classes)]}))
    meta_sum = hashlib.md5(meta.read_bytes()).hexdigest()
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": meta_sum})
    for part in ("train_list", "test_list"):
        pairs = [[file, sums[file]] for file, _ in getattr(reader, part)]
        monkeypatch.setattr(reader, part, pairs)
    return folder


@pytest.mark.parametrize(
    ("name", "num_classes", "files"), [("cifar10", 10, 5), ("cifar100", 100, 1)]
)
def test_cifar_is_read_as_bytes_with_channels_first(
    name: str, num_classes: int, files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar(tmp_path, name, monkeypatch)
    cifar = data.load(name, tmp_path)
    assert cifar.x_train.dtype == torch.uint8
    assert cifar.x_train.shape == (files * num_classes, 3, 32, 32)
    assert cifar.num_classes == num_classes
    first = torch.arange(3072) * 7 % 256
    assert torch.equal(cifar.x_train[0].flatten().to(torch.int64), first)
    assert torch.equal(cifar.y_test, torch.arange(num_classes))


def test_cifar_streams_as_fractions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, "cifar10", monkeypatch)
    stream = SplitCifar10().stream(tmp_path)
    replica = stream.draw(torch.tensor(0))
    x = stream.view.inputs(stream.pool, replica.tables, replica.experiences[0].train)
    assert x.dtype == torch.float32
    assert x.shape == (10, 3, 32, 32)
    assert x.max().item() == 1.0


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_cifar_file_with_a_wrong_checksum_is_named_and_never_unpickled(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = write_cifar(tmp_path, "cifar10", monkeypatch) / file
    damaged.write_bytes(damaged.read_bytes()[:-9])
    message = refusal("cifar10", tmp_path)
    assert message.startswith(f"{damaged} is damaged (")
    assert message.endswith("; delete it and run `streamsim data get cifar10`")


def test_a_missing_cifar_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (write_cifar(tmp_path, "cifar100", monkeypatch) / "test").unlink()
    assert refusal("cifar100", tmp_path).startswith(
        f"cifar100 is not in {tmp_path} (no cifar-100-python/test); run "
    )


# -- Omniglot --------------------------------------------------------------------------------------
PARTS = {"images_background": 3, "images_evaluation": 2}


def drawings(part: str) -> dict[str, bytes]:
    """20 drawings of a few characters in two alphabets; a drawing has its own shade of ink."""
    found = {}
    for character in range(PARTS[part]):
        for drawer in range(20):
            shade = 255 - 10 * (character + 1) - drawer // 2
            image = io.BytesIO()
            Image.new("L", (105, 105), shade).save(image, "png")
            folder = f"{part}/Alphabet{character % 2}/character{character // 2:02}"
            found[f"{folder}/{character:04}_{drawer + 1:02}.png"] = image.getvalue()
    return found


def shades(image: Tensor) -> set[int]:
    return set(image.flatten().tolist())


def write_zips(root: Path) -> Path:
    folder = root / "omniglot-py"
    folder.mkdir(parents=True)
    for part in PARTS:
        with zipfile.ZipFile(folder / f"{part}.zip", "w") as archive:
            for name, png in reversed(drawings(part).items()):
                archive.writestr(name, png)
    return folder


def write_folders(root: Path) -> Path:
    for part in PARTS:
        for name, png in drawings(part).items():
            file = root / "omniglot-py" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png)
    return root / "omniglot-py"


def test_background_characters_come_first_and_five_drawings_are_for_testing(tmp_path: Path) -> None:
    write_zips(tmp_path)
    omniglot = data.load("omniglot", tmp_path)
    assert (omniglot.num_classes, omniglot.num_background) == (5, 3)
    assert omniglot.shape == (1, 28, 28)
    assert omniglot.y_train.bincount().tolist() == [15] * 5
    assert omniglot.y_test.bincount().tolist() == [5] * 5


def test_ink_is_bright_and_characters_follow_their_names(tmp_path: Path) -> None:
    write_zips(tmp_path)
    omniglot = data.load("omniglot", tmp_path)
    first = [shades(omniglot.x_train[omniglot.y_train == label][0]) for label in range(5)]
    # Alphabet0 holds characters 0 and 2, Alphabet1 holds character 1
    assert first == [{10}, {30}, {20}, {10}, {20}]
    last = omniglot.x_test[omniglot.y_test == 0].flatten(1).max(1).values
    assert last.tolist() == [17, 18, 18, 19, 19]


def test_folders_give_what_zips_give(tmp_path: Path) -> None:
    write_zips(tmp_path / "zipped")
    write_folders(tmp_path / "unpacked")
    one, other = (data.load("omniglot", tmp_path / f) for f in ("zipped", "unpacked"))
    assert torch.equal(one.x_train, other.x_train)
    assert torch.equal(one.y_train, other.y_train)
    assert data.status("omniglot", tmp_path / "zipped").present
    assert data.status("omniglot", tmp_path / "unpacked").present


def test_decoded_drawings_are_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_zips(tmp_path)
    first = data.load("omniglot", tmp_path)
    assert [file.suffix for file in cache.iterdir()] == [".npz", ".npz"]
    monkeypatch.setattr(readers, "_decoded", None)
    assert torch.equal(first.x_test, data.load("omniglot", tmp_path).x_test)


@pytest.mark.parametrize("content", [b"", b"not a zip", None])
def test_a_damaged_cache_is_made_anew(content: bytes | None, tmp_path: Path, cache: Path) -> None:
    write_zips(tmp_path)
    first = data.load("omniglot", tmp_path)
    for file in cache.iterdir():
        file.write_bytes(file.read_bytes()[:-200] if content is None else content)
    assert torch.equal(first.x_test, data.load("omniglot", tmp_path).x_test)
    with np.load(next(cache.iterdir()), allow_pickle=False) as kept:
        assert set(kept) == {"x", "y"}


def test_changed_drawings_are_read_again(tmp_path: Path) -> None:
    folder = write_folders(tmp_path)
    data.load("omniglot", tmp_path)
    file = folder / "images_background/Alphabet0/character00/0000_01.png"
    Image.new("L", (105, 105), 0).save(file)
    assert shades(data.load("omniglot", tmp_path).x_train[0]) == {255}


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    write_zips(tmp_path)
    assert data.load("omniglot", tmp_path).num_classes == 5


def test_a_truncated_zip_is_named(tmp_path: Path) -> None:
    file = write_zips(tmp_path) / "images_evaluation.zip"
    file.write_bytes(file.read_bytes()[:-100])
    assert refusal("omniglot", tmp_path) == (
        f"{file} is damaged (File is not a zip file); delete it and run "
        "`streamsim data get omniglot`"
    )


def test_a_truncated_drawing_names_its_folder(tmp_path: Path) -> None:
    folder = write_folders(tmp_path)
    file = folder / "images_background/Alphabet0/character00/0000_01.png"
    file.write_bytes(file.read_bytes()[:60])
    assert refusal("omniglot", tmp_path).startswith(f"{folder / 'images_background'} is damaged (")


def test_a_folder_without_drawings_is_refused(tmp_path: Path) -> None:
    for part in PARTS:
        (tmp_path / "omniglot-py" / part).mkdir(parents=True)
    folder = tmp_path / "omniglot-py/images_background"
    assert refusal("omniglot", tmp_path).startswith(f"{folder} is damaged (")


@pytest.mark.slow
def test_published_characters(real_data: Path) -> None:
    omniglot = data.load("omniglot", real_data)
    assert (omniglot.num_classes, omniglot.num_background) == (964 + 659, 964)
    assert set(omniglot.y_train.bincount().tolist()) == {15}
    stream = SplitOmniglot(n_experiences=5).stream(real_data)
    replica = stream.draw(torch.tensor(3))
    assert stream.spec.num_classes == 50
    assert replica.meta is not None
    assert replica.meta.shape == (100, 20)
    assert [len(e.train) for e in replica.experiences] == [150] * 5


# -- downloading -----------------------------------------------------------------------------------
def test_get_downloads_beside_and_moves_whole_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def torchvision(root: str, download: bool, **part: bool) -> None:
        calls.append(part)
        assert download
        assert not (tmp_path / "omniglot-py").exists()
        write = write_zips if part["background"] else lambda _: None
        write(Path(root))

    monkeypatch.setattr(readers, "torchvision_class", lambda name: torchvision)
    assert data.get("omniglot", tmp_path).present
    assert calls == [{"background": True}, {"background": False}]
    assert os.listdir(tmp_path) == ["omniglot-py"]
    assert data.load("omniglot", tmp_path).num_classes == 5


def test_get_leaves_what_is_there_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path)
    monkeypatch.setattr(readers, "torchvision_class", None)
    assert data.get("mnist", tmp_path).present
    assert data.get("digits", tmp_path / "nowhere").present


def test_get_replaces_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = write_mnist(tmp_path)
    (raw / "train-images-idx3-ubyte").unlink()
    (raw / "note").write_text("mine")
    monkeypatch.setattr(
        readers, "torchvision_class", lambda name: lambda root, **_: write_mnist(Path(root))
    )
    assert data.get("mnist", tmp_path).present
    assert (raw / "note").read_text() == "mine"
    assert len(data.load("mnist", tmp_path).y_train) == 20


@pytest.mark.parametrize("error", [URLError("no route to host"), RuntimeError("File not found.")])
def test_a_failed_download_is_one_line_and_leaves_nothing(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torchvision(root: str, **_: Any) -> None:
        write_mnist(Path(root))
        raise error

    monkeypatch.setattr(readers, "torchvision_class", lambda name: torchvision)
    with pytest.raises(ValueError, match=r"^cannot download mnist to .*; check the network"):
        data.get("mnist", tmp_path)
    assert os.listdir(tmp_path) == []
