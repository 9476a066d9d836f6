"""The examples run, and print what their first lines promise."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"
PROMISED = {
    "neurons.py": ["f(-1.5 + A + B)   0  0  0  1", "f(-0.5 + A + B)   0  1  1  1", "f(1 - 2A)         1  1  0  0",
                   "f(0.5 - A - B)    1  0  0  0", " -1.5 0 0 0 1", "-0.9 0 1 1 1", "-2.1 0 0 0 0"],
    "xnor.py": ["of 4,913: 0", "1 0 0 1", "learned                                              1 0 0 1"],
    "propagation.py": ["A (1, 5) · W (5, 5)", "= 12", "de/da = c = 4, de/db = -c = -4, de/dc = a - b = 3", "1 + 3 = 4"],
    "activations.py": ["sigmoid", "0.0: dead units 1 %, 7 %"],
    "initialisation.py": ["zeros   different units: 1,", "xavier  different units: 8,"],
    "windows.py": ["32 − 5", "(6 − 3)/1 + 1 = 4", "(6 − 3 + 2·1)/1 + 1 = 6",
                   "11.5 → 11", "2,352", "120,000", "is never seen", "[[6. 5.]\n [3. 9.]]"],
    "filters.py": ["blur     427×640 pixels"],
    "shift.py": ["4,078 by 1; another digit is nearer for 100%", "shifted by 0: 97.8%", "shifted by 2: 9.7%"],
    "tweaks.py": ["1,252 images to train on, 545 to validate on", "784-50-10                   39,760       1",
                  "five of 500, 25 epochs   1,399,510       2", "three layers of filters     26,585"],
}  # fmt: skip


def run(name: str, *args: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", EXAMPLES / name, *args], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PROMISED)
def test_examples_run(name: str, tmp_path: Path) -> None:
    out = run(name, *{"filters.py": [str(tmp_path)], "tweaks.py": ["--quick"]}.get(name, []))
    for words in PROMISED[name]:
        assert words in out
    if name == "xnor.py":
        assert out.count("1 0 0 1") == 3
    if name == "filters.py":
        assert {path.stem for path in tmp_path.glob("*.png")} == {"photograph", "blur", "sharpen", "outline"}
        with Image.open(tmp_path / "outline.png") as picture:
            assert picture.size == (640, 427)


def test_no_example_is_left_out() -> None:
    mine = {path.name for path in EXAMPLES.glob("*.py")}
    assert set(PROMISED) <= mine
