"""The pages of the service: at / images are dropped and answered, at /docs the API is told; nothing from outside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

from striate.pages.page import render_page
from striate.pages.policy import source_of
from striate.shipping.app.page import service_page
from striate.shipping.service.models import Served

_INLINE = re.compile(r"<(style|script)\b[^>]*>(.*?)</\1>", re.S)


def policy_of(page: str) -> str:
    """Return a content-security policy under which exactly this page runs: its own styles and scripts, by digest.

    >>> policy_of("<style>a{}</style>").split("; ")[2]
    "style-src 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='"
    """
    digests: dict[str, list[str]] = {"style": [], "script": ["'self'"]}
    for kind, content in _INLINE.findall(page):
        if content.strip():
            digests[kind].append(source_of(content))
    return "; ".join([
        "default-src 'none'", f"script-src {' '.join(digests['script'])}", f"style-src {' '.join(digests['style'])}",
        "img-src 'self' blob: data:", "media-src blob: mediastream:", "connect-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    ])  # fmt: skip


def front_page(served: Sequence[Served], token: bool) -> str:
    """Return the page at /: that of `striate export -o app.html` in front of the service, where there is one model.

    Several are chosen on a page of the service's own, which asks for a token too.
    """
    if len(served) == 1 and not token:
        return service_page(served[0].model)
    return render_page("striate.shipping.service", "page.html", policy="")


def front_script() -> str:
    """Return what moves the page at /."""
    return (resources.files("striate.shipping.service") / "page.js").read_text("utf-8")


def docs_page(schema: dict[str, Any]) -> str:
    """Return the page at /docs: the paths of an OpenAPI schema, for people."""
    routes = [
        {"method": method.upper(), "path": path, "summary": "", "description": "", "parameters": [], **said}
        for path, methods in schema["paths"].items()
        for method, said in methods.items()
    ]
    return render_page("striate.shipping.service", "docs.html", routes=routes, policy="")
