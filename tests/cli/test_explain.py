"""`striate explain`: the page, the pictures, JSON, files that are no images."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.data.oddities import make_oddities


@pytest.fixture
def model(digits_run):
    return digits_run / "model.striate"


def digit(path, seed=0):
    from sklearn.datasets import load_digits

    Image.fromarray((load_digits().images[seed] * 15.9).astype(np.uint8)).save(path)
    return path


def test_page_pictures_and_json(striate, model, tmp_path):
    result = striate("explain", model, digit(tmp_path / "a b.png"), "--png", "maps", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    (one,) = told["images"]
    assert [each["kind"] for each in one["maps"]] == ["grad-cam", "occlusion", "integrated-gradients"]
    page = (tmp_path / "explain.html").read_text("utf-8")
    assert page.count("<section") == 1
    assert f"<title>What {model.parent.name} sees" in page
    assert {path.name for path in (tmp_path / "maps").iterdir()} >= {"a_b-grad-cam.png", "a_b-image.png"}


def test_words_and_another_class(striate, model, tmp_path):
    result = striate("explain", model, digit(tmp_path / "0.png"), digit(tmp_path / "1.png", 1), "-o", "out/page.html",
                     "--class", "3")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout.count("explained: 3") >= 1
    assert "out/page.html" in result.stdout
    assert striate("explain", model, "0.png", "--class", "cat").exit_code == 1


def test_why_no_map_can_tell_anything_is_said_once(striate, model, tmp_path):
    Image.fromarray(np.full((8, 8), 90, np.uint8)).save(tmp_path / "plain.png")
    told = striate("explain", model, "plain.png").stdout
    assert "No map tells anything here: the image is of one colour" in told
    assert told.count("the image is of one colour") == 1, told


def test_oddities_are_named_and_the_rest_is_explained(striate, model, tmp_path):
    make_oddities(tmp_path / "odd")
    result = striate("explain", model, "odd", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["images"]
    for name in ("truncated.jpg", "empty.jpg", "text.jpg"):
        assert name in result.stderr
    assert striate("explain", model, "nowhere.png").exit_code == 1
