"""Gathering images from arguments, and writing predictions as CSV and in the form of a sample submission."""

import csv

import numpy as np
import pytest
from tests.data.oddities import encoded, photo

from striate.classifier.bulk.csv_rows import CsvRows
from striate.classifier.bulk.row_format import Columns
from striate.classifier.prediction import Prediction
from striate.classifier.submission import write_like
from striate.data.gathering import gather
from striate.errors import ArgumentError, DataError, SourceNotFoundError

CLASSES = ("cat", "dog", "hen")


def prediction(name, label, probability=0.75):
    probabilities = np.full(3, (1 - probability) / 2, np.float32)
    probabilities[CLASSES.index(label)] = probability
    return Prediction(name, CLASSES, probabilities)


PREDICTIONS = [prediction("test/1.png", "hen"), prediction("test/2.png", "cat"), prediction("test/3.png", "dog")]


def rewritten(tmp_path, sample, predictions=PREDICTIONS):
    """Return the text of a submission like `sample`."""
    raw = sample if isinstance(sample, bytes) else sample.encode()
    (tmp_path / "sample.csv").write_bytes(raw)
    write_like(predictions, tmp_path / "sample.csv", tmp_path / "out.csv")
    return (tmp_path / "out.csv").read_bytes().decode()


@pytest.mark.parametrize(
    ("sample", "expected"),
    {
        "filename,label\n3.png,0\n1.png,0\n": "filename,label\n3.png,dog\n1.png,hen\n",  # its order, its rows
        "id,label\n2,0\n3,0\n": "id,label\n2,cat\n3,dog\n",  # no extension
        "Image,Target\ntest/2.png,\n": "Image,Target\ntest/2.png,cat\n",  # the whole name
        "image,class\nother\\1.png,x\n": "image,class\nother\\1.png,hen\n",  # another folder
        "label,note,file\n?,keep me,1.png\n": "label,note,file\nhen,keep me,1.png\n",  # columns by name
        "name,guess,more\n1.png,?,a\n": "name,guess,more\n1.png,hen,a\n",  # unknown names: first and next
        "id;label\n1;0\n": "id;label\n1;hen\n",
        "id\tlabel\n1\t0\n": "id\tlabel\n1\then\n",
        "1.png,0\n2.png,0\n": "1.png,hen\n2.png,cat\n",  # no header
        "id,label\n1\n": "id,label\n1,hen\n",  # a row cut short
        "id,hen,cat,dog\n2,0,0,0\n": "id,hen,cat,dog\n2,0.125000,0.750000,0.125000\n",  # a column a class
        b"\xef\xbb\xbfid,label\r\n1,0\r\n": "id,label\n1,hen\n",  # written by a spreadsheet
    }.items(),
)
def test_a_submission_keeps_the_form_of_its_sample(tmp_path, sample, expected):
    assert rewritten(tmp_path, sample) == expected


@pytest.mark.parametrize(("cell", "expected"), [("0", "7"), ("00000", "00007"), ("?", "00007"), ("", "00007")])
def test_zeros_in_front_are_written_as_the_sample_writes_them(tmp_path, cell, expected):
    seven = Prediction("1.png", ("00003", "00007"), np.array([0.2, 0.8], np.float32))
    assert rewritten(tmp_path, f"id,label\n1,{cell}\n", [seven]) == f"id,label\n1,{expected}\n"


@pytest.mark.parametrize(
    ("header", "order"),
    [
        ("id,Cat,DOG,hen", "cat dog hen"),
        ("id,p_hen,p_dog,p_cat", "hen dog cat"),
        ("id,prob_Cat,prob_Hen,prob_Dog", "cat hen dog"),
        ("id,cat (%),dog (%),hen (%)", "cat dog hen"),
        ("id,fold,cat,dog,hen", "- cat dog hen"),
    ],
)
def test_columns_are_classes_but_for_case_and_what_all_begin_with(tmp_path, header, order):
    text = rewritten(tmp_path, header + "\n2" + ",0" * header.count(",") + "\n")
    written = {"cat": "0.750000", "dog": "0.125000", "hen": "0.125000", "-": "0"}
    assert text.splitlines()[1].split(",") == ["2", *(written[name] for name in order.split())]


def test_numbered_columns_are_numbered_classes(tmp_path):
    numbered = [Prediction("1.png", ("00", "01", "10"), np.array([0.5, 0.3, 0.2], np.float32))]
    text = rewritten(tmp_path, "img,c10,c0,c1\n1.png,0,0,0\n", numbered)
    assert text == "img,c10,c0,c1\n1.png,0.200000,0.500000,0.300000\n"


