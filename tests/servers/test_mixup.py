"""RFC 9207: an attacker who runs one of two authorization servers gets neither the other's code nor our secret.

Mallory's server is scripted, since nobody else's behaves so badly; the honest one is real.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from integrations import connect, setup
from integrations.connect import LinkRequest
from integrations.models import Connection
from integrations.oauth import pkce
from integrations.setup import IntegrationValues
from sealing import Secret
from tests import factories
from tests.provider_server import ProviderServer
from tests.servers import entries
from tests.servers.conftest import MakeScene
from tests.servers.scene import Scene
from tests.servers.toolkit.running import Toolkit

pytestmark = [pytest.mark.served, pytest.mark.slow]
CUSTOMER = "victim"


class Mallory:
    """An authorization server like any other to look at."""

    name = "mallory"
    issuer = origin = "https://mallory.example"

    def __init__(self, server: ProviderServer) -> None:
        self.server = server
        metadata = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "code_challenge_methods_supported": ["S256"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "authorization_response_iss_parameter_supported": True,
        }
        server.on("GET", f"{self.origin}/.well-known/oauth-authorization-server", metadata)
        # A token for whatever code comes: she would have connected the victim to an account of hers.
        token = {
            "access_token": "mallorys",
            "token_type": "Bearer",
            "expires_in": 600,
            "refresh_token": "too",
        }
        server.on("POST", f"{self.origin}/token", token)

    def finish_entry(self, document: dict[str, Any]) -> None:
        document["identity"] = [{"url": f"{self.origin}/me", "account_id": "id"}]

    def was_told(self) -> list[bytes]:
        """What came to her token endpoint."""
        return [request.body for request in self.server.received(f"{self.origin}/token")]


@dataclass
class MixUp:
    """Two integrations of one partner: `honest` and Mallory's."""

    honest: Scene
    mallory: Mallory
    verifier: str

    def lure(self) -> tuple[Connection, dict[str, str]]:
        """The victim presses the button of Mallory's integration: what her server is asked, and for whom."""
        world = self.honest.world
        integration = type(world.integration).objects.get(slug="mallory")
        wanted = LinkRequest(foreign_identifier=CUSTOMER)
        new = connect.create_link(world.partner, integration, wanted, actor=factories.ACTOR)
        url = self.honest.visitor.leave(new.url)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        return Connection.objects.get(pk=new.link.connection_id), asked

    def consent(self, *, state: str, slug: str) -> str:
        """The victim agrees at the honest server, where Mallory has sent the browser; the way back to that slug."""
        url = address(self.honest, state=state, slug=slug, verifier=self.verifier)
        return self.honest.server.consent(self.honest.visitor, url)

    def is_unspent(self, back: str, *, slug: str) -> bool:
        """Whether the honest server still gives tokens for the code; it is spent then."""
        reply = self.honest.server.token_call(
            self.honest.app,
            grant_type="authorization_code",
            code=parse_qs(urlsplit(back).query)["code"][0],
            redirect_uri=callback(self.honest, slug),
            code_verifier=self.verifier,
        )
        return reply.status_code == 200


@pytest.fixture(params=["oidc-provider", "toolkit"])
def mix_up(
    request: pytest.FixtureRequest, make_scene: MakeScene, provider_server: ProviderServer, folder: Path
) -> MixUp:
    """Our app at the honest server is registered with both addresses: the platform alone stands in the way."""
    settings = request.getfixturevalue("settings")
    addresses = [f"{settings.PUBLIC_URL}/oauth/{slug}/callback" for slug in (request.param, "mallory")]
    mallory = Mallory(provider_server)
    settings.UPSTREAM_MAP = provider_server.upstream_map
    honest = make_scene(request.param, client={"redirect_uris": addresses})
    entries.finished(mallory, folder)
    entries.serve(folder)
    values = IntegrationValues(client_id="ours-at-mallory", client_secret=Secret("told to mallory"))
    setup.create("mallory", "mallory", values, actor=factories.ACTOR)
    return MixUp(honest, mallory, pkce.new_code_verifier())


