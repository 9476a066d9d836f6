"""`striate cache`: what decoded images take on disk, and how to be rid of them."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli import options
from striate.cli.output.console import print_json, stderr, stdout
from striate.units import parse_bytes, say_bytes

if TYPE_CHECKING:
    from striate.data.preparing.cache import CacheEntry


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete all of it; it is made again when needed.")] = False,
    limit: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Delete what was used longest ago until SIZE, such as 5GB, is left."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Show the cache of decoded images, or make it smaller.

    It takes 20 GB at most: what was used longest ago is let go of when images are prepared, never what is in use, and
    it is told. The variable STRIATE_CACHE_LIMIT sets another limit, such as 5GB or none; STRIATE_CACHE another folder.

    [bold]striate cache[/bold]
    [bold]striate cache --limit 5GB[/bold]
    [bold]striate cache --clear[/bold]
    """
    from striate.data.preparing.cache import clear as clear_cache
    from striate.data.preparing.cache import entries
    from striate.data.preparing.room import gone_sentence, let_go, limit_bytes
    from striate.system.cache import cache_folder

    folder = cache_folder("prepared")
    if clear:
        freed = clear_cache(folder)
        if json:
            print_json({"folder": str(folder), "freed_bytes": freed})
        else:
            stdout().print(f"{say_bytes(freed)} freed in {folder}", soft_wrap=True, markup=False)
        return
    most_bytes = limit_bytes()
    for entry in let_go(folder, parse_bytes(limit))[0] if limit is not None else ():
        stderr().print(gone_sentence(entry), markup=False)
    found = entries(folder)
    if json:
        entries_told = [asdict(entry) for entry in found]
        told_bytes = None if math.isinf(most_bytes) else int(most_bytes)
        print_json({"folder": str(folder), "limit_bytes": told_bytes, "entries": entries_told})
        return
    _print_entries(found)
    total = sum(entry.bytes for entry in found)
    most = "" if math.isinf(most_bytes) else f" of {say_bytes(most_bytes)}"
    stdout().print(f"{say_bytes(total)}{most} in {folder}", soft_wrap=True, markup=False)
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
