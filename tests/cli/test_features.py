"""`striate features`: the file it writes, and what it says of nonsense."""

import csv

import numpy as np

from striate.classifier.classifier import Classifier
from striate.classifier.features import extract


def test_npz(as_json, digits_run, tmp_path):
    said = as_json("features", digits_run / "model.striate", "digits", "-o", tmp_path / "f.npz")
    assert (said["images"], said["features"], said["classes"]) == (1797, 128, 10)
    with np.load(tmp_path / "f.npz") as file:  # no pickles
        assert file["features"].dtype == np.float32
        assert file["features"].shape == (1797, 128)
        assert file["labels"].shape == file["names"].shape == file["splits"].shape == (1797,)
        assert list(file["classes"]) == [str(i) for i in range(10)]
        assert str(file["made_by"]).startswith("striate features ")
        model = Classifier.load(digits_run / "model.striate")
        import striate

        expected = extract(model, striate.prepare(striate.read("digits")))
        assert np.array_equal(file["features"], expected)


def test_csv_of_another_layer_and_photos(striate, digits_run, photos, tmp_path):
    result = striate("features", digits_run / "model.striate", photos, "-o", tmp_path / "f.csv", "--layer", "0")
    assert result.exit_code == 0, result.output
    assert "24 images × 8 features" in result.stdout
    rows = list(csv.reader((tmp_path / "f.csv").read_text("utf-8").splitlines()))
    assert rows[0][:4] == ["name", "label", "split", "f0"]
    assert len(rows) == 25
    assert {row[1] for row in rows[1:]} == {"day", "night"}


def test_nonsense_ends_in_a_sentence(striate, digits_run, tmp_path):
    model = digits_run / "model.striate"
    for arguments, said in (
        ((model, "digits", "-o", "f.txt"), "must be an .npz or .csv file"),
        ((model, "digits", "--layer", "nine"), "no layer has the path 'nine'"),
        ((model, "digits", "--size", "16"), "size must be 8×8"),
        (("lenet", "digits"), "lenet has no published weights"),
        (("no.striate", "digits"), "no model file no.striate"),
    ):
        result = striate("features", *arguments)
        assert result.exit_code == 1, result.output
        assert said in " ".join(result.stderr.split()), result.stderr
        assert "Traceback" not in result.output
