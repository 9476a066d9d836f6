"""What is asked over a socket is answered as in Python: every kind of body, every option, pages, health and counts."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from tests.shipping.service.conftest import png, running

JSON = "application/json"


def as_python(model, files, **asked):
    return [one.to_json(3) for one in model.predict(files, **asked)]


def test_every_kind_of_body_is_answered_as_in_python(client, digits_model, digit_files):
    right = as_python(digits_model, digit_files)
    status, _, formed = client.form([(f"{i}.png", file) for i, file in enumerate(digit_files)])
    assert status == 200
    text = [base64.b64encode(file).decode() for file in digit_files]
    _, _, listed = client.post(json.dumps({"images": text}), kind=JSON)
    raw = [client.post(file, kind="image/png")[2]["predictions"][0] for file in digit_files]
    for said in (formed["predictions"], listed["predictions"], raw):
        assert len(said) == len(right)
        for one, other in zip(said, right, strict=True):
            assert one["class"] == other["class"]
            assert one["known"] == other["known"]
            assert np.allclose([p for _, p in one["top"]], [p for _, p in other["top"]], atol=1e-3)
    assert [one["image"] for one in formed["predictions"]] == [f"{i}.png" for i in range(len(digit_files))]


def test_golden_images_are_answered_as_when_they_were_kept(client, digits_model):
    golden = digits_model.samples.golden
    for image, row in zip(golden.images, golden.probabilities, strict=True):
        (said,) = client.post(png(np.squeeze(image)), "?top=10")[2]["predictions"]
        shares = dict(said["top"])
        assert np.allclose([shares[name] for name in digits_model.classes], row, atol=1e-3)


def test_names_and_data_addresses_in_json(client, digit_files):
    text = base64.b64encode(digit_files[0]).decode()
    body = {"images": [{"name": "a <b>.png", "data": text}, "data:image/png;base64," + text]}
    said = client.post(json.dumps(body), "?top=1", JSON)[2]["predictions"]
    assert [one["image"] for one in said] == ["a <b>.png", ""]
    assert said[0]["top"] == said[1]["top"]
    assert len(said[0]["top"]) == 1


def test_turned_by_exif_as_in_python(client, digits_model, digit_files):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.open(io.BytesIO(digit_files[4])).convert("RGB").save(file, "JPEG", quality=95, exif=exif)
    (said,) = client.post(file.getvalue(), kind="image/jpeg")[2]["predictions"]
    assert np.allclose(said["probability"], as_python(digits_model, [file.getvalue()])[0]["probability"], atol=1e-3)


def test_sure_and_sets(client, digits_model, digit_files):
    _, _, said = client.form([("a", file) for file in digit_files], "?sure=0.8&sets=0.8")
    right = as_python(digits_model, digit_files, sure=0.8, sets=0.8)
    assert [one["sure"] for one in said["predictions"]] == [one["sure"] for one in right]
    assert [one["set"] for one in said["predictions"]] == [one["set"] for one in right]
    status, _, refused = client.post(digit_files[0], "?sure=0.999999")
    assert (status, refused["error"]["code"]) == (422, "not-promised")


def test_what_the_model_is(client, digits_model):
    status, _, said = client.get("/v1/model")
    assert status == 200
    assert said["classes"] == list(digits_model.classes)
    assert said["limits"]["images"] == 64
    assert client.get("/v1/models")[2]["models"][0]["name"] == "digits"
    assert client.get("/v1/model?model=cats")[0] == 404


def test_health_and_counts(client, digit_files):
    assert client.get("/healthz")[2] == {"status": "alive"}
    assert client.get("/readyz")[2] == {"status": "ready"}
    client.form([("a", digit_files[0])] * 3)
    text = client.get("/metrics")[2].decode()
    assert 'striate_images_total{model="digits"}' in text
    assert "striate_queue_images 0.0" in text
    assert "striate_held_bytes 0.0" in text


def test_pages_need_nothing_from_outside(client):
    for path in ("/", "/docs"):
        status, headers, page = client.get(path)
        policy = headers["content-security-policy"]
        assert status == 200
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert b"//cdn" not in page
        assert b'src="http' not in page
    schema = client.get("/openapi.json")[2]
    assert {"/v1/predict", "/v1/model", "/healthz", "/readyz", "/metrics"} <= schema["paths"].keys()
    assert {"413", "415", "422", "429", "503"} <= schema["paths"]["/v1/predict"]["post"]["responses"].keys()


def test_several_models(model_path, digit_files):
    with running([f"a={model_path}", f"b={model_path}"]) as (_, client):
        assert client.post(digit_files[0])[2]["error"]["code"] == "no-model"
        assert client.post(digit_files[0], "?model=c")[0] == 404
        both = [client.post(digit_files[0], f"?model={name}")[2] for name in "ab"]
        assert [one["model"] for one in both] == ["a", "b"]
        assert both[0]["predictions"] == both[1]["predictions"]


def test_a_token(model_path, digit_files):
    with running([model_path], token="correct horse battery"[:16] + "x") as (_, client):
        token = "correct horse battery"[:16] + "x"
        for path in ("/v1/model", "/metrics", "/v1/predict"):
            status, headers, said = client.get(path)
            assert (status, said["error"]["code"]) == (401, "no-token")
            assert headers["www-authenticate"] == "Bearer"
        for given in ("Bearer wrong", f"Basic {token}", f"Bearer {token}x", "Bearer", "Bearer \xe9"):
            assert client.post(digit_files[0], authorization=given)[0] == 401
        assert client.post(digit_files[0], authorization=f"Bearer {token}")[0] == 200
        assert client.get("/healthz")[0] == client.get("/")[0] == 200


def test_the_log_has_no_names_and_no_contents(model_path, digit_files):
    log = io.StringIO()
    with running([model_path], log=log) as (_, client):
        client.form([("secret-patient.png", digit_files[0]), ("secret-patient.png", digit_files[1])])
        client.form([("secret-patient.png", b"secret content")])
        client.post(b"secret content", "?model=secret")
        client.get("/secret?secret=1")
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert "secret" not in log.getvalue()
    asked = [line for line in lines if line["event"] == "request"]
    assert [line["status"] for line in asked] == [200, 415, 404, 404]
    assert asked[0]["images"] == 2
    assert asked[0]["bytes"] > len(digit_files[0])
    assert {"time", "id", "ms", "route"} <= asked[0].keys()
    assert lines[-1]["event"] == "stopped"


@pytest.mark.parametrize("given", ["abc-1", "x" * 65, "a\tb"])
def test_a_number_of_the_request(client, given):
    said = client.get("/healthz", **{"x-request-id": given})[1]["x-request-id"]
    assert (said == given) == (given == "abc-1")
    assert len(said) <= 64
