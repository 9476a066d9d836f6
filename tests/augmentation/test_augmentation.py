"""One contract for every augmentation: shape, dtype, memory, seed, odd sizes; and the words that name them."""

import inspect

import pytest
import torch

from striate.augmentation import AUGMENTATIONS, describe_arguments, describe_ranges, make_augmentation
from striate.augmentation.moving import flip, translate
from striate.errors import ArgumentError

MIXING = ("mixup", "cutmix")
SHAPES = [(8, 3, 32, 32), (5, 1, 9, 14), (1, 3, 7, 7), (3, 1, 1, 1), (1, 3, 1, 1), (2, 3, 1, 13), (4, 3, 2, 2)]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random_batch(n, c, h, w):
    return torch.randint(0, 256, (n, h, w, c), dtype=torch.uint8, generator=generator(7)).permute(0, 3, 1, 2)


def applied(word, batch, seed=0):
    """The pixels and labels after one word."""
    labels = torch.arange(len(batch)) % 4
    return make_augmentation([word], classes=4)(
        batch, labels, generator(seed), indices=torch.arange(len(batch)), epoch=0, seed=seed
    )


@pytest.fixture(params=SHAPES, ids=str)
def batch(request):
    return random_batch(*request.param)


@pytest.mark.parametrize("name", AUGMENTATIONS)
class TestContract:
    def test_shape_dtype_and_memory_stay(self, name, batch):
        result, _ = applied(name, batch)
        assert result.shape == batch.shape
        assert result.dtype == torch.uint8
        assert result.is_contiguous(memory_format=torch.channels_last)
        assert not torch.isnan(result.float()).any()

    def test_the_functions_themselves_keep_channels_last(self, name):
        batch, given = random_batch(4, 3, 8, 10), inspect.signature(AUGMENTATIONS[name]).parameters
        context = {"targets": torch.eye(4), "indices": torch.arange(4), "epoch": 0, "seed": 0}
        context = {key: value for key, value in context.items() if key in given}
        result = AUGMENTATIONS[name](batch, generator(), **context)
        pixels = result[0] if name in MIXING else result
        assert pixels.stride() == batch.stride()

    def test_channels_first_memory_gives_the_same_pixels(self, name, batch):
        expected, _ = applied(name, batch)
        assert torch.equal(applied(name, batch.contiguous())[0], expected)

    def test_the_seed_decides_and_the_global_generator_is_left_alone(self, name, batch):
        before = torch.random.get_rng_state()
        first, labels = applied(name, batch, 1)
        torch.rand(3)
        torch.random.set_rng_state(before)
        again, labels_again = applied(name, batch, 1)
        assert torch.equal(torch.random.get_rng_state(), before)
        assert torch.equal(first, again)
        assert torch.equal(labels, labels_again)

    def test_the_input_stays(self, name, batch):
        before = batch.clone()
        applied(name, batch)
        assert torch.equal(batch, before)

    def test_seeds_differ(self, name):
        batch = random_batch(32, 3, 16, 16)
        assert not torch.equal(applied(name, batch, 1)[0], applied(name, batch, 2)[0])

    def test_images_differ_in_what_they_get(self, name):
        batch = random_batch(1, 3, 16, 16).repeat(32, 1, 1, 1).contiguous(memory_format=torch.channels_last)
        batch[16:] = batch[16:].flip(2)  # so that the words that mix find other images
        result, _ = applied(name, batch)
        assert len({image.numpy().tobytes() for image in result}) > 2 or "flip" in name

    def test_labels_stay_or_sum_to_one(self, name, batch):
        _, labels = applied(name, batch)
        if name in MIXING:
            assert labels.shape == (len(batch), 4)
            assert torch.allclose(labels.sum(1), torch.ones(len(batch)))
            assert labels.min() >= 0
        else:
            assert torch.equal(labels, torch.arange(len(batch)) % 4)

    def test_most_of_a_plain_picture_is_left(self, name):
        # Nothing that keeps the label may leave no trace of the picture.
        result, _ = applied(name, torch.full((64, 1, 16, 16), 100, dtype=torch.uint8))
        assert 60 < result.float().mean() < 150

    def test_it_is_documented(self, name):
        function = AUGMENTATIONS[name]
        assert len((function.__doc__ or "").splitlines()[0]) > 30
        assert len(list(describe_ranges(function))) == describe_arguments(function).count("=")


