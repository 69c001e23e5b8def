"""Static files through WhiteNoise, in a form that ASGI can send."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise streams from a file object, which Django under ASGI reads whole, with a warning for each file.

    Our files are small and come at a known size, so they are read here.
    """

    def serve(self, static_file: Any, request: HttpRequest) -> HttpResponseBase:
        streamed = super().serve(static_file, request)
        content = b"".join(streamed.streaming_content) if streamed.streaming else streamed.content
        streamed.close()
        response = HttpResponse(content, status=streamed.status_code)
        for name, value in streamed.headers.items():
            response.headers[name] = value
        return response
