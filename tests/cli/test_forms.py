"""The forms that other tools write are trained on, predicted and judged like folders."""

import csv

import pytest
from tests.data import forms

FILES = forms.class_folders(n=20)


def zipped(root):
    return forms.write_zip(root / "set.zip", FILES)


def packed(root):
    return forms.write_tar(root / "set.tar.gz", FILES, "w:gz")


def shards(root):
    forms.write_tar(root / "set" / "train-0.tar", forms.samples(40))
    forms.write_tar(root / "set" / "test-0.tar", forms.samples(10, 50))
    return root / "set"


def hub(root):
    pytest.importorskip("pyarrow")
    rows = [{**row, "patient": i // 4} for i, row in enumerate(forms.hub_rows(40))]
    return forms.write_parquet(root / "set.parquet", rows, ("cat", "dog"))


@pytest.mark.parametrize("make", [zipped, packed, shards, hub])
def test_train_predict_and_evaluate(make, as_json, striate, tmp_path):
    source = make(tmp_path)
    trained = as_json("train", source, "--net", "linear", "--epochs", 3, "--size", 8, "--out", "run", "--seed", 1)
    assert trained["test_accuracy"] == 1
    with open(tmp_path / "run" / "ledger.csv", newline="") as file:
        assert {row["status"] for row in csv.DictReader(file)} == {"used"}
    predicted = as_json("predict", trained["model"], source)
    assert len(predicted) >= 40
    assert len({row["class"] for row in predicted}) == trained["classes"]
    assert as_json("evaluate", trained["model"], source)["accuracy"] == 1


def test_groups_by_a_column_of_parquet_and_by_names_in_an_archive(as_json, tmp_path):
    for source, by, count in ((hub(tmp_path), "patient", 10), (zipped(tmp_path), r"(\w+/\d)", 2)):
        options = ["--net", "linear", "--epochs", 1, "--size", 8, "--out", f"run-{count}", "--groups", by]
        assert as_json("train", source, *options)["groups"]["count"] == count


@pytest.mark.parametrize("name", ["../x.png", "/x.png"])
def test_tricks_are_one_line_and_exit_code_1(name, striate, tmp_path):
    result = striate("train", forms.write_zip(tmp_path / "bad.zip", {**FILES, name: b"x"}), "--out", "run")
    assert result.exit_code == 1
    assert "bad.zip: its member" in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "run").exists()
