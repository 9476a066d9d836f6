"""The package as its users get it: built, its content checked, and installed where nothing else is.

    python -m tests.wheel                                    # this Python: the base, then each extra
    python -m tests.wheel --python python3.12 --extras ""    # another one, the base alone
    python -m tests.wheel --extras tiff,export

In an environment with the base alone the main jobs are done, and each job that needs an extra is refused with a pip
command. In a copy of it exactly that command is run, and then the job must be done.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parent.parent
NET = "conv(8, 3, pad=1) relu maxpool(2) fc(classes)"
# What the base does by itself, in this order, in one folder.
BASE = (
    ["--version"],
    ["--help"],
    ["train", "digits", "--net", NET, "--epochs", "2", "--out", "run"],
    ["train", "digits", "--net", NET, "--epochs", "2", "--out", "run", "--resume"],
    ["train", "photos", "--budget", "5s", "--out", "ladder", "--recipe", "default"],
    ["evaluate", "run/model.striate", "digits", "--json"],
    ["predict", "run/model.striate", "photos", "--csv", "out.csv"],
    ["check", "photos", "-o", "check.html"],
    ["explain", "run/model.striate", "photos/x/0.png", "-o", "explain.html"],
    ["look", "run/model.striate", "-o", "look.html"],
    ["walk", "run/model.striate", "photos/x/0.png", "-o", "walk.html"],
    ["filter", "photos/x/0.png", "blur", "-o", "blur.png"],
    ["net", "resnet18"],
    ["report", "run"],
    ["runs", "."],
    ["cache"],
)
# One job that each extra is for.
JOBS = {
    "export": ["export", "run/model.striate", "-o", "model.onnx"],
    "parquet": ["predict", "run/model.striate", "photos", "--parquet", "out.parquet"],
    "photos": ["predict", "efficientnet_lite0", "photos", "--csv", "lite0.csv"],
    "ray": ["predict", "run/model.striate", "photos", "--ray", "--csv", "ray.csv"],
    "serve": ["serve", "run/model.striate", "--port", "0"],
    "tensorboard": ["train", "digits", "--net", NET, "--epochs", "1", "--out", "board", "--tensorboard"],
    "tiff": ["train", "bands", "--net", NET, "--epochs", "1", "--out", "banded"],
    "timm": ["net", "timm/levit_128s"],
    "tune": ["tune", "digits", "--net", NET, "--epochs", "1", "--trials", "1", "--out", "tuned"],
}
_COMMAND = re.compile(r"pip install (?:\"[^\"]+\"|[\w-]+)")
_INSTALLED = """
import importlib.metadata as m, json, os
counted = [d for d in m.distributions() if d.name.lower() not in ("pip", "setuptools")]
size = lambda d: sum(os.path.getsize(p) for f in d.files or () if os.path.isfile(p := d.locate_file(f)))
print(json.dumps({d.name: size(d) for d in counted}))
"""
_IMPORT = "import time; begun = time.perf_counter(); import striate; print(time.perf_counter() - begun)"
_OWN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYENV_VERSION", "STRIATE_DATA", "STRIATE_WEIGHTS")


def main() -> None:
    """Build, check and try the package as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="the Python to install for")
    parser.add_argument("--extras", default=",".join(JOBS), help="which extras to try, with commas")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="striate-wheel-") as folder:
        place = Path(folder)
        sdist, wheel = build(place / "dist")
        for line in (
            *faults(sdist, wheel),
            *(f"{file.name}: {file.stat().st_size:,} bytes" for file in (sdist, wheel)),
        ):
            print(line)
        base = install(asked.python, place / "base", wheel)
        print(told(base), _run([base / "bin" / "striate", "--version"], base), sep="\n", end="", flush=True)
        work = make_work(place / "work")
        failed = [*faults(sdist, wheel), *(why for words in BASE if (why := attempt(base, work, words)))]
        print(f"the base alone: {len(BASE)} jobs, {len(failed)} of them fail", flush=True)
        for extra in filter(None, asked.extras.split(",")):
            why = try_extra(base, place / extra, work, extra)
            print(f"extra {extra}: {why or 'refused with its pip command, installed by it, works'}", flush=True)
            failed += [why] if why else []
    if failed:
        sys.exit("\n".join(failed))
    print("the wheel does what it should")


