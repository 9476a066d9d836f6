"""What the ladder has come to, kept on disk so that nothing is lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.metrics.evaluation import Evaluation
from striate.runs.folder import RunFolder
from striate.selection.ladder.climb import Result, Skipped, best_result
from striate.system.files import write_atomically

# What stands in net.txt; the file of figures; the folder of checkpoints.
LADDER, FIGURES, RUNGS = "auto", "ladder.json", "rungs"


class Memory:
    """What the ladder has come to, kept in `ladder.json`, and the best model so far, so that nothing is lost.

    Arguments:
        folder: of the run; None keeps nothing.
        resumed: whether the folder's run is gone on with.
    """

    def __init__(self, folder: RunFolder | None, resumed: bool):
        self.folder, self.results, self.skipped = folder, [], []
        path = folder and folder.path / FIGURES
        if folder is None or path is None or not resumed or not path.exists():
            return
        self.results = [_result(one) for one in json.loads(path.read_text("utf-8"))["rungs"]]
        if self.results and folder.model.exists():
            best = best_result(self.results)
            self.results = [replace(one, classifier=self.best()) if one is best else one for one in self.results]

    def add(self, result: Result | Skipped) -> None:
        """Keep a result, and its model if it is the best so far."""
        if isinstance(result, Skipped):
            self.skipped.append(result)
        else:
            self.results.append(result)
        if self.folder is None:
            return
        if isinstance(result, Result) and best_result(self.results) is result and result.classifier:
            result.classifier.save(self.folder.model)
        kept = {
            "rungs": [figures(one) | {"right": np.packbits(one.right).tobytes().hex()} for one in self.results],
            "skipped": [{"name": one.name, "reason": one.reason} for one in self.skipped],
        }
        write_atomically(self.folder.path / FIGURES, json.dumps(kept, indent=1) + "\n")
        shutil.rmtree(self.folder.path / RUNGS, ignore_errors=True)  # checkpoints of a rung that is done

    def best(self) -> Classifier:
        """Return the best model so far, from its file."""
        assert self.folder is not None
        return Classifier.load(self.folder.model)


def figures(one: Result) -> dict[str, Any]:
    """Return what is told of a rung, as plain values."""
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
