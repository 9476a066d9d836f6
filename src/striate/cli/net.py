"""`striate net`: the layer table of an architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli import completion, options
from striate.cli.output.console import print_json, stdout
from striate.units import percent


def net(
    architecture: Annotated[
        str | None,
        typer.Argument(
            metavar='NAME|"SENTENCE"',
            help='A name such as lenet, or "conv(6, 5) relu fc(10)".',
            autocompletion=completion.nets,
        ),
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="CxHxW",
            show_default="the net's own, else 3x32x32",
            help="Channels × height × width of the images, as 3x224x224.",
        ),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, show_default="10", help="What `classes` in a sentence stands for.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images in one step, for the activation memory.")] = 1,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse windows that leave pixels unseen.")] = False,
    svg: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw the net into this file too.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the named architectures.")] = False,
    json: options.Json = False,
) -> None:
    """Print what each layer makes of its input: shape, formula, parameters, multiply-adds, receptive field.

    [bold]striate net alexnet --input 3x227x227[/bold]
    [bold]striate net "conv(32, 3) relu maxpool(2) fc(10)" --svg net.svg[/bold]
    [bold]striate net --list[/bold]
    """
    from striate.errors import ArgumentError
    from striate.nets import ZOO, resolve
    from striate.nets.zoo.registry import is_timm, without_layers
    from striate.system.files import write_atomically

    if list_:
        _list(json)
        return
    if architecture is None:
        raise typer.BadParameter('name an architecture, or write one: "conv(6, 5) relu fc(10)"; --list shows the names')
    if is_timm(architecture):
        if svg or strict or batch_size > 1:
            raise typer.BadParameter(f"{without_layers(architecture)}. Leave out --svg, --strict and --batch-size")
        _show_timm(architecture, options.parse_shape(input_), json)
        return
    if svg and svg.suffix.lower() != ".svg":
        raise ArgumentError(f"the drawing's name must end in .svg; got {svg}. Try {svg.stem}.svg")
    known = ZOO.get(architecture.split("(")[0].strip())
    shape = options.parse_shape(input_) or (known.input_shape if known else (3, 32, 32))
    if classes is None and known is None:
        classes = 10
    chosen = resolve(architecture, classes=classes, channels=shape[0], side=min(shape[1:]))
    table = chosen.table(shape, batch=batch_size, strict=strict)
    if svg:
        write_atomically(svg, chosen.svg(shape))
    if json:
        print_json(table.to_dict())
    elif stdout().is_terminal:
        stdout().print(table)
    else:
        print(table)


def _show_timm(name: str, shape: tuple[int, int, int] | None, json: bool) -> None:
    """Print what is known of a model of timm's."""
    from striate.nets.modules.timm_models import describe_body, read_timm, timm_version
    from striate.nets.zoo.registry import without_layers

    model = read_timm(name, classes=1)
    wanted = model.data_config()
    shape = shape or tuple(wanted["input_size"])
    body = describe_body(model.name, shape)
    if json:
        print_json({
            "net": str(model), "timm": timm_version(), "input": list(shape), "one_size": model.one_size,
            "features": body.features, "parameters": body.parameters, "layers": None,
            **{key: wanted[key] for key in ("mean", "std", "interpolation", "crop_pct", "crop_mode")},
        })  # fmt: skip
        return
    rows = {
        "net": f"{model} (timm {timm_version()})",
        "input": f"{'×'.join(map(str, shape))}, {'this size alone' if model.one_size else 'other sizes too'}",
        "features": f"{body.features:,}, for each of which the last layer has a weight for each class",
        "parameters": f"{body.parameters:,} before the last layer",
        "mean, std": f"{wanted['mean']}, {wanted['std']}",
        "crop": f"{wanted['crop_mode']}, {percent(wanted['crop_pct'], 1)}, {wanted['interpolation']}",
    }
    print("\n".join(f"{key:<12}{value}" for key, value in rows.items()))
    print(f"\n{without_layers(str(model))}.")


def _list(json: bool) -> None:
    from rich.table import Table

    from striate.baselines.registry import BASELINES
    from striate.nets import ZOO

    rows = []
    for name, known in ZOO.items():
        table = known.net().table(known.input_shape)
        rows.append((name, known, table.parameters, table.multiply_adds))
    if json:
        print_json([
            {"name": name, "input": list(known.input_shape), "classes": known.classes, "parameters": parameters,
             "multiply_adds": multiply_adds, "description": known.description}
            for name, known, parameters, multiply_adds in rows
        ])  # fmt: skip
        return
    shown = Table("name", "parameters", "multiply-adds", "input", "what", box=None, pad_edge=False)
    shown.columns[1].justify = shown.columns[2].justify = "right"
    for name, known, parameters, multiply_adds in rows:
        shape = "×".join(map(str, known.input_shape))
        shown.add_row(name, f"{parameters:,}", f"{multiply_adds:,}", shape, known.description)
    stdout().print(shown)
    fitted = Table("baseline", "what striate train --net fits instead of training a net", box=None, pad_edge=False)
    for name, baseline in BASELINES.items():
        fitted.add_row(name, baseline.description)
    stdout().print()
    stdout().print(fitted)
