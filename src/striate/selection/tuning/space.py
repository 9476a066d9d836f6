"""What a study searches: nets of three kinds and the settings of their recipes, proposed one trial at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from striate.errors import ArgumentError
from striate.nets.zoo.swift import WIDTHS as SWIFT_NETS
from striate.training.recipe import Recipe, load_recipe

KINDS = ("mlp", "conv", "swift")
OPTIMISERS = ("adam", "adamw", "sgd")
ACTIVATIONS = ("relu", "gelu", "tanh")
# Proposed rates and decays are multiples of what suits the optimiser, so that one scale serves all of them.
USUAL_RATE = {"adam": 0.003, "adamw": 0.003, "sgd": 0.05, "muon": 0.24}
USUAL_DECAY = {"adam": 1.0, "adamw": 100.0, "sgd": 1.0, "muon": 1.0}
LEAST_DECAY = 1e-6  # stands for none
SMALLEST_SIDE = {"mlp": 1, "conv": 6, "swift": 8}


class Proposer(Protocol):
    """What proposes values: an Optuna trial, or a test's own."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of `choices`."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Return a whole number from `low` to `high`."""
        ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Return a number from `low` to `high`."""
        ...


@dataclass(frozen=True)
class Space:
    """All that a trial may be.

    Arguments:
        side: the images' shorter side in pixels.
        classes: how many there are.
        count: training images.
        net: any for the three kinds, one of mlp, conv and swift, or a name or sentence, whose recipe alone is tuned.
        most_epochs: of a trial.
        flip: whether mirrored images keep their classes, so that flips may be tried.
        fixed: settings of the recipe that are not searched.
    """

    side: int
    classes: int
    count: int
    net: str = "any"
    most_epochs: int = 30
    flip: bool = False
    fixed: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.most_epochs < 1:
            raise ArgumentError(f"epochs must be at least 1; got {self.most_epochs}")
        if not self.kinds:
            raise ArgumentError(
                f"{self.net} nets need images of at least {SMALLEST_SIDE[self.net]} pixels a side; got {self.side}. "
                "Give a larger size, or let mlp nets be tuned"
            )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of net among which is chosen; none if the net is given."""
        asked: tuple[str, ...] = KINDS if self.net == "any" else (self.net,)
        return tuple(kind for kind in asked if self.side >= SMALLEST_SIDE.get(kind, 1))

    def propose(self, trial: Proposer) -> tuple[str, Recipe]:
        """Return the sentence of a net and a recipe for it."""
        kinds = list(self.kinds)
        kind = kinds[0] if len(kinds) == 1 else trial.suggest_categorical("kind", kinds)
        recipe = self._recipe(trial, kind)
        return self._net(trial, kind), recipe

    def starts(self) -> list[dict[str, Any]]:
        """Return what is tried first, as values by name: the baseline, then what often does well, cheapest first."""
        plain = {
            "optimiser": "adam", "rate": 1.0, "decay": LEAST_DECAY, "label smoothing": 0.0, "shift": 0.0, "turn": 0.0,
            "flip": False, "batch size": self._batch(128), "epochs": min(10, self.most_epochs), "normalise": True,
            "activation": "relu", "dropout": 0.3,
        }  # fmt: skip
        moved = plain | {"shift": 0.07, "flip": self.flip}
        mlp = {"kind": "mlp", "mlp layers": 2, "mlp width": self._mlp_width, "narrowing": True}
        light = {"kind": "conv", "conv blocks": self._most_blocks(2), "conv depth": 1, "conv width": 16, "filter": 5,
                 "widening": True, "pool": "max", "head": "flatten", "epochs": min(5, self.most_epochs)}  # fmt: skip
        conv = light | {"conv depth": 2, "conv width": 32, "filter": 3, "head": "globalavg", "dropout": 0.2,
                        "epochs": min(10, self.most_epochs)}  # fmt: skip
        swift = {"kind": "swift", "swift size": "swift_xs", "decay": 4e-5, "label smoothing": 0.1,
                 "batch size": self._batch(512), "epochs": min(5, self.most_epochs)}  # fmt: skip
        found = {"mlp": [plain | mlp], "conv": [moved | light, moved | conv], "swift": [moved | swift]}
        first = [start for kind in KINDS if kind in self.kinds for start in found[kind]]
        return first or [plain | {"dropout": 0.0}, moved]

    def _recipe(self, trial: Proposer, kind: str) -> Recipe:
        swift = kind == "swift" or kind.split("(")[0] in SWIFT_NETS
        base = load_recipe("swift" if swift else "default")
        settings: dict[str, Any] = {}
        if not swift and self._free("optimiser"):
            settings["optimiser"] = trial.suggest_categorical("optimiser", OPTIMISERS)
        optimiser = (base.to_dict() | settings | self.fixed)["optimiser"]
        if self._free("learning_rate"):
            rate = trial.suggest_float("rate", 0.2, 5.0, log=True)
            settings["learning_rate"] = _rounded(rate * USUAL_RATE[optimiser])
        if self._free("weight_decay"):
            decay = trial.suggest_float("decay", LEAST_DECAY, 1e-2, log=True)
            settings["weight_decay"] = _rounded(decay * USUAL_DECAY[optimiser]) if decay > LEAST_DECAY else 0.0
        if self._free("label_smoothing"):
            settings["label_smoothing"] = _rounded(trial.suggest_float("label smoothing", 0.0, 0.2))
        if self._free("batch_size"):
            settings["batch_size"] = batch = trial.suggest_categorical("batch size", self._batches)
            if swift:  # as the loss is a mean, the rate of what is no filter follows the batch
                settings["side_learning_rate"] = _rounded(base.side_learning_rate * batch / base.batch_size)
        if self._free("epochs"):
            settings["epochs"] = trial.suggest_int("epochs", min(2, self.most_epochs), self.most_epochs, log=True)
        if self._free("augment"):
            settings["augment"] = self._augment(trial)
        if kind not in KINDS and self._free("dropout"):
            settings["dropout"] = _rounded(trial.suggest_float("dropout", 0.0, 0.5)) or None
        return base.replace(**settings | self.fixed)

    def _augment(self, trial: Proposer) -> tuple[str, ...]:
        shift = trial.suggest_float("shift", 0.0, 0.15)
        turn = trial.suggest_float("turn", 0.0, 20.0)
        words = [f"translate({_rounded(shift)})"] if shift * self.side >= 1 else []
        words += [f"rotate({_rounded(turn)})"] if turn >= 2 else []
        if self.flip and trial.suggest_categorical("flip", (False, True)):
            words.append("flip")
        return tuple(words)

    def _net(self, trial: Proposer, kind: str) -> str:
        if kind == "swift":
            return trial.suggest_categorical("swift size", ("swift_xs", "swift_s", "swift_m"))
        if kind not in KINDS:
            return kind
        activation = trial.suggest_categorical("activation", ACTIVATIONS)
        after = f"bn {activation}" if trial.suggest_categorical("normalise", (False, True)) else activation
        rate = _rounded(trial.suggest_float("dropout", 0.0, 0.5)) if self._free("dropout") else self.fixed["dropout"]
        drop = f" dropout({rate})" if rate else ""
        return (self._mlp if kind == "mlp" else self._conv)(trial, after, drop)

    def _mlp(self, trial: Proposer, after: str, drop: str) -> str:
        count = trial.suggest_int("mlp layers", 1, 5)
        width = trial.suggest_int("mlp width", 32, max(1024, self._mlp_width), log=True)
        narrowing = trial.suggest_categorical("narrowing", (False, True))
        widths = [max(64, width >> i, self.classes) if narrowing and i else width for i in range(count)]
        pool = f"avgpool({-(-self.side // 32)}) " if self.side > 48 else ""  # more pixels would only be more weights
        return pool + " ".join(f"fc({width}) {after}{drop}" for width in widths) + " fc(classes)"

    def _conv(self, trial: Proposer, after: str, drop: str) -> str:
        blocks = trial.suggest_int("conv blocks", 1, self._most_blocks())
        depth = trial.suggest_int("conv depth", 1, 2)
        width = trial.suggest_int("conv width", 8, 64, log=True)
        widening = trial.suggest_categorical("widening", (False, True))
        size = trial.suggest_categorical("filter", (3, 5))
        pool = trial.suggest_categorical("pool", ("max", "avg"))
        head = trial.suggest_categorical("head", ("globalavg", "flatten"))
        words = ["conv(16, 5, stride=2, pad=2) bn relu maxpool(2)"] if self.side >= 96 else []
        for block in range(blocks):
            words += [f"conv({width << block if widening else width}, {size}, pad={size // 2}) {after}"] * depth
            words.append(f"{pool}pool(2)")
        return " ".join([*words, head]) + drop + " fc(classes)"

    def _free(self, setting: str) -> bool:
        return setting not in self.fixed

    @property
    def _mlp_width(self) -> int:
        """The first hidden layer of the automatic net of two, as wide as the images ask for."""
        return max(128, min(1024, 32 * self.side), self.classes)

    def _most_blocks(self, wanted: int = 4) -> int:
        """As many blocks as leave two pixels a side."""
        side = self.side // 4 if self.side >= 96 else self.side
        return max(1, min(wanted, side.bit_length() - 2))

    @property
    def _batches(self) -> tuple[int, ...]:
        """Batches that give an epoch at least eight steps and at most two thousand."""
        sizes = (16, 32, 64, 128, 256, 512)
        fitting = tuple(size for size in sizes if self.count / 2000 <= size <= self.count / 8)
        return fitting or (max(2, self.count // 8),)

    def _batch(self, wanted: int) -> int:
        """Return the batch nearest to `wanted` that still gives an epoch 32 steps, where there is one."""
        fitting = [size for size in self._batches if size <= wanted and 32 * size <= self.count]
        return max(fitting, default=min(self._batches))


def _rounded(value: float) -> float:
    """Return three digits of a value: what is written down is what is trained."""
    return float(f"{value:.3g}")
