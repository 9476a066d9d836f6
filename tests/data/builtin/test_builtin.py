import gzip
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from striate.data.builtin import published
from striate.data.builtin.drawn import make_shapes, make_xo
from striate.data.builtin.names import NAMES, read_builtin
from striate.data.builtin.published import PUBLISHED
from striate.data.reading import read
from striate.errors import ArgumentError, DataError, SourceNotFoundError
from striate.system.downloads import DownloadError

STRIATE_DATA = os.environ.get("STRIATE_DATA")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch, tmp_path):
    def offline(file, folder, **_):
        raise DownloadError("no network in tests")

    monkeypatch.setattr(published, "fetch", offline)
    monkeypatch.setattr(published, "cache_folder", lambda *parts: tmp_path.joinpath("cache", *parts[1:]))
    monkeypatch.delenv("STRIATE_DATA", raising=False)


def test_digits_are_scikit_learn_s_in_256_levels():
    catalog = read("digits")
    assert catalog.images.shape == (1797, 8, 8, 1)
    assert sorted(np.unique(catalog.images).tolist()) == [round(level * 255 / 16 + 1e-9) for level in range(17)]
    assert np.bincount(catalog.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.mark.parametrize("name", ["xo", "shapes"])
def test_drawn_sets(name):
    catalog = read(f"{name}:50")
    assert len(catalog) == 50
    assert catalog.format == name
    assert np.ptp(np.bincount(catalog.labels)) <= 1
    assert len({image.tobytes() for image in catalog.images}) == 50


@pytest.mark.parametrize("make", [make_xo, make_shapes])
def test_the_same_seed_gives_the_same_bits_and_a_longer_set_begins_with_the_shorter(make):
    short, long = make(11)[0], make(600)[0]
    assert np.array_equal(short, make(11)[0])
    assert np.array_equal(short, long[:11])
    assert not np.array_equal(short[2:], make(11, seed=1)[0][2:])


def test_shapes_can_be_told_apart_by_their_area():
    images, labels = make_shapes(400)
    assert images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [100] * 4
    assert all(image.std() > 5 for image in images)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shape", "unknown set 'shape'; did you mean 'shapes'"),
        ("xo:0", "number of images in 'xo:0' must be 1 to 1,000,000. Write xo:400"),
        ("shapes:many", "number of images in 'shapes:many' must be"),
        ("shapes:", "number of images in 'shapes:' must be"),
        ("digits:5", "digits has a number of images of its own; got 'digits:5'. Write digits"),
    ],
)
def test_names_that_are_none(name, message):
    with pytest.raises(ArgumentError, match=message):
        read_builtin(name)
    with pytest.raises(ArgumentError, match="must be at least 1; got 0"):
        make_xo(0)


def test_every_name_is_known_to_read():
    for name in NAMES:
        try:
            assert read(name).format == name
        except SourceNotFoundError as error:
            assert name in PUBLISHED, error  # noqa: PT017


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_files_have_addresses_digests_and_sizes(name):
    for file in PUBLISHED[name].files:
        kind, _, digest = file.digest.partition(":")
        assert (kind, len(digest)) in (("md5", 32), ("sha256", 64))
        assert all(url.startswith("https://") and url.endswith(file.name) for url in file.urls)
        assert file.size_bytes > 1000


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_set_that_is_nowhere_says_which_files_to_put_where(name, tmp_path):
    with pytest.raises(SourceNotFoundError) as caught:
        read(name)
    message = str(caught.value)
    assert f"{name} is not on this machine and cannot be fetched (no network in tests)" in message
    assert all(file.name in message for file in PUBLISHED[name].files)
    assert str(tmp_path / "cache" / name) in message
    assert message.count("\n") == 1


def idx(array: np.ndarray) -> bytes:
    return gzip.compress(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes(), 1)


def plant_mnist(folder: Path, train: int = 60_000, side: int = 1) -> None:
    folder.mkdir(parents=True)
    for split, n in (("train", train), ("t10k", 10_000)):
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(idx(np.zeros((n, side, side), np.uint8)))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(idx((np.arange(n) % 10).astype(np.uint8)))


@pytest.mark.parametrize("place", ["{}", "FashionMNIST/raw", "data-fashion"])
@pytest.mark.parametrize("by", ["data_dir", "environment"])
def test_published_files_are_found_where_people_keep_them(place, by, tmp_path, monkeypatch):
    root = tmp_path / "fashion"
    plant_mnist(root / place.format(""))
    if by == "environment":
        monkeypatch.setenv("STRIATE_DATA", str(root))
    catalog = read("fashion-mnist", data_dir=root if by == "data_dir" else None)
    assert catalog.classes[9] == "Ankle boot"
    assert catalog.format == catalog.source == "fashion-mnist"


def test_mnist_and_fashion_mnist_are_not_taken_for_each_other(tmp_path):
    plant_mnist(tmp_path / "fashion-mnist")
    with pytest.raises(SourceNotFoundError):
        read("mnist", data_dir=tmp_path)
    plant_mnist(tmp_path / "mnist", side=2)
    assert read("mnist", data_dir=tmp_path).images.shape == (70_000, 2, 2, 1)
    assert read("fashion-mnist", data_dir=tmp_path).images.shape == (70_000, 1, 1, 1)


def test_a_copy_that_is_not_whole_is_refused(tmp_path):
    plant_mnist(tmp_path / "mnist", train=10)
    with pytest.raises(
        DataError, match=r"must have 60,000 training .*; .*mnist holds 10, 10,000 and 10. Give its path"
    ):
        read("mnist", data_dir=tmp_path)


def test_cifar_sets_are_told_apart(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    (folder / "meta").write_bytes(pickle.dumps({b"fine_label_names": [b"%d" % i for i in range(100)]}, 2))
    for name in ("train", "test"):
        values = {b"data": np.zeros((2, 3072), np.uint8), b"fine_labels": [0, 99]}
        (folder / name).write_bytes(pickle.dumps(values, 2))
    with pytest.raises(DataError, match=r"cifar100 must have 50,000 .* holds 2, 2 and 100"):
        read("cifar100", data_dir=tmp_path)
    with pytest.raises(SourceNotFoundError, match="cifar10 is not on this machine"):
        read("cifar10", data_dir=tmp_path)


def test_a_data_dir_must_be_a_folder(tmp_path):
    with pytest.raises(ArgumentError, match=r"--data-dir must be a folder; got .*nowhere"):
        read("mnist", data_dir=tmp_path / "nowhere")


def test_fetched_files_are_read(tmp_path, monkeypatch):
    plant_mnist(tmp_path / "cache" / "mnist")
    monkeypatch.setattr(published, "fetch", lambda file, folder, **_: folder / file.name)
    assert len(read("mnist")) == 70_000


@pytest.mark.parametrize(("name", "shape"), [("fashion-mnist", (70_000, 28, 28, 1)), ("cifar10", (60_000, 32, 32, 3))])
def test_sets_in_the_folder_that_striate_data_names(name, shape):
    if not STRIATE_DATA or not any(PUBLISHED[name].find(Path(STRIATE_DATA))):
        pytest.skip(f"STRIATE_DATA names no folder with {name}")
    assert read(name, data_dir=STRIATE_DATA).images.shape == shape
