"""The figures of an image are what NumPy and SciPy say of its pixels."""

import numpy as np
import pytest
from scipy.stats import entropy
from tests.checks.pictures_of import patches

from striate.checks.appearance import FIGURES, look_at_pixels


def figures(images):
    return dict(zip(FIGURES, look_at_pixels(images).T, strict=True))


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("shape", [(32, 32), (31, 50)])
def test_figures_are_those_of_numpy(channels, shape):
    images = np.stack([patches(np.random.default_rng(i), *shape, channels) for i in range(5)])
    found = figures(images)
    for i, image in enumerate(images):
        gray = image[..., 0] if channels == 1 else image.mean(2).astype(np.uint8)
        if channels == 3:
            gray = (image.astype(int) @ [77, 150, 29] >> 8).astype(np.uint8)
        for name, share in {"bottom": 0.01, "shadows": 0.05, "highlights": 0.95, "top": 0.99}.items():
            assert found[name][i] == np.quantile(gray, share, method="inverted_cdf")
        assert found["mean"][i] == pytest.approx(gray.mean())
        assert found["spread"][i] == pytest.approx(image.reshape(-1, channels).std(0).max(), rel=1e-5)
        right = np.abs(np.diff(gray.astype(int), axis=1))[:-1]
        down = np.abs(np.diff(gray.astype(int), axis=0))[:, :-1]
        steps = np.maximum(right, down)
        assert found["edge"][i] == np.quantile(steps, 0.99, method="inverted_cdf")
        assert found["activity"][i] == pytest.approx(entropy(np.bincount(steps.ravel()), base=2), rel=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 3)])
def test_the_smallest_images_have_figures(shape):
    assert np.isfinite(look_at_pixels(np.full((2, *shape, 3), 7, np.uint8))).all()


def test_an_image_at_half_its_size_has_the_same_edges_if_it_was_doubled():
    small = patches(np.random.default_rng(0), 16, 16, 1)
    doubled = np.repeat(np.repeat(small, 2, 0), 2, 1)
    found = figures(doubled[None])
    assert found["edge_half"][0] == figures(small[None])["edge"][0]
