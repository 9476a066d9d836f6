"""Bad input ends in one or two lines that name the culprit and the way out, exit code 1 or 2, and no traceback."""

import errno
import io
import os
import pickle
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from tests.data.oddities import encoded, photo

from striate.system import files as storage

QUICK = ("--net", "fc(classes)", "--epochs", 1, "--set", "precision=float32")


class Evil:
    """A pickle of it runs a command."""

    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.fixture(autouse=True)
def files(tmp_path):
    """One of each thing that people give by mistake."""
    (tmp_path / "empty").mkdir()
    for folder, classes in {"one": ["cats"], "test-only/test": ["a", "b"], "rotten": ["good", "bad"]}.items():
        for name in classes:
            (tmp_path / folder / name).mkdir(parents=True)
            for i in range(6):
                (tmp_path / folder / name / f"{i}.png").write_bytes(
                    b"nothing" if name == "bad" else encoded(photo(8, 8, seed=i))
                )
    rows = "".join(f"img{i}.png,{i % 2}\n" for i in range(24))
    (tmp_path / "missing.csv").write_text("file,label\n" + rows.replace("img", "gone"))
    (tmp_path / "columns.csv").write_text(
        "file,kind,side\n" + rows.replace("img", "pictures/img").replace("\n", ",left\n")
    )
    (tmp_path / "pictures").mkdir()
    for i in range(24):
        (tmp_path / f"pictures/img{i}.png").write_bytes(encoded(photo(8, 8, seed=i)))
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        info.size = 40_000
        tar.addfile(info, io.BytesIO(np.random.default_rng(0).bytes(40_000)))
    whole = (tmp_path / "cifar.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil/data_batch_1").write_bytes(pickle.dumps(Evil(), 2))
    (tmp_path / "note.striate").write_text("not a model")
    (tmp_path / "note.png").write_text("not an image")
    (tmp_path / "file").write_text("a file, not a folder")


TRAIN = {
    ("photoz",): ["photoz is no path here", "Choices: digits, xo, shapes"],
    ("one/cat",): ["one/cat does not exist. Did you mean one/cats?"],
    ("empty",): ["empty must hold images; it is empty", "one folder of images for each class, e.g. empty/cats/1.jpg"],
    ("one",): ["training needs at least two classes; one has only 'cats'", "Add images of another class"],
    ("rotten",): ["only 'good' has images that can be read", "6 skipped (not an image: 6)"],
    ("test-only",): ["has no train split; got only test. Name a folder train"],
    ("missing.csv",): ["24 are not in .: gone0.png, gone1.png, gone2.png…", "--images DIR"],
    ("columns.csv",): ["24 of 24 in columns.csv have none", "columns are file, kind, side", "--label-column"],
    ("columns.csv", "--label-column", "knd"): ["unknown column 'knd'; did you mean 'kind'? Choices: file, kind, side"],
    ("columns.csv", "--images", "nowhere"): ["--images must be a folder; got nowhere"],
    ("cut.tar.gz",): ["cut.tar.gz is a damaged gzip file", "Get it again"],
    ("evil",): ["data_batch_1", "system"],
    ("note.png",): ["needs a label for every image", "one folder a class"],
    ("digits", "--images", "pictures"): ["--images must come with a table; digits is a built-in set"],
    ("digits", "--format", "tabel"): ["unknown format 'tabel'; did you mean 'table'?"],
    ("digits", "--net", "conv(32, 3) rellu fc(10)"): ["column 13: unknown layer 'rellu'; did you mean 'relu'?"],
    ("digits", "--net", "conv(32, 3 relu fc(10)"): ["column 5: this '(' is never closed"],
    ("digits", "--net", "lennet"): ["unknown net 'lennet'; did you mean 'lenet'?"],
    ("digits", "--net", "conv(32, 11) fc(classes)"): [
        "conv(32, 11) needs at least 11×11 pixels",
        "got 1×8×8",
        "larger",
    ],
    ("digits", "--net", "conv(32, 3) relu"): [
        "must end in 10 outputs, one a class; it ends in 32 × 6 × 6",
        "fc(classes)",
    ],
    ("digits", "--net", "fc(9)"): ["must end in 10 outputs, one a class; it ends in 9"],
    ("digits", "--net", "fc(8) bn fc(classes)", "--batch-size", "1"): ["two images or more for each step: bn"],
    ("digits", "--batch-size", "5000"): ["at most the number of training images, 1,388; got 5,000. Choose 32"],
    ("digits", "--epochs", "0"): ["epochs must be at least 1; got 0"],
    ("digits", "--optimiser", "adm"): ["unknown optimiser 'adm'; did you mean 'adam'?"],
    ("digits", "--recipe", "defalt"): ["unknown recipe 'defalt'; did you mean 'default'?"],
    ("digits", "--set", "momentun=0.9"): ["unknown recipe setting 'momentun'; did you mean 'momentum'?"],
    ("digits", "--augment", "flop"): ["unknown augmentation 'flop'; did you mean 'flip'?"],
    ("digits", "--split", "5"): ["split must be train:valid or train:valid:test, such as 70:30", "got '5'"],
    ("digits", "--fit", "squash"): ["crop, pad, stretch", "got 'squash'"],
    ("digits", "--device", "gpu"): ["device must be one that this machine has, such as cpu; got 'gpu'"],
    ("digits", "--out", "file/run"): ["cannot write to file/run", "Choose another --out"],
}


