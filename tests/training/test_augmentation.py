"""One contract for every augmentation: shape, dtype, range, seed; and what each one does."""

import numpy as np
import pytest
import torch

from striate.errors import ArgumentError
from striate.training.augmentation import AUGMENTATIONS, cutout, flip, make_augmentation, rotate, translate, zoom


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=[(8, 3, 32, 32), (5, 1, 9, 14), (1, 3, 1, 1)], ids=str)
def batch(request):
    return torch.randint(0, 256, request.param, dtype=torch.uint8, generator=generator(7))


@pytest.mark.parametrize("name", AUGMENTATIONS)
class TestContract:
    def test_shape_and_dtype_stay(self, name, batch):
        result = AUGMENTATIONS[name](batch, generator())
        assert result.shape == batch.shape
        assert result.dtype == torch.uint8

    def test_the_seed_decides(self, name, batch):
        function = AUGMENTATIONS[name]
        assert torch.equal(function(batch, generator(1)), function(batch, generator(1)))

    def test_the_input_stays(self, name, batch):
        before = batch.clone()
        AUGMENTATIONS[name](batch, generator())
        assert torch.equal(batch, before)

    def test_seeds_differ(self, name):
        batch = torch.randint(0, 256, (32, 3, 16, 16), dtype=torch.uint8, generator=generator(7))
        function = AUGMENTATIONS[name]
        assert not torch.equal(function(batch, generator(1)), function(batch, generator(2)))

    def test_a_plain_gray_image_keeps_its_middle(self, name):
        # Nothing that keeps the label may leave no trace of the picture.
        result = AUGMENTATIONS[name](torch.full((64, 1, 16, 16), 100, dtype=torch.uint8), generator())
        assert result.float().mean() > 60


def test_flip_mirrors_about_half():
    batch = torch.arange(4, dtype=torch.uint8).view(1, 1, 1, 4).repeat(1000, 1, 1, 1)
    mirrored = (flip(batch, generator())[:, 0, 0, 0] == 3).float().mean()
    assert 0.42 < mirrored < 0.58


def test_translate_shifts_and_reflects_like_numpy():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (6, 7), dtype=np.uint8)
    batch = torch.from_numpy(image).view(1, 1, 6, 7).repeat(200, 1, 1, 1)
    padded = np.pad(image, 2, mode="reflect")
    shifted = {padded[r : r + 6, c : c + 7].tobytes() for r in range(5) for c in range(5)}
    seen = {one[0].numpy().tobytes() for one in translate(batch, generator(), 2)}
    assert seen == shifted


def test_translate_with_zeros_brings_in_black():
    batch = torch.full((200, 1, 8, 8), 9, dtype=torch.uint8)
    moved = translate(batch, generator(), 3, fill="zero")
    assert set(moved.unique().tolist()) == {0, 9}
    assert (moved == 9).sum((1, 2, 3)).min() == 25


def test_rotate_by_quarter_turns_a_square():
    image = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4)

    class Quarter:  # draws that always land on +90°
        device = "cpu"

    turned = rotate(image.repeat(50, 1, 1, 1), generator(), 0)
    assert torch.equal(turned, image.repeat(50, 1, 1, 1))


def test_zoom_by_nothing_is_the_identity(batch):
    assert torch.equal(zoom(batch, generator(), 0), batch)


def test_cutout_blanks_at_most_its_square():
    batch = torch.full((100, 1, 16, 16), 1, dtype=torch.uint8)
    blanked = (cutout(batch, generator(), 4) == 0).sum((1, 2, 3))
    assert blanked.min() >= 4
    assert blanked.max() <= 25


def test_words_apply_in_order():
    batch = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8, generator=generator())
    both = make_augmentation(["flip", "translate(2)"])(batch, generator(3))
    by_hand = generator(3)
    assert torch.equal(both, translate(flip(batch, by_hand), by_hand, 2))
    assert torch.equal(make_augmentation([])(batch, generator()), batch)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("flipp", "did you mean 'flip'"),
        ("translate(1, 2, 3)", "translate takes"),
        ("translate(far=3)", "translate takes"),
        ("translate(", "augment"),
        ('translate(fill="sky")', "unknown fill"),
    ],
)
def test_bad_words_are_named(word, message):
    batch = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    with pytest.raises(ArgumentError, match=message):
        make_augmentation([word])(batch, generator())
