"""The command line: one file a command; it parses, calls the library, prints, and decides nothing."""

from __future__ import annotations

import sys

import typer

from striate import __version__
from striate.cli.cache import cache
from striate.cli.evaluate import evaluate
from striate.cli.net import net
from striate.cli.predict import predict
from striate.cli.train import train
from striate.errors import StriateError

app = typer.Typer(
    name="striate",
    help="From labelled images to a classifier that you can trust.",
    epilog="Try: striate train digits",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)
for command in (train, predict, evaluate, net, cache):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"striate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    pass


def main() -> None:
    """Run the command line; a user's mistake ends in one message and exit code 1, never in a traceback."""
    try:
        app()
    except StriateError as error:
        fail(str(error))
    except MemoryError:
        fail("out of memory. Try a smaller --size or --batch-size")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or error}")


def fail(message: str) -> None:
    """Print an error and end with exit code 1."""
    # Names of files may hold bytes that the terminal's encoding cannot say.
    text = f"error: {message}".encode(sys.stderr.encoding or "utf-8", "backslashreplace").decode(
        sys.stderr.encoding or "utf-8"
    )
    print(text, file=sys.stderr)
    sys.exit(1)
