"""Where windows fit: the arithmetic of rows S07 and S08."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from striate.errors import ShapeError
from striate.nets import make_module, parse
from striate.nets.windows import Conv, Maxpool, place


def test_a_filter_of_5x5x3_has_75_weights_and_a_bias() -> None:
    assert parse("conv(1, 5)").table((3, 32, 32)).parameters == 75 + 1


@pytest.mark.parametrize(
    ("sentence", "before", "after"),
    [
        ("conv(1, 5)", 32, 28),
        ("conv(1, 3)", 6, 4),
        ("conv(1, 3, pad=1)", 6, 6),
        ("conv(1, 5, pad=2)", 11, 11),
        ("conv(10, 7)", 32, 26),
        ("maxpool(2)", 4, 2),
        ("maxpool(2, ceil=true)", 7, 4),
        ("avgpool(2)", 4, 2),
        ('conv(1, 3, stride=2, pad="same")', 7, 4),
        ("conv(1, 3, dilation=2)", 9, 5),
    ],
)
def test_output_sizes(sentence: str, before: int, after: int) -> None:
    assert parse(sentence).output_shape((3, before, before))[1:] == (after, after)


def test_seven_four_two() -> None:
    assert parse("[maxpool(2, ceil=true)]*2").output_shape((1, 7, 7)) == (1, 2, 2)


def test_fully_connected_neurons_on_pixels() -> None:
    assert parse("fc(1, bias=false)").table((3, 28, 28)).parameters == 2_352
    assert parse("fc(1, bias=false)").table((3, 200, 200)).parameters == 120_000


def test_a_window_that_does_not_fit_is_said() -> None:
    rows = parse("conv(10, 7) conv(6, 5, stride=2)").table((3, 32, 32)).rows
    assert rows[0].shape == (10, 26, 26)
    assert rows[1].formula == "(26 − 5)/2 + 1 = 11.5 → 11"
    assert rows[1].note == "1 pixel at the right and bottom is never seen; 25 or 27 pixels would fit"
    assert Conv(96, 11, stride=4).formula((3, 224, 224)) == "(224 − 11)/4 + 1 = 54.25 → 54"


def test_the_cures_that_a_note_names_are_cures() -> None:
    note = Conv(1, 4, stride=3).note((1, 9, 9))
    assert note == "2 pixels at the right and bottom are never seen; 7 or 10 pixels would fit, or pad=2"
    for length, pad in ((7, 0), (10, 0), (9, 2)):
        axis = place(length, 4, 3, pad)
        assert axis is not None
        assert axis.exact.denominator == 1
    assert "ceil=true" in Maxpool(2).note((1, 7, 7))


def test_sides_that_differ_are_told_apart() -> None:
    layer = Conv(1, 4, stride=3)
    assert layer.formula((1, 10, 9)) == "h: (10 − 4)/3 + 1 = 3; w: (9 − 4)/3 + 1 = 2.666666667 → 2"
    assert layer.note((1, 10, 9)).startswith("2 pixels at the right are never seen")


def test_pixels_between_the_places_of_a_wide_stride_are_meant() -> None:
    assert Conv(1, 1, stride=2).note((1, 56, 56)) == ""


@given(
    length=st.integers(1, 24),
    size=st.integers(1, 6),
    stride=st.integers(1, 5),
    pad=st.integers(0, 3),
    dilation=st.integers(1, 3),
)
def test_unseen_pixels_are_those_after_the_last_window(
    length: int, size: int, stride: int, pad: int, dilation: int
) -> None:
    axis = place(length, size, stride, pad, dilation)
    starts = [s for s in range(-pad, length + pad, stride) if s + (size - 1) * dilation < length + pad]
    assert (axis.count if axis else 0) == len(starts)
    if axis is not None and dilation == 1 and stride <= size:
        seen = {s + i for s in starts for i in range(size)}
        assert axis.unseen == len(set(range(length)) - seen)


@given(data=st.data())
def test_shapes_are_those_of_torch(data: st.DataObject) -> None:
    height, width = data.draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    size, stride = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    pad: int | str = data.draw(st.sampled_from(["same", *range(size // 2 + 1)]))
    spelled = f'"{pad}"' if pad == "same" else pad
    kind = data.draw(
        st.sampled_from(
            ["conv(2, {}, stride={}, pad={})", "maxpool({}, {}, pad={})", "avgpool({}, {}, pad={}, ceil=true)"]
        )
    )
    net = parse(kind.format(size, stride, spelled))
    try:
        shape = net.output_shape((3, height, width))
    except ShapeError:
        return
    assert make_module(net, (3, height, width))(torch.zeros(1, 3, height, width)).shape[1:] == shape


@pytest.mark.parametrize(
    ("sentence", "shape", "message"),
    [
        ("[maxpool(2)]*3", (1, 4, 4), r"layer 0\.2\.0: maxpool\(2\) needs at least 2×2 pixels.*got 1×1×1"),
        ("conv(4, 3, groups=2)", (3, 8, 8), "cannot deal 3 input channels into 2 groups"),
        ("fc(3) conv(4, 3)", (3, 8, 8), "needs an image c×h×w; got 3"),
        ("maxpool(2, pad=2)", (3, 8, 8), "pads by more than half"),
        ("subsample(2, 2)", (3, 8, 8), "at least 3 channels"),
        ("residual(conv(8, 3))", (3, 8, 8), r"body, 8×6×6, and its shortcut, 3×8×8. .*conv\(8, 1\)"),
        ("concat(conv(2, 1) | conv(2, 3))", (3, 8, 8), "cannot join branches of 2×8×8, 2×6×6"),
        ("gate(conv(2, 1))", (3, 8, 8), "gate cannot multiply 3×8×8 by 2×8×8"),
        ("aux(aux(fc(2)) fc(2)) fc(2)", (3, 8, 8), "inside another"),
        ("[concat( | )]*60", (3, 8, 8), "too many for any machine"),
        ("relu", (3, 8), "an input shape must be"),
        ("relu", (3, 0, 8), "an input shape must be"),
    ],
)
def test_shape_errors_name_the_layer_and_both_sides(sentence: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        parse(sentence).graph(shape)
