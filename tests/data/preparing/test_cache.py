"""The cache of prepared images: listed, cleared, swept; damaged entries are made again, never trusted."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from striate.data.decoding.windows import PixelWindow
from striate.data.preparing import cache, writing
from striate.data.preparing.cache import Prepared
from striate.data.preparing.writing import Writer
from striate.errors import StorageError
from striate.system.cache import cache_folder

WINDOW = PixelWindow("uint16", (262.0,), (380.0,))
KEY = "0123456789abcdef" * 2
PIXELS = np.arange(5 * 4 * 3 * 3, dtype=np.uint8).reshape(5, 4, 3, 3)
HASHES = np.arange(5, dtype=np.uint64)


def write(folder: Path, key: str = KEY, count: int = 5) -> Prepared:
    with Writer(folder, key, count, (4, 3, 3)) as writer:
        writer.append(PIXELS[:2])
        writer.append(PIXELS[2:])
        return writer.commit(Prepared(PIXELS, HASHES, {7: "empty file"}, {1: "CMYK"}), "photos")


def test_what_is_written_is_loaded(tmp_path):
    for made in (write(tmp_path / "c"), cache.load(tmp_path / "c", KEY)):
        assert made is not None
        assert np.array_equal(made.pixels, PIXELS)
        assert np.array_equal(made.hashes, HASHES)
        assert (made.skipped, made.repaired) == ({7: "empty file"}, {1: "CMYK"})
        assert isinstance(made.pixels, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            made.pixels[0] = 0
    assert cache.load(tmp_path / "c", "f" * 32) is None


def test_fewer_images_than_announced_shorten_the_file(tmp_path):
    for count in (5, 6, 99_999):
        made = write(tmp_path / str(count), count=count)
        assert made.pixels.shape == (5, 4, 3, 3)
        assert np.array_equal(np.load(tmp_path / str(count) / KEY / "pixels.npy"), PIXELS)


def test_entries_are_listed_last_used_first_and_cleared(tmp_path):
    assert cache.entries(tmp_path / "none") == []
    assert cache.clear(tmp_path / "none") == 0
    for i, age_s in enumerate([3000, 10, 500]):
        write(tmp_path, f"{i}" * 32)
        when = time.time() - age_s
        os.utime(tmp_path / (f"{i}" * 32) / "about.json", (when, when))
    (tmp_path / "mine.txt").write_text("not the cache's")
    listed = cache.entries(tmp_path)
    assert [entry.key[0] for entry in listed] == ["1", "2", "0"]
    assert (listed[0].source, listed[0].images, listed[0].shape) == ("photos", 5, (4, 3, 3))
    assert listed[0].bytes > PIXELS.nbytes
    assert abs(time.time() - 10 - listed[0].last_used) < 5
    assert cache.clear(tmp_path, older_than_s=400) > 2 * PIXELS.nbytes
    assert [entry.key[0] for entry in cache.entries(tmp_path)] == ["1"]
    cache.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_loading_counts_as_use(tmp_path):
    write(tmp_path)
    os.utime(tmp_path / KEY / "about.json", (0, 0))
    cache.load(tmp_path, KEY)
    assert cache.entries(tmp_path)[0].last_used > 1e9


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def about(**changes):
    def change(path: Path) -> None:
        said = json.loads((path.parent / "about.json").read_text())
        (path.parent / "about.json").write_text(json.dumps(said | changes))

    return change


DAMAGE = {
    "truncated pixels": ("pixels.npy", truncate),
    "no pixels": ("pixels.npy", Path.unlink),
    "empty pixels": ("pixels.npy", lambda path: path.write_bytes(b"")),
    "garbage pixels": ("pixels.npy", lambda path: path.write_bytes(os.urandom(300))),
    "other pixels": ("pixels.npy", lambda path: np.save(path, PIXELS[:3])),
    "float pixels": ("pixels.npy", lambda path: np.save(path, PIXELS.astype(float))),
    "truncated hashes": ("hashes.npy", truncate),
    "other hashes": ("hashes.npy", lambda path: np.save(path, HASHES[:3])),
    "no about": ("about.json", Path.unlink),
    "half an about": ("about.json", truncate),
    "an about of another kind": ("about.json", lambda path: path.write_text("[1, 2]")),
    "bytes as about": ("about.json", lambda path: path.write_bytes(b"\xff\xfe")),
    "another version": ("about.json", about(version=999)),
    "bad positions": ("about.json", about(skipped=[["x", "y"]])),
    "bad lists": ("about.json", about(repaired=7)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_entries_are_not_loaded_and_are_replaced(tmp_path, damage):
    name, spoil = DAMAGE[damage]
    write(tmp_path)
    cache.remember_content(tmp_path, KEY, "state", told("a note"))
    spoil(tmp_path / KEY / name)
    assert cache.load(tmp_path, KEY) is None
    assert cache.recall_content(tmp_path, "state") is None
    assert len(cache.entries(tmp_path)) == 1
    assert np.array_equal(write(tmp_path).pixels, PIXELS)
    assert cache.load(tmp_path, KEY) is not None
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_the_loser_of_a_race_takes_the_winners_entry(tmp_path):
    with Writer(tmp_path, KEY, 5, (4, 3, 3)) as slow:
        slow.append(PIXELS)
        winner = write(tmp_path)
        taken = slow.commit(Prepared(PIXELS, HASHES), "photos")
    assert taken.skipped == winner.skipped == {7: "empty file"}
    assert [path.name for path in tmp_path.iterdir()] == [KEY]


def test_states_are_remembered_and_recalled(tmp_path):
    write(tmp_path)
    cache.remember_content(tmp_path, KEY, "one", told("sizes differ", WINDOW, "pad"))
    found = cache.recall_content(tmp_path, "one")
    assert found is not None
    assert (found.notes, found.window, found.fit) == (("sizes differ",), WINDOW, "pad")
    assert cache.recall_content(tmp_path, "two") is None
    (tmp_path / KEY / "seen-one.json").write_text("{")
    assert cache.recall_content(tmp_path, "one") is None
    cache.remember_content(tmp_path, "f" * 32, "one", told())  # an entry that is gone: forgotten, harmlessly


def told(note="", window=None, fit="crop"):
    return cache.Prepared(np.empty(0), np.empty(0), notes=(note,), window=window, fit=fit)


def test_only_what_dead_processes_left_long_ago_is_swept(tmp_path):
    host = cache.host_name()
    ages = {
        f"tmp-{host}-{2**22 + 1}-dead": 700,
        f"tmp-{host}-{2**22 + 1}-fresh": 5,
        f"tmp-{host}-{os.getpid()}-alive": 700,
        "tmp-elsewhere-1-busy": 700,
        "tmp-elsewhere-1-old": 90_000,
        "tmp-x-notapid-odd": 700,
    }
    for name, age_s in ages.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pixels.npy").write_bytes(b"x" * 100)
        for path in (tmp_path / name / "pixels.npy", tmp_path / name):
            os.utime(path, (time.time() - age_s,) * 2)
    assert cache.sweep(tmp_path) == 200
    left = {path.name.rsplit("-", 1)[1] for path in tmp_path.iterdir()}
    assert left == {"fresh", "alive", "busy", "odd"}
    assert cache.clear(tmp_path) == 100
    assert {path.name.rsplit("-", 1)[1] for path in tmp_path.iterdir()} == {"alive", "busy", "odd"}


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_running_out_of_space_at_any_write_is_said(tmp_path, monkeypatch, nth):
    calls = []

    def fsync(handle):
        calls.append(handle)
        if len(calls) == nth:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing.os, "fsync", fsync)
    with pytest.raises(StorageError, match="no space for the prepared images"):
        write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_default_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path))
    assert cache_folder("prepared") == tmp_path / "prepared"
    assert cache_folder("data", "cifar10") == tmp_path / "data" / "cifar10"
    monkeypatch.delenv("STRIATE_CACHE")
    assert cache_folder("prepared").parts[-2:] == ("striate", "prepared")
