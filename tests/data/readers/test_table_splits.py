"""Columns of splits in a table, and cells that are no labels."""

import re

import pytest
from tests.data.readers.test_tables import plant, write

from striate.data.reading import read
from striate.data.trainable import check_trainable
from striate.errors import DataError


def table(folder, column, cells, more="", label="label", labels="xy"):
    plant(folder, *(f"{i}.png" for i in range(len(cells))))
    rows = [f"{i}.png,{labels[i % len(labels)]},{cell}{more and ',1'}" for i, cell in enumerate(cells)]
    return read(write(folder, "\n".join([f"file,{label},{column}{more}", *rows]) + "\n"))


@pytest.mark.parametrize(
    ("column", "cells", "splits"),
    [
        ("split", "train dev test", "train valid test"),
        ("Usage", "Training PublicTest PrivateTest", "train valid test"),
        ("Usage", "Training PublicTest", "train test"), ("data set", "TRAIN eval", "train valid"),
        ("phase", "train val", "train valid"), ("fold", "train test", "train test"),
        ("is_train", "1 0 1", "train test train"),
        ("is_valid", "False True", "train valid"), ("is_holdout", "Y N", "test train"),
        ("Partition", "training_set validation_set", "train valid"),
        ("split", "seg_train seg_test", "train test"),
    ],
)  # fmt: skip
def test_a_column_of_splits_is_honoured(column, cells, splits, tmp_path):
    assert table(tmp_path, column, cells.split()).splits.tolist() == splits.split()


def test_plain_words_need_no_note_and_others_get_one(tmp_path):
    assert table(tmp_path, "split", ["train", "valid", "test"]).notes == ()
    assert table(tmp_path, "split", ["train", "dev"]).notes == ("column split splits the images: dev as valid",)


def test_rows_of_another_word_are_in_no_split(tmp_path):
    catalog = table(tmp_path, "split", ["train", "unused", "test", ""])
    assert catalog.names == ["0.png", "2.png", "3.png"]
    assert catalog.splits.tolist() == ["train", "test", ""]
    assert catalog.ledger["1.png"].detail == "set aside as in no split: unused"
    assert catalog.notes == ("1 row is in no split, since column split says unused (1): set aside",)


@pytest.mark.parametrize(
    ("column", "cells", "values"),
    [("kind", "train test train", r"train \(2\), test \(1\)"), ("fold", "0 1 2 0", r"0 \(2\), 1 \(1\), 2 \(1\)"),
     ("train", "1 0 1", r"1 \(2\), 0 \(1\)"), ("Test", "no yes", r"no \(1\), yes \(1\)"),
     ("validation", "0 1", r"0 \(1\), 1 \(1\)"), ("kfold", "0 1", r"0 \(1\), 1 \(1\)"),
     ("split_", "tr te", r"tr \(1\), te \(1\)"),
     ("set", "castle train city", r"castle \(1\), train \(1\), city \(1\)")],
)  # fmt: skip
def test_a_column_that_only_looks_like_a_split_is_told_with_its_values(column, cells, values, tmp_path):
    catalog = table(tmp_path, column, cells.split())
    assert set(catalog.splits.tolist()) == {""}
    assert re.match(f"column {column} looks like a split \\({values}\\) and is not taken as one", catalog.notes[0])


def test_the_column_of_labels_is_no_column_of_splits(tmp_path):
    catalog = table(tmp_path, "width", ["1", "2", "3", "4"], labels=["train", "test"])
    assert catalog.classes == ("test", "train")
    assert catalog.notes == ()


@pytest.mark.parametrize("word", ["nan", "NaN", "N/A", "null", "<NA>", "NA"])
def test_words_for_a_missing_label_are_no_class(word, tmp_path):
    catalog = table(tmp_path, "w", "1234", labels=["x", "y", word, "x"])
    assert catalog.classes == ("x", "y")
    assert catalog.ledger["2.png"].detail == f"no label: {word}"
    assert catalog.notes == (f"1 row has no label but a word for a missing one, {word} (1): left out",)


def test_one_number_in_two_spellings_is_one_class(tmp_path):
    catalog = table(tmp_path, "w", "1234", labels=["1", "1.0", "0", "0.0"])
    assert catalog.classes == ("0", "1")
    assert catalog.labels.tolist() == [1, 1, 0, 0]
    assert catalog.notes == ("labels 0 and 0.0 are one number and are taken as one class, 0, and 1 more such",)


@pytest.mark.parametrize("label", ["ClassId", "class_id", "Label Name", "category-id"])
def test_more_names_of_a_label_column_are_known(label, tmp_path):
    assert table(tmp_path, "width", "12", label=label).classes == ("x", "y")


def test_a_split_of_one_class_is_refused_for_tables_too(tmp_path):
    with pytest.raises(DataError, match=r"has only 'x', and y is in test alone"):
        check_trainable(table(tmp_path, "split", ["train", "test"]))
