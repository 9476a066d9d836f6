"""Locks between processes: who comes second is told, and no file is taken from under somebody's feet."""

import os
import subprocess
import sys

import filelock
import pytest

from striate.errors import StorageError, TrainingError
from striate.system.locks import Lock, is_taken


def take(lock):
    lock.take(TrainingError("it is taken"), lambda error: StorageError(f"cannot: {error.strerror}"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "not yet" / ".lock"


def test_who_comes_second_is_told_until_the_first_lets_go(path):
    first, second = Lock(path), Lock(path)
    take(first)
    with pytest.raises(TrainingError, match="it is taken"):
        take(second)
    first.release(remove=False)
    take(second)
    second.release(remove=False)


def test_another_process_is_seen_and_a_killed_one_has_let_go(path):
    path.parent.mkdir()
    code = "import sys, filelock\nwith filelock.FileLock(sys.argv[1]): print('taken', flush=True), sys.stdin.read()"
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "taken\n"
        assert is_taken(path)
        with pytest.raises(TrainingError, match="it is taken"):
            take(Lock(path))
        other.kill()
        other.wait()
        assert not is_taken(path)
        take(Lock(path))


def test_asking_makes_no_file(path):
    assert not is_taken(path)
    assert not path.parent.exists()


def test_the_file_system_may_refuse(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot: (File exists|Not a directory)"):
        take(Lock(tmp_path / "file" / ".lock"))


@pytest.mark.skipif(os.name != "posix", reason="an open file is not removed elsewhere")
def test_the_file_goes_while_it_is_held(path, monkeypatch):
    seen = []

    class Watched(filelock.FileLock):
        def release(self, force=False):
            if self.is_locked:
                seen.append(os.path.exists(self.lock_file))
            super().release(force)

    monkeypatch.setattr(filelock, "FileLock", Watched)
    lock = Lock(path)
    take(lock)
    lock.release(remove=True)
    assert seen == [False]
    assert not path.exists()
