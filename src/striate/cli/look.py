"""`striate look`: what a model is like inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli import completion, options
from striate.cli.guards import check_page_file
from striate.cli.output.console import print_json, progress_bar, stderr, stdout


@options.reads_source
def look(
    model: options.Model,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            show_default="images that the model keeps",
            help="Images to look at it with: a folder, a table, a built-in set.",
            autocompletion=completion.sources,
        ),
    ] = None,
    out: options.Page = Path("look.html"),
    png: options.Png = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH", help="Show the units of this layer, by its path in the layer table; again for more."
        ),
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH:NUMBER", help="Show this unit, and make an image that raises it; again for more."),
    ] = None,
    class_: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="NAME",
            show_default="all of them where that is quick",
            help="Make an image that raises this class; again for more.",
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How many images to look at.")] = 512,
    seed: options.Seed = 0,
    weights: options.Weights = None,
    device: options.Device = None,
    reading: options.Reading = options.AS_IT_IS,
    json: options.Json = False,
) -> None:
    """Look inside a model: its first filters or templates, what its units answer to, which of them are dead.

    [bold]striate look model.striate photos/ -o look.html[/bold]
    [bold]striate look mobilenet_v2 photos/ --unit stem.2:5 --class "tabby cat"[/bold]

    The page has the filters of the first layer as pictures (of a linear model a template for each class; of neighbours
    the images it keeps; of trees the pixels they ask for), the spread of the activations layer by layer with dead and
    saturated units, the images that each unit answers to most with the place it looks at, and images made to raise a
    unit or a class, each with the figures of real images beside it.
    """
    from striate.classifier.pretrained import load_model
    from striate.explanation.look.look import look as look_inside
    from striate.system.devices import choose_device

    check_page_file(out, model, [source, weights, reading.get("images")])
    with progress_bar(stderr()) as progress:
        classifier = load_model(model, weights, progress=progress).to(choose_device(device))
        found = look_inside(
            classifier, source, progress, name=str(model), layers=layer or [], units=unit or [], classes=class_ or None,
            images=count, seed=seed,
            reading=dict(reading),
        )  # fmt: skip
    found.save(out)
    written = found.save_pictures(png) if png else []
    if json:
        print_json({"page": str(out), **found.to_json(), "png": [str(path) for path in written]})
        return
    console = stdout()
    for line in found.lines():
        console.print(line, markup=False, soft_wrap=True)
    console.print(str(out), soft_wrap=True, markup=False)
    if written:
        console.print(f"{len(written)} pictures in {png}", soft_wrap=True, markup=False)
