"""RFC 9126 at two servers: the browser carries a reference alone, which is good for one client and one use."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from integrations.models import Connection
from tests.servers.conftest import MakeScene
from tests.servers.scene import Scene

pytestmark = [pytest.mark.served, pytest.mark.slow]


@pytest.fixture(params=["pushing", "glewlwyd"])
def scene(request: pytest.FixtureRequest, make_scene: MakeScene) -> Scene:
    """`pushing` is an oidc-provider that takes requests in no other way; Glewlwyd takes both."""
    return make_scene(request.param)


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


def authorize(scene: Scene, **parameters: str) -> str:
    endpoint = scene.world.integration.provider.oauth.authorization_endpoint
    return f"{endpoint}?{urlencode(parameters)}"


def test_the_browser_carries_a_reference_alone_and_the_customer_is_connected(scene: Scene) -> None:
    new = scene.link()
    url = scene.visitor.leave(new.url)
    query = query_of(url)
    assert set(query) == {"client_id", "request_uri"}
    assert query["client_id"] == [scene.app.client_id]
    assert query["request_uri"][0].startswith("urn:ietf:params:oauth:request_uri:")
    page = scene.come_back(scene.server.consent(scene.visitor, url))
    assert 'data-outcome="connected"' in page
    assert scene.call().status_code == 200


def test_a_reference_serves_one_use_and_a_second_is_told_as_no_attempt_of_anybodys(scene: Scene) -> None:
    new = scene.link()
    url = scene.visitor.leave(new.url)
    back = scene.server.consent(scene.visitor, url)

    again = scene.visitor.go(url)

    if scene.server.name == "glewlwyd":  # keeps the browser
        assert again.status_code == 403 and "Location" not in again.headers
    else:  # sends it back, with neither code nor state
        assert query_of(scene.visitor.back(again))["error"] == ["invalid_request_uri"]
        page = scene.visitor.open(scene.visitor.back(again))
        assert page.status_code == 400
        assert "The provider reports a problem." in page.text and "open the link again" in page.text
    assert 'data-outcome="connected"' in scene.come_back(back), "the first use is none the worse"


def test_every_attempt_gets_a_reference_of_its_own(scene: Scene) -> None:
    url = scene.link().url
    first, second = (query_of(scene.visitor.leave(url))["request_uri"] for _ in range(2))
    assert first != second


def test_a_reference_is_of_no_use_to_another_client(scene: Scene) -> None:
    stranger = scene.server.register(f"{scene.home}/oauth/{scene.world.integration.slug}/callback")
    new = scene.link()
    request_uri = query_of(scene.visitor.leave(new.url))["request_uri"][0]

    reply = scene.visitor.go(authorize(scene, client_id=stranger.client_id, request_uri=request_uri))

    if scene.server.name == "glewlwyd":
        assert reply.status_code == 403 and "Location" not in reply.headers
    else:
        page = scene.come_back(scene.visitor.back(reply))
        assert 'data-outcome="failed"' in page
        assert "client_id must equal the one in request parameters" in page
    assert Connection.objects.get(pk=new.link.connection_id).status == "pending"


def test_a_wrong_secret_is_told_before_anybody_is_sent_away(scene: Scene) -> None:
    scene.change_secret("not the secret")
    new = scene.link()
    confirm = scene.visitor.open(new.url)
    page = scene.visitor.press(confirm)
    assert 'http-equiv="refresh"' not in page.text
    assert "not set up yet" in page.text, page.text
    assert page.status_code == 404
    assert Connection.objects.get(pk=new.link.connection_id).status == "pending"

    scene.change_secret(scene.app.client_secret)
    scene.connect()


def test_a_server_that_demands_pushed_requests_is_told_of_by_its_own_words(make_scene: MakeScene) -> None:
    """The entry lacks the endpoint: what the server says of that reaches the page, and the operator."""
    scene = make_scene("pushing", pushed_authorization_request_endpoint=None)
    url = scene.visitor.leave(scene.link().url)
    assert "code_challenge" in query_of(url)
    page = scene.come_back(scene.visitor.back(scene.visitor.go(url)))
    assert 'data-outcome="failed"' in page
    assert "The provider reports a problem. (Pushed Authorization Request must be used)" in page


def test_a_client_that_signs_instead_of_telling_a_secret_lives_its_whole_life(make_scene: MakeScene) -> None:
    """private_key_jwt (RFC 7523) at the pushed request, the token call, the refresh and the revocation."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    scene = make_scene(
        "pushing",
        client={
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [{**public, "use": "sig"}]},
        },
        private_key=pem.decode(),
        token_endpoint_auth_method="private_key_jwt",
    )
    connection = scene.connect()
    held = scene.tokens_of(connection)

    assert scene.api("POST", f"/api/v1/connections/{connection.pk}/refresh").json()["status"] == "active"
    assert scene.tokens_of(connection)["refresh_token"] != held["refresh_token"]
    assert scene.call().status_code == 200

    assert scene.api("DELETE", f"/api/v1/connections/{connection.pk}").ok
    assert scene.carry_out_revocation() == "confirmed"
    reply = scene.visitor.go(
        f"{scene.server.origin}{scene.server.whoami}", headers=bearer(held["access_token"])
    )
    assert reply.status_code == 401, "with the refresh token the server has ended the grant"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
