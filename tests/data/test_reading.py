"""`read` chooses a reader by content, and every reader keeps the same contract."""

import csv
import gzip
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data import forms

from striate.data.catalog import SPLITS, Catalog
from striate.data.decoding.decode import decode
from striate.data.decoding.stored import Stored
from striate.data.preparing.prepare import prepare
from striate.data.reading import FORMATS, read, recognise
from striate.errors import ArgumentError, DataError, SourceNotFoundError, StriateError


def png(path: Path, value: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (3, 2), value).save(path, "PNG")
    return path


def folders(root: Path) -> Path:
    for i, name in enumerate(("cats/1.png", "cats/deep/2.png", "dogs/1.png")):
        png(root / name, i)
    return root


def split_folders(root: Path) -> Path:
    for i, name in enumerate(("train/a/1.png", "train/b/1.png", "val/a/1.png", "Testing/b/1.png")):
        png(root / name, i)
    return root


def unlabelled_folder(root: Path) -> Path:
    png(root / "1.png")
    png(root / "2.png")
    return root


def table(root: Path) -> Path:
    folders(root)
    (root / "labels.csv").write_text(
        "file,label,split\ncats/1.png,cat,train\ncats/deep/2.png,cat,val\ndogs/1.png,dog,\n"
    )
    return root / "labels.csv"


def cifar_folder(root: Path) -> Path:
    pixels = np.arange(4 * 3072, dtype=np.int64).astype(np.uint8).reshape(4, 3072)
    root.mkdir()
    (root / "data_batch_1").write_bytes(pickle.dumps({b"data": pixels, b"labels": [0, 1, 1, 0]}, 2))
    (root / "test_batch").write_bytes(pickle.dumps({b"data": pixels[::-1].copy(), b"labels": [1, 1, 0, 0]}, 2))
    (root / "batches.meta").write_bytes(pickle.dumps({b"label_names": [b"airplane", b"automobile"]}, 2))
    return root


def cifar_archive(root: Path) -> Path:
    folder = cifar_folder(root)
    with tarfile.open(root / "cifar.tar.gz", "w:gz") as archive:
        for name in ("test_batch", "data_batch_1", "batches.meta"):
            archive.add(folder / name, f"cifar-10-batches-py/{name}")
    return root / "cifar.tar.gz"


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx_folder(root: Path) -> Path:
    root.mkdir()
    for split, n in (("train", 4), ("t10k", 2)):
        (root / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.ones((n, 5, 4), np.uint8))))
        (root / f"{split}-labels-idx1-ubyte").write_bytes(idx(np.arange(n, dtype=np.uint8)))
    return root


def idx_file(root: Path) -> Path:
    return idx_folder(root) / "train-images-idx3-ubyte.gz"


def npz(root: Path) -> Path:
    root.mkdir()
    rng = np.random.default_rng(0)
    np.savez_compressed(
        root / "set.npz",
        x_train=rng.random((4, 3, 6, 5)),
        y_train=np.array(list("abca")),
        x_test=rng.random((2, 3, 6, 5)),
        y_test=np.array(list("bc")),
    )
    return root / "set.npz"


def npy(root: Path) -> Path:
    root.mkdir()
    np.save(root / "X.npy", np.zeros((3, 4, 4), np.uint8))
    np.save(root / "y.npy", np.array([10, 9, 10]))
    return root


def image(root: Path) -> Path:
    return png(root / "one.png")


def zip_archive(root: Path) -> Path:
    return forms.write_zip(root / "set.zip", forms.class_folders())


def tar_archive(root: Path) -> Path:
    return forms.write_tar(root / "set.tar", forms.class_folders())


def packed_archive(root: Path) -> Path:
    return forms.write_tar(root / "set.tar.xz", forms.class_folders(), "w:xz")


def archive_with_table(root: Path) -> Path:
    files = {f"pics/{i}.png": forms.picture(i % 2, i) for i in range(4)}
    table = "file,label\n" + "".join(f"pics/{i}.png,{'ab'[i % 2]}\n" for i in range(4))
    return forms.write_zip(root / "set.zip", {**files, "labels.csv": table.encode()})


