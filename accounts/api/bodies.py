"""Reading a body by what is there, not by Content-Length: a client may send chunks (RFC 9112 section 6.3)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.views import APIView


class ChunkedRequest(Request):
    """DRF's request takes a body without Content-Length for none, and so would drop what was sent."""

    def _load_stream(self) -> None:
        super()._load_stream()  # type: ignore[misc]  # missing in the stubs
        is_chunked = "HTTP_TRANSFER_ENCODING" in self.META and "CONTENT_LENGTH" not in self.META
        if self._stream is None and is_chunked and not self._request._read_started:
            self._stream = self._request


class TakesChunks(APIView):
    """A view whose bodies may come in chunks; its parsers bound what they read."""

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        return ChunkedRequest(
            request,
            parsers=self.get_parsers(),
            authenticators=self.get_authenticators(),
            negotiator=self.get_content_negotiator(),
            parser_context=self.get_parser_context(request),
        )
