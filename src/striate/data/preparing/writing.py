"""Writing prepared images: aside on the disk, synced and renamed when whole; or into memory."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from striate.data.preparing.cache import VERSION, Prepared, load, sweep
from striate.errors import StorageError
from striate.system.devices import memory_bytes
from striate.system.owners import host_name
from striate.units import say_bytes

# Larger images are written straight from where they are. What is written is brought to the disk beside the decoding, so
# much at a time: all of it at the end would be waited for.
_BUFFER_BYTES, _SYNCED_BYTES = 64 << 10, 32 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Writer:
    """Writes one entry into a temporary folder and renames it when it is whole; a context manager.

    Arguments:
        cache_dir: the cache, made if need be.
        key: the entry's name.
        count: how many images there will be at most.
        image_shape: (h, w, c).

    Raises:
        StorageError: the disk is too full; nothing is left behind.
        OSError: the cache cannot be written for another reason.
    """

    def __init__(self, cache_dir: Path, key: str, count: int, image_shape: tuple[int, int, int]):
        self._cache_dir, self._key, self._image_shape = cache_dir, key, image_shape
        self._written = self._synced_bytes = 0
        self._syncing, self._syncs = ThreadPoolExecutor(1, "striate-sync"), list[Future[None]]()
        self._needed_bytes = count * int(np.prod(image_shape))
        self._header = _npy_header((count, *image_shape))
        with self._guarded():
            cache_dir.mkdir(parents=True, exist_ok=True)
            sweep(cache_dir)
            if shutil.disk_usage(cache_dir).free < self._needed_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            prefix = f"tmp-{host_name()}-{os.getpid()}-"
            self._folder = Path(tempfile.mkdtemp(prefix=prefix, dir=cache_dir))
            try:
                self._file: BinaryIO = open(self._folder / "pixels.npy", "wb", _BUFFER_BYTES)  # noqa: SIM115 - closed in __exit__
                self._file.write(self._header)
            except BaseException:
                shutil.rmtree(self._folder, ignore_errors=True)
                raise

    def append(self, images: Sequence[np.ndarray]) -> None:
        """Write images, uint8 (h, w, c) each, behind what is there."""
        with self._guarded():
            for image in images:
                self._file.write(np.ascontiguousarray(image).data)
        self._written += len(images)
        bytes_written = self._written * int(np.prod(self._image_shape))
        if bytes_written - self._synced_bytes >= _SYNCED_BYTES and all(sync.done() for sync in self._syncs):
            self._synced_bytes = bytes_written
            self._syncs.append(self._syncing.submit(os.fsync, self._file.fileno()))

    def commit(self, made: Prepared, source: str) -> Prepared:
        """Make the entry permanent and return it memory-mapped; `made.pixels` is ignored."""
        about = {
            "version": VERSION,
            "source": source,
            "shape": [self._written, *self._image_shape],
            "skipped": list(made.skipped.items()),
            "repaired": list(made.repaired.items()),
        }
        with self._guarded():
            for sync in self._syncs:
                sync.result()  # a failure is told to whoever asks first, and to nobody again
            header = _npy_header((self._written, *self._image_shape))
            assert len(header) == len(self._header), "NumPy leaves room for the first axis to change"
            self._file.seek(0)
            self._file.write(header)
            _close_synced(self._file)
            with open(self._folder / "hashes.npy", "wb") as file:
                np.save(file, made.hashes)
                _close_synced(file)
            with open(self._folder / "about.json", "wb") as file:
                file.write(json.dumps(about, ensure_ascii=False).encode())
                _close_synced(file)
            _sync_folder(self._folder)
            self._publish()
        found = load(self._cache_dir, self._key)
        if found is None:
            raise StorageError(f"{self._cache_dir / self._key} was removed or damaged while in use; run again")
        return found

    def _publish(self) -> None:
        final = self._cache_dir / self._key
        for _ in range(3):
            try:
                os.rename(self._folder, final)
            except OSError:
                if not final.exists():
                    raise
                if load(self._cache_dir, self._key):
                    return  # another process was faster
                broken = self._folder.with_name(self._folder.name + "-broken")
                with contextlib.suppress(OSError):
                    os.rename(final, broken)
                shutil.rmtree(broken, ignore_errors=True)
            else:
                _sync_folder(self._cache_dir)
                return

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise StorageError(
                f"no space for the prepared images: {say_bytes(self._needed_bytes)} needed in {self._cache_dir}. "
                "Free some (striate cache --clear), choose a smaller --size, or set STRIATE_CACHE to another disk"
            ) from error

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._syncing.shutdown(wait=True, cancel_futures=True)
        with contextlib.suppress(OSError):
            self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class MemoryWriter:
    """The `Writer` for images that stay in memory."""

    def __init__(self, count: int, image_shape: tuple[int, int, int]):
        self._pixels = np.empty((count, *image_shape), np.uint8)
        self._written = 0

    def append(self, images: Sequence[np.ndarray]) -> None:
        """Keep images, uint8 (h, w, c) each, behind what is there."""
        for place, image in enumerate(images, self._written):
            self._pixels[place] = image
        self._written += len(images)

    def commit(self, made: Prepared, source: str) -> Prepared:
        """Return what was kept."""
        pixels = self._pixels[: self._written]
        pixels.flags.writeable = False
        return Prepared(pixels, made.hashes, made.skipped, made.repaired)

    def __enter__(self) -> MemoryWriter:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    description: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)  # pyright: ignore[reportAttributeAccessIssue]
    return buffer.getvalue()


def _close_synced(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def open_writer(
    cache_dir: Path, key: str, count: int, image_shape: tuple[int, int, int]
) -> tuple[Writer | MemoryWriter, tuple[str, ...]]:
    """Open the cache for writing, or memory if the cache cannot be written."""
    try:
        return Writer(cache_dir, key, count, image_shape), ()
    except StorageError:
        raise
    except OSError as error:
        needed_bytes = count * int(np.prod(image_shape))
        if needed_bytes > memory_bytes() / 4:
            raise StorageError(
                f"the cache {cache_dir} cannot be written ({error.strerror}), and {say_bytes(needed_bytes)} of "
                "prepared images are too many for memory. Set STRIATE_CACHE to a folder that can be written"
            ) from error
        return MemoryWriter(count, image_shape), (
            f"the cache {cache_dir} cannot be written ({error.strerror}); the images stay in memory, for this run only",
        )
