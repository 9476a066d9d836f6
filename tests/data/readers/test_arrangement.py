"""Folders as people arrange them: splits in any spelling, wrappers, splits below classes, and what is doubtful."""

import unicodedata

import pytest
from tests.data.readers.test_folders import labelled, plant

from striate.data.readers.split_names import classes_with_splits, split_of, splits_among
from striate.data.reading import read
from striate.data.trainable import check_trainable
from striate.errors import DataError

TRAIN = ("train", "training", "Training", "TRAIN", "train_set", "trainset", "TrainSet", "train-images", "training_data",
         "my_train_data", "01_train", "train2017", "train_224x224")  # fmt: skip
VALID = ("val", "valid", "validation", "VALIDATION", "dev", "eval", "dev_set", "val_images", "evaluation")
TEST = ("test", "testing", "Test", "test_images", "testset", "holdout", "hold-out", "held_out_data", "test 1")
NONE = (
    "trains",
    "train_station",
    "test_tube",
    "crash-test",
    "station",
    "data",
    "images",
    "set",
    "evaluated",
    "devil",
    "",
)


@pytest.mark.parametrize(("split", "names"), [("train", TRAIN), ("valid", VALID), ("test", TEST), ("", NONE)])
def test_usual_spellings_of_a_split(split, names):
    assert {name: split_of(name) for name in names} == dict.fromkeys(names, split)


def test_a_name_of_many_digits_is_answered_at_once():
    assert split_of("1" * 5000 + "x") == split_of("dataset" * 500) == ""


def test_names_with_another_word_are_splits_only_together():
    assert splits_among(["seg_train", "seg_test", "seg_pred"]) == {"seg_train": "train", "seg_test": "test"}
    assert splits_among(["flowers-Training", "flowers-Val"]) == {"flowers-Training": "train", "flowers-Val": "valid"}
    assert splits_among(["train_station", "test_tube"]) == splits_among(["seg_test", "seg_val"]) == {}
    assert splits_among(["Training", "PublicTest"]) == {"Training": "train", "PublicTest": "test"}
    assert splits_among(["public", "private"]) == {}
    assert classes_with_splits(["cat_train", "cat_test"]) == {}


def grown(root, *folders, count=2):
    return plant(root, *(f"{folder}/{i}.png" for folder in folders for i in range(count)))


def sorted_out(catalog):
    """Return {split: {class: images}} without what is empty."""
    counts = {split: {name: n for name, n in found.items() if n} for split, found in catalog.counts().items()}
    return {split: found for split, found in counts.items() if found}


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (["seg_train/seg_train/a", "seg_train/seg_train/b", "seg_test/seg_test/a", "seg_test/seg_test/b"],
         "train test"),
        (["training_set/a", "training_set/b", "test_set/a", "test_set/b"], "train test"),
        (["Train Images/all/a", "Train Images/all/b", "Val Images/all/a", "Val Images/all/b"], "train valid"),
        (["train/a", "train/b", "dev/a", "dev/b"], "train valid"),
        (["train/a", "train/b", "eval/a", "eval/b"], "train valid"),
        (["train/a", "train/b", "holdout/a", "holdout/b"], "train test"),
        (["train/a", "train/b", "dev/a", "dev/b", "test/a", "test/b"], "train valid test"),
        (["x/y/my_train_data/a", "x/y/my_train_data/b", "x/y/my_test_data/a", "x/y/my_test_data/b"], "train test"),
        (["a/train", "a/test", "b/train", "b/test"], "train test"),
        (["a/Training", "a/dev", "b/Training", "b/dev"], "train valid"),
        (["a_train", "a_test", "b_train", "b_test"], "train test"),
        (["trainA", "testA", "trainB", "testB"], "train test"),
    ],
)  # fmt: skip
def test_splits_are_no_classes(folders, splits, tmp_path):
    catalog = read(grown(tmp_path, *folders))
    assert [name.casefold() for name in catalog.classes] == ["a", "b"]
    expected = {split: dict.fromkeys(catalog.classes, 2) for split in splits.split()}
    assert sorted_out(catalog) == expected
    check_trainable(catalog)


def test_which_folder_is_which_split_is_told_where_its_name_leaves_a_doubt(tmp_path):
    catalog = read(grown(tmp_path, "train/a", "train/b", "dev/a", "dev/b", "test/a"))
    assert catalog.notes == ("folders are taken as splits: dev as valid",)


@pytest.mark.parametrize("others", [["car", "bus"], ["car/s1", "bus/s1"]])
def test_train_beside_vehicles_is_a_class(others, tmp_path):
    catalog = read(grown(tmp_path, "train", *others))
    assert sorted_out(catalog) == {"": {"bus": 2, "car": 2, "train": 2}}
    check_trainable(catalog)


def test_a_class_without_splits_among_classes_that_have_some_is_loose(tmp_path):
    catalog = read(grown(tmp_path, "a/train", "a/test", "b/train", "b/test", "c"))
    assert sorted_out(catalog) == {"train": {"a": 2, "b": 2}, "test": {"a": 2, "b": 2}, "": {"c": 2}}


