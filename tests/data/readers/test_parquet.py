"""Parquet as Hugging Face's data sets have it."""

import builtins
import subprocess
import sys

import numpy as np
import pytest
from tests.data import forms

from striate.data.preparing.prepare import prepare
from striate.data.reading import read
from striate.data.trainable import check_trainable
from striate.errors import ArgumentError, DataError, MissingExtraError

pyarrow = pytest.importorskip("pyarrow")


def test_bytes_labels_and_the_names_of_the_classes(tmp_path):
    catalog = read(forms.write_parquet(tmp_path / "a.parquet", forms.hub_rows(), ("dog", "cat")))
    assert catalog.classes == ("dog", "cat")  # in the file's order
    assert catalog.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    assert catalog.names[3] == "3.png"
    assert catalog.images[5].read() == forms.picture(1, 5)
    assert len(prepare(catalog)) == 7


def test_shards_and_splits(tmp_path):
    for name, start in (("train-00000-of-00003", 0), ("train-00002-of-00003", 10), ("validation-00000-of-00001", 20)):
        forms.write_parquet(tmp_path / "s" / "data" / f"{name}.parquet", forms.hub_rows(4, start), ("a", "b"))
    (tmp_path / "s" / "README.md").write_text("words")
    catalog = read(tmp_path / "s")
    assert catalog.counts() == {"train": {"a": 4, "b": 4}, "valid": {"a": 2, "b": 2}}
    assert catalog.ledger["data/train-00001-of-00003.parquet"].status == "skipped"
    assert catalog.images[4].read() == forms.picture(0, 10)


@pytest.mark.parametrize("name", ["image", "jpg"])
def test_plain_bytes_and_labels_of_text(name, tmp_path):
    rows = [{name: forms.picture(i % 2, i), "label": ["cat", "dog"][i % 2], "patient": i // 2} for i in range(4)]
    catalog = read(forms.write_parquet(tmp_path / "a.parquet", rows, images=name))
    assert catalog.classes == ("cat", "dog")
    assert catalog.names == ["00000", "00001", "00002", "00003"]
    assert list(catalog.columns["patient"]) == ["0", "0", "1", "1"]


def test_paths_of_images_beside_it(tmp_path):
    forms.write_files(tmp_path / "pics", {f"{i}.png": forms.picture(i % 2, i) for i in range(4)})
    rows = [{"image": f"{i}.png", "label": i % 2} for i in range(4)]
    path = forms.write_parquet(tmp_path / "a.parquet", rows, ("a", "b"))
    for images in (None, tmp_path / "pics"):
        catalog = read(path, images=images)
        assert catalog.classes == ("a", "b")
        assert catalog.images[1] == tmp_path / "pics" / "1.png"


def test_labels_that_are_kept_back_are_none(tmp_path):
    rows = [{**row, "label": -1} for row in forms.hub_rows(3)]
    catalog = read(forms.write_parquet(tmp_path / "a.parquet", rows, ("a", "b")))
    assert catalog.labels.tolist() == [-1] * 3
    rows = [*forms.hub_rows(4), {**forms.hub_rows(1, 9)[0], "label": None}]
    catalog = read(forms.write_parquet(tmp_path / "a.parquet", rows, ("a", "b")))
    assert len(catalog) == 4
    assert catalog.ledger["9.png"].detail == "no label"


def test_two_columns_of_classes_have_to_be_chosen_from(tmp_path):
    import json

    import pyarrow.parquet

    rows = [{"img": {"bytes": forms.picture(i % 2, i), "path": None}, "fine": i, "coarse": i // 2} for i in range(4)]
    kind = {"_type": "ClassLabel", "names": list("abcd")}
    about = {"info": {"features": {"img": {"_type": "Image"}, "fine": kind, "coarse": kind}}}
    table = pyarrow.Table.from_pylist(rows).replace_schema_metadata({"huggingface": json.dumps(about)})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"has 2 columns of classes: fine, coarse. Choose with --label-column"):
        read(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", label_column="coarse").labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(ArgumentError, match="unknown column 'coars'; did you mean 'coarse'"):
        read(tmp_path / "a.parquet", label_column="coars")


def test_no_column_of_images(tmp_path):
    with pytest.raises(DataError, match=r"must have a column of images, .* its columns are a \(int64\)"):
        read(forms.write_parquet(tmp_path / "a.parquet", [{"a": 1}]))
    with pytest.raises(DataError, match=r"the images in image must be bytes, paths, or a struct of both; got int64"):
        read(forms.write_parquet(tmp_path / "a.parquet", [{"image": 1}]))


def test_a_label_without_a_name_is_an_error_that_names_the_file(tmp_path):
    with pytest.raises(DataError, match=r"a.parquet: .*a label must be −1 to 0, for 1 classes; got 1"):
        read(forms.write_parquet(tmp_path / "a.parquet", forms.hub_rows(), ("a",)))


def test_files_cut_off_or_changed_are_damaged(tmp_path):
    path = forms.write_parquet(tmp_path / "a.parquet", forms.hub_rows(), ("a", "b"))
    raw = path.read_bytes()
    for length in (4, 100, len(raw) // 2, len(raw) - 3):
        path.write_bytes(raw[:length])
        with pytest.raises(DataError, match=r"a.parquet is a damaged Parquet file"):
            read(path)
    rng = np.random.default_rng(0)
    for _ in range(40):
        bad = bytearray(raw)
        for place in rng.integers(4, len(raw), 3):
            bad[place] = rng.integers(256)
        path.write_bytes(bad)
        try:
            prepare(read(path))
        except DataError as error:
            assert "a.parquet" in str(error)  # noqa: PT017


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    path = forms.write_parquet(tmp_path / "a.parquet", forms.hub_rows(), ("a", "b"))
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r'pip install "striate\[parquet\]"'):
        read(path)


@pytest.mark.parametrize("options", [
    {"column_encoding": {"image": "DELTA_BYTE_ARRAY", "label": "DELTA_BYTE_ARRAY", "patient": "PLAIN"}},
    {"column_encoding": {"image": "DELTA_LENGTH_BYTE_ARRAY", "label": "PLAIN", "patient": "DELTA_BINARY_PACKED"}},
    {"data_page_version": "2.0", "use_dictionary": True}, {"compression": "zstd", "use_dictionary": ["label"]},
    {"write_statistics": False, "use_dictionary": False, "data_page_size": 300}, {"dictionary_pagesize_limit": 200},
    {"write_page_index": True, "write_page_checksum": True},
])  # fmt: skip
def test_every_way_of_writing_pages(options, tmp_path):
    import pyarrow.parquet

    rows = [{"image": forms.picture(i % 2, i), "label": ["cat", "dog"][i % 2], "patient": i // 2} for i in range(40)]
    rows[7]["patient"] = None
    options = {"use_dictionary": False} | options
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=16, **options)
    catalog = read(tmp_path / "a.parquet")
    assert [image.read() for image in catalog.images] == [row["image"] for row in rows]
    assert catalog.labels.tolist() == [i % 2 for i in range(40)]
    assert catalog.columns["patient"][6:9] == ["3", "", "4"]


def test_many_rows_of_one_short_word_are_no_bomb(tmp_path):
    rows = [{"image": forms.picture(i % 2, i % 2), "label": ["a", "b"][i % 2]} for i in range(4000)]
    catalog = read(forms.write_parquet(tmp_path / "a.parquet", rows, group=1000))
    assert len(catalog) == 4000
    assert catalog.images[3999].read() == forms.picture(1, 1)


def test_of_fine_and_coarse_classes_the_fine_ones_are_taken(tmp_path):
    rows = [{"img": row["image"], "fine_label": i % 3, "coarse_label": i % 2} for i, row in enumerate(forms.hub_rows())]
    path = forms.write_parquet(tmp_path / "a.parquet", rows, images="img")
    assert read(path).classes == ("0", "1", "2")
    assert read(path, label_column="coarse_label").classes == ("0", "1")


def test_a_column_of_splits_is_honoured(tmp_path):
    words = ["train", "train", "train", "val", "test", "unused", "train"]
    rows = [{**row, "split": word} for row, word in zip(forms.hub_rows(), words, strict=True)]
    catalog = read(forms.write_parquet(tmp_path / "a.parquet", rows))
    assert catalog.splits.tolist() == ["train", "train", "train", "valid", "test", "train"]
    assert catalog.ledger["5.png"].detail == "set aside as in no split: unused"
    assert "1 row is in no split" in " ".join(catalog.notes)


def test_without_classes_the_columns_are_listed(tmp_path):
    rows = [
        {"image": row["image"], "breed": "ab"[i % 2], "coat": "cd"[i % 2]} for i, row in enumerate(forms.hub_rows())
    ]
    with pytest.raises(
        DataError, match=r"Its columns are breed, coat; say which one holds the labels with --label-column"
    ):
        check_trainable(read(forms.write_parquet(tmp_path / "a.parquet", rows)))


@pytest.mark.parametrize("image", ["bytes", "path"])
def test_the_only_column_beside_the_images_is_the_label(tmp_path, image):
    forms.write_files(tmp_path, {f"{i}.png": forms.picture(i % 2, i) for i in range(4)})
    pictures = [{"bytes": forms.picture(i % 2, i), "path": f"{i}.png"} for i in range(4)]
    pictures = pictures if image == "bytes" else [one["path"] for one in pictures]
    rows = [{"image": one, "breed": "ab"[i % 2]} for i, one in enumerate(pictures)]
    catalog = read(forms.write_parquet(tmp_path / "a.parquet", rows))
    assert catalog.labels.tolist() == [0, 1, 0, 1]
    assert catalog.notes[0] == "column breed is taken for the labels, the only one beside the images"
    captions = [{"image": one, "breed": f"a cat {i}"} for i, one in enumerate(pictures)]
    assert read(forms.write_parquet(tmp_path / "b.parquet", captions)).labels.tolist() == [-1] * 4


def test_a_struct_of_paths_without_bytes(tmp_path):
    forms.write_files(tmp_path, {f"{i}.png": forms.picture(i % 2, i) for i in range(4)})
    rows = [{"image": {"bytes": None, "path": f"{i}.png"}, "label": i % 2} for i in range(4)]
    assert read(forms.write_parquet(tmp_path / "a.parquet", rows)).labels.tolist() == [0, 1, 0, 1]


_EACH = """
import sys
from pathlib import Path
from striate.data.reading import read
from striate.errors import DataError
raw, damaged = Path(sys.argv[1]).read_bytes(), 0
for at in range(len(raw) // 2, len(raw) - 1):
    if raw[at : at + 2] == bytes([0x19, 0x06]):  # an empty list in the file's metadata, of levels
        Path(sys.argv[2]).write_bytes(raw[: at + 1] + bytes([0x53]) + raw[at + 2 :])
        try:
            read(sys.argv[2])
        except DataError:
            pass
        damaged += 1
print(damaged)
"""


def test_damaged_metadata_end_no_process(tmp_path):
    rows = [{**row, "text": "a"} for row in forms.hub_rows()]
    path = forms.write_parquet(tmp_path / "a.parquet", rows)
    words = [sys.executable, "-c", _EACH, str(path), str(tmp_path / "b.parquet")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_a_row_group_that_lies_about_its_rows_is_damaged(tmp_path, monkeypatch):
    import pyarrow.parquet

    whole = pyarrow.parquet.ParquetFile.read_row_group
    monkeypatch.setattr(
        pyarrow.parquet.ParquetFile, "read_row_group", lambda self, group, **more: whole(self, group, **more).slice(1)
    )
    with pytest.raises(DataError, match=r"a.parquet is a damaged Parquet file \(of 3 rows 2 are there\)"):
        read(forms.write_parquet(tmp_path / "a.parquet", forms.hub_rows()))


def test_another_column_of_labels_is_said(tmp_path):
    rows = [row | {"category": ("a", "b", "c")[i % 3]} for i, row in enumerate(forms.hub_rows())]
    path = forms.write_parquet(tmp_path / "a.parquet", rows)
    assert "column label is taken for the labels; category says something else" in read(path).notes[0]
    assert not read(path, label_column="category").notes


def test_what_is_told_of_paths_beside_it(tmp_path):
    rows = [{"image": f"{i}.png", "label": ("1", "1.0", "2")[i % 3]} for i in range(6)]
    for row in rows:
        (tmp_path / row["image"]).write_bytes(forms.picture(0, 1))
    assert "are one number" in read(forms.write_parquet(tmp_path / "a.parquet", rows)).notes[0]


def test_sets_in_several_folders_are_to_be_chosen_from(tmp_path):
    for name in ("en", "de"):
        forms.write_parquet(tmp_path / "s" / name / "train-0.parquet", forms.hub_rows())
    with pytest.raises(DataError, match=r"it has Parquet files in .*de, .*en\. Give one of these"):
        read(tmp_path / "s")
