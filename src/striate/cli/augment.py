"""`striate augment`: a contact sheet of what training would see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli import options
from striate.cli.output.console import print_json, progress_bar, stderr, stdout


@options.reads_source
def augment(
    source: options.MaybeSource = None,
    words: Annotated[
        str | None,
        typer.Option(
            "--augment",
            metavar="WORDS",
            show_default="every word, each alone",
            help='As in train: "flip translate(4)".',
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The sheet: .png, .jpg or .webp.", show_default=True)
    ] = Path("augment.png"),
    count: Annotated[
        int, typer.Option(min=1, max=100, help="Images, by turns one of each class; none of the test images.")
    ] = 8,
    draws: Annotated[int, typer.Option(min=1, max=50, help="How often each image is augmented anew.")] = 8,
    size: options.Size = None,
    fit: options.Fit = None,
    seed: options.Seed = 0,
    list_: Annotated[bool, typer.Option("--list", help="List the words, their arguments and ranges.")] = False,
    reading: options.Reading = options.AS_IT_IS,
    json: options.Json = False,
) -> None:
    """Draw a sheet of images as they are and as training sees them, to judge whether the labels still hold.

    [bold]striate augment photos/ --augment "flip translate(4) cutout(8)" -o sheet.png[/bold]
    [bold]striate augment --list[/bold]

    A row is an image: the original at the left, then what it is in one epoch after another. Without --augment a row is
    a word with its default arguments, all on one image. Flips are wrong for digits and text, large turns for a 6 and a
    9.
    """
    if list_:
        _list(json)
        return
    if source is None:
        raise typer.BadParameter("name a SOURCE, such as a folder of class folders, or digits to try; or give --list")
    from striate.augmentation import make_augmentation
    from striate.augmentation import sheet as sheets
    from striate.data.decoding.pixels import check_fit
    from striate.data.preparing.prepare import prepare
    from striate.data.reading import read
    from striate.pages.pictures import check_picture_file

    pixels, chosen_fit = options.parse_size(size), None if fit is None else check_fit(fit)
    check_picture_file(out)
    make_augmentation([words] if words else [])
    console = stderr()
    with progress_bar(console) as progress:
        catalog = read(source, **reading, progress=progress)
        few = sheets.choose_images(catalog, count, seed)
        prepared = prepare(few, pixels, chosen_fit, progress=progress, keep=False)
    if len(prepared) < len(few):
        console.print(f"{len(few) - len(prepared)} of {len(few)} chosen images cannot be decoded", style="yellow")
    if words is None:
        rows, heading = sheets.catalogue_rows(prepared, draws, seed), f"{source}: every word with its defaults"
    else:
        rows, heading = sheets.augmented_rows(prepared, [words], draws, seed), f"{source}: {words}"
    sheets.save_sheet(sheets.draw_sheet(rows, f"{heading}   seed {seed}"), out)
    if json:
        print_json({"path": str(out), "images": [str(name) for name in prepared.names], "draws": draws, "seed": seed})
    else:
        stdout().print(str(out), soft_wrap=True, markup=False)


def _list(json: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from striate.augmentation import AUGMENTATIONS, describe_arguments, describe_ranges

    words = [
        {
            "word": word,
            "arguments": describe_arguments(function),
            "ranges": list(describe_ranges(function)),
            "description": (function.__doc__ or "").splitlines()[0],
        }
        for word, function in AUGMENTATIONS.items()
    ]
    if json:
        print_json(words)
        return
    table = Table("word", "what", box=None, pad_edge=False)
    for entry in words:
        arguments = entry["arguments"] if entry["ranges"] else ""
        table.add_row(Text(entry["word"] + arguments, overflow="fold"), Text(entry["description"]))
        for line in entry["ranges"]:
            table.add_row("", Text(f"  {line}", style="dim"))
    stdout().print(table)
