"""`striate look`: what it says and writes, from images that the model keeps or others, and what it refuses."""

import json

import pytest


@pytest.fixture
def model(digits_run):
    return digits_run / "model.striate"


def test_a_few_lines_the_page_and_the_pictures(striate, model, tmp_path):
    result = striate("look", model, "digits", "--count", 40, "--layer", "1", "--png", "units", "-o", "inside.html")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "4 layers over 40 images" in lines[0]
    assert lines[-2] == "inside.html"
    written = sorted((tmp_path / "units").iterdir())
    assert lines[-1] == f"{len(written)} pictures in units"
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    page = (tmp_path / "inside.html").read_text("utf-8")
    assert "conv(8, 3, pad=1)" in page


def test_a_folder_of_ones_own_is_looked_at(striate, model, photos):
    told = json.loads(striate("look", model, photos, "--json").stdout)
    assert told["images"] == 24
    assert told["page"] == "look.html"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layer", "9"], "'9'"),
        (["--unit", "0:99"], "99"),
        (["--class", "cat"], "cat"),
        (["-o", "look.png"], ".html"),
    ],
)
def test_what_there_is_not_is_named_and_nothing_is_written(striate, model, tmp_path, words, said):
    result = striate("look", model, "digits", "--count", 10, *words)
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert not list(tmp_path.glob("look.*"))