def webdataset(root: Path) -> Path:
    return forms.write_tar(root / "train-0000.tar", forms.samples())


def webdataset_folder(root: Path) -> Path:
    forms.write_tar(root / "train-0000.tar", forms.samples())
    forms.write_tar(root / "val-0000.tar.gz", forms.samples(start=4), "w:gz")
    return root


def parquet(root: Path) -> Path:
    pytest.importorskip("pyarrow")
    return forms.write_parquet(root / "train-00000-of-00001.parquet", forms.hub_rows(), ("cat", "dog"))


def parquet_folder(root: Path) -> Path:
    parquet(root / "data")
    forms.write_parquet(root / "data" / "test-00000-of-00001.parquet", forms.hub_rows(3, 9), ("cat", "dog"))
    return root


def metadata(root: Path) -> Path:
    rows = "".join(f'{{"file_name": "{i}.png", "label": "{"ab"[i % 2]}"}}\n' for i in range(4))
    return forms.write_files(
        root, {**{f"{i}.png": forms.picture(i % 2, i) for i in range(4)}, "metadata.jsonl": rows.encode()}
    )


def coco(root: Path) -> Path:
    files = {f"{i}.png": [i % 2] for i in range(4)}
    forms.write_files(root, {name: forms.picture(kinds[0], 1) for name, kinds in files.items()})
    return forms.write_json(root / "instances.json", forms.coco(files))


def label_studio(root: Path) -> Path:
    forms.write_files(root, {f"{i}.png": forms.picture(i % 2, i) for i in range(4)})
    tasks = [forms.task(f"/data/upload/1/0123abcd-{i}.png", "ab"[i % 2]) for i in range(4)]
    return forms.write_json(root / "export.json", tasks)


def arrays(root: Path):
    return np.zeros((3, 4, 4), bool), ["x", "y", "x"]


def pairs(root: Path):
    return iter([(Image.new("L", (3, 3)), "x"), (png(root / "1.png"), "y"), (np.zeros((5, 4, 3), np.uint8), ("z", 1))])


SOURCES = {
    make.__name__: (make, form)
    for make, form in (
        (folders, "folders"), (split_folders, "folders"), (unlabelled_folder, "folders"), (table, "table"),
        (cifar_folder, "cifar"), (cifar_archive, "cifar"), (idx_folder, "idx"), (idx_file, "idx"), (npz, "npz"),
        (npy, "npy"), (image, "image"), (arrays, "arrays"), (pairs, "arrays"), (zip_archive, "archive"),
        (tar_archive, "archive"), (packed_archive, "archive"), (archive_with_table, "archive"),
        (webdataset, "webdataset"), (webdataset_folder, "webdataset"), (parquet, "parquet"),
        (parquet_folder, "parquet"), (metadata, "metadata"), (coco, "coco"), (label_studio, "labelstudio"),
    )
}  # fmt: skip
SOURCES |= {name: (lambda root, name=name: name, name.split(":")[0]) for name in ("digits", "xo:7", "shapes:6")}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_reader_keeps_the_contract(kind, tmp_path):
    make, form = SOURCES[kind]
    catalog = read(make(tmp_path / "source"))
    n = len(catalog)
    assert isinstance(catalog, Catalog)
    assert catalog.format == form
    assert n > 0
    assert n == len(catalog.names) == len(catalog.images) == len(catalog.labels) == len(catalog.splits)
    assert len(set(catalog.names)) == n
    assert all(isinstance(name, str) and not name.startswith("/") for name in catalog.names if kind != "pairs")
    assert catalog.labels.dtype == np.int64
    assert catalog.labels.min() >= -1
    assert catalog.labels.max() < max(1, len(catalog.classes))
    assert all(isinstance(name, str) for name in catalog.classes)
    assert set(catalog.splits.tolist()) <= {*SPLITS, ""}
    if isinstance(catalog.images, np.ndarray):
        assert catalog.images.dtype == np.uint8
        assert catalog.images.ndim == 4
        assert catalog.images.shape[3] in (1, 3)
    else:
        assert all(isinstance(way, Path | Stored | np.ndarray | Image.Image) for way in catalog.images)
    for way in catalog.images:
        if isinstance(way, Stored):  # a worker process reads the same bytes, and they are an image
            assert pickle.loads(pickle.dumps(way)).read() == way.read()
            assert decode(way).pixels.size
    assert all(catalog.ledger[name].status in ("used", "repaired") for name in catalog.names)
    catalog.ledger.write_csv(tmp_path / "ledger.csv")
    with open(tmp_path / "ledger.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 1 + len(catalog.ledger)


@pytest.mark.parametrize("kind", [kind for kind in SOURCES if kind not in ("arrays", "pairs")])
def test_reading_twice_gives_the_same(kind, tmp_path):
    source = SOURCES[kind][0](tmp_path / "source")
    one, two = read(str(source)), read(source)
    assert one.names == two.names
    assert one.classes == two.classes
    assert np.array_equal(one.labels, two.labels)
    assert np.array_equal(np.asarray(one.images), np.asarray(two.images))


def test_a_catalog_is_read_as_itself():
    catalog = read("digits")
    assert read(catalog) is catalog


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "cifar100-coarse"])
def test_the_format_can_be_insisted_on(form, tmp_path):
    make = next(make for make, known in SOURCES.values() if known == form)
    assert read(make(tmp_path / "source"), format=form).format == form