def build(out: Path) -> tuple[Path, Path]:
    """Return an sdist, and a wheel that is built from it."""
    with tempfile.TemporaryDirectory() as folder:
        tools = _environment(sys.executable, Path(folder) / "tools")
        _pip(tools, "install", "build")
        _run([_python(tools), "-m", "build", "--outdir", out, ROOT], folder)
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def faults(sdist: Path, wheel: Path) -> list[str]:
    """Say which files of the package a build lacks, and which of the tests it has."""
    wanted = tracked()
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    lacking = {f"{sdist.name} lacks src/{name}" for name in wanted if f"src/{name}" not in inside}
    lacking |= {f"{sdist.name} lacks {name}" for name in {"README.md", "LICENSE", "pyproject.toml"} - inside}
    lacking |= {f"{wheel.name} lacks {name}" for name in wanted - packed}
    allowed = ("src/striate/", "striate/", "striate-")
    strange = {name for name in inside | packed if "/" in name and not name.startswith(allowed)}
    return sorted(lacking | {f"a build holds {name}" for name in strange - {"src/striate", "src"}})


def tracked() -> set[str]:
    """Return the files of the package, as the repository has them: striate/…"""
    return {name.removeprefix("src/") for name in _run(["git", "ls-files", "src/striate"], ROOT).split("\n") if name}


def install(python: str, folder: Path, wheel: Path) -> Path:
    """Return a new environment that holds the wheel and what it needs, and nothing else."""
    environment = _environment(python, folder)
    _pip(environment, "install", wheel)
    return environment


def told(environment: Path) -> str:
    """Say how many packages an environment has, how large they are and how long importing takes."""
    sizes = sizes_in(environment)
    largest = ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in sorted(sizes.items(), key=lambda x: -x[1])[:5])
    seconds = sorted(float(_run([_python(environment), "-c", _IMPORT], environment)) for _ in range(9))
    version = _run([_python(environment), "-V"], environment).strip()
    return (
        f"{version}: {len(sizes)} packages, {sum(sizes.values()) / 1e6:,.0f} MB ({largest} …); "
        f"import striate: {seconds[4]:.3f} s (median of 9)"
    )


def sizes_in(environment: Path) -> dict[str, int]:
    """Return the bytes of each package of an environment."""
    return json.loads(_run([_python(environment), "-c", _INSTALLED], environment))


def added(base: Path, environment: Path) -> str:
    """Say what an environment has that the base has not."""
    before, after = sizes_in(base), sizes_in(environment)
    more = {name: size for name, size in after.items() if name not in before}
    largest = ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in sorted(more.items(), key=lambda x: -x[1])[:3])
    return f"{len(more)} packages more, {(sum(after.values()) - sum(before.values())) / 1e6:,.0f} MB ({largest})"


def make_work(folder: Path) -> Path:
    """Return a folder with photos of two classes, and with TIFFs of five bands."""
    draw = np.random.default_rng(0)
    for kind, level in (("x", 40), ("y", 160)):
        for i in range(20):
            photo, banded = folder / "photos" / kind / f"{i}.png", folder / "bands" / kind / f"{i}.tiff"
            photo.parent.mkdir(parents=True, exist_ok=True)
            banded.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(level, level + 90, (32, 32, 3), np.uint8)).save(photo)
            banded.write_bytes(_five_bands(draw.integers(level, level + 90, (16, 16, 5), np.uint8)))
    return folder


