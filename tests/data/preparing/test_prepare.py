"""Preparing: what it chooses, what it says, what it keeps, and that it survives being killed, raced and interrupted."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.oddities import EXPECTED, encoded, make_oddities, photo

from striate.data.catalog import Catalog
from striate.data.dataset import DataOptions
from striate.data.decoding.decode import decode, fit_pixels, pixel_hash, to_channels
from striate.data.decoding.fitted import decode_to
from striate.data.ledger import Entry, Ledger
from striate.data.preparing import cache, parallel, scanning, writing
from striate.data.preparing import prepare as preparing
from striate.data.preparing.prepare import prepare
from striate.errors import ArgumentError, DataError, StorageError


@pytest.fixture(autouse=True)
def cache_dir(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "prepared"


@pytest.fixture
def decodings(monkeypatch) -> list:
    """Every source that is decoded from here on."""
    seen = []

    def counted(source, *how):
        seen.append(source)
        return decode_to(source, *how)

    monkeypatch.setattr(preparing, "decode_to", counted)
    return seen


def prepare_in(cache_dir, *how, **more):
    """Prepare with another cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "cache_folder", lambda part: cache_dir)
        return prepare(*how, **more)


def catalog_of(images, labels=None, names=None, ledger=None) -> Catalog:
    n = len(images)
    names = names or [image.name if isinstance(image, Path) else f"{i:05d}" for i, image in enumerate(images)]
    return Catalog(
        source="photos",
        format="folders",
        names=names,
        images=images,
        labels=np.arange(n) % 2 if labels is None else labels,
        classes=("a", "b"),
        splits=np.full(n, "", dtype="<U5"),
        ledger=ledger or Ledger(),
    )


