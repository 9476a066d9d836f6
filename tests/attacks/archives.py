# ruff: noqa: E501
"""Archives that lead out of themselves, that unpack to more than any disk holds, or whose directories lie."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

from tests.attacks.attack import ATTACKS, Attack, attack, source
from tests.data import forms

GOOD = forms.class_folders(n=8)
OUTSIDE = (
    "../ESCAPED.png", "../../ESCAPED.png", "cat/../../../ESCAPED.png", "/tmp/ESCAPED.png", "C:/ESCAPED.png",
    "..\\..\\ESCAPED.png", "\\\\host\\share\\ESCAPED.png", "cat/./../../ESCAPED.png",
)  # fmt: skip
ZEROS = bytes(1 << 20)


def _stream(packer, blocks: int, block: bytes = ZEROS, before: bytes = b"") -> bytes:
    made = [packer.compress(before)]
    made += [packer.compress(block) for _ in range(blocks)]
    return b"".join(made) + packer.flush()


def gzip_of_zeros(mebibytes: int, before: bytes = b"") -> bytes:
    """Return so many MiB of zeros, gzipped, what comes before them too; the checksum at the end is none."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    start = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)  # may be repeated as it is
    return start + block * mebibytes + packer.flush()


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """Return the header of a tar's member, whatever follows it."""
    member = tarfile.TarInfo(name)
    member.size, member.type, member.linkname = size, kind, link
    return member.tobuf(tarfile.GNU_FORMAT)


for i, name in enumerate(OUTSIDE):
    for form, write in (("zip", forms.write_zip), ("tar", forms.write_tar), ("tar.gz", forms.write_tar)):

        def make(folder: Path, form=form, write=write, name=name) -> tuple[str, ...]:
            more = {"mode": "w:gz"} if form == "tar.gz" else {}
            write(folder / f"a.{form}", {**GOOD, name: forms.picture(0, 0)}, **more)
            return source(folder, f"a.{form}")

        ATTACKS[f"archive/outside-{i}.{form}"] = Attack(f"archive/outside-{i}.{form}", make, 1, "outside|zero byte")

LINKS = {
    "absolute": ("cat/x.png", tarfile.SYMTYPE, "/etc/passwd"), "above": ("cat/x.png", tarfile.SYMTYPE, "../../../ESCAPED"),
    "hard": ("cat/x.png", tarfile.LNKTYPE, "../ESCAPED"), "device": ("cat/x.png", tarfile.CHRTYPE, ""),
    "pipe": ("cat/x.png", tarfile.FIFOTYPE, ""),
}  # fmt: skip
for what, link in LINKS.items():

    def make(folder: Path, link=link) -> tuple[str, ...]:
        forms.write_tar(folder / "a.tar", {**GOOD, "x": forms.special(*link)})
        return source(folder, "a.tar")

    ATTACKS[f"archive/link-{what}"] = Attack(f"archive/link-{what}", make, 1, "outside|device")


@attack("archive/link-circle", 0, "a link to what is no file")
def _(folder: Path) -> tuple[str, ...]:
    circle = {n: forms.special(f"cat/{n}.png", tarfile.SYMTYPE, f"{m}.png") for n, m in ("ab", "bc", "ca")}
    forms.write_tar(folder / "a.tar", {**GOOD, **circle})
    return source(folder, "a.tar")


@attack("archive/link-to-a-folder-then-through-it", 1, "outside|a link to what is no file|")
def _(folder: Path) -> tuple[str, ...]:
    files = {"up": forms.special("cat/up", tarfile.SYMTYPE, ".."), "cat/up/up/ESCAPED.png": forms.picture(0, 0)}
    forms.write_tar(folder / "a.tar", {**GOOD, **files, "etc": forms.special("cat/etc", tarfile.SYMTYPE, "/etc")})
    return source(folder, "a.tar")


@attack("archive/zip-name-with-a-zero-byte", 1, "zero byte")
def _(folder: Path) -> tuple[str, ...]:
    path = forms.write_zip(folder / "a.zip", {**GOOD, "cat/#/../../ESCAPED.png": forms.picture(0, 0)})
    return source(folder, "a.zip", path.read_bytes().replace(b"cat/#/", b"cat/\0/"))


@attack("archive/zip-link-absolute", 1, "outside")
def _(folder: Path) -> tuple[str, ...]:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        for name, content in GOOD.items():
            archive.writestr(name, content)
        link = zipfile.ZipInfo("cat/x.png")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return source(folder, "a.zip")


@attack("archive/zip-bomb", 1, "decompression bomb")
def _(folder: Path) -> tuple[str, ...]:
    with (
        zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("cat/0.png", "w") as file,
    ):
        for _ in range(600):
            file.write(ZEROS)
    return source(folder, "a.zip")


