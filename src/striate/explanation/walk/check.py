"""Whether a page's numbers are torch's: what it carries is read again, computed, and compared layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import FittedModule
from striate.data.tensors import to_batch
from striate.errors import StriateError
from striate.explanation.walk.document import Document
from striate.explanation.walk.steps import WalkStep
from striate.nets import NetModule

# The largest difference that is let through, as a share of the largest value of a layer.
TOLERANCE = 1e-4


def torch_values(model: Classifier, pixels: np.ndarray, steps: Sequence[WalkStep]) -> list[np.ndarray]:
    """Return what the model's own module gives at each step for one picture, float32.

    Arguments:
        pixels: uint8 (h, w, c), as the net is given them.
    """
    device = model.device
    with torch.inference_mode():
        x = model.preprocessing.normalise(to_batch(pixels[None], device))
        found = _seen(model.module.eval(), x)
    values = [found[step.path][0].float().cpu().numpy() for step in steps]
    for step, value in zip(steps, values, strict=True):
        if not np.isfinite(value).all():
            raise StriateError(
                f"a walkthrough needs finite numbers; layer {step.path}, {step.layer}, gives "
                f"{value[~np.isfinite(value)][0]} for this picture. Train the net again with a smaller learning rate"
            )
    return values


def _seen(module: nn.Module, x: Tensor) -> dict[str, Tensor]:
    if isinstance(module, NetModule):
        return module.activations(x)
    assert isinstance(module, FittedModule)
    found = module.body.activations(x) if isinstance(module.body, NetModule) else {}
    selected = module.selection(module.embed(x))
    head: Any = module.head
    found |= {"select": selected, "fc": functional.linear(selected, head.weight, head.bias)}
    # A softmax takes away what log_softmax subtracts: the sums themselves are shown.
    return found | {"spread": module.classify(selected) + (found["fc"].logsumexp(1, keepdim=True))}


@dataclass(frozen=True)
class Mismatch:
    """How far a page is from torch: the largest difference, as a share of the largest value of its `step`."""

    share: float
    step: int

    def require(self, document: Document) -> None:
        """Raise a StriateError unless it is at most 1e-4: the page must not be written."""
        if not self.share <= TOLERANCE:
            step = document.said["steps"][self.step]
            raise StriateError(
                f"the walkthrough is not written: layer {step['path']}, {step['layer']}, would differ from torch by "
                f"{self.share:.1e} of its largest value, more than {TOLERANCE:.0e}. Please report this with the net's "
                "sentence"
            )


def compare_with_torch(document: Document, values: Sequence[np.ndarray]) -> Mismatch:
    """Return how far a page is from torch's values; every step is computed in float64 from its content alone."""
    worst = Mismatch(0.0, 0)
    for i, (own, theirs) in enumerate(zip(recompute(document), values, strict=True)):
        if own is None:
            continue
        share = float(np.abs(own.reshape(theirs.shape) - theirs).max()) / largest(theirs)
        if not share <= worst.share:
            worst = Mismatch(share, i)
    return worst


def largest(values: np.ndarray) -> float:
    """Return the largest absolute value, by which differences are judged; 1 where all are 0."""
    return float(np.abs(values).max()) or 1.0


def recompute(document: Document) -> list[np.ndarray | None]:
    """Return each step's values, float64, from the content of a page; None of a step of which it has nothing."""
    said = document.said
    c, h, w = said["input_shape"]

    def array(place: Sequence[int]) -> Tensor:
        return torch.from_numpy(document.array(place).astype(np.float64))

    pixels = array(said["pixels"]).reshape(h, w, c).permute(2, 0, 1)
    mean, std = (array(said["preprocessing"]["tensors"][name]) for name in ("mean", "std"))
    mean = mean.reshape(c, 1, 1) if len(mean) == c else mean.reshape(c, h, w)
    values = {-1: ((pixels - mean) / std.reshape(c, 1, 1))[None]}
    for i, step in enumerate(said["steps"]):
        if "absent" in step:
            continue
        tensors = {name: array(place) for name, place in step["tensors"].items()}
        if "kept" in tensors:
            made = tensors["kept"]
        else:
            made = KINDS[step["kind"]](step, [values[j] for j in step["inputs"]], tensors)
        values[i] = made.reshape(1, *step["shape"])
    return [values[i][0].numpy() if i in values else None for i in range(len(said["steps"]))]


Tensors = dict[str, Tensor]


def _conv(step: dict[str, Any], inputs: list[Tensor], tensors: Tensors) -> Tensor:
    (kh, sh, _, dh), (kw, sw, _, dw) = step["rows"], step["columns"]
    weight = tensors["weight"].reshape(step["shape"][0], -1, kh, kw)
    return functional.conv2d(
        _padded(step, inputs[0], 0.0), weight, tensors.get("bias"), (sh, sw), 0, (dh, dw), step["groups"]
    )


