"""The image set: subsets share pixels and keep every row's belongings together."""

from __future__ import annotations

import numpy as np

from striate.data.imageset import ImageSet


def make(n: int = 10) -> ImageSet:
    return ImageSet(
        pixels=np.arange(n * 12, dtype=np.uint8).reshape(n, 2, 2, 3),
        rows=np.arange(n),
        labels=np.arange(n) % 3,
        classes=("a", "b", "c"),
        names=[f"{i}.png" for i in range(n)],
        hashes=np.arange(n, dtype=np.uint64) * 7,
        splits=np.array(["train", "test"] * (n // 2)),
        notes=("said",),
    )


def test_a_subset_of_a_subset_is_the_subset():
    whole = make()
    part = whole.subset(np.array([8, 2, 5, 3])).subset(np.array([2, 0]))
    assert part.rows.tolist() == [5, 8]
    assert part.pixels is whole.pixels
    assert np.array_equal(part.images, whole.images[[5, 8]])
    assert part.names == ["5.png", "8.png"]
    assert part.labels.tolist() == [2, 2]
    assert part.hashes.tolist() == [35, 56]
    assert part.splits.tolist() == ["test", "train"]
    assert part.notes == ("said",)


def test_neighbouring_rows_are_a_view():
    whole = make()
    assert np.shares_memory(whole.images, whole.pixels)
    assert np.shares_memory(whole.subset(np.arange(3, 7)).images, whole.pixels)
    assert not np.shares_memory(whole.subset(np.array([3, 5])).images, whole.pixels)


def test_an_empty_set_has_a_shape():
    none = make().subset(np.array([], np.int64))
    assert len(none) == 0
    assert none.images.shape == (0, 2, 2, 3)
    assert none.image_shape == (2, 2, 3)
    assert repr(none) == "<ImageSet of 0 images 2×2×3, 3 classes>"
