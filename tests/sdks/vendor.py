"""A vendor's API in the shapes of its documentation: takes one token, and says of any other that it expired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.provider_server import Answer, ProviderServer, Received

FIRST, SECOND = "first-token-of-the-customer-0001", "second-token-of-the-customer-0002"
REFRESH = "refresh-token-of-the-customer"
Script = Answer | Callable[[Received], Answer] | dict[str, Any] | list[Any]


class Vendor:
    """One provider's hosts. `token` is the one that it takes at the moment."""

    def __init__(self, server: ProviderServer, origin: str, *, token_endpoint: str, expired: Answer) -> None:
        self.server = server
        self.origin = origin
        self.token = FIRST
        self._token_endpoint = token_endpoint
        self._expired = expired

    def on(self, method: str, path: str, *answers: Script, origin: str | None = None) -> None:
        """Script an address: the answers in turn, the last one for ever, to calls with the right token."""
        waiting = list(answers)

        def answer(request: Received) -> Answer:
            if request.header("Authorization") != f"Bearer {self.token}":
                return self._expired
            script = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if callable(script):
                return script(request)
            return script if isinstance(script, Answer) else Answer(script)

        self.server.on(method, (origin or self.origin) + path, answer)

    def expire(self, **members: Any) -> None:
        """From now on the first token has expired, and a refresh brings the second. members: more of that reply."""
        self.token = SECOND
        self.server.on(
            "POST", self._token_endpoint, {"access_token": SECOND, "token_type": "bearer", **members}
        )

    def received(self, path: str, *, origin: str | None = None) -> list[Received]:
        return self.server.received((origin or self.origin) + path)

    @property
    def refreshes(self) -> int:
        return len(self.server.received(self._token_endpoint))

    def require_kept_apart(self, key: str) -> None:
        """No request was without a script, and none carried the partner's key in any part."""
        assert self.server.requests
        scripted = {(method, url) for method, url in self.server._scripts}
        for request in self.server.requests:
            assert (request.method, request.url) in scripted, (
                f"{request.method} {request.url} is not scripted"
            )
            assert key not in f"{request.target} {request.headers}"
            assert key.encode() not in request.body
            assert not [name for name, _ in request.headers if name.lower().startswith("patchbay-")]
