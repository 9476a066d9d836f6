"""Features are what the net gives to its last layer, the same from the cache as computed."""

import numpy as np
import pytest
import torch

import striate
from striate.classifier.features import extract, extraction_s
from striate.data.preparing import cache
from striate.data.tensors import to_batch
from striate.errors import ArgumentError, ShapeError


@pytest.fixture(scope="module")
def digits():
    return striate.prepare(striate.read("digits")).subset(np.arange(70))


@pytest.fixture(scope="module")
def model(digits_model):
    return digits_model


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def in_float32(monkeypatch):
    """Compute features as precisely on machines whose bfloat16 is faster: what is compared here is the arithmetic."""
    monkeypatch.setattr("striate.classifier.features._half_is_faster", lambda *_: False)


def test_they_are_what_the_last_layer_gets(model, digits, own_cache):
    found = extract(model, digits, batch_size=32)
    assert (found.dtype, found.shape) == (np.float32, (70, 128))
    with torch.inference_mode():
        logits = model.module.layer("3")(torch.from_numpy(found))
    np.testing.assert_allclose(logits.softmax(1).numpy(), model.predict_proba(digits), atol=1e-6)


def test_another_layer_is_averaged_over_its_pixels(model, digits, own_cache):
    with torch.inference_mode():
        batch = model.preprocessing.normalise(to_batch(digits.images))
        maps = model.module.activations(batch, ["1"])["1"].numpy()
    np.testing.assert_allclose(extract(model, digits, layer="1"), maps.mean((2, 3)), rtol=1e-5)
    with pytest.raises(ArgumentError, match="no layer has the path 'conv9'"):
        extract(model, digits, layer="conv9")


def test_they_are_kept_by_content(model, digits, own_cache, monkeypatch):
    first = extract(model, digits)
    monkeypatch.setattr("striate.classifier.features._computed", lambda *_: pytest.fail("computed again"))
    assert np.array_equal(extract(model, digits), first)
    (entry,) = cache.entries()
    assert (entry.images, entry.shape) == (70, (1, 1, 128))
    monkeypatch.undo()
    monkeypatch.setenv("STRIATE_CACHE", str(own_cache))
    assert not np.array_equal(extract(model, digits.subset(np.arange(70)[::-1])), first)
    assert len(cache.entries()) == 2
    assert cache.clear() > 0
    assert cache.entries() == []


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", None])
def test_a_damaged_entry_is_computed_again(model, digits, own_cache, damage):
    first = extract(model, digits)
    (path,) = own_cache.glob("prepared/*/features.npy")
    path.write_bytes(path.read_bytes()[:-3] if damage is None else damage)
    assert np.array_equal(extract(model, digits), first)


def test_batch_norms_are_folded_away(digits, own_cache):
    net = "conv(4, 3, pad='same', stride=2) bn relu residual(conv(4, 3, pad=1, bias=false) bn) relu bn fc(classes)"
    model = striate.train("digits", net, epochs=1, precision="float32")
    with torch.inference_mode():
        expected = model.module.embed(model.preprocessing.normalise(to_batch(digits.images))).numpy()
    np.testing.assert_allclose(extract(model, digits), expected, rtol=1e-4, atol=1e-5)


def test_bfloat16_loses_little(model, digits, own_cache, monkeypatch):
    exact = extract(model, digits, keep=False)
    monkeypatch.setattr("striate.classifier.features._half_is_faster", lambda *_: True)
    rounded = extract(model, digits, keep=False)
    assert rounded.dtype == np.float32
    assert not np.array_equal(rounded, exact)
    np.testing.assert_allclose(rounded, exact, atol=0.03 * exact.max())


def test_other_forms_and_sizes(model, digits, own_cache):
    catalog = striate.read("digits").subset(np.arange(70))
    assert np.array_equal(extract(model, catalog, keep=False), extract(model, digits))
    large = striate.prepare(catalog, (12, 12))
    assert extract(model, large).shape == (70, 128)
    assert extract(model, digits.subset(np.arange(0))).shape == (0, 128)


def test_no_fc_layer_has_no_features(own_cache, digits):
    model = striate.train("digits", "conv(10, 8) flatten", epochs=1, precision="float32")
    with pytest.raises(ShapeError, match="this net has none"):
        extract(model, digits)
    assert extract(model, digits, layer="0").shape == (70, 10)


def test_seconds_are_foreseen_from_a_measurement(model, own_cache):
    assert 0 < extraction_s(model, 100) < extraction_s(model, 100_000)