@pytest.mark.parametrize("inside", ["", "/test", "/unknown", "/images"])
def test_a_test_folder_of_no_known_class_is_unlabelled(inside, tmp_path):
    catalog = read(grown(tmp_path, "train/a", "train/b", "valid/a", f"test{inside}"))
    assert catalog.classes == ("a", "b")
    assert set(catalog.splits.tolist()) == {"train", "valid"}
    assert catalog.ledger[f"test{inside}/0.png"].detail == "set aside as an unlabelled image of the test split"
    (note,) = catalog.notes
    assert note.startswith("test has 2 images in no folder of a known class")
    assert note.endswith(f"give predict {tmp_path}/test")


def test_a_test_folder_with_one_known_class_keeps_the_others(tmp_path):
    catalog = read(grown(tmp_path, "train/a", "train/b", "test/a", "test/new"))
    assert sorted_out(catalog)["test"] == {"a": 2, "new": 2}


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["color/a", "color/b", "grayscale/a", "grayscale/b", "mask/a", "mask/b"],
         r"hold the same folders \(a, b\), which look like the classes. Give one of them: .*/color\b"),
        (["v1/v1/a", "v1/v1/b", "v2/v2/a", "v2/v2/b"], r"v1, v2 hold the same folders \(a, b\)"),
        (["2019/a", "2019/b", "2020/a", "2020/b", "2021/a"], r"2019, 2020 hold the same folders \(a, b\)"),
        (["p/train/good", "p/test/good", "p/test/bad", "q/train/good", "q/test/good", "q/test/bent"],
         r"p, q hold the same folders \(test, train\), which look like splits. Give one of them: .*/p"),
        (["set/train/a", "set/train/b", "set/test/a", "extra"], r"set holds the splits .*test.*train.* Give .*/set\b"),
    ],
)  # fmt: skip
def test_classes_that_hold_the_same_folders_stop_a_training(folders, message, tmp_path):
    grown(tmp_path, *folders)
    with pytest.raises(DataError, match=message):
        check_trainable(read(tmp_path))
    check_trainable(read(tmp_path, format="folders"))  # who insists is believed


@pytest.mark.parametrize("inside", ["data", "data/all"])
def test_an_image_beside_the_folder_that_holds_the_classes(inside, tmp_path):
    plant(grown(tmp_path / "preview", f"{inside}/a", f"{inside}/b"), "sample.png")
    with pytest.raises(
        DataError, match=rf"it has images and one folder, data, which holds a, b. Give \S+preview/{inside}$"
    ):
        check_trainable(read(tmp_path / "preview"))


@pytest.mark.parametrize(
    ("folders", "give"),
    [
        (["data/a", "data/b", "sample"], "data"),
        (["my dataset/a", "my dataset/b", "holiday", "more"], "my dataset"),
        (["x/y/images/a", "x/y/images/b", "README_files"], "x/y/images"),
        (["flowers/a", "flowers/b", "docs", "example images"], "flowers"),
    ],
)
def test_a_folder_that_holds_the_classes_beside_samples_stops_a_training(folders, give, tmp_path):
    catalog = read(grown(tmp_path, *folders))
    with pytest.raises(DataError, match=rf"{give} holds the folders a, b, which look.*Give {tmp_path}/{give}\. If"):
        check_trainable(catalog)
    assert read(tmp_path, format="folders").doubts == ()


def test_one_image_beside_many_is_a_sample_whatever_it_is_called(tmp_path):
    grown(tmp_path, "flowers/a", "flowers/b", count=10)
    with pytest.raises(DataError, match=r"Give \S+/flowers"):
        check_trainable(read(grown(tmp_path, "cover", count=1)))


def test_a_class_of_several_kinds_beside_another_class_is_one_class(tmp_path):
    catalog = read(grown(tmp_path, "cats/siamese", "cats/persian", "dogs"))
    assert catalog.classes == ("cats", "dogs")
    assert catalog.doubts == ()
    assert catalog.notes[0].startswith("all images below cats are of the class cats; it holds the folders persian,")


MASKED = {
    "in each class": (["a/images", "a/masks", "b/images", "b/masks"], ["a/masks", "b/masks"]),
    "other words": (["a/Image", "a/Ground Truth", "b/Image", "b/Ground Truth"], ["a/Ground Truth", "b/Ground Truth"]),
    "above": (["images/a", "images/b", "masks/a", "masks/b"], ["masks/a", "masks/b"]),
    "within splits": (["train/a/img", "train/a/label", "train/b/img", "train/b/label", "test/a/img", "test/b/img"],
                      ["train/a/label", "train/b/label"]),
    "wrapped": (["set/v1/a/rgb", "set/v1/a/seg", "set/v1/b/rgb", "set/v1/b/seg"], ["set/v1/a/seg", "set/v1/b/seg"]),
    "in one class": (["a/images", "a/masks", "b"], ["a/masks"]),
}  # fmt: skip


