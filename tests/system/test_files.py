import errno
import os

import pytest

from striate.errors import StorageError
from striate.system.files import replace_atomically, write_atomically


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
