"""Options that several commands share, each with its help."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from striate.data.dataset import DataOptions

# When the command began, as near as can be: a budget counts from here.
BEGAN = time.perf_counter()
# Where the words of the command are kept for as long as it runs.
TYPED = "striate.typed"

DATA, NET, RUN = "Data", "Net and recipe", "Run"

SOURCE_HELP = (
    "Folder of class folders, CSV/TSV table, zip or tar of either, Parquet, WebDataset, COCO or Label Studio JSON, "
    "CIFAR archive or folder, IDX files, .npz, or a built-in set: "
    "digits, xo, shapes, mnist, fashion-mnist, cifar10, cifar100."
)
Source = Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCE_HELP)]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A .striate file, or a net: mobilenet_v2, timm/resnet18.")]
Format = Annotated[
    str | None,
    typer.Option(
        "--format", rich_help_panel=DATA, show_default="told by the content",
        help="Read the source as folders, table, archive, webdataset, parquet, metadata, coco, labelstudio, cifar, "
        "cifar100-coarse, idx, npz or npy.",
    ),
]  # fmt: skip
Images = Annotated[
    Path | None,
    typer.Option(
        "--images", rich_help_panel=DATA, show_default="the table's own",
        help="Folder that the image paths of a table, of COCO or of Label Studio are relative to.",
    ),
]  # fmt: skip
ImageColumn = Annotated[
    str | None,
    typer.Option(
        "--image-column", rich_help_panel=DATA, show_default="guessed", help="The table's column of image paths."
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option("--label-column", rich_help_panel=DATA, show_default="guessed", help="The table's column of labels."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", rich_help_panel=DATA, envvar="STRIATE_DATA",
        help="Folder in which published files of built-in sets are looked for before they are downloaded.",
    ),
]  # fmt: skip
Split = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=DATA, show_default="80:10:10",
        help="Shares of train:valid:test where the source has no splits; 70:30 for no test.",
    ),
]  # fmt: skip
Size = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=DATA, show_default="from the images",
        help="Pixels to train at: 64, or 64x96 (height × width).",
    ),
]  # fmt: skip
Fit = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=DATA, show_default="crop; pad where that cuts away half",
        help="How images come to that size: crop, pad or stretch.",
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
        help="For a named net instead of a model file: imagenet (downloaded once), or a .pth or .safetensors.",
    ),
]
Sure = Annotated[
    float | None,
    typer.Option(
        "--sure", metavar="PRECISION", help="Say which answers are among those of which so many are right, as 0.99."
    ),
]
Sets = Annotated[
    float | None,
    typer.Option("--sets", metavar="COVERAGE", help="Give sets of classes that hold the true one so often, as 0.95."),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        rich_help_panel=RUN,
        show_default="a GPU if there is one",
        help="Compute on cpu, cuda, cuda:1 or mps.",
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric", rich_help_panel=NET, show_default="accuracy",
        help="What is best on the validation images: accuracy; or the mean over the classes of their accuracy "
        "(balanced-accuracy) or F1 (macro-f1), in which a rare class has the same say as a frequent one.",
    ),
]  # fmt: skip
Balance = Annotated[
    str | None,
    typer.Option(
        "--balance", rich_help_panel=NET, show_default="none",
        help="Uneven classes: none learns from the images as they come; loss counts each class as much, draw shows "
        "each as often: rare classes are found more often, at some cost to frequent ones.",
    ),
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", rich_help_panel=RUN, help="Print the result as JSON.")]


def reading(
    format: str | None,
    images: Path | None,
    image_column: str | None,
    label_column: str | None,
    data_dir: Path | None,
    pages: str | None = None,
) -> dict[str, Any]:
    """Return the options of `striate.read` that were given."""
    named = {"format": format, "images": images, "image_column": image_column, "label_column": label_column,
             "data_dir": data_dir, "pages": pages}  # fmt: skip
    return {name: value for name, value in named.items() if value is not None}


def data_options(
    reading: dict[str, Any],
    size: str | None,
    fit: str | None,
    split: str | None,
    groups: str | None = None,
    without: Path | None = None,
) -> DataOptions:
    """Return how a source is read, brought to one size and split."""
    from striate.data.dataset import DataOptions
    from striate.data.decoding.pixels import check_fit

    return DataOptions(reading, parse_size(size), None if fit is None else check_fit(fit), split, groups, without)


def check_page_file(page: Path, model: Path, inputs: Iterable[str | Path | None] = ()) -> None:
    """Raise an ArgumentError where a page is not named as one, or would overwrite what the command reads.

    Arguments:
        model, inputs: see `check_spared`.
    """
    from striate.errors import ArgumentError
    from striate.system.files import is_plain_file

    check_spared(page, model, inputs)
    if page.suffix.lower() not in (".html", ".htm") and (is_plain_file(page) or page.is_dir()):
        raise ArgumentError(f"--out must end in .html; got {page}. Try -o {page.stem or 'page'}.html")


def check_spared(out: Path | None, model: Path, inputs: Iterable[str | Path | None] = ()) -> None:
    """Raise an ArgumentError where what is written overwrites the model, an input or any image; links are followed.

    Arguments:
        out: the file that is to be written; None where none is.
        model: a model file, or the name of a net.
        inputs: files, folders and patterns, as the user gave them; what is not there counts as nothing.
    """
    if out is None or not out.is_file():
        return
    import glob
    import os

    from striate.data.readers.walking import IMAGE_TYPES
    from striate.errors import ArgumentError

    what = ""
    for given in filter(None, inputs):
        word = os.path.expanduser(given)
        paths = [word] if os.path.lexists(word) else glob.iglob(word, recursive=True)
        if any(os.path.isfile(path) and os.path.samefile(out, path) for path in paths):
            what = "is what the command reads"
    if model.is_file() and os.path.samefile(out, model):
        what = "is the model itself"
    if not what and Path(os.path.realpath(out)).suffix.lower() in {*IMAGE_TYPES, ".striate"}:
        what = "is an image or a model that is there already"
    if what:
        raise ArgumentError(f"{out} {what}, which is not overwritten. Name another file")


def called(model: Path) -> str:
    """Return what people call a model: by its file, or by its run's folder, as every run's file is model.striate.

    >>> called(Path("runs/photos-1/model.striate")), called(Path("cats.striate")), called(Path("net(width=1.0)"))
    ('photos-1', 'cats', 'net(width=1.0)')
    """
    if model.name == "model.striate":
        return model.resolve().parent.name or model.stem
    return model.stem if model.suffix.lower() == ".striate" else model.name


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
    import shlex

    return shlex.join(context.meta.get(TYPED, ()))
