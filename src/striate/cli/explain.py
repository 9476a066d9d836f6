"""`striate explain`: what a model sees of images, on one page, each map with a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli import completion, options
from striate.cli.guards import check_page_file
from striate.cli.output.console import print_json, progress_bar, stderr, stdout
from striate.units import percent

if TYPE_CHECKING:
    from striate.explanation.explanation import Explanation

MOST_IMAGES = 50


@options.reads_images
def explain(
    model: options.Model,
    images_: options.Inputs,
    out: options.Page = Path("explain.html"),
    png: options.Png = None,
    about: Annotated[
        str | None,
        typer.Option("--class", metavar="NAME", show_default="the answer", help="Explain this class instead."),
    ] = None,
    examples: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            show_default="images that the model keeps",
            help="Look for similar images in this source, at most 2,000 of it.",
            autocompletion=completion.sources,
        ),
    ] = None,
    weights: options.Weights = None,
    device: options.Device = None,
    reading: options.Reading = options.AS_IT_IS,
    json: options.Json = False,
) -> None:
    """Say what a model sees of images: maps with a verdict each, similar training images, what would change the answer.

    [bold]striate explain cats.striate tom.jpg -o tom.html[/bold]

    Grad-CAM, occlusion and integrated gradients always look convincing. So each map is tried before it is shown: what
    it marks is hidden, and shown alone; only one that finds the answer better than random maps is drawn, and only if
    the model has learned something: by its kept validation images, or against copies of it with shuffled weights. Of
    the others it is said that they tell nothing.

    A file that cannot be read as an image is named on stderr, the others are still explained, and the exit code is 1.
    """
    from striate.classifier.pretrained import load_model
    from striate.data.gathering import gather
    from striate.explanation.explain import explain_catalog
    from striate.explanation.index import kept_index, read_index
    from striate.explanation.page import write_explanation_pictures, write_explanations
    from striate.system.devices import choose_device

    check_page_file(out, model, [*images_, weights, examples])  # before minutes are spent
    classifier = load_model(model, weights).to(choose_device(device))
    console = stderr()
    with progress_bar(console) as progress:
        catalog = gather(images_, reading, progress)
        if len(catalog) > MOST_IMAGES:
            raise typer.BadParameter(f"explain takes at most {MOST_IMAGES} images at a time; got {len(catalog):,}")
        where = {name: value for name, value in reading.items() if name == "data_dir"}
        index = read_index(classifier, examples, where, progress) if examples else kept_index(classifier)
        said, skipped = explain_catalog(classifier, catalog, about, progress, index)
    for entry in skipped:
        console.print(f"skipped {entry.name}: {entry.detail}", style="yellow", markup=False)
    page = write_explanations(said, out, options.called(model))
    written = write_explanation_pictures(said, png) if png else []
    if json:
        print_json({"page": str(page), "png": [str(path) for path in written],
                    "images": [one.to_json() for one in said]})  # fmt: skip
    else:
        for one in said:
            _print(one)
        stdout().print(str(page), soft_wrap=True, markup=False)
    if skipped:
        raise typer.Exit(1)


def _print(one: Explanation) -> None:
    from striate.explanation.verdict import NOTHING

    console = stdout()
    said = one.prediction
    answer = f"none of these, else {said.label}" if said.known is False else said.label
    asked = "" if one.about == said.label else f"; explained: {one.about}"
    lines = [f"{one.image}: {answer} {percent(said.probability)}{asked}", f"  {one.sentence}"]
    said_already = f"{NOTHING}: {one.ground}."  # of all maps, in the line above
    lines += [f"  {each.title}: {each.verdict.words}" for each in one.maps if each.verdict.words != said_already]
    lines += [f"  no {kind}: {why}" for kind, why in one.missing]
    if one.similar:
        lines.append(f"  It looks like these: {one.similar.sentence(one.about)}")
    lines.append(f"  {one.changes.sentence}")
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
