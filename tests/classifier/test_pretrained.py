import sys
import types

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import striate
from striate.errors import ArgumentError, ModelFileError, SourceNotFoundError
from striate.nets import ZOO
from striate.nets.modules import timm_models


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file as torchvision would publish it, of random weights."""
    path = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    module = striate.make_module(striate.resolve("squeezenet1_1"), (3, 224, 224), seed=3)
    key = ZOO["squeezenet1_1"].published_key
    save_file({key(name): value.contiguous() for name, value in module.state_dict().items()}, path)
    return path


def test_a_zoo_net_with_weights_is_a_classifier(weights, tmp_path):
    model = striate.load_model("squeezenet1_1", weights)
    assert len(model.classes) == len(set(model.classes)) == 1000
    assert {"crane (1)", "crane (2)"} <= set(model.classes)
    image = np.random.default_rng(0).integers(0, 256, (300, 260, 3), dtype=np.uint8)
    assert model.preprocessing.size == (224, 224)
    model.save(tmp_path / "m.striate")
    again = striate.load_model(tmp_path / "m.striate")
    assert np.array_equal(again.predict_proba([image]), model.predict_proba([image]))


def test_weights_of_another_net_are_refused(weights):
    with pytest.raises(
        ModelFileError, match=r"squeezenet\.safetensors does not have the parameters of this net; missing"
    ):
        striate.load_model("resnet18", weights)


def test_neither_a_file_nor_a_net(digits_run):
    with pytest.raises(SourceNotFoundError, match="did you mean 'resnet18'"):
        striate.load_model("resnet118")
    with pytest.raises(SourceNotFoundError, match="did you mean 'mobilenet_v2'"):
        striate.load_model("MobileNetV2", "some.safetensors")
    with pytest.raises(SourceNotFoundError, match=r"no model file .*m\.striate"):
        striate.load_model("m.striate")
    with pytest.raises(ArgumentError, match="has its own"):
        striate.load_model(digits_run / "model.striate", "imagenet")


def test_the_published_cut_is_the_same_from_every_form(weights, tmp_path):
    model = striate.load_pretrained("squeezenet1_1", weights)
    assert model.preprocessing.resize == 256
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    (tmp_path / "a").mkdir()
    Image.fromarray(pixels).save(tmp_path / "a" / "0.png")
    prepared = model.prepare(striate.read(tmp_path))
    expected = np.asarray(
        Image.fromarray(pixels).resize((256, 256), Image.Resampling.BILINEAR).crop((16, 16, 240, 240))
    )
    # One resize of the box that is cut, rather than two steps with rounding between.
    assert np.abs(prepared.images[0].astype(int) - expected).max() <= 1
    for form in ([pixels], [tmp_path / "a" / "0.png"], pixels[None], prepared, striate.read(([pixels], ["x"]))):
        assert np.array_equal(model.predict_proba(form), model.predict_proba(prepared))


def test_another_size_cuts_the_same_share(weights, tmp_path):
    model = striate.load_pretrained("squeezenet1_1", weights, (112, 112))
    assert (model.preprocessing.size, model.preprocessing.resize) == ((112, 112), 128)
    model.save(tmp_path / "m.striate")
    again = striate.load_model(tmp_path / "m.striate", size=(56, 56))
    assert (again.preprocessing.size, again.preprocessing.resize) == ((56, 56), 64)
    assert again.predict_proba(np.zeros((1, 70, 80, 3), np.uint8)).shape == (1, 1000)


def test_a_size_that_the_weights_do_not_fit(digits_run):
    with pytest.raises(ArgumentError, match="size must be 8×8, as the weights fit no other; got 16×16"):
        striate.load_model(digits_run / "model.striate", size=(16, 16))


def test_weights_for_other_classes_name_nothing(tmp_path):
    """They make features; asked to predict they would have no words."""
    module = striate.make_module(striate.resolve("squeezenet1_1", classes=7), (3, 224, 224), seed=3)
    key = ZOO["squeezenet1_1"].published_key
    save_file(
        {key(name): value.contiguous() for name, value in module.state_dict().items()}, tmp_path / "w.safetensors"
    )
    with pytest.raises(ArgumentError, match="do not have ImageNet's 1,000 classes, so squeezenet1_1 cannot name"):
        striate.load_model("squeezenet1_1", tmp_path / "w.safetensors")


def test_the_size_of_what_was_fitted_is_its_own(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 1), dtype=np.uint8)
    model = striate.train((images, ["a", "b"] * 10), "neighbours")
    model.save(tmp_path / "m.striate")
    with pytest.raises(ArgumentError, match="neighbours was fitted at its own"):
        striate.load_model(tmp_path / "m.striate", size=12)


def stand_in_for_timm(monkeypatch, **wanted):
    """A timm whose one model shows images as `wanted` says, and whose body is two layers."""
    told = {"input_size": (3, 64, 64), "crop_pct": 0.875, "crop_mode": "center", "interpolation": "bilinear",
            "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.2)} | wanted  # fmt: skip
    config = types.SimpleNamespace(fixed_input_size=True, classifier="2", to_dict=dict)
    timm = types.ModuleType("timm")
    timm.__version__, timm.list_models = "9.9", lambda include_tags=False: ["tiny"]
    timm.get_pretrained_cfg = lambda name: config
    timm.data = types.SimpleNamespace(resolve_data_config=lambda *_: told)

    class Tiny(torch.nn.Sequential):
        def get_classifier(self):
            return self[2]

    def create_model(name, pretrained, num_classes, in_chans, **_):
        body = [torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten()]
        return Tiny(*body, *([torch.nn.Linear(4 * in_chans, num_classes)] if num_classes else []))

    timm.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", timm)
    timm_models._names.cache_clear()
    timm_models.describe_body.cache_clear()


@pytest.fixture
def timm_is_itself_again():
    yield
    timm_models._names.cache_clear()
    timm_models.describe_body.cache_clear()


@pytest.mark.parametrize(
    ("wanted", "fit", "resize"),
    [
        ({}, "crop", 73),
        ({"crop_mode": "squash"}, "stretch", None),
        ({"crop_mode": "border"}, "pad", None),
        ({"input_size": (3, 64, 48)}, "crop", None),
    ],
)
def test_a_model_of_timm_is_shown_images_as_timm_would(timm_is_itself_again, monkeypatch, wanted, fit, resize):
    stand_in_for_timm(monkeypatch, **wanted)
    model = striate.load_model("timm/tiny", "none")
    shown = model.preprocessing
    assert (shown.size, shown.fit, shown.resize) == (wanted.get("input_size", (3, 64, 64))[1:], fit, resize)
    np.testing.assert_allclose(shown.mean, [127.5, 102, 76.5], rtol=1e-6)
    assert model.classes == ()  # first weights name nothing
    assert model.provenance.weights == ["timm/tiny: at first weights"]
    with pytest.raises(ArgumentError, match="as the weights fit no other; got 32×32"):
        striate.load_model("timm/tiny", "none", size=32)


def test_timm_weights_of_a_file_predict_where_they_know_imagenet(timm_is_itself_again, monkeypatch, tmp_path):
    stand_in_for_timm(monkeypatch)
    for outputs in (1000, 5):
        torch.manual_seed(0)
        head = torch.nn.Linear(12, outputs).state_dict()
        path = tmp_path / f"{outputs}.safetensors"
        save_file({f"2.{name}": value for name, value in head.items()}, path)
        model = striate.load_model("timm/tiny", path)
        assert len(model.classes) == (1000 if outputs == 1000 else 0)
        assert model.provenance.weights == [f"timm/tiny: {path}"]
    found = striate.load_model("timm/tiny", tmp_path / "1000.safetensors").predict_proba(
        np.zeros((1, 80, 70, 3), np.uint8)
    )
    assert found.shape == (1, 1000)