@attack("archive/zip-member-larger-than-it-says", 0, "damaged: size or checksum")
def _(folder: Path) -> tuple[str, ...]:
    """One member says 100 bytes and unpacks to 600 MB."""
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in GOOD.items():
            archive.writestr(name, content)
        with archive.open("cat/bomb.png", "w") as file:
            for _ in range(600):
                file.write(ZEROS)
    raw = (folder / "a.zip").read_bytes()
    return source(folder, "a.zip", raw.replace(struct.pack("<I", 600 << 20), struct.pack("<I", 100)))


@attack("archive/zip-of-overlapping-members", 1, "shares its bytes|decompression bomb")
def _(folder: Path) -> tuple[str, ...]:
    """Every entry of the directory points to one member, as in zbsm.zip."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/0.png", bytes(20 << 20))
    raw = made.getvalue()
    start = raw.index(b"PK\1\2")
    entry, end = raw[start : raw.index(b"PK\5\6")], raw[raw.index(b"PK\5\6") :]
    entries = b"".join(entry.replace(b"cat/0.png", b"c/%05d.p" % i) for i in range(10_000))
    end = end[:8] + struct.pack("<HHI", 10_000, 10_000, len(entries)) + end[16:]
    return source(folder, "a.zip", raw[:start] + entries + end)


@attack("archive/zip-of-nothing-but-a-directory", 1, "zip|images|share")
def _(folder: Path) -> tuple[str, ...]:
    """A directory of 200,000 entries that no member follows."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("cat/00000000", b"")
    raw = made.getvalue()
    start, count = raw.index(b"PK\1\2"), 200_000
    entry = raw[start : raw.index(b"PK\5\6")]
    head, tail = entry.split(b"cat/00000000")
    entries = b"".join(head + b"cat/%08d" % i + tail for i in range(count))
    end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(entries), start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, start + len(entries), 1)
    last = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return source(folder, "a.zip", raw[:start] + entries + end + locator + last)


@attack("archive/zip-in-a-zip", 1, "not looked into")
def _(folder: Path) -> tuple[str, ...]:
    inner = forms.write_zip(folder / "inner.zip", {"cat/0.png": bytes(1 << 20)}).read_bytes()
    forms.write_zip(folder / "a.zip", {f"{i}.zip": inner for i in range(16)})
    return source(folder, "a.zip")


PACKERS = {
    "tar.gz": lambda before, size: gzip_of_zeros(size, before),
    "tar.bz2": lambda before, size: _stream(bz2.BZ2Compressor(1), size // 8, before=before),
    "tar.xz": lambda before, size: _stream(lzma.LZMACompressor(preset=0), size // 2, before=before),
}
for form, pack in PACKERS.items():

    def make(folder: Path, form=form, pack=pack) -> tuple[str, ...]:
        return source(folder, f"a.{form}", pack(header("cat/0.png", 8 << 30), 2048))

    ATTACKS[f"archive/bomb.{form}"] = Attack(f"archive/bomb.{form}", make, 1, "bomb|incomplete|damaged")

    for what, kind in (("pax", tarfile.XHDTYPE), ("long-name", tarfile.GNUTYPE_LONGNAME), ("global", tarfile.XGLTYPE)):

        def make(folder: Path, form=form, pack=pack, kind=kind) -> tuple[str, ...]:
            return source(folder, f"a.{form}", pack(header("x", 2 << 30, kind), 2100))

        if form == "tar.gz" or what == "pax":
            ATTACKS[f"archive/{what}-bomb.{form}"] = Attack(
                f"archive/{what}-bomb.{form}", make, 1, "bomb|damaged|absurd"
            )


@attack("archive/cifar-bomb", 1, "declares|bomb|damaged")
def _(folder: Path) -> tuple[str, ...]:
    return source(folder, "c.tar.gz", gzip_of_zeros(2048, header("cifar-10-batches-py/data_batch_1", 8 << 30)))


@attack("archive/cifar-bomb-below-the-limit", 1, "data_batch_1")
def _(folder: Path) -> tuple[str, ...]:
    return source(folder, "c.tar.gz", gzip_of_zeros(512, header("cifar-10-batches-py/data_batch_1", 511 << 20)))


@attack("archive/cifar-endless-after-the-batches", 1, "bomb|CIFAR|damaged")
def _(folder: Path) -> tuple[str, ...]:
    return source(folder, "c.tar.gz", gzip_of_zeros(6000, header("cifar-10-batches-py/data_batch_1", 0)))


@attack("archive/tar-of-empty-members", 1, "decoded|images")
def _(folder: Path) -> tuple[str, ...]:
    head = b"".join(header(f"cat/{i}.png", 0) for i in range(200_000))
    return source(folder, "a.tar.gz", gzip.compress(head + bytes(1024), 6))


@attack("archive/tar-of-negative-size", 1, "absurd|damaged")
def _(folder: Path) -> tuple[str, ...]:
    head = bytearray(header("cat/0.png", 0))
    head[124:136] = b"\xff" * 11 + b"\0"
    head[148:156] = b"        "
    head[148:156] = b"%06o\0 " % sum(head)
    return source(folder, "a.tar", bytes(head) + bytes(1024))


@attack("archive/tar-pax-size-lies", 1, "absurd|damaged|incomplete")
def _(folder: Path) -> tuple[str, ...]:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("cat/0.png")
        member.pax_headers = {"size": "-512", "path": "cat/0.png"}
        archive.addfile(member)
    return source(folder, "a.tar", made.getvalue())


@attack("archive/webdataset-label-bomb", 0, "absurdly long")
def _(folder: Path) -> tuple[str, ...]:
    files = forms.samples(16)
    with tarfile.open(folder / "w.tar.gz", "w:gz") as archive:
        for name, content in {**files, "000001.cls": bytes(200 << 20)}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return source(folder, "w.tar.gz")


@attack("archive/idx-bomb", 1, "declares|memory|absurd")
def _(folder: Path) -> tuple[str, ...]:
    (folder / "m").mkdir()
    shape = struct.pack(">BBBBIII", 0, 0, 8, 3, 2048, 1024, 1024)
    (folder / "m/train-images-idx3-ubyte.gz").write_bytes(gzip_of_zeros(2048, shape))
    return source(folder, "m")


@attack("archive/idx-labels-bomb", 1, "declares|memory|absurd|bomb")
def _(folder: Path) -> tuple[str, ...]:
    (folder / "m").mkdir()
    (folder / "m/train-images-idx3-ubyte").write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, 4, 8, 8) + bytes(256))
    (folder / "m/train-labels-idx1-ubyte.gz").write_bytes(
        gzip_of_zeros(2048, struct.pack(">BBBBI", 0, 0, 8, 1, 2 << 30))
    )
    return source(folder, "m")


