"""Features, what heads are fitted to: pixels, or what a net makes of images before its last layer.

What nets make is computed once and kept by content, beside the prepared images, so that `striate cache` shows and
clears both:

    <cache>/<key>/features.npy   float32 (n, d)
    <cache>/<key>/about.json     source, shape
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from striate.classifier.classifier import Classifier
from striate.classifier.heads.fitted import Body, features_of
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.views import Views, views_of
from striate.data.catalog import Catalog
from striate.data.decoding.pixels import Fit
from striate.data.imageset import ImageSet
from striate.data.tensors import images_at_once, to_batch
from striate.errors import ArgumentError, StorageError
from striate.nets import NetModule, make_module, parse
from striate.nets.modules.packing import packed
from striate.nets.modules.timm_models import TimmModule, make_timm
from striate.nets.surgery import with_outputs, with_taps
from striate.observer import Observer, Progress, silent
from striate.system.cache import cache_folder
from striate.system.devices import kept_memory
from striate.system.files import write_atomically
from striate.system.measurements import measurement_key, recall, remember

# Beyond this side pixels cost more and tell a nearest neighbour or a tree no more.
LARGEST_SIDE_PX = 32
_VERSION = 3
_MEASURED_IMAGES = 32
_AT_ONCE = 256
# What takes one image so many times as long as one of many in float32 is not tried on many, unless it takes a moment.
_HOPELESS, _MOMENT_S = 4.0, 0.2
# bfloat16 must be so much faster: it costs some exactness.
_HALF_MARGIN = 0.8


class Bank(Protocol):
    """Where features are found that were computed before."""

    def of(self, images: ImageSet, progress: Progress = silent) -> np.ndarray:
        """Return the features float32 (n, d) of images."""
        ...


@dataclass(frozen=True, eq=False)
class Features:
    """A way from images to features.

    Arguments:
        preprocessing: what comes first.
        body: the net that makes them; None for the pixels as they are.
        of: whose features they are, for people; empty for pixels.
        model: the classifier that the net is from, which fits images of any size; None for pixels.
        bank: where features of these images are found that were computed before; None computes them.
    """

    preprocessing: Preprocessing
    body: Body | None
    of: str = ""
    model: Classifier | None = None
    bank: Bank | None = None

    def extract(self, images: ImageSet, observer: Observer) -> np.ndarray:
        """Return the features of images: uint8 (n, d) of pixels as they are, else float32 (n, d)."""
        if self.body is None:
            planes = np.ascontiguousarray(images.images.transpose(0, 3, 1, 2))
            return planes.reshape(len(images), math.prod(images.image_shape))
        if self.bank:
            return self.bank.of(images, observer.prepare)
        if self.model:
            return extract(self.model, images, progress=observer.prepare)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(images), _AT_ONCE):
                rows = images.rows[start : start + _AT_ONCE]
                pixels = self.preprocessing.normalise(to_batch(images.pixels[rows]))
                parts.append(features_of(self.body, pixels).numpy())
                observer.prepare("shrinking", start + len(rows), len(images))
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def pixel_features(image_shape: tuple[int, int, int], fit: Fit = "crop") -> Features:
    """Return pixels as features, 0…255, averaged over squares where images (h, w, c) are larger than 32 pixels."""
    height, width, channels = image_shape
    preprocessing = Preprocessing(
        (height, width), channels, fit, np.zeros(channels, np.float32), np.ones(channels, np.float32)
    )
    factor = -(-min(height, width) // LARGEST_SIDE_PX)
    body = make_module(parse(f"avgpool({factor})"), preprocessing.input_shape) if factor > 1 else None
    return Features(preprocessing, body)


def net_features(model: Classifier, name: str) -> Features:
    """Return as features what a classifier's net sees: the input of its last fc layer and the parts before, averaged.

    The whole image is looked at, not the cut with which published figures were measured.

    Arguments:
        model: its net, weights and preprocessing.
        name: what people call it.

    Raises:
        ArgumentError: it holds no net of Striate's.
    """
    if not isinstance(model.module, Body):
        raise ArgumentError(
            f"features come from a net that Striate knows layer by layer, or from timm's; {name} holds {model.net}. "
            "Name another model"
        )
    whole = tapped(replace(model, preprocessing=replace(model.preprocessing, resize=None)))
    assert isinstance(whole.module, Body)
    return Features(whole.preprocessing, whole.module, name, whole)


def extract(
    model: Classifier,
    images: ImageSet | Catalog,
    *,
    layer: str | None = None,
    batch_size: int | None = None,
    keep: bool = True,
    progress: Progress = silent,
) -> np.ndarray:
    """Return the features of images: what the model's net gives to its last fc layer.

    They are kept in the cache by their content, weights, preprocessing and pixels, and found there the next time.

    Arguments:
        model: a trained classifier, or `striate.load_pretrained`.
        images: of any size; a catalog is prepared first.
        layer: the path of another layer or part, as in the layer table; maps (c, h, w) are averaged over their pixels.
        batch_size: images at a time; None: as many as are fast.
        keep: whether to keep them in the cache.
        progress: told how far it is.

    Returns:
        float32 (n, d).

    Raises:
        ArgumentError: no layer has that path, or the net has no fc layer.
    """
    images = model.prepare(images, progress) if isinstance(images, Catalog) else images
    if not keep:
        return _computed(model, images, layer, batch_size, progress)
    key = _key(model, images, layer)
    found = _load(key, len(images))
    if found is None:
        found = _computed(model, images, layer, batch_size, progress)
        _save(key, found, f"features of {len(images):,} images by {_shortened(str(model.net))}")
    return found


def tapped(model: Classifier) -> Classifier:
    """Return a model whose features are the last layer's and the channel means of the parts before; see `with_taps`.

    It has one output, of which nobody asks: the last layer marks where the features end. A model of timm's, whose parts
    nobody knows, gives the last layer's alone.
    """
    module, shape = model.module, model.preprocessing.input_shape
    if isinstance(module, TimmModule):
        alone = make_timm(replace(module.net, classes=1), shape)
        alone.body.load_state_dict(module.body.state_dict())
        alone = alone.to(device_of(model), memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
        return replace(model, net=alone.net, module=alone)
    if not isinstance(module, NetModule) or with_taps(module.net, shape) == module.net:
        return model
    net = with_outputs(with_taps(module.net, shape), 1)
    own = make_module(net, shape, init="zeros")
    last = sum(1 for _ in own.layer(own.graph.nodes[-1].path).parameters())
    with torch.no_grad():
        for value, given in zip(list(own.state_dict().values())[:-last], module.state_dict().values(), strict=False):
            value.copy_(given)
    own = own.to(device_of(model), memory_format=torch.channels_last).eval()  # pyright: ignore[reportCallIssue]
    return replace(model, net=net, module=own)


def extraction_s(model: Classifier, count: int) -> float:
    """Return how many seconds the features of `count` images will take on this machine, as busy as it is now."""
    run, device, shape = feature_function(model, None), device_of(model), model.preprocessing.input_shape
    at_once = images_at_once(*shape[1:], device)
    batch = torch.zeros(at_once, *shape, device=device).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        return count * _best_s(lambda: run(batch).cpu()) / at_once


def _best_s(act: Callable[[], object]) -> float:
    """Return the seconds of the quickest of two times, after one that chooses kernels."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def _half_is_faster(
    run: Callable[[Tensor], Tensor], half: Callable[[Tensor], Tensor], net: str, shape: tuple[int, int, int]
) -> bool:
    """Return whether this machine's CPU computes features clearly faster in bfloat16; measured once, then recalled."""
    device = torch.device("cpu")
    batch = torch.zeros(images_at_once(*shape[1:], device), *shape).contiguous(memory_format=torch.channels_last)
    key = measurement_key(device, "packed features", net, shape)
    if (seconds := recall(key)) is None:
        with torch.inference_mode():
            seconds = {"float32": _best_s(lambda: run(batch))}
            # CPUs without bfloat16 take up to a hundred times as long: one image tells.
            one_s = len(batch) * _best_s(lambda: half(batch[:1]))
            hopeless = one_s > max(_HOPELESS * seconds["float32"], _MOMENT_S)
            seconds["bfloat16"] = one_s if hopeless else _best_s(lambda: half(batch))
        remember(key, seconds)
    return seconds["bfloat16"] < _HALF_MARGIN * seconds["float32"]


