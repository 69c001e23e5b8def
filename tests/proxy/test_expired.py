"""Which replies say that the token expired; what was read of them goes on to the partner."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from datetime import UTC, datetime, timedelta

import pytest

from egress.aio import AsyncClient
from egress.urls import parse_url
from integrations.catalogue import Api, ExpiredSignal
from integrations.tokens import AccessToken
from proxy import expired
from proxy.peek import Peek, decoded
from sealing import Secret
from tests.egress.servers import replying
from tests.proxy.calls import reply
from tests.proxy.conftest import API, Serve

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
JSON = b"Content-Type: application/json"
MARKETO = ExpiredSignal(status=200, path="errors.0.code", values=("602",))
HUBSPOT = ExpiredSignal(status=401, path="category", values=("EXPIRED_AUTHENTICATION",))
E602 = b'{"success":false,"errors":[{"code":"602"}]}'
E401 = b'{"category":"EXPIRED_AUTHENTICATION"}'


def token(expires_in: int | None) -> AccessToken:
    expires_at = None if expires_in is None else NOW + timedelta(seconds=expires_in)
    return AccessToken(Secret("t"), "bearer", 1, None, expires_at)


def api(*signals: ExpiredSignal) -> Api:
    return Api(base_url="https://a.example", hosts=("a.example",), expired_signals=signals)


@pytest.mark.parametrize(
    ("signal", "expires_in", "is_asked"),
    [
        (ExpiredSignal(status=403, only_when_stale=True), -300, True),
        (ExpiredSignal(status=403, only_when_stale=True), None, True),
        (ExpiredSignal(status=403, only_when_stale=True), 1_790, False),
        (ExpiredSignal(status=403), 1_790, True),
        (ExpiredSignal(status=401), -300, False),
    ],
)
def test_ref_16_a_signal_with_other_meanings_needs_a_token_not_known_to_be_fresh(
    signal: ExpiredSignal, expires_in: int | None, is_asked: bool
) -> None:
    assert bool(expired.signals(api(signal), 403, token(expires_in), now=NOW)) is is_asked


@pytest.mark.parametrize(
    ("signal", "raw", "is_told"),
    [
        (ExpiredSignal(status=401), reply("401 X", body=b"anything"), True),
        (HUBSPOT, reply("401 X", JSON, body=E401), True),
        (HUBSPOT, reply("401 X", JSON, body=b'{"category":"INVALID_AUTHENTICATION"}'), False),
        (HUBSPOT, reply("401 X", JSON, body=b"{}"), False),
        (HUBSPOT, reply("401 X", body=b"<html>"), True),
        (HUBSPOT, reply("401 X", JSON, b"Content-Encoding: gzip", body=gzip.compress(E401, mtime=0)), True),
        (HUBSPOT, reply("401 X", JSON, b"Content-Encoding: deflate", body=zlib.compress(E401)), True),
        (HUBSPOT, reply("401 X", JSON, b"Content-Encoding: gzip", body=gzip.compress(b"{}", mtime=0)), False),
        (HUBSPOT, reply("401 X", JSON, b"Content-Encoding: br", body=b"\x0b\x02"), True),
        (MARKETO, reply("200 OK", JSON, body=E602), True),
        (MARKETO, reply("200 OK", JSON, body=b'{"success":true}'), False),
        (MARKETO, reply("200 OK", JSON, body=b'{"errors":[{"code":"601"}]}'), False),
        (MARKETO, reply("200 OK", b"Content-Type: text/csv", body=E602), False),
        (MARKETO, reply("200 OK", JSON, body=b" " * 70_000 + E602), False),
    ],
)
async def test_ref_16_a_bodys_rule_reads_no_more_than_it_must_and_loses_nothing(
    provider: Serve, signal: ExpiredSignal, raw: bytes, is_told: bool
) -> None:
    provider(replying(raw))
    async with AsyncClient() as client:
        response = await client.stream("GET", parse_url(API + "/x"), headers=[])
        peek = Peek(response)
        told = await expired.is_told(peek, [signal], ends=asyncio.get_running_loop().time() + 10)
        rest = b"".join([chunk async for chunk in response.iter_chunks()])
    assert told is is_told
    assert peek.content + rest == raw.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize(
    "content", [b"not gzip", gzip.compress(b"[1]", mtime=0)[:-1], gzip.compress(b"[1]", mtime=0) + b"x"]
)
def test_a_coding_that_is_broken_or_cut_short_is_not_decoded(content: bytes) -> None:
    with pytest.raises(ValueError):
        decoded(content, "gzip")


def test_content_that_grows_beyond_measure_is_not_decoded() -> None:
    with pytest.raises(ValueError, match="too long"):
        decoded(gzip.compress(b"0" * 3_000_000), "gzip")
