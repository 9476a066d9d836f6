"""What README shows is run."""

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner

import striate
from striate.cli import app

README = Path(__file__).parent.parent / "README.md"


def blocks():
    return re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.S)


def test_python_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks():
        exec(compile(block, str(README), "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert re.match(r"\[\('0', [01]\.\d+\), ", printed[0])
    assert re.match(r"accuracy \d+\.\d\d % \(\d+ / 210\), 95 % interval", printed[1])
    assert (tmp_path / "digits.striate").exists()


@pytest.mark.parametrize("target", ["demo", "test", "lint", "test-all", "bench"])
def test_make_targets_exist(target):
    makefile = (README.parent / "Makefile").read_text("utf-8")
    assert f"make {target}" in README.read_text("utf-8")
    assert re.search(rf"^{target}:", makefile, re.M)


def commands():
    """Return the words of README's `striate …` lines, in order, with budgets and epochs that a test can afford."""
    lines = re.findall(r"^ {4}(striate .*)$", README.read_text("utf-8"), re.M)
    shorter = [re.sub(r"--budget \w+", "--budget 6s", re.sub(r"--epochs \d+", "--epochs 2", line)) for line in lines]
    return [shlex.split(line, comments=True)[1:] for line in shorter]


def draw(shape, side, seed):
    """Return a picture of a disc or a square, somewhere, on noise."""
    rng = np.random.default_rng(seed)
    picture = Image.fromarray(rng.integers(0, 120, (side, side, 3), np.uint8))
    x, y = rng.integers(1, side // 2, 2)
    getattr(ImageDraw.Draw(picture), {"cat": "ellipse", "dog": "rectangle"}[shape])(
        (x, y, x + side // 3, y + side // 3), fill=tuple(rng.integers(140, 256, 3))
    )
    return picture


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """A folder with what README's commands name: photos/, new/, cat.jpg, three.png, a model of the digits."""
    monkeypatch.chdir(tmp_path)
    for number, shape in ((n, shape) for shape in ("cat", "dog") for n in range(24)):
        (tmp_path / "photos" / shape).mkdir(parents=True, exist_ok=True)
        draw(shape, 24, 2 * number + (shape == "dog")).save(tmp_path / "photos" / shape / f"{number}.png")
    (tmp_path / "new").mkdir()
    draw("dog", 24, 1000).save(tmp_path / "new" / "1.png")
    draw("cat", 64, 1001).save(tmp_path / "cat.jpg")
    Image.fromarray(striate.read("digits").images[3].squeeze(2)).save(tmp_path / "three.png")
    striate_command("train", "digits", "--net", "swift_xs", "--epochs", "1", "--out", "runs/digits-1")
    return tmp_path


def striate_command(*words, codes=(0,)):
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code in codes, f"striate {shlex.join(words)}: {done.output} {done.exception!r}"
    return done.output


def test_commands_run_in_their_order(at_home):
    served = []
    for words in commands():
        if words[0] == "serve":
            served.append(words)
            continue
        striate_command(*words, codes=(0, 3) if words[0] == "check" else (0,))  # 3: something serious was found
    for name in ("app.html", "model.onnx", "explain.html", "look.html", "walk.html", "outline.png"):
        assert (at_home / name).stat().st_size, name
    (words,) = served
    command = [sys.executable, "-m", "striate", *words, "--port", "0"]
    with subprocess.Popen(command, cwd=at_home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as service:
        assert service.stdout
        assert any("http://" in line for line in service.stdout)
        service.send_signal(signal.SIGINT)
        assert service.wait(60) == 0
