"""What a provider's file may ask of token calls, seen from the provider's side."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from integrations import connections, tokens
from integrations.connect import Finished
from integrations.connections import Adoption
from integrations.errors import InvalidInput, NotFound
from integrations.models import AuthorizationAttempt, ClientCredentials, Connection
from integrations.models.connection import Status
from sealing import Secret
from tests.factories import ACTOR, CLIENT_ID, CLIENT_SECRET
from tests.integrations.connect.conftest import (
    Browser,
    MakeEntry,
    MakeIntegration,
    connection_of,
    link_to,
    parameters,
    state_of,
)
from tests.provider_server import Answer, ProviderServer

pytestmark = pytest.mark.django_db
LOGIN = "https://login.acme.example"
TOKEN, PUSH, ME = f"{LOGIN}/token", f"{LOGIN}/par", "https://api.acme.example/me"
PAIR = {"access_token": "access-1", "refresh_token": "refresh-1", "expires_in": 3600}


class Acme:
    """One customer's walk at a made provider."""

    def __init__(
        self, server: ProviderServer, browser: Browser, entry: MakeEntry, integration: MakeIntegration
    ) -> None:
        self.server, self.browser = server, browser
        self._entry, self._integration = entry, integration

    def asks(self, **oauth: Any) -> None:
        """An entry with these changes, an integration of it, and a link."""
        self._entry("acme", **oauth)
        self.integration = self._integration("acme-dev", "acme", ["read"])
        self.new = link_to(self.integration)
        self.server.on("GET", ME, {"id": "account-1", "name": "Acme"})

    def come_back(self, url: str, **query: str) -> Finished:
        pairs = "&".join(f"{name}={value}" for name, value in query.items())
        return self.browser.come_back(f"code=the-code&state={state_of(url)}&{pairs}", slug="acme-dev")

    def connected(self, **query: str) -> Connection:
        assert self.come_back(self.browser.leave(self.new), **query).outcome == "connected"
        return connection_of(self.new)

    def refreshed(self, connection: Connection) -> Connection:
        Connection.objects.filter(pk=connection.pk).update(token_stored_at=None)
        return tokens.refresh_now(connection.pk)


@pytest.fixture
def acme(
    provider_server: ProviderServer,
    browser: Browser,
    make_entry: MakeEntry,
    make_integration: MakeIntegration,
) -> Acme:
    return Acme(provider_server, browser, make_entry, make_integration)


def test_parameters_go_by_the_provider_s_names(acme: Acme) -> None:
    names = {"client_id": "client_key", "grant_type": ""}
    acme.asks(
        authorization_parameter_names={"client_id": "client_key", "response_type": ""},
        token_parameter_names=names,
        refresh_parameter_names=names,
    )
    acme.server.on("POST", TOKEN, PAIR)
    url = acme.browser.leave(acme.new)
    assert parameters(url)["client_key"] == [CLIENT_ID]
    assert {"client_id", "response_type"}.isdisjoint(parameters(url))
    assert acme.come_back(url).outcome == "connected"
    acme.refreshed(connection_of(acme.new))
    for request in acme.server.received(TOKEN):
        assert request.form["client_key"] == CLIENT_ID
        assert {"client_id", "grant_type"}.isdisjoint(request.form)


def test_tokens_can_be_asked_for_with_get(acme: Acme) -> None:
    acme.asks(token_method="GET", refresh_method="GET")
    acme.server.on("GET", TOKEN, PAIR)
    acme.refreshed(acme.connected())
    exchange, refresh = acme.server.received(TOKEN)
    assert (exchange.query["grant_type"], exchange.query["code"]) == ("authorization_code", "the-code")
    assert (refresh.query["grant_type"], refresh.query["refresh_token"]) == ("refresh_token", "refresh-1")


def test_the_client_may_prove_itself_in_another_way_at_refresh(acme: Acme) -> None:
    acme.asks(refresh_auth_method="client_secret_basic")
    acme.server.on("POST", TOKEN, PAIR)
    acme.refreshed(acme.connected())
    exchange, refresh = acme.server.received(TOKEN)
    assert exchange.form["client_secret"] == CLIENT_SECRET and exchange.header("Authorization") is None
    assert "client_secret" not in refresh.form and (refresh.header("Authorization") or "").startswith(
        "Basic "
    )


def test_parameters_of_an_entry_are_templates(acme: Acme) -> None:
    acme.asks(
        token_params={"app": "{client_id}"},
        refresh_params={"app": "{client_id}", "old": "{refresh_token}"},
        token_headers={"X-App": "{client_id}"},
    )
    acme.server.on("POST", TOKEN, PAIR)
    acme.refreshed(acme.connected())
    exchange, refresh = acme.server.received(TOKEN)
    assert exchange.form["app"] == refresh.form["app"] == CLIENT_ID
    assert refresh.form["old"] == "refresh-1"
    assert exchange.header("X-App") == refresh.header("X-App") == CLIENT_ID


