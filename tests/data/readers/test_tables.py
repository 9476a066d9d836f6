import csv
import io
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from striate.data.readers.layout import decode_text
from striate.data.readers.text_table import load_table
from striate.data.reading import read
from striate.errors import ArgumentError, DataError


def plant(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def write(folder: Path, text: str, name: str = "t.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def labelled(catalog) -> dict[str, str]:
    return {name: catalog.classes[label] for name, label in zip(catalog.names, catalog.labels, strict=True)}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_delimiter_encoding_and_line_end(delimiter, encoding, end, tmp_path):
    plant(tmp_path, "ä.png", "b.png")
    rows = [["Filename", "Label"], ["ä.png", "Käse"], ["b.png", "Brot"]]
    path = write(tmp_path, end.join(delimiter.join(row) for row in rows) + end, encoding=encoding)
    assert labelled(read(path)) == {"ä.png": "Käse", "b.png": "Brot"}


def test_quoted_cells_hold_delimiters_quotes_and_line_ends(tmp_path):
    plant(tmp_path, "a, b.png", "c.png")
    path = write(tmp_path, 'file,note,label\n"a, b.png","two\nlines, ""quoted""","x, y"\nc.png,,z\n')
    assert labelled(read(path)) == {"a, b.png": "x, y", "c.png": "z"}


def test_excel_says_its_delimiter(tmp_path):
    plant(tmp_path, "a,1.png")
    assert labelled(read(write(tmp_path, "sep=;\r\nfile;class\r\na,1.png;x\r\n"))) == {"a,1.png": "x"}


@pytest.mark.parametrize(
    ("header", "first"),
    [
        ("filename,label", "a.png,x"), ("FILE,Class", "a.png,x"), ("target,Image Path", "x,a.png"),
        ("y,img", "x,a.png"), ("id,category", "a,x"), ("id,file,label", "7,a.png,x"), ("picture no,label", "a.png,x"),
        ("a.png,x", "b.png,x"),
    ],
)  # fmt: skip
def test_columns_are_guessed(header, first, tmp_path):
    plant(tmp_path, "a.png", "b.png")
    catalog = read(write(tmp_path, f"{header}\n{first}\n"))
    assert catalog.classes == ("x",)
    assert catalog.images[0] == tmp_path / "a.png"


def test_columns_can_be_told(tmp_path):
    plant(tmp_path, "a.png")
    path = write(tmp_path, "Front,back,label,Species\na.png,b.png,1,cat\n")
    catalog = read(path, image_column="front", label_column="Species")
    assert labelled(catalog) == {"a.png": "cat"}


def test_a_wrong_column_lists_the_columns_and_the_nearest(tmp_path):
    path = write(tmp_path, "file,specis\na.png,cat\n")
    message = "unknown column 'species'; did you mean 'specis'. Choices: file, specis. Give another --label-column"
    with pytest.raises(ArgumentError, match=message):
        read(path, label_column="species")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is an empty file"),
        ("\n\n", "must have a header and rows; it is empty"),
        ("file,label\n", r"has a header \(file, label\) and no rows"),
        (
            "width,height\n1,2\n",
            "must have a column of image files; its columns are width, height. Name it with --image",
        ),
        ("file,label\na.png,x\nb.png,y\n", "names 2 images; 2 are not in .*: a.png, b.png. Say where .* --images DIR"),
        ("file\n" + "".join(f"{i}.png\n" for i in range(9)), "9 are not in .*: 0.png, 1.png, 2.png…. Say"),
        ('file,label\n"a.png,' + "x" * 200_000 + '"\n', r"line 2, cannot be read as a table: field larger"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(text, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, text))


def test_images_and_labels_cannot_be_one_column(tmp_path):
    with pytest.raises(ArgumentError, match="images and labels must be different columns; got 'file'"):
        read(write(tmp_path, "file\na.png\n"), label_column="file")


def test_some_missing_files_are_skipped(tmp_path):
    plant(tmp_path, "a.png", "b.png")
    catalog = read(write(tmp_path, "file,label\na.png,x\nb.png,y\nc.png,x\n,x\n"))
    assert catalog.names == ["a.png", "b.png"]
    assert catalog.ledger["c.png"].detail == "file not found"
    assert catalog.ledger["line 5"].detail == "no file name"


def test_rows_without_label_are_skipped_where_others_have_one(tmp_path):
    plant(tmp_path, "a.png", "b.png")
    catalog = read(write(tmp_path, "file,label\na.png,x\nb.png,\n"))
    assert catalog.names == ["a.png"]
    assert catalog.ledger["b.png"].detail == "no label"


def test_a_table_without_labels(tmp_path):
    plant(tmp_path, "a.png")
    catalog = read(write(tmp_path, "file,width,height\na.png,1,2\n"))
    assert catalog.labels.tolist() == [-1]
    assert catalog.classes == ()
    assert catalog.ledger["t.csv"].detail == "set aside as the table: no column of labels among file, width, height"


@pytest.mark.parametrize(
    ("head", "cells"),
    [
        ("file,kind", "cat dog"),
        ("Bild,Sorte", "cat dog"),
        ("kind,file", "cat dog"),
        ("file,kind,split", "cat dog"),
        (",file,kind", "cat dog"),
        ("file,species", "0 1"),
        ("file,kind", "cat dog NA"),
    ],
)
def test_the_only_column_beside_the_files_is_the_label_whatever_it_is_called(tmp_path, head, cells):
    plant(tmp_path, *(f"{i}.png" for i in range(9)))
    names, kinds = head.split(","), cells.split()
    row = {"file": "{i}.png", "Bild": "{i}.png", "": "{i}", "split": "{split}"}
    line = ",".join(row.get(name, "{kind}") for name in names)
    splits = ("train", "train", "test")
    lines = [line.format(i=i, kind=kinds[i % len(kinds)], split=splits[i // 3]) for i in range(9)]
    catalog = read(write(tmp_path, "\n".join([head, *lines]) + "\n"))
    assert catalog.classes == tuple(kinds[:2])
    assert len(catalog) == (9 if len(kinds) == 2 else 6)
    label = next(name for name in names if name not in row)
    file = next(name for name in names if row.get(name) == "{i}.png")
    assert catalog.notes[0] == f"column {label} is taken for the labels, the only one beside {file}"


@pytest.mark.parametrize(
    ("head", "cells"),
    [
        ("file,kind", "a b c d e f g h i"),  # another one for each image: names, captions
        ("file,kind", "0.5 1.5"),  # measurements
        ("file,kind", "a"),  # nothing to tell apart
        ("file,width", "640 480"),
        ("file,caption", "a b"),
        ("file,Patient ID", "a b"),  # of whom an image is, not what it shows
        ("file,set", "train test"),
        ("file,kind,breed", "a b"),  # of two it cannot be told which
    ],
)
def test_a_column_that_is_no_label_is_not_taken_for_one(tmp_path, head, cells):
    plant(tmp_path, *(f"{i}.png" for i in range(9)))
    kinds = cells.split()
    lines = [f"{i}.png" + f",{kinds[i % len(kinds)]}" * head.count(",") for i in range(9)]
    catalog = read(write(tmp_path, "\n".join([head, *lines]) + "\n"))
    assert catalog.labels.tolist() == [-1] * 9


def test_rows_that_repeat_or_contradict(tmp_path):
    plant(tmp_path, "a.png", "b.png")
    catalog = read(write(tmp_path, "file,label\na.png,x\nb.png,x\na.png,x\nb.png,y\nb.png,x\n"))
    assert catalog.names == ["a.png"]
    assert catalog.ledger["a.png (line 4)"].detail == "duplicate row"
    assert catalog.ledger["b.png"].detail == "two labels: x on line 3, y on line 5"
    assert len(catalog.ledger) == 5


def test_names_without_extension_find_their_image(tmp_path):
    plant(tmp_path, "7.jpg", "8.png", "8.txt", "sub/9.jpeg")
    catalog = read(write(tmp_path, "id,label\n7,x\n8,y\nsub\\9,y\n"))
    assert [path.name for path in catalog.images] == ["7.jpg", "8.png", "9.jpeg"]
    assert catalog.names == ["7", "8", "sub\\9"]


def test_absolute_paths_and_images_option(tmp_path):
    plant(tmp_path / "elsewhere", "a.png", "b.png")
    (tmp_path / "table").mkdir()
    absolute = write(tmp_path / "table", f"file\n{tmp_path / 'elsewhere' / 'a.png'}\n")
    assert read(absolute).images == [tmp_path / "elsewhere" / "a.png"]
    relative = write(tmp_path / "table", "file\nb.png\n", "r.csv")
    assert read(relative, images=tmp_path / "elsewhere").images == [tmp_path / "elsewhere" / "b.png"]
    with pytest.raises(DataError, match="--images must be a folder; got"):
        read(relative, images=tmp_path / "nowhere")


def test_the_only_folder_below_that_holds_the_files_is_found_and_said(tmp_path):
    plant(tmp_path, "Images/train/0.png", "Images/train/1.png", "Images/test/2.png")
    catalog = read(write(tmp_path, "filename,label\n0.png,4\n1.png,9\n"))
    assert catalog.images[0] == tmp_path / "Images" / "train" / "0.png"
    assert catalog.ledger["t.csv"].detail == "set aside as the table: its images were found in Images/train"
    assert catalog.ledger.skipped_share == 0


def test_several_folders_that_fit_are_named(tmp_path):
    plant(tmp_path, "a/0.png", "b/0.png")
    with pytest.raises(DataError, match=r"may lie in any of .*/a, .*/b. Choose with --images DIR"):
        read(write(tmp_path, "filename,label\n0.png,4\n"))


def test_a_column_of_splits_is_kept(tmp_path):
    plant(tmp_path, "a.png", "b.png", "c.png", "d.png")
    catalog = read(write(tmp_path, "file,label,Split\na.png,x,train\nb.png,x,VAL\nc.png,y,test\nd.png,y,\n"))
    assert catalog.splits.tolist() == ["train", "valid", "test", ""]


def test_a_column_called_set_that_holds_no_splits_is_left_alone(tmp_path):
    plant(tmp_path, "a.png")
    assert read(write(tmp_path, "file,label,set\na.png,x,castle\n")).splits.tolist() == [""]


def test_numeric_labels_are_in_numeric_order(tmp_path):
    plant(tmp_path, "a.png", "b.png", "c.png")
    assert read(write(tmp_path, "file,label\na.png,10\nb.png,9\nc.png,0\n")).classes == ("0", "9", "10")


def test_bytes_that_windows_1252_lacks_are_read_as_latin_1():
    assert decode_text(b"a\x81\xe9") == "a\x81é"


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8).map(str.strip)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t"),
    wide=st.booleans(),
)
def test_whatever_is_written_as_csv_is_read_back(rows, delimiter, wide, tmp_path):
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("file", "label"), *rows])
    path = write(tmp_path, buffer.getvalue(), encoding="utf-16" if wide else "utf-8")
    kept = [list(row) for row in rows if any(row)]
    if not kept:
        with pytest.raises(DataError, match="no rows"):
            load_table(path)
        return
    table = load_table(path)
    assert table.columns == ("file", "label")
    assert [row for _, row in table.rows] == kept


def test_the_digits_problem_as_handed_out():
    folder = os.environ.get("STRIATE_DATA")
    path = Path(folder or "") / "identify-the-digits" / "Train" / "train.csv"
    if not folder or not path.is_file():
        pytest.skip("STRIATE_DATA names no folder with identify-the-digits")
    catalog = read(path)
    assert len(catalog) == 49_000
    assert catalog.classes == tuple("0123456789")


@pytest.mark.parametrize(
    ("cells", "classes", "said"),
    [
        (["0,5", "1,0", "1,5"], ("0.5", "1", "1.5"), True),
        (["1,0", "2", "10"], ("1", "2", "10"), True),
        (["-1,0", "0,0", "1,0"], ("-1", "0", "1"), True),
        (["1,2", "2", "1"], ("1", "1,2", "2"), False),  # two labels in a cell
        (["a,b", "a", "b"], ("a", "a,b", "b"), False),
    ],
)
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_labels_with_a_decimal_comma_are_numbers(cells, classes, said, delimiter, tmp_path):
    names = [f"{i}.png" for i in range(6)]
    plant(tmp_path, *names)
    rows = [f"{name}{delimiter}{cell}" for name, cell in zip(names, cells * 2, strict=True)]
    catalog = read(write(tmp_path, "\n".join([f"file{delimiter}label", *rows]) + "\n"))
    assert catalog.classes == classes
    assert any("decimal comma" in note for note in catalog.notes) is said


@pytest.mark.parametrize("header", ["0,1", "url,label", "image_url,class"])
def test_columns_that_programs_count_and_addresses(header, tmp_path):
    plant(tmp_path, "a/b/0.png", "a/b/1.png")
    path = write(tmp_path, f"{header}\nhttps://x.org/a/b/0.png?size=3,cat\nhttps://x.org/a/b/1.png#top,dog\n")
    assert sorted(labelled(read(path, images=tmp_path)).values()) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train/cat/0.png", "train/1.png", "test/2.png", "val/3.png"], ["train", "train", "test", "valid"]),
        (["x/Training/0.png", "x/Training/1.png", "x/Testing/2.png", "x/Testing/3.png"], ["train"] * 2 + ["test"] * 2),
        ([r"train\0.png", r"train\1.png", r"test\2.png", r"test\3.png"], ["train"] * 2 + ["test"] * 2),
        (["train/0.png", "train/1.png", "train/2.png", "train/3.png"], [""] * 4),
        (["train/0.png", "more/1.png", "test/2.png", "test/3.png"], [""] * 4),
    ],
)
def test_folders_of_splits_in_the_paths_split_the_images(names, splits, tmp_path):
    plant(tmp_path, *(name.replace("\\", "/") for name in names))
    catalog = read(write(tmp_path, "path,label\n" + "".join(f"{n},{'ab'[i % 2]}\n" for i, n in enumerate(names))))
    assert catalog.splits.tolist() == splits
    assert any("folders in the paths split the images" in note for note in catalog.notes) is any(splits)


