"""Tables whose images are named as on another machine, from another folder, or in another case."""

from pathlib import Path

import pytest

from striate.data.readers.lookup import path_parts
from striate.data.reading import read
from striate.errors import DataError


def plant(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def listed(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name},{'ab'[i % 2]}" for i, name in enumerate(names)]
    (folder / "t.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    return folder / "t.csv"


def note(catalog) -> str:
    return next((entry.detail for entry in catalog.ledger if entry.name == "t.csv"), "")


PREFIXES = [
    "C:\\Users\\Ann Lee\\skin\\pics\\", "D:/pics/", "\\\\server\\share\\pics\\", "/content/drive/MyDrive/skin/pics/",
    "/kaggle/input/skin/pics/", "file:///content/pics/", "https://example.org/data/pics/", "gs://bucket/pics/",
    "./data/pics/", "../pics/", "~/pics/", "pics/", "Pics\\",
]  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
def test_ends_of_paths_are_looked_for_in_the_folder_that_was_given(prefix, tmp_path):
    plant(tmp_path / "here" / "pics", "1.png", "2.png", "sub/3.png")
    names = [f"{prefix}{name}" for name in ("1.png", "2.png", "sub/3.png")]
    table = listed(tmp_path / "table", *names)
    for folder in ("here/pics", "here"):
        catalog = read(table, images=tmp_path / folder)
        assert [path.name for path in catalog.images] == ["1.png", "2.png", "3.png"]
        assert catalog.names == names
    told = note(read(table, images=tmp_path / "here" / "pics"))
    assert "3 found" in told or prefix == "../pics/"  # which lies where it says


@pytest.mark.parametrize("prefix", [prefix for prefix in PREFIXES if prefix not in ("pics/", "../pics/")])
def test_a_folder_and_name_beside_the_table_are_found_without_being_given(prefix, tmp_path):
    plant(tmp_path / "pics", "1.png", "2.png")
    catalog = read(listed(tmp_path, f"{prefix}1.png", f"{prefix}2.png"))
    assert catalog.images == [tmp_path / "pics" / "1.png", tmp_path / "pics" / "2.png"]
    assert note(catalog).startswith("set aside as the table: 2 found ")


def test_a_table_that_lies_in_the_folder_it_names(tmp_path):
    plant(tmp_path / "pics", "1.png", "2.png")
    assert len(read(listed(tmp_path / "pics", "pics/1.png", "pics/2.png"))) == 2


def test_a_bare_name_is_not_taken_from_an_absolute_path_unasked(tmp_path):
    plant(tmp_path, "pics/1.png", "pics/2.png")
    table = listed(tmp_path, "/mnt/other/1.png", "/mnt/other/2.png")
    with pytest.raises(DataError, match=r"2 are not in .*pics has 1.png: give --images .*pics$"):
        read(table)
    assert len(read(table, images=tmp_path / "pics")) == 2


@pytest.mark.parametrize(
    ("named", "there"),
    [("1.png", "1.PNG"), ("IMG_1.JPG", "img_1.jpg"), ("1", "1.PNG"), ("Im_1", "im_1.jpeg"), ("A/b.png", "a/B.Png"),
     ("caf\u00e9.png", "cafe\u0301.png"), ("STRASSE.png", "stra\u00dfe.png")],
)  # fmt: skip
@pytest.mark.parametrize("given", [True, False])
def test_case_and_the_way_of_writing_a_letter_do_not_matter(named, there, given, tmp_path):
    plant(tmp_path, there)
    catalog = read(listed(tmp_path, named), images=tmp_path if given else None)
    assert catalog.images == [tmp_path / there]
    assert catalog.names == [named]


def test_two_files_that_fit_are_said_and_neither_is_taken(tmp_path):
    plant(tmp_path, "a.PNG", "A.png", "b.png", "c.png", "d.png")
    catalog = read(listed(tmp_path, "a.png", "b.png", "c.png", "d.png"))
    assert catalog.names == ["b.png", "c.png", "d.png"]
    assert catalog.ledger["a.png"].detail == "several files fit: A.png or a.PNG"


def test_two_rows_never_share_a_file_by_guessing(tmp_path):
    plant(tmp_path / "pics", "1.png", "2.png", "3.png", "4.png")
    table = listed(tmp_path, "x/1.png", "y/1.png", "x/2.png", "x/3.png", "x/4.png")
    catalog = read(table, images=tmp_path / "pics")
    assert catalog.names == ["x/2.png", "x/3.png", "x/4.png"]
    assert catalog.ledger["x/1.png"].detail == "several rows fit one file: x/1.png and y/1.png lead to 1.png"
    exact = read(listed(tmp_path, "1.png", "old/1.png", "2.png", "3.png"), images=tmp_path / "pics")
    assert exact.names == ["1.png", "2.png", "3.png"]
    assert exact.ledger["old/1.png"].detail == "the only file that fits is another row's: 1.png"


def test_names_that_all_collide_ask_for_the_folder_above(tmp_path):
    plant(tmp_path / "train" / "a", "1.png", "2.png")
    table = listed(tmp_path, "a/1.png", "b/1.png", "a/2.png", "b/2.png")
    with pytest.raises(DataError, match=r"lead to 1.png. Give the names with their folders, and with --images what"):
        read(table, images=tmp_path / "train" / "a")


def test_images_in_several_folders_below_are_found_by_name(tmp_path):
    plant(tmp_path, *(f"part_1/{i}.jpg" for i in range(10)), *(f"part_2/{i}.jpg" for i in range(10, 20)))
    table = listed(tmp_path, *map(str, range(20)))
    catalog = read(table)
    assert len(catalog) == 20
    assert "found in folders below, part_1, part_2" in note(catalog) or "images were found in part_1" in note(catalog)
    assert len(read(table, images=tmp_path)) == 20


@pytest.mark.parametrize(
    ("there", "named", "hint"),
    [
        ("1.jpeg", "1.jpg", "1.jpeg is nearly 1.jpg"),
        ("image_0001.png", "image-0001.png", "image_0001.png is nearly image-0001.png"),
        ("x.png", "1.png", "Nothing there is like them"),
    ],
)
def test_what_was_given_is_never_advised(there, named, hint, tmp_path):
    plant(tmp_path / "pics", there)
    with pytest.raises(DataError, match=hint) as caught:
        read(listed(tmp_path, named), images=tmp_path / "pics")
    assert "--images" not in str(caught.value)


def test_addresses_are_to_be_downloaded(tmp_path):
    with pytest.raises(DataError, match="They are addresses: download them first"):
        read(listed(tmp_path, "https://example.org/a.png", "https://example.org/b.png"))


def test_parts_of_any_path():
    assert path_parts("C:\\a\\b.png") == path_parts("file:///C:/a/b.png") == path_parts("./a//b.png") == ["a", "b.png"]
    assert path_parts("") == []
