"""multipart/form-data: what is put in comes out; whatever else is sent is refused in words, and quickly."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.shipping.service.bodies import check_type, uploads_of
from striate.shipping.service.limits import Limits, RefusedError
from striate.shipping.service.multipart import form_parts, parameters_of

NAMES = st.text(st.characters(exclude_characters='"\\\r\n\0', exclude_categories=["Cs"]), max_size=40)
TYPE = "multipart/form-data; boundary=edge"


def joined(parts, edge="edge"):
    body = b""
    for name, content in parts:
        head = f'--{edge}\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name="f"; filename="{name}"'
        body += head.encode() + b"\r\n\r\n" + content + b"\r\n"
    return body + f"--{edge}--\r\n".encode()


def refusal(act):
    """Return how something was refused; None where it was not."""
    try:
        act()
    except RefusedError as error:
        return error
    return None


@given(st.lists(st.tuples(NAMES, st.binary(max_size=200).filter(lambda x: b"--edge" not in x)), max_size=5))
def test_what_is_put_in_comes_out(parts):
    found = [(part.filename, bytes(part.content)) for part in form_parts(joined(parts), TYPE, 5)]
    assert found == parts


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 10))
def test_damaged_forms_are_refused_in_words(junk, at, cut):
    whole = joined([("a", b"12345"), ("b", b"")])
    body = whole[:at] + junk + whole[at + cut :]
    refused = refusal(lambda: [bytes(part.content) for part in form_parts(body, TYPE, 5)])
    assert refused is None or refused.status in (400, 413)


@given(st.text(max_size=100), st.binary(max_size=100))
def test_any_type_and_body(kind, body):
    for each in (kind, f"multipart/form-data;{kind}", "application/json"):
        refused = refusal(lambda each=each: uploads_of(body, each, Limits()))
        assert refused is None or refused.status in (400, 413, 415, 422)


def test_a_preamble_and_odd_names():
    body = b"to be ignored\r\n" + joined([("ü'(1).png", b"x")])
    (part,) = form_parts(body, 'multipart/form-data; BOUNDARY="edge"', 1)
    assert (part.name, part.filename, bytes(part.content)) == ("f", "ü'(1).png", b"x")
    assert parameters_of("form-data; filename*=UTF-8''%e2%82%ac.png")[1] == {"filename*": "UTF-8''%e2%82%ac.png"}


def test_a_plain_field_is_refused_with_the_way_out():
    body = b'--edge\r\ncontent-disposition: form-data; name="top"\r\n\r\n3\r\n--edge--\r\n'
    with pytest.raises(RefusedError, match=r"plain field 'top'.*v1/predict\?top=3"):
        uploads_of(body, TYPE, Limits())


def test_hostile_bodies_end():
    # a search that goes back over its steps would take hours
    for piece in (b"\r\n", b"\r\n--edg", b"\r\n--edge", b"--edge\r\n\r\n", os.urandom(64)):
        body = b"--edge\r\n" + piece * (8_000_000 // len(piece))
        with pytest.raises(RefusedError):
            list(form_parts(body, TYPE, 64))
    with pytest.raises(RefusedError):
        check_type("a" * 1_000_000)
    parameters_of('x; a="' + '\\"' * 100_000)
