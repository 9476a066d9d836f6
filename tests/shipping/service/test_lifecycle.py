"""Models that change and a service that stops, under load: no request is lost, none is answered wrongly."""

import asyncio
import gc
import http.client
import json
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from tests.shipping.service.conftest import png, running, until

from striate.errors import ArgumentError, ModelFileError, SourceNotFoundError
from striate.shipping.service.batching import Batcher
from striate.shipping.service.limits import Limits, RefusedError
from striate.shipping.service.models import Loading, Models, WantedModel
from striate.shipping.service.predictor import Predictor, Question
from striate.shipping.service.runtimes import Judged, TorchRuntime, choose_runtime
from striate.shipping.service.server import read_token

DIGIT = png(np.arange(64, dtype=np.uint8).reshape(8, 8))


@pytest.fixture
def own_model(model_path, tmp_path):
    return shutil.copy(model_path, tmp_path / "own.striate")


class Asking:
    """Asks again and again from some threads; keeps what is said."""

    def __init__(self, client, threads=4):
        self.said, self._stop = [], threading.Event()
        self._pool = ThreadPoolExecutor(threads)
        self._work = [self._pool.submit(self._ask, client) for _ in range(threads)]

    def _ask(self, client):
        while not self._stop.is_set():
            try:
                status, _, said = client.post(DIGIT)
            except ConnectionRefusedError:
                return
            self.said.append((status, said))

    def stop(self):
        self._stop.set()
        for one in self._work:
            one.result()
        self._pool.shutdown()


def test_a_changed_file_is_served_without_a_lost_request(own_model, digits_model):
    with running([own_model], reload_s=0.1) as (_, client):
        before = client.post(DIGIT)[2]
        asking = Asking(client)
        flipped = replace(digits_model, classes=tuple(f"new {name}" for name in digits_model.classes))
        flipped.save(own_model)
        assert until(lambda: client.post(DIGIT)[2]["version"] != before["version"])
        asking.stop()
        after = client.post(DIGIT)[2]
        metrics = client.get("/metrics")[2].decode()
    assert after["predictions"][0]["class"] == "new " + before["predictions"][0]["class"]
    assert {status for status, _ in asking.said} == {200}
    for _, said in asking.said:
        (right,) = (before if said["version"] == before["version"] else after)["predictions"]
        (one,) = said["predictions"]
        assert one["class"] == right["class"]
        assert abs(one["probability"] - right["probability"]) < 1e-3
    assert 'outcome="reloaded"' in metrics


def test_a_damaged_file_changes_nothing(own_model):
    with running([own_model], reload_s=0.05) as (service, client):
        before = client.post(DIGIT)[2]
        own_model.write_bytes(own_model.read_bytes()[:-100])
        assert until(lambda: "reload-failed" in client.get("/metrics")[2].decode())
        assert client.post(DIGIT)[2] == before
        own_model.unlink()
        time.sleep(0.3)
        assert client.post(DIGIT)[2] == before
        assert service.predictor.batcher.alive


def test_a_stop_under_load_answers_what_was_sent(model_path):
    with running([model_path]) as (service, client):
        asking = Asking(client, 8)
        assert until(lambda: len(asking.said) > 20)
        service.stop()
        asking.stop()  # a reset or a half answer would raise here
    assert {status for status, _ in asking.said} == {200}
    with pytest.raises(ConnectionRefusedError):
        client.get("/healthz")


def test_a_kept_connection_may_send_one_more_while_it_stops(model_path):
    request = (
        b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\ncontent-length: %d\r\n\r\n"
        % len(DIGIT)
    )
    with running([model_path]) as (service, client), socket.create_connection(("127.0.0.1", client.port)) as kept:
        kept.sendall(request + DIGIT)
        assert answer_on(kept) == (200, None)
        service.stop()
        assert until(lambda: service.predictor.stopping)
        kept.sendall(request + DIGIT)
        assert answer_on(kept) == (200, "close")


def answer_on(connection):
    """Return status and connection header of the next answer on a connection, once it is whole."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    assert json.loads(answer.read())["predictions"]
    return answer.status, answer.headers.get("connection")


class Fail(Exception):
    """As ONNX Runtime's errors: of no kind but Exception."""


