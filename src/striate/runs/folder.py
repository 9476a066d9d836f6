"""The run folder: recipe, net, metrics, ledger, checkpoint and model of one training run, on disk.

run.json               what was asked: source, net, split, fingerprint of the data
recipe.toml, net.txt   the recipe and the sentence of the net, as used
ledger.csv             what became of every file of the source
metrics.jsonl          one line an epoch
health.json            how the net did, layer by layer, when it was last looked at
checkpoint.safetensors the whole state, to resume from
model.striate          the best model so far
result.json            what it came to, written last
report.html            all of it on one page for people
robustness.json        the robustness card, where one was measured, and of which model
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from striate.errors import SourceNotFoundError, StorageError, StriateError, TrainingError
from striate.system.files import write_atomically
from striate.system.locks import Lock

MODEL = "model.striate"
# What a run writes on its way that is nothing to go on from.
_TOLD = ("ledger.csv", "metrics.jsonl", "health.json", "ladder.json")


class RunFolder:
    """One run's folder: what lies where, who may write, what was asked."""

    def __init__(self, path: str | Path):
        self.path = Path(os.path.expanduser(path))
        self._lock = Lock(self.path / ".lock")

    @property
    def model(self) -> Path:
        """Where the best model is."""
        return self.path / MODEL

    @property
    def report(self) -> Path:
        """Where the page for people is."""
        return self.path / "report.html"

    @property
    def recipe(self) -> Path:
        """Where the recipe is."""
        return self.path / "recipe.toml"

    @property
    def net(self) -> Path:
        """Where the sentence of the net is."""
        return self.path / "net.txt"

    def sentence(self) -> str:
        """Return the sentence of the net.

        Raises:
            TrainingError: net.txt is missing or cannot be read.
        """
        try:
            return self.net.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "no UTF-8"
            raise TrainingError(f"{self.net} is damaged ({why}). Start the run anew in another folder") from None

    @property
    def exists(self) -> bool:
        """Whether a run was started here."""
        return (self.path / "run.json").exists()

    @contextmanager
    def held(self, doing: str = "training") -> Iterator[None]:
        """Keep other processes out for the time of a `with` block; a killed process lets go too.

        Arguments:
            doing: what another process is told that this one does.

        Raises:
            TrainingError: another process has the folder.
        """
        made = not self.path.exists()
        self._lock.take(
            TrainingError(f"another process is {doing} in {self.path}. Wait for it or choose another --out"),
            lambda error: StorageError(f"cannot write to {self.path}: {error.strerror}. Choose another --out"),
        )
        for left in self.path.glob(".*.tmp"):  # half-written by a process that was killed
            left.unlink(missing_ok=True)
        begun = self.exists
        try:
            yield
        except Exception:
            if not begun:
                self._forget()
            raise
        finally:
            nothing = {one.name for one in self.path.glob("*")} <= {".lock"}  # came of it: leave nothing behind
            self._lock.release(remove=nothing)
            if nothing and made:
                with suppress(OSError):
                    self.path.rmdir()

    def _forget(self) -> None:
        """Remove what describes a run that failed before it had anything to go on from: another may begin here."""
        if any(self.path.glob("**/*.safetensors")) or self.model.exists():
            return
        for path in (self.path / "run.json", self.recipe, self.net, *(self.path / name for name in _TOLD)):
            with suppress(OSError):
                path.unlink()

    def describe(self, run: dict[str, Any], recipe: str, net: str) -> None:
        """Write what was asked; run.json last, so that a folder with one is whole."""
        write_atomically(self.recipe, recipe)
        write_atomically(self.net, net + "\n")
        write_atomically(self.path / "run.json", json.dumps(run, indent=1, ensure_ascii=False) + "\n")

    def description(self) -> dict[str, Any]:
        """Return what was asked of the run that is here.

        Raises:
            SourceNotFoundError: there is none.
        """
        try:
            with self.understood():
                said = json.loads((self.path / "run.json").read_text("utf-8"))
                if not isinstance(said, dict):
                    raise ValueError
                return said
        except FileNotFoundError:
            raise SourceNotFoundError(
                f"no run in {self.path}. `striate runs` lists those there are, `striate train SOURCE` starts one"
            ) from None

    @contextmanager
    def understood(self, name: str = "run.json") -> Iterator[None]:
        """Say of a file of the run, whose values a `with` block takes for what they should be, that they are not.

        Raises:
            TrainingError: the block fails on a value.
        """
        try:
            yield
        except StriateError:
            raise
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError):
            raise TrainingError(f"{self.path / name} is damaged. Start the run anew in another folder") from None

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write what the run came to; a folder with it holds a run that is finished."""
        write_atomically(self.path / "result.json", json.dumps(result, indent=1) + "\n")

    @property
    def finished(self) -> bool:
        """Whether the run that is here came to its end."""
        return (self.path / "result.json").exists()

    def asked_source(self) -> str | None:
        """Return the source that the run was started with; None if it lay in memory or run.json is damaged."""
        try:
            return self.description()["asked"]["source"]
        except (TrainingError, KeyError, TypeError):
            return None

    def check_same(self, described: Mapping[str, Any], changed: Sequence[str] = ()) -> dict[str, Any]:
        """Return what the run was started with.

        Arguments:
            described: what the data are now.
            changed: what else is known to differ, such as "epochs 3 → 5".

        Raises:
            TrainingError: anything differs; the message names it.
        """
        before = self.description()
        differs = [key for key in ("data", "images", "input", "weights") if before.get(key) != described.get(key)]
        changed = [*changed, *(f"{key} {before.get(key)!r} → {described.get(key)!r}" for key in differs)]
        if changed:
            raise TrainingError(
                f"the run in {self.path} was started otherwise and cannot go on with {'; '.join(changed)}. "
                "Resume with the same command, or start a new run"
            )
        return before


def new_run_folder(source: str, parent: Path = Path("runs")) -> RunFolder:
    """Return a folder `runs/<source>-<number>` that no run uses yet."""
    stem, number = stem_of(source), 1
    while (parent / f"{stem}-{number}").exists():
        number += 1
    return RunFolder(parent / f"{stem}-{number}")


def stem_of(source: str) -> str:
    """Return what a folder is named after a source.

    >>> stem_of("data/My photos.csv"), stem_of("../")
    ('my-photos', 'run')
    """
    return "".join(c if c.isalnum() else "-" for c in Path(source).name.split(".")[0]).strip("-").lower() or "run"


def last_run_folder(source: str | None = None, parent: Path = Path("runs")) -> RunFolder:
    """Return the run folder whose checkpoint was written last; with a source, the last one that trains on it.

    Raises:
        SourceNotFoundError: there is no such run.
    """
    found = [path.parent for path in parent.glob("*/run.json")]
    if source is not None:
        found = [path for path in found if RunFolder(path).asked_source() in (source, str(Path(source).resolve()))]
    if not found:
        of = f" of {source}" if source is not None else ""
        raise SourceNotFoundError(
            f"no run{of} to resume in {parent.resolve()}. Name its folder with --out, or start one without --resume"
        )
    return RunFolder(max(found, key=_last_written))


def _last_written(path: Path) -> float:
    return max(
        (path / name).stat().st_mtime for name in ("run.json", "checkpoint.safetensors") if (path / name).exists()
    )
