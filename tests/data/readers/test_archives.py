"""Archives are read in place, as the folders that they unpack to; tricks and bombs are refused by name."""

import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from tests.data import forms

from striate.data.decoding.stored import Stored
from striate.data.preparing.prepare import prepare
from striate.data.readers import bombs, members, tars
from striate.data.reading import read
from striate.data.trainable import check_trainable
from striate.errors import ArgumentError, DataError, StriateError

FILES = {
    **forms.class_folders(top="photos/train/"),
    **forms.class_folders(top="photos/val/", start=50),
    "photos/train/cat/Thumbs.db": b"x",
    "photos/train/cat/notes.txt": b"x",
    "__MACOSX/photos/train/cat/._0.png": b"x",
    "photos/train/cat/README": b"not an image but tried",
}


def archived(path: Path, files=FILES) -> Path:
    name = path.name.lower()
    if name.endswith("zip"):
        return forms.write_zip(path, files)
    return forms.write_tar(
        path, files, "w:" + {"z": "gz", "2": "bz2"}.get(name[-1], "xz" if name.endswith("xz") else "")
    )


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "zip", "without-extension"])
def test_an_archive_is_read_as_the_folder_that_it_unpacks_to(name, tmp_path):
    folder = read(forms.write_files(tmp_path / "folder", FILES))
    catalog = read(archived(tmp_path / name))
    assert catalog.names == folder.names
    assert catalog.classes == folder.classes == ("cat", "dog")
    assert catalog.labels.tolist() == folder.labels.tolist()
    assert catalog.splits.tolist() == folder.splits.tolist()
    assert {(e.name, e.status, e.detail) for e in catalog.ledger} == {
        (e.name, e.status, e.detail) for e in folder.ledger
    }
    assert [way.read() for way in catalog.images] == [path.read_bytes() for path in folder.images]
    one, two = prepare(folder), prepare(catalog)
    assert np.array_equal(one.images, two.images)


def test_names_of_programs_for_windows_part_folders_by_backslashes(tmp_path):
    catalog = read(forms.write_zip(tmp_path / "a.zip", {"cat\\1.png": b"a", "dog\\1.png": b"b", "cat\\2.png": b"c"}))
    assert catalog.names == ["cat/1.png", "cat/2.png", "dog/1.png"]


def test_names_that_begin_with_a_point_or_are_no_utf_8(tmp_path):
    files = {"./cat/1.png": b"a", "./dog//1.png": b"b", "./dog/\udce9.png": b"c"}
    assert read(forms.write_tar(tmp_path / "a.tar", files)).names == ["cat/1.png", "dog/1.png", "dog/\\xe9.png"]


def test_the_form_is_told_by_content(tmp_path):
    path = forms.write_zip(tmp_path / "photos.jpg", forms.class_folders())
    assert read(path).format == "archive"
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 4, 4), np.uint8))
    (tmp_path / "x.npz").rename(tmp_path / "x.zip")
    assert read(tmp_path / "x.zip").format == "npz"


def test_options_for_tables_are_refused_where_they_mean_nothing(tmp_path):
    with pytest.raises(ArgumentError, match="--images must come with a table"):
        read(archived(tmp_path / "a.zip"), images=tmp_path)


TRICKS = {
    "../../etc/cat.png": "has .. in its name",
    "cat/../../x.png": "has .. in its name",
    "..\\x.png": "has .. in its name",
    "/etc/passwd.png": "absolute name",
    "C:\\x.png": "absolute name",
    "C:/x.png": "absolute name",
    "\\\\server\\x.png": "absolute name",
}


@pytest.mark.parametrize("kind", ["a.zip", "a.tar", "a.tgz"])
@pytest.mark.parametrize("name", TRICKS)
def test_names_that_lead_out_of_the_archive_are_refused(kind, name, tmp_path):
    with pytest.raises(DataError, match=f"its member .*{TRICKS[name]}") as caught:
        read(archived(tmp_path / kind, {**forms.class_folders(), name: b"x"}))
    assert "x.png" in str(caught.value) or "passwd" in str(caught.value) or "cat.png" in str(caught.value)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (forms.special("cat/x.png", tarfile.SYMTYPE, "/etc/passwd"), "a link that leads outside .*/etc/passwd"),
        (forms.special("cat/x.png", tarfile.SYMTYPE, "../../secret.png"), "a link that leads outside"),
        (forms.special("cat/x.png", tarfile.LNKTYPE, "/etc/passwd"), "a link that leads outside"),
        (forms.special("cat/x.png", tarfile.LNKTYPE, "../x"), "a link that leads outside"),
        (forms.special("cat/x.png", tarfile.CHRTYPE), "a device or a pipe"),
        (forms.special("cat/x.png", tarfile.BLKTYPE), "a device or a pipe"),
        (forms.special("cat/x.png", tarfile.FIFOTYPE), "a device or a pipe"),
    ],
)
def test_links_out_of_a_tar_and_devices_are_refused(member, message, tmp_path):
    with pytest.raises(DataError, match=f"'cat/x.png' is {message}"):
        read(forms.write_tar(tmp_path / "a.tar", {**forms.class_folders(), "link": member}))


