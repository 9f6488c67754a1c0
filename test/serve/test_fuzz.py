"""Fuzzing: no input causes a 5xx, a hang or a crash. Seeds are fixed; failures print theirs."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from project import Server
from test_content import to_npy
from test_load import REQUEST, exchange

from serving import content
from serving.errors import ServingError
from serving.media_types import RESPONSE_TYPES, choose_response_type, parse_content_type
from serving.tabular import to_matrix

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
)
envelopes = st.builds(lambda key, value: {key: value}, st.sampled_from(content.ENVELOPES), json_values)
json_bodies = (json_values | envelopes).map(lambda value: json.dumps(value).encode(errors="surrogatepass"))


@pytest.fixture(scope="module")
def sample(samples: dict[str, Path]) -> Path:
    """The scikit-learn model."""
    return samples["joblib"]


@st.composite
def damaged(draw: st.DrawFn, whole: bytes = REQUEST) -> bytes:
    """Well-formed bytes with a piece removed, repeated or replaced."""
    start = draw(st.integers(0, len(whole) - 1))
    end = draw(st.integers(start, len(whole)))
    return whole[:start] + draw(st.binary(max_size=30) | st.just(whole[start:end] * 2)) + whole[end:]


npy_bodies = damaged(to_npy(np.ones((2, 8)))) | damaged(to_npy(np.ones((2, 8), "<i4"), (2, 0)))
bodies = st.binary(max_size=200) | json_bodies | npy_bodies | st.text(max_size=200).map(str.encode)
media_types = st.sampled_from([*RESPONSE_TYPES, "text/plain", "application/json; charset=utf-16"])
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40) | media_types


@settings(max_examples=2000, deadline=None, derandomize=True)
@given(body=bodies, content_type=media_types | header_values)
def test_any_body_is_decoded_or_refused(body: bytes, content_type: str) -> None:
    with contextlib.suppress(ServingError):
        records, parameters = content.decode(body, content_type)
        assert isinstance(parameters, dict)
        matrix = to_matrix(records, 8)
        assert matrix.shape == (len(records), 8)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(header=header_values)
def test_any_header_is_parsed_or_refused(header: str) -> None:
    parse_content_type(header)
    with contextlib.suppress(ServingError):
        assert choose_response_type(header, RESPONSE_TYPES) in RESPONSE_TYPES


def fuzz_over_http(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )


@pytest.fixture
def alive(server: Server) -> Iterator[Server]:
    """A server that must answer before and after the test."""
    yield server
    assert server.process.poll() is None
    assert server.request("GET", "/ping").status == 200
    assert server.invoke([[1.0] * 8]).status == 200
    assert "Traceback" not in server.log(), server.log()[server.log().index("Traceback") :][:3000]


@fuzz_over_http(250)
@given(body=bodies, content_type=header_values, accept=header_values, attributes=header_values)
def test_any_request_is_answered_below_500(
    alive: Server, body: bytes, content_type: str, accept: str, attributes: str
) -> None:
    reply = alive.invoke(body, content_type, Accept=accept, X_Amzn_SageMaker_Custom_Attributes=attributes)
    assert 200 <= reply.status < 500
    if reply.status >= 400:
        assert list(reply.json()) == ["error"]


paths = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30).map("/".__add__)


@fuzz_over_http(100)
@given(method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"]), path=paths)
def test_any_route_is_answered_below_500(alive: Server, method: str, path: str) -> None:
    assert 200 <= alive.request(method, path).status < 500


@fuzz_over_http(150)
@given(data=damaged() | st.binary(max_size=300))
def test_the_server_survives_any_bytes_on_the_socket(alive: Server, data: bytes) -> None:
    answer = exchange(alive, data)
    # The last is HTTP/0.9, which nginx answers to a request line without a version.
    assert not answer or answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4", b'{"error"'))
