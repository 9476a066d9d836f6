"""The device that is asked for or found; no more threads than this process may use CPUs."""

import ctypes
import os
import subprocess
import sys

import pytest
import torch

import striate
from striate.errors import ArgumentError
from striate.system import devices
from striate.system.devices import choose_device, fitting_threads, kept_memory, usable_cpus


def test_devices_that_there_are_not():
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ArgumentError, match="device must be one that this machine has, such as cpu; got 'potato'"):
        choose_device("potato")


@pytest.fixture
def many_threads(monkeypatch):
    """torch with eight threads on a process that may use three CPUs."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(devices, "usable_cpus", lambda: 3)
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


def test_threads_fit_for_a_while(many_threads):
    heard = []
    with fitting_threads(heard.append):
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == 8
    assert heard == [f"3 threads instead of 8: this process may use 3 of the machine's {os.cpu_count()} CPUs"]


def test_few_threads_stay_few(many_threads):
    torch.set_num_threads(2)
    heard = []
    with fitting_threads(heard.append):
        assert torch.get_num_threads() == 2
    assert heard == []


def test_what_the_environment_says_is_obeyed(many_threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    with fitting_threads():
        assert torch.get_num_threads() == 8


def test_predicting_gives_the_threads_back(many_threads, digits_model):
    digits_model.predict(striate.read("digits").images[0])
    assert torch.get_num_threads() == 8


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_an_affinity_is_honoured():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    code += "from striate.system.devices import usable_cpus; print(usable_cpus())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)


KEPT = """
from pathlib import Path

import numpy as np

from striate.system.devices import kept_memory


def held():
    \"""Return the resident megabytes after 48 of them were written to and freed.\"""
    np.ones(48 * 2**17)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20


before = held()
with kept_memory():
    inside = held()
    with kept_memory():
        pass
    after_inner = held()
print(before, inside, after_inner, held())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="not the GNU C library")
def test_freed_memory_is_kept_for_a_while_and_given_back_in_the_end():
    """In a process of its own: what other threads and tests have freed is nobody's business here."""
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    before, inside, after_inner, after = map(int, done.stdout.split())
    assert inside > before + 40
    assert after_inner > before + 40, "an inner block ends the outer one"
    assert after < before + 8


def test_an_error_gives_memory_back_too():
    with pytest.raises(ZeroDivisionError), kept_memory():
        raise ZeroDivisionError
    assert devices._keepers.count == 0


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(devices, "_glibc", lambda: None)
    with kept_memory():
        torch.ones(10)
