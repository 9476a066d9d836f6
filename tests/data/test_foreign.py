"""Forms that are known but not read: each names itself and the way out, by content and by name."""

import gzip
import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.data.oddities import odd_files

from striate.data.decoding.decode import decode
from striate.data.foreign import foreign_file, foreign_name
from striate.data.reading import read
from striate.errors import DataError, DecodingError


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def torch_file() -> bytes:
    torch = pytest.importorskip("torch")
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, buffer)
    return buffer.getvalue()


def record() -> bytes:
    """A TFRecord of one empty example; the masked CRC of the length 2 as TensorFlow writes it."""
    return struct.pack("<Q", 2) + masked_crc(struct.pack("<Q", 2)) + b"\x0a\0" + bytes(4)


def masked_crc(data: bytes) -> bytes:
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


CONTENTS = {
    "Excel": lambda: zipped(**{"[Content_Types].xml": b"", "xl__workbook.xml": b""}),
    "OpenDocument": lambda: zipped(mimetype=b"application/vnd.oasis.opendocument.spreadsheet", content=b""),
    "Office": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "DICOM": lambda: bytes(128) + b"DICM" + bytes(100),
    "HDF5": lambda: b"\x89HDF\r\n\x1a\n" + bytes(100),
    "MATLAB 7.3": lambda: b"MATLAB 7.3 MAT-file, Platform".ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n",
    "MATLAB file": lambda: b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(128) + bytes(60),
    "video": lambda: bytes([0, 0, 0, 24]) + b"ftypmp42" + bytes(100),
    "a video": lambda: b"RIFF" + struct.pack("<I", 108) + b"AVI LIST" + bytes(100),
    "NIfTI": lambda: gzip.compress(struct.pack("<i", 348) + bytes(340) + b"n+1\0" + bytes(60)),
    "is not read here: read it with nibabel": lambda: struct.pack("<i", 348) + bytes(340) + b"n+1\0" + bytes(60),
    "PyTorch": torch_file,
    "Python pickle": lambda: pickle.dumps({"images": [1, 2, 3]}),
    "TFRecord": record,
    "LMDB": lambda: bytes(16) + struct.pack("<I", 0xBEEFC0DE) + bytes(200),
    "SQLite": lambda: b"SQLite format 3\0" + bytes(100),
    "HTML": lambda: b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>",
    "XML": lambda: b"<annotation><filename>1.jpg</filename></annotation>",
    "CVAT": lambda: b'\xef\xbb\xbf<?xml version="1.0"?><annotations><image name="1.png"/></annotations>',
    "FITS": lambda: b"SIMPLE  =                    T".ljust(80) + bytes(100),
}


@pytest.mark.parametrize("name", ["source", "image.png", "table.csv"])
@pytest.mark.parametrize("said", CONTENTS)
def test_content_tells_a_form_whatever_it_is_called(said, name, tmp_path):
    (tmp_path / name).write_bytes(CONTENTS[said]())
    with pytest.raises(DataError, match=said) as caught:
        read(tmp_path / name)
    assert " is not read here: " in str(caught.value)
    assert name in str(caught.value)
    with pytest.raises(DecodingError, match=said):
        decode(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.dcm", "DICOM"), ("a.MAT", "MATLAB"), ("a.nii.gz", "NIfTI"), ("a.MP4", "video"), ("a.mov", "video"),
        ("a.tfrecord", "TFRecord"), ("train.tfrecord-00000-of-00010", "TFRecord"), ("a.pth", "PyTorch"),
        ("a.lmdb", "LMDB"), ("a.nef", "raw"), ("a.czi", "microscope"), ("a.xlsb", "Excel"), ("a.h5", "HDF5"),
    ],
)  # fmt: skip
def test_a_name_tells_a_form_whose_content_says_nothing(name, said, tmp_path):
    (tmp_path / name).write_bytes(b"\x07\0\1\2" * 20)
    with pytest.raises(DataError, match=said):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.mat", "a.p", "a.db", "labels.rec"])
def test_text_is_a_table_whatever_it_is_called(name, tmp_path):
    (tmp_path / "1.png").touch()
    (tmp_path / name).write_text("file,label\n1.png,x\n")
    assert len(read(tmp_path / name)) == 1


def test_what_is_read_is_taken_for_none_of_them(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 3, 3), np.uint8), labels=[0, 1])
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 3), np.uint8))
    for name, content in odd_files().items():
        (tmp_path / name).write_bytes(content)
    assert [path.name for path in tmp_path.iterdir() if foreign_file(path)] == []
    assert foreign_name("photo.jpeg") is None
    assert foreign_name("README") is None


def test_folders_of_them_say_so(tmp_path):
    for name, form in (("a/1.dcm", "DICOM"), ("clips/x.mp4", "video"), ("t/train.tfrecord-00000-of-00002", "TFRecord")):
        folder: Path = tmp_path / name.partition("/")[0]
        folder.mkdir()
        (tmp_path / name).write_bytes(b"\0")
        with pytest.raises(DataError, match=f"none of its 1 files is one.*{form} is not read here"):
            read(folder)
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "data.mdb").write_bytes(bytes(64))
    with pytest.raises(DataError, match="LMDB is not read here"):
        read(tmp_path / "db")
