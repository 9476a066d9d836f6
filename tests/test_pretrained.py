import numpy as np
import pytest
from safetensors.torch import save_file

import striate
from striate.errors import ArgumentError, ModelFileError, SourceNotFoundError
from striate.nets import ZOO


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file as torchvision would publish it, of random weights."""
    path = tmp_path_factory.mktemp("weights") / "squeezenet.safetensors"
    module = striate.make_module(striate.resolve("squeezenet1_1"), (3, 224, 224), seed=3)
    key = ZOO["squeezenet1_1"].torchvision_key
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
