"""The reference of the Python interface: a page for each public name, filled by autodoc from its docstring."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping

import striate

# Packages with names of their own for users, beside the front door.
PACKAGES = {"striate.nets": "Nets", "striate.augmentation": "Augmentation"}
MODULES = {
    "striate.metrics.intervals": "Intervals",
    "striate.metrics.calibration": "Calibration",
    "striate.metrics.comparison": "Comparing two models",
    "striate.metrics.by_class": "Class by class",
    "striate.evaluation.more_images": "More images",
    "striate.errors": "Errors",
}


def api_pages() -> dict[str, str]:
    """Return the overview and the pages of the Python interface, by path."""
    names = [name for name in striate.__all__ if not name.startswith("__")]
    rows = [f"| [`striate.{name}`](api/{name}.md) | {_summary(getattr(striate, name))} |" for name in names]
    pages = {f"api/{name}.md": _page(f"striate.{name}", getattr(striate, name)) for name in names}
    more = []
    for package, title in PACKAGES.items():
        module = importlib.import_module(package)
        own = [name for name in module.__all__ if name not in names]
        body = [_directive(f"{package}.{name}", getattr(module, name)) for name in own]
        path = f"api/{package.removeprefix('striate.')}.md"
        pages[path] = "\n".join([f"# {title}: `{package}`", "", _summary(module), "", *body])
        more.append(f"| [`{package}`]({path}) | {_summary(module)} |")
    for name, title in MODULES.items():
        path = f"api/{name.removeprefix('striate.')}.md"
        module = importlib.import_module(name)
        pages[path] = "\n".join([f"# {title}: `{name}`", "", _module(name)])
        more.append(f"| [`{name}`]({path}) | {_summary(module)} |")
    overview = [
        "# Python", "",
        "Written from the docstrings. `import striate` is quick; what a name needs loads on its first use.", "",
        "| name | what |", "|---|---|", *rows, "", "## More, by package", "", "| name | what |", "|---|---|", *more, "",
        "```{toctree}", ":hidden:", "", *sorted((path.removesuffix(".md") for path in pages), key=str.lower), "```", "",
    ]  # fmt: skip
    return {"python.md": "\n".join(overview), **pages}


def _page(path: str, value: object) -> str:
    return "\n".join([f"# `{path}`", "", _directive(path, value)])


def _directive(path: str, value: object) -> str:
    """Return autodoc's directive for one name."""
    if inspect.isclass(value):
        members = (
            ""
            if issubclass(value, Exception)
            else "   :members:\n   :exclude-members: set_fit_request, set_score_request\n"
        )
        return _rst(f".. autoclass:: {path}\n{members}")
    if inspect.isroutine(value):
        return _rst(f".. autofunction:: {path}\n")
    names = ", ".join(f"`{name}`" for name in value) if isinstance(value, Mapping) else ""
    return f"**`{path}`**: a mapping by name{': ' if names else ''}{names}\n"


def _module(name: str) -> str:
    return _rst(f".. automodule:: {name}\n   :members:\n   :no-index:\n")


def _rst(text: str) -> str:
    return f"```{{eval-rst}}\n{text}```\n"


def _summary(value: object) -> str:
    text = (inspect.getdoc(value) or "").split("\n\n")[0]
    return " ".join(text.split()).replace("|", "\\|").replace("*", "\\*").replace("<", "\\<")
