"""Eight bits are kept only where they are as accurate and faster; the figures are told either way."""

from dataclasses import replace

import pytest

pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

import striate
from striate.baselines.candidates import fit_baseline
from striate.classifier.samples import Samples
from striate.data.splitting import split
from striate.errors import ArgumentError
from striate.metrics.comparison import Comparison
from striate.shipping.export import ExportOptions, export_model
from striate.shipping.int8 import Int8Trial, Timing, calibration_images, quantise, try_int8
from striate.shipping.onnx.model import make_onnx
from striate.shipping.runtime import OnnxSession


def trial(difference=-0.001, after_ms=1.0):
    comparison = Comparison(difference, (difference - 0.002, difference + 0.002), 0.5, 3, 4)
    return Int8Trial(
        "per channel", 256, comparison, 1000, (900, 899), (Timing(1, 2.0, after_ms), Timing(32, 2.0, 1.0)), 4_000_000,
        1_000_000,
    )  # fmt: skip


def test_it_is_kept_where_it_is_faster_and_as_accurate():
    assert trial().kept
    assert trial().say().endswith("4 MB → 1 MB: kept")
    slow, worse = trial(after_ms=1.95), trial(difference=-0.006)
    assert not slow.kept
    assert not worse.kept
    assert "not worth it here, it is not faster on this machine; the graph is float32" in slow.say()
    assert "it loses more than 0.5 points" in worse.say()
    assert worse.to_json()["kept"] is False


def test_a_net_in_eight_bits_still_knows_most(grays):
    model = make_onnx(grays)[0].SerializeToString()
    held = grays.held_out("digits")
    assert len(calibration_images(grays, held)) == 256
    small, said = try_int8(grays, model, held)
    assert said.images == len(held.labels)
    assert said.comparison.difference > -0.05
    assert (said.before_bytes, said.after_bytes) == (len(model), len(small))
    golden = grays.samples.golden.images
    before, after = (OnnxSession(one).predict(golden) for one in (model, small))
    assert (before.probabilities.argmax(1) == after.probabilities.argmax(1)).mean() > 0.9
    assert (before.known == after.known).mean() > 0.9


def test_it_is_part_of_an_export_and_needs_images(grays, tmp_path):
    with pytest.raises(ArgumentError, match="--int8 must be judged on labelled images; give --verify SOURCE"):
        export_model(grays, tmp_path / "m.onnx", ExportOptions(int8=True))
    exported = export_model(grays, tmp_path / "m.onnx", ExportOptions(verify="digits", int8=True))
    said = exported.to_json()
    assert said["kept"] == exported.int8.kept
    assert said["format"] == ("int8" if said["kept"] else "float32")
    assert any("int8" in note for note in exported.notes)


def test_without_training_images_or_products_it_is_refused(grays):
    held = grays.held_out("digits")
    alone = replace(held, seen=held.seen.subset(held.seen.rows[:0]))
    assert len(calibration_images(grays, alone)) > 16  # those that the model keeps
    with pytest.raises(ArgumentError, match="must be calibrated on at least 16 training images"):
        calibration_images(replace(grays, samples=Samples()), alone)
    parts = split(striate.prepare(striate.read("digits")), seed=0)
    tree = fit_baseline("tree", parts.train, parts.valid)
    with pytest.raises(ArgumentError, match="--int8 needs convolutions or fully connected layers"):
        quantise(make_onnx(tree)[0].SerializeToString(), parts.train.images[:32], per_channel=False)
