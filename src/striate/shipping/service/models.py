"""The models that are served, by name; a file that changes is loaded beside the old one and takes its place."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from striate.classifier.classifier import Classifier
from striate.classifier.pretrained import load_model
from striate.classifier.trust import Answering
from striate.errors import ArgumentError, some
from striate.shipping.onnx.metadata import licence_of, sources_of_weights
from striate.shipping.service.limits import RefusedError
from striate.shipping.service.runtimes import Runtime, choose_runtime, sample_of, seconds_of

_MOST_RULES = 64
_LONGEST_NAME = 64
# What tells a file from what it was: time, size and inode.
FileState = tuple[int, int, int] | None


@dataclass(frozen=True)
class WantedModel:
    """A model to serve: its `name` in requests, and `path`, a file or a net's name."""

    name: str
    path: str

    @classmethod
    def of(cls, word: str) -> WantedModel:
        """Return what `NAME=PATH` or `PATH` asks for; a path alone is called like its file.

        >>> WantedModel.of("cats=runs/cats-1/model.striate"), WantedModel.of("models/dogs.striate").name
        (WantedModel(name='cats', path='runs/cats-1/model.striate'), 'dogs')
        """
        name, equals, path = word.partition("=")
        if not equals or Path(word).is_file() or "(" in name:
            name, path = Path(word).name.removesuffix(".striate"), word
        if not path or not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable() or "/" in name:
            raise ArgumentError(
                f"a model must be FILE or NAME=FILE, the name of up to {_LONGEST_NAME} letters; got {word!r}"
            )
        return cls(name, path)


@dataclass(frozen=True)
class Loading:
    """How models are loaded: published `weights` of a named net, `device`, and what may be a faster runtime."""

    weights: str | None = None
    device: str | None = None
    runtimes: Sequence[Callable[[Classifier], Runtime]] = ()


@dataclass(frozen=True, eq=False)
class Served:
    """A model that answers requests.

    Arguments:
        name: in requests.
        model: the classifier.
        runtime: what computes it.
        version: a digest of its file, or its net's name.
        speed: images/s in full batches, as measured when it was loaded.
    """

    name: str
    model: Classifier
    runtime: Runtime
    version: str
    speed: float
    rules: dict[tuple[float | None, float | None], Answering] = field(default_factory=dict)

    def answering(self, sure: float | None, sets: float | None) -> Answering:
        """Return the rules for a wanted precision and a wanted coverage.

        Raises:
            RefusedError: 422, the validation images cannot promise one of them.
        """
        try:
            found = self.model.trust.asked(sure, sets, len(self.model.classes))
        except ArgumentError as error:
            raise RefusedError(422, "not-promised", str(error)) from None
        if len(self.rules) >= _MOST_RULES:
            self.rules.clear()
        self.rules[sure, sets] = found
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what a client should know of the model."""
        model, made = self.model, self.model.provenance
        weights = sources_of_weights(made)
        return {
            "name": self.name,
            "version": self.version,
            "net": str(model.net),
            "classes": list(model.classes),
            "input": model.preprocessing.to_json(),
            "views": model.views,
            "temperature": model.trust.temperature,
            "tells_unknown": model.trust.novelty is not None,
            "promises": model.trust.scores is not None,
            "valid_accuracy": made.valid_accuracy,
            "test_accuracy": made.test_accuracy,
            "weights": weights,
            "licence": licence_of(weights),
            "runtime": self.runtime.name,
            "images_per_s": round(self.speed, 1),
        }


def load_served(wanted: WantedModel, loading: Loading, note: Callable[[str], object] = lambda text: None) -> Served:
    """Return a model ready to answer: loaded, its runtime chosen and warm.

    Raises:
        StriateError: there is no such model, it is damaged, or it has no classes.
    """
    from striate.system.devices import choose_device

    version = _digest(Path(wanted.path))
    model = load_model(wanted.path, loading.weights).to(choose_device(loading.device))
    if not model.classes:
        raise ArgumentError(f"{wanted.path} has weights without classes, so it cannot name what it sees")
    note(f"{wanted.name}: loaded; measuring in what it answers the fastest")
    runtime = choose_runtime(model, loading.runtimes, lambda text: note(f"{wanted.name}: {text}"))
    seconds_of(runtime, sample_of(model, 1), tries=1)
    speed = runtime.batch / seconds_of(runtime, sample_of(model, runtime.batch), tries=2)
    return Served(wanted.name, model, runtime, version or str(model.net), speed)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=6)).hexdigest()
    except (FileNotFoundError, IsADirectoryError):
        return ""


class Models:
    """The models that are served.

    Arguments:
        wanted: each of another name.
        loading: how they are loaded.
        tell: is told `event, **about` of what happens to them.
    """

    def __init__(
        self, wanted: Sequence[WantedModel], loading: Loading, tell: Callable[..., object] = lambda *a, **b: None
    ):
        names = [one.name for one in wanted]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ArgumentError(f"each model must have a name of its own; got {some(twice)} twice. Say NAME=FILE")
        if not wanted:
            raise ArgumentError("there must be at least one model to serve; got none")
        self._wanted, self._loading, self._tell = list(wanted), loading, tell
        self._states: dict[str, FileState] = {}
        self.served: dict[str, Served] = {}

    def load(self, note: Callable[[str], object] = lambda text: None) -> None:
        """Load all of them.

        Raises:
            StriateError: one of them cannot be served; the message names it.
        """
        for one in self._wanted:
            self._states[one.name] = _state(one.path)
            self.served[one.name] = load_served(one, self._loading, note)

    def find(self, name: str | None) -> Served:
        """Return a model by name; the only one needs none.

        Raises:
            RefusedError: 404 there is none of that name, 422 there are several and none is named.
        """
        if name is None and len(self.served) == 1:
            return next(iter(self.served.values()))
        if name is None:
            raise RefusedError(422, "no-model", f"a request must name a model, as in ?model={next(iter(self.served))}; "
                          f"there are {some(self.served)}")  # fmt: skip
        if name not in self.served:
            raise RefusedError(404, "unknown-model", f"there is no model {name[:80]!r}; there are {some(self.served)}")
        return self.served[name]

    async def watch(self, every_s: float = 1.0) -> None:
        """Look for files that change, for ever, and load them anew; a file that cannot be loaded changes nothing."""
        pending: dict[str, FileState] = {}
        while True:
            await asyncio.sleep(every_s)
            for one in self._wanted:
                now = _state(one.path)
                if now is None or now == self._states[one.name]:
                    pending.pop(one.name, None)
                elif pending.get(one.name) != now:
                    pending[one.name] = now  # still being written, perhaps: it must be the same twice
                else:
                    self._states[one.name] = pending.pop(one.name)
                    await self._reload(one)

    async def _reload(self, one: WantedModel) -> None:
        start = time.perf_counter()
        try:
            new = await asyncio.to_thread(load_served, one, self._loading)
        except Exception as error:  # whatever it is, the old model answers on and later files are looked at
            self._tell("reload-failed", model=one.name, message=str(error)[:500] or type(error).__name__)
            return
        # Requests that hold the old model are answered by it; new ones find the new one.
        self.served[one.name] = new
        self._tell("reloaded", model=one.name, version=new.version, s=round(time.perf_counter() - start, 2))


def _state(path: str) -> FileState:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
