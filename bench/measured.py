"""Which source a bench measures: its record keeps a digest of that, and a figure of other source is marked."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "striate"

_TRAINING = ("augmentation", "nets", "training", "data/lineup.py", "data/tensors.py")
_READING = ("data",)
_LADDER = ("selection", "baselines", *_TRAINING)
_FEATURES = ("classifier/features.py", "classifier/pretrained.py", "nets")

# What lies under src/striate, files or folders, by bench: what decides its figures, not all that it imports.
MEASURES: dict[str, tuple[str, ...]] = {
    "augmentation": ("augmentation",),
    "baselines": ("baselines", "selection/fit.py"),
    "budgets": _LADDER,
    "bursts": ("data/grouping", "data/splitting.py", "selection/ladder", "metrics"),
    "check": ("checks", *_READING),
    "checkpoint": ("training/engine/checkpoints.py",),
    "copies": ("checks/copies.py", "data/grouping"),
    "crowd": ("classifier/classifier.py", "system/devices.py"),
    "decoding": ("data/decoding", "data/preparing"),
    "enlarged": (*_LADDER, "data/preparing"),
    "explain": ("explanation",),
    "export": ("shipping/export.py", "shipping/int8.py", "shipping/onnx", "shipping/verify.py"),
    "features": _FEATURES,
    "few": (*_FEATURES, "baselines"),
    "first_training": _TRAINING,
    "grouping": ("data/grouping",),
    "growing": _TRAINING,
    "ladder": _LADDER,
    "memory": ("training/engine", "nets"),
    "more_images": ("evaluation/frozen_curve.py", "evaluation/more_images.py", *_FEATURES),
    "million": _READING,
    "nets": ("nets",),
    "nets_predicting": ("nets", "classifier/classifier.py", "classifier/outputs.py", "data/tensors.py"),
    "predicting": ("classifier", "data/decoding"),
    "reading": _READING,
    "robustness": ("evaluation/robustness", *_TRAINING),
    "scaling": _TRAINING,
    "serve": ("shipping/service", "classifier"),
    "share": ("training/engine", "nets"),
    "speed": _TRAINING,
    "start": ("__init__.py", "__main__.py", "cli", "training", "runs", "classifier", "nets/modules"),
    "suspects": ("checks/suspects.py", "checks/noise.py", "baselines"),
    "threads": ("training/engine", "system/devices.py"),
    "transfer": ("training", "nets", "classifier/features.py"),
    "trust": ("classifier/trust.py", "classifier/novelty", "metrics/calibration.py"),
    "tuning": ("selection/tuning", *_TRAINING),
    "walk": ("explanation/walk",),
}


def bench_of(record: str) -> str | None:
    """Return the bench that writes a record of this name, None if none does.

    >>> bench_of("first_training_digits"), bench_of("walk"), bench_of("sample")
    ('first_training', 'walk', None)
    """
    return max((name for name in MEASURES if f"{record}_".startswith(f"{name}_")), key=len, default=None)


def digest(bench: str) -> str:
    """Return twelve hex digits of what the bench measures, of all files below, their names and bytes."""
    found = hashlib.sha256()
    for path in (SOURCE / place for place in MEASURES[bench]):
        files = [path] if path.is_file() else (one for one in path.rglob("*") if one.is_file())
        for file in sorted(one for one in files if "__pycache__" not in one.parts):
            found.update(file.relative_to(SOURCE).as_posix().encode() + b"\0")
            found.update(file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return found.hexdigest()[:12]


def is_current(record: Mapping[str, Any]) -> bool:
    """Return whether the source that a record measured is today's; not so of one that does not tell."""
    bench = bench_of(record["name"])
    return bench is not None and record.get("source_digest") == digest(bench)


def standing(record: Mapping[str, Any]) -> str:
    """Return a line: how a record is made again, and whether it was measured with an earlier version."""
    told = record.get("again") or f"python -m bench {bench_of(record['name'])}"
    options = "" if "again" in record else ", with the options that make these settings (`--help` lists them)"
    earlier = "" if is_current(record) else " **Measured with an earlier version.**"
    return f"Again: `{told}`{options}.{earlier}"


def command(argv: list[str]) -> str:
    """Return the command of a bench that runs with `argv`, as `python -m bench` sets it, or as its file is run.

    Of paths of one machine alone the names are told.

    >>> command(["bench speed", "--recipe", "swift-79"])
    'python -m bench speed --recipe swift-79'
    >>> command(["/home/me/bench/serve.py", "/home/me/cats.striate", "digits"])
    'python -m bench serve cats.striate digits'
    """
    bench = ["bench", Path(argv[0]).stem] if argv[0].endswith(".py") else argv[0].split()
    return shlex.join(["python", "-m", *bench, *(Path(a).name if Path(a).is_absolute() else a for a in argv[1:])])
