"""Tables with a column of 0 and 1 for every class."""

from pathlib import Path

import pytest

from striate.data.readers.one_hot import find_one_hot
from striate.data.reading import read
from striate.errors import ArgumentError


def planted(folder: Path, header: str, *rows: str) -> Path:
    lines = [f"{i}.png,{row}" for i, row in enumerate(rows)]
    for i in range(len(rows)):
        (folder / f"{i}.png").touch()
    (folder / "t.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder / "t.csv"


def labels(catalog) -> list[str]:
    return [catalog.classes[i] for i in catalog.labels]


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        ("image,MEL,NEV,BCC", ["1.0,0.0,0.0", "0.0,1.0,0.0", "0.0,0.0,1.0"], ["MEL", "NEV", "BCC"]),
        ("filename, cat, dog", ["1, 0", "0, 1", "1, 0"], ["cat", "dog", "cat"]),
        ("image,age,sick,well", ["30,1,0", "31,0,1", "1,1,0"], ["sick", "well", "sick"]),
        ("image,male,a,b,c", ["1,1,0,0", "0,0,1,0", "1,0,0,1", "0,1,0,0"], ["a", "b", "c", "a"]),
        ("image,a,b,c,male", ["1,0,0,1", "0,1,0,1", "0,0,1,0", "1,0,0,0"], ["a", "b", "c", "a"]),
        ("image,x,y2,unknown", ["True,False,False", "False,True,False", "True,False,False"], ["x", "y2", "x"]),
        ("image,x,z", ["1,", ",1", "1,"], ["x", "z", "x"]),
        ("image,a,b,c", ["Yes,No,No", "No,YES,No", "no,no,yes"], ["a", "b", "c"]),
        ("image,a,b,c", ["x,,", ",X,", ",,x"], ["a", "b", "c"]),
        ("image,a,b", ['"1,0","0,0"', '"0,0","1,0"'], ["a", "b"]),
    ],
)
def test_columns_of_0_and_1_are_classes(header, rows, expected, tmp_path):
    catalog = read(planted(tmp_path, header, *rows))
    assert labels(catalog) == expected
    assert "columns of 0 and 1 taken as classes" in catalog.ledger["t.csv"].detail


def test_rows_with_several_or_none_are_told_and_set_aside(tmp_path):
    rows = ["1,0,0", "0,1,0", "0,0,1", "1,0,0", "0,1,0", "0,0,1", "1,0,0", "0,1,0", "1,1,0", "0,0,0"]
    catalog = read(planted(tmp_path, "image,a,b,c", *rows))
    assert len(catalog) == 8
    assert catalog.ledger["8.png"].detail == "several classes: a, b"
    assert catalog.ledger["9.png"].detail == "no class: none of the columns is 1"
    assert "left out: 1 row with several ones, 1 with none" in catalog.ledger["t.csv"].detail


def test_several_labels_a_row_are_said_and_not_guessed(tmp_path):
    path = planted(tmp_path, "image,clear,water,haze", "1,1,0", "1,1,1", "0,1,1", "1,0,0")
    catalog = read(path)
    assert not catalog.labelled
    assert "clear, water, haze hold several ones in 3 of 4 rows" in catalog.ledger["t.csv"].detail
    assert labels(read(path, label_column="clear,water,haze")) == ["clear"]


def test_two_sets_of_columns_that_fit_are_asked_about(tmp_path):
    path = planted(tmp_path, "image,f,m,a,b,c", "1,0,1,0,0", "0,1,0,1,0", "1,0,0,0,1")
    catalog = read(path)
    assert not catalog.labelled
    assert "the classes may be a, b, c or f, m: choose with --label-column" in catalog.ledger["t.csv"].detail
    assert labels(read(path, label_column="a, b, c")) == ["a", "b", "c"]
    with pytest.raises(ArgumentError, match="unknown column 'd'"):
        read(path, label_column="a,d")


def test_a_column_of_labels_goes_before(tmp_path):
    catalog = read(planted(tmp_path, "image,label,a,b", "x,1,0", "y,0,1"))
    assert labels(catalog) == ["x", "y"]


def test_a_form_to_be_filled_in_has_no_labels(tmp_path):
    assert not read(planted(tmp_path, "image,a,b,c", "0,0,0", "0,0,0")).labelled


def test_measurements_are_no_classes():
    assert find_one_hot(("file", "width", "height"), [(1, ["a.png", "1", "2"]), (2, ["b.png", "0", "7"])]) is None
