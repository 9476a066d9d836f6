"""What OpenAPI says of the service's bodies and responses_of, as plain schemas."""

from __future__ import annotations

from typing import Any

from striate.shipping.service.predictor import MOST_TOP

_TEXT, _NUMBER, _WHOLE, _YES = {"type": "string"}, {"type": "number"}, {"type": "integer"}, {"type": "boolean"}
_IMAGE = {"type": "string", "contentEncoding": "base64"}

PREDICTION: dict[str, Any] = {
    "type": "object",
    "required": ["image", "class", "probability", "top", "known"],
    "properties": {
        "image": {**_TEXT, "description": "The name that the client gave; empty where it gave none."},
        "class": {**_TEXT, "description": "The most probable class."},
        "probability": {**_NUMBER, "minimum": 0, "maximum": 1, "description": "Of that class, calibrated."},
        "top": {
            "type": "array",
            "items": {"type": "array", "items": {"type": ["string", "number"]}, "minItems": 2, "maxItems": 2},
        },
        "known": {
            "type": ["boolean", "null"],
            "description": "false: none of the classes; null: the model cannot tell.",
        },
        "sure": {**_YES, "description": "With ?sure: whether it is one of the answers of which so many are right."},
        "set": {
            "type": "array",
            "items": _TEXT,
            "description": "With ?sets: the classes that hold the true one so often.",
        },
    },
}
ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["model", "version", "predictions"],
    "properties": {
        "model": _TEXT,
        "version": _TEXT,
        "predictions": {"type": "array", "items": PREDICTION, "minItems": 1},
    },
}
MODEL: dict[str, Any] = {
    "type": "object",
    "required": ["name", "version", "net", "classes", "input", "limits"],
    "properties": {"name": _TEXT, "version": _TEXT, "net": _TEXT, "classes": {"type": "array", "items": _TEXT},
                   "input": {"type": "object"}, "limits": {"type": "object"}},
}  # fmt: skip
MODELS: dict[str, Any] = {
    "type": "object", "required": ["models"], "properties": {"models": {"type": "array", "items": MODEL}},
}  # fmt: skip
PLAIN: dict[str, Any] = {"description": "Text.", "content": {"text/plain": {"schema": {"type": "string"}}}}
STATUS: dict[str, Any] = {"type": "object", "required": ["status"], "properties": {"status": _TEXT}}
ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": _TEXT, "message": _TEXT, "request": _TEXT,
                "images": {"type": "array", "items": {
                    "type": "object", "required": ["index", "image", "code", "message"],
                    "properties": {"index": _WHOLE, "image": _TEXT, "code": _TEXT, "message": _TEXT},
                }},
            },
        }
    },
}  # fmt: skip
_FILES = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["file"], "properties": {"file": _FILES}},
        },
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["images"],
                "properties": {
                    "images": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "oneOf": [
                                _IMAGE,
                                {"type": "object", "required": ["data"], "properties": {"name": _TEXT, "data": _IMAGE}},
                            ]
                        },
                    }
                },
            }
        },
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}


def _parameter(name: str, schema: dict[str, Any], what: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": what}


_SHARE = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
PARAMETERS = [
    _parameter("model", {"type": "string"}, "Which model, where there are several."),
    _parameter(
        "top",
        {"type": "integer", "minimum": 1, "maximum": MOST_TOP, "default": 3},
        "How many classes to tell of each image.",
    ),
    _parameter("sure", _SHARE, "Say which answers are among those of which so many are right, as 0.99."),
    _parameter("sets", _SHARE, "Give sets of classes that hold the true one so often, as 0.95."),
]
REASONS = {
    400: "The body is malformed, or breaks off.",
    401: "The service wants its token.",
    404: "There is no model of that name.",
    408: "The body came too slowly.",
    413: "The body, an image's pixels or the number of images is too large.",
    415: "The body, or a file, is of a type that is not read.",
    421: "The request names another host than this machine, and the service has no token.",
    422: "An image is damaged, a parameter out of range, or the model cannot promise what was asked for.",
    429: "The queue is full: ask again after Retry-After seconds.",
    500: "Something went wrong in the service.",
    503: "There was no answer in time, or the service is being stopped.",
}


def responses_of(schema: dict[str, Any], what: str, *refusals: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of a route's answers: the good one, and the refusals with their reasons."""
    said: dict[int | str, dict[str, Any]] = {200: _of(schema, what)}
    return said | {status: _of(ERROR, REASONS[status]) for status in refusals}


def _of(schema: dict[str, Any], what: str) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema}}}
