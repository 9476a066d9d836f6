"""Models of timm where a net is expected: timm's body, pooled, and one linear layer for the classes.

Names are `timm/` and a name that timm lists, perhaps with the tag of its weights: `timm/levit_192`,
`timm/resnet18.a1_in1k`. timm (extra `timm`) is imported where one is asked for, never before, and nothing is fetched
but the weights that a user asks for.
"""

from __future__ import annotations

import difflib
import importlib
import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import ArgumentError, MissingExtraError, ModelFileError, ShapeError, SourceNotFoundError
from striate.nets.modules.weights import read_weights
from striate.nets.zoo.downloads import answers
from striate.nets.zoo.registry import TIMM

_NAME = re.compile(r"[a-z0-9_.]+")
_LOST = re.compile(r"operator torchvision::(\w+) does not exist")


@dataclass(frozen=True)
class TimmNet:
    """A model of timm's by its name, with `classes` outputs; `str` gives `timm/` and the name.

    What Striate knows of its own nets layer by layer, the layer table and the NumPy reference, there is not.
    """

    name: str
    classes: int

    def __str__(self) -> str:
        return TIMM + self.name

    @property
    def one_size(self) -> bool:
        """Whether its weights fit images of one size alone, as those of many transformers do."""
        return bool(_config(self.name).fixed_input_size)

    def data_config(self) -> dict[str, Any]:
        """Return how timm shows images to it: input_size (c, h, w), mean, std (of [0, 1]), crop_pct and so on."""
        return import_timm().data.resolve_data_config({}, _config(self.name).to_dict())

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the output for one input (c, h, w).

        Raises:
            ShapeError: the model fails on such images.
        """
        describe_body(self.name, tuple(input_shape))
        return (self.classes,)


class TimmModule(nn.Module):
    """float (n, c, h, w) → logits (n, k): what timm's body makes of an image, pooled, and a linear `head`.

    Whatever timm's own head is, this one is a single layer, so that it can be fitted to features; in evaluation those
    of timm's nets come to the same where they are linear.
    """

    def __init__(self, net: TimmNet, input_shape: tuple[int, int, int]):
        super().__init__()
        self.net, self.input_shape = net, input_shape
        self.body = _make_body(net.name, input_shape)
        self.head = nn.Linear(describe_body(net.name, input_shape).features, net.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, (n, k)."""
        return self.head(self.embed(images))

    def embed(self, images: Tensor) -> Tensor:
        """Return what the head gets, (n, d)."""
        return self.body(images)

    def train(self, mode: bool = True) -> TimmModule:
        """Choose between training and evaluation; each time, what the body keeps of its weights is made anew.

        LeViT, for one, caches its attention biases in evaluation until it trains again, and would miss weights that
        were averaged or loaded in between.
        """
        super().train(True)
        return super().train(mode)


def read_timm(text: str, classes: int) -> TimmNet:
    """Return the model that `timm/NAME` means.

    Raises:
        MissingExtraError: timm is not there, or cannot be imported.
        ArgumentError: timm has no such model; the message says which are near.
    """
    name = text.removeprefix(TIMM)
    known = _names()
    if not _NAME.fullmatch(name) or name not in known:
        near = difflib.get_close_matches(name, sorted(known), 3)
        hint = f"the nearest are {', '.join(near)}" if near else "timm.list_models() names them"
        raise ArgumentError(f"timm {timm_version()} has no model {name[:60]!r}; {hint}")
    return TimmNet(name, classes)


def import_timm() -> Any:
    """Return the module timm.

    Raises:
        MissingExtraError: it is not installed, or does not run beside this torch; the message says what to install.
    """
    try:
        return _import_beside_any_torchvision()
    except Exception as error:  # a torchvision made for another torch fails with whatever its operators raise
        if isinstance(error, ModuleNotFoundError) and error.name == "timm":
            raise MissingExtraError('timm is not installed: pip install "striate[timm]"') from None
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise MissingExtraError(
            f"timm is installed but cannot be imported ({said}). Its torchvision must be the one made for torch "
            f"{torch.__version__}; the two that fit: pip install --upgrade torch torchvision"
        ) from None


