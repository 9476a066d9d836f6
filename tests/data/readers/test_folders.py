import os
from pathlib import Path

import numpy as np
import pytest

from striate.data.reading import read
from striate.errors import DataError


def plant(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x") if not name.endswith("/") else path.mkdir(exist_ok=True)
    return root


def labelled(catalog) -> dict[str, str]:
    return {name: catalog.classes[label] for name, label in zip(catalog.names, catalog.labels, strict=True)}


def test_files_below_a_class_folder_belong_to_it(tmp_path):
    catalog = read(plant(tmp_path, "cats/1.jpg", "cats/a/b/2.jpg", "dogs/1.jpg"))
    assert labelled(catalog) == {"cats/1.jpg": "cats", "cats/a/b/2.jpg": "cats", "dogs/1.jpg": "dogs"}
    assert catalog.images[1] == tmp_path / "cats/a/b/2.jpg"
    assert set(catalog.splits.tolist()) == {""}


@pytest.mark.parametrize("names", [("train", "valid", "test"), ("Training", "VAL", "Testing"), ("train", "validation")])
def test_split_folders(names, tmp_path):
    plant(tmp_path, *(f"{split}/{name}/{i}.png" for split in names for name in "ab" for i in range(2)))
    catalog = read(tmp_path)
    assert catalog.classes == ("a", "b")
    expected = ("train", "valid", "test")[: len(names)]
    assert {split: len(getattr(catalog, split)) for split in expected} == dict.fromkeys(expected, 4)


def test_a_class_that_one_split_lacks_keeps_its_number(tmp_path):
    catalog = read(plant(tmp_path, "train/a/1.png", "train/b/1.png", "train/c/1.png", "test/c/1.png"))
    assert catalog.own("test").labels.tolist() == [2]


def test_class_folders_called_train_are_classes_among_others(tmp_path):
    assert read(plant(tmp_path, "bus/1.png", "car/1.png", "train/1.png")).classes == ("bus", "car", "train")


def test_folders_beside_the_splits_are_set_aside(tmp_path):
    catalog = read(plant(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", "extra/c/1.png"))
    assert catalog.classes == ("a", "b")
    assert catalog.ledger["extra/c/1.png"].detail == "set aside as outside of train, valid and test"


def test_classes_that_are_all_numbers_are_in_numeric_order(tmp_path):
    assert read(plant(tmp_path, "10/1.png", "9/1.png", "0/1.png")).classes == ("0", "9", "10")
    assert read(plant(tmp_path, "x/1.png")).classes == ("0", "10", "9", "x")


def test_clutter_is_set_aside_and_does_not_count_as_skipped(tmp_path):
    clutter = ["a/.hidden.png", "a/Thumbs.db", "b/desktop.ini", ".git/x.png", "__MACOSX/a/1.png", ".DS_Store"]
    catalog = read(plant(tmp_path, "a/1.png", "b/1.png", *clutter))
    assert catalog.names == ["a/1.png", "b/1.png"]
    assert all(catalog.ledger[name].detail.startswith("set aside") for name in clutter if name[0] not in "._")
    assert catalog.ledger["__MACOSX/"].detail.startswith("set aside")
    assert catalog.ledger.skipped_share == 0


def test_other_file_types_are_skipped_and_files_without_type_are_tried(tmp_path):
    catalog = read(plant(tmp_path, "a/1.png", "a/notes.txt", "a/box.json", "b/scan", "b/scan.0042", "b/1.JPEG"))
    assert catalog.names == ["a/1.png", "b/1.JPEG", "b/scan", "b/scan.0042"]
    assert catalog.ledger["a/notes.txt"].detail == "not an image file type: .txt"
    assert catalog.ledger.skipped_share == pytest.approx(2 / 6)


def test_images_outside_of_the_class_folders_are_skipped(tmp_path):
    catalog = read(plant(tmp_path, "a/1.png", "b/1.png", "stray.png"))
    assert catalog.ledger["stray.png"].detail == "not in a class folder"
    assert len(catalog) == 2


def test_a_folder_of_images_is_unlabelled(tmp_path):
    catalog = read(plant(tmp_path, "1.png", "2.png", "labels.csv"))
    assert catalog.labels.tolist() == [-1, -1]
    assert catalog.classes == ()
    assert not catalog.labelled
    assert "give it as the source" in catalog.ledger["labels.csv"].detail


def test_folders_without_images_are_no_classes_and_said(tmp_path):
    catalog = read(plant(tmp_path, "a/1.png", "b/1.png", "empty/", "text/readme.txt"))
    assert catalog.classes == ("a", "b")
    assert catalog.ledger["empty/"].detail == "set aside as a folder without images"
    assert catalog.ledger["text/"].detail == "set aside as a folder without images"


def test_a_folder_that_only_wraps_is_looked_through(tmp_path):
    catalog = read(plant(tmp_path, "photos-v2/readme.txt", "photos-v2/train/a/1.png", "photos-v2/train/b/1.png"))
    assert labelled(catalog) == {"photos-v2/train/a/1.png": "a", "photos-v2/train/b/1.png": "b"}
    assert set(catalog.splits.tolist()) == {"train"}


def test_one_class_is_read(tmp_path):
    assert read(plant(tmp_path, "cats/1.png", "cats/2.png")).classes == ("cats",)


def test_tables_beside_one_folder_of_images_are_pointed_at(tmp_path):
    plant(tmp_path, "images/1.png", "images/2.png", "train.csv")
    with pytest.raises(DataError, match=r"it holds tables \(train.csv\). .* give that table as the source"):
        read(tmp_path)


def test_a_folder_without_any_image_says_what_it_holds(tmp_path):
    with pytest.raises(
        DataError, match=r"none of its 1 files is one \(a.txt: not an image file type: .txt\). Expected"
    ):
        read(plant(tmp_path, "a.txt"))


def test_loops_of_links_come_to_an_end(tmp_path):
    plant(tmp_path, "data/a/1.png", "data/b/1.png")
    data = tmp_path / "data"
    (data / "a" / "up").symlink_to(data)
    (data / "a" / "self").symlink_to("self")
    (data / "b" / "sibling").symlink_to(data / "a")
    (data / "b" / "above").symlink_to(tmp_path)
    (data / "b" / "everything").symlink_to("/")
    (data / "b" / "gone.png").symlink_to("nowhere.png")
    catalog = read(data)
    assert catalog.names == ["a/1.png", "b/1.png"]
    assert catalog.ledger["b/sibling/"].detail == "set aside as a link to a folder that is read already"
    assert catalog.ledger["b/gone.png"].detail == "broken link"
    assert catalog.ledger["a/self"].detail == "broken link"


def test_links_are_followed(tmp_path):
    plant(tmp_path, "store/x/1.png", "store/2.png", "data/b/1.png", "data/c/")
    (tmp_path / "data" / "a").symlink_to(tmp_path / "store" / "x")
    (tmp_path / "data" / "c" / "2.png").symlink_to(tmp_path / "store" / "2.png")
    (tmp_path / "linked").symlink_to(tmp_path / "data")
    for source in (tmp_path / "data", tmp_path / "linked"):
        assert labelled(read(source)) == {"a/1.png": "a", "b/1.png": "b", "c/2.png": "c"}


def test_a_link_between_classes_does_not_take_the_images_away(tmp_path):
    plant(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "all-of-b").symlink_to(tmp_path / "b")
    assert labelled(read(tmp_path)) == {"a/1.png": "a", "b/2.png": "b"}


def test_pipes_are_not_opened(tmp_path):
    os.mkfifo(plant(tmp_path, "a/1.png", "b/1.png") / "a" / "pipe.png")
    assert read(tmp_path).ledger["a/pipe.png"].detail == "not a regular file"


@pytest.mark.parametrize(
    "name", ["mit Leerzeichen ä.png", "日本語.png", 'quo"te,comma.png', "line\nbreak.png", "%00.png"]
)
def test_strange_names(name, tmp_path):
    catalog = read(plant(tmp_path, f"ä b/{name}", "c/1.png"))
    assert catalog.names[-1] == f"ä b/{name}"
    catalog.ledger.write_csv(tmp_path / "ledger.csv")


def test_names_that_are_no_text_are_shown_with_their_bytes(tmp_path):
    plant(tmp_path, "a/1.png", "b/1.png", "b/caf\\xe9.png")
    raw = os.fsencode(tmp_path) + b"/b/caf\xe9.png"
    try:
        with open(raw, "wb"):
            pass
    except OSError:
        pytest.skip("the file system takes text only")
    catalog = read(tmp_path)
    assert catalog.names == ["a/1.png", "b/1.png", "b/caf\\xe9.png", "b/caf\\xe9.png (2)"]
    assert {os.fsencode(path) for path in catalog.images} >= {raw}
    catalog.ledger.write_csv(tmp_path / "ledger.csv")


def test_fifty_thousand_files_are_listed_without_a_question_to_each(tmp_path, monkeypatch):
    plant(tmp_path, *(f"{name}/{i}.png" for name in "ab" for i in range(50)))
    asked = []
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path, *rest, **more: asked.append(path) or real(path, *rest, **more))
    assert len(read(tmp_path)) == 100
    assert len(asked) < 10
    assert np.array_equal(np.bincount(read(tmp_path).labels), [50, 50])
