"""Resizing in the graph is Pillow's, bit by bit: every fit, every proportion, every order of the two passes."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

from tests.shipping.onnx.graphs import run_graph

from striate.classifier.preprocessing import Preprocessing
from striate.data.decoding.fitted import GAP
from striate.data.decoding.pixels import LARGE_PX, fit_pixels, to_channels
from striate.shipping.onnx.resizing import emit_fit

FITS = [("crop", None), ("crop", 40), ("pad", None), ("stretch", None)]
# The model's size, a pixel, lines, tall, wide, both larger and smaller, what rounds to halves, a photograph.
SIZES = [(32, 28), (1, 1), (1, 50), (500, 3), (40, 24), (24, 40), (64, 56), (33, 47), (96, 84), (5, 300), (240, 320)]


@pytest.mark.parametrize(("fit", "resize"), FITS)
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_pillow(fit, resize, channels):
    shape = Preprocessing((32, 28), channels, fit, np.zeros(channels), np.ones(channels), resize)
    rng = np.random.default_rng(0)
    with run_graph(lambda b: emit_fit(b, "images", shape), np.uint8, ["n", "h", "w", "c"], 4) as run:
        for h, w in SIZES:
            for c in (1, 3):
                images = rng.integers(0, 256, (2, h, w, c), np.uint8)
                expected = [to_channels(fit_pixels(one, (32, 28), fit, resize), channels) for one in images]
                np.testing.assert_array_equal(run(images).transpose(0, 2, 3, 1), expected, f"{h}×{w}×{c}")


def test_bands_stay_as_many_as_they_are():
    shape = Preprocessing((9, 9), 5, "crop", np.zeros(5), np.ones(5))
    images = np.random.default_rng(0).integers(0, 256, (1, 13, 11, 5), np.uint8)
    with run_graph(lambda b: emit_fit(b, "images", shape), np.uint8, ["n", "h", "w", "c"], 4) as run:
        np.testing.assert_array_equal(run(images)[0].transpose(1, 2, 0), fit_pixels(images[0], (9, 9)))


# What becomes means of blocks first: of both axes, of one, with rests of every kind, just at the limit, just below it.
LARGE = [(1000, 1000), (999, 1001), (1201, 1303), (300, 5001), (5003, 301), (1000, 1007), (1531, 700), (2003, 2500)]


@pytest.mark.parametrize(("fit", "resize"), FITS)
@pytest.mark.parametrize("size", [(32, 28), (90, 33), (224, 224)])
def test_large_images_become_means_of_blocks_first(fit, resize, size):
    resize = resize and max(256, *size)
    shape = Preprocessing(size, 3, fit, np.zeros(3), np.ones(3), resize)
    rng, reduced = np.random.default_rng(0), 0
    with run_graph(lambda b: emit_fit(b, "images", shape), np.uint8, ["n", "h", "w", "c"], 4) as run:
        for h, w in LARGE:
            image = rng.integers(0, 256, (h, w, 3), np.uint8)
            image[h // 2 :] //= (
                40  # sums that a number of pixels divides without a rest are rounded in a way of their own
            )
            expected = fit_pixels(image, size, fit, resize, GAP)
            np.testing.assert_array_equal(run(image[None])[0].transpose(1, 2, 0), expected, f"{h}×{w}")
            whole = fit_pixels(image, size, fit, resize)
            assert h * w >= LARGE_PX or (expected == whole).all()
            reduced += (expected != whole).any()
    assert reduced >= 1
