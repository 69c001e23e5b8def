"""A customer in front of the pages of an integration that staff made by the command; its provider is scripted."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.test import Client

from accounts.models import AuditEntry, Event
from integrations import connect
from integrations.connect import LinkRequest
from integrations.models import AuthorizationAttempt, Connection, Integration
from proxy import plane
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.pages.conftest import token_in
from tests.provider_server import ProviderServer
from tests.proxy.servers import Served, served

CLIENT_ID = "0123456789abcdef0123456789abcdef"
CLIENT_SECRET = "0000000011111111222222223333333344444444555555556666666677777777"


@dataclass
class Visitor:
    """One customer of one integration; pages holds what the browser was shown."""

    server: ProviderServer
    at: World
    web: Client
    path: str = ""
    pages: list[str] = field(default_factory=list)

    def link(self, **request: Any) -> str:
        """Make a link and take it; its path."""
        wanted = LinkRequest(foreign_identifier="cust", **request)
        new = connect.create_link(self.at.partner, self.at.integration, wanted, actor=ACTOR)
        self.path = urlsplit(new.url).path
        return self.path

    def look(self) -> str:
        return self._kept(self.web.get(self.path or self.link()))

    def send(self, *, accept: str = "", **typed: str) -> Any:
        """Type values and press the button; names with `secret_` are those of secrets."""
        form = {name.replace("secret_", "secret-", 1): value for name, value in typed.items()}
        token = token_in(self.look().encode())
        headers = {"Accept": accept} if accept else None
        reply = self.web.post(self.path, {"csrfmiddlewaretoken": token, **form}, headers=headers)
        self._kept(reply)
        return reply

    def _kept(self, reply: Any) -> str:
        text: str = reply.content.decode()
        self.pages.append(text)
        return text

    def connection(self) -> Connection:
        related = ("integration", "client__integration", "customer", "partner")
        return Connection.objects.select_related(*related).get()

    def traces(self) -> str:
        """All that is kept in the clear or was shown: pages, audit trail, events, attempts and the row itself."""
        rows: list[Any] = [*AuditEntry.objects.values(), *Event.objects.values()]
        rows += [*AuthorizationAttempt.objects.values(), *Connection.objects.values()]
        return json.dumps([self.pages, rows], default=repr)


MakeVisitor = Callable[..., Visitor]


@pytest.fixture
def visitor(provider_server: ProviderServer, transactional_db: Any) -> Iterator[MakeVisitor]:
    def make(provider: str, *arguments: str, secret: str = "") -> Visitor:
        out = StringIO()
        given = ["--provider", provider, "--slug", "kind-dev", *arguments]
        with pytest.MonkeyPatch.context() as patch:
            if secret:
                patch.setenv("PATCHBAY_CLIENT_SECRET", secret)
            call_command("create_integration", *given, "--json", stdout=out)
        integration = Integration.objects.get(slug="kind-dev")
        has_consent = integration.provider.has_consent
        told = json.loads(out.getvalue())["redirectUrl"]
        assert told == (integration.redirect_uri if has_consent else None)
        browser = Client(enforce_csrf_checks=True, headers={"Accept": "text/html,application/xhtml+xml"})
        return Visitor(provider_server, factories.world(of=integration), browser)

    yield make
    plane.stop_thread()


@pytest.fixture
def platform(transactional_db: Any) -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """logs(): every line that was written since, in the form in which it is written, the lowest level included."""
    caplog.set_level(logging.DEBUG)

    def written() -> str:
        return capsys.readouterr().err

    return written
