"""On a system that is not POSIX the main job is done all the same: train, be killed, resume, predict, check."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
TRAIN = ["train", "digits", "--net", "conv(8, 3, pad=1) relu maxpool(2) fc(classes)", "--set", "precision=float32"]
# Each is refused in a process that looks like that of another system.
REFUSED = """
import ctypes, os, signal, sys, tempfile
from pathlib import Path
import numpy as np
from tests import elsewhere
folder = Path(tempfile.mkdtemp())
(folder / "mapped.npy").parent.mkdir(exist_ok=True)
np.save(folder / "mapped.npy", np.zeros(9))
mapped = np.load(folder / "mapped.npy", mmap_mode="r")
opened = open(folder / "opened", "w")
for name in ("free", "read"):
    (folder / name).touch()
elsewhere.hide()

def refused(*kinds):
    def run(job):
        try:
            job()
        except kinds:
            return True
        raise SystemExit(f"{job.__name__} was not refused")
    return run

@refused(ImportError)
def module(): import fcntl
@refused(AttributeError)
def call(): os.geteuid()
@refused(AttributeError)
def number(): signal.SIGHUP
@refused(TypeError)
def library(): ctypes.CDLL(None)
@refused(PermissionError)
def replaced_while_mapped(): os.replace(folder / "free", folder / "mapped.npy")
@refused(PermissionError)
def removed_while_open(): (folder / "opened").unlink()
@refused(PermissionError)
def folder_with_open_file(): folder.rename(folder.with_name(folder.name + "-moved"))
@refused(PermissionError)
def opened_folder(): os.open(folder, os.O_RDONLY)
@refused(OSError)
def synced_for_reading(): os.fsync(os.open(folder / "read", os.O_RDONLY))
@refused(OSError)
def forbidden_name(): (folder / "12:30.txt").touch()
@refused(OSError)
def link(): (folder / "link").symlink_to(folder / "free")
os.replace(folder / "free", folder / "free2")
print("refused")
"""


def environment(folder):
    paths = [str(ROOT), *sys.path]
    own = {"PYTHONPATH": os.pathsep.join(paths), "STRIATE_CACHE": str(folder / "cache"), "PYTHONIOENCODING": "cp1252"}
    return {**os.environ, **own, "OMP_NUM_THREADS": "1"}


def elsewhere(folder, *words):
    command = [sys.executable, "-W", "ignore", "-m", "tests.elsewhere", *map(str, words)]
    return subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="cp1252"
    )


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="what is open is asked of /proc")
def test_what_is_hidden_is_hidden(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", REFUSED], env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.stdout == "refused\n", done.stderr


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="what is open is asked of /proc")
@pytest.mark.slow
def test_the_main_job(tmp_path):
    draw = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for i in range(12):
            pixels = draw.integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / kind / f"{i}.png")
    train = [*TRAIN, "--epochs", 4, "--out", "run"]
    killed = elsewhere(tmp_path, *train)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "checkpoint.safetensors").exists() and killed.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    killed.kill()
    assert "Traceback" not in killed.communicate()[1]
    assert not (tmp_path / "run" / "result.json").exists(), "there is something to go on with"
    predict = ["predict", "run/model.striate", "photos", "--csv", "out.csv"]
    check = ["check", "photos", "-o", "check.html"]
    again = elsewhere(tmp_path, *train, "--resume", ",", *predict, ",", *check, ",", "cache", "--clear")
    _, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert "Traceback" not in said
    result = json.loads((tmp_path / "run" / "result.json").read_text("utf-8"))
    assert result["test_accuracy"] > 0.5
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        assert len(list(csv.reader(file))) == 25
    assert (tmp_path / "check.html").exists()
    assert list((tmp_path / "cache" / "prepared").iterdir()) == []