def test_an_access_token_may_be_renewed_with_itself(acme: Acme) -> None:
    """As at Instagram: there is no refresh token, and the long-lived token is exchanged for the next one."""
    acme.asks(
        renews_with="access_token",
        refresh_endpoint=f"{LOGIN}/refresh",
        refresh_method="GET",
        refresh_params={"grant_type": "ig_refresh_token"},
        refresh_parameter_names={
            "grant_type": "",
            "refresh_token": "access_token",
            "client_id": "",
            "client_secret": "",
        },
    )
    acme.server.on("POST", TOKEN, {"access_token": "long-1", "expires_in": 5_184_000})
    renewed = {"access_token": "long-2", "expires_in": 5_184_000}
    acme.server.on("GET", f"{LOGIN}/refresh", renewed, {**renewed, "access_token": "long-3"})
    connection = acme.refreshed(acme.connected())
    acme.refreshed(connection)
    first, second = acme.server.received(f"{LOGIN}/refresh")
    assert first.query == {"grant_type": "ig_refresh_token", "access_token": "long-1"}
    assert second.query["access_token"] == "long-2"
    assert tokens.ensure_fresh(connection.pk).secret.reveal() == "long-3"


def test_nothing_is_kept_to_renew_with_where_nothing_renews(acme: Acme) -> None:
    acme.asks(renews_with="nothing")
    acme.server.on("POST", TOKEN, PAIR)
    assert acme.connected().refresh_token is None


@pytest.mark.parametrize(("renews_with", "kept"), [("nothing", None), ("access_token", "mine")])
def test_an_imported_refresh_token_is_not_kept_where_it_renews_nothing(
    acme: Acme, renews_with: str, kept: str | None
) -> None:
    acme.asks(renews_with=renews_with)
    given = Adoption(foreign_identifier="imported", access_token="mine", refresh_token="useless")
    made = connections.adopt(acme.new.link.partner, acme.integration, given, actor=ACTOR)
    stored = Connection.objects.get(pk=made.pk).refresh_token
    assert (stored.open().reveal() if stored else None) == kept


def test_exchanges_may_follow_one_another(acme: Acme) -> None:
    """As at Facebook: the token of the code lives for an hour, and is exchanged for one that lives for 60 days."""
    chain = {
        "url": f"{LOGIN}/long",
        "method": "GET",
        "params": {"grant_type": "fb_exchange_token", "client": "{client_id}", "token": "{access_token}"},
    }
    acme.asks(exchange_chain=[chain], renews_with="nothing")
    acme.server.on("POST", TOKEN, {"access_token": "short", "expires_in": 3600, "scope": "read"})
    acme.server.on("GET", f"{LOGIN}/long", {"access_token": "long", "expires_in": 5_184_000})
    connection = acme.connected()
    (step,) = acme.server.received(f"{LOGIN}/long")
    assert step.query == {"grant_type": "fb_exchange_token", "client": CLIENT_ID, "token": "short"}
    assert tokens.ensure_fresh(connection.pk).secret.reveal() == "long"
    assert (connection.access_token_lifetime, connection.granted_scopes) == (5_184_000, ["read"])


def test_a_step_of_a_chain_that_fails_connects_nothing(acme: Acme) -> None:
    acme.asks(exchange_chain=[{"url": f"{LOGIN}/long", "params": {"token": "{access_token}"}}])
    acme.server.on("POST", TOKEN, {"access_token": "short"})
    acme.server.on("GET", f"{LOGIN}/long", Answer({"error": "invalid_grant"}, status=400))
    finished = acme.come_back(acme.browser.leave(acme.new))
    assert (finished.outcome, finished.reason) == ("failed", "rejected")
    assert connection_of(acme.new).status == Status.PENDING


KEYS = {"RS256": rsa.generate_private_key(65537, 2048), "ES256": ec.generate_private_key(ec.SECP256R1())}


def in_pem(alg: str) -> str:
    plain = serialization.NoEncryption()
    return (
        KEYS[alg].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()
    )


def hold_key(acme: Acme, pem: str) -> None:
    clients = ClientCredentials.objects.filter(integration=acme.integration)
    client = clients.get()
    client.client_secret, client.app_id = Secret(pem), "key-1"
    client.save()


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
@pytest.mark.parametrize("audience", ["token_endpoint", "issuer"])
def test_a_signed_assertion_takes_the_secret_s_place(acme: Acme, alg: str, audience: str) -> None:
    """RFC 7523 section 3: issuer and subject are the client, the audience is the server, and it is used once."""
    acme.asks(
        token_endpoint_auth_method="private_key_jwt",
        client_assertion={"alg": alg, "audience": audience},
        issuer=LOGIN,
    )
    hold_key(acme, in_pem(alg))
    acme.server.on("POST", TOKEN, PAIR)
    acme.refreshed(acme.connected(iss=LOGIN))
    requests = acme.server.received(TOKEN)
    assert len(requests) == 2
    seen = set()
    for request in requests:
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        assert request.form["client_assertion_type"] == kind
        assert "client_secret" not in request.form and request.header("Authorization") is None
        assertion = request.form["client_assertion"]
        expected = LOGIN if audience == "issuer" else TOKEN
        claims = jwt.decode(assertion, KEYS[alg].public_key(), algorithms=[alg], audience=expected)
        assert claims["iss"] == claims["sub"] == request.form["client_id"] == CLIENT_ID
        assert 0 < claims["exp"] - time.time() <= 120
        assert jwt.get_unverified_header(assertion)["kid"] == "key-1"
        seen.add(claims["jti"])
    assert len(seen) == 2


