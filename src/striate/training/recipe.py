"""A recipe: everything that decides a training run, as one value, written to and read from TOML."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from striate.classifier.views import Views
from striate.data.balancing import Balance
from striate.errors import ArgumentError, SourceNotFoundError, unknown
from striate.metrics.by_class import Metric

# Those of runs have about one.
MOST_BYTES = 64 << 10
Optimiser = Literal["sgd", "adam", "adamw", "muon"]
Schedule = Literal["constant", "linear", "cosine", "onecycle", "step"]
Subtract = Literal["channel", "image", "none"]
Precision = Literal["auto", "float32", "bfloat16", "bfloat16-pure"]
Norms = Literal["batch", "kept"]
Head = Literal["last", "parts"]


def _setting(default: Any, text: str, low: float = -math.inf, high: float = math.inf) -> Any:
    return field(default=default, metadata={"text": text, "low": low, "high": high})


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run, beside the data; the net only where it belongs to the recipe.

    >>> Recipe(epochs=3).to_toml().splitlines()[1]
    'epochs = 3  # passes over the training images; 0: only a new head, on given weights'
    >>> Recipe(optimiser="adm")
    Traceback (most recent call last):
    striate.errors.ArgumentError: unknown optimiser 'adm'; did you mean 'adam'? Choices: sgd, adam, adamw, muon
    """

    net: str | None = _setting(None, "the name or sentence that is trained unless the user says another")
    epochs: int = _setting(10, "passes over the training images; 0: only a new head, on given weights", 0)
    batch_size: int = _setting(128, "images in one step, at most; an epoch is dealt out evenly", 1)
    optimiser: Optimiser = _setting("adam", "sgd (Nesterov), adam, adamw, or muon for filters with sgd for the rest")
    learning_rate: float = _setting(0.001, "at its highest", 0)
    side_learning_rate: float = _setting(0.05, "muon: of what is no filter, by sgd", 0)
    schedule: Schedule = _setting("cosine", "constant, linear (to 0), cosine (to 0), onecycle (up, then to 0) or step")
    warmup_epochs: float = _setting(0.0, "epochs in which the learning rate rises from 0", 0)
    milestones: tuple[int, ...] = _setting((), "epochs at which schedule step multiplies the learning rate by decay", 0)
    decay: float = _setting(0.1, "the factor of schedule step", 0, 1)
    momentum: float = _setting(0.9, "sgd's momentum", 0, 1)
    filter_momentum: float = _setting(0.6, "muon's momentum", 0, 1)
    betas: tuple[float, ...] = _setting((0.9, 0.999), "adam's decay of the two moments", 0, 1)
    epsilon: float = _setting(1e-8, "adam's ε", 0)
    weight_decay: float = _setting(0.0, "weights shrink by learning rate × this a step (adam, sgd: L2 term)", 0)
    clip_norm: float | None = _setting(None, "longest gradient allowed, over all parameters", 0)
    rate_below: float = _setting(1.0, "share of the learning rate at the first layer, rising to 1 at the last", 0, 1)
    head: Head = _setting(
        "last", "a new head on given weights gets what the last one got, or the means of the parts before, too (parts)"
    )
    freeze: float = _setting(0.0, "share of the layers, the first ones, whose weights stay as they are", 0, 1)
    norms: Norms = _setting(
        "batch", "batch norms use the statistics of each batch, or keep (kept) those that they have"
    )
    accumulate: int = _setting(1, "steps whose gradients are averaged into one update", 1)
    average: float = _setting(
        0.0, "decay a step of a moving average of the weights, which is what is kept; 0: none", 0, 1
    )
    whiten_until: float = _setting(
        1.0, "share of the run, its first part, in which a whitening layer's bias learns", 0, 1
    )
    small_until: float = _setting(0.0, "share of the run, its first part, that trains on smaller images; 0: none", 0, 1)
    small_side: float = _setting(0.625, "side of those, as a share of the whole", 0, 1)
    hard_share: float = _setting(
        1.0, "share of the images drawn that are trained on: the hard ones, by a look at small copies", 0.01, 1
    )
    hard_from: float = _setting(0.0, "share of the run, its first part, in which all drawn images are trained on", 0, 1)
    label_smoothing: float = _setting(0.0, "share of the target spread over all classes", 0, 1)
    init: str | None = _setting(
        None, 'of layers that name none: "he", "xavier", "gaussian(0.01)"…; left out: by activation'
    )
    dropout: float | None = _setting(
        None, "rate of every dropout; if the net has none, of one before its last fc", 0, 1
    )
    augment: tuple[str, ...] = _setting((), 'words as in "flip", "translate(2)"; applied in order to each batch')
    balance: Balance = _setting(
        "none", "uneven classes: none (as they come), loss (each class counts as much), draw (each as often)"
    )
    subtract: Subtract = _setting("channel", "what is subtracted from the pixels: channel means, the mean image, none")
    precision: Precision = _setting(
        "auto", "float32, bfloat16 (autocast), bfloat16-pure, or auto: the fastest by measurement"
    )
    views: Views = _setting(
        "none", "what predictions are averaged over: none (the image alone), mirror, mirror-shift (6 views), turns (4)"
    )
    metric: Metric = _setting(
        "accuracy", "what is best on the validation images: accuracy, balanced-accuracy or macro-f1"
    )
    patience: int = _setting(0, "stop after so many epochs without a better one on the validation images; 0: never", 0)
    seed: int = _setting(0, "of the first weights, the order of images and every random choice", 0)

    def __post_init__(self):
        hints = get_type_hints(type(self))
        for entry in fields(self):
            value = _checked(entry.name, getattr(self, entry.name), hints[entry.name], entry.metadata)
            object.__setattr__(self, entry.name, value)
        if len(self.betas) != 2:
            raise ArgumentError(f"betas must be two numbers; got {list(self.betas)}")

    def replace(self, **changes: Any) -> Recipe:
        """Return a recipe with these settings changed; an unknown one is an error that names the nearest."""
        for name in changes:
            _check_name(name)
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values; what is not set (None) is left out."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self).items()}
        return {name: value for name, value in values.items() if value is not None}

    def to_toml(self) -> str:
        """Return the recipe as TOML with a comment on every line."""
        texts = {entry.name: entry.metadata["text"] for entry in fields(self)}
        lines = [f"{name} = {_toml(value)}  # {texts[name]}" for name, value in self.to_dict().items()]
        return "\n".join(["# A Striate recipe. What is left out takes its default.", *lines, ""])

    def difference(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """Return {setting: (ours, theirs)} for the settings in which two recipes differ."""
        pairs = {entry.name: (getattr(self, entry.name), getattr(other, entry.name)) for entry in fields(self)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def load_recipe(name: str | Path | Mapping[str, Any] | Recipe) -> Recipe:
    """Return a recipe by its published name, from a TOML file, or from a mapping of settings.

    Raises:
        SourceNotFoundError: neither a published recipe nor a file.
        ArgumentError: not TOML, an unknown setting or a value out of range; the message names file and setting.
    """
    if isinstance(name, Recipe):
        return name
    if isinstance(name, Mapping):
        return Recipe().replace(**name)
    path = Path(os.path.expanduser(name))
    if str(name) in recipe_names():
        text, origin = (resources.files("striate.training") / "recipes" / f"{name}.toml").read_text("utf-8"), str(name)
    elif path.is_file():
        if path.stat().st_size > MOST_BYTES:
            raise ArgumentError(f"recipe {path} must be of at most {MOST_BYTES >> 10} KiB: this is no recipe")
        text, origin = path.read_text("utf-8", errors="replace"), str(path)
    else:
        hint = unknown("recipe", str(name), recipe_names())
        raise SourceNotFoundError(f"{hint}. Or give the path of a TOML file")
    try:
        return Recipe().replace(**tomllib.loads(text))
    except RecursionError:
        raise ArgumentError(f"recipe {origin}: it is nested too deep") from None
    except ValueError as error:  # no TOML, a number of endless digits, a setting that cannot be
        raise ArgumentError(f"recipe {origin}: {error}") from None


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with Striate."""
    folder = resources.files("striate.training") / "recipes"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def _check_name(name: str) -> None:
    names = [entry.name for entry in fields(Recipe)]
    if name not in names:
        raise ArgumentError(unknown("recipe setting", name, names))


def _checked(name: str, value: Any, hint: Any, metadata: Mapping[str, Any]) -> Any:
    """Return `value` as the type of its setting, or raise what the user should be told."""
    if choices := [c for c in get_args(hint) if isinstance(c, str)]:
        if value not in choices:
            raise ArgumentError(unknown(name, str(value), choices))
        return value
    if value is None and type(None) in get_args(hint):
        return None
    if getattr(hint, "__origin__", None) is tuple:
        item = get_args(hint)[0]
        if isinstance(value, str) or not isinstance(value, list | tuple):
            raise ArgumentError(f"{name} must be a list; got {value!r}")
        return tuple(_checked(name, one, item, metadata) for one in value)
    if hint in (str, str | None):
        if not isinstance(value, str):
            raise ArgumentError(f"{name} must be text; got {value!r}")
        return value
    return _number(name, value, hint is int, metadata["low"], metadata["high"])


def _number(name: str, value: Any, whole: bool, low: float, high: float) -> int | float:
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not math.isfinite(value):
        raise ArgumentError(f"{name} must be {kind}; got {value!r}")
    if not low <= value <= high:
        span = f"at least {low}" if high == math.inf else f"from {low} to {high}"
        raise ArgumentError(f"{name} must be {span}; got {value}")
    return value if whole else float(value)


def _toml(value: Any) -> str:
    # JSON's strings, numbers, booleans and flat lists are TOML's too.
    return json.dumps(value, ensure_ascii=False)
