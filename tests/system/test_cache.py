"""Where the cache lies, also for a user whom the system knows no home of; and ~ in every path."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from striate.selection.fit import run_one
from striate.system.cache import cache_folder, is_homeless

CODE = """
import os, sys
from striate.cli import main
sys.argv = ["striate", *sys.argv[1:]]
main()
"""


def test_the_cache_may_be_named(monkeypatch, tmp_path):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    assert cache_folder("a", "b") == tmp_path / "a" / "b"
    assert not is_homeless()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STRIATE_CACHE", "~/here")
    assert cache_folder("a") == tmp_path / "here" / "a"


@pytest.mark.parametrize("failure", ["raises", "tells nothing"])
def test_without_a_home_it_is_a_folder_that_passes(monkeypatch, failure):
    def nowhere(name):
        if failure == "raises":
            raise RuntimeError("Could not determine home directory.")
        return "~/.cache/" + name

    monkeypatch.delenv("STRIATE_CACHE")
    monkeypatch.setattr("striate.system.cache.platformdirs.user_cache_dir", nowhere)
    assert is_homeless()
    folder = cache_folder("prepared")
    assert folder.parent.is_dir()
    assert folder == cache_folder("prepared")
    if os.name == "posix":
        assert folder.parent.stat().st_mode & 0o077 == 0, "others could put something there"


# A number that has no entry, and may read what root may: Python itself may lie in root's home.
SOMEONE = (
    "setpriv",
    "--reuid",
    "54321",
    "--clear-groups",
    "--inh-caps",
    "+dac_override",
    "--ambient-caps",
    "+dac_override",
)


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root may become someone else"
)
def test_a_user_without_an_entry_trains():
    images = Path(tempfile.mkdtemp())  # pytest's own folders are closed to others
    images.chmod(0o777)
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "STRIATE_CACHE", "XDG_CACHE_HOME")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [*SOMEONE, sys.executable, "-c", CODE, "train", "digits", "--net", "linear", "--epochs", "1", "--out", "run"],
        env=environment, capture_output=True, text=True, cwd=images, check=False,
    )  # fmt: skip
    shutil.rmtree(images)
    if done.stderr.startswith("setpriv"):
        pytest.skip(f"nobody else may be become here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert "no home folder for a cache" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("--out=~/run",), ("--out", "~/run")])
def test_home_in_options(monkeypatch, tmp_path, arguments):
    from typer.testing import CliRunner

    from striate.cli import app

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    train = ["train", "xo:60", "--net", "linear", "--epochs", "1"]
    assert CliRunner().invoke(app, [*train, *arguments]).exit_code == 0
    assert (tmp_path / "run" / "model.striate").exists()
    assert not (tmp_path / "~").exists()
    (tmp_path / "pics").mkdir()
    from PIL import Image

    for i in range(2):
        Image.new("L", (16, 16), i).save(tmp_path / "pics" / f"{i}.png")
    predict = ["predict", "~/run/model.striate", "~/pics/*.png", "--csv=~/out.csv"]
    done = CliRunner().invoke(app, predict)
    assert done.exit_code == 0, done.output
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


def test_home_in_python(monkeypatch, tmp_path):
    import striate

    monkeypatch.setenv("HOME", str(tmp_path))
    result = run_one("xo:60", "linear", epochs=1, out="~/run")
    assert result.model == tmp_path / "run" / "model.striate"
    result.classifier.save("~/a.striate")
    assert striate.Classifier.load("~/a.striate").classes == striate.load_model(Path("~/a.striate")).classes
