"""The routes of the service, and what OpenAPI says of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from striate.shipping.app.page import service_page
from striate.shipping.service.contract import (
    ANSWER,
    BODY,
    MODEL,
    MODELS,
    PARAMETERS,
    PLAIN,
    REASONS,
    STATUS,
    responses_of,
)
from striate.shipping.service.front import PREDICT, json_bytes
from striate.shipping.service.limits import Limits, RefusedError
from striate.shipping.service.metrics import CONTENT_TYPE, Metrics
from striate.shipping.service.models import Served
from striate.shipping.service.page import docs_page, policy_of
from striate.shipping.service.predictor import Predictor
from striate.version import __version__

_CODES = {404: "no-such-path", 405: "no-such-method"}
_TELLING = (
    'Calibrated classifiers of images. Every refusal is {"error": {"code", "message"}} with a number of its request.'
)
Model = Annotated[str | None, Query(description="Which model, where there are several.", max_length=200)]


def as_json(value: Any, status: int = 200) -> Response:
    """Return an answer of JSON."""
    return Response(json_bytes(value), status, media_type="application/json")


def make_app(predictor: Predictor, metrics: Metrics) -> FastAPI:
    """Return the routes; what stands before them is `Front`, which asks for a token or not."""
    app = FastAPI(
        title="Striate", version=__version__, description=_TELLING, docs_url=None, redoc_url=None,
        redirect_slashes=False,
        exception_handlers=dict.fromkeys((RefusedError, HTTPException, RequestValidationError, Exception), _refuse),
    )  # fmt: skip
    _add_predict(app)
    _add_models(app, predictor)
    _add_health(app, predictor, metrics)
    _add_pages(app)
    return app


def _add_predict(app: FastAPI) -> None:
    @app.post(
        PREDICT, summary="Say what is on images.", tags=["predict"],
        openapi_extra={"requestBody": BODY, "parameters": PARAMETERS},
        response_class=Response,
        responses=responses_of(ANSWER, "One prediction for each image, in their order.", *REASONS),
    )  # fmt: skip
    async def predict(request: Request) -> Response:
        """One image as the body, several as the files of a form, or {"images": [base64, …]}.

        Where one of several images cannot be read, none is answered, and the error names all that cannot.
        """
        raise NotImplementedError  # `Front` answers, without a framework's half of a millisecond: this tells the schema


def _add_models(app: FastAPI, predictor: Predictor) -> None:
    def told(served: Served) -> dict[str, Any]:
        return {**served.to_json(), "limits": _limits(predictor.limits)}

    @app.get(
        "/v1/model", summary="Say what a model is.", tags=["models"], response_class=Response,
        responses=responses_of(
            MODEL, "Its classes, what it is given, how good it was, and the limits.", 401, 404, 421, 422
        ),
    )  # fmt: skip
    async def model(model: Model = None) -> Response:
        return as_json(told(predictor.models.find(model)))

    @app.get(
        "/v1/models", summary="Say which models there are.", tags=["models"], response_class=Response,
        responses=responses_of(MODELS, "All of them.", 401, 421),
    )  # fmt: skip
    async def models() -> Response:
        return as_json({"models": [told(one) for one in predictor.models.served.values()]})


def _add_health(app: FastAPI, predictor: Predictor, metrics: Metrics) -> None:
    @app.get("/healthz", summary="Whether the service lives.", tags=["health"], response_class=Response,
             responses=responses_of(STATUS, "It lives.", 421, 503))  # fmt: skip
    async def healthz() -> Response:
        alive = predictor.batcher.alive
        return (
            as_json({"status": "alive"}) if alive else _unwell("dead", "the service computes no longer: start it again")
        )

    @app.get("/readyz", summary="Whether a request would be answered now.", tags=["health"], response_class=Response,
             responses=responses_of(STATUS, "It would.", 421, 503))  # fmt: skip
    async def readyz() -> Response:
        if predictor.ready:
            return as_json({"status": "ready"})
        why = "stopping" if predictor.stopping else "busy" if predictor.full else "not-ready"
        return _unwell(why, "a request would not be answered now")

    @app.get("/metrics", summary="Counters and clocks, for Prometheus.", tags=["health"], response_class=Response,
             responses=responses_of(STATUS, "", 401, 421) | {200: PLAIN})  # fmt: skip
    async def metrics_text() -> Response:
        return Response(metrics.text(), headers={"content-type": CONTENT_TYPE})


def _add_pages(app: FastAPI) -> None:
    front = service_page()
    kept: list[str] = []

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return _page(front)

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return Response(status_code=204)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        if not kept:
            kept.append(docs_page(app.openapi()))
        return _page(kept[0])


def _page(content: str) -> Response:
    return Response(content, media_type="text/html", headers={"content-security-policy": policy_of(content)})


def _unwell(code: str, message: str) -> Response:
    return as_json(RefusedError(503, code, message).to_json(), 503)


def _limits(limits: Limits) -> dict[str, Any]:
    names = ("body_bytes", "image_px", "images", "queue", "timeout_s")
    return {name: getattr(limits, name) for name in names}


class _Answered(Response):
    """What stands for an answer that has been given."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Say nothing."""


async def _refuse(request: Request, error: Exception) -> Response:
    await request.scope["state"]["visit"].refuse(_refusal_of(error))
    return _Answered()


def _refusal_of(error: Exception) -> RefusedError:
    """Return what an error is answered with; what the client sent is not repeated."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, HTTPException):
        code = _CODES.get(error.status_code, "refused")
        message = f"{error.detail}: see /docs for what there is"
        return RefusedError(error.status_code, code, message, headers=dict(error.headers or {}))
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return RefusedError(422, "bad-parameter", f"{first['loc'][-1]}: {first['msg']}")
    return RefusedError(500, "internal", "something went wrong here; the log has it under this request")
