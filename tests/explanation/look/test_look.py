"""A look inside: what is told of units, layers and templates is what brute force finds."""

import copy
import json
from dataclasses import replace
from html import escape

import numpy as np
import pytest
import torch
from torch import nn

import striate
from striate.data.tensors import to_batch
from striate.errors import ArgumentError
from striate.explanation.look.activity import measure_activity
from striate.explanation.look.page import look_page
from striate.explanation.look.pictures import weights_picture
from striate.explanation.look.places import find_layer, layers_of, measured_view, view_of
from striate.explanation.look.remembered import asked_counts
from striate.nets import make_module, measure_spread, parse
from striate.nets.surgery import with_taps


def classifier(net, shape=(3, 16, 16), classes=4, seed=0, module=None):
    """A classifier of random weights, whose preprocessing is not trivial."""
    from striate.classifier.preprocessing import Preprocessing
    from striate.nets.modules.own import OwnModule

    c, h, w = shape
    mean, std = np.linspace(90, 130, c, dtype=np.float32), np.linspace(50, 70, c, dtype=np.float32)
    chosen = OwnModule(module) if module is not None else parse(net)
    built = module if module is not None else make_module(chosen, shape, seed)
    names = tuple(f"class {i}" for i in range(classes))
    return striate.Classifier(names, Preprocessing((h, w), c, "crop", mean, std), chosen, built.eval())


def pictures(n=10, h=16, w=16, c=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, h, w, c), dtype=np.uint8)


def layer_values(model, images, path):
    with torch.inference_mode():
        return model.module.activations(model.preprocessing.normalise(to_batch(images)), [path])[path]


@pytest.fixture(scope="module")
def digits():
    return striate.read("digits")


def test_layers_do_what_they_are_said_to_do(monkeypatch):
    monkeypatch.setattr("striate.explanation.look.activity._AT_ONCE", 4)
    model = classifier("conv(6, 3) relu conv(5, 3, stride=2) tanh fc(7) gelu fc(4)")
    with torch.no_grad():
        model.module.layer("0").bias[2] = -1e6
    images = pictures()
    found = measure_activity(model, images, [find_layer(model, "2")], most=3)
    inputs = model.preprocessing.normalise(to_batch(images)).numpy()
    for ours, theirs in zip(found.layers[1:], measure_spread(model.module, inputs).layers[1:], strict=True):
        assert (ours.path, ours.mean, ours.std) == (
            theirs.path, pytest.approx(theirs.mean, abs=1e-4 * theirs.std), pytest.approx(theirs.std, rel=1e-3)
        )  # fmt: skip
    relu = found.layers[1]
    assert (relu.silent, relu.dead) == ((2,), True)
    tanh = layer_values(model, images, "3")
    assert found.layers[3].saturated == pytest.approx(float((tanh.abs() > 0.98).float().mean()))
    values = layer_values(model, images, "2").flatten(2)
    best = values.amax(2).sort(0, descending=True)
    peaks = found.peaks["2"]
    assert torch.equal(peaks.images, best.indices[:3])
    torch.testing.assert_close(peaks.values, best.values[:3])
    for unit in range(5):
        assert values[peaks.images[0, unit], unit, peaks.places[0, unit]] == pytest.approx(float(peaks.values[0, unit]))
    torch.testing.assert_close(found.logits, model.module(torch.from_numpy(inputs)).detach(), rtol=1e-4, atol=1e-4)


NETS = [
    ("conv(4, 3) relu conv(4, 3, pad=1, stride=2) relu fc(4)", "2"),
    ('conv(4, 5, pad="same", stride=2) relu maxpool(2) conv(3, 3, pad=1) relu globalavg fc(4)', "3"),
    ("residual(conv(3, 3, pad=1) relu conv(3, 3, pad=1)) relu conv(4, 2, dilation=2) fc(4)", "2"),
    ("concat(conv(2, 1) | conv(2, 5, pad=2)) relu avgpool(2) fc(4)", "2"),
]