def test_progress_is_told(tmp_path):
    told = []
    read(cifar_archive(tmp_path / "source"), progress=lambda *step: told.append(step))
    assert told[-1][:2] == ("reading images", 8)


def test_nothing_of_a_source_is_changed(tmp_path):
    source = split_folders(tmp_path / "source")
    before = sorted(source.rglob("*"))
    read(source)
    assert sorted(source.rglob("*")) == before


def content(**files: bytes):
    def make(root: Path) -> Path:
        root.mkdir()
        for name, raw in files.items():
            (root / name).write_bytes(raw)
        return root if len(files) != 1 else root / next(iter(files))

    return make


def zip_of_nothing(root: Path) -> Path:
    return forms.write_zip(root / "a.zip", {"notes.txt": b"none"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: root, "source does not exist. Check the path"),
        (lambda root: root / "deeper" / "x.csv", "does not exist; neither does its folder"),
        (lambda root: "digit", r"digit is no path here: unknown set 'digit'; did you mean 'digits'\?"),
        (lambda root: "", "a path or the name of a built-in set; got nothing"),
        (lambda root: "x" * 5000, "cannot be read: File name too long"),
        (content(), "must hold images; it is empty. Expected one folder of images for each class, e.g. .*/cats/1.jpg"),
        (content(empty=b""), "empty must hold images; it is an empty file"),
        (content(model=b"\x80\x02abc\0\0"), r"must be a table, an IDX file, .*; it begins with 80 02 61 62 63 00 00"),
        (content(broken=b"\x1f\x8b\x08\0abcdef"), "broken is a damaged gzip file"),
        (content(**{"a.gz": gzip.compress(b"a,b\n1,2\n")}), "a.gz cannot be read as a CIFAR archive"),
        (zip_of_nothing, r"a.zip must hold images; none of its 1 files is one \(notes.txt: not an image file type"),
        (lambda root: 3, "a source must be a path, a name, .*; got a int"),
        (lambda root: {"images": []}, "got a dict"),
        (lambda root: [], "arrays must hold images; got none"),
        (lambda root: [1, 2], r"must give \(image, label\) pairs; item 0 is a int"),
    ],
)  # fmt: skip
def test_bad_sources_are_named_in_one_or_two_lines(make, message, tmp_path):
    with pytest.raises(StriateError, match=message) as caught:
        read(make(tmp_path / "source"))
    assert str(caught.value).count("\n") <= 1


def test_a_path_that_is_missing_is_a_file_not_found_with_the_nearest(tmp_path):
    png(tmp_path / "photos" / "1.png")
    with pytest.raises(SourceNotFoundError, match=r"Did you mean .*photos") as caught:
        read(tmp_path / "photo")
    assert isinstance(caught.value, FileNotFoundError)


