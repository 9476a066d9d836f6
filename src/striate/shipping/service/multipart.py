"""multipart/form-data of a body that is in memory: cut where its boundary is, every part a view on it.

A body is attacked by its boundaries and by the number of its parts: the cuts are found by one search of C speed, and
no more are looked for than files may come. Source: RFC 7578 and RFC 2046, section 5.1.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

from striate.shipping.service.limits import RefusedError

_MOST_HEAD_BYTES = 8192
_PARAMETER = re.compile(r';\s*([\w!#$%&\'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')


@dataclass(frozen=True, slots=True)
class FormPart:
    """One part of a form: the field's `name`, its `filename` (None where it is no file), its content."""

    name: str
    filename: str | None
    content: memoryview


def parameters_of(header: str) -> tuple[str, dict[str, str]]:
    """Return a header's first word, in small letters, and its parameters.

    >>> parameters_of('form-data; name="file"; filename="a \\\\"b\\\\".png"')
    ('form-data', {'name': 'file', 'filename': 'a "b".png'})
    """
    word = header.split(";", 1)[0].strip().lower()
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(header):
        name, quoted, plain = match.groups()
        found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain)
    return word, found


def form_parts(body: bytes | bytearray, content_type: str, most: int) -> Iterator[FormPart]:
    """Yield the parts of a form.

    Arguments:
        content_type: the header, with the boundary.
        most: how many parts may come.

    Raises:
        RefusedError: 400 where it is no whole form, 413 where there are more parts.
    """
    boundary = parameters_of(content_type)[1].get("boundary", "")
    if not 1 <= len(boundary) <= 70 or not boundary.isascii():
        raise _malformed("its content-type names no boundary of 1 to 70 letters")
    mark = b"\r\n--" + boundary.encode("ascii")
    view = memoryview(body)
    opening = mark[2:]
    if not body.startswith(opening):
        start = body.find(mark)  # a preamble, which nobody reads
        if start < 0:
            raise _malformed("its boundary is not there")
        at = start + len(mark)
    else:
        at = len(opening)
    for count in range(most + 2):
        after = bytes(view[at : at + 80])
        if after.startswith(b"--"):
            return
        padding = len(after) - len(after.lstrip(b" \t"))
        if after[padding : padding + 2] != b"\r\n":
            raise _malformed("it ends before its last boundary")
        if count >= most:
            raise RefusedError(
                413, "too-many-images", f"a request must have at most {most} images. Send several requests"
            )
        start = at + padding
        end = body.find(mark, start)  # of an empty part its head's own line end is the mark's
        if end < 0:
            raise _malformed("it ends before its last boundary")
        yield _part(bytes(view[start : min(end, start + _MOST_HEAD_BYTES + 4)]), view[start:end])
        at = end + len(mark)


def _part(beginning: bytes, whole: memoryview) -> FormPart:
    head, gap, _ = beginning.partition(b"\r\n\r\n")
    if not gap:
        raise _malformed(f"a part has no head, or one of more than {_MOST_HEAD_BYTES:,} bytes")
    for line in head.decode("utf-8", "replace").split("\r\n"):
        field, _, value = line.partition(":")
        if field.strip().lower() == "content-disposition":
            word, said = parameters_of(value)
            if word == "form-data":
                return FormPart(said.get("name", ""), _file_name(said), whole[len(head) + 4 :])
    raise _malformed("a part lacks the header content-disposition: form-data")


def _file_name(said: dict[str, str]) -> str | None:
    if "filename*" in said:
        charset, _, value = said["filename*"].partition("''")
        if charset.lower() == "utf-8":
            return urllib.parse.unquote(value, "utf-8", "replace")
    return said.get("filename")


def _malformed(why: str) -> RefusedError:
    return RefusedError(
        400, "malformed-form", f"the body must be a whole multipart/form-data: {why}. Use a client's own form"
    )
