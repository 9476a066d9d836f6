"""What a run looks at to calibrate its model, and that it does so by images that have not trained it."""

from dataclasses import replace

import numpy as np
import pytest

import striate
from striate.data.splitting import split
from striate.observer import Observer
from striate.runs.calibrating import LEAST_TRAIN, MOST_VALID, calibrate, calibration_size


@pytest.fixture(scope="module")
def splits():
    return split(striate.prepare(striate.read("digits")), (0.6, 0.3, 0.1))


def test_large_nets_and_many_classes_look_at_fewer_images(digits_model):
    small = calibration_size(digits_model, 10**6, 10**6)
    assert small.valid == MOST_VALID
    views = calibration_size(replace(digits_model, views="mirror-shift"), 10**6, 10**6)
    assert views.train == small.train
    many = calibration_size(replace(digits_model, classes=tuple(map(str, range(10_000)))), 10**6, 10**6)
    assert many.valid == 2000
    large = replace(digits_model, net=striate.parse("[conv(512, 7, pad=3)]*40 fc(10)"))
    assert calibration_size(large, 10**6, 10**6).train == LEAST_TRAIN
    assert calibration_size(digits_model, 50, 7).valid == 7
    assert calibration_size(digits_model, 50, 7).seconds(1.0) < small.seconds(1.0)
    assert calibration_size(digits_model, 50, 0).total == 50


def test_the_same_images_give_the_same_trust(digits_model, splits):
    first, second = (calibrate(digits_model, splits.train, splits.valid, Observer()).model.trust for _ in range(2))
    said, tensors = first.describe()
    again, others = second.describe()
    assert said == again
    assert tensors.keys() == others.keys()
    for name, value in tensors.items():
        np.testing.assert_array_equal(value, others[name])


def test_the_outputs_are_those_of_the_validation_images(digits_model, splits):
    found = calibrate(digits_model, splits.train, splits.valid, Observer())
    model, told, outputs = found.model, found.told, found.outputs
    judged = model.judge(splits.valid, splits.valid.labels, outputs=outputs)
    assert judged.accuracy == model.judge(splits.valid, splits.valid.labels).accuracy
    assert judged.log_loss == pytest.approx(model.judge(splits.valid, splits.valid.labels).log_loss, rel=1e-5)
    assert told["temperature"]["images"] == len(splits.valid)


def test_without_validation_images_nothing_is_promised(digits_model, splits):
    bare = replace(digits_model, trust=striate.classifier.trust.Trust())
    found = calibrate(bare, splits.train, splits.valid.subset(np.arange(0)), Observer())
    model, told = found.model, found.told
    assert model.trust.scores is None
    assert model.trust.novelty is None
    assert (told["known"]["score"], told["temperature"]["value"], found.outputs) == (None, 1.0, ())


def test_what_was_learned_in_the_end_is_calibrated_as_it_was_before(digits_model, splits):
    """A model that knows the validation images by heart would promise everything by them."""
    labels = {pixels.tobytes(): label for pixels, label in zip(splits.valid.images, splits.valid.labels, strict=True)}
    assert len(labels) > 400

    def too_good(images, **options):
        for block in digits_model.outputs(images, **options):
            known = np.array([labels.get(one.tobytes(), -1) for one in block.pixels])
            logits = np.where(known[:, None] == np.arange(10), 50.0, block.logits).astype(np.float32)
            yield replace(block, logits=logits, alone=logits)

    fitted = replace(digits_model)
    object.__setattr__(fitted, "outputs", too_good)
    flattered = calibrate(fitted, splits.train, splits.valid, Observer()).model.trust
    found = calibrate(fitted, splits.train, splits.valid, Observer(), before=digits_model)
    assert flattered.scores.right.all()
    assert not found.model.trust.scores.right.all()
    assert (found.outputs, found.seen) == ([], {})
    assert "last" not in found.told["known"]["score"]