def test_a_reload_that_fails_in_any_way_is_told_and_is_not_the_last(own_model, digits_model, monkeypatch):
    def fail(*_):
        raise Fail

    with running([own_model], reload_s=0.05) as (_, client):
        before = client.get("/v1/model")[2]["version"]
        with monkeypatch.context() as patch:
            patch.setattr("striate.shipping.service.models.choose_runtime", fail)
            replace(digits_model, classes=tuple("abcdefghij")).save(own_model)
            assert until(lambda: "reload-failed" in client.get("/metrics")[2].decode())
        assert client.get("/v1/model")[2]["version"] == before
        replace(digits_model, classes=tuple("klmnopqrst")).save(own_model)
        assert until(lambda: client.get("/v1/model")[2]["classes"][0] == "k")


def test_a_service_whose_reloading_broke_still_ends(own_model, monkeypatch):
    def fail(*_):
        raise Fail

    with running([own_model], reload_s=0.05) as (service, client):
        closed = []
        monkeypatch.setattr(service.predictor, "close", lambda close=service.predictor.close: closed.append(close()))
        monkeypatch.setattr("striate.shipping.service.models._state", fail)
        assert until(service._reloading.done)
        assert client.post(DIGIT)[0] == 200
    assert closed


def test_rules_that_are_emptied_meanwhile(model_path):
    class Emptied(dict):
        def __contains__(self, key):
            return True  # it was there a moment ago

    models = Models([WantedModel("a", str(model_path))], Loading(device="cpu"))
    models.load()
    served = replace(models.find("a"), rules=Emptied())
    predictor = Predictor(models, Limits(), Batcher())
    predictor.start()
    try:
        assert asyncio.run(predictor._rules(served, Question())) is served.rules[None, None]
    finally:
        predictor.close()


def test_a_token_that_cannot_be_read(tmp_path):
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_token(tmp_path / "none")


class Other(TorchRuntime):
    """What answers as torch does, or not, and counts how often it was asked."""

    name, off, asked = "other", 0.0, 0

    def judge(self, pixels):
        type(self).asked += 1
        said = super().judge(pixels)
        return Judged(said.probabilities + np.float32(self.off), said.known)


def test_a_runtime_that_answers_otherwise_is_never_used(digits_model, monkeypatch):
    told = []
    monkeypatch.setattr(
        "striate.shipping.service.runtimes.seconds_of", lambda one, *more: {"other": 0.1, "torch": 1}[one.name]
    )
    assert choose_runtime(digits_model, [Other], told.append).name == "other"
    monkeypatch.setattr(Other, "off", 0.01)
    assert choose_runtime(digits_model, [Other], told.append).name == "torch"
    assert "differs from torch by 0.01" in told[-1]

    monkeypatch.setattr(Other, "off", np.nan)
    assert choose_runtime(digits_model, [Other], told.append).name == "torch"

    def none(model):
        raise Fail("it cannot carry this model")

    assert choose_runtime(digits_model, [none], told.append).name == "torch"
    assert "cannot carry" in told[-1]


def test_names_of_models(model_path, tmp_path):
    with pytest.raises(ArgumentError, match="a name of its own; got a twice"):
        Models([WantedModel("a", "x"), WantedModel("a", "y")], Loading())
    for word in ("", "a=", "=x", "a/b=x", "a\nb=x", "n" * 65 + "=x"):
        with pytest.raises(ArgumentError, match="NAME=FILE"):
            WantedModel.of(word)
    odd = tmp_path / "a=b.striate"
    shutil.copy(model_path, odd)
    assert WantedModel.of(str(odd)) == WantedModel("a=b", str(odd))
    with pytest.raises(SourceNotFoundError, match="nowhere"):
        Models([WantedModel.of("nowhere.striate")], Loading()).load()
    odd.write_bytes(b"junk")
    with pytest.raises(ModelFileError, match=r"a=b\.striate"):
        Models([WantedModel.of(str(odd))], Loading()).load()


def test_a_model_that_was_never_asked_for(model_path):
    models = Models([WantedModel("a", str(model_path))], Loading(device="cpu"))
    models.load()
    assert models.find(None).name == models.find("a").name == "a"
    with pytest.raises(RefusedError, match="no model 'b'"):
        models.find("b")
    assert json.dumps(models.find("a").to_json())


def test_no_search_for_garbage_among_what_stays(model_path):
    """A library's objects, hundreds of thousands, are looked at by no collection while requests are answered."""
    with running([model_path]) as (_, client):
        assert client.get("/readyz")[0] == 200
        assert gc.get_freeze_count() > 10_000
    assert gc.get_freeze_count() == 0