def test_links_within_a_tar_are_followed_and_others_are_skipped(tmp_path):
    files = {
        **forms.class_folders(),
        "1": forms.special("dog/linked.png", tarfile.SYMTYPE, "../cat/0.png"),
        "2": forms.special("dog/hard.png", tarfile.LNKTYPE, "cat/1.png"),
        "3": forms.special("dog/loop.png", tarfile.SYMTYPE, "loop.png"),
        "4": forms.special("dog/nowhere.png", tarfile.SYMTYPE, "../cat/9.png"),
    }
    catalog = read(forms.write_tar(tmp_path / "a.tar", files))
    ways = dict(zip(catalog.names, catalog.images, strict=True))
    assert ways["dog/linked.png"] == ways["cat/0.png"]
    assert ways["dog/hard.png"] == ways["cat/1.png"]
    assert catalog.ledger["dog/loop.png"].detail.startswith("a link to what is no file")
    assert catalog.ledger["dog/nowhere.png"].detail == "a link to what is no file of the archive: cat/9.png"


@pytest.mark.parametrize(("target", "refused"), [("/etc/passwd", True), ("../../x", True), ("../cat/0.png", False)])
def test_links_in_a_zip(target, refused, tmp_path):
    path = forms.write_zip(tmp_path / "a.zip", forms.class_folders())
    link = zipfile.ZipInfo("dog/link.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, target)
    if refused:
        with pytest.raises(DataError, match=r"'dog/link.png' is a link that leads outside"):
            read(path)
    else:
        catalog = read(path)
        ways = dict(zip(catalog.names, catalog.images, strict=True))
        assert ways["dog/link.png"] == ways["cat/0.png"]


def test_a_zero_byte_in_a_name_is_refused(tmp_path):
    path = forms.write_zip(tmp_path / "a.zip", {**forms.class_folders(), "cat/x.png_.exe": b"x"})
    path.write_bytes(path.read_bytes().replace(b"cat/x.png_.exe", b"cat/x.png\0.exe"))
    with pytest.raises(DataError, match=r"'cat/x.png\\\\0.exe' has a zero byte in its name"):
        read(path)


def test_names_that_are_said_to_be_utf_8_and_are_not(tmp_path):
    path = forms.write_zip(tmp_path / "a.zip", {"cat/é.png": b"x"})
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xff\xfe"))
    with pytest.raises(DataError, match=r"a.zip has names that are said to be UTF-8 and are not"):
        read(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_of_two_members_of_one_name_the_last_counts_and_the_ledger_says_so(kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        forms.write_zip(path, {**forms.class_folders(), "cat/0.png": b"first"})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("cat/0.png", b"last")
    else:
        forms.write_tar(path, {**forms.class_folders(), "cat/0.png": b"first"})
        forms.write_tar(path, {"cat/0.png": b"last"}, "a")
    catalog = read(path)
    assert dict(zip(catalog.names, catalog.images, strict=True))["cat/0.png"].read() == b"last"
    assert catalog.ledger["cat/0.png (again)"].detail == "replaced: a later member of this name"


@pytest.mark.parametrize("kind", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_an_archive_cut_off_anywhere_is_damaged_or_says_what_is_missing(kind, tmp_path):
    path = archived(tmp_path / kind)
    raw, whole = path.read_bytes(), len(read(path))
    for length in (10, 300, 600, len(raw) // 2, len(raw) - 9000 if kind == "a.tar" else len(raw) - 10):
        path.write_bytes(raw[:length])
        try:
            catalog = read(path)
        except StriateError as error:
            said = str(error)
            assert str(path) in said
        else:  # a tar that was cut between two members: it lacks its end
            assert kind == "a.tar"
            assert length % 512 == 0
            assert len(catalog) < whole
            assert catalog.ledger["a.tar (end)"].detail.startswith("no end mark: the archive may be cut off")


def test_garbage_between_the_members_of_a_tar_is_no_silent_end(tmp_path):
    path = forms.write_tar(tmp_path / "a.tar", forms.class_folders())
    raw = bytearray(path.read_bytes())
    second = 512 + -(-len(forms.picture(0, 0)) // 512) * 512
    raw[second : second + 512] = b"\x55" * 512
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"a.tar is damaged after its member 'cat/0.png'"):
        read(path)


def test_a_flipped_byte_is_that_images_matter(tmp_path):
    path = forms.write_zip(tmp_path / "a.zip", forms.class_folders(n=4), zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    raw[raw.index(forms.picture(0, 2)) + 60] ^= 1
    path.write_bytes(raw)
    images = prepare(read(path))
    assert len(images) == 7
    assert images.ledger["cat/2.png"].detail.startswith("damaged: size or checksum of the member")


def test_a_member_that_lies_about_its_size_is_skipped(tmp_path):
    path = forms.write_zip(tmp_path / "a.zip", forms.class_folders(n=4))
    size = struct.pack("<I", len(forms.picture(0, 2)))
    path.write_bytes(path.read_bytes().replace(size, struct.pack("<I", 7)))
    images = prepare(read(path))
    assert images.ledger["cat/2.png"].detail.startswith("damaged: size or checksum")


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz", "a.tar.xz"])
def test_bombs_are_refused_by_their_member(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(bombs, "HARMLESS_BYTES", 1 << 20)
    files = {**forms.class_folders(), "cat/bomb.png": bytes(64 << 20)}
    with pytest.raises(DataError, match=r"'cat/bomb.png' makes it a decompression bomb: .* would unpack to .* or more"):
        read(archived(tmp_path / kind, files))


def test_a_bomb_in_a_bomb_is_not_entered(tmp_path):
    inner = forms.write_zip(tmp_path / "inner.zip", {"cat/0.png": bytes(1 << 20)}).read_bytes()
    path = forms.write_zip(tmp_path / "a.zip", {f"{i}.zip": inner for i in range(16)})
    with pytest.raises(DataError, match=r"a.zip must hold images; it holds 0.zip, which is not looked into. Unpack"):
        read(path)


def test_members_that_share_their_bytes_are_refused(tmp_path):
    path = forms.write_zip(tmp_path / "a.zip", {"cat/0.png": b"a" * 5000, "cat/1.png": b"a" * 5000})
    raw = bytearray(path.read_bytes())
    second = raw.rindex(b"PK\1\2")
    raw[second + 42 : second + 46] = struct.pack("<I", 0)  # the second member lies where the first does
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"'cat/[01].png' shares its bytes with another"):
        read(path)


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "MOST_MEMBERS", 100)
    for name in ("a.zip", "a.tar.gz"):
        with pytest.raises(DataError, match=r"is one of more than 100"):
            read(archived(tmp_path / name, {f"cat/{i}.png": b"" for i in range(101)}))


def test_many_empty_members_are_told_in_few_words(tmp_path):
    path = forms.write_tar(tmp_path / "a.tar", {f"cat/{i}.png": b"" for i in range(3000)})
    with pytest.raises(DataError, match=r"none of the 3,000 images .* can be decoded. cat/0.png: empty file") as caught:
        prepare(read(path))
    assert len(str(caught.value)) < 400


def test_a_tar_of_backward_sizes_comes_to_an_end(tmp_path):
    head = bytearray(tarfile.TarInfo("cat/0.png").tobuf())
    head[124:136] = b"\xff" * 8 + struct.pack(">i", -512)  # base 256, negative
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    (tmp_path / "a.tar").write_bytes(head + bytes(2048))
    with pytest.raises(DataError, match=r"a.tar"):
        read(tmp_path / "a.tar")


@pytest.mark.parametrize(("flag", "method", "why"), [(1, 8, "encrypted"), (0, 14, "packed by a method .*LZMA")])
def test_members_that_cannot_be_unpacked_are_skipped_with_the_reason(flag, method, why, tmp_path):
    path = forms.write_zip(tmp_path / "a.zip", forms.class_folders())
    raw = bytearray(path.read_bytes())
    entry = raw.index(b"PK\1\2")
    raw[entry + 8 : entry + 12] = struct.pack("<HH", flag, method)
    path.write_bytes(raw)
    assert pytest.importorskip("re").match(why, read(path).ledger["cat/0.png"].detail)


def test_the_cache_knows_when_an_archive_changes(tmp_path):
    path = forms.write_zip(tmp_path / "a.zip", forms.class_folders(), zipfile.ZIP_STORED)
    one = prepare(read(path))
    files = forms.class_folders()
    files["cat/0.png"] = forms.picture(1, 77)
    two = prepare(read(forms.write_zip(path, files, zipfile.ZIP_STORED)))
    assert one.hashes[0] != two.hashes[0]
    assert one.hashes[1:].tolist() == two.hashes[1:].tolist()


def test_an_archive_that_was_prepared_is_not_read_again(tmp_path, monkeypatch):
    path = forms.write_zip(tmp_path / "a.zip", forms.class_folders())
    import os

    os.utime(path, (1_000_000_000, 1_000_000_000))
    monkeypatch.setattr("striate.data.preparing.prepare.RACY_NS", 0)
    prepare(read(path))
    monkeypatch.setattr(members.Deflated, "read", lambda self: pytest.fail("read again"))
    assert len(prepare(read(path))) == 6


def test_what_was_unpacked_goes_when_the_process_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    left = tmp_path / "temporary" / f"striate-{tars.host_name()}-999999999-x.tar"
    left.write_bytes(b"a killed process left it")
    catalog = read(archived(tmp_path / "a.tar.gz"))
    unpacked = catalog.images[0].unpacked
    assert unpacked.parent == tmp_path / "temporary"
    assert not left.exists()
    assert read(tmp_path / "a.tar.gz").images[0].unpacked == unpacked  # once is enough
    tars._remove(unpacked, 0)
    assert unpacked.exists(), "a worker must leave it alone"


TABLE = b"file,label,split\n" + b"".join(
    b"%d.png,%s,%s\n" % (i, b"ab"[i % 2 : i % 2 + 1], b"train" if i < 4 else b"test") for i in range(6)
)
PICS = {f"set/pics/{i}.png": forms.picture(i % 2, i) for i in range(7)}


@pytest.mark.parametrize("kind", ["a.zip", "a.tar", "a.tar.gz"])
def test_a_table_with_its_images(kind, tmp_path):
    catalog = read(archived(tmp_path / kind, {"set/labels.csv": TABLE, **PICS}))
    assert catalog.names == [f"{i}.png" for i in range(6)]
    assert catalog.classes == ("a", "b")
    assert catalog.splits.tolist() == ["train"] * 4 + ["test"] * 2
    assert [way.read() for way in catalog.images] == [PICS[f"set/pics/{i}.png"] for i in range(6)]
    assert all(isinstance(way, Stored) for way in catalog.images)
    assert catalog.ledger["set/labels.csv"].status == "used"
    assert catalog.ledger["set/pics/6.png"].detail == "set aside as not named by the archive's table"
    assert list(catalog.columns) == ["file", "label", "split"]


def test_a_sample_submission_is_not_taken_for_the_labels(tmp_path):
    submission = TABLE.replace(b",a,", b",b,")
    files = {"train.csv": TABLE, "sample_submission.csv": submission, **PICS}
    assert read(forms.write_zip(tmp_path / "a.zip", files)).labels.tolist() == [0, 1] * 3


PIXELS = ("label," + ",".join(f"pixel{i}" for i in range(64)) + "\n").encode() + b"".join(
    (f"{i % 2}," + ",".join(str((i * 7 + j) % 256) for j in range(64)) + "\n").encode() for i in range(6)
)


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
@pytest.mark.parametrize("beside", [{}, {"test.csv": PIXELS.replace(b"label,", b"").replace(b"\n0,", b"\n")}])
def test_a_table_of_pixels_needs_no_images_beside_it(kind, beside, tmp_path):
    catalog = read(
        archived(tmp_path / kind, {"set/train.csv": PIXELS, "sample_submission.csv": b"id,label\n", **beside})
    )
    assert catalog.images.shape == (6, 8, 8, 1)
    assert catalog.labels.tolist() == [0, 1] * 3
    assert catalog.source == str(tmp_path / kind)
    assert catalog.format == "archive"
    assert catalog.ledger["set/train.csv"].status == "used"
    assert all(catalog.ledger[name].status == "skipped" for name in beside)


def test_a_table_that_cannot_be_read_says_why_itself(tmp_path):
    cut = b"\n".join(line.rpartition(b",")[0] for line in PIXELS.splitlines())
    with pytest.raises(DataError, match=r"a.zip/train.csv has 63 pixels a row, which is no square"):
        read(forms.write_zip(tmp_path / "a.zip", {"train.csv": cut}))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_packed_by_other_methods_name_the_way_out(method, tmp_path):
    path = forms.write_zip(tmp_path / "a.zip", forms.class_folders(), method)
    with pytest.raises(DataError, match=r"cat/0.png is packed by a method.*Unpack the archive and give the folder"):
        read(path)


def test_several_tables_are_named(tmp_path):
    files = {"one.csv": TABLE, "two.csv": TABLE, **PICS}
    with pytest.raises(DataError, match=r"holds 2 tables that name images and classes: one.csv, two.csv. Unpack it"):
        read(forms.write_zip(tmp_path / "a.zip", files))


def test_class_folders_go_before_a_table_beside_them(tmp_path):
    catalog = read(forms.write_zip(tmp_path / "a.zip", {**forms.class_folders(), "notes.csv": b"a,b\n1,2\n"}))
    assert catalog.classes == ("cat", "dog")
    assert catalog.ledger["notes.csv"].detail.startswith("set aside as a table")


def test_metadata_and_coco_in_an_archive(tmp_path):
    rows = b"".join(b'{"file_name": "%d.png", "label": "%s"}\n' % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(7))
    catalog = read(forms.write_zip(tmp_path / "a.zip", {"set/pics/metadata.jsonl": rows, **PICS}))
    assert catalog.classes == ("a", "b")
    assert len(catalog) == 7
    import json

    annotations = json.dumps(forms.coco({f"{i}.png": [i % 2] for i in range(7)})).encode()
    catalog = read(forms.write_zip(tmp_path / "b.zip", {"set/pics/_annotations.coco.json": annotations, **PICS}))
    assert catalog.classes == ("cat", "dog")
    assert catalog.images[3].read() == PICS["set/pics/3.png"]


def test_a_tar_of_another_kind_of_file_says_what_it_holds(tmp_path):
    with pytest.raises(DataError, match=r"a.tar must hold images; none of its 1 files is one \(notes.txt"):
        read(forms.write_tar(tmp_path / "a.tar", {"notes.txt": b"x"}))


def test_a_deflate_stream_that_never_ends_is_cut_at_the_declared_size(tmp_path):
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(bytes(4 << 20)) + packer.flush()
    way = members.Deflated(tmp_path / "x", 0, len(packed), 1000, 8, 0)
    (tmp_path / "x").write_bytes(b"PK\3\4" + bytes(26) + packed)
    with pytest.raises(DataError, match="size or checksum"):
        way.read()
    assert io.BytesIO(packed).getbuffer().nbytes < 10_000


def test_a_member_without_a_name_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b", b"x")
    raw = bytearray(path.read_bytes())
    about = raw.index(b"PK\x01\x02")
    raw[about + 28 : about + 32] = b"\0\0\1\0"  # the letter of its name is something besides
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"a\.zip: its member '' has no name"):
        read(path)


def test_a_column_that_is_named_has_the_table_go_before_class_folders(tmp_path):
    table = "file,kind\n" + "".join(f"{c}/{i}.png,{i % 2}\n" for c in ("cat", "dog") for i in range(3))
    path = forms.write_zip(tmp_path / "a.zip", {**forms.class_folders(), "kinds.csv": table.encode()})
    assert read(path).classes == ("cat", "dog")
    assert read(path, label_column="kind").classes == ("0", "1")
    with pytest.raises(DataError, match="colour"):
        read(path, label_column="colour")
    with pytest.raises(DataError, match="holds no table, whose columns could be named"):
        read(forms.write_zip(tmp_path / "b.zip", forms.class_folders()), label_column="kind")


def test_the_table_of_an_archive_goes_before_parts_that_are_no_classes(tmp_path):
    files = {f"part_{1 + i // 4}/{i}.png": forms.picture(i % 2, i) for i in range(8)}
    table = "image_id,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(8))
    catalog = read(forms.write_zip(tmp_path / "a.zip", {**files, "meta.csv": table.encode()}))
    assert catalog.classes == ("a", "b")
    assert not catalog.doubts


def test_a_table_whose_columns_are_not_known_is_named_with_the_options(tmp_path):
    files = {f"train/{i}.png": forms.picture(i % 2, i) for i in range(6)}
    table = "id_code,diagnosis\n" + "".join(f"{i},{i % 2}\n" for i in range(6))
    path = forms.write_zip(tmp_path / "a.zip", {**files, "train.csv": table.encode()})
    with pytest.raises(DataError, match=r"If train\.csv in it has their labels, name its columns with --image-column"):
        check_trainable(read(path))
    with pytest.raises(DataError, match="training needs a label"):  # and nothing to name
        check_trainable(read(forms.write_zip(tmp_path / "b.zip", files)))


def test_doubts_of_folders_in_an_archive_name_what_an_archive_takes(tmp_path):
    files = {f"part_{1 + i // 4}/{i}.png": forms.picture(i % 2, i) for i in range(8)}
    path = forms.write_zip(tmp_path / "a.zip", files)
    with pytest.raises(DataError, match=r"put it into the archive, or unpack this one\. If they .* --format archive"):
        check_trainable(read(path))
    check_trainable(read(path, format="archive"))
