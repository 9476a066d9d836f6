"""`striate export`: what it prints, what programs get, what it refuses."""

import json
from dataclasses import replace

import pytest

from striate.classifier.samples import Samples

pytest.importorskip("onnxruntime", reason="the extra export is not installed")


def test_the_table_and_the_file(striate, digits_run, tmp_path):
    done = striate("export", digits_run / "model.striate", "-o", "m.onnx", "--with-example")
    assert done.exit_code == 0, done.output
    assert "golden images, 7 at once" in done.stdout
    assert "parity: the same class on 100.00 % of" in done.stdout
    assert "m.onnx (" in done.stdout
    assert (tmp_path / "predict.py").exists()


def test_eight_bits_that_are_not_kept_are_said_last(striate, digits_run, monkeypatch):
    monkeypatch.setattr("striate.shipping.int8.LEAST_SPEEDUP", 1e9)
    done = striate("export", digits_run / "model.striate", "-o", "m.onnx", "--int8", "--verify", "digits")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1].endswith("B, float32: eight bits were not kept)")


def test_programs_get_json(as_json, digits_run):
    said = as_json("export", digits_run / "model.striate", "-o", "m.onnx", "--verify", "digits")
    assert said["path"] == "m.onnx"
    assert said["kept"] is True
    assert said["parity"]["top1"] == 1
    assert said["parity"]["images"] > 1797
    assert said["parity"]["largest_difference"] < 1e-4


def test_what_is_refused_has_words_and_no_file(striate, digits_run, tmp_path):
    model = digits_run / "model.striate"
    for arguments, words in (
        (["-o", "m.pt"], "-o must end in .onnx or .html; got 'm.pt'"),
        (["-o", "m.onnx", "--int8"], "--int8 must be judged on labelled images"),
        (["-o", "m.onnx", "--verify", "nowhere"], "nowhere"),
    ):
        done = striate("export", model, *arguments)
        assert done.exit_code == 1
        assert words in done.stderr
    assert not (tmp_path / "m.onnx").exists()


def test_a_refusal_is_json_too(striate, digits_run, tmp_path, monkeypatch):
    monkeypatch.setattr("striate.shipping.verify.LEAST_TOP1", 1.1)
    done = striate("export", digits_run / "model.striate", "-o", "m.onnx", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["kept"] is False
    assert "must answer as the classifier does" in done.stderr
    assert not (tmp_path / "m.onnx").exists()


def test_a_model_without_golden_images_needs_others(striate, digits_model, tmp_path):
    replace(digits_model, samples=Samples()).save(tmp_path / "bare.striate")
    done = striate("export", "bare.striate", "-o", "m.onnx")
    assert done.exit_code == 1
    assert "Give some of its images: --verify SOURCE" in done.stderr
    done = striate("export", "bare.striate", "-o", "app.html", "--verify", "digits")
    assert done.exit_code == 0, done.output
