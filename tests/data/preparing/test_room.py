"""The cache's limit: what was used longest ago goes first, what is in use stays, and what goes is said."""

import gc
import json
import math
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import striate
from striate.cli import app
from striate.data.preparing import cache, room
from striate.data.preparing.cache import Prepared
from striate.data.preparing.prepare import prepare
from striate.data.preparing.writing import Writer
from striate.errors import ArgumentError
from striate.system.owners import host_name

PIXELS = np.zeros((5, 40, 40, 3), np.uint8)


def write(folder, letter, age_s, source="photos"):
    """Write an entry that was used so long ago, and return its folder; nobody has it open."""
    key = letter * 32
    with Writer(folder, key, 5, PIXELS.shape[1:]) as writer:
        writer.append(PIXELS)
        writer.commit(Prepared(PIXELS, np.arange(5, dtype=np.uint64)), source)
    gc.collect()
    used = time.time() - age_s
    os.utime(folder / key / "about.json", (used, used))
    return folder / key


def letters(folder):
    return "".join(sorted(path.name[0] for path in folder.iterdir()))


@pytest.fixture
def three(tmp_path):
    for letter, age_s in (("a", 500), ("b", 90_000), ("c", 10)):
        write(tmp_path, letter, age_s, f"source {letter}")
    return tmp_path


def test_the_oldest_used_goes_first_and_only_as_much_as_must(three, monkeypatch):
    each = cache.entries(three)[0].bytes
    monkeypatch.setenv("STRIATE_CACHE_LIMIT", f"{3 * each + 10}B")
    assert room.make_room(three) == ()
    assert letters(three) == "abc"
    (said,) = room.make_room(three, needed_bytes=each)
    assert letters(three) == "ac"
    assert said.startswith("the cache's limit is 73.")
    assert "kB of source b deleted, last used 25 h ago; it is made again when needed" in said
    assert "STRIATE_CACHE_LIMIT" in said
    assert len(room.make_room(three, needed_bytes=3 * each)) == 2
    assert letters(three) == ""


def test_what_is_in_use_stays_until_nobody_has_it(three):
    found = cache.load(three, "b" * 32)
    part = found.pixels[1:3]
    os.utime(three / ("b" * 32) / "about.json", (0, 0))
    del found
    gc.collect()
    gone, _ = room.let_go(three, 0)
    assert [entry.source for entry in gone] == ["source a", "source c"]
    assert letters(three) == "b"
    assert not part.any()
    del part
    gc.collect()
    assert [entry.source for entry in room.let_go(three, 0)[0]] == ["source b"]


def test_what_another_process_uses_stays_until_it_is_killed(three):
    code = (
        "import sys, time; from pathlib import Path; from striate.data.preparing import cache\n"
        f"found = cache.load(Path(sys.argv[1]), {'b' * 32!r}); print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(three)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "open\n"
        room.let_go(three, 0)
        assert letters(three) == "b"
        other.kill()
    room.let_go(three, 0)
    assert letters(three) == ""


def test_another_machines_use_counts_for_a_day(three):
    for letter, age_s in (("a", 3_000), ("b", 100_000)):
        mark = three / (letter * 32) / "use-elsewhere-1-x"
        mark.touch()
        os.utime(mark, (time.time() - age_s,) * 2)
    (three / ("c" * 32) / f"use-{host_name()}-oddly-x").touch()
    room.let_go(three, 0)
    assert letters(three) == "a"


def test_an_entry_that_cannot_be_moved_stays_whole(three, monkeypatch):
    """As on Windows, where a folder with an open file cannot be renamed."""

    def refuse(self, target):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(cache.Path, "rename", refuse)
    assert room.let_go(three, 0)[0] == []
    assert cache.clear(three) == 0
    monkeypatch.undo()
    assert all(cache.load(three, letter * 32) for letter in "abc")


def test_what_is_needed_may_be_more_than_the_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE_LIMIT", "1kB")
    (said,) = room.make_room(tmp_path, needed_bytes=2_000)
    assert said.startswith("the cache takes 2 kB, more than its limit of 1 kB")


@pytest.mark.parametrize(
    ("named", "limit"), [("", 20e9), ("5GB", 5e9), (" 1.5 tb ", 1.5e12), ("none", math.inf), ("0", 0), ("800 kB", 8e5)]
)
def test_the_limit_is_read_from_the_environment(monkeypatch, named, limit):
    monkeypatch.setenv("STRIATE_CACHE_LIMIT", named)
    assert room.limit_bytes() == limit


@pytest.mark.parametrize("named", ["20", "a lot", "-5GB", "5GBs", "GB"])
def test_what_is_no_size_is_refused(monkeypatch, named):
    monkeypatch.setenv("STRIATE_CACHE_LIMIT", named)
    with pytest.raises(ArgumentError, match="STRIATE_CACHE_LIMIT must be a size such as 20GB, or none; got"):
        room.limit_bytes()


def test_preparing_says_once_what_it_let_go(tmp_path, monkeypatch):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STRIATE_CACHE_LIMIT", "40kB")
    for name in ("old", "new"):
        for kind in "xy":
            (tmp_path / name / kind).mkdir(parents=True)
            for i in range(5):
                path = tmp_path / name / kind / f"{i}.png"
                Image.new("RGB", (32, 32), (i, len(name + kind), ord(name[0]))).save(path)
                os.utime(path, (1, 1))
    assert not any("deleted" in note for note in prepare(striate.read(tmp_path / "old")).notes)
    gc.collect()
    images = prepare(striate.read(tmp_path / "new"))
    assert any(f"{tmp_path / 'old'} deleted, last used" in note for note in images.notes)
    assert not any("deleted" in note for note in prepare(striate.read(tmp_path / "new")).notes)
    assert [entry.source for entry in cache.entries()] == [str(tmp_path / "new")]


def test_the_command_makes_it_smaller_and_tells_the_limit(three, monkeypatch):
    from typer.testing import CliRunner

    (three / "prepared").mkdir()
    for letter in "abc":
        (three / (letter * 32)).rename(three / "prepared" / (letter * 32))
    monkeypatch.setenv("STRIATE_CACHE", str(three))
    invoke = CliRunner().invoke
    assert " of 20 GB in " in invoke(app, ["cache"]).stdout
    done = invoke(app, ["cache", "--limit", "50kB", "--json"])
    assert "24.4 kB of source b deleted, last used 25 h ago" in done.stderr
    told = json.loads(done.stdout)
    assert told["limit_bytes"] == 20_000_000_000
    assert [entry["source"] for entry in told["entries"]] == ["source c", "source a"]
    monkeypatch.setenv("STRIATE_CACHE_LIMIT", "none")
    assert json.loads(invoke(app, ["cache", "--json"]).stdout)["limit_bytes"] is None
    assert invoke(app, ["cache", "--limit", "0"]).exit_code == 0
    assert letters(three / "prepared") == ""
    shown = invoke(app, ["cache", "--help"]).stdout
    assert "STRIATE_CACHE_LIMIT" in shown
    assert "20 GB" in shown
