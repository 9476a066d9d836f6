"""From labelled images in each of their forms to a saved classifier and predictions, as a user goes."""

import csv
import io
import json
import os
import pickle
import re
import signal
import struct
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits
from tests.data.oddities import EXPECTED, encoded, make_oddities, photo
from typer.testing import CliRunner

import striate
from striate.cli import app

DIGITS = load_digits()
PIXELS, LABELS = (DIGITS.images * 255 / 16).astype(np.uint8), DIGITS.target
QUICK = ("--net", "fc(classes)", "--epochs", 2, "--set", "precision=float32")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    return result


def test_a_folder_of_odd_files(tmp_path):
    make_oddities(tmp_path / "photos" / "odd")
    (tmp_path / "photos/plain").mkdir()
    for i in range(6):
        (tmp_path / f"photos/plain/{i}.png").write_bytes(encoded(photo(seed=10 + i)))
    result = run("train", "photos", *QUICK, "--size", 24, "--out", "run")
    assert "warning: 22 % of the files were skipped; ledger.csv says why for each" in result.stderr
    with open("run/ledger.csv", newline="", encoding="utf-8") as file:
        ledger = {row["name"]: row for row in csv.DictReader(file)}
    for name, (status, detail) in EXPECTED.items():
        assert ledger[f"odd/{name}"]["status"] == status, name
        assert ledger[f"odd/{name}"]["detail"].startswith(detail), name
    used = sum(status != "skipped" for status, _ in EXPECTED.values()) + 6
    parts = striate.Classifier.load("run/model.striate").provenance.splits
    assert sum(parts.values()) == used
    assert len(json.loads(run("predict", "run/model.striate", "photos/plain", "--json").stdout)) == 6


def write_contest(train, test):
    """Write a contest as they are handed out: a table and PNG files to train on, a table of names, a sample."""
    for folder, rows in (("Train", train), ("Test", test)):
        os.mkdir(folder)
        for i in rows:
            with open(f"{folder}/{i}.png", "wb") as file:
                file.write(encoded(PIXELS[i]))
    with open("train.csv", "w", encoding="utf-8-sig") as file:
        file.writelines(["filename,label\n", *(f"{i}.png,{LABELS[i]}\n" for i in train)])
    with open("Test.csv", "w") as file:
        file.writelines(["filename\n", *(f"{i}.png\n" for i in test)])
    with open("Sample_Submission.csv", "w") as file:
        file.writelines(["filename,label\n", *(f"{i}.png,0\n" for i in reversed(test))])


