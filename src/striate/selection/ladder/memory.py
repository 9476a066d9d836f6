"""What the ladder has come to, kept on disk so that nothing is lost."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from striate.classifier.classifier import Classifier
from striate.metrics.by_class import Metric, sparse_cells
from striate.metrics.evaluation import Evaluation
from striate.metrics.groups import SampleSize
from striate.runs.folder import RunFolder
from striate.selection.ladder.forecast import Move, Probe
from striate.selection.ladder.results import Result, Skipped, best_result
from striate.system.files import write_atomically
from striate.training.engine.checkpoints import HEALTH, METRICS

# What stands in net.txt; the file of figures; the folder of checkpoints.
LADDER, FIGURES, CHECKPOINTS = "auto", "ladder.json", "rungs"


class Memory:
    """What the ladder has come to, kept in `ladder.json`, and the best model so far, so that nothing is lost.

    How that model learned, epoch by epoch, lies beside it as in the run of one net.

    Arguments:
        folder: of the run; None keeps nothing.
        resumed: whether the folder's run is gone on with.
        metric: which result is the best.
    """

    def __init__(self, folder: RunFolder | None, resumed: bool, metric: Metric = "accuracy"):
        self.folder, self.results = folder, []
        self.skipped, self.probes, self.choices = [], [], []
        self.spent_s = 0.0
        self._learning: dict[str, dict[str, str]] = {}
        self.metric: Metric = metric
        path = folder and folder.path / FIGURES
        if folder is None or path is None or not resumed or not path.exists():
            return
        with folder.understood(FIGURES):
            kept = json.loads(path.read_text("utf-8"))
            self.results = [_result(one) for one in kept["rungs"]]
            self.skipped = [Skipped(one["name"], one["reason"]) for one in kept.get("skipped", [])]
            self.probes, self.choices = list(kept.get("probes", [])), list(kept.get("choices", []))
            self.spent_s = float(kept.get("spent_s", sum(one.fit_s for one in self.results)))
        if not self.results:
            return
        best = best_result(self.results, self.metric)
        self._learning[best.name] = _learning(folder.path)
        if folder.model.exists():
            self.results = [replace(one, classifier=self.best()) if one is best else one for one in self.results]

    def add(self, result: Result | Skipped | Probe | Move, spent_s: float) -> None:
        """Keep a result, and its model if it is the best so far, after so many seconds."""
        if isinstance(result, Skipped):
            self.skipped = [*(one for one in self.skipped if one.name != result.name), result]
        elif isinstance(result, Probe):
            self.probes.append(result.to_json())
        elif isinstance(result, Move):
            self.choices.append(result.to_json())
        else:
            self.results.append(result)
        if self.folder is None:
            return
        if isinstance(result, Result) and best_result(self.results, self.metric) is result and result.classifier:
            result.classifier.save(self.folder.model)
        if isinstance(result, Result):
            self._keep_learning(result)
        self.keep(spent_s)
        if isinstance(result, Probe | Move):
            return
        shutil.rmtree(self.folder.path / CHECKPOINTS, ignore_errors=True)  # checkpoints of a rung that is done

    def _keep_learning(self, result: Result) -> None:
        """Put beside the best model how it learned; nothing where it was fitted at once."""
        assert self.folder is not None
        self._learning[result.name] = _learning(self.folder.path / CHECKPOINTS / result.name)
        best = self._learning.get(best_result(self.results, self.metric).name, {})
        for name in (METRICS, HEALTH):
            if name in best:
                write_atomically(self.folder.path / name, best[name])
            else:
                (self.folder.path / name).unlink(missing_ok=True)

    def keep(self, spent_s: float) -> None:
        """Write what is known, and that so many seconds of the budget are spent: an interrupted rung's among them."""
        if self.folder is None:
            return
        kept = {
            "rungs": [_kept(one) for one in self.results],
            "skipped": [{"name": one.name, "reason": one.reason} for one in self.skipped],
            "probes": self.probes,
            "choices": self.choices,
            "spent_s": round(spent_s, 3),
        }
        write_atomically(self.folder.path / FIGURES, json.dumps(kept, indent=1) + "\n")

    def best(self) -> Classifier:
        """Return the best model so far, from its file."""
        assert self.folder is not None
        return Classifier.load(self.folder.model)


def _learning(folder: Path) -> dict[str, str]:
    """Return the contents of the files in a folder that tell how a net learned, by name; {} where there are none."""
    paths = [path for name in (METRICS, HEALTH) if (path := folder / name).exists()]
    return {path.name: path.read_text("utf-8", "replace") for path in paths}


def figures(one: Result) -> dict[str, Any]:
    """Return what is told of a rung, as plain values."""
    return {
        "name": one.name,
        "valid_accuracy": one.valid.accuracy,
        "valid_interval": list(one.valid.interval),
        "balanced_accuracy": one.valid.balanced_accuracy,
        "macro_f1": one.valid.macro_f1,
        "fit_s": round(one.fit_s, 3),
        "size_bytes": one.size_bytes,
        "image_ms": round(one.image_ms, 4),
        "is_net": one.is_net,
        "log_loss": one.log_loss if math.isfinite(one.log_loss) else None,
    }


def _kept(one: Result) -> dict[str, Any]:
    """Return what `ladder.json` keeps of a rung: its figures, and what they are made of."""
    return figures(one) | {
        "classes": list(one.valid.classes),
        "confusion_cells": one.valid.cells.tolist(),
        "right": np.packbits(one.right).tobytes().hex(),
        "groups": None if one.groups is None else np.unique(one.groups, return_inverse=True)[1].tolist(),
        "sizes": [list(size) for size in one.valid.sizes],
    }


def _result(kept: Mapping[str, Any]) -> Result:
    """Return a result as `ladder.json` keeps it."""
    dense = kept.get("confusion")  # of versions that kept the whole matrix
    cells = np.array(kept["confusion_cells"], np.int64) if dense is None else sparse_cells(np.array(dense, np.int64))
    sizes = tuple(SampleSize(*size) for size in kept.get("sizes", []))
    valid = Evaluation(tuple(kept["classes"]), cells, sizes=sizes)
    right = np.unpackbits(np.frombuffer(bytes.fromhex(kept["right"]), np.uint8))[: valid.total].astype(bool)
    return Result(kept["name"], valid, right, kept["fit_s"], kept["size_bytes"], kept["image_ms"], kept["is_net"],
                  math.inf if kept.get("log_loss") is None else kept["log_loss"],
                  None if kept.get("groups") is None else np.array(kept["groups"]))  # fmt: skip
