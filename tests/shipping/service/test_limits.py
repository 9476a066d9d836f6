"""Attacks over real sockets: too large, too slow, too many, cut off, not what it says; each is told, none is fatal."""

import io
import json
import socket
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.shipping.service.conftest import png, running, until

from striate.errors import ArgumentError
from striate.shipping.service.limits import Limits
from striate.shipping.service.runtimes import Judged, TorchRuntime

SMALL = Limits(body_bytes=1 << 20, image_px=1_000_000, images=4, queue=8, idle_s=1.0, timeout_s=2.0, head_bytes=8192)


@pytest.fixture(scope="module")
def small(model_path):
    with running([model_path], limits=SMALL) as (service, client):
        yield client
        assert service.predictor.waiting == 0
        assert service.predictor.holding.held_bytes == 0


def huge_png(width, height):
    """A PNG that promises so many pixels and has none."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def bomb():
    """A whole PNG of few bytes and 36 megapixels."""
    file = io.BytesIO()
    Image.new("1", (6000, 6000)).save(file, "PNG")
    return file.getvalue()


WHOLE = png(np.zeros((9, 9), np.uint8))
NOISE = png(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))
JPEG = png(np.zeros((9, 9), np.uint8), "JPEG")
SCANS = JPEG + b"\xff\xda\x00\x08\x01" * 200
REFUSED = {
    "large body": (b"x" * (1 << 21), "", "image/png", 413, "body-too-large"),
    "header of a bomb": (huge_png(60_000, 60_000), "", "image/png", 413, "too-many-pixels"),
    "bomb": (bomb(), "", "image/png", 413, "too-many-pixels"),
    "many scans": (SCANS, "", "image/jpeg", 413, "too-many-scans"),
    "cut off": (NOISE[:900], "", "image/png", 422, "damaged-image"),
    "no image": (b"MZ\x90 a program", "", "image/png", 415, "not-an-image"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "", "image/svg+xml", 415, "unsupported-image"),
    "empty": (b"", "", "image/png", 422, "no-images"),
    "text": (WHOLE, "", "text/plain", 415, "unsupported-type"),
    "curl's default": (WHOLE, "", "application/x-www-form-urlencoded", 415, "unsupported-type"),
    "broken json": (b"{", "", "application/json", 400, "malformed-json"),
    "deep json": (b"[" * 100_000, "", "application/json", 413, "too-many-values"),
    "many values": (b"[" + b"[]," * 300_000, "", "application/json", 413, "too-many-values"),
    "other json": (b'{"image": 1}', "", "application/json", 422, "no-images"),
    "number": (b'{"images": [1]}', "", "application/json", 422, "no-base64"),
    "no base64": (b'{"images": ["%%"]}', "", "application/json", 422, "no-base64"),
    "five in json": (b'{"images": ["", "", "", "", ""]}', "", "application/json", 413, "too-many-images"),
    "form without boundary": (WHOLE, "", "multipart/form-data", 400, "malformed-form"),
    "form cut off": (b"--x\r\n", "", "multipart/form-data; boundary=x", 400, "malformed-form"),
    "top 0": (WHOLE, "?top=0", "image/png", 422, "bad-parameter"),
    "top many": (WHOLE, "?top=1" + "0" * 400, "image/png", 422, "bad-parameter"),
    "top in other digits": (WHOLE, "?top=%D9%A3", "image/png", 422, "bad-parameter"),
    "sure nan": (WHOLE, "?sure=nan", "image/png", 422, "bad-parameter"),
    "misspelt": (WHOLE, "?tops=3", "image/png", 422, "bad-parameter"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_told(small, name):
    body, query, kind, status, code = REFUSED[name]
    found, headers, said = small.post(body, query, kind)
    assert (found, said["error"]["code"]) == (status, code)
    assert headers["content-type"] == "application/json"
    assert len(said["error"]["message"]) < 600
    assert small.post(WHOLE)[0] == 200


def test_all_wrong_images_are_named_and_none_is_answered(small):
    status, _, said = small.form([("good.png", WHOLE), ("<b>.png", b"junk"), ("big.png", bomb())])
    assert status == 415
    assert [(one["index"], one["image"], one["code"]) for one in said["error"]["images"]] == [
        (1, "<b>.png", "not-an-image"),
        (2, "big.png", "too-many-pixels"),
    ]
    assert "image 1 (<b>.png)" in said["error"]["message"]
    assert small.form([("a", WHOLE)] * 5)[2]["error"]["code"] == "too-many-images"


POST = b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n"


def head(length, more=""):
    return POST + f"content-length: {length}\r\n{more}\r\n".encode()


def test_a_large_body_is_refused_before_it_is_sent(small):
    got = small.raw(head(1 << 40))
    assert b" 413 " in got.split(b"\r\n")[0]
    got = small.raw(head(1 << 22, "expect: 100-continue\r\n"))
    assert b"100 Continue" not in got
    assert b" 413 " in got
    chunked = POST + b"transfer-encoding: chunked\r\n\r\n"
    assert b" 413 " in small.raw(
        chunked + b"10000\r\n" + b"x" * 65536 + b"\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 40
    )


def test_a_client_that_sends_all_of_a_large_body_still_hears_why(small):
    with socket.create_connection(("127.0.0.1", small.port), timeout=10) as connection:
        connection.sendall(head(4 << 20))
        for _ in range(64):
            connection.sendall(bytes(65536))
        assert b" 413 " in connection.recv(65536)


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/pre", b"GET / HTTP/1.1\r\nhost: localhost\r\nx: "], ids=["nothing", "line", "head"]
)
def test_slow_heads_are_cut_off(small, sent):
    got = small.raw(sent)
    assert (b" 408 " in got) == bool(sent)


def test_a_body_that_is_promised_takes_no_room(model_path):
    limits = replace(SMALL, held_bytes=SMALL.body_bytes, idle_s=5.0, timeout_s=5.0)
    with running([model_path], limits=limits) as (service, client), ExitStack() as stack:
        for _ in range(8):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", client.port)))
            slow.sendall(head(SMALL.body_bytes) + b"x")
        assert until(lambda: service.predictor.holding.held_bytes == 8)
        assert client.post(WHOLE)[0] == 200


def test_a_film_behind_a_jpeg_is_no_scan(small):
    assert small.post(JPEG + b"\xff\xda of a film" * 200)[0] == 200


def test_slow_bodies_are_cut_off(small):
    assert b" 408 " in small.raw(head(1000) + b"x")
    with socket.create_connection(("127.0.0.1", small.port), timeout=10) as connection:
        connection.sendall(head(1000))
        for _ in range(20):  # a byte now and then
            time.sleep(0.3)
            try:
                connection.sendall(b"x")
            except OSError:
                break
        assert b" 408 " in connection.recv(65536)


def test_a_body_that_breaks_off(small):
    small.raw(head(1000) + b"x", half_close=True)
    assert small.post(WHOLE)[0] == 200


def test_heads_without_end(small):
    got = small.raw(
        b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"".join(b"x-%d: %s\r\n" % (i, b"y" * 100) for i in range(2000))
    )
    assert b" 431 " in got
    assert b" 431 " in small.raw(b"GET /" + b"a" * 20_000)


@pytest.mark.parametrize(
    "trailers", [b"a:b\r\n" * 10_000, b"".join([b"a:"] + [b"b" * 60_000] * 40)], ids=["many", "long"]
)
def test_trailers_without_end(small, trailers):
    chunked = POST + b"transfer-encoding: chunked\r\n\r\n9\r\n" + WHOLE[:9] + b"\r\n0\r\n"
    assert small.raw(chunked + trailers).startswith(b"HTTP/1.1 431 ")
    rest = b"%x\r\n%b\r\n0\r\nx-sum: 1\r\n\r\n" % (len(WHOLE), WHOLE)
    few = POST + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n" + rest
    assert small.raw(few).startswith(b"HTTP/1.1 200 ")


OWN_HOSTS = "localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"
OTHER_HOSTS = "a.example", "localhost.a.example", "127.0.0.1.a.example:80", "localhost@a.example", "0.0.0.0", ""


def test_another_name_for_this_machine_is_refused_without_a_token(small, model_path):
    for hosts, status in ((OWN_HOSTS, 200), (OTHER_HOSTS, 421)):
        assert [small.get("/v1/model", host=host)[0] for host in hosts] == [status] * len(hosts)
    assert small.post(WHOLE, host="a.example")[2]["error"]["code"] == "other-host"
    assert small.raw(b"GET /healthz HTTP/1.0\r\n\r\n").split(b" ")[1] == b"200"
    token = "a-token-of-letters"
    with running([model_path], token=token) as (_, client):
        assert client.get("/v1/model", host="a.example", authorization=f"Bearer {token}")[0] == 200


NO_HTTP = {
    "tls": b"\x16\x03\x01\x02\x00hello",
    "no version": b"GET\r\n\r\n",
    "no ascii": b"GET /\xff HTTP/1.1\r\n\r\n",
    "connect": b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    "two lengths": POST + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http(small, sent):
    got = small.raw(sent)
    assert got == b"" or got.split(b" ")[1][:1] == b"4"
    assert small.post(WHOLE)[0] == 200


class Slow(TorchRuntime):
    """As torch, but so slow that a queue fills; `gate` holds it back."""

    name = "slow"
    gate = threading.Event()

    def judge(self, pixels: np.ndarray) -> Judged:
        self.gate.wait(20)
        return super().judge(pixels)


@pytest.fixture
def held_back(model_path, monkeypatch):
    """A service that computes only once its gate is open."""
    monkeypatch.setattr("striate.shipping.service.models.choose_runtime", lambda model, others, note: Slow(model))
    Slow.gate.set()
    with running([model_path], limits=SMALL) as (service, client):
        Slow.gate.clear()
        yield service, client
        Slow.gate.set()


def test_a_full_queue_refuses_at_once_and_loses_nothing(held_back):
    service, client = held_back
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(client.post, WHOLE) for _ in range(8)]
        assert until(lambda: service.predictor.waiting == 8)
        status, headers, said = client.post(WHOLE)
        assert (status, said["error"]["code"]) == (429, "busy")
        assert int(headers["retry-after"]) >= 1
        assert client.get("/readyz")[0] == 503
        assert client.get("/healthz")[0] == 200
        Slow.gate.set()
        assert [one.result()[0] for one in waiting] == [200] * 8
    assert client.get("/readyz")[0] == 200


def test_no_answer_in_time_is_told(held_back):
    service, client = held_back
    status, headers, said = client.post(WHOLE)
    assert (status, said["error"]["code"]) == (503, "too-slow")
    assert "retry-after" in headers
    assert service.predictor.waiting == 0
    Slow.gate.set()
    assert client.post(WHOLE)[0] == 200


def test_a_client_that_leaves_makes_room(held_back):
    service, client = held_back
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        connection.sendall(head(len(WHOLE)) + WHOLE)
        assert until(lambda: service.predictor.waiting == 1)
    assert until(lambda: service.predictor.waiting == 0, 1.8)


def test_thousands_at_once(model_path, digits_model):
    limits = Limits(queue=64)
    request = head(len(WHOLE), "connection: close\r\n") + WHOLE
    right = digits_model.predict(WHOLE)
    with running([model_path], limits=limits) as (service, client):
        sockets = []
        for _ in range(1500):
            connection = socket.create_connection(("127.0.0.1", client.port), timeout=60)
            connection.sendall(request)
            sockets.append(connection)
        statuses = {200: 0, 429: 0}
        for connection in sockets:
            got = b""
            while piece := connection.recv(65536):
                got += piece
            connection.close()
            status, body = int(got[9:12]), json.loads(got.split(b"\r\n\r\n", 1)[1])
            statuses[status] += 1
            if status == 200:
                assert abs(body["predictions"][0]["probability"] - right.probability) < 1e-3
        assert statuses[200] >= 64
        assert sum(statuses.values()) == 1500
        assert until(lambda: not service._server.server_state.connections)


def test_too_many_connections_are_told(model_path):
    with running([model_path], limits=Limits(connections=4)) as (_, client):
        held = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(4)]
        time.sleep(0.2)
        got = client.raw(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert b" 503 " in got
        assert b'"connections"' in got
        for one in held:
            one.close()
        assert until(
            lambda: client.raw(b"GET /healthz HTTP/1.1\r\nconnection: close\r\nhost: localhost\r\n\r\n")[9:12] == b"200"
        )


@pytest.mark.parametrize("wrong", [{"queue": 0}, {"images": 300}, {"body_bytes": 1 << 40}, {"timeout_s": float("nan")}])
def test_limits_that_cannot_be(wrong):
    with pytest.raises(ArgumentError, match="must"):
        Limits(**wrong)
