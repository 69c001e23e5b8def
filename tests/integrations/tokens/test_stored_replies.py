"""Every kind of reply that holds a token, through the real path of a refresh: what is stored of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations import tokens
from integrations.models import Connection, GrantIncident
from integrations.models.connection import Status
from tests import factories
from tests.integrations.connect.conftest import HUBSPOT_TOKEN
from tests.integrations.tokens.conftest import REFRESH_TOKEN
from tests.provider_server import Answer, ProviderServer

pytestmark = [pytest.mark.django_db]

PLAIN = {"access_token": "C-new", "token_type": "bearer", "expires_in": 3600}


def stored(server: ProviderServer, expired: Connection, answer: Any) -> Connection:
    """The row after a refresh that works."""
    server.on("POST", HUBSPOT_TOKEN, answer)
    token = tokens.ensure_fresh(expired.pk)
    assert token.version == 2
    row = Connection.objects.get(pk=expired.pk)
    is_narrower = not set(factories.SCOPES) <= set(row.granted_scopes)
    assert (row.status, row.status_reason) == (Status.ACTIVE, "scope_withdrawn" if is_narrower else "")
    assert not GrantIncident.objects.exists()
    return row


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (" 3600 ", 3600),
        (3600.9, 3600),
        ("3600.9", 3600),
        (0, 0),
        (315_576_000, 315_576_000),
        # all of these count as missing, so that the last known lifetime stays (REF-15)
        (..., 1800),
        (None, 1800),
        (-5, 1800),
        ("soon", 1800),
        ("", 1800),
        (True, 1800),
        (False, 1800),
        ([], 1800),
        ({}, 1800),
        (315_576_001, 1800),
        (1e308, 1800),
        (10**400, 1800),
    ],
    ids=str,
)
def test_tok_04_every_expires_in_gives_the_right_lifetime(
    provider_server: ProviderServer, expired: Connection, value: Any, seconds: int
) -> None:
    before = timezone.now()
    body = {name: member for name, member in {**PLAIN, "expires_in": value}.items() if member is not ...}
    row = stored(provider_server, expired, Answer(body))
    assert row.access_token_lifetime == seconds
    assert row.access_token_expires_at is not None
    lives = row.access_token_expires_at - before
    assert timedelta(seconds=seconds) <= lives <= timedelta(seconds=seconds + 60)


@pytest.mark.parametrize(
    ("members", "scopes"),
    [
        ({"scope": "a b"}, ["a", "b"]),
        ({"scopes": ["a", "b"]}, ["a", "b"]),
        ({"scopes": ["a b", "c"]}, ["a", "b", "c"]),
        ({"scopes": ["a", 1, None, "b"]}, ["a", "b"]),
        ({"scope": "a  a b"}, ["a", "b"]),
        # what tells nothing changes nothing
        ({}, list(factories.SCOPES)),
        ({"scope": None}, list(factories.SCOPES)),
        ({"scope": ""}, list(factories.SCOPES)),
        ({"scope": {"a": 1}}, list(factories.SCOPES)),
        ({"scope": 7}, list(factories.SCOPES)),
    ],
)
def test_odd_scopes_are_read_as_far_as_they_go(
    provider_server: ProviderServer, expired: Connection, members: dict[str, Any], scopes: list[str]
) -> None:
    assert stored(provider_server, expired, Answer({**PLAIN, **members})).granted_scopes == scopes


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("bearer", "bearer"), ("Bearer", "Bearer"), ("BOT", "BOT"), (" MAC ", "MAC"),
        (None, "bearer"), ("", "bearer"), (7, "bearer"), (["bearer"], "bearer"), ("x" * 65, "bearer"),
        ("two words", "bearer"),
    ],
)  # fmt: skip
def test_odd_token_types_are_kept_or_taken_as_bearer(
    provider_server: ProviderServer, expired: Connection, value: Any, kept: str
) -> None:
    assert stored(provider_server, expired, Answer({**PLAIN, "token_type": value})).token_type == kept


@pytest.mark.parametrize(
    "absent", [{}, {"refresh_token": None}, {"refresh_token": ""}, {"refresh_token": " "}]
)
def test_ref_01_a_missing_refresh_token_keeps_the_stored_one(
    provider_server: ProviderServer, expired: Connection, absent: dict[str, Any]
) -> None:
    row = stored(provider_server, expired, Answer({**PLAIN, **absent}))
    assert tokens.open_tokens(row) == {"access_token": "C-new", "refresh_token": REFRESH_TOKEN}


def test_tok_16_tokens_of_16_kilobytes_are_stored_whole(
    provider_server: ProviderServer, expired: Connection
) -> None:
    long = {"access_token": "C" + "a" * 16_383, "refresh_token": "r" * 16_384}
    assert tokens.open_tokens(stored(provider_server, expired, Answer({**PLAIN, **long}))) == long


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"access_token=C-new&token_type=bearer&expires_in=3600"),
        ("application/json", b"access_token=C-new&token_type=bearer&expires_in=3600"),
        ("text/html", b'{"access_token": "C-new", "expires_in": 3600}'),
        ("application/json; charset=utf-8", b'\xef\xbb\xbf{"access_token": "C-new", "expires_in": 3600}'),
        (
            "application/json; charset=iso-8859-1",
            '{"access_token": "C-new", "expires_in": 3600, "name": "Müller"}'.encode("latin-1"),
        ),
        ("application/json; charset=nonsense", b'{"access_token": "C-new", "expires_in": 3600}'),
        (
            "application/json; charset=utf-16",
            '{"access_token": "C-new", "expires_in": 3600}'.encode("utf-16"),
        ),
        ("application/json", b'{"access_token": "C-old", "access_token": "C-new", "expires_in": 3600}'),
        ("application/json", b'\r\n  {"access_token": " C-new ", "expires_in": 3600}\n'),
        ("application/json", b'{"access_token": "C-new", "expires_in": 3600, "error": null}'),
    ],
)
def test_tok_07_and_08_a_refresh_reply_is_read_by_what_it_is(
    provider_server: ProviderServer, expired: Connection, content_type: str, body: bytes
) -> None:
    row = stored(provider_server, expired, Answer(body, content_type=content_type))
    assert tokens.open_tokens(row)["access_token"] == "C-new"
    assert row.access_token_lifetime == 3600
