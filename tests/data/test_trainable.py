"""What a training says of its classes before a figure is believed."""

import numpy as np
import pytest
from PIL import Image

from striate.data.dataset import DataOptions, make_dataset
from striate.data.readers.arrays import ArrayPart, catalog_of
from striate.data.reading import read
from striate.data.trainable import check_trainable
from striate.errors import DataError
from striate.observer import Observer


class Ear(Observer):
    def __init__(self):
        self.notes, self.warnings = [], []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)


def told(**splits):
    """Return what is said of {split: labels}, an image of noise for each."""
    rng = np.random.default_rng(0)
    parts = {
        split: ArrayPart(split, rng.integers(0, 256, (len(labels), 8, 8, 1)).astype(np.uint8), np.array(labels))
        for split, labels in splits.items()
    }
    ear = Ear()
    make_dataset(catalog_of("noise", "npz", parts), DataOptions(groups="none"), 0, ear)
    return ear


def test_classes_are_always_named_with_their_counts():
    assert "2 classes: a (6), b (3)" in told(train=["a"] * 4 + ["b"] * 2, test=["a", "a", "b"]).notes


def test_of_many_classes_ten_are_named():
    names = [f"c{i:02}" for i in range(14)] * 2
    (sentence,) = [note for note in told(train=names).notes if "classes:" in note]
    assert sentence.startswith("14 classes: c00 (2), c01 (2)")
    assert sentence.endswith("c09 (2) and 4 more")


@pytest.mark.parametrize(("split", "what"), [("test", "test"), ("valid", "validation")])
def test_a_class_without_training_images_is_named_with_what_it_costs(split, what):
    ear = told(train=["a", "b"] * 5, **{split: ["a", "b", "new", "new"]})
    assert (
        f"new (2) has no training images: each of the 2 {what} images counts as an error, so accuracy there is at most "
        "50.0 %" in ear.warnings
    )


def test_names_that_differ_in_case_are_told_beside_it():
    ear = told(train=["Cat", "dog"] * 5, test=["cat", "dog"] * 2)
    assert ear.warnings[0].startswith("Cat and cat differ only in case")
    assert any(text.startswith("cat (2) has no training images") for text in ear.warnings)
    assert any(
        text.startswith("Cat (5) has no test images") or "Cat (4) has no test images" in text for text in ear.warnings
    )


def test_nothing_is_warned_of_where_all_is_well():
    assert told(train=["a", "b"] * 10, valid=["a", "b"], test=["a", "b"]).warnings == []


def test_images_that_all_have_two_labels_are_told_as_such(tmp_path):
    rows = [f"{i // 2}.png,{'ab'[i % 2]}" for i in range(6)]
    for i in range(3):
        Image.new("L", (4, 4)).save(tmp_path / f"{i}.png")
    (tmp_path / "t.csv").write_text("\n".join(["file,label", *rows]) + "\n")
    with pytest.raises(DataError, match=r"gives none, such as 0.png: two labels: \w on line 2.*Correct these lines"):
        check_trainable(read(tmp_path / "t.csv"))


@pytest.mark.parametrize("beside", ["labels.json", "instances.JSON"])
def test_a_file_of_labels_beside_one_folder_is_named(beside, tmp_path):
    (tmp_path / "images").mkdir()
    for i in range(3):
        Image.new("L", (4, 4)).save(tmp_path / "images" / f"{i}.png")
    (tmp_path / beside).write_text("{}")
    with pytest.raises(DataError, match=rf"has only 'images'.*{beside} has their labels, give that file"):
        check_trainable(read(tmp_path))


@pytest.mark.parametrize("missing", [np.nan, None])
def test_images_without_a_label_among_others_are_left_out_and_said(missing):
    rng = np.random.default_rng(0)
    labels = [missing if i % 5 == 0 else i % 2 for i in range(30)]
    catalog = read((rng.integers(0, 256, (30, 8, 8)).astype(np.uint8), labels))
    ear = Ear()
    dataset = make_dataset(catalog, DataOptions(groups="none"), 0, ear)
    assert len(dataset.images) == 24
    assert any(text.startswith("6 of 30 images have no label, such as 00000") for text in ear.warnings)
    assert dataset.images.ledger.summary() == "30 files: 24 used, 6 skipped (no label: 6)"


def test_images_called_by_class_are_pointed_at(tmp_path):
    for i in range(4):
        Image.new("L", (4, 4)).save(tmp_path / f"{'cat' if i % 2 else 'dog'}.{i}.png")
    with pytest.raises(DataError, match=r"Their names begin with cat \(2\), dog \(2\): if these are the classes"):
        check_trainable(read(tmp_path))


@pytest.mark.parametrize("table", ["labels.csv", "train.CSV", "labels.json"])
def test_a_file_of_labels_beside_images_without_folders_is_named(table, tmp_path):
    for i in range(4):
        Image.new("L", (4, 4)).save(tmp_path / f"{i}.png")
    (tmp_path / table).write_text("")
    with pytest.raises(DataError, match=rf"If \S+{table} has their labels, give that file as the source"):
        check_trainable(read(tmp_path))


def test_boxes_of_yolo_are_known(tmp_path):
    for i in range(3):
        (tmp_path / "train/images").mkdir(parents=True, exist_ok=True)
        (tmp_path / "train/labels").mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / f"train/images/{i}.png")
        (tmp_path / f"train/labels/{i}.txt").write_text("0 .5 .5 .1 .1")
    with pytest.raises(DataError, match="look like boxes of several objects in each image, as YOLO has them"):
        check_trainable(read(tmp_path))


def test_the_folder_of_one_class_is_told_from_that_of_all(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name / "1.png")
    with pytest.raises(
        DataError, match=r"lies beside other folders of images: if these are the classes, give .*photos$"
    ):
        check_trainable(read(tmp_path / "photos" / "cat"))
    (tmp_path / "photos" / "dog" / "1.png").unlink()
    with pytest.raises(DataError) as alone:
        check_trainable(read(tmp_path / "photos" / "cat"))
    assert "beside" not in str(alone.value)
