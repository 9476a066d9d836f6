import contextlib
import gzip
import math
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from striate.data.readers.idx import FASHION, load_idx, read_idx
from striate.data.reading import read
from striate.errors import DataError

CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}


def idx(array: np.ndarray) -> bytes:
    code = {np.dtype(kind): code for kind, code in CODES.items()}[array.dtype]
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape) + array.tobytes()


def plant(
    folder: Path, images: np.ndarray, labels: np.ndarray | None, stem: str = "train", zipped: bool = False
) -> Path:
    folder.mkdir(exist_ok=True)
    end, pack = (".gz", gzip.compress) if zipped else ("", bytes)
    (folder / f"{stem}-images-idx3-ubyte{end}").write_bytes(pack(idx(images)))
    if labels is not None:
        (folder / f"{stem}-labels-idx1-ubyte{end}").write_bytes(pack(idx(labels)))
    return folder / f"{stem}-images-idx3-ubyte{end}"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    array=st.sampled_from(list(CODES)).flatmap(
        lambda kind: stnp.arrays(kind, stnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
    ),
    zipped=st.booleans(),
)
def test_what_is_written_is_read_back(array, zipped, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    read_back = load_idx(path)
    assert read_back.dtype == array.dtype.newbyteorder("=")
    assert read_back.tobytes() == array.astype(read_back.dtype).tobytes()
    assert read_back.shape == array.shape


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=64), start=st.sampled_from([b"", b"\0\0\x08\x03", b"\0\0\x08\x01", b"\x1f\x8b\x08\0"]))
def test_any_other_bytes_are_an_error_that_names_the_file(raw, start, tmp_path):
    path = tmp_path / "broken-idx"
    path.write_bytes(start + raw)
    with pytest.raises(DataError, match="broken-idx") if not is_idx(start + raw) else contextlib.nullcontext():
        load_idx(path)


def is_idx(raw: bytes) -> bool:
    """Whether these few bytes are a whole IDX file, plainly computed."""
    if raw[:2] != b"\0\0" or raw[2:3] != b"\x08" or raw[3:4] not in (b"\1", b"\2", b"\3", b"\4"):
        return False
    end = 4 + 4 * raw[3]
    return len(raw) >= end and math.prod(struct.unpack(f">{raw[3]}I", raw[4:end])) == len(raw) - end


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\0\1\x08\x03" + bytes(12), "must begin with the magic number of IDX .* got 00 01 08 03"),
        (b"\0\0\x07\x03" + bytes(12), "must begin with the magic number"),
        (b"\0\0\x08\x00", "must begin with the magic number"),
        (b"\0\0", "must begin with the magic number of IDX .* got 00 00"),
        (b"\0\0\x08\x03\0\0", "ends within its header"),
        (idx(np.zeros((2, 2, 2), np.uint8))[:-1], r"declares shape \(2, 2, 2\), 8 bytes, and holds 7"),
        (idx(np.zeros((2, 2, 2), np.uint8)) + b"x", r"declares shape \(2, 2, 2\), 8 bytes, and holds more"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "declares 79,228,162,.* bytes, more than its file of 16"),
        (gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12, mtime=0), "more than its file of"),
        (gzip.compress(idx(np.zeros((2, 2, 2), np.uint8)), mtime=0)[:-6], "is damaged"),
        (gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", 4) + bytes(10_000_000)), r"4 bytes, and holds more"),
    ],
)  # fmt: skip
def test_damage_is_said(raw, message, tmp_path):
    path = tmp_path / "images"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message):
        load_idx(path)


