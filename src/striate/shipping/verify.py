"""Whether an exported graph answers as the classifier does: on real images, in batches, at odd sizes, turned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from striate.classifier.classifier import Classifier
from striate.data.catalog import Catalog
from striate.data.decoding.fitted import decode_to
from striate.errors import ArgumentError, DecodingError, ExportError
from striate.observer import Progress, silent
from striate.shipping.runtime import Answers
from striate.units import percent

# The export is refused unless so many answers agree, and no probability differs by more.
LEAST_TOP1, MOST_DIFFERENCE = 0.995, 0.02
# "None of these" goes by ranks: an image whose score ties with another's, or lies on the very limit, may fall on either
# side of it. So many images may in all, and more than the second share is said.
MOST_UNLIKE, SAID_UNLIKE, FEW = 0.1, 0.02, 2
BATCHES = (1, 2, 7)
# So many files are compared at most, evenly over the source; images that lie in one array all are, up to the second.
MOST_FILES, MOST_OF_ARRAY = 1000, 20_000
_AT_ONCE = 256
# The four ways in which a picture is turned, and its mirror image: what EXIF orientations come to.
_TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "turned left": lambda x: np.rot90(x, 1, (1, 2)),
    "upside down": lambda x: np.rot90(x, 2, (1, 2)),
    "mirrored": lambda x: x[:, :, ::-1],
}

Predict = Callable[[np.ndarray], Answers]


@dataclass(frozen=True)
class ParityRow:
    """How far two ways to compute a classifier agree on some images.

    Arguments:
        what: which images, and how they were shown.
        images: how many.
        top1: the share of them that get the same class.
        largest: the largest difference of any probability.
        known: the share of them of which both say the same of "none of these"; None where one cannot.
        right: how many each gets right, the classifier first; None without labels.
    """

    what: str
    images: int
    top1: float
    largest: float
    known: float | None = None
    right: tuple[int, int] | None = None


@dataclass(frozen=True)
class Parity:
    """The table of all comparisons."""

    rows: tuple[ParityRow, ...]

    @property
    def images(self) -> int:
        """How many images were shown in all."""
        return sum(row.images for row in self.rows)

    @property
    def top1(self) -> float:
        """The share of all images that get the same class."""
        return sum(row.top1 * row.images for row in self.rows) / max(1, self.images)

    @property
    def largest_difference(self) -> float:
        """The largest difference of any probability."""
        return max((row.largest for row in self.rows), default=0.0)

    @property
    def known(self) -> float | None:
        """The share of images of which both say the same of "none of these"."""
        told = [(row.known, row.images) for row in self.rows if row.known is not None]
        return sum(share * n for share, n in told) / sum(n for _, n in told) if told else None

    @property
    def holds(self) -> bool:
        """Whether the copy may be handed out."""
        worst = min((row.top1 for row in self.rows if row.images >= 1 / (1 - LEAST_TOP1)), default=1.0)
        return (
            self.images > 0
            and min(self.top1, worst) >= LEAST_TOP1
            and self.largest_difference <= MOST_DIFFERENCE
            and (self.known is None or (1 - self.known) * self.images <= max(FEW, MOST_UNLIKE * self.images))
        )

    def note(self) -> tuple[str, ...]:
        """Return what must be said of an export that holds."""
        if self.known is None or (1 - self.known) * self.images <= max(FEW, SAID_UNLIKE * self.images):
            return ()
        return (
            f"none of these: the graph says otherwise than the model of {percent(1 - self.known, 1)} of the images",
        )

    def require(self, what: str, hint: str = "Please report it with the model") -> Parity:
        """Return it, or raise an ExportError that says by how much it fails, and `hint`."""
        if self.holds:
            return self
        known = "" if self.known is None else f", of none of these on {percent(self.known)}"
        raise ExportError(
            f"{what} must answer as the classifier does, the same class on {percent(LEAST_TOP1, 1)} of the images and "
            f"every probability within {MOST_DIFFERENCE:g}; got {percent(self.top1)} of {self.images:,} images and a "
            f"largest difference of {self.largest_difference:.4g}{known}. Nothing was written. {hint}"
        )


def compare(what: str, mine: Answers, theirs: Answers, labels: np.ndarray | None = None) -> ParityRow:
    """Return how far the classifier's answers and a copy's agree; labels below 0 are none."""
    first, second = mine.probabilities, theirs.probabilities
    known = None
    if mine.known is not None and theirs.known is not None:
        known = float((mine.known == theirs.known).mean())
    right = None
    if labels is not None and (labels >= 0).any():
        right = (int((first.argmax(1) == labels).sum()), int((second.argmax(1) == labels).sum()))
    finite = bool(np.isfinite(second).all())
    largest = float(np.abs(first - second).max(initial=0)) if finite else float("inf")
    return ParityRow(what, len(first), float(_same_class(first, second).mean()), largest, known, right)


def _same_class(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return bool (n,): the same class, or one that is as probable to the last bits (votes of neighbours tie)."""
    rows, top = np.arange(len(first)), second.argmax(1)
    return (first.argmax(1) == top) | (first[rows, top] >= first.max(1) - 1e-5)


def ask(classifier: Classifier, images: np.ndarray) -> Answers:
    """Return what the classifier itself says of images, uint8 (n, h, w, c) of any size."""
    from striate.metrics.calibration import softmax_at

    novelty = classifier.trust.novelty
    parts = []
    for block in after_window(classifier).outputs(images, features=novelty is not None):
        rows = softmax_at(block.logits, classifier.trust.temperature)
        known = novelty.known(block.pixels, block.features, block.alone) if novelty else None
        parts.append(Answers(rows, known))
    return Answers.joined(parts)


