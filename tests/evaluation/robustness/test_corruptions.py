"""Each corruption: a contract over all of them, and what each one does against NumPy, Pillow or arithmetic."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from striate.evaluation.robustness import degrading, hiding, light, viewpoint
from striate.evaluation.robustness.corruptions import CORRUPTIONS, FAMILIES, IMPORTANT
from striate.evaluation.robustness.draws import draws, normal_draws, signs

NAMED = {one.name: one for one in CORRUPTIONS}


def smooth(n=6, h=32, w=32, c=3, seed=0):
    """Images with structure at every place: sums of waves."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w] / max(h, w)
    images = np.zeros((n, h, w, c))
    for k in range(c):
        for _ in range(3):
            a, b, p = (rng.uniform(-6, 6, (n, 1, 1)) for _ in range(3))
            images[..., k] += np.sin(a * x + b * y + p)
    return np.clip(127 + 38 * images, 0, 255).astype(np.uint8)


def applied(one, images, step):
    """The images at a step; where the important region is asked for, the middle."""
    where = [np.full((len(images), 2), 0.5, np.float32)] if one is IMPORTANT else []
    return one.apply(images, one.amounts[step], *where)


@pytest.mark.parametrize("one", CORRUPTIONS, ids=lambda one: one.name)
class TestContract:
    @pytest.mark.parametrize("shape", [(3, 32, 32, 3), (2, 9, 14, 3), (1, 20, 11, 3), (2, 1, 1, 3), (4, 28, 28, 1)])
    def test_shape_type_and_input_stay(self, one, shape):
        if one.channels and shape[3] not in one.channels:
            pytest.skip("not for these")
        images = smooth(*shape)
        before = images.copy()
        for step in range(len(one.amounts)):
            result = applied(one, images, step)
            assert result.shape == images.shape
            assert result.dtype == np.uint8
        assert (images == before).all()

    def test_the_same_comes_out_again(self, one):
        assert (applied(one, smooth(), -1) == applied(one, smooth(), -1)).all()

    def test_more_of_it_changes_more(self, one):
        images = np.random.default_rng(0).integers(60, 200, (40, 32, 32, 3), dtype=np.uint8) // 2 + smooth(40) // 2
        change = [np.abs(applied(one, images, step).astype(int) - images).mean() for step in range(len(one.amounts))]
        assert change[0] > 0.3
        assert all(later > earlier for earlier, later in itertools.pairwise(change)), change

    def test_an_image_gets_the_same_in_any_company(self, one):
        if one.name == "pasted patches":
            pytest.skip("its patches come from the company")
        images = smooth(8)
        assert (applied(one, images, -1)[:3] == applied(one, images[:3], -1)).all()

    def test_bands_are_images_too(self, one):
        if not one.channels:
            assert applied(one, smooth(c=5), 0).shape == (6, 32, 32, 5)

    def test_it_says_its_steps(self, one):
        said = {one.say(step) for step in range(len(one.amounts))}
        assert len(said) == len(one.amounts)
        assert "{" not in "".join(said)
        assert one.family in FAMILIES


class TestDraws:
    def test_they_are_even_and_of_no_pattern(self):
        numbers = draws("a", 300, 40)
        assert stats.kstest(numbers.ravel(), "uniform").pvalue > 0.01
        assert abs(np.corrcoef(numbers[:, 0], numbers[:, 1])[0, 1]) < 0.2
        assert abs(np.corrcoef(numbers[0], numbers[1])[0, 1]) < 0.5
        assert 0 < numbers.min() < numbers.max() < 1

    def test_names_and_images_differ(self):
        assert len({draws(name, 9, 1).tobytes() for name in "abc"}) == 3
        assert len(np.unique(draws("a", 500, 1))) == 500

    def test_normal_and_signs(self):
        assert stats.kstest(normal_draws("n", 200, 30).ravel(), "norm").pvalue > 0.01
        assert set(signs("s", 100)) == {-1, 1}


