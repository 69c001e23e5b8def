"""Content that is read before a request of OAuth 1.0a is signed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from accounts.api.problems import Problem
from egress.urls import parse_url
from integrations.oauth.oauth1 import Signer, TokenPair
from integrations.tokens import AccessToken
from proxy import signing
from proxy.credentials import Field
from proxy.incoming import KEPT_BYTES, KeptContent
from proxy.record import Record
from sealing import Secret

FORM: Field = (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")


class Pieces:
    """Content that comes in pieces with pauses before each."""

    def __init__(self, *pieces: bytes, pause: float = 0.0) -> None:
        self._pieces = pieces
        self._pause = pause

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            await asyncio.sleep(self._pause)
            yield piece


async def signed(content: KeptContent) -> bytes:
    token = AccessToken(Secret(TokenPair("t", "s").stored()), "", 1, None, None)
    name, value = await signing.authorization(
        Signer("key", "secret"),
        token,
        method="POST",
        target=parse_url("https://api.trello.com/1/cards"),
        fields=[FORM],
        content=content,
    )
    assert name == b"authorization"
    return value


async def test_a_form_that_comes_slowly_is_waited_for_and_kept_to_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signing, "CONTENT_IDLE_SECONDS", 10.0)
    content = KeptContent(Pieces(b"name=", b"a+b", pause=0.01), Record("POST"))
    assert b"oauth_signature=" in await signed(content)
    assert content.whole == b"name=a+b"
    assert b"oauth_signature=" in await signed(content), "for another try"


async def test_a_form_that_stalls_is_not_waited_for_longer_than_any_other_content(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It holds a place among the calls in flight meanwhile."""
    monkeypatch.setattr(signing, "CONTENT_IDLE_SECONDS", 0.05)
    with pytest.raises(Problem) as raised:
        async with asyncio.timeout(20):
            await signed(KeptContent(Pieces(b"name=a", pause=60.0), Record("POST")))
    assert (raised.value.code, raised.value.members["field"]) == ("invalid_request", "body")


async def test_a_form_that_drips_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "CONTENT_SECONDS", 0.05)
    with pytest.raises(Problem) as raised:
        await signed(KeptContent(Pieces(*[b"a"] * 2_000, pause=0.01), Record("POST")))
    assert (raised.value.code, raised.value.members["field"]) == ("invalid_request", "body")


async def test_a_form_longer_than_is_kept_is_refused() -> None:
    with pytest.raises(Problem) as raised:
        await signed(KeptContent(Pieces(b"a" * KEPT_BYTES, b"b"), Record("POST")))
    assert raised.value.code == "content_too_large"