def test_a_column_of_splits_goes_before_the_paths(tmp_path):
    plant(tmp_path, "train/0.png", "test/1.png")
    path = write(tmp_path, "path,label,split\ntrain/0.png,a,test\ntest/1.png,b,train\n")
    assert read(path).splits.tolist() == ["test", "train"]


def test_a_file_that_two_rows_name_otherwise_counts_once(tmp_path):
    plant(tmp_path, "pics/0.png", "pics/1.png", "pics/2.png")
    rows = ["pics/0.png,a", "./pics/0.png,a", "pics/1.png,b", "pics/./1.png,a", "pics/2.png,b"]
    catalog = read(write(tmp_path, "\n".join(["file,label", *rows]) + "\n"))
    assert labelled(catalog) == {"pics/0.png": "a", "pics/2.png": "b"}
    assert catalog.ledger["./pics/0.png"].detail == "the file of another row: pics/0.png"
    assert catalog.ledger["pics/1.png"].detail == "two labels: b, and a as pics/./1.png"


def test_boxes_are_said_not_to_be_cut_out(tmp_path):
    plant(tmp_path, "0.png", "1.png")
    path = write(tmp_path, "file,xmin,ymin,xmax,ymax,class\n0.png,1,2,3,4,a\n1.png,1,2,3,4,b\n")
    assert "columns xmin, ymin, xmax, ymax look like boxes" in read(path).notes[-1]


def test_comments_that_name_the_columns_above_other_comments(tmp_path):
    plant(tmp_path, "a_1.jpg", "b_1.jpg")
    path = write(tmp_path, "#Image CLASS-ID SPECIES\n# from a paper\n#\na_1 1 2\nb_1 2 1\n", "list.txt")
    assert labelled(read(path)) == {"a_1": "1", "b_1": "2"}


def test_a_list_of_flags_below_its_number_and_names_is_one_hot(tmp_path):
    plant(tmp_path, "0.png", "1.png", "2.png")
    path = write(tmp_path, "3\ncat dog\n0.png  1 -1\n1.png -1  1\n2.png  1 -1\n", "list.txt")
    assert labelled(read(path)) == {"0.png": "cat", "1.png": "dog", "2.png": "cat"}


def test_columns_of_minus_one_and_one_are_classes_but_not_beside_nought(tmp_path):
    plant(tmp_path, "0.png", "1.png", "2.png")
    path = write(tmp_path, "image,cat,dog\n0,1,-1\n1,-1,1\n2,1,-1\n")
    assert read(path).classes == ("cat", "dog")
    assert not read(write(tmp_path, "image,cat,dog\n0,1,-1\n1,0,1\n2,1,-1\n")).classes
