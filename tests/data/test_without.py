"""What is left out of training, what stays, and tables as spreadsheets save them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.checks.pictures_of import patches, written

import striate
from striate.checks.check import CheckOptions, check
from striate.checks.page import write_checkup
from striate.data.dataset import DataOptions, make_dataset
from striate.data.without import read_without
from striate.errors import DataError, SourceNotFoundError
from striate.observer import Observer
from striate.runs.session import Session
from striate.selection.fit import run_one
from striate.selection.ladder.clock import Clock
from striate.selection.ladder.folds import make_ground
from striate.selection.ladder.ladder import climb_ladder
from striate.selection.ladder.rungs import BaselineRung
from striate.system.processes import ALONE

TABLE = "image,kind,leave_out\na.png,blank,yes\nb.png,dark,no\nc.png,leak,yes\nc.png,exact-copies,yes\n"


class Notes(Observer):
    def __init__(self):
        self.told = []

    def note(self, text):
        self.told.append(text)


def planted(root, seed, **counts):
    """Write so many pictures of each of two classes into each split."""
    rng = np.random.default_rng(seed)
    for split, count in counts.items():
        for name in "ab":
            for i in range(count):
                written(patches(rng, 12, 12), root / split / name / f"{i}.png")


def ground_of(found):
    """Return the ground of a ladder on a data set, and its parts."""
    return make_ground(found, 0, Session(None, False, torch.device("cpu"), ALONE, Observer(), ()), Clock(0.0, 1.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "set"
    planted(root, 0, train=30, valid=8, test=8)
    return root


@pytest.mark.parametrize("change", [
    lambda text: text,
    lambda text: text.replace(",", ";"),
    lambda text: text.replace(",", "\t"),
    lambda text: text.replace("\n", "\r\n"),
    lambda text: "\ufeff" + text,
    lambda text: text.replace("yes", "TRUE").replace("no", "FALSE"),
    lambda text: text.replace("image", '"Image"'),
])  # fmt: skip
def test_tables_as_spreadsheets_save_them(tmp_path, change):
    path = tmp_path / "findings.csv"
    path.write_bytes(change(TABLE).encode())
    assert read_without(path) == {"a.png": "blank", "c.png": "leak"}


def test_a_table_of_names_leaves_all_of_them_out(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("image\nein Bild für Zoë 猫.png\nb, c.png\n".replace("b, c.png", '"b, c.png"'), "utf-8")
    assert list(read_without(path)) == ["ein Bild für Zoë 猫.png", "b, c.png"]
    path.write_text("image,kind,leave_out\n")
    assert read_without(path) == {}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "column called image"),
        (b"name,kind\na.png,x\n", "column called image"),
        (b"image,leave_out\na.png,perhaps\n", "line 2: leave_out must be yes or no; got 'perhaps'"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "column called image"),
    ],
)
def test_what_is_no_such_table(tmp_path, content, says):
    path = tmp_path / "findings.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_without(path)


@pytest.mark.parametrize("lines", ["a.png,yes\na.png,no\n", "a.png,no\na.png,\na.png,yes\n"])
def test_one_no_keeps_an_image_and_nothing_said_is_no_no(tmp_path, lines):
    path = tmp_path / "findings.csv"
    path.write_text(f"image,leave_out\n{lines}b.png,yes\nb.png,\nc.png,\n")
    listed = read_without(path)
    assert listed == {"b.png": "named"}
    assert listed.kept == {"a.png"}


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(SourceNotFoundError, match="no such file"):
        DataOptions(without=tmp_path / "none.csv").to_json()


def dataset(folder, without, seed=0):
    notes = Notes()
    return make_dataset(folder, DataOptions(without=without), seed, notes), notes.told


def test_only_training_images_are_left_out(folder):
    whole, _ = dataset(folder, None)
    names = ["train/a/3.png", "train/b/4.png", "valid/a/0.png", "test/a/1.png", "test/b/2.png"]
    cut, told = dataset(folder, dict.fromkeys(names, "blank"))
    assert set(whole.splits.train.names) - set(cut.splits.train.names) == {"train/a/3.png", "train/b/4.png"}
    assert list(cut.splits.test.names) == list(whole.splits.test.names)
    assert list(cut.splits.valid.names) == list(whole.splits.valid.names)
    assert "left out of training, as the table says: 2: blank (2)" in told
    assert any("kept: 1 validation and 2 test" in note for note in told)


def test_splits_that_striate_makes_do_not_move(folder):
    whole, _ = dataset(folder / "train", None, seed=3)
    cut, _ = dataset(folder / "train", list(whole.splits.train.names[:9]), seed=3)
    assert list(cut.splits.test.names) == list(whole.splits.test.names)
    assert len(cut.splits.train) == len(whole.splits.train) - 9


def test_names_that_the_source_does_not_have(folder):
    with pytest.raises(DataError, match=r"1 of the 2 images to leave out are not in .*: nowhere\.png; its images are"):
        dataset(folder, ["train/a/0.png", "nowhere.png"])


def test_leaving_everything_out_is_refused(folder):
    names = [f"train/{c}/{i}.png" for c in "ab" for i in range(30)]
    with pytest.raises(DataError, match="no training images are left"):
        dataset(folder, names)


def test_a_copy_in_training_is_said_only_while_it_is_there(tmp_path):
    planted(tmp_path, 1, train=12, valid=4, test=4)
    (tmp_path / "test/a/0.png").write_bytes((tmp_path / "train/a/0.png").read_bytes())
    _, told = dataset(tmp_path, None)
    assert any("1 of the test images is identical" in note for note in told)
    _, told = dataset(tmp_path, ["train/a/0.png"])
    assert not any("that is trained on" in note or "that are trained on" in note for note in told)


def test_a_run_keeps_the_names_and_judges_nothing_that_was_left_out(folder, tmp_path):
    whole, _ = dataset(folder / "train", None)
    gone = [str(name) for name in whole.splits.train.names[:5]]
    done = run_one(folder / "train", "majority", without=gone, out=tmp_path / "run")
    kept = DataOptions.from_json(json.loads((tmp_path / "run/run.json").read_text())["asked"])
    assert kept.without == dict.fromkeys(gone, "named")
    assert done.classifier.provenance.splits["train"] == len(whole.splits.train) - 5
    judged = done.classifier.evaluate(striate.read(folder / "train"))
    assert judged.total == len(whole.splits.test)


def test_notes_say_of_twins_what_is_still_there(tmp_path):
    planted(tmp_path, 2, train=12, valid=4, test=4)
    for twin in ("b/12.png", "a/12.png"):
        (tmp_path / "train" / twin).write_bytes((tmp_path / "train/a/0.png").read_bytes())
    before, _ = dataset(tmp_path, None)
    assert any("3 images are identical to one with another label" in note for note in before.splits.notes)
    after, _ = dataset(tmp_path, ["train/b/12.png"])
    assert after.splits.notes == ("left out of training, as the table says: 1: named (1)",)


def test_a_twin_that_was_left_out_makes_no_test_image_a_known_one(tmp_path):
    planted(tmp_path, 3, train=20, test=6)
    (tmp_path / "test/a/0.png").write_bytes((tmp_path / "train/a/0.png").read_bytes())
    model = run_one(tmp_path, "majority", without=["train/a/0.png"]).classifier
    assert model.evaluate(striate.read(tmp_path / "test")).total == 12


def test_what_is_left_out_is_not_learned_where_it_would_choose(folder):
    names = [f"valid/{c}/{i}.png" for c in "ab" for i in range(3)]
    cut, _ = dataset(folder, names)
    ground, parts = ground_of(cut)
    assert sorted(ground.images.names[i] for i in ground.barred) == names
    assert set(ground.barred.tolist()) < set(parts[0][1].tolist())
    taught = {str(ground.images.names[i]) for i in ground.teaching(np.concatenate(parts[0]))}
    assert not taught & set(names)
    assert len(taught) == 76 - 6


def test_of_equal_validation_images_the_one_that_is_not_listed_teaches(tmp_path):
    planted(tmp_path, 4, train=30, valid=12)
    for twin, of in (("valid/a/1.png", "valid/a/0.png"), ("valid/b/1.png", "train/b/0.png")):
        (tmp_path / twin).write_bytes((tmp_path / of).read_bytes())
    names = ["valid/a/1.png", "valid/b/1.png"]
    cut, _ = dataset(tmp_path, names)
    ground, _ = ground_of(cut)
    assert sorted(ground.images.names[i] for i in ground.barred) == names[:1]
    assert names[1] not in cut.splits.valid.names  # what training knows already does not choose


def test_what_chose_and_was_not_learned_is_not_judged_as_new(folder):
    """The best is fitted to validation images too, but for those of the table; evaluation knows them all the same."""
    whole, _ = dataset(folder / "train", None)
    model = run_one(folder / "train", "majority").classifier
    refitted = replace(model, trained_on=np.unique(whole.splits.train.hashes))
    session = Session(None, False, torch.device("cpu"), ALONE, Observer(), samples=False)
    done = session.finish(refitted, whole.splits, 0.0).classifier
    assert done.evaluate(striate.read(folder / "train")).total == len(whole.splits.test)


def test_a_ladder_learns_from_nothing_that_was_left_out(folder, tmp_path):
    """Of few images all take turns at choosing, and the last fit has all but those."""
    few = [path for path in sorted((folder / "train").rglob("*.png")) if int(path.stem) < 12]
    for path in few:
        copy = tmp_path / "few" / path.relative_to(folder / "train")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    whole, _ = dataset(tmp_path / "few", None)
    names = [str(name) for name in (*whole.splits.train.names[:2], *whole.splits.valid.names[:2])]
    fits = []

    def fit(rung, ground, train, valid, seconds):
        fits.append({str(ground.images.names[i]) for i in train})
        return own(rung, ground, train, valid, seconds)

    own, BaselineRung.fit = BaselineRung.fit, fit
    try:
        climb_ladder(tmp_path / "few", 3, data=DataOptions(without=names))
    finally:
        BaselineRung.fit = own
    assert len(fits) > 4
    assert not any(taught & set(names) for taught in fits)


def numbered(root, seed, labels="label"):
    """Write a table of 60 pictures called by numbers, and a check of it; return where both are."""
    rng, rows = np.random.default_rng(seed), [f"file,{labels}"]
    for i in range(60):
        written(patches(rng, 12, 12) if i != 40 else np.full((12, 12, 3), 9, np.uint8), root / f"{i:04}.png")
        rows.append(f"{i:04}.png,{'ab'[rng.integers(2)]}")
    (root / "set.csv").write_text("\n".join(rows))
    _, table = write_checkup(check(root / "set.csv", CheckOptions(labels=False)), root / "out")
    return root / "set.csv", table


def test_the_table_of_another_set_with_the_same_names_is_refused(tmp_path):
    (one, ours), (_, theirs) = (numbered(tmp_path / str(seed), seed) for seed in (5, 6))
    assert "0040.png" in read_without(theirs)
    assert "0040.png" not in dataset(one, ours)[0].splits.train.names
    rows = [line.split(",") for line in ours.read_text().splitlines()]
    for column, says in (("label", "has label"), ("pixels", "has other pixels")):
        at, other = rows[0].index(column), [list(row) for row in rows]
        for row in other[1:]:
            row[at] = {"a": "b", "b": "a"}.get(row[at], "x0123456789abcdef")
        ours.write_text("\n".join(map(",".join, other)))
        with pytest.raises(
            DataError, match=rf"1 of 1 images of the same name are others.*0040\.png {says}.*Check this"
        ):
            dataset(one, ours)


def test_labels_that_were_corrected_since_a_check_are_told(tmp_path):
    source, table = numbered(tmp_path, 5)
    text = source.read_text()
    label = next(line for line in text.splitlines() if line.startswith("0040"))[-1]
    source.write_text(text.replace(f"0040.png,{label}", f"0040.png,{'ba'['ab'.index(label)]}"))
    with pytest.raises(DataError, match=r"0040\.png has label '[ab]' in the table and '[ab]' here"):
        dataset(source, table)


def test_what_a_table_does_not_say_is_not_missed(tmp_path):
    source, table = numbered(tmp_path, 5)
    table.write_text("image\n0000.png\n")
    dataset(source, table)
    table.write_text("image,leave_out,label,split,pixels\n0000.png,yes,,,\n")
    dataset(source, table)


def test_the_labels_of_a_table_are_numbers_as_spreadsheets_write_them(tmp_path):
    rng, rows = np.random.default_rng(7), ["file,label"]
    for i in range(40):
        written(patches(rng, 12, 12), tmp_path / f"{i}.png")
        rows.append(f"{i}.png,00{1 + i % 2}")
    (tmp_path / "set.csv").write_text("\n".join(rows))
    (tmp_path / "mine.csv").write_text("image,label\n0.png,1\n1.png,2\n")
    dataset(tmp_path / "set.csv", tmp_path / "mine.csv")


def test_deep_images_have_no_digest_that_a_model_could_change(tmp_path):
    deep = np.random.default_rng(8).integers(0, 4000, (40, 12, 12), np.uint16)
    deep[7] = 2000
    np.savez(tmp_path / "set.npz", images=deep, labels=np.arange(40) % 2)
    _, table = write_checkup(check(tmp_path / "set.npz", CheckOptions(labels=False)), tmp_path / "out")
    assert all(not known.get("pixels") for known in read_without(table).known.values())
    dataset(tmp_path / "set.npz", table)