def write_pngs(folder: Path, shapes) -> list[Path]:
    """Write one PNG for each (h, w, c)."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, (h, w, c) in enumerate(shapes):
        paths.append(folder / f"{i}.png")
        Image.fromarray(to_channels(photo(h, w, seed=i), c).squeeze()).save(paths[-1])
    return paths


@pytest.fixture
def settled(monkeypatch):
    """As if every file had been written long ago."""
    monkeypatch.setattr(preparing, "RACY_NS", 0)


def same(a, b) -> bool:
    return np.array_equal(a.images, b.images) and np.array_equal(a.hashes, b.hashes) and list(a.names) == list(b.names)


def test_images_of_one_size_are_left_alone(tmp_path):
    paths = write_pngs(tmp_path / "x", [(28, 30, 1)] * 5)
    images = prepare(catalog_of(paths))
    assert images.image_shape == (28, 30, 1)
    assert images.notes == ()
    for i in range(5):
        assert np.array_equal(images.images[i], to_channels(photo(28, 30, seed=i), 1))
        assert images.hashes[i] == pixel_hash(images.images[i])
    assert images.pixels.flags.writeable is False
    assert isinstance(images.pixels, np.memmap)
    assert images.ledger.summary() == "5 files: 5 used"


def test_gray_among_colour_becomes_rgb_and_is_hashed_as_decoded(tmp_path):
    paths = write_pngs(tmp_path / "x", [(20, 20, 1), (20, 20, 3)])
    images = prepare(catalog_of(paths))
    assert images.image_shape == (20, 20, 3)
    assert images.hashes[0] == pixel_hash(decode(paths[0]).pixels)
    assert prepare(catalog_of(paths), channels=1).image_shape == (20, 20, 1)


def test_differing_sizes_get_a_square_and_a_note(tmp_path):
    paths = write_pngs(tmp_path / "x", [(40, 60, 3), (50, 45, 3), (300, 400, 3)])
    images = prepare(catalog_of(paths))
    assert images.image_shape == (45, 45, 3)
    assert images.notes == (
        "sizes differ (50×45 … 300×400 pixels, height×width); prepared at 45×45; --size changes that",
    )
    assert np.array_equal(images.images[2], fit_pixels(photo(300, 400, seed=2), (45, 45)))
    large = write_pngs(tmp_path / "y", [(300, 400, 3), (400, 300, 3)])
    assert prepare(catalog_of(large)).image_shape == (128, 128, 3)


def test_one_large_size_is_made_smaller_with_a_note(tmp_path):
    images = prepare(catalog_of(write_pngs(tmp_path / "x", [(520, 600, 1)] * 2)))
    assert images.image_shape == (224, 224, 1)
    assert images.notes == ("images are 520×600; prepared at 224×224; --size changes that",)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_size_and_fit_are_obeyed(tmp_path, fit):
    paths = write_pngs(tmp_path / "x", [(40, 60, 3), (60, 40, 3)])
    images = prepare(catalog_of(paths), size=(24, 32), fit=fit)
    for i, (h, w) in enumerate([(40, 60), (60, 40)]):
        assert np.array_equal(images.images[i], fit_pixels(photo(h, w, seed=i), (24, 32), fit))


def test_one_side_is_that_of_a_square():
    catalog = catalog_of(np.zeros((2, 4, 4, 3), np.uint8))
    assert prepare(catalog, 3).image_shape == prepare(catalog, (3, 3)).image_shape == (3, 3, 3)
    assert DataOptions(size=3) == DataOptions(size=(3, 3))


def test_wishes_that_are_none(tmp_path):
    catalog = catalog_of(np.zeros((2, 4, 4, 3), np.uint8))
    with pytest.raises(ArgumentError, match="size must be"):
        prepare(catalog, size=(0, 4))
    for size in (0, -1, 2.5, "8", (4,), (4, 4, 4)):
        with pytest.raises(ArgumentError, match="size must be"):
            DataOptions(size=size)
    with pytest.raises(ArgumentError, match="fit must be"):
        prepare(catalog, fit="squash")
    with pytest.raises(ArgumentError, match="channels must be 1"):
        prepare(catalog, channels=0)
    with pytest.raises(DataError, match="photos holds no images"):
        prepare(catalog_of([]))


def test_the_odd_folder_gives_exactly_the_expected_ledger(tmp_path):
    paths = make_oddities(tmp_path / "odd")
    for _ in range(2):  # decoded, then out of the cache
        images = prepare(catalog_of(paths))
        assert len(images.ledger) == len(EXPECTED)
        for entry in images.ledger:
            status, detail = EXPECTED[entry.name]
            assert (entry.status, entry.detail.startswith(detail)) == (status, True), entry
        usable = [name for name, (status, _) in EXPECTED.items() if status != "skipped"]
        assert list(images.names) == usable
        assert len(images) == len(images.labels) == len(images.hashes) == len(images.splits) == len(usable)
        assert images.image_shape[2] == 3
    assert images.ledger.skipped_share == pytest.approx(4 / 12)


def test_what_the_reader_said_stays_in_the_ledger(tmp_path):
    paths = make_oddities(tmp_path / "odd")
    before = Ledger(
        [
            Entry("notes.txt", "skipped", "set aside: not an image"),
            Entry("rotated.jpg", "repaired", "found under another case"),
            Entry("plain.png", "repaired", "found under another case"),
        ]
    )
    ledger = prepare(catalog_of(paths, ledger=before)).ledger
    assert ledger["notes.txt"].detail == "set aside: not an image"
    assert ledger["rotated.jpg"].detail == "found under another case; rotated by EXIF orientation 6"
    assert ledger["plain.png"].detail == "found under another case"


def test_nothing_decodable_is_an_error_with_the_first_reasons(tmp_path):
    for i in range(4):
        (tmp_path / f"{i}.jpg").write_bytes(b"hello" if i else b"")
    with pytest.raises(
        DataError, match=r"none of the 4 images of photos can be decoded. 0.jpg: empty file; 1.jpg: not"
    ):
        prepare(catalog_of([tmp_path / f"{i}.jpg" for i in range(4)]))
    data = encoded(photo(), "JPEG")
    (tmp_path / "cut.jpg").write_bytes(data[:-200])  # a sound header
    with pytest.raises(DataError, match=r"cut.jpg: truncated"):
        prepare(catalog_of([tmp_path / "cut.jpg"]))


def test_arrays_of_one_size_are_used_as_they_are():
    array = np.random.default_rng(0).integers(0, 256, (3000, 32, 32, 3), dtype=np.uint8)
    tracemalloc.start()
    images = prepare(catalog_of(array))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert images.pixels is array
    assert peak_bytes < array.nbytes / 4
    assert images.hashes[17] == pixel_hash(array[17])
    assert prepare(catalog_of(array[..., 0])).image_shape == (32, 32, 1)


def test_arrays_that_must_change_are_decoded_into_memory(cache_dir):
    array = np.random.default_rng(0).integers(0, 256, (70, 12, 16, 3), dtype=np.uint8)
    images = prepare(catalog_of(array), size=(8, 8), channels=1)
    assert np.array_equal(images.images[69], to_channels(fit_pixels(array[69], (8, 8)), 1))
    assert images.hashes[69] == pixel_hash(array[69])
    assert not cache_dir.exists()


def test_objects_of_every_kind_are_prepared_together(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(photo()))
    sources = [photo(), Image.fromarray(photo()), encoded(photo()), tmp_path / "a.png", photo().astype(float), b""]
    images = prepare(catalog_of(sources))
    assert len(images) == 5
    assert len(np.unique(images.hashes)) == 1
    assert [entry.status for entry in images.ledger] == ["used"] * 4 + ["repaired", "skipped"]
    assert images.ledger["00004"].detail == "float64 values 0 … 255 taken as 8 bits"


def test_the_second_run_decodes_and_reads_nothing(tmp_path, decodings, settled, monkeypatch):
    paths = write_pngs(tmp_path / "x", [(40, 60, 3), (50, 45, 3), (33, 33, 1)])
    first = prepare(catalog_of(paths))
    assert len(decodings) == 3
    for module in (preparing, scanning):
        monkeypatch.setattr(module, "read_bytes", None)
    again = prepare(catalog_of(paths))
    assert len(decodings) == 3
    assert same(first, again)
    assert again.notes == first.notes != ()


def test_the_same_content_elsewhere_is_found(tmp_path, decodings):
    shapes = [(20, 20, 3)] * 4
    first = prepare(catalog_of(write_pngs(tmp_path / "x", shapes)))
    moved = write_pngs(tmp_path / "somewhere else", shapes)
    again = prepare(catalog_of(moved, labels=np.array([1, 1, 0, -1]), names=list("wxyz")))
    assert len(decodings) == 4
    assert np.array_equal(first.images, again.images)
    assert again.names == list("wxyz")
    assert again.labels.tolist() == [1, 1, 0, -1]


def test_other_wishes_are_other_entries(tmp_path, decodings):
    paths = write_pngs(tmp_path / "x", [(20, 30, 3)] * 2)
    for wish in ({}, {"size": (8, 8)}, {"size": (8, 8), "fit": "pad"}, {"channels": 1}):
        prepare(catalog_of(paths), **wish)
    assert len(decodings) == 8
    prepare(catalog_of(paths), size=(20, 30), fit="stretch")  # comes to the same as no wish
    prepare(catalog_of(paths[::-1]))
    assert len(decodings) == 10


@pytest.mark.parametrize("racy", [True, False])
def test_a_file_changed_in_place_is_noticed(tmp_path, monkeypatch, racy):
    if not racy:
        monkeypatch.setattr(preparing, "RACY_NS", 0)
    paths = write_pngs(tmp_path / "x", [(16, 16, 3)] * 3)
    prepare(catalog_of(paths))
    times = paths[1].stat().st_atime_ns, paths[1].stat().st_mtime_ns
    other = encoded(photo(16, 16, seed=99))
    paths[1].write_bytes(other)
    os.utime(paths[1], ns=times)  # size may differ, but ctime must do even where it does not
    assert np.array_equal(prepare(catalog_of(paths)).images[1], photo(16, 16, seed=99))


def test_a_file_that_changes_meanwhile_is_an_error_not_a_wrong_entry(tmp_path, cache_dir, monkeypatch):
    paths = write_pngs(tmp_path / "x", [(16, 16, 3)] * 3)
    key_of = preparing._key

    def change_then_key(*arguments):
        paths[2].write_bytes(encoded(photo(16, 16, seed=77)))
        return key_of(*arguments)

    monkeypatch.setattr(preparing, "_key", change_then_key)
    with pytest.raises(DataError, match=r"2.png changed while it was being read"):
        prepare(catalog_of(paths))
    assert list(cache_dir.iterdir()) == []


def test_a_removed_file_is_skipped(tmp_path):
    paths = write_pngs(tmp_path / "x", [(16, 16, 3)] * 3)
    paths[1].unlink()
    images = prepare(catalog_of(paths))
    assert images.ledger["1.png"] == Entry("1.png", "skipped", "no such file")
    assert len(images) == 2


def test_progress_is_told(tmp_path):
    told = []
    prepare(
        catalog_of(write_pngs(tmp_path / "x", [(8, 8, 1)] * 130)),
        progress=lambda what, done, total: told.append((what, done, total)),
    )
    assert told == [(what, done, 130) for what in ("reading", "decoding") for done in (64, 128, 130)]


@pytest.mark.parametrize("heavy", [False, True])
def test_an_interrupt_stops_at_once_and_leaves_nothing(tmp_path, cache_dir, monkeypatch, decodings, heavy):
    monkeypatch.setattr(preparing, "_HEAVY_PX", 0 if heavy else 10**9)
    monkeypatch.setattr(preparing, "_BATCH", 4)
    paths = write_pngs(tmp_path / "x", [(8, 8, 1)] * 2) * 200

    def interrupt(what, done, total):
        if what == "decoding":
            raise KeyboardInterrupt

    names, before = [str(i) for i in range(400)], threading.enumerate()
    with pytest.raises(KeyboardInterrupt):
        prepare(catalog_of(paths, names=names), progress=interrupt)
    assert len(decodings) < 100
    assert list(cache_dir.iterdir()) == []
    assert not [
        thread for thread in threading.enumerate() if thread.name.startswith("striate") and thread not in before
    ]


def test_threads_give_the_same_in_the_same_order(tmp_path, monkeypatch):
    paths = write_pngs(tmp_path / "x", [(10 + i % 7, 12, 3) for i in range(90)])
    one = prepare_in(tmp_path / "one", catalog_of(paths))
    monkeypatch.setattr(preparing, "_HEAVY_PX", 0)
    monkeypatch.setattr(preparing, "_BATCH", 3)
    monkeypatch.setattr(parallel, "usable_cpus", lambda: 5)
    many = prepare_in(tmp_path / "many", catalog_of(paths))
    assert same(one, many)


def test_errors_out_of_threads_arrive():
    def fail(item):
        if item == 70:
            raise DataError("seventy")
        return item

    with pytest.raises(DataError, match="seventy"):
        list(parallel.in_order(fail, range(500), 8, heavy=True))
    assert [x for part in parallel.in_order(abs, range(500), 8, heavy=True) for x in part] == list(range(500))
    assert list(parallel.in_order(abs, [], 8, heavy=True)) == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, cache_dir, monkeypatch):
    paths = write_pngs(tmp_path / "x", [(16, 16, 3)] * 3)
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr("striate.data.preparing.writing.shutil.disk_usage", lambda path: usage)
    message = r"no space for the prepared images: .* needed in .*prepared\. Free some \(striate cache --clear\)"
    with pytest.raises(StorageError, match=message):
        prepare(catalog_of(paths))
    assert list(cache_dir.iterdir()) == []


def test_what_does_not_reach_the_disk_beside_the_decoding_is_told(tmp_path, cache_dir, monkeypatch):
    paths = write_pngs(tmp_path / "x", [(5, 5, 3)] * 3)
    syncs = iter([OSError(errno.EDQUOT, "Disk quota exceeded")])

    def fsync(_):
        for error in syncs:  # the system tells it once
            raise error

    monkeypatch.setattr("striate.data.preparing.writing._SYNCED_BYTES", 1)
    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(StorageError, match="no space for the prepared images"):
        prepare(catalog_of(paths))
    assert list(cache_dir.iterdir()) == []
    assert len(prepare(catalog_of(paths))) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_disk_that_fills_up_while_writing_is_said_and_leaves_nothing(tmp_path, cache_dir, monkeypatch):
    paths = write_pngs(tmp_path / "x", [(64, 64, 3)] * 30)
    full = open("/dev/full", "wb")  # noqa: SIM115 - the writer closes it
    monkeypatch.setattr("striate.data.preparing.writing.open", lambda *how: full, raising=False)
    with pytest.raises(StorageError, match="no space for the prepared images"):
        prepare(catalog_of(paths))
    assert list(cache_dir.iterdir()) == []


def test_a_cache_that_cannot_be_written_means_memory_and_a_note(tmp_path, monkeypatch):
    paths = write_pngs(tmp_path / "x", [(16, 16, 3)] * 3)
    (tmp_path / "file").write_text("in the way")
    images = prepare_in(tmp_path / "file" / "cache", catalog_of(paths))
    assert len(images) == 3
    assert "cannot be written (Not a directory); the images stay in memory, for this run only" in images.notes[0]
    assert not images.pixels.flags.writeable
    monkeypatch.setattr(writing, "memory_bytes", lambda: 100)
    with pytest.raises(StorageError, match=r"too many for memory\. Set STRIATE_CACHE to a folder"):
        prepare_in(tmp_path / "file" / "cache", catalog_of(paths))


SCRIPT = """
import sys, time
from pathlib import Path
import numpy as np
from striate.data.preparing import prepare as preparing
from striate.data.catalog import Catalog

