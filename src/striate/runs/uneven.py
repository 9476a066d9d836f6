"""What belongs beside the accuracies of a run whose classes are uneven, read without torch and without trust."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from striate.classifier.model_file import read_description
from striate.metrics.by_class import uneven_line

WORDS = {"valid": "validation", "test": "test"}


def uneven_figures(run: Path) -> dict[str, Any]:
    """Return what the model of a run keeps of `valid` and `test` images of uneven classes; {} where that is nothing."""
    path = run / "model.striate"
    kept: Any = (read_description(path).get("provenance") or {}).get("uneven") if path.is_file() else None
    return {name: kept[name] for name in WORDS if uneven_line(kept.get(name))} if isinstance(kept, dict) else {}


def uneven_lines(run: Path) -> dict[str, str]:
    """Return the same in words, by what people call those images."""
    return {WORDS[name]: uneven_line(figures) for name, figures in uneven_figures(run).items()}