def _five_bands(pixels: np.ndarray) -> bytes:
    """Return a TIFF of uint8 (h, w, 5), one strip, uncompressed."""
    h, w, bands = pixels.shape
    bits_at, strip_at = 10, 24
    tags = [(256, 4, 1, w), (257, 4, 1, h), (258, 3, bands, bits_at), (259, 3, 1, 1), (262, 3, 1, 1)]
    tags += [(273, 4, 1, strip_at), (277, 3, 1, bands), (278, 4, 1, h), (279, 4, 1, h * w * bands), (284, 3, 1, 1)]
    tags += [(338, 3, 1, 0)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    begun = struct.pack("<2sHIH", b"II", 42, strip_at + pixels.size, 0) + struct.pack("<5H", *[8] * 5)
    return begun.ljust(strip_at, b"\0") + pixels.tobytes() + directory


def attempt(environment: Path, work: Path, words: Sequence[str]) -> str:
    """Do a job; return what went wrong, or nothing."""
    done = _striate(environment, work, words)
    if done.returncode or "Traceback" in done.stderr:
        return f"striate {shlex.join(words)}: exit {done.returncode}: {done.stderr[-2000:]}"
    return ""


def refused(environment: Path, work: Path, extra: str) -> tuple[str, str]:
    """Return (the pip command that the job of an extra is refused with, what is wrong with the refusal)."""
    done = _striate(environment, work, JOBS[extra])
    found = _COMMAND.search(" ".join(done.stderr.split()))
    if done.returncode != 1 or not found or "Traceback" in done.stderr:
        return "", f"{extra}: exit {done.returncode}, no pip command in {done.stderr[-2000:]!r}"
    return found[0], ""


def try_extra(base: Path, folder: Path, work: Path, extra: str) -> str:
    """Install an extra into a copy of the base by the command that is told without it; return what went wrong."""
    command, why = refused(base, work, extra)
    if why:
        return why
    environment = _environment(str(_python(base)), folder)
    before, after = _packages(base), _packages(environment)
    shutil.rmtree(after)
    shutil.copytree(before, after, copy_function=os.link)  # pip replaces files, and does not write into them
    try:
        _pip(environment, *shlex.split(command)[1:])
        print(f"extra {extra}: {added(base, environment)}", flush=True)
        return _served(environment, work) if extra == "serve" else attempt(environment, work, JOBS[extra])
    except subprocess.CalledProcessError as error:
        return f"{extra}: {command} fails: {error.stderr[-2000:]}"
    finally:
        shutil.rmtree(folder)


def _served(environment: Path, work: Path) -> str:
    """Start the service and stop it once it serves."""
    words = [str(_python(environment)), "-m", "striate", *JOBS["serve"]]
    with subprocess.Popen(words, cwd=work, env=_clean(work), stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        said = []
        for line in service.stderr:
            said.append(line)
            if "serving at" in line:
                service.terminate()
        return "" if any("serving at" in line for line in said) else f"serve: {''.join(said)[-2000:]}"


def _striate(environment: Path, work: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [_python(environment), "-m", "striate", *words]
    told = {"capture_output": True, "text": True, "check": False, "timeout": 300, "stdin": subprocess.DEVNULL}
    return subprocess.run(command, cwd=work, env=_clean(work), **told)


def _clean(place: Path) -> dict[str, str]:
    """Return the variables of a user who has set none."""
    kept = {name: value for name, value in os.environ.items() if name not in _OWN}
    return kept | {"STRIATE_CACHE": str(Path(place).parent / "cache"), "COLUMNS": "10000"}


def _environment(python: str, folder: Path) -> Path:
    _run([python, "-m", "venv", folder], folder.parent)
    return folder


def _packages(environment: Path) -> Path:
    return next((environment / "lib").glob("python*/site-packages"))


def _python(environment: Path) -> Path:
    return environment / "bin" / "python"


def _pip(environment: Path, *words: str | Path) -> None:
    """Run pip; the versions are those that are tested together."""
    quiet = ["--quiet", "--disable-pip-version-check", "--constraint", ROOT / "constraints.txt"]
    _run([_python(environment), "-m", "pip", *words, *quiet], environment)


def _run(command: Sequence[str | Path], folder: str | Path) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=_clean(Path(folder)), capture_output=True, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    main()
