"""Nets changed for a new task: other outputs, another dropout rate, and taps, which change nothing that was there."""

import numpy as np
import pytest
import torch

from striate.classifier.classifier import Classifier
from striate.classifier.features import net_features
from striate.classifier.heads.fitted import features_of
from striate.classifier.preprocessing import Preprocessing
from striate.errors import ArgumentError
from striate.nets import make_module, parse, resolve
from striate.nets.surgery import MOST_TAPS, with_dropout, with_new_head, with_outputs, with_taps

NETS = {"mobilenet_v2": 64, "resnet18": 64, "googlenet(aux=true)": 96, "vgg11": 64, "lenet": 28, "swift_xs": 32}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("conv(8, 3) relu fc(4)", "conv(8, 3) relu fc(7)"),
        (
            "conv(8, 3) relu out: [dropout(0.1) fc(4) scale(0.5)]",
            "conv(8, 3) relu out: [dropout(0.1) fc(7) scale(0.5)]",
        ),
        ("[conv(4, 3) relu]*2 conv(4, 1) globalavg", "[conv(4, 3) relu]*2 conv(7, 1) globalavg"),
        ("conv(8, 3) aux(fc(4) ; 0.3) fc(4)", "conv(8, 3) aux(fc(4) ; 0.3) fc(7)"),
    ],
)
def test_other_outputs(before, after):
    assert with_outputs(parse(before), 7) == parse(after)


def test_the_shortcut_comes_last_in_a_residual_and_equal_layers_are_changed_once():
    assert with_outputs(parse("fc(4) fc(4) relu"), 7) == parse("fc(4) fc(7) relu")
    assert with_outputs(parse("residual(fc(4) ; fc(4))"), 7) == parse("residual(fc(4) ; fc(7))")


def test_a_net_without_weights_takes_no_other_outputs():
    with pytest.raises(ArgumentError, match="must have an fc layer or a convolution to take other classes; got relu"):
        with_outputs(parse("relu aux(fc(3))"), 7)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("conv(4, 3) relu", "conv(4, 3) relu"),
        ("fc(9) relu fc(4) scale(0.1)", "fc(9) relu dropout(0.2) fc(4) scale(0.1)"),
        ("dropout [fc(9) dropout(0.1)]*2 fc(4)", "dropout(0.2) [fc(9) dropout(0.2)]*2 fc(4)"),
        (
            "aux(dropout fc(4) ; 1) residual(head: dropout) fc(4)",
            "aux(dropout(0.2) fc(4) ; 1) residual(head: dropout(0.2)) fc(4)",
        ),
    ],
)
def test_another_dropout_rate(before, after):
    assert with_dropout(parse(before), 0.2) == parse(after)


def test_a_new_head_sees_the_last_layer_alone_or_the_parts():
    net = parse("conv(4, 3) relu conv(8, 3) relu globalavg fc(4)")
    assert with_new_head(net, 7, (3, 9, 9), "last") == with_outputs(net, 7)
    assert with_new_head(net, 7, (3, 9, 9), "parts") == with_outputs(with_taps(net, (3, 9, 9)), 7)


def classifier(sentence, side):
    net = resolve(sentence, classes=4, channels=3, side=side)
    shape = (3, side, side)
    plain = Preprocessing((side, side), 3, "crop", np.zeros(3, np.float32), np.ones(3, np.float32))
    return Classifier(tuple("abcd"), plain, net, make_module(net, shape, seed=1).eval(), {})


@pytest.mark.parametrize(("sentence", "side"), NETS.items())
def test_what_the_last_layer_gets_comes_last_behind_the_means_of_the_parts_before(sentence, side):
    model = classifier(sentence, side)
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain = features_of(model.module, images)
        more = features_of(net_features(model, "x").body, images)
    assert more.shape[1] > plain.shape[1]
    scale = plain.abs().max().clamp(1)
    torch.testing.assert_close(more[:, -plain.shape[1] :] / scale, plain / scale, rtol=1e-4, atol=1e-5)


def test_the_means_are_those_of_the_last_parts():
    model = classifier("mobilenet_v2", 64)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    parts = [f"block{i}" for i in range(18 - MOST_TAPS, 18)]
    with torch.inference_mode():
        seen = model.module.activations(images, parts)
        expected = torch.cat([seen[part].mean((2, 3)) for part in parts], 1)
        more = features_of(net_features(model, "x").body, images)
    torch.testing.assert_close(more[:, : expected.shape[1]], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "sentence", ["fc(5) relu fc(4)", "conv(4, 3) relu globalavg", "conv(4, 3) relu [fc(9) relu]*2"]
)
def test_a_net_with_nothing_more_to_show_is_returned_as_it_is(sentence):
    assert with_taps(parse(sentence), (3, 16, 16)) == parse(sentence)


@pytest.mark.parametrize(("sentence", "side"), NETS.items())
def test_taps_are_put_once(sentence, side):
    tapped = with_taps(resolve(sentence, classes=4, channels=3, side=side), (3, side, side))
    assert with_taps(tapped, (3, side, side)) == tapped


def test_what_stands_behind_the_last_layer_is_left_off():
    net = parse("conv(4, 3) relu conv(8, 3) relu head: [dropout(0.5) fc(4)] scale(0.1)")
    expected = "conv(4, 3) relu concat(globalavg flatten | conv(8, 3) relu flatten) fc(4)"
    assert str(with_taps(net, (3, 9, 9))) == expected


def test_the_whole_image_is_looked_at(digits_model):
    from dataclasses import replace

    cut = replace(digits_model, preprocessing=replace(digits_model.preprocessing, resize=40))
    assert net_features(cut, "x").preprocessing.resize is None
    assert net_features(cut, "x").model.preprocessing.resize is None