@pytest.mark.parametrize("arguments", TRAIN, ids=" ".join)
def test_train(striate, tmp_path, arguments):
    result = striate("train", *arguments)
    assert result.exit_code == 1
    check(result, TRAIN[arguments])
    assert not list((tmp_path / "runs").glob("*")), "an empty run folder was left behind"
    assert not (tmp_path / "ran").exists(), "a pickle ran"


USAGE = {
    ("train",): ["name a SOURCE, such as a folder of class folders, or digits to try"],
    ("train", "digits", "--epochs", "many"): ["'--epochs'"],
    ("train", "digits", "--size", "0"): ["size must be pixels, as 64 or HEIGHTxWIDTH, 1 to 16384; got '0'"],
    ("train", "digits", "--set", "momentum"): ["--set takes name=value; got 'momentum'"],
    ("train", "digits", "--epoch", "3"): ["No such option", "--epochs"],
    ("trian", "digits"): ["No such command 'trian'"],
    ("predict",): ["Missing argument 'MODEL'"],
    ("predict", "MODEL", "x.png", "--like", "sample.csv"): ["--like needs --csv"],
    ("predict", "MODEL", "x.png", "--top", "0"): ["'--top'"],
    ("net",): ["name an architecture, or write one", "--list shows the names"],
    ("net", "lenet", "--input", "28"): ["--input must be channels, height and width, as 3x224x224; got '28'"],
}


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_usage(striate, arguments):
    result = striate(*arguments)
    assert result.exit_code == 2
    for piece in USAGE[arguments]:
        assert piece in result.stderr


OTHERS = {
    ("predict", "nowhere.striate", "note.png"): ["nowhere.striate"],
    ("predict", "note.striate", "note.png"): ["note.striate: not a Striate model", "Give a .striate file"],
    ("evaluate", "note.striate", "digits"): ["note.striate: not a Striate model", "Give a .striate file"],
    ("predict", "MODEL", "note.png"): ["note.png: not an image: begins with b'not an image'"],
    ("predict", "MODEL", "nowhere.png"): ["nowhere.png does not exist"],
    ("predict", "MODEL", "nothing*.png"): ["no file matches 'nothing*.png'"],
    ("predict", "MODEL", "digits", "note.png"): ["digits source; give it alone"],
    ("predict", "MODEL", "missing.csv"): ["24 are not in .: gone0.png, gone1.png, gone2.png…"],
    ("predict", "MODEL", "pictures", "--csv", "file/out.csv"): ["cannot write file/out.csv"],
    ("predict", "MODEL", "pictures", "--csv", "o.csv", "--like", "nowhere.csv"): ["nowhere.csv"],
    ("evaluate", "MODEL", "pictures"): ["24 of 24 have none"],
    ("evaluate", "MODEL", "rotten"): ["has a class that the model does not know: good. The model knows 0, 1, 2"],
    ("evaluate", "MODEL", "digits", "--part", "test"): ["digits has no test split; it has none of its own"],
    ("evaluate", "MODEL", "digits", "--part", "tset"): ["unknown split 'tset'; did you mean 'test'?"],
    ("net", "conv(32, 11) fc(10)", "--input", "1x8x8"): ["conv(32, 11) needs at least 11×11 pixels"],
    ("net", "conv(32, 3) rely"): ["column 13: unknown layer 'rely'; did you mean 'relu'?"],
}


@pytest.mark.parametrize("arguments", OTHERS, ids=" ".join)
def test_other_commands(striate, digits_run, arguments):
    result = striate(*(digits_run / "model.striate" if word == "MODEL" else word for word in arguments))
    assert result.exit_code == 1
    check(result, OTHERS[arguments])


def check(result, pieces):
    message = result.stderr[result.stderr.index("error: ") :]
    for piece in pieces:
        assert piece in message
    # A sentence is shown under its message, with a caret under the place.
    assert len(message.splitlines()) <= (3 if message.rstrip().endswith("^") else 2)
    assert result.stdout == ""
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (("train", "digits", *QUICK, "--out", "run"), "run/"),
        (("predict", "MODEL", "pictures", "--csv", "out.csv"), "out.csv"),
    ],
)
def test_full_disk(striate, digits_run, monkeypatch, tmp_path, arguments, culprit):
    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(storage, "_sync", full)
    result = striate(*(digits_run / "model.striate" if word == "MODEL" else word for word in arguments))
    assert result.exit_code == 1
    check(result, [f"cannot write {culprit}", "the disk is full. Free some space or write elsewhere"])
    assert not list(tmp_path.rglob("*.tmp"))


def test_full_disk_while_saving_keeps_the_model_before(striate, monkeypatch, tmp_path):
    assert striate("train", "digits", *QUICK, "--out", "run").exit_code == 0
    before = (tmp_path / "run/model.striate").read_bytes()

    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(storage, "_sync", full)
    assert striate("train", "--resume", "--out", "run").exit_code == 1
    assert (tmp_path / "run/model.striate").read_bytes() == before


def test_main_ends_without_a_traceback(tmp_path):
    command = [sys.executable, "-c", "from striate.cli import main; main()", "train", "caf\udce9 ×"]
    result = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, check=False
    )
    assert result.returncode == 1
    assert result.stdout == b""
    assert result.stderr.startswith(rb"error: caf\udce9 x is no path here")