@pytest.mark.parametrize("name", ["saturation", "hue"])
def test_gray_images_have_no_colour_to_change(name):
    batch = random_batch(6, 1, 8, 8)
    assert torch.equal(applied(f"{name}(0.5)", batch)[0], batch)
    coloured = batch.repeat(1, 3, 1, 1)
    assert (applied(f"{name}(0.5)", coloured)[0].int() - coloured.int()).abs().max() <= 1


@pytest.mark.parametrize(
    "word",
    ["translate(0)", "rotate(0)", "zoom(0)", "shear(0)", "brightness(0)", "contrast(0)", "saturation(0)", "hue(0)",
     "crop(scale=(1, 1), ratio=(1, 1))", "randaugment(magnitude=0, n=1)"],
)  # fmt: skip
def test_nothing_asked_is_the_identity(word):
    batch = random_batch(40, 3, 9, 12)
    result, _ = applied(word, batch)
    same = (result == batch).flatten(1).all(1)
    # Two of RandAugment's fourteen operations, autocontrast and equalize, have no strength.
    assert same.float().mean() > 0.7 if "randaugment" in word else same.all()


def test_words_apply_in_order():
    batch = random_batch(4, 3, 8, 8)
    labels = torch.arange(4)
    by_hand = generator(3)
    expected = translate(flip(batch, by_hand), by_hand, 2)
    for words in (["flip", "translate(2)"], ["flip translate(2)"]):
        pixels, same = make_augmentation(words)(batch, labels, generator(3))
        assert torch.equal(pixels, expected)
        assert same is labels
    assert torch.equal(make_augmentation([])(batch, labels, generator())[0], batch)


def test_it_says_whether_labels_are_mixed():
    assert make_augmentation(["flip", "mixup"]).mixes
    assert not make_augmentation(["flip", "cutout"]).mixes


def test_what_a_word_needs_and_does_not_get_is_said():
    batch, labels = random_batch(2, 3, 4, 4), torch.arange(2)
    with pytest.raises(ArgumentError, match="how many classes"):
        make_augmentation(["mixup"])(batch, labels, generator())
    with pytest.raises(ArgumentError, match="alternating_flip must know which images"):
        make_augmentation(["alternating_flip"])(batch, labels, generator())


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("flipp", "did you mean 'flip'"),
        ("translate(1, 2, 3)", r"translate takes \(by=0.1, fill=\"reflect\"\); got \(1, 2, 3\)"),
        ("translate(far=3)", r"translate takes .*; got \(far=3\)"),
        ("translate(2, by=3)", "translate takes"),
        ("translate(", "augment"),
        ('translate(fill="sky")', "unknown fill of translate 'sky'"),
        ("translate(-1)", r"augment 'translate\(-1\)': by of translate must be from 0 to 16384; got -1"),
        ("translate(true)", "by of translate must be a number from 0 to 16384; got True"),
        ("translate(1e999)", "by of translate must be"),
        ("rotate(1000)", "degrees of rotate must be from 0 to 180; got 1000"),
        ("zoom(-0.1)", "by of zoom must be"),
        ("shear(3)", "by of shear must be from 0 to 2"),
        ("brightness(1.1)", "by of brightness must be from 0 to 1"),
        ("contrast(-1)", "by of contrast"),
        ("saturation(2)", "by of saturation"),
        ("hue(0.6)", "by of hue must be from 0 to 0.5"),
        ("cutout(0)", "size of cutout must be above 0 and at most 16384; got 0"),
        ("cutout(4, 300)", "fill of cutout must be from 0 to 255"),
        ("cutout(4, 0.5)", "fill of cutout must be a whole number"),
        ("erase(0)", "p of erase must be above 0 and at most 1"),
        ("erase(area=0.3)", r"area of erase must be a pair, \(lowest, highest\); got 0.3"),
        ("crop(scale=(1, 0.5))", r"scale of crop must be \(lowest, highest\); got \(1, 0.5\). Turn them around"),
        ("crop(scale=(0, 1))", "scale of crop must be above 0"),
        ("crop(scale=(0.1, 0.5, 1))", "scale of crop must be a pair"),
        ("mixup(0)", "alpha of mixup must be above 0"),
        ("mixup(targets=3)", "mixup takes"),
        ("cutmix(p=2)", "p of cutmix must be above 0 and at most 1"),
        ("alternating_flip(epoch=1)", "alternating_flip takes"),
        ("randaugment(0)", "n of randaugment must be from 1 to 10"),
        ("randaugment(2.5)", "n of randaugment must be a whole number"),
        ("randaugment(2, 31)", "magnitude of randaugment must be from 0 to 30"),
    ],
)
def test_bad_words_are_named_before_any_image(word, message):
    with pytest.raises(ArgumentError, match=message):
        make_augmentation([word])