def _padded(step: dict[str, Any], x: Tensor, value: float) -> Tensor:
    """Return (1, c, h, w) padded so that exactly as many windows fit as the step says."""
    pads: list[int] = []
    for axis, (size, stride, before, dilation) in ((3, step["columns"]), (2, step["rows"])):
        whole = (step["shape"][axis - 1] - 1) * stride + (size - 1) * dilation + 1
        pads += [before, whole - before - x.shape[axis]]
    return functional.pad(x, pads, value=value)


def _maxpool(step: dict[str, Any], inputs: list[Tensor], tensors: Tensors) -> Tensor:
    (kh, sh, *_), (kw, sw, *_) = step["rows"], step["columns"]
    return functional.max_pool2d(_padded(step, inputs[0], -np.inf), (kh, kw), (sh, sw))


def _avgpool(step: dict[str, Any], inputs: list[Tensor], tensors: Tensors) -> Tensor:
    (kh, sh, *_), (kw, sw, *_) = step["rows"], step["columns"]
    x = inputs[0]
    there = functional.avg_pool2d(_padded(step, torch.ones_like(x), 0.0), (kh, kw), (sh, sw))
    return functional.avg_pool2d(_padded(step, x, 0.0), (kh, kw), (sh, sw)) / there


def _bn(step: dict[str, Any], inputs: list[Tensor], tensors: Tensors) -> Tensor:
    mean, variance = tensors["running_mean"], tensors["running_var"]
    return functional.batch_norm(inputs[0], mean, variance, tensors["weight"], tensors["bias"], eps=step["eps"])


def _ln(step: dict[str, Any], inputs: list[Tensor], tensors: Tensors) -> Tensor:
    last = inputs[0].movedim(1, -1)
    normal = functional.layer_norm(last, last.shape[-1:], tensors["weight"], tensors["bias"], step["eps"])
    return normal.movedim(-1, 1)


def _subsample(step: dict[str, Any], inputs: list[Tensor], tensors: Tensors) -> Tensor:
    x = inputs[0][:, :, :: step["stride"], :: step["stride"]]
    return functional.pad(x, (0, 0, 0, 0, 0, step["shape"][0] - x.shape[1]))


def _spread(step: dict[str, Any], inputs: list[Tensor], tensors: Tensors) -> Tensor:
    least = inputs[0].logsumexp(1, keepdim=True) + step["least"]
    return least.repeat(1, step["shape"][0]).index_copy(1, tensors["present"].long(), inputs[0])


def _alone(function: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Any], list[Tensor], Tensors], Tensor]:
    return lambda step, inputs, tensors: function(inputs[0])


KINDS: dict[str, Callable[[dict[str, Any], list[Tensor], Tensors], Tensor]] = {
    "conv": _conv,
    "fc": lambda step, x, t: functional.linear(
        x[0].flatten(1), t["weight"].reshape(step["shape"][0], -1), t.get("bias")
    ),
    "bn": _bn,
    "ln": _ln,
    "lrn": lambda step, x, t: functional.local_response_norm(
        x[0], step["size"], step["alpha"] * step["size"], step["beta"], step["k"]
    ),
    "maxpool": _maxpool,
    "avgpool": _avgpool,
    "globalmax": _alone(lambda x: x.amax((2, 3))),
    "globalavg": _alone(lambda x: x.mean((2, 3))),
    "subsample": _subsample,
    "flatten": _alone(lambda x: x),
    "identity": _alone(lambda x: x),
    "add": lambda step, x, t: x[0] + x[1],
    "multiply": lambda step, x, t: x[0] * x[1],
    "join": lambda step, x, t: torch.cat(x, 1),
    "layerscale": lambda step, x, t: x[0] * t["weight"].reshape(-1, *(1 for _ in step["shape"][1:])),
    "scale": lambda step, x, t: x[0] * step["factor"],
    "relu": _alone(torch.relu),
    "relu6": _alone(functional.relu6),
    "leakyrelu": lambda step, x, t: functional.leaky_relu(x[0], step["slope"]),
    "tanh": _alone(torch.tanh),
    "sigmoid": _alone(torch.sigmoid),
    "gelu": _alone(functional.gelu),
    "silu": _alone(functional.silu),
    "step": _alone(lambda x: (x > 0).double()),
    "softmax": _alone(lambda x: x.softmax(1)),
    "select": lambda step, x, t: (x[0].flatten(1)[:, t["columns"].long()] - t["mean"]) / t["scale"],
    "spread": _spread,
}
