"""What a training says of its classes before a figure is believed."""

import numpy as np
import pytest

from striate.data.dataset import DataOptions, make_dataset
from striate.data.readers.arrays import ArrayPart, catalog_of
from striate.observer import Observer


class Ear(Observer):
    def __init__(self):
        self.notes, self.warnings = [], []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)


def told(**splits):
    """Return what is said of {split: labels}, an image of noise for each."""
    rng = np.random.default_rng(0)
    parts = {
        split: ArrayPart(split, rng.integers(0, 256, (len(labels), 8, 8, 1)).astype(np.uint8), np.array(labels))
        for split, labels in splits.items()
    }
    ear = Ear()
    make_dataset(catalog_of("noise", "npz", parts), DataOptions(groups="none"), 0, ear)
    return ear


def test_classes_are_always_named_with_their_counts():
    assert "2 classes: a (6), b (3)" in told(train=["a"] * 4 + ["b"] * 2, test=["a", "a", "b"]).notes


def test_of_many_classes_ten_are_named():
    names = [f"c{i:02}" for i in range(14)] * 2
    (sentence,) = [note for note in told(train=names).notes if "classes:" in note]
    assert sentence.startswith("14 classes: c00 (2), c01 (2)")
    assert sentence.endswith("c09 (2) and 4 more")


@pytest.mark.parametrize(("split", "what"), [("test", "test"), ("valid", "validation")])
def test_a_class_without_training_images_is_named_with_what_it_costs(split, what):
    ear = told(train=["a", "b"] * 5, **{split: ["a", "b", "new", "new"]})
    assert (
        f"new (2) has no training images: each of the 2 {what} images counts as an error, so accuracy there is at most "
        "50.0 %" in ear.warnings
    )


def test_names_that_differ_in_case_are_told_beside_it():
    ear = told(train=["Cat", "dog"] * 5, test=["cat", "dog"] * 2)
    assert ear.warnings[0].startswith("Cat and cat differ only in case")
    assert any(text.startswith("cat (2) has no training images") for text in ear.warnings)
    assert any(
        text.startswith("Cat (5) has no test images") or "Cat (4) has no test images" in text for text in ear.warnings
    )


def test_nothing_is_warned_of_where_all_is_well():
    assert told(train=["a", "b"] * 10, valid=["a", "b"], test=["a", "b"]).warnings == []
