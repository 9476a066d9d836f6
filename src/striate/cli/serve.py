"""`striate serve`: models as a web service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from striate.cli import options
from striate.cli.output.console import stderr
from striate.errors import some

LIMITS, ACCESS = "Limits", "Who may ask"


def serve(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL…", help="A .striate file, or NAME=FILE; of several, ?model=NAME chooses."),
    ],
    host: Annotated[
        str, typer.Option(rich_help_panel=ACCESS, help="The address to listen on; 0.0.0.0 is all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, rich_help_panel=ACCESS, help="0 takes one that is free.")
    ] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=ACCESS,
            metavar="FILE",
            show_default="the variable STRIATE_TOKEN, else everybody may ask",
            help="A file with the token that clients must bring: Authorization: Bearer TOKEN.",
        ),
    ] = None,
    max_body: Annotated[int, typer.Option(min=1, rich_help_panel=LIMITS, help="Of one request, in MiB.")] = 32,
    max_pixels: Annotated[
        float, typer.Option(min=0.001, rich_help_panel=LIMITS, help="Of one image, in megapixels.")
    ] = 50,
    max_images: Annotated[int, typer.Option(min=1, rich_help_panel=LIMITS, help="In one request.")] = 64,
    queue: Annotated[
        int, typer.Option(min=1, rich_help_panel=LIMITS, help="Images that may wait; more are refused with 429.")
    ] = 256,
    timeout: Annotated[
        str, typer.Option(rich_help_panel=LIMITS, metavar="TIME", help="For a body to arrive, and then for its answer.")
    ] = "30s",
    log: Annotated[
        bool, typer.Option("--log/--no-log", help="Write a line of JSON for each request to stdout.")
    ] = True,
    weights: options.Weights = None,
    device: options.Device = None,
) -> None:
    """Answer over HTTP what is on images: one file or many, as a form, as the body, or as JSON.

    [bold]striate serve cats.striate[/bold]
    [bold]curl -F file=@cat.jpg http://127.0.0.1:8000/v1/predict[/bold]

    In a browser the same address shows a page to drop images on; /docs lists the API, /metrics is for Prometheus,
    /healthz and /readyz for whoever watches. Requests that come together are computed together. A model's file that
    changes is loaded anew, without a lost request. Ctrl-C takes no more requests, answers those that are there, ends.

    Only this machine can ask, unless --host says otherwise. Then give a token, and put a proxy with TLS in front: the
    service speaks plain HTTP.
    """
    console = stderr()
    console.print(f"loading {some(models, 5)}: some seconds", markup=False)
    from striate.cli.output.serving import run_service
    from striate.shipping.service.limits import Limits
    from striate.shipping.service.models import Loading, WantedModel
    from striate.shipping.service.onnx_runtime import OnnxRuntime
    from striate.shipping.service.server import Serving, read_token
    from striate.units import parse_duration

    body_bytes = max_body << 20
    limits = Limits(
        body_bytes=body_bytes, image_px=int(max_pixels * 1e6), images=max_images, queue=queue,
        held_bytes=max(Limits.held_bytes, body_bytes), timeout_s=parse_duration(timeout),
    )  # fmt: skip
    serving = Serving(host, port, read_token(token_file), limits, Loading(weights, device, (OnnxRuntime,)))
    run_service(console, [WantedModel.of(word) for word in models], serving, log=log)
