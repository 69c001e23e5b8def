"""A grant from its beginning to its end, at each server: what it really does, and what the platform makes of it."""

from __future__ import annotations

import pytest

from integrations.models import Connection
from tests.servers.conftest import MakeScene
from tests.servers.glewlwyd.running import Glewlwyd
from tests.servers.scene import Scene

pytestmark = [pytest.mark.served, pytest.mark.slow]
SERVERS = ("oidc-provider", "toolkit", "glewlwyd")


@pytest.fixture(params=SERVERS)
def scene(request: pytest.FixtureRequest, make_scene: MakeScene) -> Scene:
    """The platform in front of one of the servers, its authorization requests in the browser's address."""
    if request.param == "glewlwyd":
        return make_scene("glewlwyd", pushed_authorization_request_endpoint=None)
    is_hasty = request.param == "oidc-provider" and "expired_code" in request.node.name
    return make_scene(request.param, client={"client_name": "hasty"} if is_hasty else {})


def refresh(scene: Scene, connection: Connection) -> str:
    """Ask for a refresh; what the platform answers: the status, or the problem's code."""
    reply = scene.api("POST", f"/api/v1/connections/{connection.pk}/refresh")
    body = reply.json()
    return str(body["status"] if reply.ok else body["code"])


def steal_and_replay(scene: Scene, refresh_token: str) -> int:
    """Somebody who has an old refresh token, and the secret, uses it; the server's status."""
    reply = scene.server.token_call(scene.app, grant_type="refresh_token", refresh_token=refresh_token)
    return reply.status_code


def test_a_token_that_has_expired_is_renewed_in_the_call_that_needs_it(scene: Scene) -> None:
    connection = scene.connect()
    assert scene.call().status_code == 200
    before = scene.tokens_of(connection)
    scene.let_token_expire(connection)

    assert scene.call().status_code == 200

    after = scene.tokens_of(connection)
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert connection.token_version == 2 and connection.status == "active"
    assert scene.server.is_alive(scene.app, after["access_token"])
    assert refresh(scene, connection) == "active"
    assert scene.tokens_of(connection)["refresh_token"] != after["refresh_token"]
    assert scene.call().status_code == 200


def test_a_replayed_refresh_token_ends_the_family_and_the_customer_is_asked_again(scene: Scene) -> None:
    connection = scene.connect()
    stolen = scene.tokens_of(connection)["refresh_token"]
    assert refresh(scene, connection) == "active"

    assert steal_and_replay(scene, stolen) == 400

    if scene.server.name == "glewlwyd":
        # It answers every refused refresh with 400 and nothing else, one with a wrong secret too, so that nobody can
        # tell that the grant is gone: the platform asks on, and tells the partner when the token has run out.
        assert refresh(scene, connection) == "refresh_unavailable"
        assert scene.call().status_code == 200, "the token lives on"
        scene.let_token_expire(connection)
        assert scene.call().status_code == 503
        connection.refresh_from_db()
        assert (connection.status, connection.status_reason) == ("refresh_failing", "provider_unavailable")
        return
    assert refresh(scene, connection) == "reconnect_required"
    connection.refresh_from_db()
    assert (connection.status, connection.status_reason) == ("reconnect_required", "revoked_at_provider")
    told = scene.call()
    assert told.status_code == 424
    assert told.json()["reason"] == "revoked_at_provider"

    scene.visitor.session.cookies.clear()
    again = scene.connect()
    assert again.pk == connection.pk and scene.call().status_code == 200


def test_an_entry_may_count_a_wordless_refusal_as_one_of_six(make_scene: MakeScene) -> None:
    """What an operator of Glewlwyd can write who knows that the secret is right."""
    scene = make_scene("glewlwyd", verdicts=[{"verdict": "unknown", "statuses": [400]}])
    connection = scene.connect()
    stolen = scene.tokens_of(connection)["refresh_token"]
    assert refresh(scene, connection) == "active"
    assert steal_and_replay(scene, stolen) == 400
    assert refresh(scene, connection) == "refresh_unavailable"
    connection.refresh_from_db()
    assert (connection.status, connection.unknown_refusals) == ("active", 1)


def test_disconnecting_kills_the_token_at_the_server(scene: Scene) -> None:
    connection = scene.connect()
    held = scene.tokens_of(connection)
    assert scene.server.is_alive(scene.app, held["access_token"])

    gone = scene.api("DELETE", f"/api/v1/connections/{connection.pk}")

    assert gone.status_code in (200, 202, 204), gone.text
    assert scene.carry_out_revocation() == "confirmed"
    # Glewlwyd ends the refresh token alone (RFC 7009 section 2.1 says SHOULD of the access token).
    assert scene.server.is_alive(scene.app, held["access_token"]) == (scene.server.name == "glewlwyd")
    assert scene.call().status_code == 404
    assert steal_and_replay(scene, held["refresh_token"]) == 400


def test_a_wrong_secret_at_connecting_says_that_the_operator_has_to_correct_it(scene: Scene) -> None:
    scene.change_secret("not the secret")
    new = scene.link()
    page = scene.come_back(scene.server.consent(scene.visitor, scene.visitor.leave(new.url)))
    assert 'data-outcome="failed"' in page
    assert "does not accept this app’s settings" in page or "does not accept this app&#x27;s settings" in page
    assert Connection.objects.get(pk=new.link.connection_id).status == "pending"

    scene.change_secret(scene.app.client_secret)
    scene.visitor.session.cookies.clear()
    scene.connect()


