"""`striate cache`: what decoded images take on disk, and how to be rid of them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli import options
from striate.cli.output.console import print_json, stdout
from striate.units import say_bytes

if TYPE_CHECKING:
    from striate.data.preparing.cache import CacheEntry


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete all of it; it is made again when needed.")] = False,
    json: options.Json = False,
) -> None:
    """Show the cache of decoded images, or clear it.

    [bold]striate cache[/bold]
    [bold]striate cache --clear[/bold]
    """
    from striate.data.preparing.cache import clear as clear_cache
    from striate.data.preparing.cache import entries
    from striate.system.cache import cache_folder

    folder = cache_folder("prepared")
    if clear:
        freed = clear_cache(folder)
        if json:
            print_json({"folder": str(folder), "freed_bytes": freed})
        else:
            stdout().print(f"{say_bytes(freed)} freed in {folder}", soft_wrap=True, markup=False)
        return
    found = entries(folder)
    if json:
        print_json({"folder": str(folder), "entries": [asdict(entry) for entry in found]})
        return
    _print_entries(found)
    total = sum(entry.bytes for entry in found)
    stdout().print(f"{say_bytes(total)} in {folder}", soft_wrap=True, markup=False)
    if found:
        stdout().print("striate cache --clear deletes it; it is made again when needed", markup=False)


def _print_entries(found: list[CacheEntry]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("last used", "images", "size", "takes", "source", box=None, pad_edge=False)
    for entry in found:
        used = datetime.fromtimestamp(entry.last_used).astimezone().strftime("%Y-%m-%d %H:%M")
        height, width, channels = entry.shape
        shape = f"{height}×{width}×{channels}"
        table.add_row(used, f"{entry.images:,}", shape, say_bytes(entry.bytes), Text(entry.source, overflow="fold"))
    if found:
        stdout().print(table)
