"""`striate filter`: a small matrix slid over an image."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli import options
from striate.cli.output.console import print_json, progress_bar, stderr, stdout


def filter(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="An image file: PNG, JPEG, TIFF, WebP and others.")],
    kernel: Annotated[
        str,
        typer.Argument(
            metavar='NAME|"[[…]]"',
            help="blur, gauss, sharpen, outline, emboss, sobel, sobel-x, sobel-y, identity; or rows of weights.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            show_default="IMAGE-NAME.png here",
            help="The filtered image: .png, .jpg or .webp.",
        ),
    ] = None,
    show: Annotated[
        str,
        typer.Option(
            metavar="clip|shift|abs",
            help="Values below 0 and above 255: clip cuts them off, shift draws 0 as mid-gray, abs drops signs first.",
        ),
    ] = "clip",
    json: options.Json = False,
) -> None:
    """Slide a small matrix over an image: what one unit of a convolution does.

    [bold]striate filter photo.jpg outline -o outline.png[/bold]
    [bold]striate filter photo.jpg "[[1/9, 1/9, 1/9], [1/9, 1/9, 1/9], [1/9, 1/9, 1/9]]" -o blur.png[/bold]

    Each new pixel is the sum of the pixels around the old one, each times its weight in the matrix. Weights that sum to
    1 keep the brightness; weights that sum to 0 make flat areas black and leave the edges. Each colour is filtered by
    itself, with the convolution that nets are made of; a net learns such weights.
    """
    from striate.explanation.filters import save_filtered

    with progress_bar(stderr()) as progress:
        filtered, path = save_filtered(image, kernel, out, show, progress)
    if json:
        print_json({
            "path": str(path), "kernel": [matrix.tolist() for matrix in filtered.kernel.matrices],
            "sum": filtered.kernel.sum, "show": filtered.show, "low": filtered.low, "high": filtered.high,
            "below": filtered.below, "above": filtered.above, "notes": list(filtered.notes),
        })  # fmt: skip
        return
    for note in filtered.notes:
        stderr().print(note, style="dim", markup=False)
    stdout().print(str(path), soft_wrap=True, markup=False)
