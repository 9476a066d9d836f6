"""Small tables for notebooks: everything escaped, readable on light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from striate.units import percent

MOST_ROWS, MOST_LETTERS = 30, 160
_CELL = "text-align:{side};padding:.15em .7em .15em 0;vertical-align:top"


def html_table(
    caption: str, headings: Sequence[str] = (), rows: Iterable[Sequence[Any]] = (), notes: Iterable[str] = ()
) -> str:
    """Return a table as HTML, at most 30 rows and how many there are besides; numbers stand at the right.

    Arguments:
        caption: what it is, above it; none where it is empty.
        headings: of the columns.
        rows: cells; numbers are written with their thousands, floats as they are needed, None is empty.
        notes: sentences below it.

    >>> html_table("two", ["name", "images"], [["<b>", 1200]])
    '<div><p><strong>two</strong></p><table><thead><tr><th style="text-align:left;padding:.15em .7em .15em 0;\
vertical-align:top">name</th><th style="text-align:right;padding:.15em .7em .15em 0;vertical-align:top">images</th>\
</tr></thead><tbody><tr><td style="text-align:left;padding:.15em .7em .15em 0;vertical-align:top">&lt;b&gt;</td>\
<td style="text-align:right;padding:.15em .7em .15em 0;vertical-align:top">1,200</td></tr></tbody></table></div>'
    """
    listed = [tuple(row) for row in rows]
    shown = listed[:MOST_ROWS]
    right = [
        any(_is_number(row[i]) for row in shown) and all(row[i] is None or _is_number(row[i]) for row in shown)
        for i in range(len(headings))
    ]
    parts = [f"<p><strong>{_said(caption)}</strong></p>"] if caption else []
    if shown:
        head = "".join(_cell("th", name, right[i]) for i, name in enumerate(headings))
        body = "".join(
            f"<tr>{''.join(_cell('td', cell, right[i]) for i, cell in enumerate(row))}</tr>" for row in shown
        )
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    if len(listed) > MOST_ROWS:
        parts.append(f"<p>… and {len(listed) - MOST_ROWS:,} more</p>")
    parts += [f"<p>{_said(note)}</p>" for note in notes]
    return f"<div>{''.join(parts)}</div>"


def html_facts(caption: str, facts: Mapping[str, Any], notes: Iterable[str] = ()) -> str:
    """Return names with their values as HTML; what is None is left out."""
    return html_table(caption, ("", ""), [(name, value) for name, value in facts.items() if value is not None], notes)


def html_bar(share: float) -> str:
    """Return a share in [0, 1] as text with a bar of blocks, for a cell.

    >>> html_bar(0.5)
    '█████····· 50.0 %'
    """
    full = round(10 * min(max(share, 0.0), 1.0))
    return f"{'█' * full}{'·' * (10 - full)} {percent(share, 1)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _said(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    text = text.encode("utf-8", "replace").decode()  # names of files need not be text
    return escape(text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…")


def _cell(tag: str, value: Any, right: bool) -> str:
    return f'<{tag} style="{_CELL.format(side="right" if right else "left")}">{_said(value)}</{tag}>'
