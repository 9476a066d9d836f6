"""Published weights: found on this machine, or downloaded once with a checked digest."""

from __future__ import annotations

import os
import socket
import urllib.parse
from contextlib import suppress
from pathlib import Path

from striate.errors import ArgumentError, SourceNotFoundError, StriateError
from striate.nets.zoo import ZOO, Architecture
from striate.nets.zoo.registry import PublishedWeights
from striate.observer import Progress, silent
from striate.system import downloads as downloading
from striate.system.cache import cache_folder


def find_weights(
    architecture: Architecture, weights: str | os.PathLike[str], progress: Progress = silent
) -> tuple[Path, PublishedWeights | None]:
    """Return the file of weights, downloaded if need be, and which published version it is.

    Raises:
        ArgumentError: torchvision does not publish what is asked for.
        SourceNotFoundError: the file does not exist or cannot be downloaded.
    """
    wish = str(weights)
    if not wish.startswith("imagenet") or Path(wish).suffix:
        return Path(weights), None
    number = {"imagenet": 0, "imagenet-v1": 0, "imagenet-v2": 1}.get(wish, 99)
    if number >= len(architecture.published):
        known = ", ".join(f"imagenet-v{i + 1}" for i in range(len(architecture.published))) or "none"
        raise ArgumentError(f"{architecture.name} has no published weights {wish!r}. Published: {known}")
    published = architecture.published[number]
    return fetch_weights(published, cache_folder("weights"), progress), published


def available_weights(name: str, progress: Progress = silent) -> Path | None:
    """Return the file of a zoo net's published weights if it is there or can be had; None after two seconds of trying.

    Looked for in the folder that STRIATE_WEIGHTS names (NAME-….pth or .safetensors), then among the downloaded ones;
    then it is downloaded, if the server answers.

    Arguments:
        name: a zoo net.
        progress: told how far the download is.
    """
    if found := _kept(name):
        return found
    published = next(iter(ZOO[name].published), None)
    if published is None:
        return None
    with suppress(OSError, StriateError):
        socket.create_connection((urllib.parse.urlsplit(published.url).hostname or "", 443), timeout=2).close()
        return fetch_weights(published, cache_folder("weights"), progress)
    return None


def _kept(name: str) -> Path | None:
    """Return the file of a net's first published weights, if it is on this machine."""
    if own := os.environ.get("STRIATE_WEIGHTS"):
        for path in sorted(Path(own).glob(f"{name}-*")):
            if path.suffix in (".pth", ".safetensors"):
                return path
    published = next(iter(ZOO[name].published), None)
    path = cache_folder("weights") / published.file if published else None
    return path if path and path.is_file() else None


def fetch_weights(published: PublishedWeights, folder: Path, progress: Progress = silent) -> Path:
    """Download a published file into a folder unless it is there; its digest is checked before it gets its name.

    Raises:
        SourceNotFoundError: it cannot be had; the message says where to put the file by hand.
        StorageError: the file cannot be written.
    """
    file = downloading.Published(published.file, (published.url,), f"sha256:{published.digest}")
    try:
        return downloading.fetch(file, folder, progress=progress)
    except downloading.DownloadError as error:
        raise SourceNotFoundError(
            f"{published.url} cannot be downloaded: {error}. Fetch it elsewhere and name it with --weights FILE, "
            f"or put it at {folder / published.file}"
        ) from None
