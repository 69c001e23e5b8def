"""What the tests need of any authorization server, whoever wrote it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.contract.outside import TIMEOUT_SECONDS
from tests.servers.visitor import Visitor

#: the customer, known to every server
LOGIN, PASSWORD, NAME = "ada", "lovelace-1815", "Ada"


@dataclass(frozen=True)
class App:
    """Our client at a server. client_secret: the private key in PEM where it signs."""

    client_id: str
    client_secret: str = field(repr=False)


class RealServer(ABC):
    """A running server. url: where it stands on loopback; issuer: what it calls itself.

    scopes: two that the customer grants; whoami: the path of its API that tells whose token it is.
    """

    name: str
    origin: str
    issuer: str
    scopes: tuple[str, str] = ("contacts", "files")
    whoami: str
    #: what the connection's account is then
    account_id: str
    has_pushed_requests = False

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def register(self, redirect_uri: str, **wanted: Any) -> App:
        """Make a client of ours, in the way that the server has for it."""

    @abstractmethod
    def consent(self, visitor: Visitor, authorize_url: str) -> str:
        """Log in on its pages and agree to all; the address that it sends the browser back to."""

    @abstractmethod
    def deny(self, visitor: Visitor, authorize_url: str) -> str:
        """Log in and do not agree, as far as its pages let anybody; the address that comes of it."""

    @abstractmethod
    def expire_codes(self) -> None:
        """Let the time of every code that nobody has used run out."""

    @abstractmethod
    def finish_entry(self, document: dict[str, Any]) -> None:
        """What an operator knows and the server's metadata does not tell."""

    #: paths below url
    token_path: str
    introspection_path: str

    def token_call(self, app: App, **parameters: str) -> requests.Response:
        """A call of the token endpoint by whoever holds the app's secret."""
        return self._as_client(self.token_path, app, parameters)

    def is_alive(self, app: App, token: str) -> bool:
        """Whether the server itself still takes this token for good (RFC 7662)."""
        reply = self._as_client(self.introspection_path, app, {"token": token})
        assert reply.status_code == 200, f"{reply.status_code} {reply.text[:300]}"
        return bool(reply.json()["active"])

    def _as_client(self, path: str, app: App, parameters: dict[str, str]) -> requests.Response:
        return requests.post(
            self.url + path,
            auth=(app.client_id, app.client_secret),
            data=parameters,
            headers={"Host": self.origin.removeprefix("https://")},
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )
