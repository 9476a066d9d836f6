"""The wheel does in an empty environment what it should; `make wheel-test` tries each extra too."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from tests.wheel import JOBS, build, faults, tracked

ROOT = Path(__file__).parent.parent
# For whoever works on Striate: no part of it needs them.
FOR_DEVELOPERS = {"dev", "docs"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_every_extra_has_a_job_that_needs_it():
    assert set(JOBS) == set(PROJECT["optional-dependencies"]) - FOR_DEVELOPERS


def test_the_pythons_are_declared():
    declared = {one.rpartition(" ")[2] for one in PROJECT["classifiers"] if "Python :: 3." in one}
    assert declared == {"3.11", "3.12", "3.13"}
    assert PROJECT["requires-python"] == ">=3.11"


def test_data_of_the_package_are_tracked():
    kinds = {Path(name).suffix for name in tracked()}
    assert {".py", ".html", ".js", ".mjs", ".css", ".toml", ".txt", ".xz"} <= kinds
    assert "striate/py.typed" in tracked()


@pytest.mark.slow
def test_what_a_build_lacks_or_should_not_hold_is_said(tmp_path):
    sdist, wheel = build(tmp_path)
    assert faults(sdist, wheel) == []
    poor = tmp_path / "poor.whl"
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(poor, "w") as archive:
        for name in whole.namelist():
            if name != "striate/py.typed":
                archive.writestr(name, whole.read(name))
        archive.writestr("tests/fixtures/a.png", b"")
    assert faults(sdist, poor) == ["a build holds tests/fixtures/a.png", "poor.whl lacks striate/py.typed"]


@pytest.mark.slow
def test_the_base_alone_does_its_jobs():
    done = subprocess.run(
        [sys.executable, "-m", "tests.wheel", "--extras", ""], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the wheel does what it should" in done.stdout