def _in_half(run: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the function computed in bfloat16, where that loses little."""

    def half(batch: Tensor) -> Tensor:
        with torch.autocast(batch.device.type, torch.bfloat16):
            return run(batch).float()

    return half


def _computed(
    model: Classifier, images: ImageSet, layer: str | None, batch_size: int | None, progress: Progress
) -> np.ndarray:
    run, device = feature_function(model, layer), device_of(model)
    batch_size = batch_size or images_at_once(*model.preprocessing.size, device)
    progress("features", 0, len(images))
    with torch.inference_mode(), kept_memory():
        parts = [run(torch.zeros(1, *model.preprocessing.input_shape, device=device))[:0].cpu().numpy()]
        for start in range(0, len(images), batch_size):
            parts.append(features_in(run, model, images, start, min(start + batch_size, len(images))))
            progress("features", start + len(parts[-1]), len(images))
        return np.concatenate(parts)


def features_in(
    run: Callable[[Tensor], Tensor],
    model: Classifier,
    images: ImageSet,
    start: int,
    stop: int,
    views: Views = "none",
) -> np.ndarray:
    """Return the features (n, d) that `run` makes of images start…stop, averaged over their views."""
    with torch.inference_mode():
        pixels = to_batch(model.block(images, start, stop), device_of(model))
        seen = [(share, run(model.preprocessing.normalise(view)).float()) for share, view in views_of(pixels, views)]
        return torch.stack([share * features for share, features in seen]).sum(0).cpu().numpy()


def feature_function(model: Classifier, layer: str | None) -> Callable[[Tensor], Tensor]:
    """Return what makes features (n, d) of a normalised batch (n, c, h, w).

    Raises:
        ArgumentError: the layer is not there.
    """
    module = model.module.eval()
    if isinstance(module, TimmModule) and layer is None:
        return module.embed
    if isinstance(module, TimmModule):
        raise ArgumentError(f"a layer can be named of nets that Striate knows layer by layer, not of {model.net}")
    if not isinstance(module, NetModule):
        raise ArgumentError(
            f"features need a net that Striate built; {model.net} is a module of your own. Call it itself"
        )
    if layer is None:
        run, half = _embedding(module, torch.float32), _in_half(_embedding(module, torch.bfloat16))
        cpu = device_of(model).type == "cpu"
        return half if cpu and _half_is_faster(run, half, str(model.net), model.preprocessing.input_shape) else run
    module.graph.number(layer)
    return lambda batch: _pooled(module.activations(batch, [layer])[layer])


def _embedding(module: NetModule, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    quick = packed(module, dtype)
    assert isinstance(quick, NetModule)
    return quick.embed


def _pooled(values: Tensor) -> Tensor:
    return values.mean((2, 3)) if values.ndim == 4 else values.flatten(1)


def device_of(model: Classifier) -> torch.device:
    """Return where a model's weights lie."""
    return next((p.device for p in model.module.parameters()), torch.device("cpu"))


def _key(model: Classifier, images: ImageSet, layer: str | None) -> str:
    """Return the name of the cache entry: a digest of all that decides the features."""
    shape = model.preprocessing
    told = [_VERSION, str(model.net), shape.to_json(), layer, images.image_shape, device_of(model).type]
    digest = hashlib.blake2b(json.dumps(told).encode(), digest_size=16)
    for array in (shape.mean, shape.std, *(value.cpu().numpy() for value in model.module.state_dict().values())):
        digest.update(np.ascontiguousarray(array).data)
    # The set's own digests are of the images before they were resized; these pixels are what the net is given.
    for start in range(0, len(images), _AT_ONCE):
        digest.update(np.ascontiguousarray(images.pixels[images.rows[start : start + _AT_ONCE]]).data)
    return digest.hexdigest()


def _load(key: str, count: int) -> np.ndarray | None:
    folder = cache_folder("prepared") / key
    with contextlib.suppress(Exception):  # a damaged file can fail in any way
        found = np.load(folder / "features.npy")
        if found.dtype == np.float32 and found.ndim == 2 and len(found) == count and np.isfinite(found).all():
            (folder / "about.json").touch()
            return found
    return None


def _save(key: str, features: np.ndarray, source: str) -> None:
    """Keep features; a cache that cannot be written forgets them, harmlessly."""
    folder, content = cache_folder("prepared") / key, io.BytesIO()
    np.save(content, features)
    n, d = features.shape
    with contextlib.suppress(StorageError):
        write_atomically(folder / "features.npy", content.getvalue())
        write_atomically(folder / "about.json", json.dumps({"source": source, "shape": [n, 1, 1, d]}))


def _shortened(net: str) -> str:
    return net if len(net) <= 40 else f"{net[:39]}…"
