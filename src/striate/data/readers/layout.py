"""How the text of a table is laid out: what stands above its header, what parts its cells, lists with blanks."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from striate.data.readers.folders import IMAGE_TYPES
from striate.errors import DataError, some

BLANKS = " "
DELIMITERS = ",;\t|"
# A row of numbers as programs write them where the decimal point is a comma: 0;0,59;0,8.
_NUMBERS_WITH_COMMAS = re.compile(r"\s*[+-]?\d+(?:,\d+)?(?:\s*[;\t]\s*[+-]?\d+(?:,\d+)?){2,}\s*")
DECIMAL_COMMA = re.compile(r"([+-]?\d+),(\d+)")
_LINE_END = re.compile(r"\r\n|\n|\r")
_LOOKED_AT = 30
_MOST_BEFORE = 10
_TYPES = "|".join(sorted((re.escape(kind) for kind in IMAGE_TYPES), key=len, reverse=True))
_NAMED = re.compile(rf"(.*?(?:{_TYPES}))(?:\s+(.*))?", re.IGNORECASE)
_QUOTED = re.compile(r'"([^"]+)"(?:\s+(.*))?')
_ENDS_AS_IMAGE = re.compile(rf".*(?:{_TYPES})", re.IGNORECASE)

Rows = list[tuple[int, list[str]]]


@dataclass(frozen=True)
class Layout:
    """Where a table begins in its text and how its cells are parted.

    Arguments:
        text: the table, without the comments above it.
        line: the number of the text's first line in the file.
        delimiter: one character; `BLANKS` for a list of a name, blanks, and the rest.
        header: the columns' names where a comment has them, as NumPy writes it.
    """

    text: str
    line: int
    delimiter: str
    header: tuple[str, ...] = ()


def find_layout(text: str, known: Collection[str]) -> Layout:
    """Return how a table is laid out, from its first lines.

    Arguments:
        text: of the whole file.
        known: names of columns, folded as by `fold`, by which a header is told from a comment.
    """
    told = re.match(r'"?sep=(.)"?\r?\n', text)  # how Excel is told the delimiter, and writes it
    if told:
        return Layout(text[told.end() :], 2, told[1])
    start, line, header = 0, 1, ()
    for end in _LINE_END.finditer(text):
        one = text[start : end.start()].strip()
        if one.startswith(("#", "%")) and not _is_row(one, known):
            header = header or _header_in(one, _first_line(text[end.end() :], known), known)
        elif one:
            break
        start, line = end.end(), line + 1
    text = text[start:]
    return Layout(text, line, _delimiter(text), header)


def with_point(cell: str) -> str:
    """Return a number with its decimal comma as a point, and any other text as it is.

    >>> with_point("-0,5"), with_point("a 0,5")
    ('-0.5', 'a 0,5')
    """
    return cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell) else cell


def is_utf16(raw: bytes) -> bool:
    """Return whether bytes are text in UTF-16: by their mark, or since every other one of the first four is nought."""
    marked = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    return marked or (len(raw) > 3 and tuple(map(bool, raw[:4])) in ((True, False) * 2, (False, True) * 2))


def decode_text(raw: bytes) -> str:
    """Return the text of `raw` in the encodings that spreadsheets write: UTF-8, UTF-16 or Windows-1252.

    Windows-1252 leaves five bytes undefined; those are read as Latin-1.
    """
    if is_utf16(raw):
        marked = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        return raw.decode("utf-16" if marked else "utf-16-le" if raw[0] else "utf-16-be", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            return raw.decode("cp1252")
        except UnicodeDecodeError:
            return raw.decode("latin-1")


def fold(column: str) -> str:
    """Return a column's name as names are compared: without case, `_` for blanks and hyphens.

    >>> fold(" File Name")
    'file_name'
    """
    return column.strip().casefold().replace(" ", "_").replace("-", "_")


def is_image_name(cell: str) -> bool:
    """Whether a cell ends as the name of an image file does."""
    return "." in cell and "." + cell.rpartition(".")[2].lower() in IMAGE_TYPES


def parse_rows(path: Path, layout: Layout) -> Rows:
    """Return (line, cells) of each row of a table that is not empty.

    Raises:
        DataError: a row cannot be read; the message names `path` and the line.
    """
    if layout.delimiter == BLANKS:
        return _split_blanks(layout.text, layout.line)
    reader = csv.reader(io.StringIO(layout.text, newline=""), delimiter=layout.delimiter, skipinitialspace=True)
    rows: Rows = []
    line = layout.line
    try:
        for cells in reader:
            if any("\n" in cell or "\r" in cell for cell in cells):
                _check_quotes(path, line, cells, layout.delimiter)
            if any(cell.strip() for cell in cells):
                rows.append((line, [cell.strip() for cell in cells]))
            line = reader.line_num + layout.line
    except csv.Error as error:
        raise DataError(f"{path}, line {line}, cannot be read as a table: {error}") from None
    return rows


def _check_quotes(path: Path, line: int, cells: Sequence[str], delimiter: str) -> None:
    """Refuse a cell that holds rows of the table: a quote in it was opened and never closed.

    Lines within quotes are text; they are rows where most have as many delimiters as the row would, or name an image.
    """
    for cell in cells:
        inner = [part for part in _LINE_END.split(cell)[1:] if part.strip()]
        usual = Counter(part.count(delimiter) for part in inner).most_common(1)[0] if inner else (0, 0)
        named = any(is_image_name(one.strip()) for part in inner if delimiter in part for one in part.split(delimiter))
        if named or (usual[0] and len(inner) > 2 and usual[1] >= 0.8 * len(inner)):
            start = some([_LINE_END.split(cell)[0]])
            raise DataError(
                f"{path}, line {line}: a quote is opened before {start} and not closed, so that {len(inner):,} rows "
                "would be one cell. Close it, or write it twice where it belongs to the text"
            )


def _split_blanks(text: str, first: int) -> Rows:
    """Return (line, cells) of each line of a list: a name, blanks, and the rest, which may hold blanks.

    Only where the rest is as many numbers in every line, two or more, is it one cell each.
    """
    rows: Rows = []
    lines = [(i, line.strip()) for i, line in enumerate(_LINE_END.split(text), first) if line.strip()]
    if len(lines) > 1 and lines[0][1].isdecimal():
        lines = lines[1:]  # some lists begin with the number of their lines
    if header := _header_of_flags(lines):
        return [(lines[0][0], header), *((i, line.split()) for i, line in lines[1:])]
    numbered = all(_is_numbered_name(line) for _, line in lines)
    for i, line in lines:
        name, _, rest = line.partition(BLANKS) if "\t" not in line else line.replace("\t", BLANKS).partition(BLANKS)
        found = None if numbered else _QUOTED.fullmatch(line) or _NAMED.fullmatch(line)
        rows.append((i, [found[1], found[2] or ""] if found else [name, rest.strip()]))
    parts = [rest.split() for _, (_, rest) in rows]
    if len(set(map(len, parts))) == 1 and len(parts[0]) > 1 and all(_is_number(one) for part in parts for one in part):
        return [(i, [name, *part]) for (i, (name, _)), part in zip(rows, parts, strict=True)]
    return rows


def _header_of_flags(lines: Sequence[tuple[int, str]]) -> list[str]:
    """Return the columns of a list whose first line names all but the first: a name and a 1 or −1 for each; else []."""
    if len(lines) < 2:
        return []
    names, parts = lines[0][1].split(), [line.split() for _, line in lines[1:]]
    flags = all(len(part) == len(names) + 1 and {*part[1:]} <= {"1", "-1", "0"} for part in parts)
    return ["image", *names] if flags and len(names) > 1 and is_image_name(parts[0][0]) else []


def rows_before_header(rows: Rows, known: Collection[str]) -> int:
    """Return how many of the first rows are a title or the like, above the row of the columns' names.

    Arguments:
        rows: (line, cells) of the table.
        known: names of columns, folded.
    """
    filled = [[cell for cell in cells if cell] for _, cells in rows[:_LOOKED_AT]]
    for i, cells in enumerate(filled[:_MOST_BEFORE]):
        if any(is_image_name(cell) for cell in cells):
            break  # rows have begun
        if len(cells) > 1 and len({fold(cell) for cell in cells}.intersection(known)) > 1:
            return i
    usual = Counter(map(len, filled)).most_common(1)[0][0]
    if usual < 2:
        return 0
    for i, cells in enumerate(filled[:_MOST_BEFORE]):
        if len(cells) > 1 or fold(cells[0]) in known or is_image_name(cells[0]):
            return i
    return 0


def _first_line(text: str, known: Collection[str]) -> str:
    """Return the first line that is neither empty nor a comment."""
    lines = (line.strip() for line in _LINE_END.split(text[: 1 << 16]))
    return next((line for line in lines if line and (line[0] not in "#%" or _is_row(line, known))), "")


def _is_row(line: str, known: Collection[str]) -> bool:
    """Whether a line that begins like a comment belongs to the table: `#1.png,cat`, or `#,file,label`."""
    cells = [cell.strip(' "') for cell in re.split(r"[,;\t|]", line)]
    if any(is_image_name(cell) for cell in cells):
        return len(cells) > 1 or not re.match(r"[#%]+\s", line)
    return len(cells) > 1 and cells[0] in ("#", "%") and not {fold(cell) for cell in cells[1:]}.isdisjoint(known)


def _header_in(comment: str, row: str, known: Collection[str]) -> tuple[str, ...]:
    """Return the names of columns in a comment above `row`, where they are some: `# file,label`."""
    delimiter = _delimiter_of(row)
    bare = comment.lstrip("#% ")
    cells = bare.split() if delimiter is None else [cell.strip(' "') for cell in bare.split(delimiter)]
    counts = {2, len(row.split())} if delimiter is None else {row.count(delimiter) + 1}
    fits = len(cells) in counts and len(cells) > 1 and not {fold(cell) for cell in cells}.isdisjoint(known)
    prose = any(":" in cell or "=" in cell for cell in cells)  # ID: 1:37 class ids
    return tuple(cells) if fits and not prose else ()


def _delimiter_of(line: str) -> str | None:
    """Return the delimiter that is most frequent outside of quotes in a line, or None."""
    bare = re.sub(r'"[^"]*"', "", line)
    if _NUMBERS_WITH_COMMAS.fullmatch(bare):
        return ";" if ";" in bare else "\t"
    best = max(DELIMITERS, key=bare.count)
    return best if best in bare else None


def _delimiter(text: str) -> str:
    """Return what parts the cells: as in the first line, unless most of the lines below it say otherwise."""
    cut = text[: 1 << 18]
    lines = [line.strip() for line in _LINE_END.split(cut)]
    lines = [line for line in (lines[:-1] if len(cut) < len(text) else lines) if line][:_LOOKED_AT]
    if not lines:
        return _delimiter_of(cut) or DELIMITERS[0]
    first, below = _delimiter_of(lines[0]), lines[1:] or lines
    shares = {one: sum(one in re.sub(r'"[^"]*"', "", line) for line in below) / len(below) for one in DELIMITERS}
    if first and shares[first] >= 0.5:
        return first
    usual = max(DELIMITERS, key=lambda one: shares[one])
    if shares[usual] >= 0.8 and (len(below) > 1 or not _is_blank_list(lines)):
        return usual
    return BLANKS if not first and _is_blank_list(lines) else first or DELIMITERS[0]


def _is_blank_list(lines: Sequence[str]) -> bool:
    """Whether each line is a name, blanks, and a label; a list of names that hold blanks is none."""
    lines = lines[1:] if len(lines) > 1 and lines[0].isdecimal() else lines
    if all(_is_numbered_name(line) for line in lines):
        return True
    if any(_ENDS_AS_IMAGE.fullmatch(line) for line in lines):
        return False
    return all(re.search(r"\s", line) for line in lines)


def _is_numbered_name(line: str) -> bool:
    return re.match(r"\d+\s+\S", line) is not None and _ENDS_AS_IMAGE.fullmatch(line) is not None


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?", cell) is not None
