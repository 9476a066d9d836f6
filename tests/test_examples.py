"""The examples run, and print what their first lines promise."""

import re
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
                   "11.5 → 11", "2,352", "120,000", "is never seen", "[[6. 5.]\n [3. 9.]]",
                   "(7 − 2)/2 + 1 = 3.5 → 4", "(4 − 2)/2 + 1 = 2", "1×28×28  (32 − 5)/1 + 1 = 28          76"],
    "filters.py": ["blur     214×320 pixels"],
    "x_or_o.py": ["3×7×7   (9 − 3)/1 + 1 = 7", "the X itself gives  1 5/9 5/9 1 · 1 5/9 5/9 5/9 · 5/9 1 1 5/9",
                  "(0.9 + 0.87 + 0.96 + 0.89 + 0.94)/5 = 4.56/5 = 0.9120 → 0.91",
                  "(0.65 + 0.45 + 0.44 + 0.53)/4 = 2.07/4 = 0.5175 → 0.51",
                  "0.9 0.65 0.45 0.87 0.96 0.73 0.23 0.63 0.44 0.89 0.94 0.53"],
    "templates.py": ["the same from the net: True"],
    "alexnet.py": ["227×227×3 → 55×55×96 → 27×27×96 → 27×27×256 → 13×13×256 → 13×13×384 → 13×13×384 → 13×13×256"
                   " → 6×6×256 → 4096 → 4096 → 1000\nas published: True", "(224 − 11)/4 + 1 = 54.25 → 54"],
    "overfitting.py": ["50 images to learn from, 1,747 others"],
    "shift.py": ["4,078 by 1; another digit is nearer for 100%", "shifted by 0: 97.8%", "shifted by 2: 9.7%"],
    "tweaks.py": ["1,252 images to train on, 545 to validate on", "784-50-10                   39,760       1",
                  "five of 500, 25 epochs   1,399,510       2", "three layers of filters     26,585"],
}  # fmt: skip


# What a script is given: most write pictures into a folder.
GIVEN = {"neurons.py": [], "propagation.py": [], "windows.py": [], "tweaks.py": ["--quick"]}


def run(name: str, *args: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", EXAMPLES / name, *args], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PROMISED)
def test_examples_run(name: str, tmp_path: Path) -> None:
    out = run(name, *GIVEN.get(name, [str(tmp_path)]))
    for words in PROMISED[name]:
        assert words in out
    if name == "xnor.py":
        assert out.count("1 0 0 1") == 3
    if name == "filters.py":
        assert {path.stem for path in tmp_path.glob("*.png")} == {"photograph", "blur", "sharpen", "outline"}
        with Image.open(tmp_path / "outline.png") as picture:
            assert picture.size == (320, 214)
    drawn = [path for path in tmp_path.iterdir() if path.suffix in (".png", ".svg")]
    assert bool(drawn) == (name not in GIVEN)
    assert all(path.stat().st_size < 200_000 for path in drawn)
    if name in MEASURED:
        MEASURED[name](out)


def percents(line: str) -> list[float]:
    return [float(number) for number in re.findall(r"([\d.]+) ?%", line)]


def row(out: str, name: str) -> list[float]:
    """Return the percents of the line that begins with a name."""
    (line,) = [line for line in out.splitlines() if line.startswith(name)]
    return percents(line)


def check_x_or_o(out: str) -> None:
    shifted, turned, thick, new = (row(out, name) for name in ("shifted", "turned", "thickened", "new ones"))
    assert shifted == [100, 100, 100]
    assert 50 < turned[0] < 100
    assert thick[0] < 50  # thin features do not fit thick strokes; the page says so
    assert new[0] < 75
    assert turned[1] == thick[1] == 100  # those that ask for nothing beside a stroke do
    assert new[1] > 99
    assert min(turned[2], thick[2], new[2]) > 99


def check_activations(out: str) -> None:
    right, much, too_much = (row(out, f"learning rate {rate}") for rate in (0.4, 1.0, 1.5))
    assert max(right[:2]) < 10
    assert right[2] > 99
    assert much[0] > 25
    assert much[2] > 95
    assert too_much[2] < 50


def check_initialisation(out: str) -> None:
    spread = {tuple(line.split()[:2]): [float(s) for s in line.split()[2:]] for line in out.splitlines()[1:13]}
    first, *_, last = spread["relu", "he"]
    assert 0.5 < last / first < 2
    assert spread["relu", "gaussian(0.01)"][-1] < 1e-6
    assert spread["relu", "gaussian(1)"][-1] > 1e6
    assert spread["relu", "xavier"][-1] < 0.1


def check_overfitting(out: str) -> None:
    gaps = {line.split()[0]: float(line.split()[-2]) for line in out.splitlines() if line.endswith(" points")}
    assert gaps["neither"] > max(gaps["augmentation"], gaps["both"])
    assert row(out, "neither ")[0] == 100
    (beyond,) = re.findall(r"^augmentation +\+.*: (.*)$", out, re.M)
    assert all(float(points) > 0 for points in beyond.split())


def check_templates(out: str) -> None:
    assert row(out, "step 300")[0] > 90


MEASURED = {
    "x_or_o.py": check_x_or_o, "activations.py": check_activations, "initialisation.py": check_initialisation,
    "overfitting.py": check_overfitting, "templates.py": check_templates,
}  # fmt: skip


def test_no_example_is_left_out() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PROMISED)
