"""Predictions averaged over mirror images, shifted and turned copies: the arithmetic, the file, what is said."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import striate
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.views import check_square, logits_over_views, turned_back
from striate.data.tensors import to_batch
from striate.errors import ArgumentError, ModelFileError
from striate.nets import make_module, parse
from striate.observer import Observer
from striate.selection.fit import run_one

VIEWS = ("none", "mirror", "mirror-shift", "turns")
NET = "conv(4, 3) tanh fc(3)"


def setting(channels=3, side=9, count=5, net=NET):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, side, side, channels), np.uint8)
    mean = rng.uniform(90, 150, (channels, side, side)).astype(np.float32)  # a mean image: not its own mirror image
    preprocessing = Preprocessing((side, side), channels, "crop", mean, np.full(channels, 60, np.float32))
    return make_module(parse(net), (channels, side, side)).eval(), images, preprocessing


def published(net, images, preprocessing):
    """The published evaluation (Jordan, airbench, `infer_mirror_translate`) on float pixels."""

    def mirrored(x):
        return 0.5 * net(preprocessing.normalise(x)) + 0.5 * net(preprocessing.normalise(x.flip(-1)))

    x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    side = x.shape[-1]
    padded = F.pad(x, (1,) * 4, "reflect")
    shifted = [mirrored(padded[:, :, i : i + side, i : i + side]) for i in (0, 2)]
    return 0.5 * mirrored(x) + 0.5 * torch.stack(shifted).mean(0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [1, 5])
def test_six_views_are_the_published_ones(channels, count):
    net, images, preprocessing = setting(channels, count=count)
    with torch.inference_mode():
        averaged, alone, _ = logits_over_views(net, to_batch(images), preprocessing, "mirror-shift")
        torch.testing.assert_close(averaged, published(net, images, preprocessing), rtol=1e-5, atol=1e-6)
        assert torch.equal(alone, net(preprocessing.normalise(to_batch(images))))


@pytest.mark.parametrize("views", VIEWS)
def test_constant_images_look_alike_in_every_view(views):
    net, images, preprocessing = setting()
    images[:] = 77
    preprocessing = replace(preprocessing, mean=np.full(3, 100, np.float32))
    with torch.inference_mode():
        torch.testing.assert_close(*logits_over_views(net, to_batch(images), preprocessing, views)[:2])


def test_the_mirror_image_has_the_same_class():
    net, images, preprocessing = setting()
    with torch.inference_mode():
        pixels = to_batch(images)
        one, other = (logits_over_views(net, batch, preprocessing, "mirror") for batch in (pixels, pixels.flip(3)))
    torch.testing.assert_close(one[0], other[0])
    assert not torch.allclose(one[1], other[1])


def test_four_views_are_the_turns_of_numpy():
    net, images, preprocessing = setting()
    with torch.inference_mode():
        lying = [np.ascontiguousarray(np.rot90(images, k, (1, 2))) for k in range(4)]
        alone = [net(preprocessing.normalise(to_batch(one))) for one in lying]
        averaged, first, _ = logits_over_views(net, to_batch(images), preprocessing, "turns")
        torch.testing.assert_close(averaged, torch.stack(alone).mean(0), rtol=1e-5, atol=1e-6)
        assert torch.equal(first, alone[0])
        for one in lying[1:]:  # however an image is given, the answer is the same
            other, *_ = logits_over_views(net, to_batch(one), preprocessing, "turns")
            torch.testing.assert_close(other, averaged, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("views", ["mirror", "mirror-shift", "turns"])
def test_maps_of_views_are_turned_back(views):
    image = torch.arange(16.0).reshape(1, 4, 4)
    mirrored = [image.flip(2) if view % 2 else image for view in range(6)]
    for view, one in enumerate([image.rot90(k, (1, 2)) for k in range(4)] if views == "turns" else mirrored):
        assert torch.equal(turned_back(one, views, view), image), view


def test_only_square_images_are_turned():
    net = make_module(parse("conv(4, 3) fc(3)"), (3, 9, 8)).eval()
    preprocessing = Preprocessing((9, 8), 3, "crop", np.zeros(3, np.float32), np.ones(3, np.float32))
    images = np.zeros((2, 9, 8, 3), np.uint8)
    with pytest.raises(ArgumentError, match="views turns needs square images; the net sees 9×8"):
        logits_over_views(net, to_batch(images), preprocessing, "turns")
    with pytest.raises(ArgumentError, match="needs square images"):
        run_one("xo", "fc(classes)", views="turns", augment=["turns"], epochs=1, size=(12, 10))
    check_square("mirror-shift", (9, 8))


@pytest.mark.parametrize("views", ["mirror-shift", "turns"])
def test_images_of_one_pixel(views):
    net, images, preprocessing = setting(side=1, net="fc(3)")
    with torch.inference_mode():
        torch.testing.assert_close(*logits_over_views(net, to_batch(images), preprocessing, views)[:2])


@pytest.fixture(scope="module")
def model():
    """A model of symmetric pictures, crosses and noughts, with six views."""
    return run_one("xo", "conv(4, 3) relu maxpool(2) fc(classes)", epochs=2, views="mirror-shift", augment=["flip"])


def test_both_accuracies_are_reported(model):
    classifier, test = model.classifier, model.test
    assert test.views == 6
    assert classifier.provenance.test_accuracy_without_views == test.alone.accuracy
    assert f"6 views of each image; without: {100 * test.alone.accuracy:.2f} %" in str(test)
    again = classifier.evaluate("xo")
    assert (again.accuracy, again.alone.accuracy) == (test.accuracy, test.alone.accuracy)
    plain = replace(classifier, views="none").evaluate("xo")
    assert plain.alone is None
    assert np.array_equal(plain.confusion, again.alone.confusion)
    assert again.to_json()["accuracy_without_views"] == plain.accuracy
    assert plain.to_json() | {"accuracy_without_views": None, "views": 1} == plain.to_json()


def test_probabilities_differ_and_sum_to_one(model):
    images = striate.prepare(striate.read("xo")).images[:9]
    found = model.classifier.predict_proba(images, batch_size=4)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)
    assert not np.allclose(found, replace(model.classifier, views="none").predict_proba(images))
    one = model.classifier.predict(images[0])
    np.testing.assert_allclose(one.probabilities, found[0], rtol=1e-4, atol=1e-6)


def test_the_file_keeps_them_and_older_files_have_none(model, tmp_path):
    path = tmp_path / "m.striate"
    model.classifier.save(path)
    assert striate.Classifier.load(path).views == "mirror-shift"
    with zipfile.ZipFile(path) as archive:
        described, tensors = json.loads(archive.read("striate.json")), archive.read("tensors.safetensors")

    def rewritten(described):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("striate.json", json.dumps(described))
            archive.writestr("tensors.safetensors", tensors)
        return striate.Classifier.load(path)

    assert rewritten({key: value for key, value in described.items() if key != "views"}).views == "none"
    for wrong in ("sideways", 3, ["mirror"], None):
        with pytest.raises(ModelFileError, match="unknown views"):
            rewritten(described | {"views": wrong})


def test_what_training_says():
    heard = []
    observer = Observer()
    observer.note = observer.warn = heard.append
    words = {"epochs": 1, "views": "mirror", "observer": observer}
    run_one("xo", "fc(classes)", augment=["flip"], **words)
    assert any("averaged over 2 views of each image, those of each epoch of the image alone" in one for one in heard)
    assert not any("never saw" in one for one in heard)
    run_one("xo", "fc(classes)", **words)
    assert any("mirror images, which training without flip never saw" in one for one in heard)
    for augment, warned in ((["flip"], True), (["turns"], False)):
        heard.clear()
        run_one("xo", "fc(classes)", augment=augment, **words | {"views": "turns"})
        assert any("turned images, which training without" in one for one in heard) == warned
        assert any("averaged over 4 views" in one for one in heard)
    with pytest.raises(ArgumentError, match="unknown views 'miror'; did you mean 'mirror'"):
        run_one("xo", "fc(classes)", views="miror")


def test_a_mirrored_image_of_one_pixel_is_predicted():
    x = np.repeat(np.arange(40, dtype=np.uint8) % 2 * 200, 3).reshape(40, 1, 1, 3)
    model = striate.train((x, np.arange(40) % 2), net="linear", epochs=1)
    mirrored = np.ascontiguousarray(x[:, :, ::-1])  # NumPy leaves the step of an axis of one as it is
    assert np.array_equal(model.predict_proba(mirrored), model.predict_proba(x))
