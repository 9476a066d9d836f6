"""Several processes train as one: same images a step, one model, one that ends ends all, and the run can be resumed."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import striate
from striate.errors import ArgumentError
from striate.nets import make_module, parse
from striate.system import processes as together
from striate.system.processes import joined, own_device
from striate.training.engine.learner import synchronise_norms

CPU, CUDA = torch.device("cpu"), torch.device("cuda")

linux = pytest.mark.skipif(sys.platform != "linux", reason="asks ps for the workers")

PLAIN = "conv(8, 3, pad=1) relu maxpool(2) fc(classes)"
RESIDUAL = (
    "conv(8, 3, pad=1) bn relu residual(conv(8, 3, pad=1) bn dropout(0.2)) relu maxpool(2) dropout(0.2) fc(classes)"
)
WHITENED = "whiten(2) gelu conv(8, 3, pad=1) relu globalavg fc(classes)"
EVEN = ("--balance", "draw", "--metric", "macro-f1")
EARLY = ("--set", "whiten_until=0.5", "--set", "small_until=0.3")


def command(out, net, *words, processes=2):
    torchrun = [str(Path(sys.executable).parent / "torchrun"), "--nproc-per-node", str(processes), "-m", "striate"]
    start = torchrun if processes > 1 else [sys.executable, "-m", "striate"]
    settings = ["--set", "precision=float32", "--batch-size", "64", "--out", str(out), *words]
    return [*start, "train", "digits", "--net", net, *settings]


def run(*arguments, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command(*arguments, **options), capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
@linux
@pytest.mark.parametrize(
    ("net", "words"), [(PLAIN, ()), (WHITENED, EARLY), (PLAIN, EVEN)], ids=["plain", "whitened", "even"]
)
def test_two_processes_learn_what_one_learns(tmp_path, net, words):
    done = [run(tmp_path / str(n), net, "--epochs", "3", *words, processes=n) for n in (1, 2)]
    assert [one.returncode for one in done] == [0, 0], done[1].stderr
    assert "batch-norm is not synchronised" in done[1].stderr
    assert done[1].stdout.count("Accuracy on test set") == 1
    alone, together = (load_file(tmp_path / str(n) / "checkpoint.safetensors") for n in (1, 2))
    assert alone.keys() == together.keys()
    for name in alone:
        np.testing.assert_allclose(together[name], alone[name], rtol=2e-3, atol=2e-4, err_msg=name)


@pytest.mark.slow
@linux
def test_a_killed_worker_ends_all_and_the_run_resumes_in_the_same_bits(tmp_path):
    words = ("--epochs", "150", "--augment", "translate(1) mixup", "--set", "average=0.9")
    assert run(tmp_path / "whole", RESIDUAL, *words).returncode == 0
    killed = tmp_path / "killed"
    started = subprocess.Popen(
        command(killed, RESIDUAL, *words), env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True
    )
    while not (killed / "checkpoint.safetensors").exists():
        assert started.poll() is None, started.communicate()[1]
        time.sleep(0.05)
    time.sleep(random.uniform(0, 2))  # any step will do
    os.kill(workers(started.pid)[-1], 9)
    _, words_said = started.communicate()
    assert started.returncode != 0
    assert "--resume" in words_said
    assert not workers(started.pid)
    striate.Classifier.load(killed / "model.striate")
    resumed = run(killed, RESIDUAL, *words, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "resuming" in resumed.stderr
    assert (killed / "model.striate").read_bytes() == (tmp_path / "whole" / "model.striate").read_bytes()


@pytest.mark.slow
@linux
def test_a_batch_must_reach_every_process(tmp_path):
    done = run(tmp_path / "run", PLAIN, "--batch-size", "2")
    assert done.returncode == 1
    assert "batch_size must give each of 2 processes at least two images" in done.stderr


def workers(parent):
    found = subprocess.run(["ps", "--ppid", str(parent), "-o", "pid="], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


@pytest.fixture
def second_of_two(monkeypatch):
    """What torchrun says to the second of two processes, and a record of what is asked of CUDA and of the group."""
    for name, value in {"WORLD_SIZE": 2, "RANK": 1, "LOCAL_RANK": 1}.items():
        monkeypatch.setenv(name, str(value))
    asked = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: asked.append(str(device)))
    monkeypatch.setattr(together.dist, "init_process_group", lambda backend, **more: asked.append((backend, more)))
    monkeypatch.setattr(together.dist, "get_rank", lambda: 1)
    monkeypatch.setattr(together.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(together.dist, "destroy_process_group", lambda: asked.append("left"))
    return asked


def test_every_process_has_a_gpu_of_its_own(second_of_two, monkeypatch):
    device = own_device(CUDA)
    assert device == torch.device("cuda", 1)
    with joined(device) as processes:
        assert (processes.rank, processes.count, processes.first) == (1, 2, False)
    assert second_of_two == ["cuda:1", ("nccl", {"device_id": device}), "left"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ArgumentError, match=r"process 1 of this machine has none, there are 1\. Start torchrun with"):
        own_device(CUDA)


def test_cpus_talk_over_gloo(second_of_two):
    assert own_device(CPU) == CPU
    with joined(CPU):
        pass
    assert second_of_two == [("gloo", {}), "left"]


def test_one_process_joins_nobody():
    assert own_device(CUDA) == CUDA
    with joined(CPU) as processes:
        assert processes.count == 1


@pytest.mark.parametrize("training", [False, True])
def test_synchronised_norms_are_the_same_norms(training):
    net = parse("conv(4, 3) bn(gain=false, momentum=0.4) relu fc(6) bn relu fc(3)")
    plain, synchronised = (make_module(net, (3, 8, 8), seed=1).train(training) for _ in range(2))
    synchronise_norms(synchronised)
    assert [type(part) for part in synchronised.modules()].count(torch.nn.SyncBatchNorm) == 2
    images = torch.randn(16, 3, 8, 8)
    assert torch.equal(synchronised(images), plain(images))  # alone there is nobody to ask
    assert plain.state_dict().keys() == synchronised.state_dict().keys()
    for name, value in plain.state_dict().items():
        assert torch.equal(synchronised.state_dict()[name], value), name
