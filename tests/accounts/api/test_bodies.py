"""Bodies that come in chunks, as a server without Content-Length sees them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIRequest
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.bodies import TakesChunks
from accounts.api.parsers import FormBody, JSONBody
from accounts.api.problems import exception_handler

FORM = b"application/x-www-form-urlencoded"


class Echo(TakesChunks):
    authentication_classes: list[Any] = []
    permission_classes = [AllowAny]
    parser_classes = [JSONBody, FormBody]

    def get_exception_handler(self) -> Any:
        return exception_handler

    def post(self, request: Request) -> Response:
        return Response(request.data)


def send(body: bytes, content_type: bytes, *, length: int | None = None) -> Any:
    headers = [(b"host", b"localhost"), (b"content-type", content_type)]
    headers.append(
        (b"transfer-encoding", b"chunked") if length is None else (b"content-length", str(length).encode())
    )
    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}
    return Echo.as_view()(ASGIRequest(scope, io.BytesIO(body)))


@pytest.mark.parametrize("length", [None, 8])
def test_json_is_read_with_and_without_content_length(length: int | None) -> None:
    response = send(b'{"a": 1}', b"application/json", length=length)
    assert (response.status_code, response.data) == (200, {"a": 1})


def test_a_form_is_read_in_chunks_too() -> None:
    assert send(b"a=1&a=2&b=%C3%AB", FORM).data == {"a": "2", "b": "ë"}


def test_no_chunk_at_all_is_an_empty_body() -> None:
    assert send(b"", b"application/json").data == {}
    assert send(b"", FORM).data == {}


def test_chunks_are_bounded_as_well() -> None:
    response = send(b" " * 2_000_000, b"application/json")
    assert (response.status_code, response.data["code"]) == (413, "content_too_large")


def test_chunks_of_another_type_are_not_read() -> None:
    assert send(b"x", b"text/plain").status_code == 415
