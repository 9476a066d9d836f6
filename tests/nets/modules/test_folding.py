"""Norms inside the convolutions before them: the same function, by another name for nobody."""

import torch

from striate.classifier.heads.fitted import FittedModule, Selection
from striate.nets import make_module, parse
from striate.nets.modules.folding import FoldedConv, folded

NET = """conv(6, 3, bias=false) bn relu6 residual(depthwise(3, pad=1) bn relu conv(6, 1) bn) maxpool(2) bn
         conv(4, 3) [relu bn] globalavg fc(3)"""


def trained():
    """A net whose norms have seen something."""
    module = make_module(parse(NET), (3, 12, 12))
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, 0.2, 0.5)
    module.train()
    module(3 + 2 * torch.randn(32, 3, 12, 12))
    return module.eval()


def test_a_folded_net_predicts_the_same():
    module, images = trained(), torch.randn(8, 3, 12, 12)
    fast = folded(module)
    assert sum(isinstance(layer, FoldedConv) for layer in fast._layers) == 3
    torch.testing.assert_close(fast(images), module(images), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(layer, FoldedConv) for layer in module._layers), "the module itself has changed"


def test_weights_that_change_later_are_followed():
    module, images = trained(), torch.randn(8, 3, 12, 12)
    fast, before = folded(module), module(images)
    with torch.no_grad():
        for value in module.state_dict().values():
            value.add_(1)
    assert not torch.allclose(module(images), before)
    torch.testing.assert_close(fast(images), module(images), rtol=1e-4, atol=1e-5)


def test_the_body_of_a_fitted_model_is_folded():
    body = trained()
    module = FittedModule(body, Selection.everything(4), torch.nn.Linear(4, 2), torch.arange(2), 2)
    fast, images = folded(module), torch.randn(8, 3, 12, 12)
    assert fast.body is not body
    torch.testing.assert_close(fast(images), module(images), rtol=1e-4, atol=1e-5)


def test_modules_of_others_are_left_alone():
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    assert folded(module) is module
