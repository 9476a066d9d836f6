"""Contact sheets of catalogs and image sets."""

import numpy as np
import pytest
from PIL import Image

import striate
from striate.data.contact_sheet import CELL_PX, choose_rows, contact_sheet
from striate.errors import ArgumentError


def test_catalogs_and_image_sets_show_themselves(tmp_path):
    rng = np.random.default_rng(0)
    for name, (h, w) in {"a": (40, 300), "b": (5, 5)}.items():
        (tmp_path / name).mkdir()
        for i in range(3):
            Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)).save(tmp_path / name / f"{i}.png")
    (tmp_path / "a" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    catalog = striate.read(tmp_path)
    assert catalog.show().size[1] > CELL_PX
    small = catalog.show(2)
    assert small.size[0] < catalog.show(7).size[0]
    assert np.array_equal(small, catalog.show(2, seed=0))
    assert not np.array_equal(catalog.show(7), catalog.show(7, seed=1))
    assert striate.prepare(catalog, (16, 16)).show(4).mode == "RGB"
    assert striate.read("digits").show(1).mode == "RGB"


def test_whatever_has_a_name_and_pixels_is_drawn():
    images = [np.full((6, 7, 5), 200, np.uint8), np.full((1, 900, 1), 7, np.uint8), np.full((4, 4), 9, np.uint16)]
    words = [("one\ntwo", "\udcff"), ("x" * 500, ""), ("猫", "")]
    sheet = np.asarray(contact_sheet(images, words, "h" * 900))
    assert (sheet == 200).all(2).sum() > CELL_PX * 50
    assert (sheet == 7).any()


@pytest.mark.parametrize("count", [0, -1, 401, 2.5, True, "3"])
def test_a_number_that_none_can_be_shown_of_is_refused(count):
    with pytest.raises(ArgumentError, match="must be 1 to 400"):
        choose_rows(np.zeros(9, np.int64), count, 0)


def test_classes_take_turns():
    labels = np.array([0] * 50 + [1] * 2 + [2])
    assert sorted(labels[choose_rows(labels, 5, 3)].tolist()) == [0, 0, 1, 1, 2]
