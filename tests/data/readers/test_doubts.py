"""Folders whose names are no classes, and files beside them that say more than the folders do."""

import gzip

import numpy as np
import pytest
from tests.data import forms
from tests.data.readers.test_arrangement import grown, sorted_out
from tests.data.readers.test_folders import plant
from tests.data.readers.test_idx import idx

from striate.data.reading import read
from striate.data.trainable import check_trainable
from striate.errors import DataError


@pytest.mark.parametrize(
    "names",
    [
        ("HAM10000_images_part_1", "HAM10000_images_part_2"), ("images_001/images", "images_002/images"),
        ("batch1", "batch2", "batch3"), ("imagesPart1", "imagesPart2"), ("part A", "part B"),
        ("photos (1)", "photos (2)"), ("data-00-of-02", "data-01-of-02"), ("folder_1", "folder_2"),
    ],
)  # fmt: skip
def test_parts_of_one_set_are_no_classes(names, tmp_path):
    grown(tmp_path, *names)
    with pytest.raises(DataError, match="are named like the parts of one set") as caught:
        check_trainable(read(tmp_path))
    assert f"{tmp_path} as --images" in str(caught.value)
    check_trainable(read(tmp_path, format="folders"))


@pytest.mark.parametrize(
    "names",
    [("1", "2"), ("class1", "class2"), ("person_01", "person_02"), ("depart1", "depart2"), ("type A", "type B"),
     ("images_1", "photos_2"), ("part_1", "whole_1"), ("batch_1", "cat")],
)  # fmt: skip
def test_numbers_and_words_of_other_kinds_are_classes(names, tmp_path):
    catalog = read(grown(tmp_path, *names))
    check_trainable(catalog)
    assert catalog.classes == tuple(sorted(names))


def test_a_folder_that_holds_itself_again_is_no_class(tmp_path):
    grown(tmp_path, "cells/sick", "cells/well", "cells/cells/sick", "cells/cells/well")
    with pytest.raises(DataError, match=r"cells holds folders of the same names as those beside it \(sick, well\)"):
        check_trainable(read(tmp_path))


def test_a_test_without_folders_beside_a_train_of_classes_and_more(tmp_path):
    grown(tmp_path, "Train/0", "Train/1", "Test", "Meta")
    catalog = read(tmp_path)
    assert sorted_out(catalog) == {"train": {"0": 2, "1": 2}}
    assert catalog.ledger["Test/0.png"].detail == "set aside as an unlabelled image of the test split"
    assert any(note.startswith("Meta lies beside the splits") for note in catalog.notes)
    check_trainable(catalog)


def test_a_train_of_images_beside_others_is_a_class(tmp_path):
    assert read(grown(tmp_path, "train", "test", "car")).classes == ("car", "test", "train")


@pytest.mark.parametrize("beside", ["train_aug/a", "trainval/b", "a", "train more/train/a"])
def test_what_lies_beside_the_splits_is_said(beside, tmp_path):
    grown(tmp_path, "train/a", "train/b", "test/a", "test/b", beside)
    (note,) = read(tmp_path).notes
    assert note == f"{beside.partition('/')[0]} lies beside the splits, in none of them: 2 images are set aside"


def test_a_few_samples_beside_the_splits_are_not_worth_a_word(tmp_path):
    grown(tmp_path, "train/a", "train/b", "test/a", "test/b", count=10)
    assert not read(grown(tmp_path, "docs", count=1)).notes


@pytest.mark.parametrize(
    "lists",
    [("meta/train.txt", "meta/test.txt"), ("lists/train_list.mat", "lists/test_list.mat"), ("train.csv", "val.csv"),
     ("train_test_split.txt",), ("splits.json", "data_split.csv")],
)  # fmt: skip
def test_lists_of_a_split_that_the_folders_do_not_have_are_pointed_at(lists, tmp_path):
    grown(tmp_path, "images/a", "images/b")
    plant(tmp_path, *lists)
    (note,) = read(tmp_path).notes
    assert note.startswith("lists of a split are not honoured (")
    assert f"{sorted(lists)[0]}" in note


def test_lists_beside_folders_of_splits_say_nothing_new(tmp_path):
    grown(tmp_path, "train/a", "train/b", "test/a", "test/b")
    plant(tmp_path, "train.txt", "test.txt")
    assert not read(tmp_path).notes


def test_other_texts_beside_classes_are_no_lists(tmp_path):
    grown(tmp_path, "a", "b")
    plant(tmp_path, "README.txt", "labels.txt", "train.txt", "requirements.txt", "split_personality.txt")
    assert not read(tmp_path).notes


def test_a_wrapped_folder_of_images_called_by_class_is_pointed_at(tmp_path):
    plant(tmp_path, *(f"images/{word}_{i}.jpg" for word in ("Abyssinian", "Bengal") for i in range(3)))
    plant(tmp_path, "annotations/list.txt")
    with pytest.raises(DataError, match=r"Their names begin with Abyssinian \(3\), Bengal \(3\)"):
        check_trainable(read(tmp_path))


@pytest.mark.parametrize(("kind", "tool"), [("json", "labelme"), ("xml", "Pascal VOC")])
def test_a_file_of_annotations_for_each_image_names_the_tool(kind, tool, tmp_path):
    plant(tmp_path, *(f"{i}.{end}" for i in range(6) for end in ("jpg", kind)))
    with pytest.raises(DataError, match=rf"6 \.{kind} files lie beside the images, one for each as {tool} writes them"):
        check_trainable(read(tmp_path))


def test_roboflow_s_classes_beside_the_images_of_each_split(tmp_path):
    files = {}
    for split in ("train", "valid"):
        files |= {f"{split}/{i}.png": forms.picture(i % 2, i) for i in range(4)}
        rows = "".join(f"{i}.png, {1 - i % 2}, {i % 2}\n" for i in range(4))
        files[f"{split}/_classes.csv"] = f"filename, cat, dog\n{rows}".encode()
    catalog = read(forms.write_files(tmp_path / "s", files))
    assert catalog.counts() == {"train": {"cat": 2, "dog": 2}, "valid": {"cat": 2, "dog": 2}}
    assert catalog.names[0] == "train/0.png"


def test_emnist_is_said_to_lie_on_its_side(tmp_path):
    for kind, values in (("images-idx3", np.zeros((2, 4, 4), np.uint8)), ("labels-idx1", np.array([1, 2], np.uint8))):
        (tmp_path / f"emnist-letters-train-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(values)))
    assert "rows and columns exchanged" in read(tmp_path).notes[0]


def test_lists_of_files_by_class_need_no_ending_below_the_class_s_folder(tmp_path):
    plant(tmp_path, "pie/1.jpg", "pie/2.jpg", "soup/3.jpg")
    path = forms.write_json(tmp_path / "train.json", {"pie": ["pie/1", "pie/2"], "soup": ["soup/3"]})
    catalog = read(path)
    assert [catalog.classes[i] for i in catalog.labels] == ["pie", "pie", "soup"]
