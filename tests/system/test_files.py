import errno
import os
import subprocess
import sys
import threading

import pytest
from safetensors.numpy import save_file

from striate.errors import StorageError
from striate.system.files import open_descriptor, replace_atomically, write_atomically

posix = pytest.mark.skipif(os.name != "posix", reason="links and devices are other things here")


def test_writes_text_and_bytes(tmp_path):
    write_atomically(tmp_path / "new" / "a", "ä")
    assert (tmp_path / "new" / "a").read_bytes() == "ä".encode()


def test_a_failure_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")

    def full(temporary):
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StorageError, match=r"cannot write .*a: the disk is full.*kept"):
        replace_atomically(path, full)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        write_atomically(tmp_path / "a" / "b", "x")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_truly_full_disk(tmp_path):
    def write(temporary):
        with open("/dev/full", "wb", buffering=0) as file:
            file.write(b"x")

    with pytest.raises(StorageError, match="the disk is full"):
        replace_atomically(tmp_path / "a", write)


@posix
@pytest.mark.parametrize("leads_to", ["there", "nowhere/yet", "other_link"])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path, leads_to):
    (tmp_path / "there").write_text("old")
    (tmp_path / "other_link").symlink_to("there")
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "link"
    link.symlink_to(f"../{leads_to}")
    write_atomically(link, "new")
    assert link.is_symlink()
    assert (tmp_path / leads_to).read_text() == "new"
    assert not list(tmp_path.rglob("*.tmp"))


@posix
def test_links_in_a_circle(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StorageError, match=r"cannot write .*a: .*links"):
        write_atomically(tmp_path / "a", "x")
    assert (tmp_path / "a").is_symlink()


@posix
def test_a_pipe_gets_what_is_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    heard = []
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_atomically(tmp_path / "pipe", b"x" * 300_000)
    reader.join(10)
    assert heard == [b"x" * 300_000]
    assert (tmp_path / "pipe").is_fifo()


@posix
@pytest.mark.parametrize("device", ["/dev/null", "LINK"])
def test_a_device_stays_a_device(tmp_path, device):
    (tmp_path / "link").symlink_to("/dev/null")
    write_atomically(tmp_path / "link" if device == "LINK" else device, "x")
    assert not os.path.isfile("/dev/null")
    assert (tmp_path / "link").is_symlink()


SENDING = """
from striate.system.files import write_atomically
print("first")
write_atomically({path!r}, "second\\n")
print("third", flush=True)
"""


@posix
@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "LINK"])
@pytest.mark.parametrize("sink", ["pipe", "file"])
def test_standard_output_is_gone_on_with(tmp_path, path, sink):
    if path == "LINK":
        path = str(tmp_path / "link")
        os.symlink("/dev/stdout", path)
    command = [sys.executable, "-c", SENDING.format(path=path)]
    if sink == "pipe":
        got = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    else:
        (tmp_path / "out").write_text("zeroth\n")
        with open(tmp_path / "out", "a") as out:
            subprocess.run(command, check=True, stdout=out)
        got = (tmp_path / "out").read_text().removeprefix("zeroth\n")
        assert (tmp_path / "out").read_text() != got, "what was there before is gone"
    assert got == "first\nsecond\nthird\n"
    assert os.path.exists("/dev/stdout")


@posix
def test_what_is_no_descriptor(tmp_path):
    (tmp_path / "1").symlink_to("2")
    assert open_descriptor(tmp_path / "1") is None
    assert open_descriptor("/dev/null") is None
    assert open_descriptor("/dev/stderr") == 2


@posix
def test_what_was_private_stays_private(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o600)
    write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_device(tmp_path):
    with pytest.raises(StorageError, match="cannot write /dev/full: the disk is full"):
        write_atomically("/dev/full", "x")


def test_a_small_disk(small_disk):
    """Writers that are no Python tell of a full disk in their own way."""
    import numpy as np

    (small_disk / "a").write_text("old")
    tensors = {"x": np.zeros(200_000, np.float32)}
    for write in (lambda path: save_file(tensors, path), lambda path: path.write_bytes(bytes(800_000))):
        with pytest.raises(StorageError, match=r"cannot write .*a: the disk is full"):
            replace_atomically(small_disk / "a", write)
        assert os.listdir(small_disk) == ["a"]
        assert (small_disk / "a").read_text() == "old"
