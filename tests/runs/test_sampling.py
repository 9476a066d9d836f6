"""What a model keeps of its images: where from, how large, and not at all where it is told so."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

import striate
from striate.classifier.classifier import Classifier
from striate.errors import ModelFileError
from striate.runs.sampling import spread_by_class
from striate.selection.fit import resume


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    model = striate.train("digits", net="conv(8, 3) relu maxpool(2) fc(16) relu fc(classes)", epochs=1, out=out)
    return model, out


def test_golden_images_are_validation_images_of_every_class_with_the_answers_of_the_file(kept):
    loaded = Classifier.load(kept[1] / "model.striate")
    golden = loaded.samples.golden
    assert set(golden.labels) == set(range(10))
    np.testing.assert_array_equal(loaded.predict_proba(golden.images), golden.probabilities)
    data = striate.read("digits")
    assert all((data.images == image).all((1, 2, 3)).any() for image in golden.images)


def test_remembered_images_are_training_images_with_what_the_model_sees_of_them(kept):
    memory = kept[0].samples.memory
    block = next(replace(kept[0], views="none").outputs(memory.thumbnails, features=True))
    n = block.stop
    np.testing.assert_allclose(memory.features[:n], block.features["last"], rtol=1e-2, atol=1e-2)
    assert len(memory.names) == len(memory.labels) == len(memory.thumbnails) <= 400
    data = striate.read("digits")
    places = {name: i for i, name in enumerate(data.names)}
    for name, image, label in zip(memory.names[:20], memory.thumbnails, memory.labels, strict=False):
        np.testing.assert_array_equal(data.images[places[name]], image)
        assert data.labels[places[name]] == label


def test_of_large_images_only_small_copies_are_remembered():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (60, 64, 96, 3), np.uint8)
    labels = np.arange(60) % 2
    images[labels == 1] //= 2
    estimator = striate.ImageClassifier(net="linear").fit(images, labels)
    memory = estimator.classifier_.samples.memory
    assert memory.thumbnails.shape[1:] == (32, 48, 3)
    assert memory.features.shape[1] == 0


def test_no_samples_stays_so_when_a_run_is_gone_on_with(tmp_path):
    model = striate.train("digits", net="fc(classes)", epochs=1, out=tmp_path / "run", samples=False)
    assert model.samples.golden is model.samples.memory is None
    again = resume(tmp_path / "run").classifier
    assert again.samples.golden is again.samples.memory is None
    assert json.loads((tmp_path / "run" / "run.json").read_text())["samples"] is False


@pytest.mark.parametrize(
    ("labels", "most"), [([0] * 50 + [1] * 2 + [2] * 9, 12), ([0, 1, 2, 3], 2), ([], 5), ([3] * 4, 9)]
)
def test_every_class_has_its_share(labels, most):
    labels = np.array(labels, np.int64)
    chosen = spread_by_class(labels, most)
    assert len(chosen) == min(most, len(labels))
    assert len(set(chosen.tolist())) == len(chosen)
    counts = np.bincount(labels[chosen], minlength=4)
    if len(labels) == 61:
        assert counts.tolist() == [5, 2, 5, 0]


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("samples.golden.labels", lambda x: x + 99, "labels of kept samples"),
        ("samples.golden.images", lambda x: x[:, :3], "golden images must be"),
        ("samples.golden.probabilities", lambda x: x * np.nan, "golden answers must be finite"),
        ("samples.memory.features", lambda x: x[:4], "equally many"),
        ("samples.memory.features", lambda x: x.astype(np.float32), "float16"),
        ("samples.memory.thumbnails", None, "not whole"),
    ],
)
def test_a_file_with_samples_that_do_not_fit_is_refused(kept, tmp_path, name, change, says):
    from safetensors.numpy import load, save

    path, made = kept[1] / "model.striate", tmp_path / "made.striate"
    with zipfile.ZipFile(path) as archive:
        text, tensors = archive.read("striate.json"), load(archive.read("tensors.safetensors"))
    if change:
        tensors[name] = np.ascontiguousarray(change(tensors[name]))
    else:
        del tensors[name]
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("striate.json", text)
        archive.writestr("tensors.safetensors", save(tensors))
    with pytest.raises(ModelFileError, match=says):
        Classifier.load(made)
