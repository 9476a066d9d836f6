"""What a classifier is handed: paths, bytes, open files, tensors, lists and columns of them, or the type is named."""

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch
from PIL import Image

from striate.classifier.inputs import as_inputs
from striate.errors import ArgumentError


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)


@pytest.fixture(scope="module")
def path(pixels, tmp_path_factory):
    where = tmp_path_factory.mktemp("inputs") / "a.png"
    Image.fromarray(pixels).save(where)
    return where


def ways(pixels: np.ndarray, path: Path, file: BinaryIO, picture: Image.Image) -> dict:
    tensor = torch.from_numpy(pixels)
    return {
        "path": path, "text": str(path), "bytes": path.read_bytes(), "bytearray": bytearray(path.read_bytes()),
        "BytesIO": io.BytesIO(path.read_bytes()), "file": file, "PIL": picture, "array": pixels,
        "array of paths": np.array([str(path)]), "tensor": tensor, "tensor (1, h, w)": tensor[None],
        "tensor 0…1": (tensor / 255)[None], "batch": tensor[None, None],
        "batch 0…1": (tensor.double() / 255)[None, None],
        "colour": tensor.expand(3, 8, 8), "with gradient": (tensor / 255)[None].requires_grad_(),
        "objects": np.array([path, None], object)[:1],
    }  # fmt: skip


KINDS = (
    "path", "text", "bytes", "bytearray", "BytesIO", "file", "PIL", "array", "array of paths", "tensor",
    "tensor (1, h, w)", "tensor 0…1", "batch", "batch 0…1", "colour", "with gradient", "objects",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_the_same_image(kind, digits_model, pixels, path):
    expected = digits_model.predict(pixels).probabilities
    with open(path, "rb") as file, Image.open(path) as picture:
        given = ways(pixels, path, file, picture)[kind]
        found = digits_model.predict(given)
        found = found[0] if isinstance(found, list) else found
        assert np.allclose(found.probabilities, expected, atol=1e-5)
        if not kind.startswith(("batch", "array of", "objects")):
            file.seek(0)
            listed = digits_model.predict([ways(pixels, path, file, picture)[kind], pixels])
            assert np.allclose([one.probabilities for one in listed], expected, atol=1e-5)


def test_an_iterator_is_a_list(digits_model, pixels):
    assert len(digits_model.predict(iter([pixels, pixels, pixels]))) == 3
    assert digits_model.predict_proba(image for image in [pixels, pixels]).shape == (2, 10)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "an image must be .*; got a NoneType"),
        (3, "got a int"),
        ({"image": 1}, "got a dict"),
        ([np.zeros((2, 2), np.uint8), object()], "image 1: an image must be .*; got a object"),
        (io.StringIO("x"), "must be opened for bytes"),
        ("https://example.org/a.png", "is an address: download it first"),
        (["s3://bucket/a.png"], "image 0: s3://bucket/a.png is an address"),
        (torch.randn(3, 8, 8), r"a tensor must be uint8, or floats in 0…1; got float32 in -.*before it was normalised"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "got int64"),
    ],
)
def test_what_is_no_image_is_named(given, message, digits_model):
    for method in (digits_model.predict, digits_model.predict_proba):
        with pytest.raises(ArgumentError, match=message):
            method(given)


def test_a_file_opened_for_text_is_refused_before_it_is_decoded(path, digits_model):
    with open(path, encoding="utf-8") as file, pytest.raises(ArgumentError, match="must be opened for bytes"):
        digits_model.predict(file)


def test_half_precision_of_either_kind_is_read():
    for dtype in (torch.float16, torch.bfloat16):
        assert (as_inputs(torch.ones(1, 4, 4, dtype=dtype)) == 255).all()


def test_colours_of_tensors_come_first():
    image = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    assert np.array_equal(as_inputs(torch.from_numpy(image)), np.moveaxis(image, 0, -1))
    batch = torch.from_numpy(np.stack([image, image]))
    assert as_inputs(batch).shape == (2, 4, 5, 3)