@pytest.mark.parametrize(("net", "path"), NETS)
def test_what_lies_outside_of_the_frame_has_no_say(net, path):
    model, image = classifier(net), pictures(1)
    layer = find_layer(model, path)
    maps = layer_values(model, image, path)[0]
    view = view_of(model, layer, tuple(maps.shape))
    for place in ((0, 0), (maps.shape[1] // 2, maps.shape[2] - 1)):
        top, left, bottom, right = view.box(place, (16, 16))
        other = pictures(1, seed=5)
        other[:, top:bottom, left:right] = image[:, top:bottom, left:right]
        torch.testing.assert_close(
            layer_values(model, other, path)[0][:, place[0], place[1]], maps[:, place[0], place[1]]
        )
        inside = image.copy()
        inside[:, top, left] ^= 128  # the frame's own corner has a say, so it is not too large
        inside[:, bottom - 1, right - 1] ^= 128
        assert not torch.equal(layer_values(model, inside, path)[0][:, place[0], place[1]], maps[:, place[0], place[1]])


@pytest.mark.parametrize(("net", "path"), NETS[:3])
def test_measured_views_are_those_that_follow_from_the_windows(net, path):
    net = net.replace("maxpool", "avgpool")  # of a maximum only one pixel is heeded at a time
    model = classifier(net)
    layer = find_layer(model, path)
    shape = tuple(layer_values(model, pictures(1), path)[0].shape)
    assert measured_view(model, layer, shape[1:]) == view_of(model, layer, shape)


@pytest.mark.parametrize("net", ["logistic", "fc(classes)"])
def test_templates_are_how_pixels_move_scores(net, digits):
    model = striate.train(digits, net=net, **({} if net == "logistic" else {"epochs": 2}))
    gallery = striate.look(model, images=20, classes=[]).galleries[0]
    assert (gallery.key, [one.name for one in gallery.pictures]) == ("templates", list(model.classes))
    pixels = to_batch(digits.images[:1]).float().requires_grad_()
    logits = model.module(model.preprocessing.normalise(pixels))[0]
    slopes = np.stack([torch.autograd.grad(one, pixels, retain_graph=True)[0][0, 0].numpy() for one in logits])
    for i in range(10):
        drawn = gallery.pictures[i].pixels[..., 0].astype(float) - 128
        # A softmax moves all scores by the same: the differences between classes are what is learned.
        others = gallery.pictures[(i + 1) % 10]
        assert drawn.shape == (8, 8)
        assert others.pixels.shape == (8, 8, 1)
        if net != "logistic":
            assert np.corrcoef(drawn.ravel(), slopes[i].ravel())[0, 1] > 0.99
    if net == "logistic":
        head, scale = model.module.head, model.module.selection.scale
        weights = np.zeros((10, 64))
        weights[:, model.module.selection.columns] = (head.weight / scale).numpy()
        apart = weights - weights.mean(0)
        assert np.allclose(slopes - slopes.mean(0), apart.reshape(10, 8, 8) / model.preprocessing.std[0], atol=1e-5)


def test_weights_are_gray_at_nought():
    weights = np.array([[[0.0, 0.5], [-1.0, 1.0]]])
    assert weights_picture(weights)[..., 0].tolist() == [[128, 192], [1, 255]]
    assert (weights_picture(np.zeros((3, 2, 2))) == 128).all()
    assert weights_picture(np.ones((5, 4, 4))).shape == (4, 24, 1)
    assert weights_picture(np.ones((3, 4, 4))).shape == (4, 4, 3)


def test_images_that_raise_are_measured_as_they_are_shown(digits_model, digits):
    found = striate.look(digits_model, digits, images=100, units=["0:1", "1:3"], classes=["3", "7"])
    assert [one.target.name for one in found.ascents] == ["0:1", "1:3", "3", "7"]
    for one in found.ascents:
        path = {"0:1": "0", "1:3": "1"}.get(one.target.name, "3")
        values = layer_values(digits_model, one.pixels[None], path)[0, one.target.number]
        assert one.value == pytest.approx(float(values.max()), rel=1e-3, abs=1e-3)
    assert all(one.raised for one in found.ascents[2:])
    assert "not what it means" in found.ascents[2].verdict
    assert {one.layer for one in found.answers} == {"0", "1"}
    again = striate.look(digits_model, digits, images=100, units=["0:1"], classes=["3"])
    assert np.array_equal(again.ascents[1].pixels, found.ascents[2].pixels)


def test_a_dead_unit_and_random_weights_are_called_so(digits):
    model = classifier("conv(6, 3) relu fc(4)", (1, 8, 8))
    with torch.no_grad():
        model.module.layer("0").bias[2] = -1e6
    found = striate.look(model, digits, images=30, units=["1:2"], steps=3)
    assert "tells nothing" in found.ascents[0].verdict
    assert found.ascents[0].raised is False
    assert "never above 0 in 30 images" in found.answers[0].said
    assert "1 of 6 ReLU units are dead" in found.sentence
    assert "weights are random" in found.notes[0]
    alone = striate.look(model, classes=["class 1"], steps=2)
    assert (alone.images, alone.layers, alone.ascents[0].raised) == (0, (), None)
    assert "without images" in " ".join(alone.notes)


class Own(nn.Module):
    """A module as people write them: one activation used twice, in place; tokens at the end."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, stride=2)
        self.bend, self.norm, self.mix, self.head = (
            nn.ReLU(inplace=True),
            nn.LayerNorm(8),
            nn.Linear(8, 5),
            nn.Linear(5, 4),
        )

    def forward(self, x):
        x = self.bend(self.second(self.bend(self.first(x))))
        return self.head(self.mix(self.norm(x.flatten(2).transpose(1, 2))).mean(1))


def test_modules_of_peoples_own_are_looked_into(tmp_path):
    torch.manual_seed(0)
    model = classifier("", module=Own())
    found = measure_activity(model, pictures(), [find_layer(model, "first"), find_layer(model, "mix")])
    shapes = {one.path: one.shape for one in found.layers}
    assert shapes == {
        "first": (8, 16, 16), "bend": (8, 16, 16), "second": (8, 7, 7), "bend (use 2)": (8, 7, 7), "norm": (8, 49),
        "mix": (5, 49), "head": (4,),
    }  # fmt: skip
    assert found.layers[0].low < 0, "what comes before an activation in place is told as it was"
    assert found.peaks["mix"].values.shape == (8, 5)
    look = striate.look(model, (pictures(), np.arange(10) % 4), units=["first:3", "mix:2"], steps=2)
    assert look.galleries[0].key == "first-layer"
    assert len(look.galleries[0].pictures) == 8
    assert [one.target.name for one in look.ascents] == ["first:3", "mix:2"]
    assert len(look.save_pictures(tmp_path)) == 5


def test_bands_and_whitening_are_drawn():
    images, labels = pictures(40, 12, 12, 5), np.arange(40) % 2
    model = striate.train((images, labels), net="conv(6, 3) relu fc(classes)", epochs=1)
    gallery = striate.look(model, classes=[]).galleries[0]
    assert gallery.pictures[0].pixels.shape == (3, 5 * 3 + 4, 1)
    assert "side by side" in " ".join(gallery.said)
    swift = classifier("whiten(2) gelu conv(8, 3) relu globalmax fc(4)")
    assert "not learned" in " ".join(striate.look(swift, classes=[]).galleries[0].said)


@pytest.mark.parametrize(
    ("net", "keys"),
    [("neighbours(k=3)", ["means", "examples"]), ("svm", ["support-vectors"]), ("forest", ["pixels"]),
     ("tree", ["pixels"]), ("majority", [])],
)  # fmt: skip
def test_what_has_no_layers_shows_what_it_keeps(net, keys):
    model = striate.train("xo:80", net=net)
    found = striate.look(model)
    assert [one.key for one in found.galleries] == keys
    assert found.layers == ()
    page = look_page(found)
    assert "Activations by layer" not in page
    if net == "majority":
        assert "nothing in it to look at" in page
    with pytest.raises(ArgumentError, match="has none"):
        striate.look(model, layers=["0"])
    if net in ("tree", "forest"):
        with pytest.raises(ArgumentError, match="no gradient"):
            striate.look(model, classes=["x"])


def test_how_often_trees_ask_is_counted_by_walking_them():
    model = striate.train("xo:60", net="tree")
    images, module = striate.read("xo:20").images, model.module
    head, counts = module.head, np.zeros(len(module.selection.columns))
    rows = module.selection(module.embed(model.preprocessing.normalise(to_batch(images)))).numpy()
    for row in rows:
        for node in head.roots.tolist():
            while int(head.left[node]) != node:
                feature = int(head.feature[node])
                counts[feature] += 1
                node = int(head.left[node] if row[feature] <= head.threshold[node] else head.right[node])
    assert np.allclose(asked_counts(model, module, head, images).numpy(), counts / len(images))


def test_parts_are_found_behind_taps():
    tapped = with_taps(parse("conv(4, 3) relu conv(5, 3) relu block: [conv(6, 3) relu] globalavg fc(4)"), (3, 16, 16))
    model = classifier(str(tapped))
    assert [one.path for one in layers_of(model) if "tap" not in one.path] == [
        "0", "1", "2", "3", "block.0", "block.1", "5", "6"
    ]  # fmt: skip
    for path, layer in (("2", "conv(5, 3)"), ("block.0", "conv(6, 3)"), ("6", "fc(4)"), ("2.branch1.0", "conv(5, 3)")):
        assert find_layer(model, path).layer == layer
    model = classifier("[conv(4, 3) relu]*2 fc(4)")
    assert [one.path for one in layers_of(model)] == ["0.0.0", "0.0.1", "0.1.0", "0.1.1", "1"]
    assert find_layer(model, "0.1").path == "0.1.1"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"units": ["9:1"]}, "no layer has the path '9'"), ({"units": ["0:99"]}, "units 0 to 7; got 99"),
     ({"units": ["0"]}, "PATH:NUMBER"), ({"layers": ["conv"]}, "Paths: 0, 1, 2, 3"), ({"classes": ["cat"]}, "no class"),
     ({"classes": "3"}, "must be a list"), ({"images": 0}, "images must be"), ({"images": 2.5}, "images must be"),
     ({"step": 3}, "unknown option 'step'; did you mean 'steps'")],
)  # fmt: skip
def test_what_there_is_not_is_said(digits_model, options, message):
    with pytest.raises(ArgumentError, match=message):
        striate.look(digits_model, **options)


def test_pages_escape_and_need_nothing_else(digits_model, tmp_path):
    nasty = '<script>alert("x")</script>'
    model = copy.copy(digits_model)
    model = replace(model, classes=(nasty, "../../etc/passwd", *model.classes[2:]))
    found = striate.look(model, images=40, steps=2, units=["0:0"], classes=[nasty, "../../etc/passwd"], name=nasty)
    page = look_page(found)
    assert nasty not in page
    assert escape(nasty, quote=False) in page.replace("&#34;", '"')
    assert "http" not in page.replace("http-equiv", "")
    written = found.save_pictures(tmp_path / "png")
    assert {path.parent for path in written} == {tmp_path / "png"}
    assert json.loads(json.dumps(found.to_json()))["images"] == 40


def test_command(digits_run, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from striate.cli import app

    monkeypatch.chdir(tmp_path)
    model = str(digits_run / "model.striate")
    words = [
        "look",
        model,
        "digits",
        "--count",
        "50",
        "--layer",
        "1",
        "--class",
        "3",
        "--json",
        "--png",
        "p",
    ]
    result = CliRunner().invoke(app, words)
    said = json.loads(result.stdout)
    assert said["images"] == 50
    assert [one["path"] for one in said["layers"]] == ["0", "1", "2", "3"]
    assert len(said["units"]) == 8
    assert said["units"][0]["top"][0]["box"]
    assert said["raised"][0]["real_images"] == 50
    assert (tmp_path / "look.html").read_text("utf-8").startswith("<!doctype html>")
    assert all((tmp_path / path).is_file() for path in said["png"])
    assert "did you mean" in CliRunner().invoke(app, ["look", "lenett"]).stderr


def test_units_behind_gelu_are_counted_in_words_that_can_be_read(digits):
    model = classifier("conv(6, 3) gelu fc(4)", (1, 8, 8))
    told = striate.look(model, digits, images=30).sentence
    assert told.endswith("; no unit behind gelu is at 0 or below on all of them")
    with torch.no_grad():
        model.module.layer("0").bias[2] = -1e6
    told = striate.look(model, digits, images=30).sentence
    assert told.endswith("; 1 unit behind gelu is at 0 or below on all of them")
