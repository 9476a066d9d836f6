"""docs/speed.md is what the records say (`python -m bench table` writes it anew); every bench can be imported."""

import importlib
import json
from types import SimpleNamespace

import numpy as np
import pytest
from bench import suspects
from bench.copies import false_share, to_judge
from bench.measured import MEASURES, SOURCE, bench_of, digest, is_current, standing
from bench.record import RECORDS, summary
from bench.table import MARK, PAGE, section, tables
from tests.planting import Fault

import striate
from striate.nets.zoo import downloads

SCRIPTS = sorted(path.stem for path in RECORDS.parent.glob("[a-z]*.py"))
MACHINE = {
    "cpu": "Some CPU", "fast": ["avx2"], "cores": 4, "threads": 2, "gpu": None, "python": "3.12.1", "torch": "2.13.0",
    "commit": "abc1234",
}  # fmt: skip


def test_the_page_is_up_to_date():
    assert PAGE.read_text("utf-8").split(MARK)[1] == "\n" + tables()


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_measures(name):
    assert (importlib.import_module(f"bench.{name}").__doc__ or "").strip()


@pytest.mark.parametrize("path", sorted(RECORDS.glob("*.json")), ids=lambda path: path.stem)
def test_every_record_says_where_it_was_measured(path):
    record = json.loads(path.read_text("utf-8"))
    assert record["name"] == path.stem
    assert "/tmp/" not in path.read_text("utf-8"), "a record tells no path of one machine"
    assert MACHINE.keys() <= record["machine"].keys()


def test_a_record_as_markdown():
    record = {
        "name": "sample", "seeds": [0, 1], "net": "swift_s", "test_accuracy": summary([0.94, 0.95]),
        "images_per_s": {"alone": summary([1400.0]), "together": summary([2600.0, 2700.0])},
        "steps": {"float32": {"step_s": 0.25, "share": 0.5}, "bfloat16": {"step_s": 0.125, "share": 0.75}},
        "clock": "all of it", "machine": MACHINE,
    }  # fmt: skip
    assert section(record) == (
        "## sample\n\n"
        "|  | mean ± standard error | median | runs |\n| --- | --: | --: | --: |\n"
        "| test accuracy | 94.50 % ± 0.50 % | 94.50 % | 2 |\n\n"
        "| images per s | mean ± standard error | median | runs |\n| --- | --: | --: | --: |\n"
        "| alone | 1,400 | 1,400 | 1 |\n| together | 2,650 ± 50 | 2,650 | 2 |\n\n"
        "| steps | step s | share |\n| --- | --: | --: |\n"
        "| float32 | 0.25 | 50.00 % |\n| bfloat16 | 0.125 | 75.00 % |\n\n"
        "Clock: all of it.\n\n"
        "Settings: seeds 0, 1; net `swift_s`.\n\n"
        "Machine: Some CPU (avx2), 4 cores, 2 threads; Python 3.12.1, torch 2.13.0; commit abc1234.\n"
    )


def test_every_record_belongs_to_a_bench_whose_source_exists():
    assert {bench_of(path.stem) for path in RECORDS.glob("*.json")} <= MEASURES.keys()
    assert MEASURES.keys() <= set(SCRIPTS)
    assert all((SOURCE / place).exists() for places in MEASURES.values() for place in places)


def test_a_record_is_marked_once_its_source_has_changed(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.measured.SOURCE", tmp_path)
    for place in MEASURES["copies"]:
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text("first", "utf-8")
    record = {"name": "copies", "again": "python -m bench copies", "source_digest": digest("copies")}
    assert standing(record) == "Again: `python -m bench copies`."
    (tmp_path / MEASURES["copies"][0]).write_text("second", "utf-8")
    assert standing(record).endswith("**Measured with an earlier version.**")
    assert not is_current({"name": "copies"})


def test_suspects_are_looked_for_without_a_net_where_that_is_asked(monkeypatch):
    monkeypatch.setattr(downloads, "BACKBONES", ("mobilenet_v2",))
    monkeypatch.setattr("sys.argv", ["bench suspects", "--pixels", "--seeds", "0", "--data-dir", ""])
    monkeypatch.setattr(suspects, "CASES", [(0.05, "chance")])
    pictures = striate.prepare(striate.read("xo"))
    monkeypatch.setattr(suspects, "sources", lambda options: [("xo", pictures)])
    written = []
    monkeypatch.setattr(suspects, "write", lambda name, record, clock: written.append(name))
    suspects.main()
    assert downloads.BACKBONES == ()
    assert written == ["suspects_pixels"]


def test_false_pairs_are_a_share_of_all_that_were_reported():
    """Of 200 pairs 100 were neither planted nor equal; of 50 that were looked at 2 were false."""
    told = false_share(200, 100, "2/50")
    assert told["false_share"] == pytest.approx(0.02)
    assert told["false_share_at_most"] == pytest.approx(0.137 / 2, abs=0.001)
    assert false_share(200, 50, "1/50")["false_share_at_most"] == pytest.approx(1 / 200)
    assert false_share(200, 0, None) == {"false_share": 0.0, "false_share_at_most": 0.0}
    assert false_share(200, 100, None) == {}


def test_pairs_that_equal_and_planted_ones_tie_together_need_no_eye():
    pairs = np.array([[0, 1], [0, 2], [1, 2], [3, 4]])  # a = b, b was changed into c; d and e are the set's own
    copies = SimpleNamespace(names=list("abcdef"), pairs=pairs, exact=np.array([True, False, False, False]))
    assert to_judge(copies, [Fault("jpeg", "c", "b", "x", "x")]) == [(3, 4)]