class TestViewpoint:
    def test_rotation_against_pillow(self):
        images = smooth(4)
        ours = viewpoint.turned(images, 20)
        for image, result, sign in zip(images, ours, signs("rotation", 4), strict=True):
            theirs = np.asarray(Image.fromarray(image).rotate(20 * sign, Image.Resampling.BILINEAR))
            inner = np.s_[9:-9, 9:-9]  # of what was outside we show the reflection, Pillow black
            assert np.abs(theirs[inner].astype(int) - result[inner]).mean() < 1.5

    def test_shift_goes_as_far_as_it_says(self):
        images = np.zeros((20, 41, 41, 1), np.uint8)
        images[:, 20, 20] = 255
        moved = viewpoint.shifted(images, 0.25)[..., 0].astype(float)
        y, x = np.mgrid[:41, :41]
        total = moved.sum((1, 2))
        distance = np.hypot((moved * y).sum((1, 2)) / total - 20, (moved * x).sum((1, 2)) / total - 20)
        assert distance == pytest.approx(np.full(20, 0.25 * 41), abs=0.15)

    def test_zoom_makes_larger_or_smaller_by_the_factor(self):
        y, x = np.mgrid[:65, :65] - 32
        disc = np.repeat(((np.hypot(y, x) < 12) * 255).astype(np.uint8)[None, ..., None], 12, 0)
        areas = viewpoint.zoomed(disc, 1.5).astype(float).sum((1, 2, 3)) / disc[0].sum()
        assert np.minimum(np.abs(areas - 2.25), np.abs(areas - 1 / 2.25)).max() < 0.1
        assert (areas > 1).any()
        assert (areas < 1).any()

    def test_perspective_keeps_the_centre_and_straight_lines_in_view(self):
        images = smooth(5, 33, 33)
        assert np.abs(viewpoint.tilted(images, 0.7)[:, 16, 16].astype(int) - images[:, 16, 16]).max() <= 1
        wide = viewpoint.tilted(smooth(5, 10, 60), 0.7)  # a corner far from the centre must stay before the eye
        assert wide.std() > 5

    def test_nothing_is_nothing(self):
        images = smooth(3, 17, 24)
        for name in ("shifted", "turned", "sheared", "tilted", "smeared"):
            assert np.abs(getattr(viewpoint, name)(images, 0).astype(int) - images).max() <= 1
        assert np.abs(viewpoint.zoomed(images, 1).astype(int) - images).max() <= 1

    def test_motion_keeps_the_light_and_smears_along_one_line(self):
        images = np.zeros((30, 41, 41, 1), np.uint8)
        images[:, 19:22, 19:22] = 255
        moved = viewpoint.smeared(images, 0.4)[..., 0].astype(float)
        assert moved.sum((1, 2)) == pytest.approx(images[..., 0].sum((1, 2)), rel=0.05)
        y, x = np.mgrid[:41, :41]
        for one in moved:
            spread = np.linalg.eigvalsh(np.cov(np.stack([y.ravel(), x.ravel()]), aweights=one.ravel()))
            assert spread[1] > 5 * spread[0]


class TestLight:
    def test_formulas(self):
        images = smooth(5)
        assert (light.darkened(images, 0.5) == np.floor(images * 0.5 + 0.5)).all()
        assert (light.brightened(images, 2) == np.minimum(255, images.astype(int) * 2)).all()
        mean = images.mean((1, 2, 3), keepdims=True)
        assert np.abs(light.flattened(images, 0.3) - (mean + 0.3 * (images - mean))).max() <= 0.51

    def test_gamma_and_its_inverse(self):
        images = smooth(8)
        for image, result, sign in zip(images, light.bent(images, 2.0), signs("gamma", 8), strict=True):
            assert np.abs(result - 255 * (image / 255) ** (2.0**sign)).max() <= 0.51

    def test_a_cast_turns_gray_into_a_colour_of_the_same_product(self):
        gray = np.full((12, 4, 4, 3), 100, np.uint8)
        colour = light.cast(gray, 0.5)[:, 0, 0] / 100
        assert colour.prod(1) == pytest.approx(np.ones(12), abs=0.03)
        assert np.linalg.norm(np.log(colour), axis=1) == pytest.approx(np.full(12, 0.5), abs=0.02)

    def test_glare_is_white_at_its_spot_and_never_darker(self):
        images = smooth(9)
        result = light.glared(images, 1.5)
        assert (result.astype(int) >= images).all()
        assert (result.reshape(9, -1, 3).min(2).max(1) == 255).all()


