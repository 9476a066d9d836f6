"""Maps against models of which is known where they look, linear ones against a formula, trees against their sums."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from torch import nn

import striate
from striate.baselines.trees import from_trees
from striate.classifier.heads.fitted import Fitted, FittedModule, Selection
from striate.classifier.preprocessing import Preprocessing
from striate.data.builtin.drawn import make_shapes, shape_masks
from striate.explanation.explain import explain
from striate.explanation.gradcam import joined_map, layer_maps, layer_weights, places_of
from striate.explanation.gradients import integrate
from striate.explanation.made_of import is_linear, template, tree_map
from striate.explanation.occlusion import occlude
from striate.explanation.subject import log_odds, make_subject
from striate.explanation.trial import answers_by_maps, judge_maps, judge_rivals, random_maps, rank_places, rivals_of
from striate.nets import make_module, parse
from striate.nets.modules.own import OwnModule

TOP, LEFT, SIDE = 4, 18, 8


class Corner(nn.Module):
    """Answers by how bright a square at the upper right is; everything else it ignores."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        nn.init.dirac_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)

    def forward(self, images):
        maps = self.conv(images).relu()
        bright = maps[:, :3, TOP : TOP + SIDE, LEFT : LEFT + SIDE].mean((1, 2, 3))
        return torch.stack([torch.zeros_like(bright), 4 * bright - 2], 1)


def plain(c, h, w):
    return Preprocessing((h, w), c, "crop", np.zeros(c, np.float32), np.full(c, 255, np.float32))


def own(module, classes, shape, views="none"):
    c, h, w = shape
    return striate.Classifier(classes, plain(c, h, w), OwnModule(module), module.eval(), views=views)


@pytest.fixture(scope="module")
def corner():
    """A model that looks at one square, and a noisy image that is bright there."""
    pixels = np.random.default_rng(0).integers(0, 120, (32, 32, 3), dtype=np.uint8)
    pixels[TOP : TOP + SIDE, LEFT : LEFT + SIDE] += 130
    return own(Corner(), ("dark", "bright"), (3, 32, 32)), pixels


def inside(values):
    y, x = np.unravel_index(values.argmax(), values.shape)
    return TOP <= y < TOP + SIDE and LEFT <= x < LEFT + SIDE


def test_every_map_finds_where_a_model_looks_and_beats_random_maps(corner):
    subject = make_subject(*corner)
    layers, hiding = layer_maps(subject), occlude(subject).of(1)
    weights = layer_weights(layers, hiding)
    assert sum(weights.values()) == pytest.approx(1, abs=0.1)
    maps = np.stack([joined_map(layers, weights, subject.size), hiding, integrate(subject).smoothed])
    assert [inside(one) for one in maps] == [True] * 3
    rivals = judge_rivals(subject, answers_by_maps(subject, rivals_of(subject)))
    for trial in judge_maps(subject, answers_by_maps(subject, maps)):
        assert rivals.p_value(trial) == 1 / 20
        assert trial.score > rivals.blob.score


def test_what_a_place_says_is_shared_among_the_pixels_that_hiding_changes():
    pixels = np.full((32, 32, 3), 90, np.uint8)
    pixels[8:16, 8:16] = 250
    subject = replace(
        make_subject(own(Corner(), ("dark", "bright"), (3, 32, 32)), pixels), hidden=np.full_like(pixels, 90)
    )
    place = np.zeros((32, 32))
    place[:16, :16] = 1  # four times as large as what it answers to
    shared = subject.on_pixels(place)
    assert shared[12, 12] > 5 * shared[3, 3] > 0
    assert not shared[20:, 20:].any()
    flat = replace(subject, hidden=pixels).on_pixels(place)  # nothing is changed: all pixels of the place alike
    assert flat[12, 12] == pytest.approx(flat[3, 3], rel=1e-3)


def test_a_map_of_the_wrong_place_is_beaten_by_random_ones(corner):
    subject = make_subject(*corner)
    wrong = -occlude(subject).of(1)[None]
    rivals = judge_rivals(subject, answers_by_maps(subject, rivals_of(subject)))
    (trial,) = judge_maps(subject, answers_by_maps(subject, wrong))
    assert rivals.p_value(trial) > 0.5


def test_maps_turn_with_the_image_under_mirrored_views():
    pixels = np.random.default_rng(1).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    net = parse("conv(6, 3, pad=1) relu maxpool(2) conv(6, 3, pad=1) relu fc(3)")
    for views in ("none", "mirror"):
        module = make_module(net, (3, 20, 24), seed=3).eval()
        model = striate.Classifier(("a", "b", "c"), plain(3, 20, 24), net, module, views=views)
        one, other = (make_subject(model, np.ascontiguousarray(x), 0) for x in (pixels, pixels[:, ::-1]))
        same = [
            np.allclose(a.values, b.values[:, ::-1], atol=1e-5 * max(a.values.max(), 1e-9))
            for a, b in zip(layer_maps(one), layer_maps(other), strict=True)
        ]
        assert same == [views == "mirror"] * len(same)
        assert len(same) == 2


