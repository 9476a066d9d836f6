"""The command line: one file a command; it parses, calls the library, prints, and decides nothing."""

from __future__ import annotations

import codecs
import gc
import inspect
import os
import signal
import sys
from io import TextIOWrapper
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from striate.cli import options
from striate.cli.augment import augment
from striate.cli.cache import cache
from striate.cli.check import check
from striate.cli.doctor import doctor
from striate.cli.evaluate import evaluate
from striate.cli.explain import explain
from striate.cli.export import export
from striate.cli.features import features
from striate.cli.filter import filter
from striate.cli.look import look
from striate.cli.net import net
from striate.cli.predict import predict
from striate.cli.report import report
from striate.cli.runs import runs
from striate.cli.serve import serve
from striate.cli.train import train
from striate.cli.tune import tune
from striate.cli.unknown_options import instead_of
from striate.cli.walk import walk
from striate.errors import StriateError, is_out_of_memory, visible
from striate.version import __version__

# What the framework raises where a command is typed in a way that it does not have.
UsageError: Any = typer.BadParameter.__mro__[1]
# What `striate` alone says.
FIRST = """\
Striate: from labelled images to a classifier that you can trust.

  striate train photos/       one folder a class: photos/cat/1.jpg, photos/dog/1.jpg …
  striate predict runs/photos-1/model.striate new.jpg

No photographs at hand? striate train digits --budget 20s
All commands: striate --help. What this machine can do: striate doctor"""

PLAIN = str.maketrans({"×": "x", "−": "-", "–": "-", "─": "-", "·": "-", "…": "...", "→": "->"})  # fmt: skip


class _Bare:
    """A command whose help shows no type beside options that take no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        params = super().get_params(ctx)  # type: ignore[misc]
        for one in params:
            if getattr(one, "is_flag", False):
                one.metavar = ""
        return params


class _Command(_Bare, TyperCommand):
    """A command that says of an option which it has not what to type instead."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except UsageError as error:
            if type(error).__name__ == "NoSuchOption":  # where that type lies depends on the framework's version
                names = {name: _option_names(one) for name, one in ctx.parent.command.commands.items()}
                error.message += f". {instead_of(error.option_name, ctx.info_name, names)}"
                error.possibilities = None
            raise


def _option_names(command: Any) -> list[str]:
    return [name for one in command.params for name in (*one.opts, *one.secondary_opts) if name.startswith("--")]


class _Commands(_Bare, TyperGroup):
    """The commands; a user's mistake in any of them ends in one message and exit code 1, never in a traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = _with_place([_expanded(word) for word in args])
        ctx.meta[options.TYPED] = ("striate", *words)
        return super().parse_args(ctx, words)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _end("interrupted")
        except StriateError as error:
            _end(f"error: {error}")
        except BrokenPipeError:
            raise  # whoever read the output has seen enough; the framework ends quietly
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            _end(f"error: {where}{error.strerror or error}")
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            _end("error: out of memory. Try a smaller --batch-size or --size")


def flowing(text: str) -> str:
    """Return a docstring whose paragraphs are one line each, to be broken where the terminal ends; examples stay.

    >>> flowing('''Train.
    ...
    ...     It takes
    ...     a while.
    ...
    ...     [bold]striate train a/[/bold]
    ...     [bold]striate train b/[/bold]''').split("\\n")
    ['Train.', '', 'It takes a while.', '', '[bold]striate train a/[/bold]', '[bold]striate train b/[/bold]']
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(one if one.startswith("[bold]") else " ".join(one.split()) for one in paragraphs)


app = typer.Typer(
    cls=_Commands,
    name="striate",
    help="From labelled images to a classifier that you can trust.",
    epilog="Try: [bold]striate train digits --budget 20s[/bold]   "
    "TAB completes commands, options and names after: [bold]striate --install-completion[/bold]",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)
for command in (
    train, predict, evaluate, check, explain, look, walk, filter, net, augment, tune, features,
    export, serve, runs, report, cache, doctor,
):  # fmt: skip
    app.command(cls=_Command, help=flowing(command.__doc__ or ""))(command)


def _expanded(word: str) -> str:
    """Return an argument with the user's home in the place of ~, where the shell left that to us.

    >>> _expanded("--out=~/runs") == "--out=" + os.path.expanduser("~/runs"), _expanded("conv(3, 1)")
    (True, 'conv(3, 1)')
    """
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return word if not value.startswith("~") or os.path.exists(value) else option + equals + os.path.expanduser(value)


def _with_place(words: list[str]) -> list[str]:
    """Return the words of a command in which --ray alone, as the last one or before another option, says where.

    >>> _with_place(["predict", "a.striate", "photos", "--ray", "--csv", "out.csv"])
    ['predict', 'a.striate', 'photos', '--ray=local', '--csv', 'out.csv']
    """
    following = [*words[1:], "-"]
    return [
        "--ray=local" if word == "--ray" and after.startswith("-") else word
        for word, after in zip(words, following, strict=False)
    ]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"striate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version."),
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(FIRST)


def main() -> None:
    """Run the command line."""
    codecs.register_error("striate", _in_plain_letters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="striate")
    try:
        app()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C has nothing to save any more and ends at once
        gc.freeze()  # all goes with the process: to search torch's many objects for garbage before takes half a second


def _in_plain_letters(error: UnicodeError) -> tuple[str, int]:
    """Return what to print for signs and names of files that the terminal's encoding cannot say."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(PLAIN)
    return text.encode("ascii", "backslashreplace").decode(), error.end


def _end(message: str) -> NoReturn:
    """Print a message and end with exit code 1."""
    print(visible(message), file=sys.stderr)
    raise typer.Exit(1)
