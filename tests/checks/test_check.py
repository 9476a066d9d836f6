"""The check as a whole: its groups are those of splits, and what cannot be done is said, early where it costs time."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from tests.runs.test_groups import catalog, pictures

import striate
from striate.checks.check import CheckOptions, check
from striate.checks.copies import Copies
from striate.data.dataset import DataOptions, make_dataset
from striate.data.grouping.looks import look_at
from striate.data.preparing.prepare import prepare
from striate.errors import DataError, SourceNotFoundError
from striate.observer import Observer
from striate.selection.fit import run_one

QUICK = CheckOptions(labels=False)


def together(ids):
    """Return bool (n, n), whether two images are in one group."""
    return ids[:, None] == ids


@pytest.mark.parametrize("named", [False, True])
def test_groups_are_those_of_splits(monkeypatch, named):
    """A class of copies alone is freed, as nothing could be split otherwise; what names tell of bursts holds."""
    found = catalog(pictures(20, 8, 4), np.repeat([0, 1], [80, 80]))
    digests = [hashlib.blake2b(bytes([i])).hexdigest() for i in range(160)]
    bursts = [f"{i // 8:03}_{i % 8:02}" for i in range(160)]
    found = replace(found, names=[f"{name}.png" for name in (bursts if named else digests)])
    alike = np.stack([np.zeros(79, np.int64), np.arange(1, 80)], 1)  # all of the first class
    copies = Copies(
        alike, np.zeros(79, bool), ("alike",) * 79, found.names, found.labels, found.splits,
        look_at(prepare(found)).views[0],
    )  # fmt: skip
    monkeypatch.setattr("striate.checks.check.find_copies_in", lambda *_: copies)
    checkup = check(found, QUICK)
    sizes = [1] if checkup.images.groups is None else np.unique(checkup.images.groups, return_counts=True)[1]
    assert set(sizes) == {8 if named else 1}
    assert "small-class" not in {one.kind for one in checkup.findings}


def test_turned_copies_are_told_but_are_in_no_group_as_splits_look_for_none():
    alone = pictures(60, 1, 3)
    turned, mirrored = np.rot90(alone[:8], 1, (1, 2)), alone[8:14, :, ::-1]
    found = catalog(np.concatenate([alone, turned, mirrored]), np.arange(74) % 2)
    checkup = check(found, QUICK)
    split = make_dataset(found, DataOptions(), 0, Observer()).groups
    assert together(checkup.images.groups).tolist() == together(split.ids).tolist()
    (near,) = checkup.of("near-copies")
    assert len(near.groups) == 14
    assert "does not keep 8 of the 14 groups on one side" in near.effect
    (near,) = check(found, QUICK, DataOptions(groups="none")).of("near-copies")
    assert "does not keep 14 of the 14 groups" in near.effect


def test_what_is_not_kept_together_is_said(monkeypatch):
    found = catalog(pictures(20, 8, 4), np.repeat([0, 1], [80, 80]))
    images = prepare(found)
    alike = np.stack([np.zeros(79, np.int64), np.arange(1, 80)], 1)
    copies = Copies(
        alike, np.zeros(79, bool), ("alike",) * 79, images.names, found.labels, found.splits, look_at(images).views[0]
    )
    monkeypatch.setattr("striate.checks.check.find_copies_in", lambda *_: copies)
    assert any(
        note.startswith("80 images that resemble others are not kept together") for note in check(found, QUICK).notes
    )


def test_a_pool_that_is_not_there_is_told_before_anything_is_looked_at(tmp_path):
    class Hearing(Observer):
        told = ()

        def prepare(self, what, done, total):
            self.told = (*self.told, what)

    hearing = Hearing()
    with pytest.raises(SourceNotFoundError, match="nowhere"):
        check("xo", CheckOptions(unlabelled=str(tmp_path / "nowhere")), observer=hearing)
    assert "looking for near copies" not in hearing.told
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        check("xo", CheckOptions(unlabelled=str(tmp_path / "empty")))


def test_labels_of_one_class_are_not_doubted_and_that_is_said(tmp_path):
    found = striate.read((pictures(20, 1, 6), np.zeros(20, int)))
    assert "labels were not doubted: that takes images of two classes" in check(found).notes
    checkup = check(found, CheckOptions(unlabelled=found))
    assert "nothing was chosen to be labelled: that takes images of two classes" in checkup.notes


def test_why_no_odd_ones_were_looked_for_is_said():
    found = catalog(pictures(24, 1, 7), np.arange(24) % 2)
    assert "what is odd cannot be told among fewer than 50 images; got 24" in check(found).notes


def banded(root, count, bands, seed):
    for i in range(count):
        root.mkdir(parents=True, exist_ok=True)
        np.save(root / f"{i}.npy", np.random.default_rng(seed + i).integers(0, 256, (24, 24, bands), np.uint8))
    return root


def test_a_pool_of_other_bands_is_told_with_a_file_before_anything_is_looked_at(tmp_path):
    class Hearing(Observer):
        told = ()

        def prepare(self, what, done, total):
            self.told = (*self.told, what)

    for name in "ab":
        banded(tmp_path / "set" / name, 12, 5, ord(name))
    hearing = Hearing()
    pool = banded(tmp_path / "pool/more", 6, 3, 50).parent
    options = CheckOptions(unlabelled=str(pool))
    with pytest.raises(DataError, match=r"more/0\.npy in .*pool has 3 bands, the images with labels have 5"):
        check(tmp_path / "set", options, observer=hearing)
    assert not {"looking for near copies", "looking at images", "looking"} & set(hearing.told)
    assert (
        len(
            check(tmp_path / "set", CheckOptions(unlabelled=str(banded(tmp_path / "own/more", 4, 5, 90).parent))).wanted
        )
        == 4
    )


def test_a_pool_is_brought_to_what_the_set_is_and_what_cannot_be_used_is_said(tmp_path, monkeypatch):
    """Values of 12 bits are seen through the window of the set: a pool of dark ones stays dark."""
    monkeypatch.setattr("striate.nets.zoo.downloads.BACKBONES", ())
    rng = np.random.default_rng(3)
    for name, low in (("day", 2000), ("night", 0)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(20):
            np.save(tmp_path / "set" / name / f"{i}.npy", rng.integers(low, low + 2000, (16, 16), np.uint16))
    (tmp_path / "pool/more").mkdir(parents=True)
    for i in range(5):
        np.save(tmp_path / "pool/more" / f"{i}.npy", rng.integers(0, 2000, (16, 16), np.uint16))
    (tmp_path / "pool/more/5.npy").write_bytes(b"nothing")
    checkup = check(tmp_path / "set", CheckOptions(unlabelled=str(tmp_path / "pool")))
    assert {one.likely for one in checkup.wanted} == {"night"}
    assert any("1 file of the unlabelled ones cannot be used, such as more/5.npy" in note for note in checkup.notes)


@pytest.mark.parametrize("by", [None, "none"])
def test_no_label_is_vouched_for_by_a_copy_however_it_lies(monkeypatch, by):
    """Images turned by a quarter are in no group of splits; they, and upright copies, teach nothing of each other."""
    heard = {}

    def gather(images, *_):
        heard["groups"] = images.groups
        raise RuntimeError

    monkeypatch.setattr("striate.checks.evidence.gather_evidence", gather)
    alone = pictures(60, 1, 3)
    turned, mirrored = np.rot90(alone[:8], 1, (1, 2)), alone[8:14, :, ::-1]
    found = catalog(np.concatenate([alone, turned, mirrored]), np.arange(74) % 2)
    with pytest.raises(RuntimeError):
        check(found, data=DataOptions(groups=by))
    expected = np.r_[np.arange(60), np.arange(14)]
    assert together(heard["groups"]).tolist() == together(expected).tolist()


def test_a_model_that_looks_at_other_bands_is_told_before_anything_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr("striate.checks.check.find_copies_in", None)
    for name in "ab":
        banded(tmp_path / "set" / name, 12, 5, ord(name))
    model = run_one(catalog(pictures(20, 1, 6), np.arange(20) % 2), "lenet", epochs=1).classifier
    with pytest.raises(
        DataError, match="the images have 5 bands and the model whose features are asked for looks at 3"
    ):
        check(tmp_path / "set", CheckOptions(model=model))


def test_unlabelled_images_that_have_labels_already_are_passed_over(monkeypatch):
    monkeypatch.setattr("striate.nets.zoo.downloads.BACKBONES", ())
    own, others = pictures(30, 1, 6), pictures(4, 1, 7)
    found = catalog(own, np.arange(30) % 2)
    pool = striate.read(np.concatenate([own[:9], others]))
    checkup = check(found, CheckOptions(unlabelled=pool))
    assert len(checkup.wanted) == 4
    assert "9 unlabelled images equal images with labels, and are passed over" in checkup.notes
    checkup = check(found, CheckOptions(unlabelled=striate.read(own[:9])))
    assert any(note.startswith("all unlabelled images equal images with labels") for note in checkup.notes)
