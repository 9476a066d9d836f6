import gzip
import io
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from striate.data.readers.cifar import read_cifar
from striate.data.readers.unpickling import load_pickle
from striate.data.reading import read
from striate.errors import DataError

RNG = np.random.default_rng(0)
NUMPY_1 = b"numpy.core.multiarray"
NUMPY_2 = b"numpy._core.multiarray"


def batch(n: int = 3, labels: str = "labels", protocol: int = 2, **more) -> bytes:
    pixels = RNG.integers(0, 256, (n, 3072), np.uint8)
    return pickle.dumps({b"data": pixels, labels.encode(): list(range(n)), **more}, protocol)


def folder(root: Path, **files: bytes) -> Path:
    root.mkdir(exist_ok=True)
    for name, raw in files.items():
        (root / name.replace("__", ".")).write_bytes(raw)
    return root


def archive(root: Path, files: dict[str, bytes], mode: str = "w:gz") -> Path:
    path = root / "cifar.tar.gz"
    with tarfile.open(path, mode) as tar:
        for name, raw in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return path


def test_planes_become_pixels(tmp_path):
    pixels = np.zeros((1, 3072), np.uint8)
    pixels[0, [0, 1024 + 33, 2048 + 1023]] = 1, 2, 3  # red at (0, 0), green at (1, 1), blue at (31, 31)
    raw = pickle.dumps({b"data": pixels, b"labels": [0]}, 2)
    (image,) = read_cifar(folder(tmp_path, data_batch_1=raw)).images
    assert image[0, 0].tolist() == [1, 0, 0]
    assert image[1, 1].tolist() == [0, 2, 0]
    assert image[31, 31].tolist() == [0, 0, 3]


def test_batches_are_in_the_published_order_whatever_the_archive_s(tmp_path):
    files = {f"cifar-10-batches-py/{name}": batch(2) for name in ("test_batch", "data_batch_2", "data_batch_1")}
    files["cifar-10-batches-py/batches.meta"] = pickle.dumps({b"label_names": [b"a", b"b", b"c"]}, 2)
    files["cifar-10-batches-py/readme.html"] = b"<html>"
    catalog = read(archive(tmp_path, files))
    one = read_cifar(folder(tmp_path / "f", **{Path(name).name.replace(".", "__"): raw for name, raw in files.items()}))
    assert catalog.names == one.names
    assert one.names == [f"train/0000{i}" for i in range(4)] + [f"test/0000{i}" for i in range(2)]
    assert np.array_equal(catalog.images, one.images)
    assert catalog.classes == one.classes == ("a", "b", "c")


