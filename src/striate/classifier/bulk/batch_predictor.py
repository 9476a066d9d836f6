"""A model as a callable on batches of columns: what Ray Data's `map_batches`, and whatever works like it, calls."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.classifier.bulk.answers import Answer, Unread, stream_answers
from striate.classifier.bulk.row_format import OPTIONAL
from striate.classifier.classifier import Classifier
from striate.classifier.prediction import Prediction
from striate.classifier.pretrained import load_model
from striate.data.lineup import Lineup
from striate.errors import ArgumentError
from striate.system.devices import choose_device

# Which column has the images: the content of files, arrays, or else paths that can be opened.
_CONTENT = ("bytes", "image", "path")


class BatchPredictor:
    """Predicts batches of columns, one after the other; the model is loaded once, where the work is done.

    With Ray, `ray.data.read_binary_files(folder, include_paths=True).map_batches(BatchPredictor,
    fn_constructor_args=["cats.striate"], batch_size=256, concurrency=4)` has four actors with a model each.

    Arguments:
        model: a model's path or a net's name, as for `striate.load_model`; the bytes of a model file; or a classifier.
        weights: for a net's name.
        sure, sets: a wanted precision and a wanted coverage, as for `Classifier.predict`.
        device: where to compute; None: a GPU if there is one.

    Raises:
        ArgumentError: the model's validation images can promise no such precision or coverage.
    """

    def __init__(
        self,
        model: str | Path | bytes | Classifier,
        *,
        weights: str | None = None,
        sure: float | None = None,
        sets: float | None = None,
        device: str | None = None,
    ):
        if isinstance(model, bytes):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.striate"
                path.write_bytes(model)
                model = load_model(path)
        elif not isinstance(model, Classifier):
            model = load_model(model, weights)
        model.trust.asked(sure, sets, len(model.classes))
        self.model, self._sure, self._sets = model.to(choose_device(device)), sure, sets

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns `image`, `class`, `probability`, `known`, `sure`, `set`, `probabilities` and `error`.

        Arguments:
            batch: columns (n,): `bytes`, the content of image files, or `image`, uint8 arrays, each perhaps with
                `path`, their names; or `path` alone, files that can be opened here.

        Returns:
            Columns (n,), with None where there is no value, and `probabilities` float32 (n, k), NaN where an image
            could not be read; `error` then says why, and is None elsewhere.

        Raises:
            ArgumentError: the batch has none of these columns.
        """
        content = next((name for name in _CONTENT if name in batch), None)
        if content is None:
            raise ArgumentError(
                f"a batch must have a column bytes, image or path; it has {', '.join(map(str, batch)) or 'none'}. "
                "Read the files with ray.data.read_binary_files(…, include_paths=True)"
            )
        ways = [bytes(one) if content == "bytes" else _way(one) for one in batch[content]]
        names = [str(one) for one in batch["path"]] if "path" in batch else [str(i) for i in range(len(ways))]
        return columns_of_answers(self.answers(Lineup("a batch", names, ways)), len(self.model.classes))

    def answers(self, lineup: Lineup) -> list[Answer]:
        """Return the answers to all images of a lineup."""
        blocks = stream_answers(self.model, lineup, range(len(lineup)), sure=self._sure, sets=self._sets)
        return [one for block in blocks for one in block]


def _way(image: Any) -> Any:
    return os.fspath(image) if isinstance(image, str | Path) else np.asarray(image)


def columns_of_answers(answers: Sequence[Answer], classes: int) -> dict[str, Any]:
    """Return answers as columns, see `BatchPredictor`."""
    said = [one if isinstance(one, Prediction) else None for one in answers]
    nothing = np.full(classes, np.nan, np.float32)
    columns: dict[str, Any] = {
        "image": np.array([one.image for one in answers], object),
        "class": _column([one and one.label for one in said]),
        "probability": np.array([one.probability if one else np.nan for one in said], np.float32),
        **{name: _column([one and getattr(one, name) for one in said]) for name in OPTIONAL},
        "probabilities": np.array([one.probabilities if one else nothing for one in said], np.float32),
        "error": _column([one.why if isinstance(one, Unread) else None for one in answers]),
    }
    return columns


def answers_of_columns(batch: Mapping[str, Any], classes: tuple[str, ...]) -> list[Answer]:
    """Return the answers that `columns_of_answers` made columns of, though they may have been Arrow's in between."""
    answers: list[Answer] = []
    for i, name in enumerate(batch["image"]):
        name, why = os.fsdecode(name), batch["error"][i]
        if isinstance(why, str):
            answers.append(Unread(name, why))
            continue
        known, sure = (_truth(batch[column][i]) for column in ("known", "sure"))
        some = batch["set"][i]
        members = None if some is None or np.ndim(some) == 0 else tuple(map(str, some))
        likely = np.asarray(batch["probabilities"][i], np.float32)
        answers.append(Prediction(name, classes, likely, known, sure, members))
    return answers


def _truth(value: Any) -> bool | None:
    return None if value is None or value != value else bool(value)


def _column(values: Sequence[Any]) -> np.ndarray:
    """Return (n,) objects: NumPy would make a second axis of sets of equal size."""
    column = np.empty(len(values), object)
    column[:] = [list(value) if isinstance(value, tuple) else value for value in values]
    return column
