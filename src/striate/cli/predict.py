"""`striate predict`: the class of images, on screen, as CSV, as JSON or in the form of a given submission."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli import options
from striate.cli.output.console import percent, print_json, progress_bar, stderr, stdout

if TYPE_CHECKING:
    from striate.classifier.prediction import Prediction

SHOWN = 50
NONE = "none of these"


def predict(
    model: options.Model,
    images_: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE…|SOURCE", help="Image files, folders, patterns such as 'photos/*.jpg', or one table."
        ),
    ],
    top: Annotated[int, typer.Option(min=1, help="How many classes to show for each image.")] = 3,
    csv: Annotated[Path | None, typer.Option(help="Write image, class and probabilities to this CSV file.")] = None,
    like: Annotated[
        Path | None, typer.Option(help="A sample submission: write --csv with its columns, its rows, its order.")
    ] = None,
    sure: options.Sure = None,
    sets: options.Sets = None,
    weights: options.Weights = None,
    device: options.Device = None,
    format: options.Format = None,
    images: options.Images = None,
    image_column: options.ImageColumn = None,
    data_dir: options.DataDir = None,
    pages: options.Pages = None,
    json: options.Json = False,
) -> None:
    """Say what is on images: the class and its probability, or none of these.

    What is unlike all that the model has learned is "none of these": about one image in twenty of the classes is called
    so wrongly. With [bold]--sure 0.99[/bold] each answer says whether it is one of those of which at least 99 % are
    right, with [bold]--sets 0.95[/bold] how many classes it takes to have the true one among them in 95 of 100 cases;
    both rest on the validation images of the training, and are refused where these are too few.

    An image that cannot be read is named on stderr, the others are still predicted, and the exit code is 1.
    """
    from striate.classifier.pretrained import load_model
    from striate.classifier.submission import predict_catalog, write_csv, write_like
    from striate.data.gathering import gather
    from striate.errors import on_one_line
    from striate.system.devices import choose_device

    if like and not csv:
        raise typer.BadParameter("--like needs --csv, the file to write")
    classifier = load_model(model, weights).to(choose_device(device))
    console = stderr()
    reading = {"format": format, "images": images, "image_column": image_column, "data_dir": data_dir, "pages": pages}
    classifier.trust.asked(sure, sets, len(classifier.classes))  # before anything is read
    with progress_bar(console) as progress:
        catalog = gather(images_, reading, progress)
        predictions, skipped = predict_catalog(classifier, catalog, progress, sure=sure, sets=sets)
    for entry in skipped:
        console.print(f"skipped {on_one_line(entry.name)}: {entry.detail}", style="yellow", markup=False)
    if csv and like:
        write_like(predictions, like, csv)
    elif csv:
        write_csv(predictions, csv)
    if csv:
        console.print(f"{len(predictions):,} predictions written to {csv}", markup=False)
    if json:
        print_json([prediction.to_json(top) for prediction in predictions])
    elif not csv:
        _print_predictions(predictions, top)
    if skipped:
        raise typer.Exit(1)


def _print_predictions(predictions: list[Prediction], top: int) -> None:
    from rich.table import Table
    from rich.text import Text

    from striate.errors import on_one_line

    console = stdout()
    asked = [name for name in ("sure", "set") if any(getattr(one, name) is not None for one in predictions)]
    table = Table("image", "class", "probability", *asked, *(["next"] if top > 1 else []), box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for prediction in predictions[:SHOWN]:
        rest = ", ".join(f"{name} {percent(p)}" for name, p in prediction.top(top)[1:])
        cells = [prediction.image, prediction.label, percent(prediction.probability)]
        if prediction.known is False:
            cells[1], rest = NONE, f"else {prediction.label}" + (f", {rest}" if rest else "")
        cells += [_told(getattr(prediction, name)) for name in asked] + ([rest] if top > 1 else [])
        table.add_row(*(Text(on_one_line(cell), overflow="fold") for cell in cells))
    console.print(table)
    if len(predictions) > SHOWN:
        console.print(f"… and {len(predictions) - SHOWN:,} more; --csv FILE or --json gives all of them")


def _told(value: bool | tuple[str, ...] | None) -> str:
    """Return what a cell of the table says: yes, no or the classes of a set."""
    if isinstance(value, tuple):
        return ", ".join(value)
    return "" if value is None else "yes" if value else "no"
