"""Fetching published files once: resumed where a connection broke, checked against their digests, never half there."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from striate.errors import DataError, StorageError
from striate.observer import Progress, silent
from striate.system.files import write_failure

_BLOCK = 1 << 18
_ATTEMPTS = 4
_LARGEST_BYTES = 4 << 30  # of a file whose size nobody published
_BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


class DownloadError(DataError, ConnectionError):
    """A published file cannot be fetched; the message is the reason."""


@dataclass(frozen=True)
class Published:
    """A file that its authors publish.

    Arguments:
        name: the file's name.
        urls: where it can be had, the best first.
        digest: `md5:…` or `sha256:…`, as published: the whole of it or its first digits.
        size_bytes: its size, None where it is not published; a server that sends more is not listened to.
    """

    name: str
    urls: tuple[str, ...]
    digest: str
    size_bytes: int | None = None


def file_digest(path: Path, like: str) -> str:
    """Return the digest of a file in the form of `like`: `md5:…` or `sha256:…`."""
    kind = like.partition(":")[0]
    with open(path, "rb") as file:
        return f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"


def fetch(published: Published, folder: Path, *, progress: Progress = silent, timeout_s: float = 30) -> Path:
    """Fetch a published file into `folder`, unless it is there, and return its path.

    What arrives is kept in `NAME.part`, from which a later call goes on, and gets its name once its digest is right.
    Two processes do not write at once: the second waits for the first.

    Arguments:
        published: the file.
        folder: where to; made if need be.
        progress: told the bytes that are there and the bytes in all.
        timeout_s: how long to wait for a silent server, in seconds.

    Raises:
        DownloadError: no address gives the file with the published digest.
        StorageError: the disk is full or the folder not writable.
    """
    target = folder / published.name
    if target.is_file():
        return target
    part = folder / (published.name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(part) as file:
            if not target.is_file():  # another process may have brought it while this one waited
                _fetch_any(published, file, progress, timeout_s)
                os.fsync(file.fileno())
                os.replace(part, target)
    except OSError as error:
        if isinstance(error, DownloadError):
            raise
        raise StorageError(write_failure(error, part)) from error
    return target


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[io.FileIO]:
    """Open a file for appending, alone among processes where the system has locks (not on Windows)."""
    with open(path, "a+b", buffering=0) as file:
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _fetch_any(published: Published, file: io.FileIO, progress: Progress, timeout_s: float) -> None:
    """Try each address in turn until the file is whole and its digest right."""
    reasons = []
    for url in published.urls:
        reason = ""
        for _ in range(_ATTEMPTS):
            before = _size(file)
            reason = _go_on(url, published, file, progress, timeout_s)
            if not reason:
                if _checked(published, file):
                    return
                reason = "what it sends has not the published digest"
                if not before:  # all of it came from there, nothing was left from before
                    break
            elif _size(file) <= before:  # no nearer
                break
        reasons.append(f"{url.split('/')[2]}: {reason}")
    raise DownloadError("; ".join(reasons))


def _size(file: io.FileIO) -> int:
    return os.fstat(file.fileno()).st_size


def _go_on(url: str, published: Published, file: io.FileIO, progress: Progress, timeout_s: float) -> str:
    """Append to `file` what it lacks; return why it is still not whole, or nothing."""
    done, size = _size(file), published.size_bytes
    if done > (size or _LARGEST_BYTES):
        file.truncate(done := 0)
    if done == size:
        return ""
    headers = {"User-Agent": "striate"} | ({"Range": f"bytes={done}-"} if done else {})
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (our own urls)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            if done and not _continues(answer, done):
                file.truncate(done := 0)
            size = size or done + int(answer.headers.get("Content-Length") or 0)
            most = size if size > done else _LARGEST_BYTES
            while done < most and (block := answer.read(min(_BLOCK, most - done))):
                file.write(block)
                done += len(block)
                progress(f"fetching {published.name}", done, size)
    except urllib.error.HTTPError as error:
        error.close()
        # There is nothing beyond what is here: the digest says whether it is the whole.
        return "" if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE else str(error.reason)
    except _BROKEN as error:
        return str(getattr(error, "reason", error) or type(error).__name__)
    return "" if done >= size else f"ends after {done:,} of {size:,} bytes"


def _continues(answer: http.client.HTTPResponse, start: int) -> bool:
    """Whether the server gives the rest from byte `start`, and not the whole file again."""
    return answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {start}-")


def _checked(published: Published, file: io.FileIO) -> bool:
    """Whether the whole file has the published digest; if not, it is emptied."""
    file.seek(0)
    kind, _, digest = published.digest.partition(":")
    if hashlib.file_digest(file, kind).hexdigest().startswith(digest):
        return True
    file.truncate(0)
    return False