def test_a_contest_in_two_commands():
    test = range(1000, 1200)
    write_contest(range(600), test)
    told = run("train", "train.csv", "--images", "Train", "--split", "70:30", "--net", "fc(64) relu fc(classes)",
               "--epochs", 8, "--batch-size", 32, "--set", "precision=float32", "--seed", 128)  # fmt: skip
    assert "Accuracy on validation set: " in told.stdout
    assert "test set" not in told.stdout
    like = ("--like", "Sample_Submission.csv", "--csv", "submission.csv")
    run("predict", "runs/train-1/model.striate", "Test.csv", "--images", "Test", *like)
    with open("submission.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["filename", "label"]
    assert [name for name, _ in rows[1:]] == [f"{i}.png" for i in reversed(test)]
    right = np.mean([int(label) == LABELS[int(name[:-4])] for name, label in rows[1:]])
    assert right > 0.8


def write_idx():
    os.mkdir("source")
    for stem, rows in (("train", slice(0, 300)), ("t10k", slice(300, 400))):
        images, labels = PIXELS[rows], LABELS[rows].astype(np.uint8)
        with open(f"source/{stem}-images-idx3-ubyte", "wb") as file:
            file.write(struct.pack(">4I", 0x803, *images.shape) + images.tobytes())
        with open(f"source/{stem}-labels-idx1-ubyte", "wb") as file:
            file.write(struct.pack(">2I", 0x801, len(labels)) + labels.tobytes())
    return "source"


def write_npz():
    np.savez("source.npz", x_train=PIXELS[:300], y_train=LABELS[:300], x_test=PIXELS[300:400], y_test=LABELS[300:400])
    return "source.npz"


def write_cifar():
    """The published archive's layout with twenty images a batch: each a digit, enlarged, in three planes."""
    big = np.kron(PIXELS[:120], np.ones((1, 4, 4), np.uint8)).reshape(120, 1, 1024)
    planes = np.repeat(big, 3, axis=1).reshape(120, 3072)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    files = {
        name: {b"data": planes[20 * i : 20 * i + 20], b"labels": LABELS[20 * i : 20 * i + 20].tolist()}
        for i, name in enumerate(names)
    }
    files["batches.meta"] = {b"label_names": [f"digit {i}".encode() for i in range(10)]}
    with tarfile.open("cifar-10-python.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            raw = pickle.dumps(content, 2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return "cifar-10-python.tar.gz"


@pytest.mark.parametrize(("write", "tested"), [(write_idx, 100), (write_npz, 100), (write_cifar, 20)])
def test_sources_with_a_test_split_of_their_own(write, tested):
    source = write()
    told = run("train", source, *QUICK, "--out", "run").stdout
    assert re.search(rf"^Accuracy on test set: \d+\.\d\d% \(\d+ / {tested}\)", told, re.M)
    judged = json.loads(run("evaluate", "run/model.striate", source, "--json").stdout)
    assert judged["total"] == tested
    assert f"({judged['correct']} / {tested})" in told
    assert len(json.loads(run("predict", "run/model.striate", source, "--json").stdout)) >= 100


@pytest.mark.slow
def test_killed_while_training_and_resumed(tmp_path):
    train = ["train", "digits", "--net", "conv(8, 3) relu fc(classes)", "--epochs", "25", "--set", "precision=float32"]
    command = [sys.executable, "-c", "from striate.cli import main; main()", *train, "--out", "run", "--resume"]
    before = 0.0
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while _written("run/checkpoint.safetensors") <= before and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        (tmp_path / "run/.model.striate.killed.tmp").write_bytes(b"half a model")
        before = _written("run/checkpoint.safetensors")
    told = run("train", "--resume", "--out", "run")
    assert re.search(r"resuming run from checkpoint.safetensors: \d+ epochs? and \d+ steps? done", told.stderr)
    with open("run/metrics.jsonl") as file:
        assert [json.loads(line)["epoch"] for line in file] == list(range(1, 26))
    assert striate.Classifier.load("run/model.striate").evaluate("digits").accuracy > 0.9
    assert not list((tmp_path / "run").glob(".*.tmp"))


def _written(path):
    return os.stat(path).st_mtime if os.path.exists(path) else 0.0


@pytest.mark.slow
def test_cifar_10_as_published(real_data):
    archive = real_data / "cifar-10-python.tar.gz"
    if not archive.exists():
        pytest.skip(f"STRIATE_DATA holds no {archive.name}")
    net = "conv(16, 5, stride=2, pad=2) relu maxpool(2) conv(32, 3, pad=1) relu maxpool(2) fc(10)"
    told = run("train", archive, "--net", net, "--epochs", 1, "--batch-size", 128, "--out", "run").stdout
    line = re.search(r"^Accuracy on test set: (\d\d\.\d\d)% \(\d{4} / 10000\)", told, re.M)
    assert line
    assert float(line[1]) > 35


@pytest.mark.slow
def test_fashion_mnist_as_published(real_data):
    folder = real_data / "fashion-mnist"
    if not folder.is_dir():
        pytest.skip("STRIATE_DATA holds no fashion-mnist")
    net = "conv(8, 5, stride=2) relu maxpool(2) fc(classes)"
    run("train", folder, "--net", net, "--epochs", 1, "--out", "run")
    judged = json.loads(run("evaluate", "run/model.striate", folder, "--json").stdout)
    assert judged["total"] == 10_000
    assert judged["accuracy"] > 0.7
    assert "Sneaker" in {row["class"] for row in judged["classes"]}


@pytest.mark.slow
def test_the_digits_contest_as_published(real_data):
    contest = real_data / "identify-the-digits"
    tables = [path for path in contest.rglob("*.csv") if path.name.lower() == "train.csv"]
    if not tables:
        pytest.skip("STRIATE_DATA holds no identify-the-digits")
    run("train", tables[0], "--split", "70:30", "--seed", 128, "--net", "conv(8, 5, stride=2) relu maxpool(2) fc(10)",
        "--epochs", 1, "--out", "run")  # fmt: skip
    provenance = striate.Classifier.load("run/model.striate").provenance
    assert provenance.valid_accuracy > 0.85
    parts = provenance.splits
    assert parts["test"] == 0
    assert sum(parts.values()) == 49_000
    assert 0.69 < parts["train"] / 49_000 < 0.71
