"""An ASGI application for the benchmark alone: the platform's own, with the hot path off, and a bare DRF view.

`/proxy/…` and the envelopes go through the entry as deployed; only `hot_call` says None, as it does on any
doubt, so that the DRF view takes each call. `/bare` is what Django REST framework costs without any of this:
a view that answers a fixed object, called as ours are, without Django's handler and middleware.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import django

django.setup()

from django.core.handlers.asgi import ASGIRequest  # noqa: E402 (Django must have loaded)
from django.http import HttpRequest  # noqa: E402
from django.http.response import HttpResponseBase  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from config.asgi import application as deployed  # noqa: E402
from proxy import entry  # noqa: E402
from proxy.incoming import Receive  # noqa: E402
from proxy.replies import Send  # noqa: E402


class BareView(APIView):
    """Nobody is asked for anything."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = []
    view_is_async = True

    async def dispatch(  # type: ignore[override]  # DRF's own does not await
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        self.args, self.kwargs, self.headers = args, kwargs, {}
        self.request = self.initialize_request(request, *args, **kwargs)
        try:
            self.initial(self.request)
            response: Response = await self.post(self.request)
        except Exception as error:  # noqa: BLE001 (as DRF does it)
            response = self.handle_exception(error)
        return self.finalize_response(self.request, response)

    async def post(self, request: Request) -> Response:
        return Response({"status": "ok"})


_bare = BareView.as_view()


def _declines(*call: Any) -> None:
    """In the place of the hot path."""


setattr(entry, "hot_call", _declines)  # noqa: B010 (what is replaced has another type)


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The deployed application, with one path more."""
    if scope["type"] == "http" and scope["path"] == "/bare":
        await _answer(scope, receive, send)
    else:
        await deployed(scope, receive, send)


async def _answer(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    response: Response = await _bare(ASGIRequest(scope, BytesIO(body)))  # type: ignore[misc]  # it is async
    response.render()
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    headers.append((b"content-length", b"%d" % len(response.content)))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