def test_a_path_goes_before_a_name(tmp_path, monkeypatch):
    folders(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert read("digits").format == "folders"


def test_an_archive_in_a_folder_is_pointed_at(tmp_path):
    npz(tmp_path / "source")
    with pytest.raises(DataError, match=r"it holds set.npz. Give that as the source: .*source/set.npz"):
        read(tmp_path / "source")


def test_archives_of_splits_in_a_folder_are_to_be_unpacked(tmp_path):
    for name in ("train.zip", "test.zip"):
        forms.write_zip(tmp_path / name, {"notes.txt": b"none"})
    with pytest.raises(DataError, match=r"it holds test.zip, train.zip. Unpack them, each into a folder of its"):
        read(tmp_path)


def arrays(folder, make, where="{label}/{i}.npy"):
    """Save an array for each of three images of two classes."""
    for k, label in enumerate(("cats", "dogs")):
        for i in range(3):
            path = folder / where.format(label=label, i=i)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, make(10 * k + i))
    return folder


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda i: np.full((8, 9), i, np.uint8), (8, 9, 1)),
        (lambda i: np.full((8, 9, 3), i, np.uint8), (8, 9, 3)),
        (lambda i: np.full((3, 8, 9), i, np.uint8), (8, 9, 3)),
        (lambda i: np.asfortranarray(np.arange(72.0).reshape(8, 9) + i), (8, 9, 1)),
        (lambda i: (np.arange(72).reshape(8, 9) * 9 + 300 + i).astype(">u2"), (8, 9, 1)),
        (lambda i: np.arange(40 * 30 * 6, dtype=np.float16).reshape(40, 30, 6) / 9000 + i / 99, (40, 30, 6)),
        (lambda i: np.arange(40 * 30 * 6, dtype=np.float32).reshape(1, 6, 40, 30) + i, (40, 30, 6)),
        (lambda i: np.eye(8) > i, (8, 8, 1)),
    ],
)
def test_class_folders_of_arrays_are_read_where_no_image_file_is(make, shape, tmp_path):
    catalog = read(arrays(tmp_path, make))
    assert catalog.classes == ("cats", "dogs")
    assert len(catalog) == 6
    images = prepare(catalog).images
    assert images.shape == (6, *shape)
    assert len(np.unique(images)) > 1


@pytest.mark.parametrize("where", ["{label}/{i}.npy", "train/{label}/{i}.npy"])
def test_a_zip_of_arrays_in_class_folders_is_read_as_the_folder(where, tmp_path):
    arrays(tmp_path / "a", lambda i: np.full((8, 9), 20 * i, np.uint8), where)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in sorted((tmp_path / "a").rglob("*.npy")):
            archive.write(path, path.relative_to(tmp_path / "a"))
    folder, archive = read(tmp_path / "a"), read(tmp_path / "a.zip")
    assert folder.names == archive.names
    assert folder.classes == archive.classes == ("cats", "dogs")
    assert np.array_equal(prepare(folder).images, prepare(archive).images)


def test_arrays_beside_images_are_set_aside(tmp_path):
    arrays(tmp_path, lambda i: np.zeros((8, 9), np.uint8))
    Image.new("L", (4, 4)).save(tmp_path / "cats" / "a.png")
    catalog = read(tmp_path)
    assert catalog.names == ["cats/a.png"]
    assert catalog.ledger["dogs/0.npy"].status == "skipped"


def test_arrays_that_are_no_images_are_named_in_the_ledger(tmp_path):
    arrays(tmp_path, lambda i: np.full((8, 9), i, np.uint8))
    np.save(tmp_path / "cats" / "0.npy", np.array([{"a": 1}], object), allow_pickle=True)
    (tmp_path / "cats" / "1.npy").write_bytes((tmp_path / "cats" / "1.npy").read_bytes()[:-9])
    (tmp_path / "dogs" / "1.npy").write_bytes(b"\x93NUMPY\1\0\x10\0{")
    told = {entry.name: entry.detail.split(":")[0].split(",")[0] for entry in prepare(read(tmp_path)).ledger}
    assert (told["cats/0.npy"], told["cats/1.npy"]) == ("an array of object", "truncated")
    assert told["dogs/1.npy"] == "damaged"


