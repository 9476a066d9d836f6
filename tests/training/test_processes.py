"""Several processes train as one: same images a step, one model, one that ends ends all, and the run can be resumed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import striate

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="finds workers under /proc")]

PLAIN = "conv(8, 3, pad=1) relu maxpool(2) fc(classes)"
NORMED = "conv(8, 3, pad=1) bn relu maxpool(2) dropout(0.2) fc(classes)"


def command(out, net, *words, processes=2):
    torchrun = [str(Path(sys.executable).parent / "torchrun"), "--nproc-per-node", str(processes), "-m", "striate"]
    start = torchrun if processes > 1 else [sys.executable, "-m", "striate"]
    settings = ["--precision", "float32", "--batch-size", "64", "--out", str(out), *words]
    return [*start, "train", "digits", "--net", net, *settings]


def run(*arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command(*arguments, **options), capture_output=True, text=True, env=environment, check=False)


def test_two_processes_learn_what_one_learns(tmp_path):
    done = [run(tmp_path / str(n), PLAIN, "--epochs", "3", processes=n) for n in (1, 2)]
    assert [one.returncode for one in done] == [0, 0], done[1].stderr
    assert "batch-norm is not synchronised" in done[1].stderr
    assert done[1].stdout.count("Accuracy on test set") == 1
    alone, together = (load_file(tmp_path / str(n) / "checkpoint.safetensors") for n in (1, 2))
    assert alone.keys() == together.keys()
    for name in alone:
        np.testing.assert_allclose(together[name], alone[name], rtol=2e-3, atol=2e-4, err_msg=name)


def test_a_killed_worker_ends_all_and_the_run_resumes_in_the_same_bits(tmp_path):
    words = ("--epochs", "150", "--augment", "translate(1)", "--set", "average=0.9")
    assert run(tmp_path / "whole", NORMED, *words).returncode == 0
    killed = tmp_path / "killed"
    started = subprocess.Popen(
        command(killed, NORMED, *words), env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True
    )
    while not (killed / "checkpoint.safetensors").exists():
        assert started.poll() is None, started.communicate()[1]
        time.sleep(0.05)
    os.kill(workers(started.pid)[-1], 9)
    _, words_said = started.communicate()
    assert started.returncode != 0
    assert "--resume" in words_said
    assert not workers(started.pid)
    striate.Classifier.load(killed / "model.striate")
    resumed = run(killed, NORMED, *words, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming" in resumed.stderr
    assert (killed / "model.striate").read_bytes() == (tmp_path / "whole" / "model.striate").read_bytes()


def test_a_batch_must_reach_every_process(tmp_path):
    done = run(tmp_path / "run", PLAIN, "--batch-size", "2")
    assert done.returncode == 1
    assert "batch_size must give each of 2 processes at least two images" in done.stderr


def workers(parent):
    found = subprocess.run(["ps", "--ppid", str(parent), "-o", "pid="], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]