def _import_beside_any_torchvision() -> Any:
    """Return the module timm, also where torchvision's compiled operators do not load.

    PyPI's torchvision is made for torch with CUDA. Beside torch for the CPU its own import fails, as it describes
    operators that are not there; timm's nets call none of them, so that their names are enough.
    """
    declared = set[str]()
    while True:
        try:
            return importlib.import_module("timm")
        except RuntimeError as error:
            lost = _LOST.search(str(error))
            if not lost or lost[1] in declared:
                raise
            torch.library.define(f"torchvision::{lost[1]}", "() -> ()")
            declared.add(lost[1])


def timm_version() -> str:
    """Return timm's version."""
    return str(import_timm().__version__)


@cache
def _names() -> frozenset[str]:
    timm = import_timm()
    return frozenset(timm.list_models()) | frozenset(timm.list_models(include_tags=True))


def _config(name: str) -> Any:
    return import_timm().get_pretrained_cfg(name)


def _make_body(name: str, input_shape: tuple[int, ...]) -> nn.Module:
    """Return timm's model without its head, at its first weights, for images (c, h, w)."""
    sized = {"img_size": tuple(input_shape[1:])} if _config(name).fixed_input_size else {}
    return import_timm().create_model(name, pretrained=False, num_classes=0, in_chans=input_shape[0], **sized)


@dataclass(frozen=True)
class TimmBody:
    """What is known of a body before it is made: its features, its parameters, all numbers that its tensors hold."""

    features: int
    parameters: int
    numbers: int


@lru_cache(maxsize=64)
def describe_body(name: str, input_shape: tuple[int, ...]) -> TimmBody:
    """Return what a body makes of images (c, h, w), found by a trial on tensors without memory.

    Raises:
        ShapeError: it fails on such images, or makes maps of them instead of (n, d) features.
    """
    net, shape = TIMM + name, "×".join(map(str, input_shape))
    try:
        with torch.device("meta"), torch.inference_mode():
            body = _make_body(name, input_shape).eval()
            made = body(torch.zeros(1, *input_shape))
    except MissingExtraError:
        raise
    except Exception as error:  # each model refuses images in its own way
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ShapeError(f"{net} cannot be built for images of {shape} (channels × height × width): {said}") from None
    if not isinstance(made, Tensor) or made.ndim != 2:
        raise ShapeError(f"{net} must make features (n, d) of images to be a backbone; it makes something else")
    parameters, buffers = (sum(value.numel() for value in held()) for held in (body.parameters, body.buffers))
    return TimmBody(made.shape[1], parameters, parameters + buffers)


