"""What commands write never lands on what they read."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path, digits_run):
    """A model, links to it and to an image, an image, a table: all that a command may be told to write over."""
    (tmp_path / "m.striate").write_bytes((digits_run / "model.striate").read_bytes())
    (tmp_path / "new").mkdir()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "new/a.png")
    (tmp_path / "t.csv").write_text("image\nnew/a.png\n")
    (tmp_path / "link.html").symlink_to("m.striate")
    (tmp_path / "link.csv").symlink_to("new/a.png")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "explain m.striate new/a.png -o new/a.png",
        "explain m.striate new/*.png -o m.striate",
        "explain m.striate new -o link.html",
        "look m.striate -o m.striate",
        "look m.striate t.csv -o t.csv",
        "walk m.striate new/a.png -o new/a.png",
        "predict m.striate new/a.png --csv new/a.png",
        "predict m.striate new --csv link.csv",
        "predict m.striate t.csv --csv new/a.png",
        "predict m.striate t.csv --csv t.csv",
        "predict m.striate t.* --parquet t.csv",
        "predict m.striate new --parquet m.striate",
    ],
)
def test_neither_model_nor_input_is_overwritten(striate, folder, words):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = striate(*words.split())
    assert result.exit_code == 1
    assert "which is not overwritten. Name another file" in result.stderr.replace("\n", " ")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("words", ["explain m.striate new", "look m.striate", "walk m.striate new/a.png"])
def test_pages_end_in_html(striate, folder, words):
    result = striate(*words.split(), "-o", "page.pdf")
    assert result.exit_code == 1
    assert "--out must end in .html; got page.pdf. Try -o page.html" in result.stderr
    assert not (folder / "page.pdf").exists()


def test_an_earlier_answer_is_replaced(striate, folder):
    for _ in range(2):
        assert striate("predict", "m.striate", "new/a.png", "--csv", "new/answers.csv").exit_code == 0
        assert striate("explain", "m.striate", "new/a.png", "-o", "new/page.HTM").exit_code == 0
