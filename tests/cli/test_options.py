"""What commands write never lands on what they read; what they do not know is answered with what to type instead."""

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from striate.cli import _option_names, app
from striate.cli.unknown_options import CALLED_NOW


@pytest.fixture
def folder(tmp_path, digits_run):
    """A model, links to it and to an image, an image, a table: all that a command may be told to write over."""
    (tmp_path / "m.striate").write_bytes((digits_run / "model.striate").read_bytes())
    (tmp_path / "new").mkdir()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "new/a.png")
    (tmp_path / "t.csv").write_text("image\nnew/a.png\n")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a-image.png").write_bytes((tmp_path / "new/a.png").read_bytes())
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
        "features m.striate t.csv -o t.csv",
        "features m.striate new -o link.csv",
        "evaluate m.striate t.csv --mistakes t.csv",
        "evaluate m.striate t.csv --mistakes new/a.png",
        "evaluate m.striate t.csv --card link.html",
        "check t.csv -o t.html",
        "explain m.striate new/a.png -o e.html --png pictures",
        "augment new -o new/a.png",
        "filter new/a.png blur -o pictures/a-image.png",
    ],
)
def test_neither_model_nor_input_is_overwritten(striate, folder, words, monkeypatch, tmp_path_factory):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path_factory.mktemp("cache")))
    result = striate(*words.split())
    assert result.exit_code == 1
    assert "which is not overwritten. Name another file" in result.stderr.replace("\n", " ")
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {path: content for path, content in after.items() if path.name != "e.html"} == before


@pytest.mark.parametrize("words", ["explain m.striate new", "look m.striate", "walk m.striate new/a.png"])
def test_pages_end_in_html(striate, folder, words):
    result = striate(*words.split(), "-o", "page.pdf")
    assert result.exit_code == 1
    assert "a page's name must end in .html; got page.pdf. Try page.html" in result.stderr
    assert not (folder / "page.pdf").exists()


def test_an_earlier_answer_is_replaced(striate, folder):
    for _ in range(2):
        assert striate("predict", "m.striate", "new/a.png", "--csv", "new/answers.csv").exit_code == 0
        explain = ("explain", "m.striate", "new/a.png", "-o", "new/page.HTM", "--png", "drawn")
        assert striate(*explain).exit_code == 0
        assert striate("filter", "new/a.png", "blur", "-o", "drawn/blurred.jpg").exit_code == 0
        assert striate("augment", "digits", "-o", "drawn/sheet.webp", "--augment", "flip").exit_code == 0


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("train x --patience 3", "--set patience=VALUE"),
        ("tune x --weight-decay=0.1", "--set weight_decay=VALUE"),
        ("train x --epoch 3", "Did you mean --epochs?"),
        ("train x --lr 1", "--learning-rate"),
        ("evaluate m x --split test", "It is called --part now"),
        ("check x --model m", "It is called --features now"),
        ("runs --compare", "the folders alone"),
        ("check x --budget 3", "train and tune have it, check has not: striate check --help"),
        ("predict m x --frobnicate", "striate predict --help"),
    ],
)
def test_an_unknown_option_says_what_to_type_instead(typed, told):
    done = CliRunner().invoke(app, typed.split())
    assert done.exit_code == 2
    assert told in " ".join(done.output.replace("│", " ").split())


def test_what_an_unknown_option_is_called_now_is_there():
    """No advice leads to another option that is not there."""
    commands = {name: _option_names(one) for name, one in typer.main.get_command(app).commands.items()}
    for (command, option), now in CALLED_NOW.items():
        if now.startswith("--"):
            having = [command] if command else [name for name in commands if now.split()[0] in commands[name]]
            assert having, (option, now)
            assert all(now.split()[0] in commands[name] for name in having), (command, option, now)
            assert not command or option not in commands[command]
