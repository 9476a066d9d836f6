"""A net's health while it trains: dead and saturated units, the spread of activations and gradients, step sizes.

One step of an epoch is looked at while it is made: hooks read what passes through and change nothing, so the run ends
in the same bits as one that nobody looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from striate.nets import NetModule
from striate.nets.taps import names_without_taps
from striate.units import percent

# So many images of a step are enough to know a unit's range, and so many steps lie between two looks at least: then
# looking costs about a hundredth of the time.
MOST_IMAGES, STEPS_BETWEEN = 128, 32
FEWEST_IMAGES = 32
# From here on it is said. 10 to 20 % of dead units are common in nets that learn well.
DEAD, SATURATED, LARGEST, UPDATE = 0.5, 0.5, 1e4, 1.0
VANISHED = 1e-6  # the first layer's gradient as a share of the last one's
RANGES: dict[type[nn.Module], tuple[float, float]] = {nn.Tanh: (-1.0, 1.0), nn.Sigmoid: (0.0, 1.0)}
NEAR_END = 0.01  # share of its range in which a unit is taken for saturated


@dataclass(frozen=True)
class LayerHealth:
    """One layer in one step; None where it has nothing of the kind.

    Arguments:
        path: where it is in the net, in one with taps as if it had none.
        layer: its kind, as Conv2d or ReLU.
        dead: share of a ReLU's units, channels over all positions, that no image of the step woke.
        saturated: share of a tanh's or sigmoid's values in the outer hundredth of its range, where no gradient passes.
        activation: standard deviation of its values.
        varies: the largest standard deviation of a unit over images and positions.
        gradient: root mean square of its weights' gradient, before any clipping.
        update: length of the step over the length of its weights.
        alike: whether all its units have the same weights, so that they learn the same.
    """

    path: str
    layer: str
    dead: float | None = None
    saturated: float | None = None
    activation: float | None = None
    varies: float | None = None
    gradient: float | None = None
    update: float | None = None
    alike: bool | None = None


@dataclass(frozen=True)
class Health:
    """How a net did in one step: a row for each layer, and what is wrong in sentences.

    Arguments:
        epoch: counted from 1.
        images: how many were looked at.
    """

    epoch: int
    images: int
    layers: tuple[LayerHealth, ...]

    @property
    def warnings(self) -> dict[str, str]:
        """What is wrong, {kind: sentence}; empty where nothing is."""
        return {kind: text for kind, judge in _JUDGES.items() if (text := judge(self))}

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values, the worst figures first; what is no finite number is None."""
        return {
            "epoch": self.epoch,
            "images": self.images,
            **{name: _plain(max(_known(self.layers, own), default=None)) for name, own in _WORST.items()},
            "health": list(self.warnings.values()),
            "layers": [{name: _plain(value) for name, value in asdict(row).items()} for row in self.layers],
        }


# What an epoch's line of the metrics has of it: the worst layer's figure.
_WORST = {"dead_share": "dead", "saturated_share": "saturated", "update_ratio": "update"}
SUMMARY = (*_WORST, "health")


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(eq=False)
class _Seen:
    """What the hooks read, by the path of the layer."""

    images: int = 0
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    gradients: dict[str, float] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)


def looks(epoch: int, epochs: int, steps: int) -> bool:
    """Whether an epoch, counted from 0, is looked at: the first, the last, and one in so many that it costs little.

    >>> [epoch for epoch in range(10) if looks(epoch, 10, 8)], looks(5, 10, 100)
    ([0, 4, 8, 9], True)
    """
    return epoch + 1 == epochs or epoch % math.ceil(STEPS_BETWEEN / steps) == 0


@contextmanager
def watched(module: nn.Module, epoch: int, found: Callable[[Health], object], *, values: bool = True) -> Iterator[None]:
    """Look at the step that a `with` block makes with `module`, and give what was seen to `found`.

    Arguments:
        module: whose parts are called in the step.
        epoch: counted from 1.
        values: whether to look at what passes through, too, which torch.compile would have to translate anew.
    """
    seen, handles = _Seen(), []
    for path, part in _leaves(module):
        if values:
            handles.append(part.register_forward_hook(_reader(seen, path)))
        weight = _weight(part)
        if weight is not None:
            handles.append(weight.register_post_accumulate_grad_hook(_gradient_reader(seen, path)))
            seen.weights[path] = weight.detach().clone()
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    leaves = dict(_leaves(module))
    names = names_without_taps(module.net, list(leaves)) if isinstance(module, NetModule) else {}
    rows = (replace(_row(path, part, seen), path=names.get(path, path)) for path, part in leaves.items())
    found(Health(epoch, seen.images, tuple(rows)))


