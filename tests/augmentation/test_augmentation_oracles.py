"""What each augmentation does, against NumPy, Pillow and colorsys, and by its own arithmetic."""

import colorsys
import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from striate.augmentation import make_augmentation
from striate.augmentation.colour import brighten, saturate, stretch, turn_hue
from striate.augmentation.erasing import cutout, erase
from striate.augmentation.mixing import cutmix, mixup, symmetric_beta
from striate.augmentation.moving import alternating_flip, flip, parity, translate
from striate.augmentation.randaugment import OPERATIONS, randaugment
from striate.augmentation.tones import autocontrast, equalize, posterize, sharpen, solarize
from striate.augmentation.warping import crop, rotate, shear, turn, warp, zoom


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def smooth_image(h=24, w=32):
    """A colour image without sharp edges, so that ways of resampling agree."""
    y, x = np.mgrid[:h, :w]
    waves = [127 + 100 * np.sin(x / 4 + k) * np.cos(y / 5 + k / 2) for k in range(3)]
    return np.stack(waves, -1).astype(np.uint8)


def noisy_image(h=16, w=20, c=3):
    return np.random.default_rng(1).integers(0, 256, (h, w, c), dtype=np.uint8)


def batch_of(image, n=1):
    return torch.from_numpy(image).unsqueeze(0).repeat(n, 1, 1, 1).permute(0, 3, 1, 2)


def images_of(batch):
    return batch.permute(0, 2, 3, 1).numpy()


def assert_near(ours, theirs, most):
    difference = np.abs(ours.astype(int) - np.asarray(theirs).astype(int))
    assert difference.max() <= most, f"differ by up to {difference.max()}"


class TestMoving:
    def test_flip_mirrors_about_half(self):
        image = noisy_image()
        seen = images_of(flip(batch_of(image, 1000), generator()))
        mirrored = (seen == image[:, ::-1]).all((1, 2, 3))
        assert ((seen == image).all((1, 2, 3)) ^ mirrored).all()
        assert 0.45 < mirrored.mean() < 0.55

    def test_alternating_flip_shows_each_image_both_ways_in_turn(self):
        image, indices = noisy_image(4, 4), torch.arange(1000)
        batch = batch_of(image, 1000)

        def mirrored(epoch, seed=0):
            seen = images_of(alternating_flip(batch, generator(epoch), indices=indices, epoch=epoch, seed=seed))
            return (seen == image[:, ::-1]).all((1, 2, 3))

        first = mirrored(0)
        assert 0.45 < first.mean() < 0.55
        assert (mirrored(1) == ~first).all()
        assert (mirrored(2) == first).all()
        assert 0.4 < (mirrored(0, seed=1) == first).mean() < 0.6

    def test_parity_has_no_pattern(self):
        bits = parity(torch.arange(20_000), 3).numpy() * 2 - 1
        for lag in (1, 2, 3, 10, 64, 100, 1000):
            assert abs((bits[lag:] * bits[:-lag]).mean()) < 0.03
        assert set(bits) == {-1, 1}
        assert 400 < int(parity(torch.arange(1000), 2**80 + 5).sum()) < 600

    @pytest.mark.parametrize(("fill", "mode"), [("reflect", "reflect"), ("zero", "constant")])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_translate_is_a_part_of_numpys_padding(self, fill, mode, channels):
        image = noisy_image(6, 7, channels)
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode=mode)
        shifted = {padded[r : r + 6, c : c + 7].tobytes() for r in range(5) for c in range(5)}
        assert {one.tobytes() for one in images_of(translate(batch_of(image, 300), generator(), 2, fill))} == shifted

    def test_translate_moves_at_most_the_side_less_one(self):
        image = noisy_image(3, 4)
        padded = np.pad(image, ((2, 2), (3, 3), (0, 0)), mode="reflect")
        shifted = {padded[r : r + 3, c : c + 4].tobytes() for r in range(5) for c in range(7)}
        assert {one.tobytes() for one in images_of(translate(batch_of(image, 800), generator(), 100))} == shifted

    def test_translate_by_a_share_goes_by_each_side(self):
        ramp = torch.arange(20, dtype=torch.uint8).view(1, 1, 1, 20).repeat(300, 1, 10, 1)
        middle = translate(ramp, generator(), 0.2)[:, 0, 5, 10].int() - 10
        assert (middle.min(), middle.max()) == (-4, 4)


