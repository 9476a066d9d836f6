"""Contracts that every net of the zoo keeps, and its published numbers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from striate.errors import ArgumentError, ShapeError
from striate.nets import ZOO, NetModule, auxiliary_loss, make_module, resolve
from striate.nets.graph import make_graph
from striate.nets.structure import without_softmax

PARAMETERS = {
    "lenet": 61_706,
    "alexnet": 60_965_224,
    "alexnet_torchvision": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg16_bn": 138_365_992,
    "googlenet": 6_624_904,
    "googlenet(aux=true)": 13_004_888,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "squeezenet1_1": 1_235_496,
    "densenet121": 7_978_856,
    "mobilenet_v2": 3_504_872,
    "efficientnet_lite0": 4_652_008,
    "efficientnet_lite1": 5_416_680,
    "efficientnet_lite2": 6_092_072,
    "efficientnet_lite3": 8_197_096,
    "efficientnet_lite4": 13_006_568,
    "convnext_tiny": 28_589_128,
}
MULTIPLY_ADDS = {"resnet50": 4_089_184_256, "mobilenet_v2": 300_774_272, "vgg16": 15_470_264_320}
LIGHT = {"lenet", "resnet18", "resnet20", "squeezenet1_1", "mobilenet_v2"}
each_net = pytest.mark.parametrize(
    "name", [name if name in LIGHT else pytest.param(name, marks=pytest.mark.slow) for name in ZOO]
)


def input_shape(name: str) -> tuple[int, ...]:
    return ZOO[name.split("(")[0]].input_shape


def on_no_device(name: str) -> NetModule:
    """The module without memory for its weights: shapes only."""
    net = resolve(name)
    with torch.device("meta"):
        return NetModule(net, make_graph(without_softmax(net.chain), input_shape(name)))


def small_module(name: str, seed: int = 0) -> NetModule:
    """The net for five classes and the smallest images that fit."""
    channels = input_shape(name)[0]
    net = resolve(name, classes=5)
    for side in (28, 32, 64, 80, 96, 112):
        try:
            return make_module(net, (channels, side, side), seed)
        except ShapeError:
            continue
    raise AssertionError(f"{name} fits no small image")


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_the_published_ones(name: str) -> None:
    assert resolve(name).table(input_shape(name)).parameters == PARAMETERS[name]


@pytest.mark.parametrize("name", MULTIPLY_ADDS)
def test_multiply_adds_are_the_known_ones(name: str) -> None:
    assert resolve(name).table(input_shape(name)).multiply_adds == MULTIPLY_ADDS[name]


@pytest.mark.parametrize("name", [*ZOO, "googlenet(aux=true)"])
def test_the_table_counts_what_torch_counts(name: str) -> None:
    table = resolve(name).table(input_shape(name))
    module = on_no_device(name).train()
    assert table.parameters == sum(p.numel() for p in module.parameters())
    with FlopCounterMode(display=False) as counter:
        images = torch.empty(2, *input_shape(name), device="meta")
        values = module.activations(images) if "aux" not in name else {}
        out = module(images)
    passes = 4 if values else 2
    assert counter.get_total_flops() == 2 * passes * table.multiply_adds
    assert out.shape == (2, *resolve(name).output_shape(input_shape(name)))
    shapes = {row.path: row.shape for row in table.rows}
    assert all(value.shape[1:] == shapes[path] for path, value in values.items())


@each_net
def test_gradient_reaches_every_parameter(name: str) -> None:
    module = small_module(name).train()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(5, *module.input_shape, generator=generator)
    labels = torch.arange(5)
    (functional.cross_entropy(module(images), labels) + auxiliary_loss(module, labels)).backward()
    without = [n for n, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without


@each_net
def test_a_batch_of_one_is_the_same_as_among_others_and_loading_is_bit_equal(name: str) -> None:
    module = small_module(name).eval()
    images = torch.randn(3, *module.input_shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        together, alone = module(images), module(images[:1])
        assert torch.allclose(together[:1], alone, rtol=1e-3, atol=1e-3 * float(together.abs().max()))
        other = small_module(name, seed=1).eval()
        assert not torch.equal(other(images), together)
        other.load_state_dict(module.state_dict())
        assert torch.equal(other(images), together)


@each_net
def test_the_same_seed_gives_the_same_weights(name: str) -> None:
    one, same = small_module(name, seed=3).state_dict(), small_module(name, seed=3).state_dict()
    assert all(torch.equal(value, same[key]) for key, value in one.items())


@pytest.mark.parametrize("name", [name for name, net in ZOO.items() if net.published])
def test_names_and_shapes_are_the_published_ones(name: str) -> None:
    """The digests are of the names and shapes in torchvision's own modules (0.29), auxiliary heads left out,
    and of those in the files of EfficientNet-Lite.
    """
    known = json.loads((Path(__file__).parent / "torchvision_keys.json").read_text())[name]
    lines = []
    for ours, value in on_no_device(name).state_dict().items():
        shape = tuple(value.shape)
        key = ZOO[name].published_key(ours)
        if name == "convnext_tiny" and (".block.3.weight" in key or ".block.5.weight" in key):
            shape = shape[:2]  # fully connected there, a 1×1 convolution here
        lines.append(f"{key} {shape}")
    assert hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest() == known


def test_widths_and_other_inputs() -> None:
    assert resolve("mobilenet_v2(width=0.5)").table((3, 224, 224)).parameters == 1_968_680
    assert resolve("mobilenet_v2(width=1.4)").table((3, 224, 224)).parameters == 6_108_776
    assert resolve("resnet18", classes=10).output_shape((1, 96, 64)) == (10,)
    for depth in (20, 32, 44, 56, 110):
        weighted = [r for r in resolve(f"resnet{depth}").table((3, 32, 32)).rows if r.layer.startswith(("conv", "fc"))]
        assert len(weighted) == depth


@pytest.mark.parametrize(("file", "most"), [("alexnet", 12), ("googlenet", 40), ("resnet", 40)])
def test_architectures_are_short(file: str, most: int) -> None:
    """The lines of the functions that say the architecture, without documentation and the names of published files."""
    import importlib
    import inspect

    module = importlib.import_module(f"striate.nets.zoo.{file}")
    wanted = {"alexnet": ["alexnet"], "googlenet": ["unit", "inception", "googlenet"]}.get(
        file, ["basic", "bottleneck", "_write"]
    )
    lines = [
        line
        for name in wanted
        for line in inspect.getsource(getattr(module, name)).splitlines()
        if line.strip() and not line.strip().startswith('"""Return')
    ]
    assert len(lines) <= most


def test_the_largest_swift_net_has_three_convolutions_a_block() -> None:
    text = str(resolve("swift_l", classes=10, side=32))
    assert text.count("residual(") == 3
    assert text.count('init="dirac"') == 9
    assert text.count("conv(320,") == 3


def test_swift_nets_come_in_any_width() -> None:
    assert resolve("swift_m(width=1)", classes=10, side=32) == resolve("swift_m", classes=10, side=32)
    assert str(resolve("swift_m(width=0.5)", classes=10, side=32)).count("conv(128,") == 4
    for width in ("0", "-1", '"wide"', "true", "1e9"):
        with pytest.raises(ArgumentError, match="width of swift_m must be a number above 0 and up to 64"):
            resolve(f"swift_m(width={width})", classes=10, side=32)
