# ruff: noqa: E501, PT018, SIM115
"""Runs commands of Striate where they can do no harm: a child process each, with limits, in folders of its own.

One process imports what commands need and forks a child for each command: a child starts in milliseconds, and the
memory that it takes beyond what all of them share is what its command took.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# An attack must stay far below these: they keep the machine alive where one does not.
MOST_BYTES, MOST_CPU_S, MOST_WALL_S, MOST_FILE_BYTES = 6 << 30, 30, 240, 1 << 30
OURS = ("home", "cache", "tmp", "work")


@dataclass(frozen=True)
class Outcome:
    """What became of a command.

    Arguments:
        code: its exit code, or minus the signal that ended it.
        cpu_s: seconds of processor time.
        memory_bytes: at most, beyond what every command starts with.
        disk_bytes: at most, in all folders that it may write to, beyond what was there.
        out, err: what it printed.
        strange: files that are where no command may write, temporary ones that were left, and what attacks would write.
    """

    code: int
    cpu_s: float
    memory_bytes: int
    disk_bytes: int
    out: str
    err: str
    strange: tuple[str, ...]


class Sandbox:
    """The process that forks; `run` gives it one command after the other."""

    def __init__(self) -> None:
        import striate

        sources = str(Path(striate.__file__).parents[1])
        environment = {
            **os.environ,
            "PYTHONPATH": sources,
            "GOMP_SPINCOUNT": "3000",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "200",
        }
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.attacks.sandbox"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def run(self, root: Path, arguments: Sequence[str | os.PathLike[str]]) -> Outcome:
        """Run `striate ARGUMENTS` in `root`/work/here."""
        for name in OURS:
            (root / name).mkdir(parents=True, exist_ok=True)
        before = {str(path) for path in root.rglob("*")}
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps([str(root), [os.fspath(word) for word in arguments]]) + "\n")
        self._server.stdin.flush()
        told = json.loads(self._server.stdout.readline())
        after = {str(path) for path in root.rglob("*")} - before
        texts_at = [root / "tmp" / name for name in ("stdout", "stderr")]
        allowed = tuple(f"{root}{os.sep}{name}{os.sep}" for name in ("home", "cache", "work/here"))
        # torch's compiler makes a folder of its own, empty, whenever an optimiser is built.
        after -= {path for path in after if Path(path).name.startswith("torchinductor")}
        strange = [
            path for path in after - {str(path) for path in texts_at}
            if not path.startswith(allowed) or Path(path).name.startswith(("RAN", "ESCAPED"))
        ]  # fmt: skip
        texts = [path.read_text("utf-8", "replace") for path in texts_at]
        return Outcome(*told, *texts, tuple(sorted(strange)))

    def close(self) -> None:
        """End the process."""
        assert self._server.stdin and self._server.stdout
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(10)


def _serve() -> None:
    """Import what commands import and fork a child for each line of standard input."""
    import importlib

    for name in ("torch", "torch.nn", "sklearn.linear_model", "PIL.Image", "safetensors.numpy", "safetensors.torch",
                 "rich.table", "rich.progress", "jinja2", "matplotlib.figure", "striate.cli", "striate.selection.fit",
                 "striate.data.reading", "striate.classifier.pretrained", "striate.checks.check",
                 "striate.evaluation.report.page"):  # fmt: skip
        try:
            importlib.import_module(name)
        except ImportError:
            print(f"{name} is not there", file=sys.stderr)
    for name in ("pyarrow.parquet", "tifffile"):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    for line in sys.stdin:
        root, arguments = json.loads(line)
        start = _disk_bytes(root)
        child = os.fork()
        if not child:
            _obey(Path(root), arguments)
        print(json.dumps(_watched(child, root, start)), flush=True)


def _obey(root: Path, arguments: list[str]) -> None:
    """Be the command; never returns."""
    code = 70
    try:
        here = root / "work" / "here"
        here.mkdir(parents=True, exist_ok=True)
        os.chdir(here)
        os.environ |= {
            "HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "STRIATE_CACHE": str(root / "cache"), "TERM": "dumb",
        }  # fmt: skip
        os.environ.pop("STRIATE_DATA", None)
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(root / "tmp" / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_BYTES,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S,) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_FILE_BYTES,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        import tempfile

        from striate.cli import main

        tempfile.tempdir = None
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)
        sys.argv = ["striate", *arguments]
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        import atexit

        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _watched(child: int, root: str, disk_before: int) -> list[float]:
    """Wait for a child; return its exit code, seconds, and the most memory and disk that it took."""
    end, most_disk = time.monotonic() + MOST_WALL_S, 0
    memory_before = _memory_bytes(child)
    most_memory = 0
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            break
        most_disk = max(most_disk, _disk_bytes(root) - disk_before)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
    most_memory = used.ru_maxrss * 1024 - memory_before
    most_disk = max(most_disk, _disk_bytes(root) - disk_before)
    code = os.waitstatus_to_exitcode(status)
    return [code, used.ru_utime + used.ru_stime, max(0, most_memory), most_disk]


def _memory_bytes(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return 0


def _disk_bytes(root: str) -> int:
    total = 0
    for folder, _, files in os.walk(root):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue
    return total


if __name__ == "__main__":
    _serve()
