"""A connect link and a browser that walks it against the served sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integrations import connect
from integrations.connect import Finished, LinkRequest, NewLink
from integrations.models import Connection
from tests.factories import ACTOR, World

STARTER, ENTERPRISE = 62515, 1512050


@dataclass
class Browser:
    """One browser: its cookie, the URL it was sent to, and the query that came back."""

    secret: str = field(default_factory=connect.new_browser_secret)

    def leave(self, new: NewLink, **values: str) -> str:
        """Press the confirm page's button; the provider's URL."""
        link = connect.find_link(urlsplit(new.url).path.rsplit("/", 1)[1])
        return connect.start(link, browser_secret=self.secret, values=values).authorization_url

    def consent(self, url: str, *, decision: str = "allow", hub_id: int = STARTER) -> str:
        """Decide at the provider; the query string that the callback gets."""
        form = {"hubId": str(hub_id), "decision": decision}
        reply = requests.post(url, data=form, allow_redirects=False, timeout=10)
        assert reply.status_code == 302, reply.text
        return urlsplit(reply.headers["Location"]).query

    def come_back(self, query: str, slug: str = "hbdev") -> Finished:
        return connect.finish(slug, query, browser_secret=self.secret)

    def walk(self, new: NewLink, **decision: Any) -> Finished:
        """From the link to the result."""
        return self.come_back(self.consent(self.leave(new), **decision))


def parameters(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


@pytest.fixture
def browser() -> Browser:
    return Browser()


MakeLink = Callable[..., NewLink]


@pytest.fixture
def make_link(world: World) -> MakeLink:
    def make(identifier: str = "customer-1", **request: Any) -> NewLink:
        wanted = LinkRequest(foreign_identifier=identifier, **request)
        return connect.create_link(world.partner, world.integration, wanted, actor=ACTOR)

    return make


@pytest.fixture
def at_sandbox(world: World, sandbox: Any) -> Any:
    """The sandbox, knowing the integration's app."""
    world.register_at(sandbox)
    return sandbox


def connection_of(new: NewLink) -> Connection:
    return Connection.objects.get(pk=new.link.connection_id)
