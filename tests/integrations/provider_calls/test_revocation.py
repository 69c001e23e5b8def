"""A grant's end, told by a client that signs."""

from __future__ import annotations

from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integrations import catalogue, provider_calls
from integrations.catalogue import Revocation
from integrations.errors import ProviderRefused
from integrations.oauth.token_request import ClientAuthentication
from integrations.oauth.verdicts import Verdict
from tests.provider_server import ProviderServer

REVOKE = "https://login.acme.example/revoke"
PROVIDER = replace(catalogue.get("hubspot"), revocation=Revocation(url=REVOKE, auth="private_key_jwt"))


def revoke(secret: str) -> str:
    client = ClientAuthentication(client_id="our-id", client_secret=secret, method="private_key_jwt")
    return provider_calls.revoke(PROVIDER, client=client, tokens={"refresh_token": "old"}, values={})


def test_a_client_that_signs_ends_a_grant_with_an_assertion_and_without_its_key(
    provider_server: ProviderServer,
) -> None:
    """RFC 7009 section 2.1, RFC 7523 section 2.2."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    provider_server.on("POST", REVOKE, b"")
    assert revoke(pem.decode()) == "confirmed"
    (request,) = provider_server.received(REVOKE)
    assert set(request.form) == {"token", "client_id", "client_assertion_type", "client_assertion"}
    claims = jwt.decode(
        request.form["client_assertion"], key.public_key(), algorithms=["RS256"], audience=REVOKE
    )
    assert (claims["iss"], claims["sub"], request.form["token"]) == ("our-id", "our-id", "old")
    assert request.header("Authorization") is None


def test_a_key_that_cannot_sign_is_our_fault_and_sends_nothing(provider_server: ProviderServer) -> None:
    provider_server.plays("login.acme.example")
    with pytest.raises(ProviderRefused) as caught:
        revoke("no key")
    assert caught.value.verdict == Verdict.CLIENT_WRONG
    assert provider_server.requests == []
