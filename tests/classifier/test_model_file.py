"""A .striate file that is not what it should be is an error that names it, whatever is wrong."""

import contextlib
import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

import striate
from striate.errors import ModelFileError, SourceNotFoundError, StorageError, StriateError


@pytest.fixture(scope="module")
def parts(digits_run):
    with zipfile.ZipFile(digits_run / "model.striate") as archive:
        return json.loads(archive.read("striate.json")), archive.read("tensors.safetensors")


def written(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refused(path, match):
    with pytest.raises(ModelFileError, match=match) as caught:
        striate.Classifier.load(path)
    assert str(path) in str(caught.value)


def test_save_and_load_are_bit_equal(digits_model, tmp_path):
    digits_model.save(tmp_path / "a.striate")
    loaded = striate.Classifier.load(tmp_path / "a.striate")
    images = striate.read("digits").images[:50]
    assert np.array_equal(loaded.predict_proba(images), digits_model.predict_proba(images))
    assert loaded.provenance == digits_model.provenance
    loaded.save(tmp_path / "b.striate")
    assert (tmp_path / "a.striate").read_bytes() == (tmp_path / "b.striate").read_bytes()


def test_no_such_file(tmp_path):
    with pytest.raises(SourceNotFoundError, match=r"no model file .*nothing\.striate"):
        striate.Classifier.load(tmp_path / "nothing.striate")


def test_a_slip_of_the_pen_is_told_from_the_name_of_a_run(digits_model, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    digits_model.save(run / "model.striate")
    with pytest.raises(SourceNotFoundError, match=r"Did you mean .*run.model\.striate\?"):
        striate.Classifier.load(run / "model.strate")
    with pytest.raises(SourceNotFoundError, match=r"the folder of a run: give .*run.model\.striate"):
        striate.Classifier.load(run)


def test_nothing_is_saved_that_could_not_be_loaded(digits_model, tmp_path, monkeypatch):
    older = tmp_path / "m.striate"
    digits_model.save(older)
    before = older.read_bytes()
    monkeypatch.setattr("striate.classifier.model_file._MOST_JSON_BYTES", 1000)
    with pytest.raises(ModelFileError, match=r"cannot be saved, for it could not be loaded again: .*larger than"):
        digits_model.save(older)
    assert older.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.striate"]


@pytest.mark.parametrize("suffix", [".striate", ".npz"])
def test_member_names_that_are_no_utf8(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ä.npy", b"")
    content = path.read_bytes().replace("ä".encode(), b"\xff\xfe")
    path.write_bytes(content)
    with pytest.raises(StriateError, match=f"m{suffix}"):
        striate.Classifier.load(path) if suffix == ".striate" else striate.read(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n", b"PK\x03\x04 no zip"])
def test_foreign_files(tmp_path, content):
    path = tmp_path / "m.striate"
    path.write_bytes(content)
    refused(path, "not a Striate model|is damaged")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format": 4}, "format 4, this Striate reads formats 1 to 3. Upgrade"),
        ({"format": None}, "does not say its format"),
        ({"kind": "trees of tomorrow"}, "unknown kind of model"),
        ({"classes": ["a"]}, "does not match 1 classes"),
        ({"classes": ["a"] * 10}, "the same name"),
        ({"classes": []}, "classes must be a list"),
        ({"classes": [1] * 10}, "classes must be a list"),
        ({"net": "fc(10) fcc"}, "fcc"),
        ({"net": 3}, "has no net"),
        ({"net": "fc(10000000) fc(10)"}, "parameters, the file holds"),
        ({"net": "[fc(10)]*2"}, "missing or spare tensors|parameters, the file holds"),
        ({"preprocessing": {"size": [8, 8]}}, "must say size, channels and fit"),
        ({"preprocessing": {"size": [8, -8], "channels": 1, "fit": "crop"}}, "does not fit together"),
        ({"preprocessing": {"size": [8, 8], "channels": 3, "fit": "crop"}}, "does not fit together"),
    ],
)
def test_descriptions_that_cannot_be(parts, tmp_path, change, match):
    description, tensors = parts
    members = {"striate.json": json.dumps(description | change), "tensors.safetensors": tensors}
    refused(written(tmp_path / "m.striate", members), match)


def test_members_must_be_the_two(parts, tmp_path):
    description, tensors = parts
    good = {"striate.json": json.dumps(description), "tensors.safetensors": tensors}
    refused(written(tmp_path / "1.striate", good | {"../../evil.py": "import os"}), "nothing else")
    refused(written(tmp_path / "2.striate", {"striate.json": good["striate.json"]}), "nothing else")
    refused(written(tmp_path / "3.striate", {"/striate.json": "{}", "tensors.safetensors": tensors}), "nothing else")


def test_compressed_members_are_refused(parts, tmp_path):
    description, _ = parts
    members = {"striate.json": json.dumps(description), "tensors.safetensors": b"\0" * 10**8}
    refused(written(tmp_path / "bomb.striate", members, zipfile.ZIP_DEFLATED), "compressed")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.pop("trained_on"), "has no trained_on"),
        (lambda t: t.pop("preprocessing.mean"), "has no preprocessing.mean"),
        (lambda t: t.update({"weights.0.bias": np.zeros(9, np.float32)}), r"must be .*float32 \(8,\); got .* \(9,\)"),
        (lambda t: t.update({"weights.0.bias": np.zeros(8, np.float64)}), "got torch.float64"),
        (lambda t: t.update({"spare": np.zeros(1, np.float32)}), "missing or spare tensors: spare"),
        (lambda t: t.update({"preprocessing.std": np.zeros(1, np.float32)}), "does not fit together"),
        (lambda t: t.update({"preprocessing.mean": np.full(1, np.nan, np.float32)}), "does not fit together"),
    ],
)  # fmt: skip
def test_tensors_that_cannot_be(parts, tmp_path, change, match):
    description, payload = parts
    tensors = dict(load(payload))
    change(tensors)
    members = {"striate.json": json.dumps(description), "tensors.safetensors": save(tensors)}
    refused(written(tmp_path / "m.striate", members), match)