def test_a_key_that_cannot_sign_is_our_fault_and_is_not_quoted(acme: Acme, caplog: Any) -> None:
    acme.asks(token_endpoint_auth_method="private_key_jwt")
    finished = acme.come_back(acme.browser.leave(acme.new))  # the secret of the usual client is no key
    assert (finished.outcome, finished.reason) == ("failed", "misconfigured")
    assert acme.server.received(TOKEN) == []
    assert CLIENT_SECRET not in caplog.text
    assert CLIENT_SECRET not in str(AuthorizationAttempt.objects.values().get())


def test_a_pushed_request_leaves_a_reference_alone_in_the_browser(acme: Acme) -> None:
    """RFC 9126 sections 2.1 and 4."""
    acme.asks(pushed_authorization_request_endpoint=PUSH, pkce="required")
    reference = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c"
    acme.server.on("POST", PUSH, Answer({"request_uri": reference, "expires_in": 60}, status=201))
    acme.server.on("POST", TOKEN, PAIR)
    url = acme.browser.leave(acme.new)
    assert parameters(url) == {"client_id": [CLIENT_ID], "request_uri": [reference]}
    (pushed,) = acme.server.received(PUSH)
    assert pushed.form["client_secret"] == CLIENT_SECRET
    assert (pushed.form["scope"], pushed.form["code_challenge_method"]) == ("read", "S256")
    state = pushed.form["state"]
    finished = acme.browser.come_back(f"code=the-code&state={state}", slug="acme-dev")
    assert finished.outcome == "connected"


def test_a_pushed_request_that_gets_no_reference_sends_nobody_anywhere(acme: Acme) -> None:
    acme.asks(pushed_authorization_request_endpoint=PUSH)
    acme.server.on("POST", PUSH, Answer({"error": "invalid_client"}, status=401))
    with pytest.raises(NotFound, match="not ready to be used"):
        acme.browser.leave(acme.new)
    acme.server.on("POST", PUSH, Answer("", status=403))  # all that Glewlwyd says of a wrong secret
    with pytest.raises(NotFound, match="not ready to be used"):
        acme.browser.leave(acme.new)
    for answer in (
        Answer({}, status=503),
        Answer({"expires_in": 60}, status=201),
        Answer("<html>", status=201),
    ):
        acme.server.on("POST", PUSH, answer)
        with pytest.raises(InvalidInput, match="could not be reached"):
            acme.browser.leave(acme.new)


@pytest.mark.parametrize(
    ("iss", "is_promised", "outcome"),
    [
        (LOGIN, True, "connected"),
        (LOGIN, False, "connected"),
        (None, False, "connected"),
        (None, True, "failed"),
        ("https://evil.example", True, "failed"),
        ("https://evil.example", False, "failed"),
        (f"{LOGIN}/", True, "failed"),
    ],
)
def test_the_answer_must_be_of_the_server_that_was_asked(
    acme: Acme, iss: str | None, is_promised: bool, outcome: str
) -> None:
    """RFC 9207 section 2.4: compared character by character, and missed where it is promised."""
    acme.asks(issuer=LOGIN, authorization_response_iss_parameter_supported=is_promised)
    acme.server.on("POST", TOKEN, PAIR)
    finished = acme.come_back(acme.browser.leave(acme.new), **({"iss": iss} if iss else {}))
    assert finished.outcome == outcome
    if outcome == "failed":
        assert finished.reason == "issuer_mismatch"
        assert acme.server.received(TOKEN) == [], "neither the code nor the secret went anywhere"


def test_a_no_that_names_no_issuer_is_still_the_customers_no(acme: Acme) -> None:
    """django-oauth-toolkit 3.4 promises `iss` and leaves it out of errors; RFC 9207 section 2 has it in both."""
    acme.asks(issuer=LOGIN, authorization_response_iss_parameter_supported=True)
    for iss, outcome, reason in (
        (None, "denied", "denied"),
        ("https://evil.example", "failed", "issuer_mismatch"),
    ):
        answer = {"error": "access_denied", **({"iss": iss} if iss else {})}
        finished = acme.come_back(acme.browser.leave(acme.new), **answer)
        assert (finished.outcome, finished.reason) == (outcome, reason)
    assert acme.server.received(TOKEN) == []
