"""`striate export`: a model as one ONNX graph, or as a page that runs it in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli import options
from striate.cli.output.console import print_json, progress_bar, stderr, stdout
from striate.units import percent, say_bytes

if TYPE_CHECKING:
    from striate.shipping.export import Exported
    from striate.shipping.verify import Parity


@options.reads_source
def export(
    model: options.Model,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="MODEL.onnx|APP.html", help="The file; its ending says which form.")
    ],
    verify: Annotated[
        str | None,
        typer.Option(
            "--verify",
            metavar="SOURCE",
            show_default="the model's golden images",
            help="Check it on these images too, at the sizes that they have; with labels both accuracies are told.",
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="Try eight-bit weights and activations; kept if faster here and as accurate. Needs --verify."
        ),
    ] = False,
    with_example: Annotated[
        bool, typer.Option("--with-example", help="Write predict.py beside the graph: it needs no Striate.")
    ] = False,
    weights: options.Weights = None,
    reading: options.Reading = options.AS_IT_IS,
    json: options.Json = False,
) -> None:
    """Hand a model out: as one ONNX graph, or as one page that runs it in the browser without a network.

    [bold]striate export model.striate -o model.onnx --with-example[/bold]
    [bold]striate export model.striate -o app.html[/bold]

    The graph takes uint8 images of any size and gives calibrated probabilities; resizing, views, temperature and "none
    of these" are inside, so nothing can be done differently elsewhere. What was written is run on real images and
    compared with the model: it is refused unless both name the same class on 99.5 % of them and no probability
    differs by more than 0.02.
    """
    from striate.classifier.pretrained import load_model
    from striate.errors import ExportError
    from striate.shipping.export import ExportOptions, export_model

    classifier = load_model(model, weights)
    asked = ExportOptions(verify, dict(reading), int8, with_example)
    console = stderr()
    try:
        with progress_bar(console) as progress:
            exported = export_model(classifier, out, asked, progress)
    except ExportError:
        if json:
            print_json({"path": None, "parity": None, "kept": False})
        raise
    for note in exported.notes:
        console.print(note, markup=False)
    if json:
        print_json(exported.to_json())
    else:
        _print_exported(exported)


def _print_exported(exported: Exported) -> None:
    console = stdout()
    print_parity(exported.parity)
    refused = ", float32: eight bits were not kept" if exported.int8 and not exported.int8.kept else ""
    console.print(f"{exported.path} ({say_bytes(exported.size_bytes)}{refused})", soft_wrap=True, markup=False)
    if exported.example:
        console.print(str(exported.example), soft_wrap=True, markup=False)


def print_parity(parity: Parity) -> None:
    """Print how far a copy agrees with the model, row by row."""
    from rich.table import Table
    from rich.text import Text

    judged = any(row.right for row in parity.rows)
    told = any(row.known is not None for row in parity.rows)
    heads = ["images", "same class", "largest difference"]
    heads += [*(['same "none of these"'] if told else []), *(["right here", "right exported"] if judged else [])]
    table = Table("shown", *heads, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in parity.rows:
        known = "" if row.known is None else percent(row.known)
        right = [percent(count / row.images) for count in row.right] if row.right else ["", ""]
        cells = [
            row.what,
            f"{row.images:,}",
            percent(row.top1),
            f"{row.largest:.1e}",
            *([known] if told else []),
            *(right if judged else []),
        ]
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    console = stdout()
    console.print(table)
    console.print(
        f"parity: the same class on {percent(parity.top1)} of {parity.images:,} comparisons, largest difference "
        f"{parity.largest_difference:.1e}", soft_wrap=True,
    )  # fmt: skip
