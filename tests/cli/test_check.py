"""`striate check`: what it prints and writes, exit codes, and sources of every odd kind."""

import base64
import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.checks.pictures_of import blurred, brightened, darkened, patches, plain, written
from tests.data.oddities import make_oddities

import striate as package
from striate.checks.check import CheckOptions

FAULTS = {"blank": plain, "dark": darkened, "bright": brightened, "blurred": blurred}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "clean"
    rng = np.random.default_rng(0)
    for name in "ab":
        for i in range(30):
            written(patches(rng), root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """Train and test with one image of each fault in train, three leaks, a contradiction and a cut file."""
    root = tmp_path_factory.mktemp("data") / "faulty"
    rng = np.random.default_rng(1)
    for split, count in (("train", 50), ("test", 20)):
        for name in "ab":
            for i in range(count):
                written(patches(rng), root / split / name / f"{i}.png")
    for kind, fault in FAULTS.items():
        written(fault(patches(rng)), root / "train/a" / f"{kind}.png")
    for i in range(3):
        (root / f"test/b/copy{i}.png").write_bytes((root / f"train/b/{i}.png").read_bytes())
    (root / "train/b/other.png").write_bytes((root / "train/a/9.png").read_bytes())
    whole = (root / "train/a/5.png").read_bytes()
    (root / "train/a/cut.png").write_bytes(whole[: 2 * len(whole) // 3])
    return root


def state_of(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def findings(result):
    return {one["kind"]: one for one in json.loads(result.stdout)["findings"]}


def test_planted_faults(striate, faulty):
    before = state_of(faulty)
    result = striate("check", faulty, "--no-labels", "--json")
    assert result.exit_code == 3
    found = findings(result)
    for kind in FAULTS:
        assert found[kind]["images"] == [f"train/a/{kind}.png"]
    assert found["unreadable"]["images"] == ["train/a/cut.png"]
    assert {tuple(sorted(group)) for group in found["leak"]["groups"]} == {
        (f"test/b/copy{i}.png", f"train/b/{i}.png") for i in range(3)
    }
    assert sorted(found["conflicting-labels"]["images"]) == ["train/a/9.png", "train/b/other.png"]
    assert len(found["exact-copies"]["groups"]) == 4
    assert found.keys() <= {*FAULTS, "unreadable", "leak", "conflicting-labels", "exact-copies"}
    severities = [one["severity"] for one in json.loads(result.stdout)["findings"]]
    assert severities == sorted(severities, key=["serious", "warning", "note"].index)
    assert state_of(faulty) == before


def test_what_is_printed_and_written(striate, faulty):
    result = striate("check", faulty, "--no-labels", "--out", "out")
    assert result.exit_code == 3
    assert "3 of the 43 test images are copies of images that are trained on" in result.stdout
    assert "the test figure flatters by up to 7.0 points" in result.stdout
    assert "--without" in result.stdout
    page = Path("out/check.html").read_text("utf-8")
    assert "only" not in page or "training images only" in page
    assert page.count("<img") > 10
    with open("out/findings.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["image"] for row in rows if row["leave_out"] == "yes"} == {
        "train/a/blank.png", "train/b/0.png", "train/b/1.png", "train/b/2.png", "train/a/9.png", "train/b/other.png",
    }  # fmt: skip


def test_page_and_terminal_say_how_to_train_on_what_was_read(striate, faulty):
    result = striate("check", faulty, "--no-labels", "--format", "folders", "--groups", "none", "--out", "again")
    command = f"striate train {faulty} --format folders --groups none --without again/findings.csv"
    assert command in result.stdout
    assert command in Path("again/check.html").read_text("utf-8")


def test_the_same_twice_and_nothing_is_written_over(striate, faulty):
    first, second = (striate("check", faulty, "--no-labels").stdout for _ in range(2))
    assert first.replace("faulty-1", "faulty-2") == second
    pages = [Path(f"checks/faulty-{i}/check.html").read_bytes() for i in (1, 2)]
    assert pages[0].replace(b"faulty-1", b"faulty-2") == pages[1]  # but for the table that they name


def test_training_without_what_was_found(striate, faulty):
    striate("check", faulty, "--no-labels", "--out", "out")
    arguments = ("train", faulty, "--net", "majority", "--without", "out/findings.csv")
    result = striate(*arguments, "--out", "run", "--json")
    assert result.exit_code == 0, result.output
    assert "left out of training, as the table says" in result.stderr
    assert json.loads(Path("run/run.json").read_text())["asked"]["without"]["train/a/blank.png"] == "blank"
    wrong = Path("out/findings.csv").read_text().replace("train/a/blank.png", "train/a/gone.png")
    Path("out/findings.csv").write_text(wrong)
    result = striate(*arguments, "--out", "again")
    assert result.exit_code == 1
    assert "train/a/gone.png" in result.stderr


def test_a_clean_set_is_clean(striate, clean):
    result = striate("check", clean, "--no-labels")
    assert result.exit_code == 0
    assert "nothing is wrong with 60 images" in result.stdout


def test_a_catalog_checks_itself(clean):
    checkup = package.read(clean).check(CheckOptions(labels=False))
    assert checkup.findings == ()
    assert not checkup.serious


def test_oddities(striate, tmp_path):
    for name in "ab":
        make_oddities(tmp_path / "odd" / name)
    result = striate("check", "odd", "--no-labels", "--json")
    assert result.exit_code == 3
    assert set(findings(result)["unreadable"]["images"]) == {
        f"{name}/{file}" for name in "ab" for file in ("truncated.jpg", "empty.jpg", "text.jpg", "bomb.png")
    }


def test_nothing_readable(striate, tmp_path):
    for name in "ab":
        (tmp_path / "broken" / name).mkdir(parents=True)
        (tmp_path / "broken" / name / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    result = striate("check", "broken", "--json")
    assert result.exit_code == 3
    assert findings(result)["unreadable"]["images"] == ["a/1.png", "b/1.png"]


def test_no_images_at_all(striate, tmp_path):
    (tmp_path / "empty").mkdir()
    result = striate("check", "empty")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert striate("check", "nowhere").exit_code == 1


def test_one_class_and_no_class(striate, tmp_path):
    rng = np.random.default_rng(2)
    for i in range(20):
        written(patches(rng), tmp_path / "one/cat" / f"{i}.png")
        written(patches(rng), tmp_path / "none" / f"{i}.png")
    result = striate("check", "one", "--json")
    assert result.exit_code == 3
    assert set(findings(result)) == {"untrainable"}
    result = striate("check", "none", "--json")
    assert result.exit_code == 0
    assert set(findings(result)) == {"unlabelled"}


def arrays(tmp_path):
    rng = np.random.default_rng(3)
    images = np.stack([patches(rng, 16, 16) for _ in range(40)])
    images[7] = 77
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(40) % 2)
    return "set.npz"


def deep_arrays(tmp_path):
    rng = np.random.default_rng(3)
    images = np.stack([patches(rng, 16, 16)[..., 0] for _ in range(40)]).astype(np.uint16) * 200
    images[7] = 7000
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(40) % 2)
    return "set.npz"


def table(tmp_path):
    rng = np.random.default_rng(3)
    rows = ["file,label"]
    for i in range(40):
        image = patches(rng, 16, 16) if i != 7 else np.full((16, 16, 3), 77, np.uint8)
        written(image, tmp_path / "pictures" / f"{i:02}.png")
        rows.append(f"pictures/{i:02}.png,{'ab'[i % 2]}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    return "table.csv"


def mixed_sizes(tmp_path):
    rng = np.random.default_rng(3)
    for i in range(40):
        image = patches(rng, 140 + i % 5, 150) if i != 7 else np.full((140, 150, 3), 77, np.uint8)
        written(image, tmp_path / "photos" / "ab"[i % 2] / f"{i:02}.jpg", quality=90)
    return "photos"


@pytest.mark.parametrize("make", [arrays, deep_arrays, table, mixed_sizes])
def test_the_blank_one_is_found_in_every_kind_of_source(striate, tmp_path, make):
    result = striate("check", make(tmp_path), "--no-labels", "--json")
    assert result.exit_code == 3, result.output
    (name,) = findings(result)["blank"]["images"]
    assert "7" in name


def test_nothing_is_left_behind_by_ctrl_c(striate, clean, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("striate.checks.check.look_at_images", stopped)
    result = striate("check", clean, "--no-labels")
    assert result.exit_code == 1
    assert "interrupted" in result.stderr
    assert not Path("checks").exists()


def test_a_picture_of_another_shape_is_shown_whole(striate, tmp_path):
    rng = np.random.default_rng(4)
    for i in range(30):
        written(patches(rng, 40, 40), tmp_path / "set" / "ab"[i % 2] / f"{i}.png")
    written(patches(rng, 40, 200), tmp_path / "set/a/wide.png")
    result = striate("check", "set", "--no-labels", "--out", "out", "--json")
    assert findings(result)["odd-aspect"]["images"] == ["a/wide.png"]
    (uri,) = re.findall('<img src="data:image/[a-z]+;base64,([^"]+)"', Path("out/check.html").read_text("utf-8"))
    with Image.open(io.BytesIO(base64.b64decode(uri))) as shown:
        assert shown.width == 5 * shown.height


def test_labels_and_what_to_label_next(striate, tmp_path, monkeypatch):
    """Dark patches against bright ones: of 40 labels two are swapped, and of six unlabelled images all are ranked."""
    monkeypatch.setattr("striate.nets.zoo.downloads.BACKBONES", ())  # pixels are enough for this, and quick
    rng = np.random.default_rng(5)
    for i in range(40):
        image = patches(rng) // 3 + (0 if i % 2 else 150)
        wrong = i in (10, 21)
        written(image.astype(np.uint8), tmp_path / "set" / ("night" if (i % 2 == 1) != wrong else "day") / f"{i}.png")
    for i in range(6):
        written(patches(rng) // 3, tmp_path / "more" / f"{i}.png")
    result = striate("check", "set", "--unlabelled", "more", "--out", "out", "--json")
    told = json.loads(result.stdout)
    wrong = next(one for one in told["findings"] if one["kind"] == "wrong-labels")
    assert set(wrong["images"][:2]) == {"night/10.png", "day/21.png"}
    assert wrong["likely"]["night/10.png"] == "day"
    assert {one["image"] for one in told["to_label"]} == {f"{i}.png" for i in range(6)}
    assert {one["likely"] for one in told["to_label"]} == {"night"}
    page = Path("out/check.html").read_text("utf-8")
    assert "Label these first" in page
    assert "→ <b" in page
