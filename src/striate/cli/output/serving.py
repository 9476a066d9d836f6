"""What `striate serve` says while it loads, serves and stops."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from striate.shipping.service.models import WantedModel
    from striate.shipping.service.server import Serving


def run_service(console: Console, wanted: Sequence[WantedModel], serving: Serving, *, log: bool) -> None:
    """Load the models and serve them until a signal comes.

    Arguments:
        console: for words; the log goes to stdout.
        log: whether there is one.
    """
    from striate.shipping.service.server import LOOPBACK, Service, allow_connections, listen

    def note(text: str) -> None:
        console.print(text, markup=False)

    limits = replace(serving.limits, connections=allow_connections(serving.limits))
    service = Service(wanted, replace(serving, limits=limits, log=sys.stdout if log else None), note)
    listener = listen(serving.host, serving.port)
    try:
        service.models.load(note)
        for one in service.models.served.values():
            note(
                f"{one.name}: {len(one.model.classes)} classes, {one.speed:,.0f} images/s with {one.runtime.name}, "
                f"version {one.version}"
            )
        if serving.host not in LOOPBACK and serving.token is None:
            console.print(
                f"warning: whoever reaches {serving.host} may ask: there is no token. Set STRIATE_TOKEN or "
                "--token-file, and put a proxy with TLS in front",
                style="yellow", markup=False,
            )  # fmt: skip
        port = listener.getsockname()[1]
        shown = f"[{serving.host}]" if ":" in serving.host else serving.host
        waited = service.run(
            listener, lambda: note(f"serving at http://{shown}:{port} (its API at /docs); Ctrl-C stops")
        )
    finally:
        listener.close()
    note(
        "stopped: all requests that had come were answered" if waited else "stopped at once: requests were not awaited"
    )
