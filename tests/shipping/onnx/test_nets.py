"""Every layer of the notation in ONNX against torch, and nets of the zoo."""

import re

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra export is not installed")
pytest.importorskip("onnxruntime", reason="the extra export is not installed")

import torch
from tests.shipping.onnx.graphs import run_graph
from torch import nn

from striate.nets import make_module, parse
from striate.nets.notation import WORDS
from striate.nets.zoo import ZOO
from striate.shipping.onnx.nets import emit_net

SENTENCES = [
    "conv(4, 3, pad=(1, 0), stride=(2, 1), dilation=(1, 2)) leakyrelu(0.2) maxpool(3, 2, pad=1, ceil=true) fc(3)",
    'conv(6, 5, pad="same", stride=2) lrn(4) maxpool(3, 2, pad="same") avgpool(3, 2, pad="same") fc(4) step fc(3)',
    "conv(6, 3) lrn silu avgpool(3, 2, pad=1, ceil=true) globalmax fc(3) sigmoid fc(4) softmax",
    "whiten(2) gelu se(4) ln globalavg fc(6) ln bn tanh relu6 fc(3)",
    "residual(conv(8, 3, pad=1, stride=2) bn relu ; subsample(2, 8)) concat(conv(3, 1) | maxpool(3, 1, pad=1) |) "
    "scale(0.5) layerscale(0.3) dropout droppath(0.1) flatten fc(3)",
    'depthwise(3, pad="same", multiplier=2) gate(globalavg conv(6, 1) sigmoid) aux(globalavg fc(3)) fc(3)',
    "[conv(4, 3, pad=1) bn gelu]*2 bn part: fc(5) relu fc(3, bias=false)",
]


def stirred(net, shape):
    """A module whose norms have learned something."""
    module = make_module(net, shape, seed=1).eval()
    generator = torch.Generator().manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.copy_(0.1 * torch.randn(layer.running_mean.shape, generator=generator))
            layer.running_var.copy_(torch.rand(layer.running_var.shape, generator=generator) + 0.5)
    return module


def check(net, shape):
    module = stirred(net, shape)
    images = torch.randn(3, *shape, generator=torch.Generator().manual_seed(2))
    output = module.graph.output
    with run_graph(lambda b: emit_net(b, module, "images", [output])[output], np.float32, ["n", *shape], 2) as run:
        with torch.inference_mode():
            expected = module(images).numpy()
        np.testing.assert_allclose(run(images.numpy()), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
        np.testing.assert_allclose(run(images.numpy()[:1]), expected[:1], rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("sentence", SENTENCES)
def test_layers_compute_what_torch_does(sentence):
    check(parse(sentence), (3, 17, 22))


def test_every_word_is_tried():
    tried = set(re.findall(r"[a-z0-9]+", " ".join(SENTENCES)))
    assert set(WORDS) <= tried


@pytest.mark.parametrize("name", ["lenet", "swift_xs", "resnet20"])
def test_small_nets_of_the_zoo(name):
    check(ZOO[name].net(10), ZOO[name].input_shape)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_lite0", "convnext_tiny", "densenet121", "googlenet"])
def test_large_nets_of_the_zoo(name):
    check(ZOO[name].net(10), ZOO[name].input_shape)