def test_a_declared_size_beyond_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("striate.data.readers.bombs.memory_bytes", lambda: 1000)
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(idx(np.zeros((200, 10, 10), np.uint8))))
    with pytest.raises(DataError, match="more than this machine's memory"):
        load_idx(path)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder_with_the_published_names(zipped, tmp_path):
    plant(tmp_path, np.ones((3, 4, 5), np.uint8), np.array([7, 9, 8], np.uint8), "t10k", zipped)
    plant(tmp_path, np.zeros((2, 4, 5), np.uint8), np.array([10, 9], np.uint8), "train", zipped)
    catalog = read(tmp_path)
    assert catalog.names == ["train/00000", "train/00001", "test/00000", "test/00001", "test/00002"]
    assert catalog.classes == ("7", "8", "9", "10")
    assert catalog.labels.tolist() == [3, 2, 0, 2, 1]
    assert catalog.images.shape == (5, 4, 5, 1)


def test_other_spellings_of_the_names(tmp_path):
    (tmp_path / "train-images.idx3-ubyte").write_bytes(idx(np.ones((1, 2, 2), np.uint8)))
    (tmp_path / "train-labels.idx1-ubyte").write_bytes(idx(np.ones(1, np.uint8)))
    assert read(tmp_path).classes == ("1",)


def test_several_sets_in_one_folder_need_a_file(tmp_path):
    labels = np.arange(2, dtype=np.uint8)
    path = plant(tmp_path, np.zeros((2, 2, 2), np.uint8), labels, "emnist-letters-train")
    plant(tmp_path, np.zeros((2, 2, 2), np.uint8), labels, "emnist-digits-train")
    with pytest.raises(
        DataError, match=r"its files begin with 'emnist-digits-', 'emnist-letters-'. Give one images file"
    ):
        read(tmp_path)
    assert read(path).names == ["train/00000", "train/00001"]


def test_one_pair_by_its_images_file_with_labels_zipped_or_not(tmp_path):
    path = plant(tmp_path, np.zeros((2, 2, 2), np.uint8), None)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(2, dtype=np.uint8))))
    assert read(path).labels.tolist() == [0, 1]


def test_without_labels_file_nothing_is_labelled(tmp_path):
    assert read(plant(tmp_path, np.zeros((2, 2, 2), np.uint8), None)).labels.tolist() == [-1, -1]


def test_labels_that_do_not_go_with_the_images(tmp_path):
    path = plant(tmp_path, np.zeros((2, 2, 2), np.uint8), np.arange(3, dtype=np.uint8))
    with pytest.raises(DataError, match=r"labels-idx1-ubyte must hold 2 whole numbers.*; got uint8 of shape \(3,\)"):
        read(path)
    with pytest.raises(DataError, match=r"must hold images, \(n, h, w\); got shape \(3,\). Is it a labels file"):
        read(tmp_path / "train-labels-idx1-ubyte")


def test_splits_of_different_sizes(tmp_path):
    plant(tmp_path, np.zeros((2, 2, 2), np.uint8), None)
    plant(tmp_path, np.zeros((2, 3, 3), np.uint8), None, "t10k")
    with pytest.raises(DataError, match="images must have one size"):
        read(tmp_path)


def test_fashion_names_its_classes(tmp_path):
    labels = np.arange(10, dtype=np.uint8)
    folder = tmp_path / "Fashion_MNIST"
    plant(folder, np.zeros((10, 2, 2), np.uint8), labels)
    assert read(folder).classes == FASHION
    assert read_idx(folder, fashion=False).classes == tuple("0123456789")


def test_floats_are_scaled_and_said(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(idx(np.full((2, 2, 2), 0.5, ">f4")))
    catalog = read(path)
    assert catalog.images.max() == 128
    assert catalog.ledger["00000"].detail == "scaled from float32 0…1"


def test_fashion_mnist_as_published():
    folder = os.environ.get("STRIATE_DATA")
    if not folder or not (Path(folder) / "fashion-mnist").is_dir():
        pytest.skip("STRIATE_DATA names no folder with fashion-mnist")
    catalog = read(Path(folder) / "fashion-mnist")
    assert catalog.images.shape == (70_000, 28, 28, 1)
    assert catalog.counts()["train"] == dict.fromkeys(FASHION, 6000)
