"""robust: what it mixes in, how much of it, that labels and the other images stay; and on top of what it comes."""

import numpy as np
import pytest
import torch
from scipy import stats

from striate.augmentation import make_augmentation, with_asked
from striate.augmentation.pictures import mixing_pictures
from striate.augmentation.robust import robust
from striate.training.budget import adapt_swift
from striate.training.options import read_training_options


def gray(n=400, value=128, side=16, c=3):
    batch = torch.full((n, side, side, c), value, dtype=torch.uint8)
    return batch.permute(0, 3, 1, 2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class TestPictures:
    def test_they_are_always_the_same(self):
        first = mixing_pictures(3, 16, 16, "cpu")
        mixing_pictures.cache_clear()
        assert torch.equal(first, mixing_pictures(3, 16, 16, "cpu"))

    @pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 12), (5, 9, 9), (3, 160, 160)])
    def test_they_fit_any_batch(self, shape):
        pictures = mixing_pictures(*shape, "cpu")
        assert pictures.shape[1:] == shape
        assert pictures.dtype == torch.uint8
        assert pictures.is_contiguous(memory_format=torch.channels_last)
        assert 64 <= len(pictures) <= 2048

    def test_they_are_many_and_rich(self):
        pictures = mixing_pictures(3, 32, 32, "cpu").float()
        assert len({one.numpy().tobytes() for one in pictures}) > 0.99 * len(pictures)
        spread = pictures.std((2, 3)).mean(1)
        assert spread.median() > 25
        assert (spread < 3).float().mean() < 0.05
        assert pictures.mean() == pytest.approx(127, abs=20)


class TestRobust:
    def test_a_share_is_mixed_and_the_others_stay_to_the_bit(self):
        batch = gray(3000)  # which no change changes, and half of the images get a picture
        for p in (1, 0.4):
            changed = (robust(batch, generator(), p=p) != batch).flatten(1).any(1).float().mean()
            assert float(changed) == pytest.approx(0.5 * p, abs=0.05)

    def test_the_image_has_a_weight_that_is_even(self, monkeypatch):
        monkeypatch.setattr("striate.augmentation.robust.CHANGES", (lambda batch, strength: torch.zeros_like(batch),))
        left = robust(gray(3000, 255, 2), generator(), pictures=0)[:, 0, 0, 0].numpy() / 255
        assert stats.kstest(left, "uniform").statistic < 0.03

    def test_two_chains_share_the_rest_evenly(self, monkeypatch):
        def by_a_coin(batch, strength):
            return torch.where(strength.view(-1, 1, 1, 1) > 0, 255, 0).to(torch.uint8).expand_as(batch)

        monkeypatch.setattr("striate.augmentation.robust.CHANGES", (by_a_coin,))
        mixed = robust(gray(4000, 0, 2), generator(), pictures=0)[:, 0, 0, 0].double() / 255
        # Two coins: with both chains black 0, both white m, one of each a share of m that is even over 0…m.
        assert float(mixed.mean()) == pytest.approx(0.25, abs=0.02)
        assert float((mixed == 0).double().mean()) == pytest.approx(0.25, abs=0.04)

    def test_pictures_have_pixmix_weights(self, monkeypatch):
        white = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
        monkeypatch.setattr("striate.augmentation.robust.mixing_pictures", lambda *of: white)
        weight = robust(gray(4000, 0, 2), generator(), pictures=1)[:, 0, 0, 0].numpy() / 255
        assert (weight == 0).mean() == pytest.approx(0.5, abs=0.04)  # sharpened against it, below black
        assert stats.kstest(weight[weight > 0], stats.beta(1, 3).cdf).statistic < 0.04

    def test_most_of_an_image_is_left(self):
        rng = np.random.default_rng(0)
        batch = torch.from_numpy(rng.integers(0, 256, (300, 8, 8, 3), dtype=np.uint8)).permute(0, 3, 1, 2)
        batch = torch.nn.functional.interpolate(batch.float(), (32, 32)).to(torch.uint8)
        mixed = robust(batch, generator(), p=1)
        alike = [np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(batch.numpy(), mixed.numpy(), strict=True)]
        other = [
            np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(batch.numpy()[1:], mixed.numpy(), strict=False)
        ]
        assert np.median(alike) > 0.5
        assert np.median(alike) > np.median(np.abs(other)) + 0.3

    def test_labels_stay(self):
        labels = torch.arange(50) % 10
        _, after = make_augmentation(["robust"], 10)(gray(50), labels, generator())
        assert torch.equal(after, labels)


class TestOnTop:
    @pytest.mark.parametrize(
        ("own", "asked", "both"),
        [
            (("flip", "translate(2)"), ("robust",), ("flip", "translate(2)", "robust")),
            (("translate(2)",), ("robust(p=0.3)",), ("translate(2)", "robust(p=0.3)")),
            (("flip", "robust"), ("robust(1)",), ("flip", "robust(1)")),
            ((), ("robust",), ("robust",)),
            (("flip",), ("flip robust",), ("flip robust",)),
            (("flip",), ("cutout",), ("cutout",)),
            (("flip",), (), ()),
            (("flip",), ("robust(",), ("robust(",)),
        ],
    )
    def test_robust_alone_keeps_the_recipes_own(self, own, asked, both):
        assert with_asked(own, asked) == both

    def test_the_published_recipe_is_still_fitted_to_the_images(self):
        options = read_training_options("swift", None, {"augment": ("robust",)})
        assert options.recipe.augment == ("translate(2)", "robust")
        assert adapt_swift(options.recipe, 5_000, 96, options.told).augment == ("translate(6)", "robust")
        other = read_training_options("swift", None, {"augment": ("flip",)})
        assert adapt_swift(other.recipe, 5_000, 96, other.told).augment == ("flip",)

    def test_a_recipe_that_has_it_is_not_given_it_twice(self):
        options = read_training_options("swift", {"augment": ["flip", "robust"]}, {"augment": ("robust",)})
        assert options.recipe.augment == ("flip", "robust")
