"""What is wrong with a machine is found, said, and said to be nothing where nothing is."""

import re
import shutil
from types import SimpleNamespace

import pytest

from striate import diagnosis
from striate.errors import ModelFileError
from striate.system import measurements


@pytest.fixture(autouse=True)
def calm(monkeypatch, tmp_path):
    """A machine without a fault: a quiet CPU, free memory and disk, weights at hand, a cache of its own."""
    for name in diagnosis._VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(diagnosis, "busy_cpus", lambda: 0.5)
    monkeypatch.setattr(diagnosis, "memory_free_bytes", lambda: 8 << 30)
    monkeypatch.setattr(
        diagnosis, "kept_weights", lambda name: tmp_path / "x.pth" if name in diagnosis.BACKBONES else None
    )
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 40))
    monkeypatch.setattr(diagnosis.shutil, "which", lambda name: None)


@pytest.fixture
def unmeasured(monkeypatch):
    """No time for the precision."""
    monkeypatch.setattr(diagnosis, "_precision", dict)


def whats(found):
    return " | ".join(f"{one.severity}: {one.what}" for one in found.complaints)


def test_a_machine_without_a_fault_is_ready_and_its_measurement_is_remembered():
    first = diagnosis.diagnose()
    assert (first.ready, first.verdict, first.complaints) == (True, "ready", [])
    assert first.precision["chosen"] in first.precision["seconds"]
    assert not first.precision["remembered"]
    second = diagnosis.diagnose()
    assert second.precision == first.precision | {"remembered": True}
    (kept,) = (one for one in second.caches if one["path"].endswith("measurements.json"))
    assert kept["bytes"] > 0


def test_training_recalls_what_the_doctor_measured(monkeypatch):
    import torch

    from striate.nets import resolve
    from striate.training.engine import timing

    measured = diagnosis.diagnose().precision["seconds"]
    monkeypatch.setattr(timing, "measure_precisions", lambda *_: pytest.fail("measured again"))
    net = resolve("swift_xs", classes=10, channels=3, side=32)
    assert timing.precision_seconds(net, 64, (3, 32, 32), torch.device("cpu"))[1] == measured
    assert measurements.recall("another key") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"env": {"OMP_NUM_THREADS": "512"}, "usable_cpus": lambda: 0}, r"problem: \d+ threads share the 0 CPUs"),
        ({"env": {"OMP_NUM_THREADS": "1"}, "usable_cpus": lambda: 512}, r"hint: OMP_NUM_THREADS is \d+, and"),
        ({"env": {"STRIATE_DATA": "/no/such"}}, "problem: STRIATE_DATA names no folder: /no/such"),
        ({"env": {"STRIATE_WEIGHTS": "/no/such"}}, "problem: STRIATE_WEIGHTS names no folder"),
        ({"busy_cpus": lambda: 64.0}, "hint: other programs keep 64.0 CPUs busy"),
        ({"memory_free_bytes": lambda: 100 << 20}, "problem: only 105 MB of memory are free"),
        ({"kept_weights": lambda name: None}, "hint: no net with published weights is at hand"),
        ({"is_homeless": lambda: True}, "problem: this user has no home folder"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),
)
def test_faults(change, said, monkeypatch, unmeasured):
    for name, value in change.pop("env", {}).items():
        monkeypatch.setenv(name, value)
    for name, value in change.items():
        monkeypatch.setattr(diagnosis, name, value)
    found = diagnosis.diagnose()
    assert re.search(said, whats(found))
    assert found.ready == (not said.startswith("problem"))
    assert all(one.advice for one in found.complaints)
    assert found.verdict != "ready"


def test_a_full_disk_and_a_file_in_the_place_of_the_cache(monkeypatch, tmp_path, unmeasured):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 20))
    assert "only 1.05 MB are free on the disk of the cache" in whats(diagnosis.diagnose())
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").write_text("a file")
    assert "cannot be written" in whats(diagnosis.diagnose())


def test_a_gpu_that_torch_does_not_reach(monkeypatch, unmeasured):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(diagnosis, "choose_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(diagnosis.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert "this machine has an NVIDIA GPU, but torch" in whats(diagnosis.diagnose())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "NVIDIA" not in whats(diagnosis.diagnose())


def test_damaged_weights_are_a_problem(monkeypatch, unmeasured):
    def damaged(name):
        raise ModelFileError(f"{name} is damaged")

    monkeypatch.setattr(diagnosis, "kept_weights", damaged)
    assert "problem: efficientnet_lite0 is damaged" in whats(diagnosis.diagnose())


def test_without_torch_the_rest_is_still_told(monkeypatch):
    complaint = diagnosis.Complaint("problem", "torch cannot be imported: gone", "pip install torch")
    monkeypatch.setattr(diagnosis, "_torch", lambda: ({}, [complaint]))
    found = diagnosis.diagnose()
    assert (found.precision, found.device, found.ready) == ({}, {"name": "none"}, False)
    assert found.extras
