"""Groups through a run: kept apart, counted in intervals, told; near copies that leak are counted apart."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import striate
from striate.data.catalog import Catalog
from striate.data.grouping.groups import group_images
from striate.data.grouping.known import near_known, pack
from striate.data.grouping.looks import look_at
from striate.data.grouping.sketches import VIEWS
from striate.data.imageset import ImageSet
from striate.data.preparing.prepare import prepare
from striate.errors import ShapeError
from striate.observer import Observer
from striate.runs.folder import RunFolder
from striate.selection.fit import resume, run_one

NET = "avgpool(4) fc(classes)"
QUICK = {"epochs": 1, "precision": "float32"}


class Hearing(Observer):
    def __init__(self):
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def pictures(count: int, frames: int, seed: int) -> np.ndarray:
    """Return uint8 (count · frames, 32, 32, 3): pictures of their own, each in frames that differ a little."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(count):
        soft = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize(
            (32, 32), Image.Resampling.BICUBIC
        )
        for _ in range(frames):
            noisy = np.asarray(soft, np.float32) * rng.uniform(0.9, 1.1) + rng.normal(0, 3, (32, 32, 3))
            made.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return np.stack(made)


def catalog(pixels: np.ndarray, labels: np.ndarray, own: np.ndarray | None = None) -> Catalog:
    found = striate.read((pixels, labels))
    return found if own is None else replace(found, splits=own)


def image_set(pixels: np.ndarray) -> ImageSet:
    return prepare(catalog(pixels, np.arange(len(pixels)) % 2))


@pytest.fixture(scope="module")
def bursts() -> Catalog:
    return catalog(pictures(60, 6, 0), np.repeat(np.arange(60) % 2, 6))


@pytest.fixture(scope="module")
def leaking() -> Catalog:
    """A source whose own test split has 10 near copies of images that it trains on, and 40 other images."""
    pixels = np.concatenate([pictures(10, 2, 1), pictures(150, 1, 2)])
    own = np.where(np.arange(170) < 20, ["train", "test"] * 85, np.where(np.arange(170) < 130, "train", "test"))
    labels = np.concatenate([np.repeat(np.arange(10) % 2, 2), np.arange(150) % 2])
    return catalog(pixels, labels, own)


def test_a_run_keeps_groups_together_and_counts_them(bursts, tmp_path):
    hearing = Hearing()
    result = run_one(bursts, NET, out=tmp_path / "run", observer=hearing, **QUICK)
    assert "60 groups of 6 near copies: kept together; --groups none turns that off" in hearing.told
    expected = {"count": 60, "by": "content and names", "images": 360, "largest": 6}
    assert json.loads((tmp_path / "run" / "run.json").read_text())["groups"] == expected
    assert result.classifier.provenance.data["groups"] == expected
    assert result.test.groups == result.test.total / 6
    assert result.classifier.provenance.test_groups == result.test.groups
    assert f"({result.test.total} images of {result.test.groups} groups)" in str(result.test)


def test_turned_off_there_are_none(bursts, tmp_path):
    result = run_one(bursts, NET, out=tmp_path / "run", groups="none", **QUICK)
    assert result.classifier.provenance.data["groups"]["count"] == 0
    assert result.test.groups == result.test.total
    assert len(striate.Classifier.load(tmp_path / "run" / "model.striate").sketches) == 0


def test_a_run_of_before_there_were_groups_goes_on_without(bursts, tmp_path):
    run_one(bursts, NET, out=tmp_path / "run", groups="none", **QUICK)
    path = RunFolder(tmp_path / "run").path / "run.json"
    kept = json.loads(path.read_text())
    del kept["asked"]["groups"], kept["groups"]
    path.write_text(json.dumps(kept))
    assert resume(tmp_path / "run", source=bursts).test.groups > 10


def test_a_split_of_the_source_that_leaks_is_told_with_both_figures(leaking, tmp_path):
    hearing = Hearing()
    result = run_one(leaking, NET, out=tmp_path / "run", observer=hearing, **QUICK)
    assert any(note.startswith("10 of the 50 test images are near copies") for note in hearing.told)
    assert (result.test.total, result.test.near_copies, result.test.without.total) == (50, 10, 40)
    figures = {"count": 10, "accuracy_without": result.test.without.accuracy}
    assert result.test.to_json()["near_copies"] == figures
    assert result.classifier.provenance.near_copies == figures
    assert "10 near copies of training images among them; without: " in str(result.test)


def test_near_copies_of_what_chooses_are_counted_too(leaking):
    """The best of a ladder is fitted to these images as well, and what chose is not new."""
    own = np.where((leaking.splits == "train") & (np.arange(170) < 20), "valid", leaking.splits)
    result = run_one(replace(leaking, splits=own), NET, **QUICK)
    assert (result.test.total, result.test.near_copies) == (50, 10)


