"""Options that several commands share: each has one name, one meaning and one help, defined here."""

from __future__ import annotations

import inspect
import os
import shlex
import time
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli import completion

if TYPE_CHECKING:
    from striate.data.dataset import DataOptions

# When the command began, as near as can be: a budget counts from here.
BEGAN = time.perf_counter()
# Where the words of the command are kept for as long as it runs.
TYPED = "striate.typed"

DATA, NET, RUN = "Data", "Net and recipe", "Run"

_SOURCE_HELP = (
    "Folder of class folders, CSV/TSV table, zip or tar of either, Parquet, WebDataset, COCO or Label Studio JSON, "
    "CIFAR archive or folder, IDX files, .npz, or a built-in set: "
    "digits, xo, shapes, mnist, fashion-mnist, cifar10, cifar100."
)
_SOURCE = typer.Argument(metavar="SOURCE", help=_SOURCE_HELP, autocompletion=completion.sources)
Source = Annotated[str, _SOURCE]
MaybeSource = Annotated[str | None, _SOURCE]
Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="A .striate file, or a net with published weights: mobilenet_v2, timm/resnet18.",
        autocompletion=completion.models,
    ),
]
Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGE…|SOURCE",
        help="Image files, folders, patterns such as 'photos/*.jpg', - for standard input; or one source.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", rich_help_panel=DATA, metavar="NAME", show_default="told by the content",
        autocompletion=completion.formats,
        help="Read the source as folders, table, archive, webdataset, parquet, metadata, coco, labelstudio, cifar, "
        "cifar100-coarse, idx, npz or npy.",
    ),
]  # fmt: skip
Images = Annotated[
    Path | None,
    typer.Option(
        "--images", rich_help_panel=DATA, metavar="DIR", show_default="the table's own",
        help="Folder that the image paths of a table, of COCO or of Label Studio are relative to.",
    ),
]  # fmt: skip
ImageColumn = Annotated[
    str | None,
    typer.Option(
        "--image-column",
        rich_help_panel=DATA,
        metavar="COLUMN",
        show_default="guessed",
        help="The table's column of image paths.",
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        "--label-column", rich_help_panel=DATA, metavar="COLUMN", show_default="guessed",
        help="The table's column of labels.",
    ),
]  # fmt: skip
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", rich_help_panel=DATA, metavar="DIR", envvar="STRIATE_DATA",
        help="Folder in which published files of built-in sets are looked for before they are downloaded.",
    ),
]  # fmt: skip
Split = Annotated[
    str | None,
    typer.Option(
        "--split", rich_help_panel=DATA, metavar="RATIOS", show_default="80:10:10",
        help="Shares of train:valid:test where the source has no splits of its own; 70:30 for no test.",
    ),
]  # fmt: skip
Size = Annotated[
    str | None,
    typer.Option(
        "--size", rich_help_panel=DATA, metavar="PIXELS", show_default="from the images",
        help="Bring all images to this size: 64, or 64x96 (height × width).",
    ),
]  # fmt: skip
SizeSeen = Annotated[
    str | None,
    typer.Option(
        "--size", rich_help_panel=DATA, metavar="PIXELS", show_default="the model's",
        help="The size at which the net looks at images: 128, or 96x128 (height × width); a smaller one is faster.",
    ),
]  # fmt: skip
Fit = Annotated[
    str | None,
    typer.Option(
        "--fit", rich_help_panel=DATA, metavar="crop|pad|stretch", show_default="crop; pad where that cuts away half",
        help="How images of another shape come to that size.",
    ),
]  # fmt: skip
Pages = Annotated[
    str | None,
    typer.Option(
        "--pages", rich_help_panel=DATA, show_default="first", metavar="first|all",
        help="Of files of several pages or frames: the first, or all as one image each, which stay together.",
    ),
]  # fmt: skip
Groups = Annotated[
    str | None,
    typer.Option(
        "--groups", rich_help_panel=DATA, show_default="auto", metavar="auto|none|folder|COLUMN|REGEX",
        help="Images that stay on one side of every split, so that figures hold outside: auto looks for near copies "
        "and bursts; folder: those of one folder; a COLUMN of the table, such as patient; or a REGEX on names whose "
        "parentheses hold the key, such as '([0-9]+)_[0-9]+'.",
    ),
]  # fmt: skip
Without = Annotated[
    Path | None,
    typer.Option(
        "--without", rich_help_panel=DATA, metavar="FINDINGS.csv",
        help="Leave out of training what this table of striate check says; validation and test images stay.",
    ),
]  # fmt: skip
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="imagenet|FILE",
        show_default="imagenet",
        help="Of a named net (a model file has its own): imagenet (downloaded once), or a .pth or .safetensors.",
    ),
]
Sure = Annotated[
    float | None,
    typer.Option(
        "--sure", metavar="PRECISION", help="Say which answers belong to those of which this share is right: 0.99."
    ),
]
Sets = Annotated[
    float | None,
    typer.Option("--sets", metavar="COVERAGE", help="Give sets of classes that hold the true one this often: 0.95."),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        rich_help_panel=RUN,
        metavar="cpu|cuda|cuda:N|mps",
        show_default="a GPU if there is one",
        help="What to compute on.",
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric", rich_help_panel=NET, show_default="accuracy", metavar="accuracy|balanced-accuracy|macro-f1",
        help="What is best on the validation images: accuracy; or the mean over the classes of their accuracy "
        "(balanced-accuracy) or F1 (macro-f1), in which a rare class has the same say as a frequent one.",
    ),
]  # fmt: skip
Balance = Annotated[
    str | None,
    typer.Option(
        "--balance", rich_help_panel=NET, show_default="none", metavar="none|loss|draw",
        help="Uneven classes: none learns from the images as they come; loss counts each class as much, draw shows "
        "each as often: rare classes are found more often, at some cost to frequent ones.",
    ),
]  # fmt: skip
_SEED = "Of every random choice: the split, the weights, what is drawn."
Seed = Annotated[int, typer.Option("--seed", rich_help_panel=RUN, min=0, help=_SEED)]
MaybeSeed = Annotated[
    int | None, typer.Option("--seed", rich_help_panel=RUN, min=0, show_default="the recipe's", help=_SEED)
]
Page = Annotated[Path, typer.Option("--out", "-o", metavar="PAGE.html", show_default=True, help="The page.")]
Png = Annotated[Path | None, typer.Option("--png", metavar="DIR", help="Write its pictures as PNG files too.")]
Augment = Annotated[
    str | None,
    typer.Option(
        "--augment", rich_help_panel=NET, metavar="WORDS", show_default="the recipe's",
        help='Such as "flip translate(2)" (all: striate augment --list); "" for none; robust: on top of the recipe\'s.',
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", rich_help_panel=RUN, help="Print the result as JSON, words on stderr.")]

# What `reads_source` and `reads_images` collect: the arguments of `striate.read` that are given. Nobody writes into it.
Reading = Mapping[str, Any]
AS_IT_IS: Reading = MappingProxyType({})


# How a source is read, which every command that takes one asks alike: arguments of `striate.read`.
READING = {
    "format": Format, "images": Images, "image_column": ImageColumn, "label_column": LabelColumn,
    "data_dir": DataDir, "pages": Pages,
}  # fmt: skip


def reads_source(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `READING`; its argument `reading` gets those that were typed."""
    return _with_reading(command, READING)


def reads_images(command: Callable[..., None]) -> Callable[..., None]:
    """Do as `reads_source` for a command that needs no labels."""
    return _with_reading(command, {name: option for name, option in READING.items() if name != "label_column"})


def _with_reading(command: Callable[..., None], wanted: dict[str, Any]) -> Callable[..., None]:
    @wraps(command)
    def typed_out(**given: Any) -> None:
        told = {name: given.pop(name) for name in wanted}
        command(**given, reading={name: value for name, value in told.items() if value is not None})

    signature = inspect.signature(command, eval_str=True)
    parameters = [one.replace(kind=one.KEYWORD_ONLY) for one in signature.parameters.values()]
    place = list(signature.parameters).index("reading")
    parameters[place : place + 1] = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in wanted.items()
    ]
    typed_out.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    typed_out.__annotations__ = {one.name: one.annotation for one in parameters}
    return typed_out


def told(reading: Reading) -> Reading:
    """Return what of `reading` was typed, without what the environment says."""
    return {name: value for name, value in reading.items() if name != "data_dir" or "STRIATE_DATA" not in os.environ}


def retyped(source: str, reading: Reading, **more: Any) -> str:
    """Return a source with the options by which it is read, and `more` that are not None, as typed in a shell.

    >>> retyped("my table.csv", {"images": Path("photos")}, groups="patient", size=None)
    "'my table.csv' --images photos --groups patient"
    """
    given = [(name, value) for name, value in {**told(reading), **more}.items() if value is not None]
    return shlex.join([source, *(word for name, value in given for word in (spelled(name), str(value)))])


def data_options(
    reading: Reading,
    size: str | None,
    fit: str | None,
    split: str | None,
    groups: str | None = None,
    without: Path | None = None,
) -> DataOptions:
    """Return how a source is read, brought to one size and split."""
    from striate.data.dataset import DataOptions
    from striate.data.decoding.pixels import check_fit

    return DataOptions(dict(reading), parse_size(size), None if fit is None else check_fit(fit), split, groups, without)


def called(model: Path) -> str:
    """Return what people call a model: by its file, or by its run's folder, as every run's file is model.striate.

    >>> called(Path("runs/photos-1/model.striate")), called(Path("cats.striate")), called(Path("net(width=1.0)"))
    ('photos-1', 'cats', 'net(width=1.0)')
    """
    if model.name == "model.striate":
        return model.resolve().parent.name or model.stem
    return model.stem if model.suffix.lower() == ".striate" else model.name


def spelled(name: str) -> str:
    """Return how an argument is typed.

    >>> spelled("label_column")
    '--label-column'
    """
    return "--" + name.replace("_", "-")


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Return (h, w) from "64" or "64x96"; None stays None.

    >>> parse_size("64"), parse_size("64x96")
    ((64, 64), (64, 96))
    """
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.isdecimal() and 1 <= int(part) <= 16384 for part in parts):
        raise typer.BadParameter(f"size must be pixels, as 64 or HEIGHTxWIDTH, 1 to 16384; got {text!r}")
    sides = [int(part) for part in parts]
    return sides[0], sides[-1]


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """Return the settings of `--set name=value`; values are read as TOML, else as text.

    >>> parse_settings(["weight_decay=5e-4", "optimiser=sgd", 'augment=["flip"]'])
    {'weight_decay': 0.0005, 'optimiser': 'sgd', 'augment': ['flip']}
    """
    import tomllib

    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set takes name=value; got {pair!r}")
        try:
            settings[name.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            settings[name.strip()] = value
    return settings


def parse_shape(text: str | None) -> tuple[int, int, int] | None:
    """Return (c, h, w) from "3x224x224"; None stays None.

    >>> parse_shape("3x227x227")
    (3, 227, 227)
    """
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) != 3 or not all(part.isdecimal() and 1 <= int(part) <= 16384 for part in parts):
        raise typer.BadParameter(f"--input must be channels, height and width, as 3x224x224; got {text!r}")
    channels, height, width = (int(part) for part in parts)
    return channels, height, width


def typed(context: typer.Context) -> str:
    """Return the command that runs, as it can be typed again in a shell."""
    return shlex.join(context.meta.get(TYPED, ()))