def make_timm(net: TimmNet, input_shape: tuple[int, int, int], seed: int = 0) -> TimmModule:
    """Return a module of `net` at first weights that `seed` decides; the global random state stays as it was."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        return TimmModule(net, input_shape)


def pretrained_timm(net: TimmNet, weights: str | Path, input_shape: tuple[int, int, int]) -> tuple[TimmModule, int]:
    """Return a model with weights, and how many classes its head knows; 0 where they bring none that is linear.

    Arguments:
        net: its `classes` are not asked for: the weights decide.
        weights: "imagenet" for timm's own, downloaded once by timm; or a .pth or .safetensors file by timm's names.
        input_shape: (c, h, w) that the weights are for.

    Raises:
        ArgumentError: timm publishes no weights of the model.
        SourceNotFoundError: the file does not exist, or cannot be downloaded.
        ModelFileError: a parameter is missing, spare or of another shape, or the file is damaged.
    """
    whole = (_downloaded(net) if str(weights) == "imagenet" else _filled(net, Path(weights), input_shape)).eval()
    module, state = make_timm(replace(net, classes=1), input_shape).eval(), whole.state_dict()
    if lost := module.body.state_dict().keys() - state.keys():
        raise ArgumentError(
            f"{net} cannot get a new head: without its own, timm builds it otherwise, and its weights have no "
            f"{min(lost)}. Choose another model"
        )
    module.body.load_state_dict({name: state[name] for name in module.body.state_dict()})
    if head := _linear_head(whole, module.body, input_shape):
        module.net, module.head = replace(net, classes=len(head[1])), nn.Linear(head[0].shape[1], head[0].shape[0])
        module.head.load_state_dict(dict(zip(("weight", "bias"), head, strict=True)))
    return module, len(head[1]) if head else 0


def _downloaded(net: TimmNet) -> nn.Module:
    timm = import_timm()
    if not timm.is_model_pretrained(net.name):
        raise ArgumentError(f"timm publishes no weights of {net}. Name a file of yours with --weights FILE")
    hub: Any = importlib.import_module("huggingface_hub.constants")
    before = hub.HF_HUB_OFFLINE
    # Where nobody answers, the hub's client would try for a minute; offline it looks into its cache and says so.
    hub.HF_HUB_OFFLINE = before or not answers(hub.ENDPOINT)
    try:
        return timm.create_model(net.name, pretrained=True)
    except Exception as error:  # the hub's client raises what it likes where there is no network
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise SourceNotFoundError(
            f"timm cannot fetch the weights of {net} ({said}). Fetch them elsewhere and name them with --weights FILE"
        ) from None
    finally:
        hub.HF_HUB_OFFLINE = before


def _filled(net: TimmNet, path: Path, input_shape: tuple[int, int, int]) -> nn.Module:
    """Return timm's model, its own head included, with the tensors of a file."""
    tensors, _ = read_weights(path)
    named = _config(net.name).classifier or ()
    heads = [f"{head}.weight" for head in ([named] if isinstance(named, str) else named)]
    outputs = next((len(tensors[head]) for head in heads if head in tensors and tensors[head].ndim), 0)
    sized = {"img_size": input_shape[1:]} if net.one_size else {}
    whole = import_timm().create_model(
        net.name, pretrained=False, num_classes=outputs, in_chans=input_shape[0], **sized
    )
    wanted = {name: tuple(value.shape) for name, value in whole.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in tensors.items()}
    if wrong := sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name)):
        first = wrong[0]
        raise ModelFileError(
            f"{path} does not have the parameters of {net} by timm's names: {len(wrong):,} missing, spare or of "
            f"another shape, such as {first}, which must be {wanted.get(first, 'left out')}; "
            f"got {given.get(first, 'none')}"
        )
    if endless := [name for name, value in tensors.items() if not torch.isfinite(value).all()]:
        raise ModelFileError(f"{path}: {endless[0]} must hold finite numbers; it has NaN or infinity")
    whole.load_state_dict(tensors)
    return whole


def _linear_head(whole: nn.Module, body: nn.Module, input_shape: tuple[int, int, int]) -> tuple[Tensor, Tensor] | None:
    """Return weight (k, d) and bias (k,) of the head of a model in evaluation; None if it is not linear in `body`.

    A head may be several layers, a norm among them, or two heads whose mean is taken. Its value at 0 and at the unit
    vectors says what the one layer would be; whether it is one is then seen on images.
    """
    found: Any = whole.get_classifier()  # pyright: ignore[reportCallIssue]
    heads = list(found) if isinstance(found, tuple | list | nn.ModuleList) else [found]
    images = torch.randn(2, *input_shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            features, expected = body(images), whole(images)
            units = torch.eye(features.shape[1])
            bias, rows = (torch.stack([head(x) for head in heads]).mean(0) for x in (0 * units[:1], units))
            weight, bias = (rows - bias).T, bias[0]
            same = torch.allclose(features @ weight.T + bias, expected, rtol=1e-3, atol=1e-3)
    except (RuntimeError, TypeError, ValueError, AttributeError):
        return None
    return (weight, bias) if same and expected.ndim == 2 and len(bias) > 1 else None