@attack("archive/npz-bomb", 1, "declares|memory|bomb")
def _(folder: Path) -> tuple[str, ...]:
    import numpy as np

    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (600, 1024, 1024)})
    with (
        zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("images.npy", "w", force_zip64=True) as out,
    ):
        out.write(file.getvalue())
        for _ in range(600):
            out.write(ZEROS)
    return source(folder, "a.npz")


@attack("archive/npz-names-bomb", 1, "declares|memory|bomb")
def _(folder: Path) -> tuple[str, ...]:
    """Labels of strings, of which each takes a quarter of a gigabyte."""
    import numpy as np

    file, images = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": f"<U{40 << 20}", "fortran_order": False, "shape": (4,)})
    np.save(images, np.zeros((4, 8, 8), np.uint8))
    with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", images.getvalue())
        with archive.open("labels.npy", "w") as out:
            out.write(file.getvalue())
            for _ in range(640):
                out.write(ZEROS)
    return source(folder, "a.npz")


@attack("archive/zip-of-a-member-of-a-gigabyte", 0, "as a decompression bomb is")
def _(folder: Path) -> tuple[str, ...]:
    """So large that the archive is no bomb by its ratio, and so small that it may be sent by mail."""
    import numpy as np

    more = {"cat/big.png": forms.picture(0, 0) + bytes(960 << 20), "note.bin": np.random.default_rng(0).bytes(5 << 20)}
    forms.write_zip(folder / "a.zip", {**GOOD, **more})
    return source(folder, "a.zip")


@attack("archive/tar-of-a-member-of-half-a-gigabyte", 0, "as a decompression bomb is")
def _(folder: Path) -> tuple[str, ...]:
    import numpy as np

    more = {"cat/big.png": bytes(400 << 20), "note.bin": np.random.default_rng(0).bytes(3 << 20)}
    forms.write_tar(folder / "a.tar.gz", {**GOOD, **more}, mode="w:gz")
    return source(folder, "a.tar.gz")


@attack("archive/zip-of-a-table-of-lists", 1, "is a table of")
def _(folder: Path) -> tuple[str, ...]:
    forms.write_zip(
        folder / "a.zip",
        {"annotations.json": b'{"images": [' + b"[]," * (80 << 20) + b"[]]}", "a.png": GOOD["cat/0.png"]},
    )
    return source(folder, "a.zip")


@attack("archive/tar-of-a-table-of-commas", 1, "is a table of")
def _(folder: Path) -> tuple[str, ...]:
    forms.write_tar(
        folder / "a.tar.gz", {"t.csv": b"image,label\n" + b"," * (200 << 20), "a.png": GOOD["cat/0.png"]}, mode="w:gz"
    )
    return source(folder, "a.tar.gz")


@attack("archive/zip-packed-size-lies", 0, "truncated")
def _(folder: Path) -> tuple[str, ...]:
    """The last member is packed into four gigabytes, the directory says: room was made for them."""
    raw = bytearray(forms.write_zip(folder / "a.zip", GOOD).read_bytes())
    at = raw.rindex(b"PK\1\2")
    raw[at + 20 : at + 24] = struct.pack("<I", (1 << 32) - 2)
    return source(folder, "a.zip", bytes(raw))
