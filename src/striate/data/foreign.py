"""Forms of data that are known but not read: what each is called, how it is told, and the way out."""

from __future__ import annotations

import gzip
import io
import os
import re
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple


class ForeignForm(NamedTuple):
    """A form that is not read: its name, and how to bring it into one that is."""

    name: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.name} is not read here: {self.way_out}"


_AS_IMAGES = "save its images as PNG, in one folder a class, or as an .npz with images and labels"
_SHEET = "save the sheet as CSV and give that"
_WEIGHTS = "it holds weights or Python objects, no images; what trained it can save its data as .npz"

_EXCEL = ForeignForm("an Excel workbook (.xlsx)", _SHEET)
_OLD_OFFICE = ForeignForm("an old Office file (.xls, .doc)", _SHEET)
_ODS = ForeignForm("an OpenDocument spreadsheet (.ods)", _SHEET)
_WORD = ForeignForm("an Office document", "save the pictures in it as PNG or JPEG, a table in it as CSV")
_DICOM = ForeignForm("DICOM", "save the slices as PNG (dcm2pnm of DCMTK, or pydicom's pixel_array and Pillow)")
_HDF5 = ForeignForm("HDF5 (.h5, .hdf5)", "read it with h5py and save images and labels by numpy.savez")
_MAT = ForeignForm("a MATLAB file (.mat)", "read it with scipy.io.loadmat and save images and labels by numpy.savez")
_MAT73 = ForeignForm(
    "a MATLAB 7.3 file (.mat, HDF5 inside)", "read it with h5py and save images and labels by numpy.savez"
)
_VIDEO = ForeignForm("a video", "save its frames as images, in one folder a class: ffmpeg -i VIDEO frames/%05d.png")
_NIFTI = ForeignForm("NIfTI", "read it with nibabel and save the slices as PNG, or as an .npz with images and labels")
_TORCH = ForeignForm("a PyTorch file (.pt, .pth)", _WEIGHTS)
_PICKLE = ForeignForm("a Python pickle", "loading one can run code; save what is in it by numpy.savez and give that")
_TFRECORD = ForeignForm(
    "TFRecord", "read it with tf.data.TFRecordDataset and save the images as files, in one folder a class"
)
_LMDB = ForeignForm("an LMDB", "read it with the lmdb package and save the images as files, in one folder a class")
_RECORDIO = ForeignForm("MXNet RecordIO (.rec)", _AS_IMAGES)
_SAFETENSORS = ForeignForm("safetensors", "it holds weights, no images")
_ONNX = ForeignForm("an ONNX graph", "it is a net, no images")
_RAW = ForeignForm("a camera's raw file", "save it as JPEG, PNG or TIFF (darktable-cli or dcraw does it)")
_NRRD = ForeignForm("NRRD", "read it with SimpleITK and save the slices as PNG")
_METAIMAGE = ForeignForm("MetaImage (.mhd, .mha)", "read it with SimpleITK and save the slices as PNG")
_FITS = ForeignForm("FITS", "read it with astropy and save images and labels by numpy.savez")
_MICROSCOPE = ForeignForm(
    "a microscope's own file (.czi, .nd2, .lif, .oib)", "export it as TIFF or PNG (Fiji with Bio-Formats does it)"
)
_SQLITE = ForeignForm("an SQLite database", "export its table as CSV and its images as files")
_ARROW = ForeignForm(
    "an Arrow or Feather file", "save the images as files with a CSV of their labels, or the data as .npz"
)
_SEVENZIP = ForeignForm("a 7z or RAR archive", "unpack it and give the folder")
_R = ForeignForm("R data (.rds, .RData)", _AS_IMAGES)
_HTML = ForeignForm(
    "a page of the web (HTML)", "it is what a site shows, often instead of the file; download the file itself"
)
_XML = ForeignForm(
    "XML, as CVAT and Pascal VOC write annotations,",
    "export them as COCO or as class folders (ImageNet), or make a CSV of image files and classes",
)
_PDF = ForeignForm("PDF", "save its pages or pictures as PNG (pdfimages or pdftoppm does it)")

# beginning of the file → form
_MAGIC = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": _OLD_OFFICE,
    b"\x89HDF\r\n\x1a\n": _HDF5,
    b"MATLAB 5.0 MAT-file": _MAT,
    b"MATLAB 7.3 MAT-file": _MAT73,
    b"\x1aE\xdf\xa3": _VIDEO,
    b"\0\0\1\xba": _VIDEO,
    b"\0\0\1\xb3": _VIDEO,
    b"FLV\1": _VIDEO,
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": _VIDEO,
    b"NRRD000": _NRRD,
    b"ObjectType = Image": _METAIMAGE,
    b"SIMPLE  =": _FITS,
    b"ZISRAWFILE": _MICROSCOPE,
    b"\xda\xce\xbe\x0a": _MICROSCOPE,
    b"SQLite format 3\0": _SQLITE,
    b"ARROW1\0\0": _ARROW,
    b"7z\xbc\xaf\x27\x1c": _SEVENZIP,
    b"Rar!\x1a\x07": _SEVENZIP,
    b"RDX2\n": _R,
    b"RDX3\n": _R,
    b"%PDF-": _PDF,
    b"FUJIFILMCCD-RAW": _RAW,
}
_NAMES = {
    "xlsx xlsm xlsb": _EXCEL, "xls": _OLD_OFFICE, "ods": _ODS, "docx odt pptx odp": _WORD, "dcm dicom": _DICOM,
    "h5 hdf5 hdf he5": _HDF5, "mat": _MAT,
    "mp4 m4v mov avi mkv webm mpg mpeg wmv flv 3gp mts m2ts": _VIDEO,
    "nii nii.gz": _NIFTI, "pt pth ckpt": _TORCH, "pkl pickle joblib p": _PICKLE, "tfrecord tfrecords tfrec": _TFRECORD,
    "mdb lmdb": _LMDB, "rec": _RECORDIO, "safetensors": _SAFETENSORS, "onnx": _ONNX,
    "cr2 cr3 nef arw dng orf rw2 raf": _RAW, "nrrd": _NRRD, "mhd mha": _METAIMAGE, "fits fit fts": _FITS,
    "czi nd2 lif oib oif": _MICROSCOPE, "sqlite sqlite3 db": _SQLITE, "arrow feather": _ARROW, "7z rar": _SEVENZIP,
    "rds rdata rda": _R, "pdf": _PDF,
}  # fmt: skip
_BY_NAME = {name: form for names, form in _NAMES.items() for name in names.split()}
_SHARD = re.compile(r".*\.tfrec(ords?)?-\d+-of-\d+")
_STILL = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"jxl ", b"crx ")
_HEAD_BYTES = 4096


