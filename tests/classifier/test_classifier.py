import re

import numpy as np
import pytest
from PIL import Image

import striate
from striate.errors import DataError, DecodingError, ShapeError


@pytest.fixture(scope="module")
def digits():
    return striate.prepare(striate.read("digits"))


def test_it_has_learned(digits_model, digits):
    predicted = digits_model.predict_proba(digits).argmax(1)
    assert (predicted == digits.labels).mean() > 0.9


def test_every_form_of_images_gives_the_same(digits_model, digits, tmp_path):
    arrays = digits.images[:5]
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path, array in zip(paths, arrays, strict=True):
        Image.fromarray(array[..., 0]).save(path)
    expected = digits_model.predict_proba(arrays)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(expected.sum(1), 1, rtol=1e-6)
    forms = [
        arrays[..., 0],
        list(arrays),
        paths,
        [str(path) for path in paths],
        [Image.open(path) for path in paths],
        digits.subset(np.arange(5)),
        np.repeat(arrays, 3, axis=3),
    ]
    for form in forms:
        np.testing.assert_allclose(digits_model.predict_proba(form), expected, rtol=1e-5, atol=1e-7)


def test_block_size_does_not_matter(digits_model, digits):
    images = digits.images[:50]
    np.testing.assert_allclose(
        digits_model.predict_proba(images, batch_size=7), digits_model.predict_proba(images), rtol=1e-4, atol=1e-6
    )


def test_images_of_other_sizes_are_fitted(digits_model, digits):
    large = [np.asarray(Image.fromarray(image[..., 0]).resize((64, 80))) for image in digits.images[:60]]
    predicted = [digits_model.predict(image).label for image in large]
    assert np.mean([int(name) == label for name, label in zip(predicted, digits.labels, strict=False)]) > 0.7


def test_one_image_gives_one_prediction(digits_model, digits):
    prediction = digits_model.predict(digits.images[0])
    top = prediction.top(3)
    assert top[0] == (prediction.label, prediction.probability)
    assert [p for _, p in top] == sorted((p for _, p in top), reverse=True)
    assert len(prediction.top(99)) == 10
    assert prediction.to_json(2)["top"] == [list(pair) for pair in prediction.top(2)]


def test_no_images_give_no_predictions(digits_model):
    assert digits_model.predict([]) == []
    assert digits_model.predict_proba(np.zeros((0, 8, 8), np.uint8)).shape == (0, 10)


def test_the_unreadable_image_is_named(digits_model, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("hello")
    with pytest.raises(DecodingError, match=r"broken\.png: "):
        digits_model.predict(broken)


@pytest.mark.parametrize("images", [np.zeros((2, 8, 8)), np.zeros((2, 2, 8, 8, 1), np.uint8)])
def test_arrays_must_be_uint8_images(digits_model, images):
    with pytest.raises(ShapeError, match="images must be uint8"):
        digits_model.predict_proba(images)


class TestEvaluate:
    def test_what_training_saw_is_left_out(self, digits_model):
        evaluation = digits_model.evaluate("digits")
        assert evaluation.total == digits_model.provenance.splits["test"]
        assert evaluation.accuracy == digits_model.provenance.test_accuracy
        assert "were seen in training and are left out" in evaluation.notes[0]

    def test_nothing_new_is_an_error(self, digits_model, digits):
        seen = np.flatnonzero(np.isin(digits.hashes, digits_model.trained_on))
        with pytest.raises(DataError, match="all images were seen"):
            digits_model.evaluate(digits.subset(seen))

    def test_unknown_classes_are_named(self, digits_model):
        with pytest.raises(DataError, match=r"2 classes that the model does not know: o, x"):
            digits_model.evaluate("xo")

    def test_labels_are_matched_by_name(self, digits_model, digits):
        fresh = np.flatnonzero(~np.isin(digits.hashes, digits_model.trained_on))
        images, labels = digits.images[fresh], [digits.classes[i] for i in digits.labels[fresh]]
        keep = np.flatnonzero(np.isin(labels, ["7", "2"]))
        catalog = striate.read((images[keep], np.array(labels)[keep]))
        assert catalog.classes == ("2", "7")
        evaluation = digits_model.evaluate(catalog)
        assert evaluation.accuracy > 0.8
        assert evaluation.total == len(keep)

    def test_unlabelled_images_are_refused(self, digits_model, tmp_path):
        Image.new("L", (8, 8), 3).save(tmp_path / "a.png")
        with pytest.raises(DataError, match="needs a label for every image"):
            digits_model.evaluate(tmp_path)


def test_what_a_prompt_shows_is_short_and_says_what_matters(digits_model, digits):
    subset = digits.subset(np.arange(20))
    assert repr(striate.read("digits")) == "<Catalog of 1,797 images from digits, 10 classes>"
    assert repr(digits) == "<ImageSet of 1,797 images 8×8×1, 10 classes>"
    assert repr(digits_model) == "<Classifier of 10 classes on 8×8×1 images>"
    assert re.fullmatch(r"<Evaluation: accuracy [\d.]+ % \(\d+ / \d+\), .*>", repr(digits_model.evaluate(subset)))
    assert re.fullmatch(r"<Prediction of 00000: \d [\d.]+ %>", repr(digits_model.predict(subset)[0]))
    assert repr(striate.parse("conv(6, 5) relu fc(10)")) == "<Net conv(6, 5) relu fc(10)>"
    table = striate.parse("conv(6, 5) relu fc(10)").table((1, 8, 8))
    assert repr(table) == str(table)
