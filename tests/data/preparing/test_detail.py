"""How much detail images have: enlarged ones are told, others left alone; the same images at another size."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import striate
from striate.data.decoding.pixels import fit_pixels
from striate.data.preparing.detail import detail_side, resized

METHODS = ["NEAREST", "BILINEAR", "BICUBIC", "LANCZOS"]


@pytest.fixture(scope="module")
def pictures():
    """Pictures with a spectrum as photographs have it: power falls as 1 / f², and edges."""
    rng, side = np.random.default_rng(0), 256
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    amplitude = 1 / np.maximum(frequency, 1 / side)
    made = []
    for _ in range(24):
        spectrum = amplitude * np.exp(2j * np.pi * rng.random(amplitude.shape))
        gray = np.fft.irfft2(spectrum, (side, side))
        gray[:, rng.integers(60, 200) :] += 2 * gray.std()
        made.append(np.clip(127 + 40 * gray / gray.std(), 0, 255).astype(np.uint8))
    return np.stack(made)


def as_set(pixels):
    return striate.prepare(striate.read((pixels, np.arange(len(pixels)) % 2)))


def at(pictures, side, method="BOX"):
    return np.stack([np.asarray(Image.fromarray(one).resize((side, side), getattr(Image, method))) for one in pictures])


def as_jpeg(pixels, quality=85):
    made = []
    for one in pixels:
        file = io.BytesIO()
        Image.fromarray(one).save(file, "JPEG", quality=quality)
        made.append(np.asarray(Image.open(file)))
    return np.stack(made)


@pytest.mark.parametrize("side", [32, 64, 128, 224])
def test_pictures_as_they_are_show_all(pictures, side):
    assert detail_side(as_set(at(pictures, side))) == side


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("small", "large"), [(32, 96), (32, 224), (48, 224), (64, 224)])
@pytest.mark.parametrize("jpeg", [False, True])
def test_enlarged_pictures_are_told(pictures, method, small, large, jpeg):
    if jpeg and (method == "NEAREST" or large < 224):
        pytest.skip("what JPEG makes of the edges of blocks, or of few pixels, is told as detail")
    enlarged = at(at(pictures, small), large, method)
    side = detail_side(as_set(as_jpeg(enlarged) if jpeg else enlarged))
    assert 0.7 * small <= side <= 2 * small


def test_flat_tiny_and_no_images_are_as_they_are():
    assert detail_side(as_set(np.full((4, 64, 64), 7, np.uint8))) == 64
    assert detail_side(as_set(np.zeros((4, 8, 9), np.uint8))) == 8
    assert detail_side(as_set(np.zeros((4, 64, 64), np.uint8)).subset(np.arange(0))) == 64


def test_resized_is_what_a_classifier_makes_of_them(pictures):
    images = as_set(pictures[:5])
    small = resized(images, 48, "crop")
    assert small.image_shape == (48, 48, 1)
    assert np.array_equal(small.images[3], fit_pixels(images.images[3], (48, 48), "crop"))
    assert resized(images, 256, "crop") is images
    colour = resized(images.subset(np.array([4, 1])), 48, "crop", channels=3)
    assert colour.image_shape == (48, 48, 3)
    assert np.array_equal(colour.images[0][..., 2], small.images[4][..., 0])
    assert replace(colour, pixels=small.pixels).labels.tolist() == images.labels[[4, 1]].tolist()
