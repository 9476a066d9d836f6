"""`striate features`: what a net makes of images before its last layer, as a file for other programs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from striate.cli import options
from striate.cli.guards import check_spared
from striate.cli.output.console import print_json, progress_bar, stderr, stdout


@options.reads_source
def features(
    model: options.Model,
    source: options.Source,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Where they go: .npz or .csv.", show_default=True)
    ] = Path("features.npz"),
    layer: Annotated[
        str | None,
        typer.Option(help="Another layer's path, as striate net shows it; its maps are averaged.", show_default="last"),
    ] = None,
    weights: options.Weights = None,
    size: options.SizeSeen = None,
    reading: options.Reading = options.AS_IT_IS,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Write the features of images: what a net gives to its last layer.

    [bold]striate features mobilenet_v2 photos/ -o features.npz[/bold]

    The file holds features float32 (n, d), labels (-1 for none), classes, names and splits of the images, and made_by.
    They are kept in the cache, so that the same again takes a moment.
    """
    from striate.classifier.feature_files import check_output, write_features
    from striate.classifier.features import extract
    from striate.classifier.pretrained import load_model
    from striate.data.reading import read
    from striate.system.devices import choose_device

    check_output(out)
    check_spared(out, model, [source, reading.get("images"), weights])
    console = stderr()
    with progress_bar(console) as progress:
        classifier = load_model(model, weights, options.parse_size(size), progress).to(choose_device(device))
        catalog = read(source, **reading, progress=progress)
        prepared = classifier.prepare(catalog, progress)
        start = time.perf_counter()
        found = extract(classifier, prepared, layer=layer, progress=progress)
        seconds = time.perf_counter() - start
    for note in (*prepared.notes, prepared.ledger.summary()):
        console.print(note, style="dim", markup=False)
    made_by = " ".join(filter(None, [f"striate features {model}", weights and f"--weights {weights}",
                                     layer and f"--layer {layer}", size and f"--size {size}"]))  # fmt: skip
    write_features(out, found, prepared, made_by)
    count, width = found.shape
    if json:
        print_json({"path": str(out), "images": count, "features": width, "classes": len(prepared.classes),
                    "constant": int((found.std(0) == 0).sum()), "seconds": round(seconds, 3)})  # fmt: skip
        return
    stdout().print(f"{count:,} images × {width:,} features in {seconds:.1f} s", markup=False)
    stdout().print(f"features  {out}", soft_wrap=True, markup=False)