@settings(max_examples=60)
@given(st.data())
def test_a_flipped_byte_or_a_cut_never_crashes(digits_run, tmp_path_factory, data):
    content = bytearray((digits_run / "model.striate").read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flip") / "m.striate"
    path.write_bytes(content)
    with contextlib.suppress(ModelFileError):  # and nothing else
        striate.Classifier.load(path)


def test_a_flipped_bit_in_the_zip_s_directory_never_crashes(digits_run, tmp_path):
    content = (digits_run / "model.striate").read_bytes()
    path = tmp_path / "m.striate"
    for place in range(content.index(b"PK\x01\x02"), len(content)):
        for bit in (1, 128):
            path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
            with contextlib.suppress(ModelFileError):  # and nothing else
                striate.Classifier.load(path)


def test_a_full_disk_keeps_the_old_model(digits_model, tmp_path, monkeypatch):
    path = tmp_path / "m.striate"
    digits_model.save(path)
    before = path.read_bytes()

    class Full(io.BytesIO):
        def __init__(self, *arguments):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("striate.classifier.model_file.zipfile.ZipFile", Full)
    with pytest.raises(StorageError, match="the disk is full"):
        digits_model.save(path)
    assert path.read_bytes() == before


def test_a_compressed_member_is_refused_even_where_it_is_small(parts, tmp_path):
    description, tensors = parts
    packed = tmp_path / "packed.striate"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("striate.json", json.dumps(description), zipfile.ZIP_DEFLATED)
        archive.writestr("tensors.safetensors", tensors)
    assert len(json.dumps(description)) < packed.stat().st_size  # so that its size gives nothing away
    refused(packed, "compressed")


def test_a_damaged_file_is_not_recited(digits_run, tmp_path):
    """The library says the name that a member's own header gives it, however long that is."""
    raw = bytearray((digits_run / "model.striate").read_bytes())
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        start = archive.getinfo("tensors.safetensors").header_offset
    raw[start + 26 : start + 28] = (18_000).to_bytes(2, "little")
    path = tmp_path / "long.striate"
    path.write_bytes(raw)
    with pytest.raises(ModelFileError, match="is damaged") as told:
        striate.Classifier.load(path)
    assert len(str(told.value)) < 400 + len(str(path))
