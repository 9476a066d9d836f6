import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.data.readers.scaling import as_pixels
from striate.data.reading import read
from striate.errors import DataError

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (4, 6, 5), np.uint8)
COLOUR = RNG.integers(0, 256, (4, 6, 5, 3), np.uint8)
HALF_CLEAR = np.concatenate(
    [COLOUR, np.where(np.arange(COLOUR[..., :1].size).reshape(COLOUR[..., :1].shape) % 2, 255, 0)], 3
).astype(np.uint8)
LABELS = np.array([1, 0, 1, 2])


def save(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("images", ["images", "X", "x", "data", "Images", "arr_0"])
@pytest.mark.parametrize("labels", ["labels", "y", "Y", "targets", "arr_1"])
def test_common_key_names(images, labels, tmp_path):
    catalog = read(save(tmp_path / "a.npz", **{images: COLOUR, labels: LABELS, "unrelated": np.zeros(3)}))
    assert np.array_equal(catalog.images, COLOUR)
    assert catalog.labels.tolist() == [1, 0, 1, 2]
    assert catalog.classes == ("0", "1", "2")
    assert catalog.ledger["00000"].status == "used"


@pytest.mark.parametrize(
    "keys",
    [
        ("x_train", "y_train", "x_test", "y_test"), ("X_train", "y_train", "X_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("train_x", "train_y", "test_x", "test_y"), ("images_train", "labels_train", "images_test", "labels_test"),
    ],
)  # fmt: skip
def test_keys_that_name_splits(keys, tmp_path):
    x_train, y_train, x_test, y_test = keys
    catalog = read(save(tmp_path / "a.npz", **{x_test: GRAY[:1], y_test: [2], x_train: GRAY, y_train: LABELS}))
    assert catalog.names[:1] + catalog.names[-1:] == ["train/00000", "test/00000"]
    assert catalog.splits.tolist() == ["train"] * 4 + ["test"]
    assert catalog.labels.tolist() == [1, 0, 1, 2, 2]


@pytest.mark.parametrize(
    ("labels", "names", "classes"),
    [
        (np.array(["b", "a", "b", "c"]), None, ("a", "b", "c")),
        (np.array([b"b", b"a", b"b", b"c"]), None, ("a", "b", "c")),
        (LABELS[:, None], None, ("0", "1", "2")),
        (np.eye(3)[LABELS], None, ("0", "1", "2")),
        (LABELS.astype(float), None, ("0", "1", "2")),
        (LABELS, ["z", "y", "x", "never"], ("z", "y", "x", "never")),
        (np.array([-1, 1, -1, 1]), None, ("-1", "1")),
    ],
)
def test_labels_as_people_store_them(labels, names, classes, tmp_path):
    more = {} if names is None else {"class_names": np.array(names)}
    catalog = read(save(tmp_path / "a.npz", images=GRAY, labels=labels, **more))
    assert catalog.classes == classes
    assert len(set(catalog.labels.tolist())) == len(np.unique(LABELS if len(classes) > 2 else labels))


def test_labels_beyond_the_class_names(tmp_path):
    with pytest.raises(DataError, match="must be 0 to 1, for 2 class names; got 0 to 2"):
        read(save(tmp_path / "a.npz", images=GRAY, labels=LABELS, class_names=np.array(["a", "b"])))


@pytest.mark.parametrize(
    ("images", "expected", "detail"),
    [
        (GRAY, GRAY[..., None], ""),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR, "channels moved to the last axis"),
        (GRAY > 99, np.where(GRAY > 99, 255, 0)[..., None], "scaled from bool"),
        (GRAY / 255, GRAY[..., None], "scaled from float64 0…1"),
        ((GRAY / 255).astype(np.float16), None, "scaled from float16 0…1"),
        (GRAY.astype(np.float32), GRAY[..., None], "rounded from float32 0…255"),
        (GRAY.astype(np.int64), GRAY[..., None], "stored as int64 0…255"),
        (GRAY.astype(np.uint16) * 257, GRAY[..., None], "scaled from uint16 0…65535"),
        (GRAY.astype(">u2") * 257, GRAY[..., None], "scaled from uint16 0…65535"),
        (np.concatenate([COLOUR, np.full((4, 6, 5, 1), 255, np.uint8)], 3), COLOUR, "transparency laid over white"),
        (HALF_CLEAR, np.where(HALF_CLEAR[..., 3:] == 255, COLOUR, 255), "transparency laid over white"),
        (np.zeros((2, 3, 3, 4), np.uint8), np.zeros((2, 3, 3, 4)), ""),  # a fourth band that is nowhere opaque
    ],
)
def test_pixels_as_people_store_them(images, expected, detail, tmp_path):
    catalog = read(save(tmp_path / "a.npz", images=images))
    assert catalog.images.dtype == np.uint8
    assert expected is None or np.array_equal(catalog.images, expected)
    entry = catalog.ledger[catalog.names[0]]
    assert (entry.status, entry.detail) == (("repaired", detail) if detail else ("used", ""))
    assert np.array_equal(read((images, None)).images, catalog.images)


def test_both_splits_are_brought_to_one_scale(tmp_path):
    dark = np.full((1, 2, 2), 1.0)
    bright = np.full((1, 2, 2), 200.0)
    assert read(save(tmp_path / "a.npz", x_train=dark, x_test=bright)).images[:, 0, 0, 0].tolist() == [1, 200]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.zeros((4, 30)),
            r"images must be images \(n, h, w\) .* got shape \(4, 30\). Reshape flat rows to \(n, h, w\)",
        ),
        (np.zeros((4, 6, 6, 7)), r"bands than pixels a side; got shape \(4, 6, 6, 7\). Bring the axes into that order"),
        (
            GRAY * np.nan,
            r"finite; (\d+) of \1 values are not, as nan of image 0, the first of (\d+) of \2 images. Put a",
        ),
        (
            np.where(GRAY > 5, np.inf, 0.5),
            r"must be finite; \d+ of \d+ values are not, as inf of image \d+, the first of",
        ),
        (GRAY.astype(complex), "must be numbers; got complex128"),
        (GRAY.astype("U3"), "must be numbers; got <U3"),
        (np.zeros((0, 3, 3), np.uint8), r"must hold images; images has shape \(0, 3, 3, 1\)"),
        (np.zeros((3, 0, 3), np.uint8), "must hold images"),
    ],
)
def test_what_leaves_open_what_is_meant_is_refused(images, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(save(tmp_path / "a.npz", images=images))


def test_labels_of_another_number(tmp_path):
    with pytest.raises(DataError, match=r"the labels of images must be one for each of 4 images; got shape \(3,\)"):
        read(save(tmp_path / "a.npz", images=GRAY, labels=[1, 2, 3]))


def test_splits_of_another_size_or_type(tmp_path):
    with pytest.raises(DataError, match="images must have one size"):
        read(save(tmp_path / "a.npz", x_train=GRAY, x_test=GRAY[:, :3]))
    with pytest.raises(DataError, match="images must have one type; got float64, uint8"):
        read(save(tmp_path / "a.npz", x_train=GRAY, x_test=GRAY / 255))


def test_a_npz_without_images_lists_its_keys(tmp_path):
    with pytest.raises(DataError, match=r"it holds a, b. Rename them to images and labels"):
        read(save(tmp_path / "a.npz", a=GRAY, b=LABELS))


class Attack:
    def __reduce__(self):
        return open, ("RAN", "w")


@pytest.mark.parametrize("end", ["npz", "npy"])
def test_pickled_objects_are_refused_unrun(end, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"images.{end}"
    objects = np.array([Attack()], dtype=object)
    np.savez(path, images=objects) if end == "npz" else np.save(path, objects)
    with pytest.raises(DataError, match="holds Python objects, which could run code; nothing of it was run"):
        read(path)
    assert not (tmp_path / "RAN").exists()


def header(shape: tuple[int, ...], descr: str = "|u1") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def test_a_header_that_declares_more_than_there_is(tmp_path):
    (tmp_path / "images.npy").write_bytes(header((1 << 20, 1 << 20, 1 << 10)) + bytes(100))
    with pytest.raises(DataError, match="declares 1,125,899,906,842,624 bytes, more than its file of"):
        read(tmp_path / "images.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", header((1 << 20, 1 << 20, 1 << 10)) + bytes(100))
    with pytest.raises(DataError, match="images declares 1,125,899,906,842,624 bytes; its file holds"):
        read(tmp_path / "a.npz")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("striate.data.readers.bombs.memory_bytes", lambda: 1 << 20)
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, images=np.zeros((2000, 32, 32), np.uint8))
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match="more than this machine's memory"):
        read(path)


