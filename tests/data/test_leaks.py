"""A source's own validation part is not chosen by where training knows its images already."""

from dataclasses import replace

import numpy as np
import pytest

import striate
from striate.data.dataset import DataOptions, make_dataset
from striate.observer import Observer


class Hearing(Observer):
    def __init__(self):
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


def source(leaking: int, apart: int, *, other_class_apart: bool = True):
    """100 objects of two frames that train; `leaking` frames of such and `apart` of other objects in valid."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (200 + leaking + apart, 8, 8, 3), dtype=np.uint8)
    key = [f"o{i // 2}" for i in range(200)] + [f"o{i}" for i in range(leaking)] + [f"new{i}" for i in range(apart)]
    labels = np.array([i // 2 % 2 for i in range(200)] + [i % 2 for i in range(leaking)]
                      + [i % 2 if other_class_apart else 0 for i in range(apart)])  # fmt: skip
    own = np.array(["train"] * 200 + ["valid"] * (leaking + apart))
    return replace(striate.read((pixels, labels)), splits=own, columns={"object": key})


def made(catalog, groups="object"):
    hearing = Hearing()
    return make_dataset(catalog, DataOptions(groups=groups), 0, hearing), hearing.told


def sides(dataset):
    return dataset.splits.train.groups, dataset.splits.valid.groups


def test_what_leaks_does_not_choose_and_is_told():
    dataset, told = made(source(10, 30))
    assert (len(dataset.splits.train), len(dataset.splits.valid)) == (210, 30)
    assert not np.isin(*reversed(sides(dataset))).any()
    assert "10 of the 40 validation images belong together with training images and teach with them: the other 30 " \
        "choose alone; --groups none lets all of them choose" in told  # fmt: skip


@pytest.mark.parametrize(("leaking", "apart", "both"), [(40, 10, True), (10, 30, False)])
def test_where_most_leak_or_a_class_would_be_lost_validation_is_drawn_anew(leaking, apart, both):
    dataset, told = made(source(leaking, apart, other_class_apart=both))
    train, valid = dataset.splits.train, dataset.splits.valid
    assert len(train) + len(valid) == 200 + leaking + apart
    assert not np.isin(*reversed(sides(dataset))).any()
    assert set(valid.labels) == {0, 1}
    assert 0.08 < len(valid) / (len(train) + len(valid)) < 0.35
    assert any("validation is drawn anew from both" in note for note in told)


def test_the_users_word_leaves_the_sources_split_as_it_is():
    dataset, told = made(source(40, 10), "none")
    assert (len(dataset.splits.train), len(dataset.splits.valid)) == (200, 50)
    assert not any("validation images belong" in note for note in told)


def test_identical_images_are_not_told_of_where_they_do_not_choose():
    catalog = source(10, 30)
    same = replace(catalog, images=np.concatenate([catalog.images[:200], catalog.images[:10], catalog.images[210:]]))
    dataset, told = made(same)
    assert len(dataset.splits.valid) == 30
    assert not any("identical to one that is trained on" in note for note in told)
    assert any("10 of the valid images are identical" in note for note in made(same, "none")[1])
