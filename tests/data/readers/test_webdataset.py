"""Shards of WebDataset: images and their classes by key."""

import json
import tarfile

import pytest
from tests.data import forms

from striate.data.reading import read, recognise
from striate.errors import DataError


def test_classes_are_numbers_names_or_json(tmp_path):
    names = ["cat", "dog"]
    kinds = {
        "number": lambda k: {"cls": b"%d\n" % (9 + k)},
        "name": lambda k: {"cls": names[k].encode()},
        "json": lambda k: {"json": json.dumps({"label": names[k], "width": 12}).encode()},
        "both": lambda k: {"json": json.dumps({"caption": "x"}).encode(), "cls": names[k].encode()},
    }
    for kind, label in kinds.items():
        catalog = read(forms.write_tar(tmp_path / f"{kind}.tar", forms.samples(label=label)))
        assert catalog.format == "webdataset"
        assert catalog.classes == (("9", "10") if kind == "number" else ("cat", "dog")), kind
        assert catalog.labels.tolist() == [0, 1, 0, 1]
        assert catalog.names == [f"{i:06d}.png" for i in range(4)]


def test_shards_in_a_folder_and_the_splits_of_their_names(tmp_path):
    forms.write_tar(tmp_path / "s" / "my-train-000000.tar", forms.samples())
    forms.write_tar(tmp_path / "s" / "my-train-000001.tar", forms.samples(start=4))
    forms.write_tar(tmp_path / "s" / "my-val-000000.tar.gz", forms.samples(start=8), "w:gz")
    (tmp_path / "s" / "README.md").write_text("words")
    catalog = read(tmp_path / "s")
    assert catalog.format == "webdataset"
    assert catalog.counts() == {"train": {"0": 4, "1": 4}, "valid": {"0": 2, "1": 2}}
    assert catalog.names[4] == "my-train-000001.tar/000004.png"
    assert catalog.ledger["my-train-000001.tar/000004.cls"].status == "used"


def test_splits_by_folder(tmp_path):
    forms.write_tar(tmp_path / "s" / "train" / "0.tar", forms.samples())
    forms.write_tar(tmp_path / "s" / "test" / "0.tar", forms.samples(start=4))
    assert set(read(tmp_path / "s").counts()) == {"train", "test"}


def test_every_member_is_accounted_for(tmp_path):
    files = forms.samples(6)
    del files["000002.cls"]
    files |= {"000003.seg.png": b"x", "000003.txt": b"a caption", "alone.cls": b"1", "000004.cls": b""}
    files["000005.cls"] = b"9" * 5000
    catalog = read(forms.write_tar(tmp_path / "a.tar", files))
    assert catalog.names == ["000000.png", "000001.png", "000003.png"]
    ledger = {entry.name: (entry.status, entry.detail) for entry in catalog.ledger}
    assert set(ledger) == set(files)
    assert ledger["000002.png"] == ("skipped", "no label")
    assert ledger["000004.png"] == ("skipped", "no label")
    assert ledger["000003.seg.png"][0] == "skipped"
    assert ledger["alone.cls"] == ("skipped", "no image of this key")
    assert ledger["000005.png"] == ("skipped", "its label is absurdly long: 5,000 bytes")


def test_json_bombs_and_damages_are_that_samples_matter(tmp_path):
    files = forms.samples(4, label=lambda k: {"json": b'{"label": "%d"}' % k})
    files["000002.json"] = b"[" * 100_000
    files["000003.json"] = b'{"label": '
    catalog = read(forms.write_tar(tmp_path / "a.tar", files))
    assert catalog.names == ["000000.png", "000001.png"]
    assert "nested absurdly deep" in catalog.ledger["000002.png"].detail
    assert "damaged JSON" in catalog.ledger["000003.png"].detail


def test_class_folders_with_json_beside_the_images_are_class_folders(tmp_path):
    files = {**forms.class_folders(), **{f"cat/{i}.json": b'{"camera": "x"}' for i in range(3)}}
    assert recognise(forms.write_tar(tmp_path / "a.tar", files)) == "archive"


def test_a_single_shard_of_several_says_so(tmp_path):
    path = forms.write_tar(tmp_path / "train-00000-of-00002.tar", forms.samples())
    forms.write_tar(tmp_path / "train-00001-of-00002.tar", forms.samples(start=4))
    assert "give the folder to read all" in read(path).ledger["train-00001-of-00002.tar"].detail


def test_tricks_are_refused_here_too(tmp_path):
    path = forms.write_tar(tmp_path / "a.tar", {**forms.samples(), "x": forms.special("../x.png", tarfile.REGTYPE)})
    with pytest.raises(DataError, match=r"'../x.png' has .. in its name"):
        read(path)


@pytest.mark.parametrize(
    "extension", ["label", "label.txt", "class", "class.txt", "cls.txt", "target", "target.txt", "index", "txt"]
)
def test_a_class_may_be_called_otherwise(extension, tmp_path):
    path = forms.write_tar(tmp_path / "a.tar", forms.samples(8, label=lambda k: {extension: b"dog" if k else b"cat\n"}))
    catalog = read(path)
    assert catalog.format == "webdataset"
    assert catalog.labels.tolist() == [0, 1] * 4
    assert catalog.classes == ("cat", "dog")
    assert catalog.ledger[f"000000.{extension}"].status == "used"


@pytest.mark.parametrize("own", ["input.png", "image.png", "img.png"])
def test_an_image_may_say_that_it_is_the_sample_s_own(own, tmp_path):
    files = {name.replace("png", own): content for name, content in forms.samples(4).items()}
    catalog = read(forms.write_tar(tmp_path / "a.tar", files))
    assert catalog.names == [f"{i:06d}.{own}" for i in range(4)]
    assert catalog.labels.tolist() == [0, 1] * 2


def test_captions_are_no_classes(tmp_path):
    files = forms.samples(8)
    captions = {f"{i:06d}.txt": f"a photo of {i} things".encode() for i in range(8)}
    with_classes = read(forms.write_tar(tmp_path / "a.tar", {**files, **captions}))
    assert with_classes.classes == ("0", "1")
    assert with_classes.ledger["000000.txt"].detail.startswith("set aside as no image and no class")
    images = {name: content for name, content in files.items() if name.endswith("png")}
    alone = read(forms.write_tar(tmp_path / "b.tar", dict(sorted({**images, **captions}.items()))))
    assert not alone.classes
    assert alone.ledger["000000.txt"].detail.endswith("a caption")


def test_texts_beside_images_in_class_folders_leave_these_the_classes(tmp_path):
    files = {}
    for name, content in forms.class_folders().items():
        files |= {name: content, name.replace("png", "txt"): b"a note"}
    assert read(forms.write_tar(tmp_path / "a.tar", files)).classes == ("cat", "dog")