class TestWarping:
    @pytest.mark.parametrize("turns", [1, 2, 3])
    def test_turning_by_quarters_is_numpys(self, turns):
        image = noisy_image(9, 9)
        turned = turn(batch_of(image), torch.tensor([90.0 * turns]))
        assert_near(images_of(turned)[0], np.rot90(image, turns), 1)

    @pytest.mark.parametrize("degrees", [7.0, -31.0])
    @pytest.mark.parametrize(("fill", "black"), [("edge", False), ("zero", True)])
    def test_turning_is_pillows(self, degrees, fill, black):
        image = smooth_image()
        ours = images_of(turn(batch_of(image), torch.tensor([degrees]), fill))[0]
        theirs = np.asarray(Image.fromarray(image).rotate(degrees, Image.Resampling.BILINEAR))
        assert_near(ours[8:-8, 10:-10], theirs[8:-8, 10:-10], 2)
        assert (ours[0, 0].max() == 0) == black

    def test_rotate_stays_within_its_degrees(self):
        image = np.zeros((33, 33, 1), np.uint8)
        image[16, 17:] = 255
        ends = images_of(rotate(batch_of(image, 300), generator(), 20, "zero"))[:, :, 30, 0].argmax(1) - 16
        angles = np.degrees(np.arctan2(ends, 14))
        assert np.abs(angles).max() <= 23
        assert angles.max() > 15
        assert angles.min() < -15

    @pytest.mark.parametrize("slant", [0.3, -0.2])
    def test_shearing_is_pillows(self, slant):
        image = smooth_image()
        h, w = image.shape[:2]
        ours = images_of(warp(batch_of(image), 1, torch.tensor([slant]), 0, 0, 1, 0))[0]
        # Pillow reads the pixel (u, v) at (a u + b v + c, …) from the upper left corner, ours from the centre.
        matrix = (1, slant, -slant * h / 2, 0, 1, 0)
        theirs = Image.fromarray(image).transform((w, h), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        assert_near(ours[1:-1, 5:-5], np.asarray(theirs)[1:-1, 5:-5], 2)

    def test_shear_keeps_the_middle_row_and_goes_both_ways(self):
        image = np.zeros((21, 21, 1), np.uint8)
        image[:, 10] = 255
        seen = images_of(shear(batch_of(image, 200), generator(), 0.5))[..., 0]
        assert (seen[:, 10].argmax(1) == 10).all()
        assert (seen[:, 0].argmax(1).min(), seen[:, 0].argmax(1).max()) == (5, 15)

    def test_zooming_is_pillows(self):
        image = smooth_image(24, 24)
        ours = images_of(warp(batch_of(image), 0.5, 0, 0, 0, 0.5, 0))[0]
        theirs = Image.fromarray(image).transform(
            (24, 24), Image.Transform.AFFINE, (0.5, 0, 6, 0, 0.5, 6), Image.Resampling.BILINEAR
        )
        assert_near(ours, theirs, 2)

    def test_zoom_grows_and_shrinks_within_its_factor(self):
        image = np.zeros((41, 41, 1), np.uint8)
        image[10:31, 10:31] = 255
        sides = (images_of(zoom(batch_of(image, 300), generator(), 0.5))[:, 20, :, 0] > 127).sum(1)
        assert 14 <= sides.min() < 16
        assert 29 < sides.max() <= 32

    def test_crop_is_an_enlarged_part_of_the_image(self):
        # Ramps say where each pixel came from: steps are the scale, the first value is the offset.
        y, x = np.mgrid[:64, :64]
        image = np.stack([x * 2, y * 2, x * 0], -1).astype(np.uint8)
        seen = images_of(crop(batch_of(image, 500), generator(), (0.2, 0.6), (0.5, 2))).astype(float)
        inner = slice(8, 56)
        across = np.diff(seen[:, 32, inner, 0], axis=1).mean(1) / 2
        along = np.diff(seen[:, inner, 32, 1], axis=1).mean(1) / 2
        assert (np.abs(seen[..., 0].mean((1, 2)) / 2 + 0.5 - 32) <= 32 * (1 - across) + 0.6).all()
        area, ratio = across * along, across / along
        assert 0.18 < area.min() < 0.23
        assert 0.55 < area.max() < 0.62
        assert 0.45 < ratio.min() < 0.6
        assert 1.7 < ratio.max() < 2.2


class TestColour:
    @pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize(
        ("ours", "pillows"),
        [(brighten, ImageEnhance.Brightness), (stretch, ImageEnhance.Contrast), (saturate, ImageEnhance.Color),
         (sharpen, ImageEnhance.Sharpness)],
    )  # fmt: skip
    def test_enhancing_is_pillows(self, ours, pillows, factor, channels):
        image = noisy_image(c=channels)
        theirs = pillows(Image.fromarray(image if channels == 3 else image[..., 0])).enhance(factor)
        expected = np.asarray(theirs).reshape(image.shape)
        assert_near(images_of(ours(batch_of(image), torch.tensor([factor])))[0], expected, 2 if factor > 1 else 1)

    def test_each_image_has_its_own_factor(self):
        batch = batch_of(noisy_image(), 2)
        both = brighten(batch, torch.tensor([0.5, 1.0]))
        assert torch.equal(both[1], batch[1])
        assert torch.equal(both[0], brighten(batch[:1], torch.tensor([0.5]))[0])

    @pytest.mark.parametrize("turns", [0.1, 0.25, -0.4])
    def test_hue_turns_colorsys_yiq(self, turns):
        # Muted colours, whose turned ones are all within the gamut.
        image = (noisy_image().astype(float) * 0.2 + 100).astype(np.uint8)
        angle, expected = 2 * math.pi * turns, np.empty(image.shape)
        for where in np.ndindex(image.shape[:2]):
            y, i, q = colorsys.rgb_to_yiq(*(image[where] / 255))
            turned = complex(i, q) * complex(math.cos(angle), -math.sin(angle))
            expected[where] = np.array(colorsys.yiq_to_rgb(y, turned.real, turned.imag)) * 255
        assert_near(images_of(turn_hue(batch_of(image), torch.tensor([turns])))[0], expected.round(), 2)

    def test_hue_goes_the_way_of_hsv_and_keeps_luma(self):
        red = torch.tensor([150, 90, 90], dtype=torch.uint8).view(1, 3, 1, 1)
        turned = turn_hue(red, torch.tensor([0.1])).flatten().tolist()
        before, after = (colorsys.rgb_to_hsv(*(x / 255 for x in rgb))[0] for rgb in ([150, 90, 90], turned))
        assert 0.05 < (after - before) % 1 < 0.15
        luma = np.array([0.299, 0.587, 0.114])
        assert abs(luma @ np.array(turned) - luma @ np.array([150, 90, 90])) < 1

    def test_tones_are_pillows(self):
        for image in (noisy_image(30, 30), smooth_image(40, 40), smooth_image(8, 8) // 4 + 30):
            pillow, batch = Image.fromarray(image), batch_of(image)
            assert_near(images_of(equalize(batch))[0], ImageOps.equalize(pillow), 0)
            assert_near(images_of(autocontrast(batch))[0], ImageOps.autocontrast(pillow), 1)
            for bits in (1, 4, 8):
                assert_near(images_of(posterize(batch, torch.tensor([bits])))[0], ImageOps.posterize(pillow, bits), 0)
            for threshold in (1, 128, 256):
                theirs = ImageOps.solarize(pillow, threshold)
                assert_near(images_of(solarize(batch, torch.tensor([threshold])))[0], theirs, 0)

    def test_the_smoothing_of_sharpness_is_pillows(self):
        image = noisy_image()
        theirs = Image.fromarray(image).filter(ImageFilter.SMOOTH)
        assert_near(images_of(sharpen(batch_of(image), torch.tensor([0.0])))[0], theirs, 1)


class TestErasing:
    def test_cutout_blanks_its_square_as_far_as_it_lies_inside(self):
        blanked = (cutout(torch.ones(500, 1, 16, 16, dtype=torch.uint8), generator(), 4) == 0)[:, 0]
        sides = {(int(one.any(1).sum()), int(one.any(0).sum())) for one in blanked}
        assert sides <= {(a, b) for a in (2, 3, 4) for b in (2, 3, 4)}
        assert (4, 4) in sides
        assert all(int(one.sum()) == int(one.any(1).sum() * one.any(0).sum()) for one in blanked)

    def test_cutout_fills_with_what_is_asked_and_a_share_goes_by_the_side(self):
        filled = cutout(torch.zeros(200, 3, 10, 20, dtype=torch.uint8), generator(), 0.4, 77)
        assert filled.unique().tolist() == [0, 77]
        assert int((filled[:, 0] == 77).sum((1, 2)).max()) == 4 * 8

    def test_erase_hides_the_share_that_is_asked(self):
        batch = torch.full((2000, 1, 40, 50), 7, dtype=torch.uint8)
        hidden = erase(batch, generator(), 0.5, (0.1, 0.3), 2, "zero")[:, 0] == 0
        some = hidden.flatten(1).any(1)
        assert 0.45 < some.float().mean() < 0.55
        hidden = hidden[some]
        share = hidden.float().mean((1, 2))
        height, width = hidden.any(2).sum(1), hidden.any(1).sum(1)
        assert torch.equal(height * width, hidden.sum((1, 2)))
        assert 0.09 < share.min() < 0.12
        assert 0.28 < share.max() < 0.32
        ratio = height / width
        assert 0.45 < ratio.min() < 0.55
        assert 1.85 < ratio.max() < 2.2
        reached = hidden.any(0)
        assert all(edge.any() for edge in (reached[0], reached[-1], reached[:, 0], reached[:, -1]))

    def test_erase_fills_with_even_noise(self):
        batch = torch.full((200, 3, 32, 32), 7, dtype=torch.uint8)
        seen = erase(batch, generator(), 1, (0.5, 0.5))
        noise = seen[seen != 7].float()
        assert abs(noise.mean() - 127.5) < 2
        assert abs(noise.std() - 73.9) < 2


class TestMixing:
    def plain(self, n=64, h=10, w=12):
        """Images of one value, the value their class, and their labels as targets."""
        values = torch.arange(n, dtype=torch.uint8)
        return values.view(-1, 1, 1, 1).repeat(1, 3, h, w), torch.eye(n)

    def test_mixup_blends_pixels_as_labels(self):
        batch, targets = self.plain()
        pixels, mixed = mixup(batch, generator(), 1, targets=targets)
        expected = mixed @ torch.arange(64.0)
        assert (pixels[:, 0, 0, 0].float() - expected).abs().max() <= 0.51
        assert (pixels == pixels[:, :1, :1, :1]).all()
        assert torch.allclose(mixed.sum(1), torch.ones(64))

    def test_cutmix_weighs_labels_by_the_areas(self):
        batch, targets = self.plain()
        pixels, mixed = cutmix(batch, generator(), targets=targets)
        areas = torch.stack([(pixels[:, 0] == k).float().mean((1, 2)) for k in range(64)], 1)
        assert torch.allclose(areas, mixed, atol=1e-6)
        assert (mixed.max(1).values < 1).any()

    def test_cutmix_pastes_one_rectangle_in_its_place(self):
        image = torch.arange(120, dtype=torch.uint8).view(1, 1, 10, 12)
        batch = torch.cat([image, image + 120])
        pixels, _ = cutmix(batch.repeat(50, 1, 1, 1), generator(), targets=torch.eye(2).repeat(50, 1))
        assert torch.equal(pixels % 120, image.expand(100, -1, -1, -1) % 120)

    @pytest.mark.parametrize("function", [mixup, cutmix])
    def test_p_is_the_share_that_is_mixed(self, function):
        batch, targets = self.plain(n=256, h=16, w=16)
        _, mixed = function(batch, generator(), 1, 0.3, targets=targets)
        assert 0.2 < (mixed.max(1).values < 1).float().mean() < 0.38

    def test_a_batch_of_one_mixes_with_itself(self):
        batch, targets = self.plain(1)
        for function in (mixup, cutmix):
            pixels, mixed = function(batch, generator(), targets=targets)
            assert torch.equal(pixels, batch)
            assert torch.equal(mixed, targets)

    def test_both_in_one_list(self):
        batch, targets = self.plain(8)
        _, mixed = make_augmentation(["mixup(1) cutmix"], 8)(batch, targets.argmax(1), generator())
        assert torch.allclose(mixed.sum(1), torch.ones(8))
        assert int((mixed > 0).sum(1).max()) > 2

    @pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 4.0, 100.0])
    def test_draws_are_beta(self, alpha):
        ours = np.sort(symmetric_beta(20_000, generator(), alpha).numpy())
        assert np.isfinite(ours).all()
        assert 0 <= ours[0] <= ours[-1] <= 1
        theirs = np.sort(np.random.default_rng(0).beta(alpha, alpha, 20_000))
        # Kolmogorov and Smirnov's distance; 0.0195 is passed once in a thousand times.
        grid = np.linspace(0, 1, 2001)[1:-1]
        distance = np.abs(np.searchsorted(ours, grid) - np.searchsorted(theirs, grid)).max() / 20_000
        assert distance < 0.0195