paths = sorted(Path(sys.argv[1]).iterdir())
pause_s = float(sys.argv[2])
decode = preparing.decode_to

def slow(source, *more):
    time.sleep(pause_s)
    return decode(source, *more)

preparing.decode_to = slow
n = len(paths)
catalog = Catalog("x", "folders", [p.name for p in paths], paths, np.zeros(n, int), ("a",), np.full(n, ""))
print("go", flush=True)
images = preparing.prepare(catalog)
print(images.hashes.sum(), int(images.images.astype(int).sum()), flush=True)
"""


def start(folder: Path, pause_s: float) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(folder), str(pause_s)], stdout=subprocess.PIPE, text=True
    )


def test_two_processes_at_once_both_succeed(tmp_path, cache_dir):
    write_pngs(tmp_path / "x", [(16, 16, 3)] * 60)
    both = [start(tmp_path / "x", 0.005) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1] != ""
    assert [path.name for path in cache_dir.iterdir()] == [entry.key for entry in cache.entries(cache_dir)]
    assert len(cache.entries(cache_dir)) == 1


def test_killed_half_way_then_run_again(tmp_path, cache_dir):
    paths = write_pngs(tmp_path / "x", [(16, 16, 3)] * 60)
    victim = start(tmp_path / "x", 0.05)
    deadline = time.monotonic() + 30
    while not list(cache_dir.glob("tmp-*/pixels.npy")) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    (left,) = cache_dir.iterdir()
    assert left.name.startswith("tmp-")
    images = prepare(catalog_of(paths))
    assert np.array_equal(images.images[59], photo(16, 16, seed=59))
    cache.clear(cache_dir, older_than_s=1e9)
    assert not left.exists()
    assert len(cache.entries(cache_dir)) == 1


@pytest.mark.skipif("STRIATE_DATA" not in os.environ, reason="STRIATE_DATA names no folder of real images")
def test_real_images_are_prepared(tmp_path):
    paths = sorted(path for path in Path(os.environ["STRIATE_DATA"]).rglob("*.png"))[:500]
    images = prepare(catalog_of(paths, names=[str(path) for path in paths]))
    assert len(images) == len(paths)
    assert images.ledger.count("skipped") == 0


def test_what_is_not_kept_stays_out_of_the_cache(tmp_path):
    folder, cache_dir = tmp_path / "photos", tmp_path / "cache"
    folder.mkdir()
    paths = [folder / f"{i}.png" for i in range(3)]
    for i, path in enumerate(paths):
        Image.new("RGB", (20, 10), (i, 2, 3)).save(path)
    catalog = Catalog("photos", "files", [p.name for p in paths], paths, np.zeros(3, np.int64), ("a",), np.full(3, ""))
    passing = prepare_in(cache_dir, catalog, (8, 8), keep=False)
    assert not cache_dir.exists()
    kept = prepare_in(cache_dir, catalog, (8, 8))
    assert np.array_equal(passing.images, kept.images)
    assert np.array_equal(passing.hashes, kept.hashes)
