"""Calls through the doors, and what a scrape of the running platform says of them."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from typing import Any

import pytest

from accounts.models import WorkerHeartbeat
from integrations.models import Connection
from proxy.observation import database, observation
from proxy.observation.observation import PUBLISH_SECONDS
from tests.egress.servers import Conversation, replying
from tests.factories import World
from tests.proxy.calls import bearer, reply
from tests.proxy.conftest import Serve
from tests.proxy.observation.conftest import TOKEN
from tests.proxy.observation.scraping import samples, total
from tests.proxy.servers import Served
from tests.proxy.test_processes import processes

pytestmark = pytest.mark.served
REQUESTS = "patchbay_proxy_requests_total"


def test_calls_of_every_door_are_told_with_how_they_ended(
    metered: Served, at: World, cust: Connection, provider: Serve
) -> None:
    provider(replying(reply(body=b"hello")))
    assert metered.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
    assert metered.call("POST", "/proxy/hbdev/cust/x", bearer(at), b"12345678").status == 200
    envelope = json.dumps({"userForeignIdentifier": "cust", "method": "GET", "url": "/x"}).encode()
    sent = metered.call("POST", "/api/v1/proxy/hbdev", bearer(at), envelope)
    assert (sent.status, sent.body) == (200, b"hello")
    found = samples(metered)
    of_app = {"app": "hbdev", "provider": "hubspot", "status": "2xx", "outcome": "completed", "code": ""}
    for door, method in (("passthrough", "GET"), ("passthrough", "POST"), ("envelope", "GET")):
        assert total(found, REQUESTS, **of_app, door=door, method=method, origin="provider") == 1
    assert total(found, "patchbay_proxy_reply_bytes_total", app="hbdev") == 15
    assert total(found, "patchbay_proxy_request_bytes_total", app="hbdev") >= 8
    assert total(found, "patchbay_proxy_request_duration_seconds_count", app="hbdev") == 3
    assert total(found, "patchbay_proxy_upstream_duration_seconds_count", app="hbdev") == 3


def test_refusals_carry_their_code_and_no_word_of_the_callers(
    metered: Served, at: World, cust: Connection, provider: Serve
) -> None:
    provider(replying(reply()))
    key = bearer(at)
    assert metered.call("GET", "/proxy/hbdev/cust/x").status == 401
    assert metered.call("GET", "/proxy/no-such-app/secret-customer/x?token=abc", key).status == 404
    assert metered.call("GET", "/proxy/hbdev/secret-customer/x", key).status == 404
    assert metered.call("PROPFIND", "/proxy/hbdev/cust/x", key).status == 405
    found = samples(metered)
    assert total(found, REQUESTS, origin="patchbay") == 4
    assert total(found, REQUESTS, code="not_authenticated", status="4xx") == 1
    assert total(found, REQUESTS, code="method_not_allowed", method="_OTHER") == 1
    assert total(found, REQUESTS, code="connection_not_found") == 1
    values = {value for _, labels in found for _, value in labels}
    assert not {"no-such-app", "secret-customer", "PROPFIND", "abc"} & values


def test_an_unreachable_provider_is_ours_to_tell(
    metered: Served, at: World, cust: Connection, provider: Serve
) -> None:
    def breaks_off(talk: Conversation) -> None:
        talk.read_request()
        talk.reset()

    provider(breaks_off)
    assert metered.call("POST", "/proxy/hbdev/cust/x", bearer(at), b"x").status == 502
    found = samples(metered)
    assert total(found, REQUESTS, app="hbdev", code="upstream_unreachable", origin="patchbay") == 1


def test_the_database_is_told_with_the_processes(metered: Served, at: World, cust: Connection) -> None:
    found = samples(metered)
    assert total(found, "patchbay_connections", app="hbdev", provider="hubspot", status="active") == 1
    assert total(found, "patchbay_web_processes") == 1
    assert total(found, "patchbay_database_up") == 1
    assert total(found, "patchbay_keys_well") == 1
    assert total(found, "patchbay_workers") == WorkerHeartbeat.objects.count() == 0
    assert total(found, "patchbay_web_resident_memory_bytes") > 10_000_000
    assert total(found, "patchbay_web_cpu_seconds_total") > 0


def test_a_call_in_flight_is_seen(metered: Served, at: World, cust: Connection, provider: Serve) -> None:
    seen: list[float] = []

    def slow(talk: Conversation) -> None:
        talk.read_request()
        seen.append(total(samples(metered), "patchbay_proxy_in_flight"))
        talk.send(reply())

    provider(slow)
    assert metered.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
    assert seen == [1]
    assert total(samples(metered), "patchbay_proxy_in_flight") == 0


def test_a_database_that_hangs_holds_up_no_scrape(metered: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()

    def hangs() -> Any:
        let_go.wait(20)
        return []

    monkeypatch.setattr(database, "_integrations", hangs)
    monkeypatch.setattr(observation, "DATABASE_SECONDS", 0.1)
    try:
        found = samples(metered)
        assert total(found, "patchbay_database_up") == 0
        assert total(found, "patchbay_web_processes") == 1
    finally:
        let_go.set()


def wait_for_requests(served: list[Served], wanted: float) -> None:
    """Scrape whichever process until all is told; no scrape may tell less than one before."""
    last = 0.0
    give_up_at = time.monotonic() + 6 * PUBLISH_SECONDS
    while last < wanted:
        assert time.monotonic() < give_up_at, f"{last} of {wanted} calls are told"
        for one in served:
            now = total(samples(one), REQUESTS)
            assert now >= last
            last = now
        time.sleep(0.1)
    assert last == wanted


@pytest.mark.slow
def test_two_processes_are_told_by_either_and_the_dead_stay_counted(
    at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRICS_TOKEN", TOKEN)
    upstream = provider(replying(reply(body=b"ok")))
    with processes(2, upstream_port=upstream.port) as (one, other):
        for served, calls in ((one, 3), (other, 5)):
            for _ in range(calls):
                assert served.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
        wait_for_requests([one, other], 8)
        assert total(samples(one), "patchbay_web_processes") == 2
        os.kill(other.pid, signal.SIGKILL)
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        found = samples(one)
        assert (total(found, REQUESTS), total(found, "patchbay_web_processes")) == (8, 1)


@pytest.mark.slow
def test_workers_behind_one_port_are_told_together(
    at: World, cust: Connection, provider: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRICS_TOKEN", TOKEN)
    upstream = provider(replying(reply(body=b"ok")))
    with processes(1, upstream_port=upstream.port, options=["--workers", "2"]) as (one,):
        for _ in range(20):
            assert one.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
        wait_for_requests([one], 20)


@pytest.mark.slow
def test_a_token_that_could_be_guessed_stops_the_start(
    at: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METRICS_TOKEN", "short")
    with pytest.raises(AssertionError, match="did not start"), processes(1, upstream_port=9):
        pass
    assert "METRICS_TOKEN is shorter than 16 characters" in capfd.readouterr().err