def _leaves(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers that have something to tell: weights or a range, with their paths, in order."""
    for path, part in module.named_modules():
        told = isinstance(part, nn.ReLU | nn.ReLU6) or type(part) in RANGES or _weight(part) is not None
        if told and not any(True for _ in part.children()):
            yield path, part


def _weight(part: nn.Module) -> Tensor | None:
    """Return a layer's filters, if it learns any; gains and biases have one number a unit and are none."""
    weight = part._parameters.get("weight")
    return weight if weight is not None and weight.ndim >= 2 and weight.requires_grad else None


def _reader(seen: _Seen, path: str) -> Callable[..., None]:
    """Return a hook that reads a layer's values."""

    def read(part: nn.Module, inputs: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim < 2 or not len(output):
            return
        with torch.no_grad(), torch.autocast(output.device.type, enabled=False):
            values = output.detach()[:MOST_IMAGES].float()
            seen.images = max(seen.images, len(values))
            # A row a place, a column a unit: as the memory lies, over whose rows torch is quick.
            values = values.movedim(1, -1).reshape(-1, values.shape[1])
            # Counted from the first row, what never changes varies by nothing. Sums take a quarter of var_mean's time.
            first = values[:1]
            apart = values - first
            mean = apart.mean(0)
            variance = (apart.square_().mean(0) - mean.square()).clamp(min=0)
            told = {
                "activation": float((variance.mean() + (first[0] + mean).var(correction=0)).sqrt()),
                "varies": float(variance.max().sqrt()),
            }
            if isinstance(part, nn.ReLU | nn.ReLU6):
                told["dead"] = float(((variance == 0) & (first[0] == 0)).double().mean())
            if type(part) in RANGES:
                low, high = RANGES[type(part)]
                margin = NEAR_END * (high - low)
                told["saturated"] = float(((values < low + margin) | (values > high - margin)).double().mean())
            seen.values[path] = told

    return read


def _gradient_reader(seen: _Seen, path: str) -> Callable[[Tensor], None]:
    """Return a hook that reads the gradient that a weight has got; of several backward passes the last, all summed."""

    def read(weight: Tensor) -> None:
        if weight.grad is not None:
            seen.gradients[path] = float(weight.grad.detach().float().square().mean().sqrt())

    return read


def _row(path: str, part: nn.Module, seen: _Seen) -> LayerHealth:
    weight, update, alike = _weight(part), None, None
    if weight is not None:
        before, now = seen.weights[path].float(), weight.detach().float()
        length = float(before.norm())
        # Weights of zero have no length to compare with.
        update = float((now - before).norm()) / length if length else None
        rows = now.flatten(1)
        alike = len(rows) > 1 and bool((rows == rows[:1]).all())
    return LayerHealth(
        path, type(part).__name__, gradient=seen.gradients.get(path), update=update, alike=alike,
        **seen.values.get(path, {}),
    )  # fmt: skip


def _known(rows: Sequence[LayerHealth], name: str) -> list[float]:
    return [value for row in rows if (value := getattr(row, name)) is not None]


def _listed(rows: Sequence[LayerHealth], say: Callable[[LayerHealth], str] | None = None) -> str:
    """Return the first few layers, with what is to be said of each."""
    told = [f"{row.layer} {row.path}" + (f" ({say(row)})" if say else "") for row in rows[:3]]
    return ", ".join(told) + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")


def _dead(health: Health) -> str:
    bad = sorted((row for row in health.layers if (row.dead or 0) > DEAD), key=lambda row: -(row.dead or 0))
    # A unit that few images were shown to is not dead for not having been woken; a layer without a living one is.
    if not bad or (health.images < FEWEST_IMAGES and bad[0].dead != 1):
        return ""
    return (
        f"more than half of the units are dead in {_listed(bad, lambda row: percent(row.dead, 0))}: no image wakes "
        'them and they cannot learn. Lower the learning rate, or begin with other weights (init = "he")'
    )


def _saturated(health: Health) -> str:
    bad = [row for row in health.layers if (row.saturated or 0) > SATURATED]
    if not bad:
        return ""
    return (
        f"most values are at an end of their range in {_listed(bad, lambda row: percent(row.saturated, 0))}: hardly "
        'any gradient passes. Begin with smaller weights (init = "xavier"), lower the learning rate, or take relu'
    )


def _alike(health: Health) -> str:
    bad = [row for row in health.layers if row.alike]
    if not bad:
        return ""
    return (
        f"all units have the same weights in {_listed(bad)}: they learn the same, as one. Begin with random weights "
        '(init = "he")'
    )


def _constant(health: Health) -> str:
    bad = [row for row in health.layers if row.varies == 0]
    if not bad or _dead(health) or _alike(health):  # which is why
        return ""
    return f"values are the same for all images in {_listed(bad)}: nothing can be learned. Begin with other weights"


def _exploding(health: Health) -> str:
    bad = [row for row in health.layers if row.activation is not None and not row.activation < LARGEST]
    if not bad:
        return ""
    return (
        f"values explode in {_listed(bad, lambda row: f'standard deviation {row.activation:.2g}')}. Begin with smaller "
        'weights (init = "he"), put norms (bn) between the layers, or lower the learning rate'
    )


def _vanishing(health: Health) -> str:
    rows = [row for row in health.layers if row.gradient is not None]
    if len(rows) < 2 or not rows[-1].gradient or _dead(health):
        return ""
    share = (rows[0].gradient or 0) / rows[-1].gradient
    if not share < VANISHED:
        return ""
    return (
        f"the gradient vanishes: in {_listed(rows[:1])} it is {share:.0e} of that in {_listed(rows[-1:])}. Put norms "
        "(bn) or residual connections between the layers, or take relu in place of tanh and sigmoid"
    )


def _leaping(health: Health) -> str:
    bad = [row for row in health.layers if row.update is not None and not row.update <= UPDATE]
    if not bad:
        return ""
    return (
        f"a step is longer than the weights themselves in {_listed(bad, lambda row: f'{row.update:.2g} times')}: what "
        "was learned is lost again. Lower the learning rate"
    )


_JUDGES: Mapping[str, Callable[[Health], str]] = {
    "dead": _dead, "saturated": _saturated, "alike": _alike, "constant": _constant, "exploding": _exploding,
    "vanishing": _vanishing, "leaping": _leaping,
}  # fmt: skip
