"""What the ladder has come to, kept on disk so that nothing is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.errors import TrainingError
from striate.metrics.evaluation import Evaluation
from striate.runs.folder import RunFolder
from striate.selection.ladder.climb import Result, Skipped, best_of
from striate.system.files import write_atomically

LADDER, RUNGS = "auto", "rungs"


class Memory:
    """What the ladder has come to, kept in `ladder.json`, and the best model so far, so that nothing is lost.

    Arguments:
        folder: of the run; None keeps nothing.
        described: what the data are.

    Raises:
        TrainingError: the folder's run was on other data.
    """

    def __init__(self, folder: RunFolder | None, described: Mapping[str, Any], resume: bool):
        self.folder, self.results, self.skipped = folder, [], []
        if folder is None or not resume or not folder.exists:
            return
        before = folder.description()
        changed = [key for key in ("data", "images", "input") if before.get(key) != described.get(key)]
        if changed:
            raise TrainingError(
                f"the run in {folder.path} was started on other data ({', '.join(changed)} differ). "
                "Resume with the same command, or start a new run"
            )
        path = folder.path / "ladder.json"
        if path.exists():
            kept = json.loads(path.read_text("utf-8"))
            self.results = [_result(one) for one in kept["rungs"]]
        if self.results and folder.model.exists():
            best = best_of(self.results)
            self.results = [replace(one, classifier=self.best()) if one is best else one for one in self.results]

    def add(self, result: Result | Skipped) -> None:
        """Keep a result, and its model if it is the best so far."""
        if isinstance(result, Skipped):
            self.skipped.append(result)
        else:
            self.results.append(result)
        if self.folder is None:
            return
        if isinstance(result, Result) and best_of(self.results) is result and result.classifier:
            result.classifier.save(self.folder.model)
        kept = {
            "rungs": [_figures(one) | {"right": np.packbits(one.right).tobytes().hex()} for one in self.results],
            "skipped": [{"name": one.name, "reason": one.reason} for one in self.skipped],
        }
        write_atomically(self.folder.path / "ladder.json", json.dumps(kept, indent=1) + "\n")
        shutil.rmtree(self.folder.path / RUNGS, ignore_errors=True)  # checkpoints of a rung that is done

    def best(self) -> Classifier:
        """Return the best model so far, from its file."""
        assert self.folder is not None
        return Classifier.load(self.folder.model)


def _figures(one: Result) -> dict[str, Any]:
    return {
        "name": one.name,
        "valid_accuracy": one.valid.accuracy,
        "valid_interval": list(one.valid.interval),
        "fit_s": round(one.fit_s, 3),
        "size_bytes": one.size_bytes,
        "image_ms": round(one.image_ms, 4),
        "is_net": one.is_net,
        "classes": list(one.valid.classes),
        "confusion": one.valid.confusion.tolist(),
    }


def _result(kept: Mapping[str, Any]) -> Result:
    """Return a result as `ladder.json` keeps it."""
    valid = Evaluation(tuple(kept["classes"]), np.array(kept["confusion"], np.int64))
    right = np.unpackbits(np.frombuffer(bytes.fromhex(kept["right"]), np.uint8))[: valid.total].astype(bool)
    return Result(kept["name"], valid, right, kept["fit_s"], kept["size_bytes"], kept["image_ms"], kept["is_net"])
