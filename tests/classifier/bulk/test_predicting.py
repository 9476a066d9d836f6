"""Predicting any number of images into a file: the answers of `predict`, and each image once whatever ends it."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image
from tests.data.oddities import encoded, photo

from striate.classifier.bulk.answers import Unread, model_digest, stream_answers
from striate.classifier.bulk.csv_rows import CsvRows
from striate.classifier.bulk.parquet_rows import ParquetRows
from striate.classifier.bulk.predicting import BulkRequest, predict_lineup, predict_to_file
from striate.classifier.bulk.row_format import Columns
from striate.classifier.prediction import Prediction
from striate.data.decoding.windows import PixelWindow
from striate.data.lineup import Lineup, line_up
from striate.data.preparing import ahead
from striate.errors import ArgumentError, StorageError

CLASSES = ("cat", 'a "dog", or so', "hen\nhen")
# What file names may be: quotes, commas, ends of lines, bytes that are no UTF-8.
NAMES = ["a.png", 'b "c", d.png', "line\nfeed.png", "return\r.png", "bytes\udce9.png", "é.png", *map(str, range(24))]
UNREAD = {"é.png", "3", "4"}
FORMATS = [CsvRows, ParquetRows]


def answer(name):
    """Return what a model would say that looked at names."""
    if name in UNREAD:
        return Unread(name, f'broken: "{name}",\nat its end')
    raw = np.random.default_rng(len(name) + ord(name[0])).random(3).astype(np.float32)
    some = tuple(CLASSES[: 1 + len(name) % 3])
    return Prediction(name, CLASSES, raw / raw.sum(), known=len(name) % 2 == 0, sure=None, set=some)


def lined_up(names=NAMES):
    return Lineup("here", names, names)


def streamed(rows, names=NAMES, dies_at=None, block=4):
    """Yield answers in blocks; a stream that dies does so before the image at that place."""
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        if dies_at is not None and part[-1] >= dies_at:
            raise MemoryError
        yield [answer(names[row]) for row in part]


def write(path, kind, stream=streamed, names=NAMES, about=None):
    rows = kind(Columns(CLASSES, ("known", "set")))
    return predict_to_file(path, rows, about or {"model": "a"}, lined_up(names), stream)


def image_names(path):
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path)["image"].to_pylist()
    with open(path, newline="", errors="surrogateescape") as file:
        return [row["image"] for row in csv.DictReader(file)]


@pytest.fixture(params=FORMATS, ids=["csv", "parquet"])
def kind(request):
    return request.param


@pytest.fixture
def out(tmp_path, kind):
    return tmp_path / ("out.csv" if kind is CsvRows else "out.parquet")


def test_rows_say_all_of_the_answers(tmp_path):
    write(tmp_path / "out.csv", CsvRows)
    write(tmp_path / "out.parquet", ParquetRows)
    with open(tmp_path / "out.csv", newline="", errors="surrogateescape") as file:
        lines = list(csv.DictReader(file))
    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert list(lines[0]) == list(rows[0]) == Columns(CLASSES, ("known", "set")).names
    for name, line, row in zip(NAMES, lines, rows, strict=True):
        said = answer(name)
        assert line["image"] == name
        assert row["image"] == name.replace("\udce9", "\\xe9")
        if isinstance(said, Unread):
            assert (line["error"], row["error"]) == (said.why, said.why)
            assert {line[key] for key in line if key not in ("image", "error")} == {""}
            assert {row[key] for key in row if key not in ("image", "error")} == {None}
            continue
        assert (line["class"], row["class"], line["error"], row["error"]) == (said.label, said.label, "", None)
        assert (line["known"] == "yes", row["known"], row["set"]) == (said.known, said.known, list(said.set))
        for name, p in zip(CLASSES, said.probabilities, strict=True):
            assert line[f"p({name})"] == f"{p:.6f}"
            assert row[f"p({name})"] == p


@pytest.mark.parametrize("torn_by", ["cut", "zeros"])
def test_a_journal_cut_off_anywhere_gives_the_same_file(out, kind, torn_by):
    write(out, kind)
    whole = out.read_bytes()
    journal = out.with_name(out.name + ".part")
    with pytest.raises(MemoryError):
        write(out, kind, partial(streamed, dies_at=28))
    rows, about = journal.read_bytes(), out.with_name(out.name + ".part.json").read_bytes()
    assert out.read_bytes() == whole, "what was there stays until the new one is whole"
    for cut in range(0, len(rows) + 1, 13 if kind is CsvRows else 71):
        journal.write_bytes(rows[:cut] + (b"\0" * 50 if torn_by == "zeros" else b""))
        out.with_name(out.name + ".part.json").write_bytes(about)
        outcome = write(out, kind)
        assert image_names(out) == [kind(Columns(CLASSES)).called(name) for name in NAMES]
        if kind is CsvRows:
            assert out.read_bytes() == whole
        assert (outcome.rows, outcome.unread, outcome.stopped) == (len(NAMES), len(UNREAD), False)
        assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_only_what_has_no_row_is_done_again(out, kind):
    with pytest.raises(MemoryError):
        write(out, kind, partial(streamed, dies_at=15))
    asked = []

    def watched(rows):
        asked.extend(rows)
        return streamed(rows)

    assert write(out, kind, watched).resumed == 12
    assert asked == list(range(12, len(NAMES)))


def test_a_source_that_has_changed_meanwhile(out, kind):
    with pytest.raises(MemoryError):
        write(out, kind, partial(streamed, dies_at=15))
    now = ["new first", *NAMES[:5], *NAMES[7:], "new last"]  # two that have a row are gone
    write(out, kind, partial(streamed, names=now), now)
    found = image_names(out)
    assert sorted(found) == sorted(kind(Columns(CLASSES)).called(name) for name in {*now, *NAMES})


def test_another_command_is_refused_and_says_what_differs(out, kind):
    with pytest.raises(MemoryError):
        write(out, kind, partial(streamed, dies_at=15), about={"model": "a", "sure": None})
    before = out.with_name(out.name + ".part").read_bytes()
    with pytest.raises(ArgumentError, match=r"rows in \S+\.part are of another: the model and --sure differ"):
        write(out, kind, about={"model": "b", "sure": 0.9})
    out.with_name(out.name + ".part.json").unlink()
    with pytest.raises(ArgumentError, match=r"must have out\.\w+\.part\.json beside it"):
        write(out, kind, about={"model": "a", "sure": None})
    assert out.with_name(out.name + ".part").read_bytes() == before


@pytest.mark.parametrize("changed", ["columns", "classes", "kind", "foreign"])
def test_rows_that_cannot_be_read_as_ones_own_are_not_thrown_away(out, kind, changed):
    journal, rows = out.with_name(out.name + ".part"), kind(Columns(CLASSES, ("known", "set")))
    if changed == "foreign":
        journal.write_bytes(b"mine\n")
    else:
        with pytest.raises(MemoryError):
            write(out, kind, partial(streamed, dies_at=15))
    rows = {
        "columns": kind(Columns(CLASSES, ("known", "sure", "set"))),
        "classes": kind(Columns(("ape", *CLASSES), ("known", "set"))),
        "kind": FORMATS[kind is CsvRows](rows.columns),
        "foreign": rows,
    }[changed]
    before = journal.read_bytes()
    said = r"part\.json beside it.*name another file" if changed == "foreign" else "the (columns|kind of file) differs"
    with pytest.raises(ArgumentError, match=said):
        predict_to_file(out, rows, {"model": "a"}, lined_up(), streamed)
    assert journal.read_bytes() == before


def test_nothing_is_left_of_a_command_that_wrote_no_row(out, kind):
    out.parent.joinpath("link").symlink_to(out.name)
    with pytest.raises(MemoryError):
        write(out.parent / "link", kind, partial(streamed, dies_at=0))
    assert [path.name for path in out.parent.iterdir()] == ["link"]
    write(out.parent / "link", kind)
    assert len(image_names(out)) == len(NAMES)
    assert out.parent.joinpath("link").is_symlink()


def test_two_commands_do_not_write_one_file(out, kind):
    def meanwhile(rows):
        with pytest.raises(ArgumentError, match="is being written by another striate predict"):
            write(out, kind)
        return streamed(rows)

    write(out, kind, meanwhile)
    assert len(image_names(out)) == len(NAMES)


def test_no_lock_is_left_behind(out, kind):
    write(out, kind)
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(out.name)] == [out.name]


def test_a_signal_stops_after_a_block_and_the_next_command_goes_on(out, kind):
    def interrupted(rows):
        for i, block in enumerate(streamed(rows)):
            if i == 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield block

    outcome = write(out, kind, interrupted)
    assert (outcome.stopped, outcome.rows) == (True, 12)
    assert write(out, kind).resumed == 12
    assert len(image_names(out)) == len(NAMES)


def test_a_full_disk_keeps_what_was_written(small_disk, kind):
    out, names = small_disk / "out.csv", [f"{i:0200}" for i in range(5000)]
    with pytest.raises(StorageError, match=r"disk is full. .* rows are there; the same command goes on"):
        write(out, kind, partial(streamed, names=names, block=100), names)
    assert out.with_name("out.csv.part").stat().st_size > 100_000


def test_a_pipe_gets_all_of_it_and_a_folder_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        write(tmp_path / "pipe", CsvRows)
        assert reader.stdout.read().count(b"\n") > len(NAMES)
    with pytest.raises(ArgumentError, match="must be no folder"):
        write(tmp_path, CsvRows)


@pytest.fixture
def pictures(tmp_path):
    """Images of all kinds, in two folders, two of them broken, and one that hangs in the air."""
    folder = tmp_path / "pictures"
    (folder / "deeper").mkdir(parents=True)
    for i in range(150):
        (folder / f"deeper/{i}.png").write_bytes(encoded(photo(8 + i % 9, 8 + i % 7, seed=i)))
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(photo(20, 9)).save(folder / "turned.jpg", exif=turned)
    Image.fromarray(photo(9, 9)[..., 0]).save(folder / "gray.png")
    Image.fromarray(np.dstack([photo(9, 9), photo(9, 9)[..., :1]])).save(folder / "alpha.png")
    Image.fromarray(photo(1, 1)).save(folder / "one.bmp")
    Image.fromarray(photo(300, 400)).save(folder / "large.jpg")
    (folder / "broken.png").write_bytes(encoded(photo(8, 8))[:60])
    (folder / "empty.png").write_bytes(b"")
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_the_answers_are_those_of_predict(digits_model, pictures):
    lineup = line_up([str(pictures)], {})
    assert list(lineup.names) == sorted(lineup.names)
    assert [entry.name for entry in lineup.aside] == [str(pictures / "notes.txt")]
    said = [one for block in stream_answers(digits_model, lineup, range(len(lineup))) for one in block]
    assert [one.image for one in said] == list(lineup.names)
    unread = {os.path.basename(one.image): one.why for one in said if isinstance(one, Unread)}
    assert unread.keys() == {"broken.png", "empty.png", "gone.png"}
    assert (unread["empty.png"], unread["gone.png"]) == ("empty file", "broken link")
    for one in said:
        if isinstance(one, Prediction):
            alone = digits_model.predict(one.image)
            assert one.known == alone.known
            np.testing.assert_allclose(one.probabilities, alone.probabilities, atol=1e-5)


@pytest.mark.parametrize("dies", [False, True])
def test_processes_decode_as_threads_do(digits_model, pictures, monkeypatch, dies):
    lineup = line_up([str(pictures)], {})
    expected = [one for block in stream_answers(digits_model, lineup, range(len(lineup))) for one in block]
    monkeypatch.setattr(ahead, "_MANY", 10)
    monkeypatch.setattr(ahead, "_HEAVY_PX", 10**9)
    monkeypatch.setattr(ahead, "_BY_PROCESS", 16)
    if dies:  # a process that the system kills for want of memory
        monkeypatch.setattr(ahead, "decode_ways", lambda ways, shape: os._exit(9))
    said = [one for block in stream_answers(digits_model, lineup, range(len(lineup))) for one in block]
    assert [one.image for one in said] == list(lineup.names)
    for one, other in zip(said, expected, strict=True):
        if isinstance(other, Unread):
            assert one == other
        else:
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_images_of_16_bits_and_of_several_pages(digits_model, tmp_path):
    window = PixelWindow("uint16", (100.0,), (3000.0,))
    model = replace(digits_model, preprocessing=replace(digits_model.preprocessing, window=window))
    deep = np.random.default_rng(0).integers(0, 4000, (12, 12), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    pages = [Image.fromarray(deep[::-1].copy())]
    Image.fromarray(deep).save(tmp_path / "pages.tif", save_all=True, append_images=pages)
    lineup = line_up([str(tmp_path)], {"pages": "all"})
    assert [os.path.basename(name) for name in lineup.names] == ["deep.png", "pages.tif#1", "pages.tif#2"]
    ((first, second, third),) = stream_answers(model, lineup, range(3))
    for said, pixels in ((first, deep), (second, deep), (third, deep[::-1])):
        np.testing.assert_allclose(said.probabilities, model.predict(pixels.copy()).probabilities, atol=1e-5)


def test_rows_of_a_table_keep_their_order_and_their_place(digits_model, pictures, tmp_path):
    names = ["deeper/7.png", "lost.png", "gray.png", "broken.png", "deeper/2.png"]
    (tmp_path / "table.csv").write_text("image\n" + "\n".join(names) + "\n")
    lineup = line_up([str(tmp_path / "table.csv")], {"images": pictures})
    request = BulkRequest(path=tmp_path / "out.csv")
    outcome = predict_lineup(digits_model, lineup, request)
    assert image_names(tmp_path / "out.csv") == names
    assert [one.image for one in outcome.refused] == ["lost.png", "broken.png"]


def test_rows_without_a_label_are_predicted_too(pictures, tmp_path):
    rows = ["deeper/7.png,a", "gray.png,", "deeper/2.png,b", "deeper/2.png,a", "alpha.png,n/a"]
    (tmp_path / "table.csv").write_text("image,label\n" + "\n".join(rows) + "\n")
    lineup = line_up([str(tmp_path / "table.csv")], {"images": pictures})
    assert list(lineup.names) == ["deeper/7.png", "gray.png", "deeper/2.png", "alpha.png"]
    assert not lineup.refused


def test_arrays_have_an_answer_each(digits_model):
    lineup = line_up(["digits"], {})
    said = [one for block in stream_answers(digits_model, lineup, range(5, 400)) for one in block]
    expected = digits_model.predict_proba(lineup.arrays.images[5:400])
    np.testing.assert_allclose([one.probabilities for one in said], expected, atol=1e-5)
    assert [one.image for one in said] == list(lineup.names)[5:400]


def test_the_same_words_in_another_folder_are_other_images(digits_model, tmp_path, monkeypatch):
    for name in "ab":
        (tmp_path / name / "photos").mkdir(parents=True)
        for i in range(3):
            (tmp_path / name / f"photos/{i}.png").write_bytes(encoded(photo(8, 8, seed=i)))
    (tmp_path / "table.csv").write_text("image\n0.png\n1.png\n2.png\n")

    def predicted(folder, images, reading, dies=False):
        monkeypatch.chdir(tmp_path / folder)
        lineup = line_up(images, reading)

        def stream(rows):
            yield from stream_answers(digits_model, lineup, rows[: 1 if dies else None])
            if dies:
                raise MemoryError

        return predict_lineup(
            digits_model, lineup, BulkRequest(images, reading, path=tmp_path / "out.csv"), stream=stream
        )

    table = [str(tmp_path / "table.csv")]
    for images, reading, said in [
        (["photos"], {}, "where the images lie differs"),
        (["photos/*.png"], {}, "where the images lie differs"),
        (table, {"images": "photos"}, "how they are read differs"),
    ]:
        with pytest.raises(MemoryError):
            predicted("a", images, reading, dies=True)
        with pytest.raises(ArgumentError, match=said):
            predicted("b", images, reading)
        outcome = predicted("a", images, reading)
        assert (outcome.rows, outcome.resumed) == (3, 1)


def test_a_digest_tells_models_apart(digits_model):
    other = replace(digits_model, trust=replace(digits_model.trust, temperature=2.0))
    assert model_digest(digits_model) == model_digest(replace(digits_model)) != model_digest(other)


def test_killed_and_begun_again_each_file_once(digits_run, tmp_path):
    (tmp_path / "many").mkdir()
    for i in range(100):
        (tmp_path / f"many/{i}.png").write_bytes(encoded(photo(8, 8, seed=i)))
    for i in range(100, 15_000):
        os.link(tmp_path / f"many/{i % 100}.png", tmp_path / f"many/{i}.png")
    command = [sys.executable, "-m", "striate", "predict", digits_run / "model.striate", "many", "--csv", "out.csv"]
    part, size, killed = tmp_path / "out.csv.part", 0, 0
    for _ in range(2):
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and (not part.exists() or part.stat().st_size <= size + 50_000):
                time.sleep(0.005)
            process.kill()
        if process.returncode == 0:  # the rest was done faster than one looks
            break
        killed, size = killed + 1, part.stat().st_size
    assert killed
    if part.exists():
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "rows are in" in done.stderr
    assert image_names(tmp_path / "out.csv") == sorted(f"many/{i}.png" for i in range(15_000))
