"""Explanations whole: verdicts on models that know something and nothing, what would change the answer, the page."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from striate.classifier.heads.distances import nearest
from striate.classifier.preprocessing import Preprocessing
from striate.classifier.samples import Golden, Samples
from striate.data.builtin.drawn import make_shapes
from striate.data.gathering import gather
from striate.errors import ArgumentError, SourceNotFoundError
from striate.explanation.change import find_changes
from striate.explanation.explain import explain, explain_catalog
from striate.explanation.page import explanations_page, write_explanation_pictures
from striate.explanation.shuffling import Learned, shuffled
from striate.explanation.similar import find_voters
from striate.explanation.subject import make_subject
from striate.explanation.verdict import no_ground
from striate.nets import make_module, parse
from striate.selection.fit import run_one


@pytest.fixture(scope="module")
def digits():
    return striate.prepare(striate.read("digits"))


@pytest.fixture(scope="module")
def said(digits_model, digits):
    return [explain(digits_model, image) for image in digits.images[100:112]]


def test_maps_of_a_trained_net_mostly_tell_something(said):
    telling = [any(one.verdict.tells for one in each.maps) for each in said]
    assert np.mean(telling) >= 0.75
    for each in said:
        assert [one.kind for one in each.maps] == ["grad-cam", "occlusion", "integrated-gradients"]
        for one in each.maps:
            assert one.verdict.words.startswith("It tells something" if one.verdict.tells else "This map tells nothing")
            assert (one.verdict.p_value <= 0.1) or not one.verdict.tells


def test_an_image_of_one_colour_has_nothing_to_tell_and_is_not_tried(digits_model, monkeypatch):
    monkeypatch.setattr("striate.explanation.explain.compare_with_shuffled", None)
    for value in (0, 90, 255):
        each = explain(digits_model, np.full((8, 8, 1), value, np.uint8))
        assert not any(one.verdict.tells for one in (*each.maps, *each.layers))
        assert "one colour" in each.sentence
        assert "Where" not in explanations_page([each]).split('<section class="explained"')[1].split("would change")[0]


def test_the_pace_is_told_after_the_first_image_that_was_tried(digits_model, digits, tmp_path):
    for i, pixels in enumerate((np.zeros((8, 8), np.uint8), *digits.images[:2, ..., 0])):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    told = []
    explain_catalog(digits_model, gather([str(tmp_path)], {}), None, lambda what, done, total: told.append(what))
    paced = {what.split("explaining")[0] for what in told if "2.png" in what}
    assert len(paced) == 1
    assert re.fullmatch(r"3 images, about \d+ s each: ", paced.pop())
    assert not any("each" in what for what in told if "0.png" in what or "1.png" in what)


def test_a_temperature_that_did_not_help_is_not_called_missing(digits_model, digits):
    each = explain(digits_model, digits.images[0])
    for calibrated, tried, words in (
        (True, True, "are calibrated by validation images"),
        (False, True, "a temperature was tried on the validation images and did not help"),
        (False, False, "no validation images have calibrated them"),
    ):
        assert words in explanations_page([replace(each, calibrated=calibrated, tried=tried)])
    assert each.tried


def test_nets_at_first_weights_tell_nothing():
    pixels = Preprocessing((32, 32), 3, "crop", np.full(3, 120, np.float32), np.full(3, 60, np.float32))
    images, told = make_shapes(3, seed=50)[0], []
    for sentence in ("conv(8, 3, pad=1) relu maxpool(2) conv(8, 3, pad=1) relu fc(4)", "fc(16) relu fc(4)"):
        net = parse(sentence)
        for init in (None, "gaussian(0.3)"):
            for seed in range(3):
                module = make_module(net, (3, 32, 32), seed=seed, init=init).eval()
                model = striate.Classifier(("a", "b", "c", "d"), pixels, net, module)
                told += [any(one.verdict.tells for one in explain(model, image).maps) for image in images[seed:]]
    assert len(told) == 24
    assert sum(told) <= 2


def test_a_net_has_learned_only_if_it_is_clearly_ahead_of_its_copies():
    copies = tuple(np.linspace(-1, 1, 39))
    for evidence, words in ((0.5, "10 of 39 copies"), (1.2, "the furthest of 39 copies"), (1.6, "")):
        learned = Learned(evidence, copies)
        assert learned.stands_out == (not words)
        assert no_ground(learned, evidence, False, False).startswith(words)
        assert not no_ground(learned, evidence, False, True)  # what was fitted to pixels has no weights to start from
    assert not no_ground(Learned(0.5, copies, 1e-6), 0.5, False, False)  # kept validation images say that it knows


def test_a_trained_model_with_new_weights_is_caught_by_the_images_that_it_keeps(digits_model, digits):
    assert digits_model.samples.golden is not None
    module = make_module(digits_model.net, digits_model.preprocessing.input_shape, seed=5).eval()
    for image in digits.images[:3]:
        each = explain(replace(digits_model, module=module), image)
        assert not any(one.verdict.tells for one in each.maps)
        assert "guessing" in each.ground or "copies" in each.ground or "hidden" in each.ground


def test_a_model_that_guesses_is_said_to_guess(digits_model, digits):
    golden = digits_model.samples.golden
    wrong = Golden(golden.images, (golden.labels + 1) % 10, golden.probabilities)
    each = explain(replace(digits_model, samples=Samples(wrong)), digits.images[0])
    assert "guessing" in each.sentence


def test_shuffled_copies_have_the_same_weights_elsewhere(digits_model):
    before = {name: value.clone() for name, value in digits_model.module.state_dict().items()}
    copy = shuffled(digits_model, 0).module.state_dict()
    for name, value in digits_model.module.state_dict().items():
        assert torch.equal(value, before[name])
        assert torch.equal(value.flatten().sort().values, copy[name].flatten().sort().values)
        assert value.ndim < 2 or not torch.equal(value, copy[name])


def test_an_image_that_the_model_keeps_is_most_like_itself(digits_model):
    memory = digits_model.samples.memory
    each = explain(digits_model, memory.thumbnails[7])
    assert each.similar.images[0].name == memory.names[7]
    assert each.similar.images[0].distance < 1e-3
    assert "this image itself" in each.similar.sentence(each.about)
    without = explain(replace(digits_model, samples=Samples()), memory.thumbnails[7])
    assert without.similar is None
    assert "Name a source with" in explanations_page([without])


def test_similar_images_are_read_from_a_source_where_one_is_named(digits_model, digits, tmp_path):
    bare, image = replace(digits_model, samples=Samples()), digits.images[3]
    for i in (3, 4, 5):
        (tmp_path / f"class {i}").mkdir()
        Image.fromarray(digits.images[i, ..., 0]).save(tmp_path / f"class {i}" / "one.png")
    each = explain(bare, image, examples=tmp_path)
    first, *others = each.similar.images
    assert (first.name, first.label, first.distance < 1e-3) == ("class 3/one.png", "class 3", True)
    assert len(others) == 2
    assert np.array_equal(first.picture, image)
    assert f"3 images of {tmp_path}" in each.similar.sentence("class 3")
    assert "class 3/one.png" in explanations_page([each])
    same = explain(digits_model, image, examples="digits").similar
    assert same.among == 1797
    assert same.images[0].label == digits.classes[digits.labels[3]]
    with pytest.raises(SourceNotFoundError, match="nowhere"):
        explain(bare, image, examples=tmp_path / "nowhere")


def test_the_neighbours_that_voted_are_the_nearest(digits, tmp_path):
    model = striate.Classifier.load(run_one("digits", "neighbours", out=tmp_path / "run").model)
    for image in digits.images[400:403]:
        voters = find_voters(make_subject(model, image))
        head = model.module.head
        flat = torch.from_numpy(image.transpose(2, 0, 1).reshape(1, -1).astype(np.float32))
        found = nearest(flat, head.vectors, head.k, head.metric)[0]
        assert [one.label for one in voters] == [model.classes[int(head.labels[i])] for i in found[: len(voters)]]
        assert np.array_equal(voters[0].picture[..., 0].ravel(), head.vectors[found[0]].numpy())


class Bright(torch.nn.Module):
    """Bright or dark by the mean of the upper left quarter alone."""

    def forward(self, images):
        bright = 20 * (images[:, :, :8, :8].mean((1, 2, 3)) - 0.4)
        return torch.stack([bright, -bright], 1)


def bright_model():
    from striate.nets.modules.own import OwnModule

    pixels = Preprocessing((16, 16), 1, "crop", np.zeros(1, np.float32), np.full(1, 255, np.float32))
    return striate.Classifier(("bright", "dark"), pixels, OwnModule(Bright()), Bright().eval())


def test_what_changes_the_answer_changes_it():
    image = np.full((16, 16, 1), 20, np.uint8)
    image[:8, :8] = 160
    model = bright_model()
    changes = find_changes(make_subject(model, image))
    for one in changes.simple:
        assert model.predict(one.pixels).label == one.becomes == "dark"
    assert {one.words.split(" to ")[0] for one in changes.simple} >= {"mirroring it", "darkening it"}
    assert "brightening it" in changes.kept
    hidden = changes.hiding.mask((16, 16))
    assert hidden[:8, :8].any()
    assert not hidden[10:, 10:].any()  # no cell that is not needed
    wish = find_changes(make_subject(model, np.ascontiguousarray(image[:, ::-1]), 0))
    assert wish.wish == "bright"
    assert any(one.words == "mirroring it" for one in wish.simple)


def test_nothing_changes_an_answer_that_is_always_the_same(digits, tmp_path):
    model = striate.Classifier.load(run_one("digits", "majority", out=tmp_path / "run").model)
    each = explain(model, digits.images[0])
    assert each.changes.sentence.startswith("Nothing that was tried")
    assert not any(one.verdict.tells for one in each.maps)


def test_the_page_and_the_pictures(said, digits_model, digits, tmp_path):
    hostile = "<script>alert(1)</script>&.png"
    named = replace(digits_model, classes=("<i>0", *digits_model.classes[1:]))
    each = replace(explain(named, digits.images[0], about="<i>0"), image=hostile)
    page = explanations_page([each, *said[:2]], hostile)
    assert "<script" not in page
    assert "<i>0" not in page
    assert "http" not in page.replace("http-equiv", "")
    empty = [one for one in (*each.maps, *each.layers) if not one.verdict.tells]
    assert page.count("tells nothing</span>") >= len(empty)
    written = write_explanation_pictures([each, each], tmp_path / "out")
    assert len({path.name for path in written}) == len(written)
    assert all(path.parent == tmp_path / "out" for path in written)
    explain(digits_model, digits.images[1], out=tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!doctype html>")


def test_an_explanation_in_a_notebook(said, digits_model, digits):
    made = said[0]._repr_html_()
    assert made.count("<img") == 1 + len(said[0].maps)
    assert said[0].sentence in made
    nasty = replace(digits_model, classes=("<i>0", *digits_model.classes[1:]))
    assert "<i>0" not in explain(nasty, digits.images[0], about="<i>0")._repr_html_()


def test_an_explanation_as_plain_values(said):
    told = json.loads(json.dumps(said[0].to_json()))
    assert told["about"] == told["class"]
    h, w = told["size"]
    for one in told["maps"]:
        (x, y), (left, top, right, bottom) = one["peak"], one["box"]
        assert 0 <= left <= x < right <= w
        assert 0 <= top <= y < bottom <= h
        assert {"tells", "verdict", "deletion", "insertion", "p_value", "beats_middle"} <= one.keys()


def test_an_unknown_class_and_several_images_are_refused(digits_model, digits):
    with pytest.raises(ArgumentError, match="unknown class"):
        explain(digits_model, digits.images[0], about="eleven")
    with pytest.raises(ArgumentError, match="one image"):
        explain(digits_model, [digits.images[0], digits.images[1]])
