"""The reference of the command line, from the commands: their help, arguments and options."""

from __future__ import annotations

import re
from typing import Any

from rich.text import Text
from typer.main import get_command

from striate.cli import app

MARKUP = re.compile(r"\[(bold|dim)\](.*?)\[/\1\]")


def command_pages() -> dict[str, str]:
    """Return an overview and a page for each command, by path."""
    group: Any = get_command(app)
    commands = {name: command for name, command in group.commands.items() if not command.hidden}
    rows = [f"| [`striate {name}`](cli/{name}.md) | {_first_line(command)} |" for name, command in commands.items()]
    overview = [
        "# The command line", "",
        "Written from the commands themselves; `striate COMMAND --help` says the same. Results go to stdout, words to "
        "stderr. The exit code is 0, 1 (failed), 2 (usage) or 3 (`check` found something serious).", "",
        "| command | what it does |", "|---|---|", *rows, "",
        "```{toctree}", ":hidden:", "", *(f"cli/{name}" for name in commands), "```", "",
    ]  # fmt: skip
    pages = {f"cli/{name}.md": _page(name, command) for name, command in commands.items()}
    return {"cli.md": "\n".join(overview), **pages}


def _page(name: str, command: Any) -> str:
    context = command.context_class(command, info_name=name)
    usage = " ".join(["striate", name, *command.collect_usage_pieces(context)])
    lines = [f"# striate {name}", "", "```text", usage, "```", "", _help(command.help or ""), ""]
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        title = getattr(parameter, "rich_help_panel", None)
        title = title or ("Arguments" if parameter.param_type_name == "argument" else "Options")
        panels.setdefault(title, []).append(_row(parameter, context))
    for title, rows in sorted(panels.items(), key=lambda panel: panel[0] != "Arguments"):
        lines += [f"## {title}", "", "| | what | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(parameter: Any, context: Any) -> str:
    """Return an argument's or option's line: how it is written, what it does, what holds without it."""
    if parameter.param_type_name == "argument":
        written = f"`{_value(parameter, context)}`"
    else:
        names = "`, `".join([*parameter.opts, *parameter.secondary_opts])
        written = f"`{names}`" + ("" if parameter.is_flag else f" `{_value(parameter, context)}`")
    if parameter.required:
        default = "required"
    elif isinstance(parameter.show_default, str):
        default = parameter.show_default
    else:
        told = isinstance(parameter.default, int | float | str) and not isinstance(parameter.default, bool)
        default = f"`{parameter.default}`" if told else ""
    text = _plain(parameter.help or "") + (f" (`{parameter.envvar}`)" if parameter.envvar else "")
    return "| " + " | ".join(_cell(part) for part in (written, text, default)) + " |"


def _value(parameter: Any, context: Any) -> str:
    """Return what stands for the value; how a parameter is asked for it depends on typer's version."""
    ask = getattr(parameter, "display_type", None) or parameter.make_metavar
    try:
        shown = parameter.metavar or ask(context)
    except TypeError:
        shown = ask()
    return str(shown).strip("[]").upper() if str(shown).islower() else str(shown).strip("[]")


def _help(text: str) -> str:
    """Return a docstring as Markdown: paragraphs, and in code blocks what is typed."""
    made = []
    for paragraph in re.split(r"\n\s*\n", re.sub(r"(?m)^ +", "", text.replace("\x08", "")).split("\f")[0].strip()):
        lines = paragraph.splitlines()
        if all(MARKUP.fullmatch(line.strip()) for line in lines):
            typed = [one for line in lines for one in _plain_line(line).split(" · ")]
            made.append("\n".join(["```text", *typed, "```"]))
        else:
            made.append(_escape(MARKUP.sub(lambda m: f"`{m[2]}`" if "`" not in m[2] else m[2], " ".join(lines))))
    return "\n\n".join(made)


def _plain_line(line: str) -> str:
    found = MARKUP.fullmatch(line.strip())
    return Text.from_markup(found[2] if found else line).plain


def _plain(text: str) -> str:
    return Text.from_markup(text).plain


def _escape(text: str) -> str:
    """Return text whose stars, brackets and angles stay what they are, outside of `code`."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>\[\]\\])", r"\\\1", part) for part in parts)


def _cell(text: str) -> str:
    return _escape(" ".join(text.split())).replace("|", "\\|")


def _first_line(command: Any) -> str:
    return _cell(_plain((command.help or "").strip().split("\n\n")[0]))
