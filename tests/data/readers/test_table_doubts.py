"""Tables whose rows or columns are not what they seem: out of line, of two minds, cut by a quote, numbered."""

import pytest
from tests.data.readers.test_tables import labelled, plant, write

from striate.data.reading import read
from striate.errors import DataError

FILES = [f"{i}.png" for i in range(24)]


def rows(*cells: str, n: int = 24) -> str:
    """Return n rows, the file's name and one after another of these cells."""
    return "".join(f"{i}.png,{cells[i % len(cells)]}\n" for i in range(n))


def test_a_comment_of_prose_is_no_header(tmp_path):
    plant(tmp_path, "a_1.jpg", "b_1.jpg")
    head = "#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37 Class ids\n#SPECIES: 1:Cat 2:Dog\n"
    catalog = read(write(tmp_path, head + "a_1 1 2 3\nb_1 2 1 4\n", "list.txt"))  # four words, and four columns
    assert tuple(catalog.columns) == ("1", "2", "3", "4")
    assert not catalog.classes


def test_rows_with_too_many_cells_are_left_out_with_their_line(tmp_path):
    plant(tmp_path, *FILES)
    text = "file,note,label\n" + rows("plain,cat", "plain,dog").replace("3.png,plain,dog", "3.png,red, blue,dog", 1)
    catalog = read(write(tmp_path, text))
    assert set(catalog.classes) == {"cat", "dog"}  # and no class "blue"
    assert catalog.ledger["3.png"].detail.startswith("4 cells, where the table has 3 columns: put a cell")
    assert any(note.startswith("1 row has more cells than there are columns (3)") for note in catalog.notes)


def test_an_empty_cell_too_many_is_none(tmp_path):
    plant(tmp_path, *FILES)
    catalog = read(write(tmp_path, "file,label\n" + rows("cat,", "dog")))
    assert len(catalog) == 24
    assert not catalog.notes


def test_where_all_rows_have_more_cells_it_is_said(tmp_path):
    plant(tmp_path, *FILES)
    catalog = read(write(tmp_path, "file,label\n" + rows("cat,1", "dog,2")))
    assert len(catalog) == 24
    assert "24 of 24 rows have more cells than there are columns (2)" in catalog.notes[0]


def test_row_numbers_without_a_name_are_no_column_of_the_header(tmp_path):
    plant(tmp_path, *FILES)
    text = "file\tlabel\n" + "".join(f"{i + 1}\t{i}.png\t{'ab'[i % 2]}\n" for i in range(24))
    assert labelled(read(write(tmp_path, text)))["1.png"] == "b"


@pytest.mark.parametrize("name", ["{}.png", "{}"])
def test_a_quote_that_is_never_closed_is_refused_with_its_line(name, tmp_path):
    plant(tmp_path, *FILES)
    lines = [f"{name.format(i)},{'cat' if i % 2 else 'dog'}" for i in range(24)]
    lines[5] = f'{name.format(5)},"cat'
    with pytest.raises(
        DataError, match=r"t\.csv, line 7: a quote is opened before cat and not closed, so that 18 rows"
    ):
        read(write(tmp_path, "file,label\n" + "\n".join(lines) + "\n"))


def test_lines_within_quotes_are_text(tmp_path):
    plant(tmp_path, "a.png", "b.png")
    text = 'file,note,label\na.png,"seen, twice\nat noon, in fog\nand\nlater, too",x\nb.png,"see above\nand below",y\n'
    assert labelled(read(write(tmp_path, text))) == {"a.png": "x", "b.png": "y"}


def test_a_blank_behind_the_comma_leaves_quotes_what_they_are(tmp_path):
    plant(tmp_path, "a.png", "b.png")
    path = write(tmp_path, '"file", "label"\n"a.png", "cat, large"\n"b.png", "dog"\n')
    assert labelled(read(path)) == {"a.png": "cat, large", "b.png": "dog"}


