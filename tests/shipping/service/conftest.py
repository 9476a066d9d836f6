"""A running service on a free port of this machine, and clients that speak to it over real sockets."""

import http.client
import io
import json
import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")
pytest.importorskip("httptools")

from striate.shipping.service.limits import Limits
from striate.shipping.service.models import Loading, WantedModel
from striate.shipping.service.server import Service, Serving, listen


class Client:
    """Speaks to one service."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, headers=None):
        """Return status, headers and body, JSON as its value."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        kind = answer.headers.get("content-type", "")
        return answer.status, answer.headers, json.loads(content) if "json" in kind and content else content

    def get(self, path, **headers):
        return self.ask("GET", path, None, headers)

    def post(self, body, query="", kind="application/octet-stream", **headers):
        return self.ask("POST", f"/v1/predict{query}", body, {"content-type": kind, **headers})

    def form(self, files, query=""):
        parts = [
            f'--b\r\ncontent-disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
            + content
            + b"\r\n"
            for name, content in files
        ]
        return self.post(b"".join(parts) + b"--b--\r\n", query, "multipart/form-data; boundary=b")

    def raw(self, content, wait_s=10.0, half_close=False):
        """Send bytes as they are; return what comes until the other side closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait_s) as connection:
            connection.sendall(content)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            got = b""
            try:
                while piece := connection.recv(65536):
                    got += piece
            except ConnectionResetError:
                pass
            return got


@contextmanager
def running(paths, log=None, runtimes=(), **settings):
    """Run a service in a thread; yield it with its client."""
    limits = settings.pop("limits", Limits())
    serving = Serving(port=0, limits=limits, log=log, loading=Loading(device="cpu", runtimes=runtimes), **settings)
    service = Service([WantedModel.of(str(path)) for path in paths], serving)
    service.models.load()
    listener, started = listen("127.0.0.1", 0), threading.Event()
    thread = threading.Thread(target=service.run, args=(listener, started.set))
    thread.start()
    try:
        assert started.wait(30)
        yield service, Client(listener.getsockname()[1])
    finally:
        service.stop()
        thread.join(60)
        listener.close()
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def model_path(digits_run):
    return digits_run / "model.striate"


@pytest.fixture(scope="module")
def client(model_path):
    with running([f"digits={model_path}"]) as (_, client):
        yield client


def png(pixels, kind="PNG", **more):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **more)
    return file.getvalue()


@pytest.fixture(scope="session")
def digit_files():
    """Digits as PNG files of several sizes, gray and in colour."""
    images = _digits()[:24]
    files = []
    for i, image in enumerate(images):
        large = np.kron(image, np.ones((1 + i % 3, 1 + i % 4), np.uint8))
        files.append(png(large if i % 2 else np.stack([large] * 3, -1)))
    return files


def _digits():
    from sklearn.datasets import load_digits

    return (load_digits().images * 15).astype(np.uint8)


def until(condition, seconds=20.0):
    """Wait until something holds; say whether it does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
