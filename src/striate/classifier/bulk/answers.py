"""The answers of a model to a lineup of images, as a stream in its order: a prediction each, or why there is none."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from striate.classifier.building import describe_parts
from striate.classifier.classifier import MANY_IMAGES, Classifier
from striate.classifier.prediction import Prediction
from striate.data.lineup import Lineup
from striate.data.preparing.ahead import DecodedBlock, Shape, decoded_blocks
from striate.metrics.calibration import softmax_at
from striate.observer import Progress, silent


@dataclass(frozen=True)
class Unread:
    """An image that could not be read: its name, and why."""

    image: str
    why: str


Answer = Prediction | Unread


def stream_answers(
    model: Classifier,
    lineup: Lineup,
    rows: Sequence[int],
    *,
    sure: float | None = None,
    sets: float | None = None,
    progress: Progress = silent,
) -> Generator[list[Answer]]:
    """Yield what a model says of the images at `rows`, block by block, in their order; each one has an answer.

    Threads decode ahead while the net looks at a block. What is kept does not grow with the number of images.

    Arguments:
        rows: places in the lineup.
        sure, sets: a wanted precision and a wanted coverage, as for `Classifier.predict`.
        progress: told of what comes before predicting, where images lie in arrays.

    Raises:
        ArgumentError: the model's validation images can promise no such precision or coverage.
    """
    asked = model.trust.asked(sure, sets, len(model.classes))
    blocks = _array_blocks(model, lineup, rows, progress) if lineup.arrays else _file_blocks(model, lineup, rows)
    waiting: deque[DecodedBlock] = deque()

    def pixels() -> Iterator[np.ndarray]:
        for block in blocks:
            waiting.append(block)
            if len(block.pixels):
                yield block.pixels

    # Beside threads that decode, those of NumPy's products of small matrices would only wait for each other.
    with closing(blocks), threadpool_limits(1, "blas"):
        many, features = len(rows) > MANY_IMAGES, model.trust.novelty is not None
        for made in model.outputs_of(pixels(), many=many, features=features):
            while not len(waiting[0].pixels):
                yield _answers(lineup, waiting.popleft(), [])
            block = waiting.popleft()
            names = [lineup.names[row] for row in block.rows if row not in block.refused]
            likely = softmax_at(made.logits, model.trust.temperature)
            yield _answers(
                lineup, block, asked.say(names, model.classes, likely, made.pixels, made.features, made.alone)
            )
        for block in waiting:
            yield _answers(lineup, block, [])


def _answers(lineup: Lineup, block: DecodedBlock, predictions: Sequence[Prediction]) -> list[Answer]:
    """Return the predictions with the images that cannot be read among them, where they belong."""
    if not block.refused:
        return list(predictions)
    made = iter(predictions)
    return [Unread(lineup.names[row], block.refused[row]) if row in block.refused else next(made) for row in block.rows]


def decoded_shape(model: Classifier) -> Shape:
    """Return what decoding must know of a model."""
    own = model.preprocessing
    return Shape(own.size, own.channels, own.fit, own.resize, own.window)


def _file_blocks(model: Classifier, lineup: Lineup, rows: Sequence[int]) -> Generator[DecodedBlock]:
    return decoded_blocks(lineup, rows, decoded_shape(model), model.images_at_once())


def _array_blocks(
    model: Classifier, lineup: Lineup, rows: Sequence[int], progress: Progress
) -> Generator[DecodedBlock]:
    """Yield images that lie in arrays, which are in memory already, through the way that training prepares them."""
    assert lineup.arrays is not None
    if not len(rows):
        return
    images = model.prepare(lineup.arrays, progress, keep=False)
    places = {name: place for place, name in enumerate(images.names)}
    size = model.images_at_once()
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        refused = {row: images.ledger[lineup.names[row]].detail for row in part if lineup.names[row] not in places}
        kept = np.array([places[lineup.names[row]] for row in part if row not in refused], np.int64)
        yield DecodedBlock(part, model.block(images.subset(kept), 0, len(kept)), refused)


def model_digest(model: Classifier) -> str:
    """Return a digest of all that decides a model's answers: equal models, equal digests, wherever they lie."""
    description, tensors = describe_parts(vars(model))
    digest = hashlib.blake2b(json.dumps(description, sort_keys=True).encode(), digest_size=16)
    for name in sorted(tensors):
        value = np.ascontiguousarray(tensors[name])
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(value.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