@pytest.mark.parametrize(
    ("shape", "form"),
    [((8, 9), "image"), ((8, 9, 3), "image"), ((50, 8, 8), "npy"), ((5, 128), "npy"), ((50, 4, 4), "npy")],
)
def test_an_array_alone_is_one_image_or_many(shape, form, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    assert recognise(tmp_path / "a.npy") == form


def test_archives_of_arrays_in_folders_name_the_way_out(tmp_path):
    (tmp_path / "cats").mkdir()
    np.savez(tmp_path / "cats" / "a.npz", np.zeros((4, 4)))
    with pytest.raises(DataError, match=r"1 archives of arrays, such as cats/a.npz. Save each image by numpy.save"):
        read(tmp_path)


def test_a_link_that_leads_nowhere_is_named_with_its_end(tmp_path):
    (tmp_path / "photo.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(SourceNotFoundError, match=r"photo.png is a link to \S+gone.png, which does not exist"):
        read(tmp_path / "photo.png")


def test_unknown_formats_are_refused_with_the_nearest(tmp_path):
    with pytest.raises(ArgumentError, match="unknown format 'tables'; did you mean 'table'"):
        read(tmp_path, format="tables")


def test_what_only_tables_have_is_refused_elsewhere(tmp_path):
    with pytest.raises(ArgumentError, match=r"--images, --label-column must come with a table; .* is read as folders"):
        read(folders(tmp_path / "source"), images=tmp_path, label_column="x")


@pytest.mark.parametrize("inside", [".lock", "run.json"], ids=["begun", "done"])
def test_the_folder_of_a_run_does_not_go_before_a_name(inside, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / inside).write_text("{}")
    assert len(read("digits")) == 1797


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs file permissions")
def test_a_folder_without_permission_is_named(tmp_path):
    folders(tmp_path / "source")
    (tmp_path / "source").chmod(0)
    try:
        with pytest.raises(StriateError, match="source"):
            read(tmp_path / "source")
    finally:
        (tmp_path / "source").chmod(0o755)


def test_tables_are_recognised_in_every_encoding(tmp_path):
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"):
        path = tmp_path / encoding
        path.write_bytes("file,label\nä.png,é\n".encode(encoding))
        assert recognise(path) == "table"


def test_published_sets_read_as_published(tmp_path):
    folder = os.environ.get("STRIATE_DATA")
    if not folder or not (Path(folder) / "cifar-10-python.tar.gz").is_file():
        pytest.skip("STRIATE_DATA names no folder with cifar-10-python.tar.gz")
    catalog = read(Path(folder) / "cifar-10-python.tar.gz")
    assert catalog.images.shape == (60_000, 32, 32, 3)
    assert catalog.counts()["test"] == dict.fromkeys(catalog.classes, 1000)
    assert catalog.classes[:3] == ("airplane", "automobile", "bird")


@pytest.mark.parametrize(
    ("marker", "form"),
    [("features.npy", "npy"), ("data_batch_1", "cifar"), ("train-images-idx3-ubyte", "idx"), ("X.npy", "npy")],
)
@pytest.mark.parametrize("images", [("1.png",), ("a/1.png", "b/1.png"), ("train/a/1.png", "train/b/1.png")])
def test_images_go_before_a_marker_of_another_form(marker, form, images, tmp_path):
    if form == "npy":
        np.save(tmp_path / marker, np.zeros((5, 128), np.float32))
    else:
        (tmp_path / marker).write_bytes(b"")
    for name in images:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / name)
    catalog = read(tmp_path)
    assert (catalog.format, catalog.names) == ("folders", list(images))
    assert catalog.ledger[marker].detail.startswith("set aside as a")
    assert catalog.notes == (f"{tmp_path} holds images, so {marker} is set aside; --format {form} reads that instead",)
    with pytest.raises(DataError):
        read(tmp_path, format=form)
