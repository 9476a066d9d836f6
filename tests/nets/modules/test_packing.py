"""Convolutions laid out for a CPU: the same function, in float32 to the last bits, in bfloat16 nearly."""

import pytest
import torch
from tests.nets.modules.test_folding import trained

from striate.classifier.heads.fitted import FittedModule, Selection
from striate.nets import ZOO, make_module, resolve
from striate.nets.modules.packing import PackedConv, packed
from striate.nets.zoo.downloads import BACKBONES

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN here")


def of_zoo(name, side=64):
    return make_module(resolve(name, classes=5, channels=3), (3, side, side)).eval()


def packs(module):
    return [layer for layer in module._layers if isinstance(layer, PackedConv)]


@torch.inference_mode()
def test_a_packed_net_predicts_the_same_for_any_number_of_images():
    module, images = trained(), torch.randn(8, 3, 12, 12)
    fast = packed(module)
    assert [one.behind[0] for one in packs(fast)] == ["hardtanh", "relu", "none", "relu"]
    for count in (8, 1, 3, 8):
        torch.testing.assert_close(fast(images[:count]), module(images[:count]), rtol=1e-4, atol=1e-5)
    assert not packs(module), "the module itself has changed"


@pytest.mark.parametrize("name", [*BACKBONES, "resnet20", "swift_xs"])
@torch.inference_mode()
def test_nets_of_the_zoo_are_packed_and_embed_the_same(name):
    assert name in ZOO
    module = of_zoo(name)
    fast, images = packed(module), torch.randn(2, 3, 64, 64).to(memory_format=torch.channels_last)
    assert len(packs(fast)) >= 6
    torch.testing.assert_close(fast.embed(images), module.embed(images), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_in_bfloat16_it_is_nearly_the_same():
    module, images = of_zoo("mobilenet_v2"), torch.randn(2, 3, 64, 64)
    with torch.autocast("cpu", torch.bfloat16):
        half = packed(module, torch.bfloat16).embed(images).float()
    whole = module.embed(images)
    assert (half - whole).abs().max() < 0.05 * whole.abs().max()
    assert not torch.equal(half, whole)


@torch.inference_mode()
def test_activations_that_something_else_needs_stay_apart():
    module = make_module(resolve("conv(4, 3, pad=1) residual(relu conv(4, 1)) fc(2)", classes=2, channels=3), (3, 8, 8))
    fast, images = packed(module.eval()), torch.randn(2, 3, 8, 8)
    assert [one.behind[0] for one in packs(fast)] == ["none", "none"]
    torch.testing.assert_close(fast(images), module(images), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_body_of_a_fitted_model_is_packed():
    module = FittedModule(trained(), Selection.everything(4), torch.nn.Linear(4, 2), torch.arange(2), 2)
    fast, images = packed(module), torch.randn(8, 3, 12, 12)
    assert packs(fast.body)
    torch.testing.assert_close(fast(images), module(images), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_without_onednn_norms_are_folded_all_the_same(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    module, images = trained(), torch.randn(8, 3, 12, 12)
    assert not packs(packed(module))
    torch.testing.assert_close(packed(module)(images), module(images), rtol=1e-4, atol=1e-5)
