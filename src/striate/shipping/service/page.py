"""The page at /docs, which tells the API, and the policy of every page: nothing from outside."""

from __future__ import annotations

import re
from typing import Any

from striate.pages.page import render_page
from striate.pages.policy import source_of

_INLINE = re.compile(r"<(style|script)\b[^>]*>(.*?)</\1>", re.S)


def policy_of(page: str) -> str:
    """Return a content-security policy under which exactly this page runs: its own styles and scripts, by digest.

    >>> policy_of("<style>a{}</style>").split("; ")[1]
    "style-src 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='"
    """
    digests: dict[str, list[str]] = {"style": [], "script": []}
    for kind, content in _INLINE.findall(page):
        if content.strip():
            digests[kind].append(source_of(content))
    return "; ".join([
        "default-src 'none'", *(f"{kind}-src {' '.join(found)}" for kind, found in digests.items() if found),
        "img-src 'self' blob: data:", "media-src blob: mediastream:", "connect-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    ])  # fmt: skip


def docs_page(schema: dict[str, Any]) -> str:
    """Return the page at /docs: the paths of an OpenAPI schema, for people."""
    routes = [
        {"method": method.upper(), "path": path, "summary": "", "description": "", "parameters": [], **said}
        for path, methods in schema["paths"].items()
        for method, said in methods.items()
    ]
    return render_page("striate.shipping.service", "docs.html", routes=routes, policy="")
