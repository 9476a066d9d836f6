"""Pages: one HTML file each that needs nothing else, light and dark, on a phone and on paper.

A page's template extends `base.html`, which has the style:

    {% extends "base.html" %}
    {% block title %}…{% endblock %}
    {% block body %}<h1>…</h1> {{ share | percent }} {{ number | count }} {% endblock %}
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

from striate.errors import visible
from striate.pages.policy import page_policy
from striate.units import percent


def render_page(package: str, template: str, /, **values: Any) -> str:
    """Return a page as HTML; every value is escaped unless the template says `| safe`.

    Arguments:
        package: where the template lies beside the code that fills it, as "striate.evaluation".
        template: its file there; it may include others that lie beside it.
        values: what it names; `policy` is its content-security policy, without one no script runs.
    """
    import jinja2

    def own(name: str) -> str | None:
        file = resources.files(package) / name
        return file.read_text("utf-8") if file.is_file() else None

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined, finalize=_shown,
        loader=jinja2.ChoiceLoader([jinja2.FunctionLoader(own), jinja2.PackageLoader("striate.pages", "templates")]),
    )  # fmt: skip
    environment.filters["percent"] = percent
    # No line breaks between a figure and its sign.
    environment.filters["unbroken"] = lambda text: re.sub(r"(?<=\d) (?=%)", "\u00a0", text)
    environment.filters["count"] = lambda number: f"{number:,}"
    return environment.get_template(template).render(**{"policy": page_policy()} | values)


def _shown(value: Any) -> Any:
    """Return what a template prints: of text what would be obeyed and not shown as escapes; what is safe as it is."""
    return visible(value) if type(value) is str else value