def test_a_code_that_comes_back_to_its_own_address_with_anothers_state_goes_nowhere(mix_up: MixUp) -> None:
    """The classic attack; each integration has a callback address of its own."""
    connection, asked = mix_up.lure()
    slug = mix_up.honest.server.name
    back = mix_up.consent(state=asked["state"], slug=slug)

    page = mix_up.honest.visitor.open(back)

    assert page.status_code == 400
    assert "came back to another address than the one that asked" in page.text
    assert mix_up.mallory.was_told() == []
    connection.refresh_from_db()
    assert connection.status == "pending"
    assert mix_up.is_unspent(back, slug=slug)


@pytest.mark.parametrize("keeps_iss", [True, False])
def test_a_code_of_another_server_is_not_handed_to_the_one_that_was_asked(
    mix_up: MixUp, keeps_iss: bool
) -> None:
    """The honest server names itself in the answer; somebody on the way who strikes that out wins nothing."""
    connection, asked = mix_up.lure()
    back = mix_up.consent(state=asked["state"], slug="mallory")
    assert parse_qs(urlsplit(back).query)["iss"] == [mix_up.honest.server.issuer]

    page = mix_up.honest.come_back(back if keeps_iss else without_iss(back))

    assert 'data-outcome="failed"' in page
    assert "came from another server than the one you were sent to" in page
    assert mix_up.mallory.was_told() == [], "neither the code nor our secret"
    connection.refresh_from_db()
    assert connection.status == "pending"
    assert mix_up.is_unspent(back, slug="mallory")


@pytest.mark.parametrize("iss", ["https://mallory.example", None])
def test_a_foreign_code_in_an_attempt_at_the_honest_server_is_not_sent_there(
    mix_up: MixUp, iss: str | None
) -> None:
    """The other way round: Mallory's code, or one of hers from the honest server, with the victim's state."""
    honest = mix_up.honest
    new = honest.link()
    url = honest.visitor.leave(new.url)
    back = honest.server.consent(honest.visitor, url)
    state = parse_qs(urlsplit(back).query)["state"][0]
    answer = {"code": "code-of-mallory", "state": state, **({"iss": iss} if iss else {})}

    page = honest.come_back(f"{callback(honest, honest.server.name)}?{urlencode(answer)}")

    assert "came from another server than the one you were sent to" in page
    assert Connection.objects.get(pk=new.link.connection_id).status == "pending"
    assert 'data-outcome="failed"' in honest.come_back(back), "the attempt has ended; the true answer is late"
    honest.visitor.session.cookies.clear()
    honest.connect()


@pytest.mark.parametrize("name", ["oidc-provider", "toolkit", "glewlwyd"])
def test_a_server_sends_the_code_to_no_address_that_its_client_did_not_register(
    make_scene: MakeScene, name: str
) -> None:
    """Exact redirect addresses (RFC 9700 section 2.1) are what protects where a server knows no `iss`."""
    scene = make_scene(name)
    url = address(scene, state="s" * 43, slug="mallory", verifier=pkce.new_code_verifier())
    reply = (
        scene.server.log_in(scene.visitor, url)
        if isinstance(scene.server, Toolkit)
        else scene.visitor.go(url)
    )
    assert reply.status_code in (400, 403)
    assert "Location" not in reply.headers
    assert "mallory" not in reply.url.partition("?")[0]


def address(scene: Scene, *, state: str, slug: str, verifier: str) -> str:
    """Where Mallory sends the victim on to: the honest server, in our name, with her challenge."""
    provider = scene.world.integration.provider
    parameters = {
        **provider.oauth.authorization_params,
        "response_type": "code",
        "client_id": scene.app.client_id,
        "redirect_uri": callback(scene, slug),
        "scope": " ".join([*scene.server.scopes, *provider.oauth.scope.mandatory]),
        "state": state,
        "code_challenge": pkce.code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    return f"{provider.oauth.authorization_endpoint}?{urlencode(parameters)}"


def callback(scene: Scene, slug: str) -> str:
    return f"{scene.home}/oauth/{slug}/callback"


def without_iss(url: str) -> str:
    address, _, query = url.partition("?")
    kept = [pair for pair in query.split("&") if not pair.startswith("iss=")]
    return f"{address}?{'&'.join(kept)}"