def after_window(classifier: Classifier) -> Classifier:
    """Return the classifier for images whose values its window has brought to 0 … 255, as a graph takes them."""
    return replace(classifier, preprocessing=replace(classifier.preprocessing, window=None))


def verify_golden(classifier: Classifier, predict: Predict, progress: Progress = silent) -> Parity:
    """Return how far a copy agrees on the model's own golden images: in batches, at odd sizes, turned.

    Raises:
        ArgumentError: the model keeps none.
        ExportError: the classifier itself no longer answers as when it was saved.
    """
    golden = classifier.samples.golden
    if golden is None or not len(golden.labels):
        raise ArgumentError(
            "the model keeps no golden images to check its export by; it is older, or was trained with --no-samples. "
            "Give some of its images: --verify SOURCE"
        )
    images, labels = golden.images, golden.labels
    mine = ask(classifier, images)
    drift = float(np.abs(mine.probabilities - golden.probabilities).max())
    if drift > MOST_DIFFERENCE:
        raise ExportError(
            f"the model must answer its golden images as when it was saved; a probability differs by {drift:.4g}. "
            "This machine or these versions compute something else: evaluate it here before you export it"
        )
    rows, odd_ones = [], list(_oddities(images))
    total = len(BATCHES) + len(odd_ones)
    for size in BATCHES:
        parts = [predict(images[i : i + size]) for i in range(0, len(images), size)]
        rows.append(compare(f"golden images, {size} at once", mine, Answers.joined(parts), labels))
        progress("comparing golden images", len(rows), total)
    for name, odd in odd_ones:
        rows.append(compare(f"golden images, {name}", ask(classifier, odd), predict(odd)))
        progress("comparing golden images", len(rows), total)
    return Parity(tuple(rows))


def _oddities(images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield images turned, and at sizes that have to be fitted: larger, smaller, of other proportions."""
    from PIL import Image

    for name, turn in _TURNS.items():
        yield name, np.ascontiguousarray(turn(images))
    _, h, w, c = images.shape
    if c not in (1, 3):
        yield "twice as high", images.repeat(2, axis=1)
        return
    for height, width in ((2 * h + 1, 2 * w + 1), (h + 13, max(1, w // 2)), (max(1, h // 3), 3 * w + 5)):
        fitted = [
            np.asarray(
                Image.fromarray(one[..., 0] if c == 1 else one).resize((width, height), Image.Resampling.BICUBIC)
            )
            for one in images
        ]
        yield f"at {height}×{width}", np.stack(fitted).reshape(len(images), height, width, c)
    other = images.mean(3, keepdims=True).astype(np.uint8) if c == 3 else images.repeat(3, axis=3)
    yield "in gray" if c == 3 else "as RGB", other


def verify_catalog(classifier: Classifier, predict: Predict, catalog: Catalog, progress: Progress = silent) -> Parity:
    """Return how far a copy agrees on the images of a source, at the sizes that they have.

    Of a source with splits of its own those that are not for training are taken, and it is said how many each gets
    right.

    Raises:
        ArgumentError: none of them can be read.
    """
    rows = []
    for split, some in _parts(catalog):
        labels = _labels(some, classifier.classes)
        mine, theirs, used = [], [], []
        for block in _blocks(classifier, some):
            mine.append(ask(block.judge, block.fitted))
            theirs.append(predict(block.images))
            used += block.places
            progress("comparing", len(used), len(some))
        if used:
            place = np.array(used)
            what = f"{split or 'all'} images of {catalog.source}"
            rows.append(compare(what, Answers.joined(mine), Answers.joined(theirs), labels[place]))
    if not rows:
        raise ArgumentError(f"none of the images of {catalog.source} can be read. Give a --verify SOURCE that can")
    return Parity(tuple(rows))


def _parts(catalog: Catalog) -> Iterator[tuple[str, Catalog]]:
    splits = set(catalog.splits.tolist())
    chosen = sorted(splits - {"train"}, reverse=True) or sorted(splits)
    for split in chosen:
        rows = np.flatnonzero(catalog.splits == split)
        most = MOST_OF_ARRAY if isinstance(catalog.images, np.ndarray) else MOST_FILES
        if len(rows) > most:
            rows = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
        yield split, catalog.subset(rows)


def _labels(catalog: Catalog, classes: tuple[str, ...]) -> np.ndarray:
    """Return the labels as indices into the model's classes, −1 where there is none of that name."""
    places = {name: i for i, name in enumerate(classes)}
    own = np.array([places.get(name, -1) for name in catalog.classes] or [-1], np.int64)
    return np.where(catalog.labels >= 0, own[np.maximum(catalog.labels, 0)], -1)


@dataclass(frozen=True)
class _Block:
    """Images of one size: `places` of them, what `judge` is given of them, and what a graph is, uint8 (m, h, w, c)."""

    places: list[int]
    judge: Classifier
    fitted: np.ndarray
    images: np.ndarray


def _blocks(classifier: Classifier, catalog: Catalog) -> Iterator[_Block]:
    """Yield as many images as have one size after each other; files are read as `striate predict` reads them."""
    shape = classifier.preprocessing
    if isinstance(catalog.images, np.ndarray) and catalog.images.dtype == np.uint8 and shape.window is None:
        images = catalog.images[..., None] if catalog.images.ndim == 3 else catalog.images
        for start in range(0, len(images), _AT_ONCE):
            some = np.ascontiguousarray(images[start : start + _AT_ONCE])
            yield _Block([*range(start, start + len(some))], classifier, some, some)
        return
    fitting = replace(classifier, preprocessing=replace(shape, window=None, resize=None))
    for place, image in enumerate(catalog.images):
        try:
            fitted, decoded = decode_to(image, shape, shape.window)
        except DecodingError:
            continue
        yield _Block([place], fitting, fitted[None], decoded.pixels[None])