def foreign_file(path: Path) -> ForeignForm | None:
    """Return the known form that a file has and that is not read; None where it may well be one that is.

    Its content goes before its name; a name alone counts where the content is no text.
    """
    with open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
        found = _by_content(head, file)
    return found or (foreign_name(path.name) if _is_binary(head) else None)


def foreign_bytes(content: bytes) -> ForeignForm | None:
    """Return the known form of the content of a file that is no image; None where it is none of them."""
    return _by_content(content[:_HEAD_BYTES], io.BytesIO(content))


def foreign_name(name: str) -> ForeignForm | None:
    """Return the known form that a file of this name has.

    >>> foreign_name("scan.nii.gz").name, foreign_name("a.png")
    ('NIfTI', None)
    """
    lower = name.lower()
    if _SHARD.fullmatch(lower):
        return _TFRECORD
    parts = lower.split(".")
    return _BY_NAME.get(".".join(parts[-2:])) or _BY_NAME.get(parts[-1]) if len(parts) > 1 else None


def foreign_folder(path: Path) -> ForeignForm | None:
    """Return the known form that a folder is as a whole: an LMDB."""
    return _LMDB if (path / "data.mdb").is_file() else None


def _by_content(head: bytes, file: BinaryIO) -> ForeignForm | None:
    for magic, form in _MAGIC.items():
        if head.startswith(magic):
            return form
    text = head[:64].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return _HTML
    if text.startswith((b"<?xml", b"<annotation")) and b"<svg" not in head:
        return _XML
    if head[128:132] == b"DICM":
        return _DICOM
    if head[4:8] == b"ftyp" and head[8:12] not in _STILL:
        return _VIDEO
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return _VIDEO
    if head[512:520] == b"\x89HDF\r\n\x1a\n":
        return _HDF5
    if head[344:348] in (b"n+1\0", b"ni1\0"):
        return _NIFTI
    if head[16:20] in (b"\xde\xc0\xef\xbe", b"\xbe\xef\xc0\xde"):
        return _LMDB
    if head.startswith(b"PK"):
        return _zipped(file)
    if head.startswith(b"\x1f\x8b"):
        return _gzipped(file)
    if head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5" and _ends_as_pickle(file):
        return _TORCH if b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." in head else _PICKLE
    return _TFRECORD if _begins_as_record(head) else None


def _zipped(file: BinaryIO) -> ForeignForm | None:
    """Return the form of a zip that is a document or a PyTorch file and no archive of images or arrays."""
    try:
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            kind = archive.read("mimetype")[:80] if "mimetype" in names[:1] else b""
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, RuntimeError, NotImplementedError, zlib.error):
        return None
    if "[Content_Types].xml" in names:
        return _EXCEL if any(name.startswith("xl/") for name in names) else _WORD
    if kind.startswith(b"application/vnd.oasis.opendocument"):
        return _ODS if b"spreadsheet" in kind else _WORD
    return _TORCH if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names) else None


def _gzipped(file: BinaryIO) -> ForeignForm | None:
    try:
        file.seek(0)
        with gzip.open(file) as inside:
            head = inside.read(352)
    except (OSError, EOFError, zlib.error):
        return None
    if head[344:348] in (b"n+1\0", b"ni1\0"):
        return _NIFTI
    return _R if head.startswith((b"RDX", b"X\n\0\0\0")) else None


def _ends_as_pickle(file: BinaryIO) -> bool:
    file.seek(0, os.SEEK_END)
    if file.tell() < 4:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"."


def _begins_as_record(head: bytes) -> bool:
    """Whether a file begins with a length and that length's masked CRC-32C, as TFRecords do."""
    if len(head) < 16 or not 0 < int.from_bytes(head[:8], "little") < 1 << 31:
        return False
    crc = 0xFFFFFFFF
    for byte in head[:8]:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return int.from_bytes(head[8:12], "little") == masked


def _is_binary(head: bytes) -> bool:
    """Whether a file is no text: it holds zero bytes and is no UTF-16, or its bytes are no UTF-8."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or (
        head[1:2] == b"\0" and head[3:4] == b"\0" and head[:1] > b"\x08"
    ):
        return False
    return b"\0" in head or any(byte < 9 for byte in head[:512])
