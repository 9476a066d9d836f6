"""Colours of what seems a near copy: light and tints are the same picture, other paint is another thing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.data.grouping.test_grouping import scene

from striate.data.grouping.alignment import colour_planes
from striate.data.grouping.colours import agreement, of_one_colouring
from striate.data.grouping.turns import turned_images

AS_IT_LIES = np.broadcast_to(np.eye(2, 3, dtype=np.float32), (12, 2, 3))
# A weak pair and one for which everything else speaks.
WEAK, STRONG = np.full(12, 1.0, np.float32), np.full(12, 9.0, np.float32)
UPRIGHT = np.zeros(12, np.int8)


@pytest.fixture
def pictures():
    rng = np.random.default_rng(3)
    return np.stack([np.asarray(scene(rng).resize((48, 48), Image.Resampling.BICUBIC)) for _ in range(12)])


def repainted(images: np.ndarray) -> np.ndarray:
    """Swap red, green and blue in the middle."""
    painted = images.copy()
    painted[:, 10:38, 10:38] = images[:, 10:38, 10:38][..., [1, 2, 0]]
    return painted


def relit(images: np.ndarray) -> np.ndarray:
    return np.clip(images * 0.7 + 20, 0, 255).astype(np.uint8)


def tinted(images: np.ndarray) -> np.ndarray:
    return np.clip(images * np.array([1.1, 1.0, 0.85]), 0, 255).astype(np.uint8)


def in_shades(images: np.ndarray) -> np.ndarray:
    return np.repeat(images.mean(3, keepdims=True), 3, 3).astype(np.uint8)


@pytest.mark.parametrize("change", [relit, tinted, in_shades])
def test_light_and_tints_are_the_same_picture(pictures, change):
    one, other = colour_planes(pictures), colour_planes(change(pictures))
    assert of_one_colouring(one, other, UPRIGHT, AS_IT_LIES, WEAK).all()


def test_other_paint_is_a_copy_only_if_all_else_speaks_for_it(pictures):
    one, other = colour_planes(pictures), colour_planes(repainted(pictures))
    assert of_one_colouring(one, other, UPRIGHT, AS_IT_LIES, WEAK).mean() < 0.2
    assert of_one_colouring(one, other, UPRIGHT, AS_IT_LIES, STRONG).all()


@pytest.mark.parametrize(("turn", "back"), [(1, 1), (6, 5)])
def test_colours_are_compared_as_the_second_lies(pictures, turn, back):
    lying = np.stack([turned_images(pictures[..., c], turn) for c in range(3)], 3)
    one, other = colour_planes(pictures), colour_planes(lying)
    assert of_one_colouring(one, other, np.full(12, back, np.int8), AS_IT_LIES, WEAK).all()


def test_gray_images_have_no_colours_to_differ_in(pictures):
    gray = colour_planes(pictures[..., :1])
    assert of_one_colouring(gray, gray, UPRIGHT, AS_IT_LIES, WEAK * 0).all()
    shades = colour_planes(in_shades(pictures))
    assert (agreement(shades, shades[::-1].copy(), AS_IT_LIES) == 1).all()