@pytest.mark.parametrize("case", MASKED)
def test_folders_of_masks_beside_their_images_are_set_aside(case, tmp_path):
    folders, masks = MASKED[case]
    catalog = read(grown(tmp_path, *folders))
    check_trainable(catalog)
    assert catalog.classes == ("a", "b")
    assert {entry.name.rpartition("/")[0] for entry in catalog.ledger if "mask" in entry.detail} == set(masks)
    assert not any(name.rpartition("/")[0] in masks for name in catalog.names)
    assert any(f": {2 * len(masks)} images are set aside" in note for note in catalog.notes)


@pytest.mark.parametrize(
    "mask", ["{0}_mask.png", "{0}-Mask_1.PNG", "{0}_segmentation.png", "{0}.gt.png", "{0} seg.bmp"]
)
def test_masks_by_name_are_set_aside(mask, tmp_path):
    files = [f"{k}/{k} ({i}).png" for k in "ab" for i in range(3)]
    masks = [f"{k}/{mask.format(f'{k} ({i})')}" for k in "ab" for i in range(3)]
    catalog = read(plant(tmp_path, *files, *masks))
    assert sorted(catalog.names) == sorted(files)
    assert {entry.name for entry in catalog.ledger if entry.detail.startswith("set aside as a mask")} == set(masks)
    assert catalog.notes[0].startswith("6 files are set aside as masks of images beside them, such as a/a (0)")


def test_an_image_called_as_a_mask_without_an_image_of_its_own_is_an_image(tmp_path):
    files = ["mask/1_mask.png", "mask/2_mask.png", "none/1.png", "none/gas mask.png"]
    catalog = read(plant(tmp_path, *files))
    assert sorted(catalog.names) == sorted(files)
    assert not catalog.notes


def test_classes_of_train_that_hold_the_same_folders_stop_a_training(tmp_path):
    catalog = read(grown(tmp_path, "train/colour/a", "train/colour/b", "train/gray/a", "train/gray/b", "test/a"))
    with pytest.raises(
        DataError, match=r"colour, gray hold the same folders \(a, b\).*Give one of them: \S+train/colour"
    ):
        check_trainable(catalog)


def test_a_split_for_learning_of_an_unknown_name_is_pointed_at(tmp_path):
    catalog = read(grown(tmp_path, "apprentissage/a", "apprentissage/b", "validation/a", "validation/b", "test/a"))
    with pytest.raises(
        DataError, match=r"no folder called train; apprentissage holds the same classes. Call the folder"
    ):
        check_trainable(catalog)


@pytest.mark.parametrize(
    "folders",
    [["train/good", "test/good", "test/broken", "ground_truth/broken"], ["x/train/ok/1", "x/test/ok", "x/test/bad"]],
)
def test_a_train_split_of_one_class_is_refused_with_what_can_be_done(folders, tmp_path):
    grown(tmp_path, *folders)
    with pytest.raises(DataError, match=r"has only '\w+', and (broken|bad) is in test alone.*split: \S+/test$"):
        check_trainable(read(tmp_path))


def test_a_folder_called_nan_is_no_class(tmp_path):
    catalog = read(grown(tmp_path, "mel", "nev", "NaN"))
    assert labelled(catalog).keys() == {f"{name}/{i}.png" for name in ("mel", "nev") for i in range(2)}
    assert catalog.ledger["NaN/0.png"].detail == "no label: its folder is called NaN"
    assert catalog.notes == ("2 images have no label, being in a folder called NaN: left out",)


def test_numbers_that_are_written_with_zeros_in_one_split_are_one_class(tmp_path):
    catalog = read(grown(tmp_path, "train/00001", "train/00002", "test/1", "test/2"))
    assert sorted_out(catalog) == {"train": {"1": 2, "2": 2}, "test": {"1": 2, "2": 2}}
    assert catalog.notes == ("labels 1 and 00001 are one number and are taken as one class, 1, and 1 more such",)


def test_a_name_in_another_unicode_form_is_a_class_of_its_own(tmp_path):
    forms = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]
    catalog = read(grown(tmp_path, f"train/{forms[0]}", "train/tea", f"test/{forms[1]}", "test/tea"))
    if len(catalog.classes) == 2:
        pytest.skip("the file system levels Unicode forms")
    assert set(catalog.classes) == {*forms, "tea"}


@pytest.mark.parametrize(
    "folders",
    [
        ("Train/Images/train", "Train/Images/test"),
        ("training/pics/val", "training/pics/dev_set", "training/pics/test"),
    ],
)
def test_classes_that_are_all_called_as_splits_stop_a_training(folders, tmp_path):
    catalog = read(grown(tmp_path, *folders))
    with pytest.raises(DataError, match=r"are splits, and hold none\. If a table says .* --format folders"):
        check_trainable(catalog)
    check_trainable(read(tmp_path, format="folders"))