class TestRandAugment:
    @pytest.mark.parametrize("name", OPERATIONS)
    def test_each_operation_keeps_the_contract_at_its_extremes(self, name):
        for shape in ((2, 3, 8, 11), (2, 1, 1, 1), (2, 3, 2, 5)):
            batch = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator())
            result = OPERATIONS[name](batch, torch.tensor([-1.0, 1.0]))
            assert result.shape == shape
            assert result.dtype == torch.uint8

    def test_each_image_gets_what_it_drew(self):
        image = smooth_image()
        seen = images_of(randaugment(batch_of(image, 400), generator(), 1, 20))
        choices = {
            OPERATIONS[name](batch_of(image), torch.tensor([sign * 20 / 30])).permute(0, 2, 3, 1).numpy().tobytes()
            for name in OPERATIONS
            for sign in (-1, 1)
        }
        assert {one.tobytes() for one in seen} == choices

    def test_the_order_of_images_stays(self):
        values = torch.arange(0, 200, 2, dtype=torch.uint8).view(100, 1, 1, 1).repeat(1, 1, 8, 8)
        plain = randaugment(values, generator(), 1, 0)[:, 0, 4, 4]
        assert (plain == values[:, 0, 4, 4]).float().mean() > 0.95

    def test_it_never_mirrors(self):
        image = np.zeros((32, 32, 1), np.uint8)
        image[8:24, 8:12] = image[20:24, 8:24] = 255  # an L
        upright = batch_of(image).float()
        mirrored = upright.flip(3)
        seen = randaugment(batch_of(image, 200), generator(), 2, 5).float()

        def alike(target):
            centred = target - target.mean()
            return ((seen - seen.mean((1, 2, 3), keepdim=True)) * centred).sum((1, 2, 3)).abs()

        assert (alike(upright) >= alike(mirrored)).float().mean() > 0.97