@pytest.mark.parametrize(
    "raw",
    [
        b"PK\x03\x04" + bytes(40),
        b"\x93NUMPY\x01\x00\x10\x00{'descr': broken",
        b"\x93NUMPY\x09\x00",
        header((2, -3, 4)) + bytes(10),
        header((2, 3, 4))[:30],
        header((2, 3, 4)) + bytes(5),
    ],
)
def test_damaged_files_are_named(raw, tmp_path):
    path = tmp_path / "images.npy"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"images.npy"):
        read(path)


def test_a_flipped_bit_in_a_npz_is_noticed(tmp_path):
    raw = bytearray(save(tmp_path / "a.npz", images=GRAY).read_bytes())
    raw[200] ^= 1
    (tmp_path / "a.npz").write_bytes(raw)
    with pytest.raises(DataError, match=r"damaged .npz .*CRC"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize(("x", "y"), [("X", "y"), ("images", "labels"), ("x_train", "y_train")])
@pytest.mark.parametrize("whole", [True, False])
def test_a_pair_of_npy_files(x, y, whole, tmp_path):
    np.save(tmp_path / f"{x}.npy", GRAY)
    np.save(tmp_path / f"{y}.npy", LABELS)
    np.save(tmp_path / "other.npy", np.zeros(3))
    catalog = read(tmp_path if whole else tmp_path / f"{x}.npy")
    assert catalog.labels.tolist() == [1, 0, 1, 2]
    assert set(catalog.splits.tolist()) == {"train" if "train" in x else ""}


def test_a_npy_file_alone_is_unlabelled(tmp_path):
    np.save(tmp_path / "some.npy", GRAY)
    assert read(tmp_path / "some.npy").labels.tolist() == [-1] * 4


@pytest.mark.parametrize("labels", [LABELS, LABELS.tolist(), list("baba"), [None, "a", "a", "b"], LABELS.astype("U1")])
def test_images_and_labels_in_memory(labels):
    catalog = read((GRAY, labels))
    assert catalog.images.base is GRAY
    known = [str(label) for label in labels if label is not None]
    assert catalog.classes == tuple(sorted(set(known)))
    assert [catalog.classes[i] if i >= 0 else None for i in catalog.labels] == [
        None if label is None else str(label) for label in labels
    ]


def test_an_iterable_of_pairs_of_one_size_becomes_one_array():
    catalog = read((image, label) for image, label in zip(COLOUR, "abca", strict=True))
    assert np.array_equal(catalog.images, COLOUR)
    assert catalog.classes == ("a", "b", "c")


def test_an_iterable_of_anything_is_handed_to_the_decoder(tmp_path):
    Image.fromarray(GRAY[0]).save(tmp_path / "é.png")
    path = str(tmp_path / "é.png")
    catalog = read([(Image.fromarray(GRAY[1]), 1), (path, 1.0), (Path(path), "one"), (GRAY[2] / 255, None)])
    assert catalog.names == ["00000", path, f"{path} (2)", "00003"]
    assert catalog.classes == ("1", "one")
    assert catalog.labels.tolist() == [0, 0, 1, -1]
    assert np.array_equal(catalog.images[3], GRAY[2][..., None])
    assert catalog.ledger["00003"].detail == "scaled from float64 0…1"
    assert catalog.ledger["00000"].status == "used"


def test_arrays_of_different_sizes_are_brought_to_one_scale():
    catalog = read([(np.full((2, 2), 1.0), "a"), (np.full((3, 2), 200.0), "b")])
    assert [image.max() for image in catalog.images] == [1, 200]
    assert [image.shape for image in catalog.images] == [(2, 2, 1), (3, 2, 1)]


def test_a_sequence_by_index_is_iterated_as_torch_s_datasets_are():
    class Dataset:
        def __getitem__(self, i):
            if i >= 4:
                raise IndexError
            return Image.fromarray(GRAY[i]), int(LABELS[i])

    assert read(Dataset()).labels.tolist() == [1, 0, 1, 2]


def test_two_pairs_are_not_taken_for_images_and_labels():
    assert read(((GRAY[0], "a"), (GRAY[1], "b"))).classes == ("a", "b")
    assert read(([GRAY[0], GRAY[1]], ["a", "b"])).classes == ("a", "b")


def test_labels_of_any_type_and_number():
    assert read(([GRAY[0], GRAY[1]], [("a", 1), ("b", 2)])).classes == ("('a', 1)", "('b', 2)")
    with pytest.raises(DataError, match="labels must be one for each of 2 images; got 1"):
        read(([GRAY[0], GRAY[1]], ["a"]))


def test_images_alone():
    assert read(GRAY).labels.tolist() == [-1] * 4
    assert len(read(Image.fromarray(GRAY[0]))) == 1
    with pytest.raises(DataError, match="item 1 is a pair with int in the place of the image"):
        read([(GRAY[0], 1), (2, 3)])


def test_sixteen_bits_are_rounded_to_the_nearest_byte():
    values = np.array([[[0, 128, 129, 385, 386, 65406, 65407, 65535]]], np.uint16)
    assert as_pixels("x", [("images", values)]).pixels.ravel().tolist() == [0, 0, 1, 1, 2, 254, 255, 255]


def test_flat_rows_with_labels_say_their_shape():
    with pytest.raises(DataError, match=r"an array of shape \(6, 12\)\. Images are \(n, h, w\)"):
        read((np.zeros((6, 12), np.uint8), [0, 1] * 3))
