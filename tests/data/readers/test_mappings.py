"""JSON that maps images to labels is a table, however it is laid out; what tells of no images says what is expected."""

import json

import pytest
from tests.data import forms

from striate.data.reading import read
from striate.errors import DataError

NAMES = [f"{i}.png" for i in range(6)]
LABELS = ["cat", "dog"] * 3
PAIRS = dict(zip(NAMES, LABELS, strict=True))
RECORDS = [{"image": name, "label": label} for name, label in PAIRS.items()]
FORMS = {
    "file: label": PAIRS,
    "id: label": {name.removesuffix(".png"): label for name, label in PAIRS.items()},
    "file: [label]": {name: [label] for name, label in PAIRS.items()},
    "file: record": {name: {"label": label, "age": 3} for name, label in PAIRS.items()},
    "key: record with a name": {f"k{i}": {"filename": n, "class": x} for i, (n, x) in enumerate(PAIRS.items())},
    "class: files": {x: [name for name in NAMES if PAIRS[name] == x] for x in ("cat", "dog")},
    "pairs": list(map(list, PAIRS.items())),
    "pairs below a key": {"labels": list(map(list, PAIRS.items())), "version": 2},
    "records": RECORDS,
    "records below a key": {"info": {"year": 2020}, "data": RECORDS, "classes": ["cat", "dog"]},
    "images that say their class": {"images": [{"id": 7, "file_name": name, "class": PAIRS[name]} for name in NAMES],
                                    "categories": [{"id": 0, "name": "cat"}]},
    "columns": {"file_name": NAMES, "label": LABELS},
    "numbered columns": {"path": dict(enumerate(NAMES)), "target": dict(enumerate(LABELS))},
}  # fmt: skip


def written(folder, value, name="labels.json"):
    forms.write_files(folder, {name: forms.picture(i % 2, i) for i, name in enumerate(NAMES)})
    return forms.write_json(folder / name, value)


@pytest.mark.parametrize("form", FORMS)
def test_a_mapping_of_images_to_labels_is_a_table(form, tmp_path):
    catalog = read(written(tmp_path, FORMS[form]))
    assert sorted(path.name for path in catalog.images) == NAMES
    found = {path.name: catalog.classes[label] for path, label in zip(catalog.images, catalog.labels, strict=True)}
    assert found == PAIRS
    assert catalog.format == "table"


@pytest.mark.parametrize("form", ["file: label", "records", "class: files", "pairs"])
def test_any_of_these_below_the_names_of_splits(form, tmp_path):
    def half(which):
        value = FORMS[form]
        if form == "class: files":
            return {label: files[which::2] for label, files in value.items()}
        items = list(value.items() if isinstance(value, dict) else value)
        return dict(items[which::2]) if isinstance(value, dict) else items[which::2]

    catalog = read(written(tmp_path, {"train": half(0), "val": half(1)}))
    assert sorted(catalog.splits.tolist()) == ["train"] * (4 if form == "class: files" else 3) + ["valid"] * (
        2 if form == "class: files" else 3
    )
    assert len(catalog.classes) == 2


def test_the_labels_of_an_archive_may_be_such_json(tmp_path):
    files = {name: forms.picture(i % 2, i) for i, name in enumerate(NAMES)}
    path = forms.write_zip(tmp_path / "a.zip", {**files, "labels.json": json.dumps(PAIRS).encode()})
    assert read(path).labels.tolist() == [0, 1] * 3


def test_several_labels_of_one_image_stand_together_as_in_a_cell(tmp_path):
    catalog = read(written(tmp_path, {name: ["cat", "dog"][: 1 + i % 2] for i, name in enumerate(NAMES)}))
    assert catalog.classes == ("cat", "cat|dog")


def test_lines_of_json_in_a_file_called_json(tmp_path):
    path = written(tmp_path, {})
    path.write_text("\n".join(json.dumps({"External ID": name, "Label": x}) for name, x in PAIRS.items()))
    assert read(path, image_column="External ID").classes == ("cat", "dog")


@pytest.mark.parametrize("value", [{"epochs": 3}, {"a": {"b": {"c": 1}}}, ["a", "b"], [1, [2]], {"x": []}])
def test_other_json_says_what_is_expected(value, tmp_path):
    with pytest.raises(DataError, match=r"must be JSON of images and labels: \{file: label\}, a list of records"):
        read(written(tmp_path, value))


def test_a_label_that_is_a_record_is_called_by_its_name(tmp_path):
    for i in range(4):
        (tmp_path / f"{i}.png").touch()
    rows = [{"file": f"{i}.png", "label": {"id": i % 2, "name": ("cat", "dog")[i % 2]}} for i in range(4)]
    (tmp_path / "t.json").write_text(json.dumps({"data": rows}))
    assert read(tmp_path / "t.json").classes == ("cat", "dog")