def test_full_batches_are_written_to_their_place(tmp_path):
    empty = np.zeros((10_000, 3072), np.uint8)
    files = {}
    for i, name in enumerate(
        ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
    ):
        files[name] = pickle.dumps({b"data": empty + np.uint8(i), b"labels": [i] * 10_000}, 2)
    catalog = read_cifar(archive(tmp_path, dict(reversed(files.items())), "w"))
    assert catalog.images.shape == (60_000, 32, 32, 3)
    assert catalog.images[::10_000, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert catalog.labels[::10_000].tolist() == [0, 1, 2, 3, 4, 5]
    assert (catalog.splits == "test").sum() == 10_000


@pytest.mark.parametrize(("form", "classes"), [(None, ("x", "y", "z")), ("cifar100-coarse", ("u", "v", "w"))])
def test_cifar_100_has_fine_and_coarse_labels(form, classes, tmp_path):
    names = pickle.dumps({b"fine_label_names": [b"x", b"y", b"z"], b"coarse_label_names": [b"u", b"v", b"w"]}, 2)
    coarse = {b"coarse_labels": [2, 1, 0]}
    files = {name: batch(3, "fine_labels") for name in ("train", "test")}
    for name in files:
        files[name] = pickle.dumps(pickle.loads(files[name], encoding="bytes") | coarse, 2)
    catalog = read(folder(tmp_path, meta=names, **files), format=form)
    assert catalog.classes == classes
    assert catalog.labels[:3].tolist() == ([0, 1, 2] if form is None else [2, 1, 0])


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("fortran", [False, True])
def test_pickled_arrays_of_every_protocol(protocol, fortran):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    raw = pickle.dumps({"data": np.asfortranarray(pixels) if fortran else pixels}, protocol)
    if protocol == 5 and b"_frombuffer" in raw:
        with pytest.raises(DataError, match="_frombuffer"):
            load_pickle(raw, "x")
        return
    assert np.array_equal(load_pickle(raw, "x")["data"], pixels)


@pytest.mark.parametrize("name", [NUMPY_1, NUMPY_2])
def test_the_names_of_both_numpys_and_the_text_of_python_2(name):
    # What NumPy 1 under Python 2 wrote: byte strings, and `numpy.core` for its module.
    raw = (
        b"\x80\x02}U\x04datac" + name + b"\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01K\x02\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x02\x07\xfftbs."
    )
    assert load_pickle(raw, "x")[b"data"].tolist() == [[7, 255]]


class Attack:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


ATTACKS = {
    "os.system": pickle.dumps({b"data": Attack(os.system, "touch RAN")}, 2),
    "eval": pickle.dumps(Attack(eval, "open('RAN', 'w')"), 2),
    "open": b"\x80\x02cio\nopen\nX\x03\x00\x00\x00RANX\x01\x00\x00\x00w\x86R.",
    "numpy.load": pickle.dumps(Attack(np.load, "RAN"), 2),
    "numpy.ndarray called": b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85\x85R.",
    "numpy attribute path": b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.dump\x93.",
    "numpy object array": pickle.dumps({b"data": np.array([1, "x"], dtype=object)}, 2),
    "numpy floats": pickle.dumps({b"data": np.zeros(3)}, 2),
    "instance opcode": b"(S'touch RAN'\nios\nsystem\n.",
    "extension registry": b"\x80\x02\x82\x01.",
    "persistent id": b"PRAN\n.",
    "setting a function's state": b"\x80\x02c_codecs\nencode\n}X\x05\x00\x00\x00_callNsb.",
    "encoding elsewhere": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xX\x05\x00\x00\x00rot13\x86R.",
    "a shape that is not there": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    b"(K\x01J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R\x89U\x02\x07\xfftb.",
    "a state that is none": b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87RNb.",
    "a huge memo": b"\x80\x02}r\xff\xff\xff\x7fc" + b"os\nsystem\n.",
    "a huge string": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "a huge frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b".",
    "nothing": b"",
    "noise": bytes(range(256)),
    "an end too early": batch()[:5000],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_pickle_from_a_stranger_runs_nothing(attack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = folder(tmp_path / "s", data_batch_1=batch(), data_batch_2=ATTACKS[attack])
    with pytest.raises(DataError, match=r"s, data_batch_2, (must be a pickle of plain|is a damaged pickle)") as caught:
        read(source)
    assert str(caught.value).count("\n") == 0
    assert not list(tmp_path.rglob("RAN*"))


def test_what_a_pickle_asks_for_is_named(tmp_path):
    source = archive(tmp_path, {"x/data_batch_1": ATTACKS["os.system"]})
    with pytest.raises(DataError, match=r"data_batch_1, .* it asks for (posix|nt|os)\.system. Nothing of it was run"):
        read(source)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (pickle.dumps([1], 2), r"must hold 'data', bytes of shape \(n, 3072\); got none"),
        (pickle.dumps({b"data": b"x"}, 2), "got none"),
        (pickle.dumps({b"data": np.zeros((2, 5), np.uint8)}, 2), r"got an array of shape \(2, 5\)"),
        (
            pickle.dumps({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, 2),
            "one whole number for each of its 2",
        ),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": ["1"]}, 2), "one whole number for each"),
        (pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [-1]}, 2), "one whole number for each"),
    ],
)
def test_batches_that_are_none(raw, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(folder(tmp_path, data_batch_1=raw))


def test_too_few_class_names(tmp_path):
    meta = pickle.dumps({b"label_names": [b"a"]}, 2)
    with pytest.raises(DataError, match="must name at least 3 classes in its meta file"):
        read(folder(tmp_path, data_batch_1=batch(3), batches__meta=meta))


def test_an_archive_cut_off_anywhere_is_damaged(tmp_path):
    path = archive(tmp_path, {"c/data_batch_1": batch(2), "c/test_batch": batch(2)})
    raw = path.read_bytes()
    for length in (30, 600, len(raw) // 2, len(raw) - 12):
        path.write_bytes(raw[:length])
        with pytest.raises(DataError, match=r"cifar.tar.gz (cannot be read as a CIFAR archive|is a damaged gzip)"):
            read(path)


def test_a_bit_flipped_in_a_pixel_is_noticed(tmp_path):
    raw = bytearray(gzip.decompress(archive(tmp_path, {"c/data_batch_1": batch(2)}).read_bytes()))
    good = gzip.compress(bytes(raw), 0)
    raw[3000] ^= 1
    bad = gzip.compress(bytes(raw), 0)
    path = tmp_path / "flipped.tar.gz"
    path.write_bytes(bad[:-8] + good[-8:])  # the flipped content with the checksum of the good one
    with pytest.raises(DataError, match=r"cannot be read as a CIFAR archive \(CRC check failed"):
        read(path)


def test_an_archive_of_something_else(tmp_path):
    with pytest.raises(DataError, match=r"must hold CIFAR's batches \(data_batch_1… or train\); it holds none"):
        read(archive(tmp_path, {"a/b.png": b"x"}), format="cifar")


def test_members_that_declare_absurd_sizes_are_refused_unread(tmp_path):
    info = tarfile.TarInfo("c/data_batch_1")
    info.size = 1 << 40
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf() + bytes(1024)))
    with pytest.raises(
        DataError, match="data_batch_1 declares 1,099,511,627,776 bytes; no batch of CIFAR is that large"
    ):
        read(path)


def test_nothing_is_unpacked_and_links_and_devices_are_left_alone(tmp_path):
    path = tmp_path / "tricks.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for kind, name in (
            (tarfile.SYMTYPE, "data_batch_1"),
            (tarfile.CHRTYPE, "data_batch_2"),
            (tarfile.LNKTYPE, "test_batch"),
        ):
            info = tarfile.TarInfo(f"../../{name}")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        raw = batch(1)
        info = tarfile.TarInfo("/absolute/../data_batch_3")
        info.size = len(raw)
        tar.addfile(info, io.BytesIO(raw))
    assert len(read(path)) == 1
    assert list(tmp_path.iterdir()) == [path]
