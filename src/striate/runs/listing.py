"""What run folders hold, read without torch and without trust: a list of runs, and how some of them differ."""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from striate.classifier.model_file import read_description
from striate.errors import SourceNotFoundError
from striate.metrics.intervals import wilson_interval
from striate.system.locks import is_taken

MARKS = ("run.json", "model.striate", "metrics.jsonl", "checkpoint.safetensors")
DEEPEST = 4  # levels of folders that are searched
_MOST_JSON_BYTES = 64 << 20
_NAME = re.compile(r"[a-z]\w*(?:/[\w.-]+)?(?:\(\w+=[^()]*\))?", re.IGNORECASE)


@dataclass(frozen=True)
class Accuracy:
    """An accuracy in [0, 1] and the number of images that it was measured on, None where that is not known.

    Arguments:
        kept: the interval that was kept with it, which counts groups.
    """

    value: float
    total: int | None = None
    kept: tuple[float, float] | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval: the one that was kept, else Wilson's."""
        return self.kept or wilson_interval(round(self.value * self.total), self.total) if self.total else None


@dataclass(frozen=True)
class Run:
    """One run folder, as far as it can be read.

    Arguments:
        state: finished, stopped, training (a process holds it) or broken.
        why: where it stopped, what is broken, or of how many trials it is the best.
        net: the sentence.
        named: what the net was called when it was asked for: lenet, resnet18(width=0.5); empty of a sentence.
        epochs, planned: epochs done and epochs of the recipe; None for what does not train in epochs.
        valid: of the best epoch.
        train_s: seconds in the training loop, or of fitting what has none.
        data: a fingerprint of the training and validation images, their labels and classes.
        settings: the recipe's, and what else was asked.
        written_s: when something was last written, in seconds since 1970.
        health: what was wrong with the net when it was last looked at, in sentences.
    """

    path: Path
    state: str
    why: str = ""
    source: str = ""
    net: str = ""
    epochs: int | None = None
    planned: int | None = None
    valid: Accuracy | None = None
    test: Accuracy | None = None
    train_s: float | None = None
    data: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    written_s: float = 0.0
    health: tuple[str, ...] = ()
    named: str = ""

    @property
    def net_shown(self) -> str:
        """What the net was called, before its sentence."""
        return ": ".join(filter(None, [self.named, self.net]))

    def to_json(self) -> dict[str, Any]:
        """Return the run as plain values."""
        return {
            "run": str(self.path),
            "state": self.state,
            "why": self.why,
            "source": self.source,
            "net": self.net,
            "named": self.named,
            "epochs": self.epochs,
            "planned_epochs": self.planned,
            **_accuracy_json("valid", self.valid),
            **_accuracy_json("test", self.test),
            "train_s": self.train_s,
            "data": self.data,
            "settings": self.settings,
            "health": list(self.health),
        }


