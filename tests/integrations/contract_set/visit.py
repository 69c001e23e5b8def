"""One entry's visit to the stage: a customer connects, and what was sent and kept is there to be looked at."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from django.utils import timezone

from integrations import catalogue, connect, tokens
from integrations.catalogue import Provider
from integrations.connect import Finished, LinkRequest
from integrations.models import Connection, Integration, IntegrationScope
from integrations.oauth.token_request import ClientAuthentication
from tests.factories import ACTOR
from tests.integrations.connect.conftest import Browser
from tests.integrations.contract_set.placeholders import filled, filled_url
from tests.integrations.contract_set.replies import Replies
from tests.integrations.contract_set.stage import Stage, host_of
from tests.integrations.providers.conftest import CLIENT_SECRET
from tests.provider_server import Answer, Received

CUSTOMER = "customer-1"
CODE = "the-code/of=one+run"
_PLACE = re.compile(r"\{([A-Za-z0-9_]+)\}")
_HOSTS = re.compile(r"https://([A-Za-z0-9.-]+)")


@dataclass
class Left:
    """The authorize URL that the browser was sent to."""

    url: str
    params: dict[str, str]


@dataclass
class Connected:
    """The way back, with the calls that it made."""

    finished: Finished
    requests: list[Received]


@dataclass
class Visit:
    """values holds what the placeholders of the file stand for at this moment."""

    stage: Stage
    provider: Provider
    replies: Replies
    values: dict[str, str] = field(default_factory=dict)
    integration: Integration = field(init=False)
    _left: Left | None = None
    _connected: Connected | None = None
    _link: Any = None
    _browser: Browser = field(default_factory=Browser)
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
        body = json.dumps((self.replies["refresh"])["reply"].get("body"))
        self.values["ACCESS_TOKEN"] = self.values["NEW_ACCESS_TOKEN"]
        if "NEW_REFRESH_TOKEN" in body:
            self.values["REFRESH_TOKEN"] = self.values["NEW_REFRESH_TOKEN"]
        self._next_pair()

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

    def left(self) -> Left:
        """The customer pressed the button. The browser's own way is not mapped to anywhere."""
        if self._left is None:
            with self.stage.serving(self.provider), self.stage.answering():
                url = self._leave()
            pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
            params = dict(pairs)
            assert len(params) == len(pairs), "a parameter of the authorize URL is there twice"
            self.values["STATE"] = params.get("state", "")
            self.values["CHALLENGE"] = params.get("code_challenge", "")
            self._left = Left(url, params)
        return self._left

    def _leave(self) -> str:
        request = LinkRequest(foreign_identifier=CUSTOMER)
        self._link = connect.create_link(self.stage.at.partner, self.integration, request, actor=ACTOR)
        return self._browser.leave(self._link, **self.replies.mapping("connection"))

    def connected(self) -> Connected:
        """The customer came back with a code; everything up to the stored connection has happened."""
        if self._connected is None:
            self.left()
            with self.world():
                self.script(self.replies["token"], *self.replies.items("identity"))
                finished = self.come_back(self.replies.mapping("callback"))
            self._connected = Connected(finished, self.requests())
        return self._connected

    def come_back(self, more: Mapping[str, str], *, code: str = CODE) -> Finished:
        self.left()
        parameters = {"code": code, "state": self.values["STATE"], **filled(dict(more), self.values)}
        return self._browser.come_back(self._signed(parameters), slug=self.integration.slug)

    def _signed(self, parameters: dict[str, str]) -> str:
        """The query; signed as Shopify's pages say, over the sorted parameters, where the file says so."""
        if self.replies.document.get("callback_signature") == "shopify" and "hmac" not in parameters:
            message = "&".join(f"{name}={quote(parameters[name], safe=':/')}" for name in sorted(parameters))
            digest = hmac.new(CLIENT_SECRET.encode(), message.encode(), hashlib.sha256).hexdigest()
            parameters = {**parameters, "hmac": digest}
        return urlencode(parameters)

    def forget(self) -> None:
        """The next look at the connection makes a new one."""
        self._left = self._connected = self._link = None

    def connection(self) -> Connection:
        """The active connection, as its row is now."""
        finished = self.connected().finished
        said = (finished.outcome, finished.reason, finished.detail)
        assert finished.outcome == "connected", f"the customer could not connect: {said}"
        found = Connection.objects.select_related("integration", "client__integration", "customer", "partner")
        return found.get(pk=self._link.link.connection_id)

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

    def sent_through(self, url: str, headers: Mapping[str, str] | None = None, *, query: str = "") -> Any:
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


def s256(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


__all__ = ["CODE", "CUSTOMER", "Visit", "host_of", "s256"]
