"""The page's own arithmetic, run in node, against torch: every word of the notation, small nets, fitted heads."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.nets.reference.test_oracle import LAYERS, NETS, random_module

from striate.classifier.classifier import Classifier
from striate.classifier.preprocessing import Preprocessing
from striate.errors import ArgumentError, StriateError
from striate.explanation.walk import check, page
from striate.explanation.walk.document import make_document
from striate.explanation.walk.numbers import from_text, round_bits, to_text
from striate.explanation.walk.plan import Carried
from striate.explanation.walk.steps import describe_layer, model_steps
from striate.nets import parse, resolve
from striate.nets.layers import Activation, Layer
from striate.nets.notation import WORDS
from striate.nets.structure import Merge, Se
from striate.nets.windows import Depthwise, Pool, Window

FOLDER = Path(page.__file__).parent
HARNESS = Path(__file__).with_name("harness.js")


def model_of(sentence: str, shape: tuple[int, int, int], spread: bool = True) -> Classifier:
    """A classifier with random weights, biases and statistics."""
    module = random_module(sentence, shape).float().eval()
    c, h, w = shape
    generator = np.random.default_rng(0)
    mean = generator.uniform(90, 140, (c, h, w) if spread else c).astype(np.float32)
    std = generator.uniform(40, 70, c).astype(np.float32)
    classes = int(np.prod(resolve(sentence).output_shape(shape)))
    preprocessing = Preprocessing((h, w), c, "crop", mean, std)
    return Classifier(tuple(map(str, range(classes))), preprocessing, resolve(sentence), module)


def document_of(model: Classifier, seed: int = 0, plan: Carried | None = None):
    """A page's content for random pixels, and torch's values."""
    c, h, w = model.preprocessing.input_shape
    pixels = np.random.default_rng(seed).integers(0, 256, (h, w, c), np.uint8)
    steps = model_steps(model)
    values = check.torch_values(model, pixels, steps)
    return make_document(model, pixels, steps, values, plan or Carried(23)), values


def in_node(documents, places=None):
    """What the page's scripts make of each content."""
    if not shutil.which("node"):
        pytest.skip("node is not installed, which runs the page's scripts")
    cases = [{"said": one.said, "numbers": to_text(one.numbers)} for one in documents]
    for case, some in zip(cases, places or [], strict=False):
        case["places"] = some
    given = {"scripts": [str(FOLDER / "engine.js"), str(FOLDER / "trace.js")], "cases": cases}
    found = subprocess.run(["node", HARNESS], input=json.dumps(given), capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def difference(own, theirs):
    """The largest difference as a share of each layer's largest value, over all layers."""
    each = [np.abs(np.array(a) - b.ravel()).max() / (np.abs(b).max() or 1) for a, b in zip(own, theirs, strict=True)]
    return max(each)


def test_every_word_agrees_with_torch_and_so_does_the_trace_of_any_value():
    shapes = [(3, 9, 8)] * len(LAYERS) + list(NETS.values())
    documents, torchs, places = [], [], []
    for sentence, shape in zip([*LAYERS, *NETS], shapes, strict=True):
        document, values = document_of(model_of(sentence, shape))
        generator = np.random.default_rng(1)
        some = []
        for i, value in enumerate(values):
            flat = [*generator.integers(0, value.size, 3), int(value.argmax())]
            some += [(i, [int(x) for x in np.unravel_index(place, value.shape)]) for place in flat]
        documents.append(document)
        torchs.append(values)
        places.append(some)
    for sentence, found, values, some in zip([*LAYERS, *NETS], in_node(documents, places), torchs, places, strict=True):
        assert difference(found["values"], values) < 1e-5, sentence
        assert found["comparison"]["worst"] < 1e-5, sentence
        for (i, at), traced in zip(some, found["traced"], strict=True):
            assert traced == pytest.approx(values[i][tuple(at)], abs=1e-5 * float(np.abs(values[i]).max())), (
                sentence,
                i,
                at,
            )


def test_the_check_in_python_agrees_too():
    for sentence, shape in [*((one, (3, 9, 8)) for one in LAYERS), *NETS.items()]:
        document, values = document_of(model_of(sentence, shape))
        assert check.compare_with_torch(document, values).share < 1e-5, sentence


def kinds(kind):
    return {kind, *(each for below in kind.__subclasses__() for each in kinds(below))}


def test_every_layer_is_known_or_is_refused():
    bases = {Layer, Activation, Window, Pool, Merge, Se, Depthwise}  # se and depthwise become others in the graph
    assert all(describe_layer.dispatch(kind) is not describe_layer.dispatch(Layer) for kind in kinds(Layer) - bases)
    assert set(WORDS.values()) <= kinds(Layer)
    with pytest.raises(ArgumentError, match="needs layers that its page can compute"):
        describe_layer(Layer(), (3, 2, 2))


def test_a_wrong_number_is_found_by_python_and_by_the_page():
    document, values = document_of(model_of("conv(4, 3) relu fc(3)", (1, 6, 6)))
    place = document.said["steps"][0]["tensors"]["weight"][0]
    document.numbers[place] += 0.5
    with pytest.raises(StriateError, match=r"layer 0, conv.* would differ from torch"):
        check.compare_with_torch(document, values).require(document)
    (found,) = in_node([document])
    assert found["comparison"]["worst"] > 1e-3


def test_kept_numbers_and_chosen_units():
    model = model_of("conv(4, 3, pad=1) bn relu conv(8, 3, pad=1) relu fc(20) relu fc(5)", (3, 8, 8))
    plan = Carried(14, {3: np.array([1, 6]), 5: np.array([0, 19])})
    document, values = document_of(model, plan=plan)
    assert check.compare_with_torch(document, values).share < 1e-4
    (found,) = in_node([document], [[(3, [6, 2, 0]), (5, [19]), (7, [2])]])
    assert difference(found["values"], values) < 1e-4
    expected = [values[3][6, 2, 0], values[5][19], values[7][2]]
    assert found["traced"] == pytest.approx(expected, abs=1e-4 * float(max(map(abs, expected))))
    (unknown,) = in_node([document], [[(3, [0, 2, 0])]])
    assert unknown["traced"] == [None]


def test_rounded_numbers_are_the_nearest():
    values = np.random.default_rng(0).normal(size=10_000).astype(np.float32) * 10.0 ** np.random.default_rng(
        1
    ).integers(-20, 20, 10_000).astype(np.float32)
    for bits in (8, 14, 20):
        near = round_bits(values, bits)
        assert np.abs(near / values.astype(np.float64) - 1).max() <= 2.0 ** -(bits + 1)
        assert not (near.view(np.uint32) & np.uint32((1 << (23 - bits)) - 1)).any()
    assert (round_bits(values, 23) == values).all()
    extreme = np.array([0, -0.0, 3.4028235e38, -3.4028235e38, 1e-45], np.float32)
    assert np.isfinite(round_bits(extreme, 8)).all()
    assert (from_text(to_text(values)) == values).all()


def test_a_fitted_linear_model_and_its_absent_classes():
    from striate.classifier.heads.fitted import Fitted, FittedModule, Selection
    from striate.classifier.heads.linear import Linear

    generator = torch.Generator().manual_seed(0)
    chosen = Selection(
        torch.arange(3, 60, 2), torch.rand(29, generator=generator), 1 + torch.rand(29, generator=generator)
    )
    head = Linear(weight=torch.randn(3, 29, generator=generator), bias=torch.randn(3, generator=generator))
    shape = Preprocessing((8, 8), 1, "crop", np.array([100], np.float32), np.array([60], np.float32))
    module = FittedModule(None, chosen, head, torch.tensor([0, 2, 4]), 5).eval()
    model = Classifier(tuple("abcde"), shape, Fitted("logistic regression"), module)
    document, values = document_of(model)
    assert check.compare_with_torch(document, values).share < 1e-5
    (found,) = in_node([document])
    assert difference(found["values"], values) < 1e-5
    place = document.said["pixels"]
    pixels = document.array(place).reshape(1, 8, 8).astype(np.uint8)
    assert found["probabilities"] == pytest.approx(model.predict_proba(pixels)[0].tolist(), abs=1e-5)


def test_a_head_on_a_net_s_features_takes_the_layers_before_its_fc():
    from striate.classifier.heads.fitted import Fitted, FittedModule, Selection
    from striate.classifier.heads.linear import Linear
    from striate.nets import make_module

    net = parse("conv(4, 3) relu globalavg fc(7)")
    head = Linear(weight=torch.randn(2, 4), bias=torch.randn(2))
    module = FittedModule(make_module(net, (3, 8, 8)).eval(), Selection.everything(4), head, torch.arange(2), 2).eval()
    shape = Preprocessing((8, 8), 3, "crop", np.full(3, 100, np.float32), np.full(3, 60, np.float32))
    document, values = document_of(Classifier(("a", "b"), shape, Fitted("linear", net), module))
    assert [step["kind"] for step in document.said["steps"]] == ["conv", "relu", "globalavg", "select", "fc"]
    assert check.compare_with_torch(document, values).share < 1e-5


@pytest.mark.parametrize("sentence", ["swift_xs", "lenet", "resnet20"])
def test_rounding_to_sixteen_bits_stays_within_the_tolerance(sentence):
    shape = (1, 28, 28) if sentence == "lenet" else (3, 32, 32)
    document, values = document_of(model_of(sentence, shape, spread=False), plan=Carried(16))
    assert check.compare_with_torch(document, values).share < 1e-4


def test_a_page_is_never_larger_than_its_limit(tmp_path):
    model = model_of("lenet", (1, 28, 28), spread=False)
    whole = page.write_walkthrough(model, np.zeros((28, 28), np.uint8), tmp_path / "whole.html")
    part = page.write_walkthrough(model, np.zeros((28, 28), np.uint8), tmp_path / "part.html", limit_bytes=220_000)
    assert (whole.computed, whole.kept) == (11, 0)
    assert part.size_bytes == (tmp_path / "part.html").stat().st_size <= 220_000
    assert part.kept or part.absent
    with pytest.raises(ArgumentError, match=r"must fit in 100 kB"):
        page.write_walkthrough(model, np.zeros((28, 28), np.uint8), tmp_path / "none.html", limit_bytes=100_000)
    assert not (tmp_path / "none.html").exists()


def test_a_net_that_is_not_finite_is_refused(tmp_path):
    model = model_of("conv(2, 3) relu fc(3)", (1, 8, 8), spread=False)
    with torch.no_grad():
        model.module.layer("0").weight[0] = torch.nan
    with pytest.raises(StriateError, match="needs finite numbers; layer 0, conv"):
        page.write_walkthrough(model, np.zeros((8, 8), np.uint8), tmp_path / "walk.html")
