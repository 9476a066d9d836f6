import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import striate
from striate.errors import ArgumentError, ModelFileError, SourceNotFoundError
from striate.nets import ZOO


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
