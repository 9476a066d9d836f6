"""Sentences: read, written, refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.errors import NotationError
from striate.nets import ZOO, Net, parse, parse_calls, resolve
from striate.nets import layers as flat
from striate.nets.layers import Layer
from striate.nets.notation import WORDS
from striate.nets.structure import Aux, Chain, Concat, Gate, Part, Repeat, Residual, Se
from striate.nets.windows import Avgpool, Conv, Depthwise, Maxpool, Subsample, Whiten

sides = st.one_of(st.integers(1, 9), st.tuples(st.integers(1, 9), st.integers(1, 9)))
pads = st.one_of(st.just("same"), st.integers(0, 4), st.tuples(st.integers(0, 4), st.integers(0, 4)))
shares = st.floats(0, 0.999)
inits = st.sampled_from([None, "he", "gaussian(0.01)"])

plain_layers: st.SearchStrategy[Layer] = st.one_of(
    st.builds(Conv, st.integers(1, 99), sides, sides, pads, sides, st.integers(1, 4), st.booleans(), inits),
    st.builds(Depthwise, sides, sides, pads, sides, st.integers(1, 3), st.booleans(), inits),
    st.builds(Whiten, sides, pads, st.booleans()),
    st.builds(Maxpool, sides, st.none() | sides, pads, st.booleans()),
    st.builds(Avgpool, sides, st.none() | sides, pads, st.booleans()),
    st.builds(Subsample, st.integers(1, 4), st.integers(1, 99)),
    st.builds(Se, st.integers(1, 16)),
    st.builds(flat.Fc, st.integers(1, 9999), st.booleans(), inits),
    st.builds(flat.Bn, shares, shares, st.booleans(), st.booleans()),
    st.builds(flat.Lrn, st.integers(1, 9), shares, shares, shares),
    st.builds(flat.Dropout, shares),
    st.builds(flat.Leakyrelu, shares),
    st.builds(flat.Scale, st.floats(-1e6, 1e6)),
    st.sampled_from([flat.Relu(), flat.Tanh(), flat.Gelu(), flat.Softmax(), flat.Flatten()]),
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)


def chains(items: st.SearchStrategy, least: int = 1) -> st.SearchStrategy[Chain]:
    return st.lists(items, min_size=least, max_size=3).map(lambda found: Chain(tuple(found)))


def grown(items: st.SearchStrategy) -> st.SearchStrategy:
    unnamed = items.filter(lambda item: not isinstance(item, Part))
    return st.one_of(
        st.builds(Repeat, chains(unnamed), st.integers(1, 5)),
        st.builds(Part, names, unnamed),
        st.builds(Residual, chains(unnamed), chains(unnamed, 0)),
        st.builds(Gate, chains(unnamed)),
        st.builds(Aux, chains(unnamed), st.floats(0, 9)),
        st.lists(chains(unnamed, 0), min_size=2, max_size=3).map(lambda found: Concat(tuple(found))),
    )


@settings(max_examples=150)
@given(chains(st.recursive(plain_layers, grown, max_leaves=6)))
def test_value_to_text_to_value(chain: Chain) -> None:
    parts = [item.name for item in chain.items if isinstance(item, Part)]
    if len(parts) == len(set(parts)):
        assert parse(str(chain)) == Net(chain)


@pytest.mark.parametrize("name", ZOO)
def test_every_zoo_sentence_round_trips(name: str) -> None:
    net = resolve(name)
    assert parse(str(net)) == net


def test_every_word_has_a_layer_that_prints_itself() -> None:
    for word, kind in WORDS.items():
        assert word == kind.word
        assert kind.__doc__


def test_white_space_comments_and_defaults() -> None:
    text = "conv( 8,\n 3 , stride=1, pad=(1,1), bias=True ) # the first\n\t[ relu ] * 2\nfc(classes)"
    assert str(parse(text, classes=4)) == "conv(8, 3, pad=1) [relu]*2 fc(4)"


def test_repeats_and_arguments_take_names() -> None:
    assert str(parse("[fc(width)]*depth", width=5, depth=3)) == "[fc(5)]*3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv(32, 3) cnv(3)", r"column 13: unknown layer 'cnv'; did you mean 'conv'"),
        ("conv(32, 3, strid=2)", "column 13: unknown argument of conv 'strid'; did you mean 'stride'"),
        ("conv(32)", "column 1: conv needs size"),
        ("conv(1, 2, 3, 4, 5, 6, true, 'he', 9)", "column 36: conv takes at most 8"),
        ("relu(3)", "column 6: relu takes no arguments"),
        ("relu(x=3)", "column 6: relu takes no arguments"),
        ("conv(3, 3, size=2)", "column 12: conv got 'size' twice"),
        ("conv(3, 3, pad=1, pad=2)", "column 19: conv got 'pad' twice"),
        ("residual(relu ; relu ; relu)", r"column 22: expected a '\)', found a ';'"),
        ("[relu]*1000000000", "got 1000000000"),
        ("fc(classes)", r"column 4: the name 'classes' has no value.*parse\(…, classes=10\)"),
        ("fc(0)", "column 4: fc: units must be a whole number from 1"),
        ("fc(1.5)", "fc: units must be a whole number"),
        ("fc(true)", "fc: units must be a whole number"),
        ("conv(8, (1, 2, 3))", r"column 9: conv: size must be a whole number, an \(h, w\) pair"),
        ("conv(8, 3, pad='sam')", "or \"same\"; got 'sam'"),
        ("conv(8, 3, init='hee')", "column 12: conv: init: unknown initialisation 'hee'; did you mean 'he'"),
        ("conv(8, 3, init='gaussian')", "as in gaussian"),
        ("conv(8, 3, bias=0)", "bias must be true or false; got 0"),
        ("dropout(1)", "dropout: p must be a number from 0 to 0.999"),
        ("dropout(1e999)", "dropout: p must be a number"),
        ("fc(2 + 2)", "column 4: an argument must be a number"),
        ("fc(__import__('os'))", "an argument must be a number"),
        ("fc(*[3])", "an argument must be a number"),
        ("fc(**x)", "written out one by one"),
        ("fc(10", r"column 3: this '\(' is never closed"),
        ("[relu", r"column 1: this '\[' is never closed"),
        ("relu]", r"column 5: expected the end, found a '\]'"),
        ("relu | relu", "column 6: expected the end, found a '|'"),
        ("[]*3", "column 1: there is nothing between"),
        ("[relu]*", "column 8: expected how often"),
        ("[relu]*0", "repeats must be a whole number from 1"),
        ("[relu]*n", "column 8: the name 'n' has no value"),
        ("residual relu", "column 1: residual needs its body"),
        ("residual( ; relu)", "column 1: residual needs a body"),
        ("concat(relu)", "column 1: concat needs at least two branches"),
        ("aux(fc(2) ; x)", "column 13: expected the weight"),
        ("head:", "column 1: the part 'head' names nothing"),
        ("a: b: relu", "column 1: the part 'a' holds only the part 'b'"),
        ("a: relu a: relu", "column 9: two parts are called 'a'"),
        ("relu, relu", "column 5: expected a layer, found ','"),
        ("relu\n  cnv(3)", "line 2, column 3: unknown layer"),
        ("", "at least one layer; got an empty sentence"),
        ("# only a comment", "at least one layer"),
        ("3", "column 1: expected a layer, found '3'"),
        ("fc(1\x00)", "cannot be read"),
    ],
)
def test_errors_say_where_and_what(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        parse(text)


def test_the_caret_stands_below_the_mistake() -> None:
    with pytest.raises(NotationError) as caught:
        parse("conv(32, 3) cnv(3)")
    _, line, caret = str(caught.value).split("\n")
    assert line[caret.index("^") :].startswith("cnv(3)")
    with pytest.raises(NotationError) as caught:
        parse("relu " * 40 + "cnv(3)" + " relu" * 40)
    _, line, caret = str(caught.value).split("\n")
    assert line[caret.index("^") :].startswith("cnv(3)")
    assert len(line) < 120


@pytest.mark.parametrize(
    "text",
    [
        "[relu]*1000000",
        "[" * 100_000,
        "[" * 31 + "relu" + "]*10000" * 31,
        "residual(" * 50_000,
        "a: " * 50_000 + "relu",
        "fc(" + "(" * 100_000 + ")",
        "fc(" + "-" * 1_500 + "1)",
        "fc(" + "9" * 100_000 + ")",
        "fc(" + "9" * 1_000 + ")",
        "[relu]*" + "9" * 100_000,
        "aux(relu ; " + "9" * 100_000 + ")",
        "relu " * 10_000_000,
        "relu " * 30_000,
        "fc('" + "x" * 100_000,
        "#" * 150_000,
        "\x00" * 1000,
        "[relu]*²",
        "fc(²)",
        "[relu]*³ fc(10)",
        "relu\rfoo",
        "fc(10)\r\r]",
        "conv(8, ٣)",
    ],
)
def test_hostile_sentences_are_refused(text: str) -> None:
    # One that were read to its end, or expanded, would exhaust memory or the stack instead.
    with pytest.raises(NotationError):
        parse(text)


@given(st.text(alphabet="conv fcrelu[]*()|;:,=0123456789.#'\"\n-", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        net = parse(text)
    except NotationError:
        return
    assert parse(str(net)) == net


def test_calls_in_the_same_grammar() -> None:
    calls = parse_calls("flip translate(2, fill='edge') zoom((0.8, 1.2)) scale(-1)")
    assert calls == [
        ("flip", (), {}),
        ("translate", (2,), {"fill": "edge"}),
        ("zoom", ((0.8, 1.2),), {}),
        ("scale", (-1,), {}),
    ]
    assert parse_calls("") == []
    with pytest.raises(NotationError, match="column 6: expected a layer, found ','"):
        parse_calls("flip ,")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lenett", "unknown net 'lenett'; did you mean 'lenet'"),
        ("lenet(3)", "takes its options by name"),
        ("lenet relu", "takes its options by name|unknown"),
    ],
)
def test_resolve_refuses(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=message):
        resolve(text)


def test_resolve_reads_names_options_and_sentences() -> None:
    assert resolve("lenet", classes=3).output_shape((1, 28, 28)) == (3,)
    assert resolve("lenet(classes=4)", classes=3).output_shape((1, 28, 28)) == (4,)
    assert resolve('mobilenet_v2(width=0.5, pad="same")', classes=3).output_shape((3, 64, 64)) == (3,)
    assert resolve("conv(channels, 1) fc(classes)", classes=3, channels=2).output_shape((2, 4, 4)) == (3,)
    assert str(resolve("relu")) == "relu"
    with pytest.raises(ValueError, match="unknown option of lenet 'wide'"):
        resolve("lenet(wide=3)")
