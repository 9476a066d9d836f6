"""`striate walk`: a page that computes a net by itself and shows where each of its numbers comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli import options
from striate.cli.guards import check_page_file
from striate.cli.output.console import print_json, progress_bar, stderr, stdout
from striate.units import percent, say_bytes


@options.reads_images
def walk(
    model: options.Model,
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="An image file, - for standard input, or a source.")],
    out: options.Page = Path("walk.html"),
    number: Annotated[
        int | None, typer.Option("--number", "-n", min=0, help="Of a source with many images: which one, from 0.")
    ] = None,
    weights: options.Weights = None,
    size: options.SizeSeen = None,
    reading: options.Reading = options.AS_IT_IS,
    json: options.Json = False,
) -> None:
    """Write a page in which every number inside a net can be followed, from the pixels to the probabilities.

    [bold]striate walk model.striate cat.jpg -o walk.html[/bold]

    The page computes the net by itself, in any browser and without a network: paint over the image, move it, drop
    another one, switch a filter off, and every number follows. A click on a number shows its sum: the patch, the
    kernel, the products, the bias. Before it is written, its numbers are compared with torch's. It has at most 8 MB;
    of a net that is larger, the last layers show the numbers of this one image, and the page says which.
    """
    from striate.classifier.pretrained import load_model
    from striate.data.gathering import gather
    from striate.errors import ArgumentError
    from striate.explanation.walk.page import write_walkthrough

    check_page_file(out, model, [image, weights])
    with progress_bar(stderr()) as progress:
        classifier = load_model(model, weights, options.parse_size(size), progress)
        catalog = gather([image], reading, progress)
        if number is None and len(catalog) != 1:
            raise ArgumentError(f"IMAGE must be one image; got {image}, which holds {len(catalog):,}. Say --number 0")
        found = write_walkthrough(classifier, catalog, out, number=number or 0, progress=progress)
    if json:
        print_json(found.to_json())
        return
    console = stdout()
    said = found.prediction
    console.print(f"{said.image}: {said.label}, {percent(said.probability)}", soft_wrap=True, markup=False)
    parts = [f"{found.computed} layers are computed by the page"]
    parts += [f"{found.kept} keep the numbers of this image"] if found.kept else []
    parts += [f"{found.absent} in the middle are left out, as the net is too large"] if found.absent else []
    console.print("; ".join(parts), soft_wrap=True)
    console.print(f"{found.compared:,} numbers compared with torch: largest difference {found.difference:.1e}")
    console.print(f"{found.path}  {say_bytes(found.size_bytes)}", soft_wrap=True, markup=False)
