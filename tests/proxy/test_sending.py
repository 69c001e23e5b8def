"""The tries of one call on the wire: how often, after which waits, and what the partner gets in the end."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from integrations.models import Connection
from proxy import sending
from proxy.record import Record
from tests.egress.servers import Conversation, Handler, replying
from tests.factories import World
from tests.proxy.calls import bearer, body_of, reply
from tests.proxy.conftest import API, TOKEN, Serve
from tests.proxy.servers import RawReply, Served
from tests.proxy.test_refreshes import EXPIRED, calls_of, hubspot, token_of

pytestmark = pytest.mark.served
JSON = b"Content-Type: application/json"
OK = reply(body=b"ok")


class Waits(list[float]):
    """The pauses between tries, which nobody waits out. `during` is done in each."""

    during: Callable[[], None] | None = None

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)
        if self.during is not None:
            self.during()
        await asyncio.sleep(0)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    waits = Waits()
    monkeypatch.setattr(sending, "sleep", waits.sleep)
    return waits


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """Every call that is over."""
    ended: list[Record] = []
    end = Record.end

    def noted(record: Record, outcome: str) -> None:
        ended.append(record)
        end(record, outcome)

    monkeypatch.setattr(Record, "end", noted)
    return ended


def limited(*fields: bytes, policy: str = "", status: str = "429 Too Many Requests") -> bytes:
    body = json.dumps({"status": "error", "policyName": policy}).encode() if policy else b"slow down"
    return reply(status, JSON, *fields, body=body)


def in_turn(*replies: bytes) -> Handler:
    """Each request gets the next reply, and the last one for ever; b"" breaks the connection off."""
    left = list(replies)

    def handler(talk: Conversation) -> None:
        while True:
            talk.read_request()
            answer = left.pop(0) if len(left) > 1 else left[0]
            if not answer:
                talk.reset()
                return
            talk.send(answer)

    return handler


def call(
    platform: Served, at: World, method: str = "GET", body: bytes | None = None, **asked: str
) -> RawReply:
    """asked: header fields, with underscores for hyphens."""
    fields = {name.replace("_", "-"): value for name, value in asked.items()}
    return platform.call(method, "/proxy/hbdev/cust/crm", bearer(at) | fields, body)


@pytest.mark.parametrize("asked", [{}, {"Patchbay_Retries": "0"}], ids=["no-field", "zero"])
def test_nothing_is_tried_again_unless_asked(
    platform: Served, at: World, cust: Connection, provider: Serve, waits: Waits, asked: dict[str, str]
) -> None:
    upstream = provider(in_turn(limited(b"Retry-After: 1"), OK))
    got = call(platform, at, **asked)
    assert (got.status, got.get("Retry-After"), got.body) == (429, "1", b"slow down")
    assert (waits, len(upstream.requests)) == ([], 1)


@pytest.mark.parametrize(
    ("first", "waited"),
    [
        (limited(b"Retry-After: 2"), 2),
        (limited(b"Retry-After: 1.5"), 2),
        (limited(b"Retry-After: 2", policy="TEN_SECONDLY_ROLLING"), 2),
        (limited(policy="SECONDLY"), 1),
        (limited(policy="TEN_SECONDLY_ROLLING"), 10),
        (
            limited(b"X-HubSpot-RateLimit-Remaining: 0", b"X-HubSpot-RateLimit-Interval-Milliseconds: 2500"),
            3,
        ),
        (limited(b"Retry-After: 3", status="477 Migrating"), 3),
        (limited(b"Retry-After: 3", status="503 Service Unavailable"), 3),
    ],
    ids=["seconds", "fraction", "field-first", "secondly", "rolling", "window", "477", "503"],
)
def test_prx_17_the_provider_says_how_long_to_wait(
    platform: Served,
    at: World,
    cust: Connection,
    provider: Serve,
    waits: Waits,
    records: list[Record],
    first: bytes,
    waited: float,
) -> None:
    upstream = provider(in_turn(first, OK))
    got = call(platform, at, Patchbay_Retries="3")
    assert (got.status, got.body, waits, len(upstream.requests)) == (200, b"ok", [waited], 2)
    assert (records[-1].retries, records[-1].is_refreshed) == (1, False)


@pytest.mark.parametrize(
    "first",
    [
        limited(b"Retry-After: 120", b"X-HubSpot-RateLimit-Remaining: 7"),
        limited(b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"),
        limited(policy="DAILY"),
        limited(b"Retry-After: 1", policy="DAILY"),
        limited(b"X-HubSpot-RateLimit-Daily-Remaining: 0"),
        limited(b"Retry-After: 86400", status="477 Migrating"),
    ],
    ids=["seconds", "date", "daily", "daily-and-field", "daily-window", "477"],
)
def test_prx_29_a_wait_beyond_the_time_sends_the_reply_back_at_once_and_untouched(
    platform: Served, at: World, cust: Connection, provider: Serve, waits: Waits, first: bytes
) -> None:
    upstream = provider(in_turn(first, OK))
    got = call(platform, at, Patchbay_Retries="10", Patchbay_Timeout="20")
    head, _, body = first.partition(b"\r\n\r\n")
    assert (waits, len(upstream.requests), got.body) == ([], 1, body)
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.decode().partition(": ")
        assert got.get(name) == value


def test_hubspot_43_a_used_up_day_is_not_asked_for_again_and_again(
    platform: Served, at: World, cust: Connection, provider: Serve, waits: Waits
) -> None:
    daily = limited(policy="DAILY")
    upstream = provider(in_turn(daily, OK))
    first, second = call(platform, at), call(platform, at)
    assert (first.status, first.body) == (429, body_of(daily))
    assert (second.status, json.loads(second.body)["limitedBy"]) == (429, "provider")
    assert 1 <= int(second.get("Retry-After") or 0) <= 60
    assert (waits, len(upstream.requests)) == ([], 1)


def test_without_a_word_of_the_provider_the_waits_double_and_the_last_reply_is_the_partner_s(
    platform: Served, at: World, cust: Connection, provider: Serve, waits: Waits, records: list[Record]
) -> None:
    body = b"<html>" + b"x" * 200_000
    upstream = provider(replying(reply("429 Too Many Requests", b"Content-Type: text/html", body=body)))
    got = call(platform, at, Patchbay_Retries="3")
    assert (got.status, got.body, got.is_whole, len(upstream.requests)) == (429, body, True, 4)
    assert [0.25 * 2**tries <= wait <= 0.5 * 2**tries for tries, wait in enumerate(waits)] == [True] * 3
    assert records[-1].retries == 3


def test_a_moment_that_has_passed_is_no_reason_to_hurry(
    platform: Served, at: World, cust: Connection, provider: Serve, waits: Waits
) -> None:
    upstream = provider(in_turn(limited(b"Retry-After: 0"), OK))
    assert call(platform, at, Patchbay_Retries="1").status == 200
    assert (len(upstream.requests), len(waits)) == (2, 1)
    assert 0.25 <= waits[0] <= 0.5


def test_a_compressed_body_is_understood_and_goes_on_as_it_is(
    platform: Served, at: World, cust: Connection, provider: Serve, waits: Waits
) -> None:
    body = gzip.compress(b'{"policyName":"DAILY"}', mtime=0)
    provider(replying(reply("429 X", JSON, b"Content-Encoding: gzip", body=body)))
    got = call(platform, at, Patchbay_Retries="3")
    assert (got.body, got.get("Content-Encoding"), waits) == (body, "gzip", [])


@pytest.mark.parametrize(
    ("method", "fields", "replies", "status", "times"),
    [
        ("POST", {}, [b"", OK], 502, 1),
        ("POST", {}, [reply("503 X"), OK], 503, 1),
        ("PATCH", {}, [limited(b"Retry-After: 1"), OK], 429, 1),
        ("POST", {"Idempotency-Key": "k"}, [limited(b"Retry-After: 1"), OK], 200, 2),
        ("POST", {"Idempotency-Key": "k"}, [b"", OK], 200, 2),
        ("GET", {}, [b"", b"", b"", OK], 200, 4),
        ("GET", {"X-HTTP-Method-Override": "POST"}, [reply("503 X"), OK], 503, 1),
        ("PUT", {}, [reply("504 X"), OK], 200, 2),
        ("DELETE", {}, [reply("500 X"), OK], 500, 1),
        ("GET", {}, [reply("403 X"), OK], 403, 1),
        ("GET", {}, [reply("202 X", b"Retry-After: 1"), OK], 202, 1),
    ],
    ids=[
        "post-reset", "post-503", "patch-429", "post-with-key", "post-with-key-reset", "get-resets",
        "get-that-is-a-post", "put-504", "delete-500", "get-403", "get-202",
    ],
)  # fmt: skip
def test_prx_18_only_what_can_do_no_work_twice_is_sent_twice(
    platform: Served,
    at: World,
    cust: Connection,
    provider: Serve,
    waits: Waits,
    method: str,
    fields: dict[str, str],
    replies: list[bytes],
    status: int,
    times: int,
) -> None:
    upstream = provider(in_turn(*replies))
    body = None if method in ("GET", "DELETE") else b'{"a":1}'
    got = call(platform, at, method, body, Patchbay_Retries="3", **fields)
    assert (got.status, len(upstream.requests), len(waits)) == (status, times, times - 1)
    assert {body_of(request) for request in upstream.requests} == {body or b""}
    assert all(request.count(TOKEN.encode()) == 1 for request in upstream.requests)


def test_prx_18_a_post_that_was_never_sent_is_tried_again_when_asked(
    platform: Served, at: World, cust: Connection, provider: Serve, waits: Waits, settings: Any
) -> None:
    upstream = provider(replying(OK))
    mapping = settings.UPSTREAM_MAP
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = {API: f"http://127.0.0.1:{listener.getsockname()[1]}"}
    settings.UPSTREAM_MAP = nobody
    got = call(platform, at, "POST", b"x")
    assert (got.status, waits) == (502, [])
    waits.during = lambda: setattr(settings, "UPSTREAM_MAP", mapping)
    bodies = [b"x", b"y" * 3_000_000]  # short content is kept, long content streams
    for body in bodies:
        settings.UPSTREAM_MAP = nobody
        assert call(platform, at, "POST", body, Patchbay_Retries="1").status == 200
    assert [body_of(request) for request in upstream.requests] == bodies
    assert len(waits) == 2


def test_prx_29_what_a_call_waits_for_its_account_is_part_of_its_time(
    platform: Served, at: World, cust: Connection, provider: Serve, waits: Waits
) -> None:
    """A second is spent on the limit that the first reply told of, so another does not fit any more."""
    upstream = provider(replying(limited(b"Retry-After: 1")))
    assert call(platform, at).status == 429
    got = call(platform, at, Patchbay_Retries="3", Patchbay_Timeout="1.9")
    assert (got.status, got.body, waits, len(upstream.requests)) == (429, b"slow down", [], 2)


def test_prx_29_streamed_content_gives_a_call_its_time_anew_once(
    platform: Served, at: World, cust: Connection, provider: Serve, waits: Waits
) -> None:
    """Later tries send what was kept: to receive it takes none of their time."""

    def handler(talk: Conversation) -> None:
        head = talk.read_until(b"\r\n\r\n").lower()
        talk.read_until(b"0\r\n\r\n" if b"chunked" in head else b"{}")
        talk.server.requests.append(head)
        time.sleep(0.4)
        talk.send(limited(b"Retry-After: 1", status="503 Service Unavailable"))

    upstream = provider(handler)
    head = (
        "PUT /proxy/hbdev/cust/crm HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        f"Authorization: Bearer {at.api_key}\r\nPatchbay-Retries: 10\r\nPatchbay-Timeout: 1.5\r\n\r\n"
    )
    platform.raw(head.encode() + b"2\r\n{}\r\n0\r\n\r\n")
    assert b"chunked" in upstream.requests[0]
    assert all(b"content-length: 2" in request for request in upstream.requests[1:])
    assert 2 <= len(upstream.requests) <= 5


def test_prx_19_after_a_refresh_each_try_carries_the_new_token_and_the_whole_body(
    platform: Served, at: World, cust: Connection, provider: Serve, waits: Waits, records: list[Record]
) -> None:
    answers = [EXPIRED, limited(policy="SECONDLY"), EXPIRED, OK]
    upstream = provider(hubspot(lambda request: answers.pop(0)))
    body = json.dumps({"x": "y" * 100_000}).encode()
    got = call(platform, at, "PUT", body, Patchbay_Retries="2")
    # One refresh for one call: a second reply of that kind is the partner's to see.
    assert (got.status, got.body, waits) == (401, body_of(EXPIRED), [1])
    calls, token_calls = calls_of(upstream)
    assert ([token_of(sent) for sent in calls], len(token_calls)) == ([TOKEN, "token-1", "token-1"], 1)
    assert [body_of(sent) == body for sent in calls] == [True] * 3
    assert (records[-1].retries, records[-1].is_refreshed) == (1, True)


def test_prx_19_the_replay_has_no_more_time_than_the_call(
    platform: Served, at: World, cust: Connection, provider: Serve, records: list[Record]
) -> None:
    """The provider takes the time for itself, so that nothing is left for another try."""
    upstream = provider(hubspot(lambda request: EXPIRED, delay=1.5))
    began = time.monotonic()
    got = call(platform, at, Patchbay_Timeout="1")
    assert time.monotonic() - began < 10
    assert got.status in (401, 503)
    assert len(calls_of(upstream)[0]) == 1
    assert not records[-1].is_refreshed


def test_an_error_s_body_that_does_not_come_holds_nobody_up_beyond_the_time(
    platform: Served, at: World, cust: Connection, provider: Serve, waits: Waits
) -> None:
    def handler(talk: Conversation) -> None:
        talk.read_request()
        talk.send(b"HTTP/1.1 429 X\r\nContent-Length: 100\r\n\r\n{")
        talk.wait_for_close()

    upstream = provider(handler)
    with platform.connect() as sock:
        lines = ["GET /proxy/hbdev/cust/crm HTTP/1.1", "Host: x", f"Authorization: Bearer {at.api_key}"]
        lines += ["Patchbay-Retries: 1", "Patchbay-Timeout: 0.3", "", ""]
        sock.sendall("\r\n".join(lines).encode())
        head = sock.recv(65536)
    assert head.startswith(b"HTTP/1.1 429")
    assert (waits, len(upstream.requests)) == ([], 1)
