"""Content-security policies: a page runs exactly the scripts that it was written with, and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable


def source_of(content: str) -> str:
    """Return what allows one inline script or style, and no other: its digest.

    Arguments:
        content: all that is between the tags, line ends too.

    >>> source_of("a{}")
    "'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode('utf-8', 'replace')).digest()).decode()}'"


def page_policy(scripts: Iterable[str] = (), **more: str) -> str:
    """Return the policy of a page that is one file: nothing from outside, only these scripts, pictures of its own.

    Styles may stand anywhere in the page, as charts have them at each line.

    Arguments:
        scripts: the contents of its inline scripts.
        more: what else it needs, by directive, as `worker_src="blob:"`; of `script_src` it is added.

    >>> page_policy(["a()"]).split("; ")[1]
    "script-src 'sha256-qVpDBgj7bpq5hMAcGp3AOc79J3Y1Z4HvySTwKrWDoy4='"
    """
    ran = " ".join([*map(source_of, scripts), *filter(None, [more.pop("script_src", "")])])
    own = {"default_src": "'none'"} | ({"script_src": ran} if ran else {})
    own |= {"style_src": "'unsafe-inline'", "img_src": "data:", "base_uri": "'none'", "form_action": "'none'"} | more
    return "; ".join(f"{name.replace('_', '-')} {sources}" for name, sources in own.items())