class TestHiding:
    def test_as_much_is_hidden_as_is_said(self):
        images = np.zeros((7, 40, 20, 3), np.uint8)
        for side in (0.2, 0.5):
            assert (hiding.hidden_at_random(images, side) == hiding.GRAY).mean((1, 2, 3)) == pytest.approx(side**2)

    def test_hidden_about_a_centre_stays_inside(self):
        images = np.zeros((3, 40, 40, 1), np.uint8)
        centres = np.float32([[0.5, 0.5], [0.2, 0.8], [0.0, 1.0]])
        seen = hiding.hidden_about(images, 0.4, centres) == hiding.GRAY
        assert (seen.sum((1, 2, 3)) == 16**2).all()
        rows, columns = (np.array([np.nonzero(one.any(axis)[:, 0])[0].mean() for one in seen]) for axis in (1, 0))
        assert rows == pytest.approx([19.5, 7.5, 7.5], abs=0.6)
        assert columns == pytest.approx([19.5, 31.5, 31.5], abs=0.6)

    @pytest.mark.parametrize(("down", "across"), [(4, 4), (4, 26), (26, 14)])
    def test_the_important_region_is_found_by_any_classifier(self, down, across):
        """One that looks at a spot alone is blinded by hiding that, and not by hiding as much elsewhere."""
        images = np.full((5, 32, 32, 3), 10, np.uint8)
        images[:, down : down + 3, across : across + 3] = 250

        def predict(pixels):
            there = (pixels[:, down : down + 3, across : across + 3].mean((1, 2, 3)) - 10) / 240
            return np.stack([1 - there, there], 1)

        centres = hiding.important_centres(images, predict)
        assert np.abs(centres * 32 - [down + 1.5, across + 1.5]).max() <= 0.2 * 32
        assert (predict(hiding.hidden_about(images, 0.4, centres)).argmax(1) == 0).all() or hiding.GRAY > 120
        assert predict(hiding.hidden_about(images, 0.4, centres))[:, 1].max() < predict(images)[:, 1].min()

    def test_the_middle_stays_among_clutter(self):
        images = smooth(4)
        for function in (hiding.among_noise, hiding.among_stripes):
            result = function(images, 1.0)
            assert (result[:, 12:20, 12:20] == images[:, 12:20, 12:20]).all()
            assert (result[:, :3, :3] != images[:, :3, :3]).mean() > 0.5

    def test_patches_are_of_other_images(self):
        images = np.repeat(np.arange(10, 20, dtype=np.uint8)[:, None, None, None], 32, 1).repeat(32, 2)
        result = hiding.among_patches(images, 3)
        for own, one in zip(range(10, 20), result, strict=True):
            assert set(np.unique(one)) - {own} <= set(range(10, 20))
            assert 32 * 32 - 3 * 64 <= (one == own).sum() < 32 * 32
        assert (hiding.among_patches(images[:1], 3) == images[:1]).all()  # there is no other


class TestDegrading:
    def test_noise_has_the_spread_that_it_says(self):
        gray = np.full((10, 32, 32, 3), 128, np.uint8)
        noise = degrading.noisy(gray, 20).astype(float) - 128
        assert noise.std() == pytest.approx(20, rel=0.02)
        assert abs(noise.mean()) < 0.5

    def test_specks(self):
        result = degrading.specked(np.full((20, 32, 32, 3), 128, np.uint8), 0.1)
        assert (result == 0).all(3).mean() == pytest.approx(0.05, abs=0.005)
        assert (result == 255).all(3).mean() == pytest.approx(0.05, abs=0.005)

    def test_blur_of_a_line_has_the_width_that_it_says(self):
        images = np.zeros((1, 41, 41, 1), np.uint8)
        images[:, :, 20] = 255
        row = degrading.blurred(images, 0.05)[0, 20, :, 0].astype(float)
        spread = np.sqrt((row * (np.arange(41) - 20) ** 2).sum() / row.sum())
        assert spread == pytest.approx(0.05 * 41, rel=0.1)

    def test_jpeg_is_pillows(self):
        image = smooth(1)[0]
        content = io.BytesIO()
        Image.fromarray(image).save(content, "JPEG", quality=10)
        assert (degrading.compressed(image[None], 10)[0] == np.asarray(Image.open(content))).all()