@pytest.mark.parametrize(
    ("header", "cells", "said"),
    [
        ("file,label,class", ("cat,pet", "dog,pet", "owl,bird"), "label is taken for the labels; class says something"),
        ("file,label,label", ("a,b", "b,a"), "several columns are called label and say different things"),
        ("file,Label,label", ("a,b", "b,a"), "Label is taken for the labels; label says something else"),
    ],
)
def test_another_column_that_could_be_the_labels_is_said(header, cells, said, tmp_path):
    plant(tmp_path, *FILES)
    assert said in read(write(tmp_path, header + "\n" + rows(*cells))).notes[0]


@pytest.mark.parametrize(
    ("header", "cells"), [("file,label,class_name", ("0,cat", "1,dog")), ("file,label,label", ("a,a", "b,b"))]
)
def test_a_column_that_says_the_same_is_not_worth_a_word(header, cells, tmp_path):
    plant(tmp_path, *FILES)
    assert not read(write(tmp_path, header + "\n" + rows(*cells))).notes


def test_an_id_that_counts_the_rows_is_not_the_column_of_images(tmp_path):
    plant(tmp_path, *FILES)
    text = "id,scan,label\n" + "".join(f"{i + 100},{i}.png,{'ab'[i % 2]}\n" for i in range(24))
    assert labelled(read(write(tmp_path, text)))["1.png"] == "b"


def test_utf_16_of_either_order_without_a_mark(tmp_path):
    plant(tmp_path, "a.png", "b.png")
    for encoding in ("utf-16-be", "utf-16-le"):
        path = write(tmp_path, "file;label\r\na.png;Käse\r\nb.png;Brot\r\n", encoding=encoding)
        assert labelled(read(path)) == {"a.png": "Käse", "b.png": "Brot"}


def test_boxes_with_points_in_their_names(tmp_path):
    plant(tmp_path, *FILES)
    text = "Path,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId\n" + rows("1,1,9,9,0", "1,1,9,9,1")
    assert "Roi.X1, Roi.Y1, Roi.X2, Roi.Y2 look like boxes" in read(write(tmp_path, text)).notes[0]


def test_a_certainty_of_nought_is_told(tmp_path):
    plant(tmp_path, *FILES)
    catalog = read(write(tmp_path, "image,label,Confidence\n" + rows("/m/1,1", "/m/2,0.0", "/m/2,1")))
    assert "column Confidence is 0 in 8 of 24 rows and is not looked at" in catalog.notes[0]


@pytest.mark.parametrize(
    ("header", "taken"), [("segmentation_path,photo_path", "photo_path"), ("mask,scan", "scan"), ("left,right", "left")]
)
def test_of_two_columns_of_files_the_one_of_masks_is_not_taken_and_both_are_said(header, taken, tmp_path):
    plant(tmp_path, *FILES, *(f"m{name}" for name in FILES))
    first, _, second = header.partition(",")
    cells = [f"m{i}.png,{i}.png" if taken == second else f"{i}.png,m{i}.png" for i in range(24)]
    text = f"{header},label\n" + "".join(f"{cell},{'ab'[i % 2]}\n" for i, cell in enumerate(cells))
    catalog = read(write(tmp_path, text))
    assert catalog.names == FILES
    other = first if taken == second else second
    assert catalog.notes[0].startswith(f"columns {taken}, {other} hold image files, and only {taken} is looked at")
    assert read(write(tmp_path, text), image_column=taken).notes == ()
    assert read(write(tmp_path, text), image_column=other).names != FILES


def test_labels_that_look_like_files_are_no_second_column_of_images(tmp_path):
    plant(tmp_path, *FILES)
    assert not read(write(tmp_path, "file,label\n" + rows("a.png", "b.png"))).notes


def test_the_ending_of_another_kind_of_image_says_the_way_out(tmp_path):
    plant(tmp_path, *FILES)
    text = "file,label\n" + rows("a", "b").replace(".png", ".jpg")
    with pytest.raises(DataError, match=r"0\.png is nearly 0\.jpg: take the endings off the names"):
        read(write(tmp_path, text), images=tmp_path)
    assert len(read(write(tmp_path, text.replace(".jpg", "")), images=tmp_path)) == 24
