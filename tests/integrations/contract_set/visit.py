"""One entry's visit to the stage: a customer connects, and what was sent and kept is there to be looked at."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from integrations import catalogue, tokens
from integrations.catalogue import Provider
from integrations.models import Connection, Integration, IntegrationScope
from integrations.oauth.token_request import ClientAuthentication
from tests.integrations.contract_set.placeholders import filled, filled_url
from tests.integrations.contract_set.replies import Replies
from tests.integrations.contract_set.stage import Stage
from tests.integrations.contract_set.ways import CODE, CUSTOMER, Connected, Consent, Way, way_of
from tests.integrations.providers.conftest import CLIENT_SECRET
from tests.provider_server import Answer, Received
from tests.proxy.servers import RawReply

_PLACE = re.compile(r"\{([A-Za-z0-9_]+)\}")
_HOSTS = re.compile(r"https://([A-Za-z0-9.-]+)")


@dataclass
class Visit:
    """values holds what the placeholders of the file stand for at this moment."""

    stage: Stage
    provider: Provider
    replies: Replies
    values: dict[str, str] = field(default_factory=dict)
    integration: Integration = field(init=False)
    _way: Way = field(init=False)
    _connected: Connected | None = None
    _refused: AssertionError | None = None
    _serial: int = 1

    def __post_init__(self) -> None:
        config = self.replies.mapping("integration")
        self.integration = self.stage.integration(self.provider, config)
        for is_optional, name in ((False, "scopes"), (True, "optional_scopes")):
            for scope in self.replies.items(name):
                IntegrationScope.objects.create(
                    integration=self.integration, scope=scope, is_optional=is_optional
                )
        self.values = {
            "CLIENT_ID": self.integration.current_client().client_id,
            "CLIENT_SECRET": CLIENT_SECRET,
            "REDIRECT_URI": self.integration.redirect_uri,
            "CODE": CODE,
            "ACCESS_TOKEN": self._token("access"),
            "REFRESH_TOKEN": self._token("refresh"),
        }
        self._next_pair()
        self.forget()

    def _token(self, kind: str) -> str:
        """Holds what has to be encoded in a query and in a path, and differs from every other visit's."""
        return f"{kind}/{self.integration.pk.hex}+{self._serial}="

    def _next_pair(self) -> None:
        self._serial += 1
        self.values |= {
            "NEW_ACCESS_TOKEN": self._token("access"),
            "NEW_REFRESH_TOKEN": self._token("refresh"),
        }

    def rotate(self) -> None:
        """A refresh was answered: from now on its pair counts; without a new refresh token the old one stays."""
        body = json.dumps(self.replies["refresh"]["reply"].get("body"))
        self.values["ACCESS_TOKEN"] = self.values["NEW_ACCESS_TOKEN"]
        if "NEW_REFRESH_TOKEN" in body:
            self.values["REFRESH_TOKEN"] = self.values["NEW_REFRESH_TOKEN"]
        self._next_pair()

    def stored_pair(self) -> dict[str, str]:
        """The tokens that the platform has to hold now; where the access token renews itself it is both."""
        pair = {"access_token": self.values["ACCESS_TOKEN"]}
        if self.replies.call("refresh") is not None:
            is_told = "REFRESH_TOKEN" in json.dumps(self.replies["token"]["reply"].get("body"))
            pair["refresh_token"] = self.values["REFRESH_TOKEN" if is_told else "ACCESS_TOKEN"]
        return pair

    def playing(self, provider: Provider) -> Visit:
        """The same connection under a changed entry, for checks that only look."""
        other = copy.copy(self)
        other.provider, other.values = provider, dict(self.values)
        # A commit is what makes the platform look at its rows, and so at the entry, again.
        Integration.objects.filter(pk=self.integration.pk).update(provider_id=provider.id)
        return other

    # -- scripting -----------------------------------------------------------------------------------------

    @contextmanager
    def world(self, *more: str) -> Iterator[None]:
        """All addresses of the file and of the entry lead to the scripted server; what came before is forgotten."""
        texts = json.dumps(self.replies.document) + _PLACE.sub(self._known, repr(self.provider))
        hosts = {host.lower() for host in _HOSTS.findall(texts)} | set(more)
        self.stage.server.requests.clear()
        with self.stage.serving(self.provider), self.stage.answering(*sorted(hosts)):
            yield

    def _known(self, place: re.Match[str]) -> str:
        names = ("connection", "integration", "captured")
        known = {name: value for each in names for name, value in self.replies.mapping(each).items()}
        return known.get(place[1], place[0])

    def script(self, *calls: Mapping[str, Any]) -> None:
        """Answer these calls; several to one address are answered in turn."""
        answers: dict[tuple[str, str], list[Answer]] = {}
        for call in calls:
            request = call["request"]
            url = filled_url(request["url"], self.values).partition("?")[0]
            answers.setdefault((request.get("method", "GET"), url), []).append(self.answer(call["reply"]))
        self.stage.server._scripts.clear()
        for (method, url), replies in answers.items():
            self.stage.server.on(method, url, *replies)

    def answer(self, reply: Mapping[str, Any]) -> Answer:
        body = filled(reply.get("body", b""), self.values)
        headers = filled(reply.get("headers", {}), self.values)
        kinds = [value for name, value in headers.items() if name.lower() == "content-type"]
        rest = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        return Answer(body, reply["status"], content_type=kinds[0] if kinds else None, headers=rest)

    def requests(self) -> list[Received]:
        return list(self.stage.server.requests)

    # -- connecting ----------------------------------------------------------------------------------------

    def token_calls(self) -> list[Mapping[str, Any]]:
        """The calls that turn a code into the tokens that are kept."""
        return [self.replies["token"], *self.replies.items("chain")]

    @property
    def consent(self) -> Consent:
        """The way by consent, for checks of its own."""
        assert isinstance(self._way, Consent)
        return self._way

    def connected(self) -> Connected:
        """Everything up to the stored connection has happened."""
        if self._refused is not None:
            raise self._refused
        if self._connected is None:
            try:
                self._connected = self._way.connected()
            except AssertionError as refused:
                self._refused = refused  # so that each further check does not try it again
                raise
        return self._connected

    def forget(self) -> None:
        """The next look at the connection makes a new one."""
        self._connected, self._refused, self._way = None, None, way_of(self)

    def connection(self) -> Connection:
        """The connection, as its row is now."""
        found = Connection.objects.select_related("integration", "client__integration", "customer", "partner")
        return found.get(pk=self.connected().connection_id)

    def client(self) -> ClientAuthentication:
        return tokens.client_authentication(self.integration.current_client())

    def age(self) -> None:
        """Let the stored token be one of which nothing is known but that it is not new."""
        Connection.objects.filter(pk=self.connection().pk).update(
            token_stored_at=timezone.now() - timedelta(minutes=5),
            access_token_expires_at=None,
            refresh_not_before=None,
        )

    # -- calling -------------------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        return self.stage.at.api_key

    def sent_through(
        self, url: str, headers: Mapping[str, str] | None = None, *, query: str = ""
    ) -> RawReply:
        """A partner's GET through the passthrough: the reply. url is the provider's own address."""
        base = catalogue.resolve_base_url(self.provider, self.connection().config_values())
        assert url == base or url.startswith((f"{base}/", f"{base}?")), f"{url} is not under {base}"
        target = f"/proxy/{self.integration.slug}/{CUSTOMER}{url.removeprefix(base)}"
        if query:
            target += f"{'&' if '?' in target else '?'}{query}"
        given = {"Authorization": f"Bearer {self.key}"} if headers is None else dict(headers)
        return self.stage.platform.call("GET", target, given)

    def asked_for(self, url: str) -> tuple[int, str]:
        """A partner's GET of an absolute address in an envelope: the status and the problem's code."""
        envelope = {"userForeignIdentifier": CUSTOMER, "method": "GET", "url": url}
        reply = self.stage.platform.call(
            "POST",
            f"/api/v1/proxy/{self.integration.slug}",
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            json.dumps(envelope).encode(),
        )
        is_problem = reply.get("Content-Type") == "application/problem+json"
        return reply.status, str(json.loads(reply.body)["code"]) if is_problem else ""
