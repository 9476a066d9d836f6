"""Files that describe the images beside them."""

import json

import pytest
from tests.data import forms

from striate.data.reading import read, recognise
from striate.errors import DataError


def rows(names, labels, key="label") -> bytes:
    return "".join(json.dumps({"file_name": n, key: x}) + "\n" for n, x in zip(names, labels, strict=True)).encode()


def pictures(top="", n=4):
    return {f"{top}{i}.png": forms.picture(i % 2, i) for i in range(n)}


@pytest.mark.parametrize("kind", ["metadata.jsonl", "metadata.csv"])
def test_one_file_at_the_top(kind, tmp_path):
    text = rows([f"{i}.png" for i in range(4)], "abab")
    if kind == "metadata.csv":
        text = b"file_name,label\n" + b"".join(b"%d.png,%s\n" % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(4))
    catalog = read(forms.write_files(tmp_path / "s", {**pictures(), "unnamed.png": b"x", kind: text}))
    assert catalog.format == "metadata"
    assert catalog.classes == ("a", "b")
    assert catalog.labels.tolist() == [0, 1, 0, 1]
    assert catalog.ledger[kind].status == "used"
    assert catalog.ledger["unnamed.png"].detail == f"not named in {kind}"


def test_one_in_each_split(tmp_path):
    files = {
        **pictures("train/"),
        **pictures("test/"),
        "train/metadata.jsonl": rows([f"{i}.png" for i in range(4)], "abab"),
    }
    files["test/metadata.jsonl"] = rows([f"{i}.png" for i in range(3)] + ["9.png"], "baba")
    catalog = read(forms.write_files(tmp_path / "s", files))
    assert catalog.counts() == {"test": {"a": 1, "b": 2}, "train": {"a": 2, "b": 2}}
    assert catalog.names[0] == "test/0.png"
    assert catalog.ledger["test/9.png"].detail == "file not found"
    assert catalog.ledger["test/3.png"].detail == "not named in metadata.jsonl"


def test_one_at_the_top_names_images_in_split_folders(tmp_path):
    names = [f"train/{i}.png" for i in range(4)] + [f"val/{i}.png" for i in range(2)]
    files = {**pictures("train/"), **pictures("val/", 2), "metadata.jsonl": rows(names, [0, 1, 0, 1, 0, 1])}
    catalog = read(forms.write_files(tmp_path / "s", files))
    assert catalog.splits.tolist() == ["train"] * 4 + ["valid"] * 2
    assert catalog.classes == ("0", "1")


def test_another_metadata_csv_leaves_class_folders_as_they_are(tmp_path):
    files = {**forms.class_folders(), "metadata.csv": b"camera,date\nx,y\n"}
    assert recognise(forms.write_files(tmp_path / "s", files)) == "folders"


def test_captions_do_not_take_the_classes_of_the_folders_away(tmp_path):
    files = forms.class_folders()
    files["metadata.jsonl"] = rows(list(files), ["a cat"] * 3 + ["a dog"] * 3, "text")
    catalog = read(forms.write_files(tmp_path / "s", files))
    assert catalog.classes == ("cat", "dog")


def test_the_only_column_beside_the_files_is_the_label_where_no_folders_are_classes(tmp_path):
    files = {**pictures(), "metadata.jsonl": rows([f"{i}.png" for i in range(4)], "abab", "breed")}
    catalog = read(forms.write_files(tmp_path / "flat", files))
    assert catalog.classes == ("a", "b")
    assert catalog.notes[0] == "column breed is taken for the labels, the only one beside file_name"
    files = forms.class_folders()
    files["metadata.jsonl"] = rows(list(files), "ababab", "camera")
    catalog = read(forms.write_files(tmp_path / "folders", files))
    assert catalog.classes == ("cat", "dog")
    assert not catalog.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"file_name": "0.png", "label": 1}\n{"file_name": \n', r"metadata.jsonl, line 2, is damaged JSON"),
        (
            b'{"file_name": "0.png", "label": 1}\n' + b'{"a":' * 50_000 + b"\n",
            r"line 2, is JSON that is nested absurdly",
        ),
        (b'{"file_name": "0.png", "label": 1}\n[1]\n', r"line 2, must be a JSON object; got '\[1\]'"),
    ],
)
def test_damages_name_the_line(text, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(forms.write_files(tmp_path / "s", {**pictures(), "metadata.jsonl": text}), format="metadata")


def test_a_jsonl_and_a_json_list_of_records_are_tables(tmp_path):
    forms.write_files(tmp_path, {**pictures(), "my.jsonl": rows([f"{i}.png" for i in range(4)], "abab")})
    assert read(tmp_path / "my.jsonl").classes == ("a", "b")
    records = [{"image": f"{i}.png", "class": "xy"[i % 2], "patient": i} for i in range(4)]
    catalog = read(forms.write_json(tmp_path / "my.json", records))
    assert (catalog.format, catalog.classes) == ("table", ("x", "y"))
    assert list(catalog.columns["patient"]) == ["0", "1", "2", "3"]


def test_coco_files_in_the_folders_of_splits(tmp_path):
    for split, n in (("train", 4), ("valid", 2)):
        forms.write_files(tmp_path / "s" / split, pictures(n=n))
        named = {f"{i}.png": [i % 2] for i in range(n)}
        forms.write_json(tmp_path / "s" / split / "_annotations.coco.json", forms.coco(named))
    assert read(tmp_path / "s").counts() == {"train": {"cat": 2, "dog": 2}, "valid": {"cat": 1, "dog": 1}}


@pytest.mark.parametrize(
    ("name", "content"), [("_annotations.coco.json", "{}"), ("_annotations.coco.json", "[1"), ("metadata.jsonl", "{{")]
)
def test_a_file_that_is_only_called_so_does_not_hide_class_folders(name, content, tmp_path):
    forms.write_files(tmp_path, forms.class_folders())
    (tmp_path / name).write_text(content)
    catalog = read(tmp_path)
    assert catalog.classes == ("cat", "dog")
    assert len(catalog) == 6
    assert catalog.ledger[name].status == "skipped"


def test_what_is_told_of_the_table_is_told_of_the_folder(tmp_path):
    rows_ = [f"{i}.png,{('1', '1.0', '2')[i % 3]},{('train', 'odd')[i == 3]}\n" for i in range(4)]
    files = {"metadata.csv": ("file_name,label,part\n" + "".join(rows_)).replace("part", "split").encode()}
    catalog = read(forms.write_files(tmp_path / "s", {**pictures(), **files}))
    assert any("are one number" in note for note in catalog.notes)