def test_a_model_knows_near_copies_of_its_training_images(leaking, tmp_path):
    run_one(leaking.subset(np.flatnonzero(leaking.splits == "train")), NET, out=tmp_path / "run", **QUICK)
    model = striate.Classifier.load(tmp_path / "run" / "model.striate")
    assert model.sketches.dtype == np.int8
    assert len(model.sketches) == len(model.trained_on)
    found = model.evaluate(leaking)
    assert found.total == 50
    images = prepare(leaking)
    ids, test = group_images(images).ids, leaking.splits == "test"
    seen = np.isin(images.hashes, model.trained_on)
    assert found.near_copies == np.isin(ids[test], ids[seen]).sum()  # all are there to be compared, pixel by pixel
    part = model.evaluate(leaking.subset(np.arange(1, 170)))
    assert 8 <= part.near_copies <= 11  # one is known by its looks alone
    assert found.without.total == 50 - found.near_copies
    fresh = model.evaluate(catalog(pictures(60, 1, 9), np.arange(60) % 2))
    assert fresh.near_copies <= 1


def test_near_copies_are_known_however_the_groups_were_told(leaking, tmp_path):
    """What the user knows of these images says nothing of those that come later."""
    teaching = leaking.subset(np.flatnonzero(leaking.splits == "train"))
    objects = replace(teaching, columns={"object": [f"o{i // 2}" for i in range(len(teaching))]})
    result = run_one(objects, NET, groups="object", **QUICK)
    assert 8 <= result.classifier.evaluate(leaking).near_copies <= 11
    other = replace(leaking, columns={"object": [f"o{i}" for i in range(len(leaking))]})
    assert 8 <= result.classifier.evaluate(other, groups="object").near_copies <= 11


def test_what_the_user_knows_to_belong_with_training_images_is_no_new_image():
    pixels, labels = pictures(40, 3, 5), np.repeat(np.arange(40) % 2, 3)
    unlike = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)  # of objects 0 to 39
    objects = [f"o{i}" for i in [*np.repeat(np.arange(40), 3), *range(20), *range(100, 120)]]
    whole = catalog(np.concatenate([pixels, unlike]), np.concatenate([labels, np.arange(40) % 2]))
    whole = replace(whole, columns={"object": objects})
    result = run_one(whole.subset(np.arange(120)), NET, groups="object", ratios="80:20:0", **QUICK)
    judged = result.classifier.evaluate(whole, groups="object")
    assert (judged.total, judged.near_copies) == (40, 20)


def test_gray_pictures_are_known_in_colour_too():
    looks = pictures(60, 2, 6)
    kept, later = (pack(look_at(image_set(part)).views[: len(VIEWS)]) for part in (looks[::2, ..., :1], looks[1::2]))
    assert kept.shape[1] < later.shape[1]
    gray = np.repeat(looks[1::2, ..., :1], 3, axis=3)
    assert near_known(pack(look_at(image_set(gray)).views[: len(VIEWS)]), kept).mean() > 0.8
    assert near_known(later[:20], kept[30:]).mean() < 0.1


def test_of_a_few_known_images_nothing_is_said():
    assert near_known(np.zeros((3, 90), np.int8), np.zeros((15, 90), np.int8)) is None
    assert near_known(np.zeros((3, 90), np.int8), np.zeros((0, 0), np.int8)) is None


def test_a_part_of_the_known_images_is_told(monkeypatch, leaking):
    monkeypatch.setattr("striate.runs.session.MOST_KEPT", 40)
    monkeypatch.setattr("striate.classifier.unseen.MOST_KEPT", 40)
    model = run_one(leaking.subset(np.flatnonzero(leaking.splits == "train")), NET, **QUICK).classifier
    told = f"near copies are looked for among 40 of the {len(model.trained_on)} images that training has seen"
    new = leaking.subset(np.flatnonzero(leaking.splits == "test"))
    assert any(note.startswith(told) for note in model.evaluate(new).notes)


def test_the_estimator_keeps_groups_on_one_side():
    pixels, y, groups = pictures(20, 3, 4), np.repeat(np.arange(20) % 2, 3), np.repeat([f"o{i}" for i in range(20)], 3)
    estimator = striate.ImageClassifier(net=NET, epochs=1, valid_share=0.3)
    model = estimator.fit(pixels, y, groups=groups).classifier_
    assert model.provenance.data["groups"] == {"count": 20, "by": "column group", "images": 60, "largest": 3}
    assert model.provenance.splits["valid"] % 3 == 0
    assert estimator.fit(pixels, y).classifier_.provenance.data["groups"]["by"] == "none"
    with pytest.raises(ShapeError, match="groups and y must have the same length; got 3 and 60"):
        estimator.fit(pixels, y, groups=groups[:3])


def test_images_without_a_group_stand_alone_in_the_estimator():
    pixels, y = pictures(20, 1, 4), np.arange(20) % 2
    told = np.array([None] * 8 + [float("nan")] * 8 + ["a"] * 4, object)
    model = striate.ImageClassifier(net=NET, epochs=1, valid_share=0.3).fit(pixels, y, groups=told).classifier_
    assert model.provenance.data["groups"] | {"by": ""} == {"count": 1, "by": "", "images": 4, "largest": 4}


def test_groups_that_are_the_classes_are_of_no_matter_where_nothing_chooses():
    pixels, y = pictures(20, 1, 4), np.arange(20) % 2
    assert striate.ImageClassifier(net=NET, epochs=1, valid_share=0).fit(pixels, y, groups=y).classifier_