def test_maps_turn_with_the_image_under_turned_views():
    pixels = np.random.default_rng(1).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    net = parse("conv(6, 3, pad=1) relu maxpool(2) conv(6, 3, pad=1) relu fc(3)")
    module = make_module(net, (3, 20, 20), seed=3).eval()
    model = striate.Classifier(("a", "b", "c"), plain(3, 20, 20), net, module, views="turns")
    one = layer_maps(make_subject(model, pixels, 0))
    for turn in (np.rot90, lambda x: x[::-1, ::-1]):
        other = layer_maps(make_subject(model, np.ascontiguousarray(turn(pixels)), 0))
        assert len(one) == len(other) == 2
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(turn(a.values), b.values, atol=1e-5 * max(a.values.max(), 1e-9))


def test_integrated_gradients_of_a_linear_model_are_its_template_times_the_image():
    net = parse("fc(3)")
    model = striate.Classifier(("a", "b", "c"), plain(3, 6, 5), net, make_module(net, (3, 6, 5), seed=1).eval())
    subject = make_subject(model, np.random.default_rng(2).integers(0, 256, (6, 5, 3), dtype=np.uint8))
    weights = next(p for p in model.module.parameters() if p.ndim == 2).detach().double().numpy()
    other = np.delete(weights, subject.target, 0).mean(0)
    each = ((weights[subject.target] - other) / 255).reshape(3, 6, 5).transpose(1, 2, 0)
    expected = (each * (subject.pixels.astype(float) - subject.hidden)).sum(-1)
    found = integrate(subject)
    np.testing.assert_allclose(found.pixels, expected, atol=1e-5)
    np.testing.assert_allclose(template(subject), each, atol=1e-6)
    assert is_linear(subject)
    assert found.error < 1e-4


def test_what_trees_asked_adds_up_to_their_answer():
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (120, 4, 4, 1), dtype=np.uint8)
    labels = (images[:, 1, 2, 0] > 120).astype(int) + (images[:, 3, 0, 0] > 128)
    flat = images.transpose(0, 3, 1, 2).reshape(120, 16).astype(np.float32)
    grown = RandomForestClassifier(10, random_state=0).fit(flat, labels)
    head = from_trees([one.tree_ for one in grown.estimators_])
    module = FittedModule(None, Selection.everything(16), head, torch.arange(3), 3).eval()
    bare = Preprocessing((4, 4), 1, "crop", np.zeros(1, np.float32), np.ones(1, np.float32))
    model = striate.Classifier(("a", "b", "c"), bare, Fitted("forest"), module)
    roots = head.value[head.roots.long()].sum(0).numpy()
    for i in range(5):
        for target in range(3):
            parts = tree_map(make_subject(model, images[i], target))
            said = grown.predict_proba(flat[i : i + 1])[0, target]
            assert parts.sum() == pytest.approx(said - roots[target], abs=1e-5)


def test_masks_of_shapes_are_where_the_shapes_are():
    images, masks = make_shapes(40, seed=5)[0].astype(float), shape_masks(40, seed=5)
    for image, mask in zip(images, masks, strict=True):
        ground = image[~mask].mean(0)
        assert np.abs(image[mask].mean(0) - ground).max() > 25
        assert 0.03 < mask.mean() < 0.4


def test_layers_of_every_kind_of_module_are_found():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.token = nn.Conv2d(3, 16, 4, 4), nn.Parameter(torch.zeros(1, 1, 16))
            self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True) for _ in range(2))
            self.head = nn.Linear(16, 3)

        def forward(self, images):
            tokens = self.patches(images).flatten(2).transpose(1, 2)
            tokens = torch.cat([self.token.expand(len(tokens), -1, -1), tokens], 1)
            for block in self.blocks:
                tokens = block(tokens)
            return self.head(tokens[:, 0])

    torch.manual_seed(0)
    in_place = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, 2, 1),
                             nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))  # fmt: skip
    image = np.random.default_rng(4).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    for module, sizes in ((Tokens(), [(6, 8)]), (in_place, [(6, 8), (12, 16)])):
        subject = make_subject(own(module, ("a", "b", "c"), (3, 24, 32)), image)
        assert [one.places for one in layer_maps(subject)] == sizes
        assert all(p.requires_grad for p in module.parameters())
    assert places_of((1, 8, 7, 7), (224, 224)) == ("first", (7, 7))
    assert places_of((1, 10), (224, 224)) is None


def test_ranks_have_no_preference_among_equals():
    ranks = rank_places(np.zeros((1, 40, 40)))[0]
    rows, columns = np.indices((40, 40))
    for place in (rows, columns):
        assert abs(np.corrcoef(ranks.ravel(), place.ravel())[0, 1]) < 0.1
    assert np.array_equal(random_maps((8, 8), 2), random_maps((8, 8), 2))


def test_log_odds_of_sure_answers_stay_finite():
    logits = np.array([[1000.0, 0.0, -1000.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(log_odds(logits, 0), [1000.0, -np.log(2)])


def test_models_without_gradient_are_explained_by_occlusion_alone():
    class Steps(nn.Module):
        def forward(self, images):
            bright = (images.mean((1, 2, 3)) > 0.5).float()
            return torch.stack([bright, 1 - bright], 1)

    image = np.random.default_rng(6).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    said = explain(own(Steps(), ("bright", "dark"), (3, 8, 8)), image)
    assert [one.kind for one in said.maps] == ["occlusion"]
    assert {kind for kind, _ in said.missing} == {"grad-cam", "integrated-gradients"}
    assert "no gradient" in said.missing[0][1]
