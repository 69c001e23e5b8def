"""What the platform would send, caught at the one place where a request leaves, as a file of replies has it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl

from integrations.catalogue import Provider
from tests.integrations.contract_set.sent import OF_HTTP
from tests.integrations.providers.draft_replies import Document


class Sent:
    """calls are the requests so far, oldest first; their values are placeholders."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self.calls: list[Document] = []

    @property
    def last(self) -> Document:
        return self.calls[-1]

    @contextmanager
    def answered(self, *bodies: Any, status: int = 200) -> Iterator[None]:
        """Calls are answered with these bodies in turn; nothing leaves."""
        waiting = list(bodies)

        def request(_: Any, method: str, url: str, *, data: Any, headers: Any, **__: Any) -> Any:
            self.calls.append(self.described(method, url, headers, data or b""))
            reply = mock.Mock(status_code=status, headers={"Content-Type": "application/json"})
            reply.content = json.dumps(waiting.pop(0)).encode()
            return reply

        with mock.patch("integrations.provider_calls.transport.sync.request", request):
            yield

    def described(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Document:
        """One request, with what HTTP itself adds left out."""
        plain, _, query = url.partition("?")
        found: Document = {"method": method, "url": plain}
        if query:
            found["query"] = dict(parse_qsl(query, keep_blank_values=True))
        lower = {name.lower(): value for name, value in headers.items()}
        found |= self._authorization(lower.get("authorization", ""))
        if body:
            is_json = lower.get("content-type") == "application/json"
            text = body.decode()
            found["format"] = "json" if is_json else "form"
            found["params"] = json.loads(text) if is_json else dict(parse_qsl(text, keep_blank_values=True))
        rest = {name: value for name, value in headers.items() if name.lower() not in OF_HTTP}
        placement = self._provider.api.credential
        if placement.kind == "header" and placement.name in rest:
            found.pop("authorization", None)
            found["credential"] = {"header": placement.name, "value": rest.pop(placement.name)}
        if lower.get("accept", "application/json") not in ("application/json", "*/*"):
            rest["Accept"] = lower["accept"]
        if "user-agent" in lower:
            rest["User-Agent"] = lower["user-agent"]
        return found | ({"headers": rest} if rest else {})

    def _authorization(self, value: str) -> Document:
        if value.startswith("Basic "):
            pair = base64.b64decode(value.removeprefix("Basic ")).decode()
            if pair == "CLIENT_ID:CLIENT_SECRET":
                is_raw = self._provider.oauth.basic_encoding == "raw"
                return {"authorization": "basic_raw" if is_raw else "basic"}
            return {"credential": {"header": "Authorization", "basic": pair}}
        if value == "Bearer ACCESS_TOKEN":
            return {"authorization": "bearer"}
        if value.startswith("OAuth oauth_"):
            return {"credential": {"oauth1": True}}
        return {"credential": value} if value else {"authorization": "none"}