def test_one_column_of_one_class_takes_its_probability(tmp_path):
    two = [Prediction("1.png", ("cat", "dog"), np.array([0.25, 0.75], np.float32))]
    assert rewritten(tmp_path, "id,Dog\n1,0.5\n", two) == "id,Dog\n1,0.750000\n"


@pytest.mark.parametrize("sample", ["id,C0,C1,C2\n1,0,0,0\n", "id,cat,dog,cow\n1,0,0,0\n", "id,has_cactus\n1,0.5\n"])
def test_columns_of_numbers_that_are_no_classes_are_refused_with_both_lists(tmp_path, sample):
    columns = sample.split("\n")[0].removeprefix("id,").replace(",", ", ")
    with pytest.raises(DataError, match=f"its columns are {columns}, the classes are cat, dog, hen"):
        rewritten(tmp_path, sample)
    assert not (tmp_path / "out.csv").exists()


def test_a_whole_name_goes_before_a_shorter_one(tmp_path):
    predictions = [prediction("a/1.png", "cat"), prediction("1.png", "dog"), prediction("1.jpg", "hen")]
    text = rewritten(tmp_path, "id,label\n1.png,0\na/1.png,0\n1.jpg,0\n", predictions)
    assert text == "id,label\n1.png,dog\na/1.png,cat\n1.jpg,hen\n"


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ("id,label\n7,0\n8,0\n1,0\n9,0\n5,0\n", r"4 of the 5 images in \S+sample.csv were not predicted: 7, 8, 9 …"),
        ("id,label\n1.5,0\n", "1 of the 1 images .* were not predicted: 1.5"),  # no extension of an image
        ("id\n1\n", "must have a column of images and one of classes; its columns are id"),
        ("", "must have a header and rows; it is empty"),
    ],
)
def test_a_sample_that_cannot_be_filled(tmp_path, sample, message):
    with pytest.raises(DataError, match=message):
        rewritten(tmp_path, sample)
    assert not (tmp_path / "out.csv").exists()


def test_a_name_that_could_be_two_images_is_refused(tmp_path):
    predictions = [prediction("a/1.png", "cat"), prediction("b/1.png", "dog")]
    with pytest.raises(DataError, match=r"1.png in \S+ may be a/1.png or b/1.png"):
        rewritten(tmp_path, "id,label\n1.png,0\n", predictions)


def test_csv_has_every_probability():
    text = CsvRows(Columns(CLASSES)).encode([prediction('a "b", c.png', "dog")]).decode()
    (row,) = csv.reader(text.splitlines())
    assert row == ['a "b", c.png', "dog", "0.750000", "0.125000", "0.750000", "0.125000", ""]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.png", "a/2.png", "b/c/3.png", "[x]/4.png", "é 5.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(photo(8, 8)))
    (tmp_path / "a/notes.txt").write_text("no image")


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["a/2.png", "a/1.png"], ["a/2.png", "a/1.png"]),
        (["a"], ["a/1.png", "a/2.png"]),
        (["b"], ["b/c/3.png"]),
        (["a/*.png", "a/1.png", "é 5.png"], ["a/1.png", "a/2.png", "é 5.png"]),
        (["**/*.png"], ["[x]/4.png", "a/1.png", "a/2.png", "b/c/3.png", "é 5.png"]),
        (["[x]"], ["[x]/4.png"]),
        (["[x]/4.png"], ["[x]/4.png"]),
    ],
)
def test_arguments_become_images_each_once(here, arguments, names):
    catalog = gather(arguments, {})
    assert catalog.names == names
    assert all(path.is_file() for path in catalog.images)


def test_files_that_are_no_images_stay_in_the_ledger(here):
    assert gather(["a"], {}).ledger["a/notes.txt"].status == "skipped"


def test_images_that_only_lack_a_label_are_predicted(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "test/test/7.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(photo(8, 8)))
    assert str(tmp_path / "test/test/7.png") in gather([str(tmp_path)], {}).names


def test_arguments_that_lead_nowhere(here):
    with pytest.raises(SourceNotFoundError, match=r"no file matches 'c/\*.png'"):
        gather(["a", "c/*.png"], {})
    with pytest.raises(ArgumentError, match="digits is a digits source; give it alone"):
        gather(["digits", "a"], {})
    assert len(gather(["digits"], {})) == 1797