def find_runs(folder: str | Path) -> list[Run]:
    """Return the run in `folder`, or those in the folders below it, by name; folders that hold no run are passed over.

    Raises:
        SourceNotFoundError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SourceNotFoundError(f"no folder {folder}. `striate train SOURCE` starts a run in runs/SOURCE-1")
    return [read_run(path) for path in sorted(_run_folders(folder), key=_natural)]


def read_run(path: Path) -> Run:
    """Return what can be read of the run in `path`; whatever is wrong with it makes it a broken one."""
    written = max((_written_s(path / name) for name in MARKS), default=0.0)
    try:
        return _read(path, written)
    except Exception as error:  # whatever a file holds: the list must go on
        return Run(path, "broken", _one_line(error), written_s=written)


def sort_runs(runs: Sequence[Run], by: str) -> list[Run]:
    """Return the runs by name, accuracy or test (best first), seconds (fewest first) or time (newest first)."""
    last = math.inf
    keys = {
        "name": lambda run: 0,
        "accuracy": lambda run: -run.valid.value if run.valid else last,
        "test": lambda run: -run.test.value if run.test else last,
        "seconds": lambda run: run.train_s if run.train_s is not None else last,
        "time": lambda run: -run.written_s,
    }
    return sorted(sorted(runs, key=lambda run: _natural(run.path)), key=keys[by])


SORTS = ("name", "accuracy", "test", "seconds", "time")


def _run_folders(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        here = Path(root)
        if any(mark in files for mark in MARKS):
            yield here
            folders.clear()
        if len(here.relative_to(folder).parts) >= DEEPEST:
            folders.clear()
        folders[:] = [name for name in folders if not name.startswith(".")]


def _read(path: Path, written: float) -> Run:
    said = _json(path / "run.json") if (path / "run.json").exists() else None
    model = read_description(path / "model.striate") if (path / "model.striate").exists() else None
    if said is None and model is None:
        raise ValueError("run.json is missing")
    history = _metrics(path / "metrics.jsonl") if (path / "metrics.jsonl").exists() else []
    provenance: dict[str, Any] = _dict((model or {}).get("provenance"))
    settings = _settings(path, provenance)
    described = said or _dict(provenance.get("data"))
    planned = settings.get("epochs") if history or model is None else None
    net = (path / "net.txt").read_text("utf-8", "replace").strip() if (path / "net.txt").exists() else ""
    chosen = str(provenance.get("chosen") or "")  # by the ladder
    climbing = net == "auto" and not chosen
    finished = (path / "result.json").exists() or (
        not climbing and _finished(history, settings, provenance, model is not None)
    )
    if finished and model is None:
        raise ValueError("model.striate is missing")
    trials = _dict(provenance.get("tuning")).get("trials")
    why = f"the best of {trials} trial{'s' * (trials != 1)}" if trials else ""
    state = "finished" if finished else "training" if is_taken(path / ".lock") else "stopped"
    if not finished:
        why = "on the ladder" if climbing else _where(len(history), planned)
    best = _best(history)
    known_s = _number(provenance.get("fit_s")), _number(provenance.get("train_s"))
    own_s = sum(_number(line.get("seconds")) or 0.0 for line in history) if history and net != "auto" else None
    return Run(
        path, state, why,
        source=str(_dict(described.get("asked")).get("source") or described.get("source") or ""),
        net=": ".join(filter(None, [net, chosen])) or str((model or {}).get("net") or ""),
        epochs=len(history) if planned is not None else None,
        planned=planned,
        valid=_accuracy(provenance.get("valid_accuracy", best), _dict(provenance.get("splits")).get("valid"),
                        provenance.get("valid_interval")),
        test=_accuracy(provenance.get("test_accuracy"), provenance.get("test_total"), provenance.get("test_interval")),
        train_s=next((one for one in (own_s, *known_s) if one is not None), None),
        data=str(described.get("data") or ""),
        settings=settings | _asked(described),
        written_s=written,
        health=_health(history),
        named=_named(described),
    )  # fmt: skip


def _named(described: dict[str, Any]) -> str:
    """Return the name by which a net was asked for, if it was: no sentence, which says itself what it is."""
    net = str(_dict(described.get("asked")).get("net") or "")
    return net if _NAME.fullmatch(net) else ""


def _settings(path: Path, provenance: dict[str, Any]) -> dict[str, Any]:
    if (path / "recipe.toml").exists():
        return _toml(path / "recipe.toml")
    return _dict(provenance.get("recipe"))


def _asked(described: dict[str, Any]) -> dict[str, Any]:
    """Return what decides the data, beside their fingerprint."""
    asked = {key: described[key] for key in ("images", "input", "precision", "processes") if key in described}
    return asked | {key: value for key, value in _dict(described.get("asked")).items() if key in ("fit", "ratios")}


def _finished(history: list[dict[str, Any]], settings: dict[str, Any], provenance: dict[str, Any], model: bool) -> bool:
    """Whether a run without a result.json, as older versions left it, is done.

    All epochs are done, or patience ran out on whole images, or the test images were judged, which comes last.
    """
    if not history:
        return model
    chooses = f"valid_{settings.get('metric', 'accuracy')}".replace("-", "_")
    ranks = [_number(line.get(chooses)) or 0.0 for line in history]
    epochs, patience = settings.get("epochs", 0), settings.get("patience", 0)
    small = math.ceil(settings.get("small_until", 0) * epochs)
    stale = len(ranks) - max(1 + ranks.index(max(ranks)), small)
    return len(ranks) >= epochs or 0 < patience <= stale or "test_accuracy" in provenance


def _where(done: int, planned: int | None) -> str:
    return f"after epoch {done} of {planned}" if done else "before the end of the first epoch"


def _best(history: list[dict[str, Any]]) -> float | None:
    return max((value for line in history if (value := _number(line.get("valid_accuracy"))) is not None), default=None)


def _health(history: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return what was wrong with the net in the last epoch that was looked at."""
    told = next((line["health"] for line in reversed(history) if "health" in line), [])
    return tuple(text for text in told if isinstance(text, str)) if isinstance(told, list) else ()


def _metrics(path: Path) -> list[dict[str, Any]]:
    lines = []
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            lines.append(_dict(json.loads(text), strict=True))
        except (ValueError, RecursionError):
            raise ValueError(f"{path.name} is damaged at line {number}") from None
    return lines


def _toml(path: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path.name} is damaged: {error}") from None
    for name in ("epochs", "patience"):
        if type(settings.get(name, 0)) is not int:
            raise ValueError(f"{path.name}: {name} must be a whole number; got {settings[name]!r}")
    return settings


def _json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MOST_JSON_BYTES:
        raise ValueError(f"{path.name} is larger than {_MOST_JSON_BYTES >> 20} MiB")
    try:
        return _dict(json.loads(path.read_bytes()), strict=True)
    except (ValueError, RecursionError):
        raise ValueError(f"{path.name} is damaged") from None


def _dict(value: Any, *, strict: bool = False) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if strict:
        raise ValueError("no JSON object")
    return {}


def _number(value: Any) -> float | None:
    plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if plain else None


def _accuracy(value: Any, total: Any, interval: Any = None) -> Accuracy | None:
    share = _number(value)
    if share is None or not 0 <= share <= 1:
        return None
    low, high = map(_number, interval) if isinstance(interval, list) and len(interval) == 2 else (None, None)
    kept = None if low is None or high is None else (low, high)
    return Accuracy(share, total if isinstance(total, int) and 0 < total < 1 << 53 else None, kept)


def _accuracy_json(name: str, accuracy: Accuracy | None) -> dict[str, Any]:
    interval = accuracy and accuracy.interval
    return {f"{name}_accuracy": accuracy and accuracy.value, f"{name}_interval": interval and list(interval)}


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Return a key by which run-2 comes before run-10."""
    parts = re.split(r"(\d+)", str(path))
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def _written_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _one_line(error: Exception) -> str:
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return " ".join(text.split()) or type(error).__name__
