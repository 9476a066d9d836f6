"""Fixtures that many tests share: a cache of their own, a small trained model, the real data where there are any."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch
from hypothesis import settings

import striate
from striate.errors import MissingExtraError
from striate.nets.modules.timm_models import import_timm
from striate.selection.fit import run_one

# An example that takes long on a busy machine is no failure.
settings.register_profile("striate", deadline=None)
settings.load_profile("striate")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Keep the tests away from the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRIATE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _few_threads():
    """Compute with two threads, or with one where other tests run beside these."""
    beside = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1
    torch.set_num_threads(1 if beside else min(2, os.cpu_count() or 1))


@pytest.fixture(autouse=True, scope="session")
def _nothing_at_hand():
    """Let ladder and checks find no published weights, whatever is installed: their own tests lend them nets."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("striate.nets.zoo.downloads.BACKBONES", ())
        yield


@pytest.fixture(scope="module")
def patient_clock():
    """Let budgets count half the seconds that this process computes: what else the machine does costs them nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "perf_counter", lambda: time.process_time() / 2)
        yield


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """A quickly trained model of the digits, in its run folder."""
    out = tmp_path_factory.mktemp("digits") / "run"
    net = "conv(8, 3, pad=1) relu maxpool(2) fc(classes)"
    run_one("digits", net, epochs=12, learning_rate=0.01, precision="float32", out=out)
    return out


@pytest.fixture(scope="session")
def digits_model(digits_run):
    """The classifier of `digits_run`, as loaded from its file."""
    return striate.Classifier.load(digits_run / "model.striate")


@pytest.fixture(scope="session")
def real_data():
    """The folder of published data sets that STRIATE_DATA names; tests that need it skip where it is not set."""
    folder = os.environ.get("STRIATE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("STRIATE_DATA names no folder of published data sets")
    return Path(folder)


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a file system of its own of 400 kB; tests that need it skip where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not shutil.which("mount"):
        pytest.skip("this system has no mount")
    asked = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "none", folder], check=False, capture_output=True, text=True
    )
    if asked.returncode:
        pytest.skip(f"no file system may be mounted here: {asked.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="session")
def timm():
    """The module timm; tests of real timm models skip where it is not there, or has no torchvision that runs."""
    try:
        return import_timm()
    except MissingExtraError as why:
        pytest.skip(str(why))


@pytest.fixture(scope="module")
def browser():
    """Chromium, driven by playwright; tests skip where either is missing.

    Of one module: while it is open, its event loop is in the way of others.
    """
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed, which drives the browser")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not chromium:
        pytest.skip("Chromium is not installed")
    with api.sync_playwright() as play:
        camera = [f"--use-fake-{what}-for-media-stream" for what in ("device", "ui")]
        opened = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", *camera])
        yield opened
        opened.close()
