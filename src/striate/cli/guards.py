"""What a command writes never lands on what it reads, nor on an image that is not of its making."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def check_page_file(page: Path, model: Path | None, inputs: Iterable[str | Path | None] = ()) -> None:
    """Raise an ArgumentError where a page is not named as one, or would overwrite what the command reads.

    Arguments:
        model, inputs: see `check_spared`.
    """
    from striate.errors import ArgumentError
    from striate.system.files import is_plain_file

    check_spared(page, model, inputs)
    if page.suffix.lower() not in (".html", ".htm") and (is_plain_file(page) or page.is_dir()):
        raise ArgumentError(f"a page's name must end in .html; got {page}. Try {page.stem or 'page'}.html")


def check_spared(out: Path | None, model: Path | None, inputs: Iterable[str | Path | None] = ()) -> None:
    """Raise an ArgumentError where what is written overwrites the model, an input or any image; links are followed.

    Arguments:
        out: the file that is to be written; None where none is.
        model: a model file, or the name of a net; None where there is none.
        inputs: files, folders and patterns, as the user gave them; what is not there counts as nothing.
    """
    if out is None or not out.is_file():
        return
    import glob
    import os

    from striate.data.readers.walking import IMAGE_TYPES
    from striate.errors import ArgumentError

    what = ""
    for given in filter(None, inputs):
        word = os.path.expanduser(given)
        paths = [word] if os.path.lexists(word) else glob.iglob(word, recursive=True)
        if any(os.path.isfile(path) and os.path.samefile(out, path) for path in paths):
            what = "is what the command reads"
    if model and model.is_file() and os.path.samefile(out, model):
        what = "is the model itself"
    if not what and Path(os.path.realpath(out)).suffix.lower() in {*IMAGE_TYPES, ".striate"}:
        what = "is an image or a model that is there already"
    if what:
        raise ArgumentError(f"{out} {what}, which is not overwritten. Name another file")