@pytest.mark.parametrize("scene", ["oidc-provider", "toolkit"], indirect=True)
def test_a_secret_that_went_wrong_later_is_an_alarm_and_no_customers_fault(scene: Scene) -> None:
    connection = scene.connect()
    scene.change_secret("not the secret")
    for _ in range(2):
        assert refresh(scene, connection) == "refresh_unavailable"
    connection.refresh_from_db()
    scene.world.client.refresh_from_db()
    assert connection.status == "active"
    assert scene.world.client.rejected_since is not None
    assert scene.call().status_code == 200, "the token lives on"

    scene.change_secret(scene.app.client_secret)
    assert scene.world.client.rejected_since is None
    assert refresh(scene, connection) == "active"


@pytest.mark.parametrize("scene", ["glewlwyd"], indirect=True)
def test_a_refusal_without_a_word_neither_blames_the_customer_nor_rings_an_alarm(scene: Scene) -> None:
    """Glewlwyd 2.7 spends the refresh token before it looks at the secret, and then answers 400 and nothing else."""
    connection = scene.connect()
    scene.change_secret("not the secret")
    assert refresh(scene, connection) == "refresh_unavailable"
    scene.change_secret(scene.app.client_secret)
    assert refresh(scene, connection) == "refresh_unavailable"
    connection.refresh_from_db()
    scene.world.client.refresh_from_db()
    assert connection.status == "active"
    assert scene.world.client.rejected_since is None
    assert scene.call().status_code == 200, "the token lives on"


@pytest.mark.parametrize("scene", ["oidc-provider", "toolkit"], indirect=True)
def test_a_customer_who_denies_reads_that_nothing_was_connected(scene: Scene) -> None:
    """Glewlwyd's page has no button for it. The toolkit leaves `iss` out of its answer, which it promises."""
    new = scene.link()
    back = scene.server.deny(scene.visitor, scene.visitor.leave(new.url))
    assert ("iss=" in back) == (scene.server.name == "oidc-provider")
    page = scene.come_back(back)
    assert 'data-outcome="denied"' in page, page
    assert "Not connected" in page
    assert Connection.objects.get(pk=new.link.connection_id).status == "pending"
    scene.visitor.session.cookies.clear()
    scene.connect()


@pytest.mark.parametrize("scene", ["glewlwyd"], indirect=True)
def test_a_customer_who_unticks_a_scope_is_connected_with_the_other(scene: Scene) -> None:
    new = scene.link()
    url = scene.visitor.leave(new.url)
    assert isinstance(scene.server, Glewlwyd)
    reply = scene.server.decide(scene.visitor, url, grants=("contacts",))
    assert 'data-outcome="connected"' in scene.come_back(scene.visitor.back(reply))
    connection = Connection.objects.get(pk=new.link.connection_id)
    assert connection.granted_scopes == ["contacts"]
    assert connection.requested_scopes == ["contacts", "files"]


@pytest.mark.parametrize("params", [{}, {"nonce": "unused"}], ids=["without a nonce", "with one"])
def test_a_server_that_wants_a_nonce_beside_openid_gets_it_from_its_entry(
    make_scene: MakeScene, params: dict[str, str]
) -> None:
    """Glewlwyd asks for one, which OpenID Connect Core section 3.1.2.1 leaves open; no ID token is read here."""
    scene = make_scene("glewlwyd", scope={"mandatory": ["openid"]}, authorization_params=params)
    new = scene.link()
    page = scene.come_back(scene.server.consent(scene.visitor, scene.visitor.leave(new.url)))
    assert f'data-outcome="{"connected" if params else "failed"}"' in page
    assert ("The provider reports a problem. (nonce required)" in page) == (not params)


def test_an_expired_code_connects_nothing_and_the_link_can_be_used_again(scene: Scene) -> None:
    new = scene.link()
    back = scene.server.consent(scene.visitor, scene.visitor.leave(new.url))
    scene.server.expire_codes()
    page = scene.come_back(back)
    assert 'data-outcome="failed"' in page
    assert "did not accept the authorization" in page
    assert Connection.objects.get(pk=new.link.connection_id).status == "pending"


def test_a_callback_that_is_opened_twice_shows_the_same_and_spends_nothing(scene: Scene) -> None:
    new = scene.link()
    back = scene.server.consent(scene.visitor, scene.visitor.leave(new.url))
    assert 'data-outcome="connected"' in scene.come_back(back)
    assert 'data-outcome="connected"' in scene.come_back(back)
    connection = Connection.objects.get(pk=new.link.connection_id)
    # Each server ends a grant whose code is spent twice (RFC 6749 section 4.1.2): this one lives.
    assert scene.server.is_alive(scene.app, scene.tokens_of(connection)["access_token"])
    assert scene.call().status_code == 200


def test_a_callback_in_another_browser_is_refused_and_the_code_stays_unspent(scene: Scene) -> None:
    new = scene.link()
    back = scene.server.consent(scene.visitor, scene.visitor.leave(new.url))
    kept = scene.visitor.session.cookies.copy()
    scene.visitor.session.cookies.clear()
    reply = scene.visitor.open(back)
    assert reply.status_code == 400 and "cookie" in reply.text
    scene.visitor.session.cookies = kept
    assert 'data-outcome="connected"' in scene.come_back(back)
