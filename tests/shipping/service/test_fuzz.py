"""Whatever is sent, by the schema or at random, is answered as the schema says, and the service lives on."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.shipping.service.test_forms import joined

MOST = int(os.environ.get("STRIATE_FUZZ_REQUESTS", "60"))
OFTEN = settings(max_examples=MOST, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["images", "name", "data", "x"]), inner)
    ),
    max_leaves=8,
)
BODIES = st.one_of(
    st.binary(max_size=400),
    JSON.map(lambda value: json.dumps(value).encode("utf-8", "replace")),
    st.lists(st.binary(max_size=60), max_size=4).map(lambda files: joined([("x", one) for one in files])),
)
TYPES = st.sampled_from([
    "image/png", "application/json", "multipart/form-data; boundary=edge", "multipart/form-data", "text/html", "",
    'application/json; charset="utf-16"', "multipart/form-data; boundary=" + "x" * 71, "*/*",
])  # fmt: skip
VALUES = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=12) | st.sampled_from(
    ["0", "1", "-1", "1e3", "0.5", "0.99", "nan", "inf", "%00", "%ff", "digits", "%F0%9F%90%88", "9" * 50]
)
PATHS = st.sampled_from(
    ["/v1/predict", "/v1/model", "/v1/models", "/healthz", "/", "/docs", "/v1/predict/", "/%00", "/../etc"]
)


@pytest.fixture(scope="module")
def schema(client):
    return client.get("/openapi.json")[2]


@OFTEN
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
    path=PATHS,
    query=st.dictionaries(st.sampled_from(["model", "top", "sure", "sets", "x"]), VALUES, max_size=3),
    body=BODIES,
    kind=TYPES,
)
def test_every_request_is_answered_as_the_schema_says(client, schema, method, path, query, body, kind):
    said = "&".join(f"{name}={value}" for name, value in query.items()).replace("#", "").replace("?", "")
    status, headers, answer = client.ask(method, f"{path}?{said}", body, {"content-type": kind} if kind else {})
    assert status < 500, answer
    known = schema["paths"].get(path, {}).get(method.lower())
    if known:
        assert str(status) in known["responses"], (status, answer)
    if status >= 400 and method != "HEAD":
        assert {"code", "message", "request"} <= answer["error"].keys()
    assert "content-security-policy" in headers
    assert client.get("/readyz")[0] == 200


@OFTEN
@given(st.binary(max_size=200), st.integers(0, 120), st.integers(0, 30))
def test_damaged_http_is_answered_or_closed(client, junk, at, cut):
    whole = (
        b"POST /v1/predict?top=1 HTTP/1.1\r\nhost: [::1]\r\ncontent-type: image/png\r\ncontent-length: 5\r\n\r\nhello"
    )
    got = client.raw(whole[:at] + junk + whole[at + cut :], half_close=True)
    assert got == b"" or (got.startswith(b"HTTP/1.1 ") and got[9:10] in b"24"), got[:200]
    assert client.get("/healthz")[0] == 200
