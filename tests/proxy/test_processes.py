"""Several web processes on one database, as they are deployed: one refresh, no error, no stale answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection as database
from django.db import transaction

from integrations.models import Connection
from integrations.models.connection import Status
from tests import factories
from tests.egress.servers import Conversation, replying
from tests.factories import World
from tests.proxy.calls import bearer, reply, wait_until_seen
from tests.proxy.conftest import API, TOKEN, Serve
from tests.proxy.servers import Served, read_reply
from tests.proxy.test_refreshes import calls_of, expired_unless, hubspot, token_of
from tests.services import free_port
from tests.suite import ROOT

pytestmark = [pytest.mark.served, pytest.mark.slow]
CALLS = 200
START_SECONDS = 90.0


@contextmanager
def processes(count: int, *, upstream_port: int, options: Sequence[str] = ()) -> Iterator[list[Served]]:
    """Web processes of their own on the test database; options: more of uvicorn's."""
    ports = [free_port() for _ in range(count)]
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "config.asgi:application",
        "--loop",
        "uvloop",
        "--http",
        "proxy.protocol:BoundedProtocol",
    ]
    command += ["--no-proxy-headers", "--no-access-log", *options, "--port"]
    env = os.environ | {
        "DATABASE_URL": _database_url(),
        "UPSTREAM_MAP": json.dumps({API: f"http://127.0.0.1:{upstream_port}"}),
        "LOG_LEVEL": "ERROR",
    }
    running = [
        subprocess.Popen([*command, str(port)], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
        for port in ports
    ]
    try:
        served = [Served(port, process.pid) for port, process in zip(ports, running, strict=True)]
        for one in served:
            _wait_for(one)
        yield served
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=20)


def _database_url() -> str:
    settings = database.settings_dict
    if database.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    return f"postgres://{settings['USER']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


def _wait_for(one: Served) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while True:
        try:
            assert one.call("GET", "/healthz").status == 200
            return
        except ConnectionError:
            assert time.monotonic() < give_up_at, "a web process did not start"
            time.sleep(0.1)


def at_once(tasks: list[Any]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_ref_04_two_hundred_calls_on_an_expired_token_through_two_processes_cause_one_refresh(
    at: World, provider: Serve
) -> None:
    factories.connection(at, "cust", access_token=TOKEN, expires_in=0)
    upstream = provider(hubspot(expired_unless("token-1"), delay=0.5))
    with processes(2, upstream_port=upstream.port) as served:
        statuses: list[int] = []

        def ask(one: Served) -> None:
            statuses.append(one.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status)

        at_once([lambda one=served[number % 2]: ask(one) for number in range(CALLS)])
    assert statuses == [200] * CALLS
    calls, token_calls = calls_of(upstream)
    assert len(token_calls) == 1
    assert {token_of(call) for call in calls} == {"token-1"}
    assert Connection.objects.get().token_version == 2


def test_a_refresh_by_another_process_is_used_by_calls_that_were_rejected(at: World, provider: Serve) -> None:
    """Each process finds out by itself that the token was rejected."""
    factories.connection(at, "cust", access_token=TOKEN)
    upstream = provider(hubspot(expired_unless("token-1"), delay=0.5))
    with processes(2, upstream_port=upstream.port) as served:
        statuses: list[int] = []

        def ask(one: Served) -> None:
            statuses.append(one.call("POST", "/proxy/hbdev/cust/x", bearer(at), b"{}").status)

        at_once([lambda one=served[number % 2]: ask(one) for number in range(40)])
    assert statuses == [200] * 40
    assert len(calls_of(upstream)[1]) == 1


def test_what_one_process_ends_has_ended_in_the_other(at: World, provider: Serve) -> None:
    cust = factories.connection(at, "cust", access_token=TOKEN)
    upstream = provider(replying(reply(body=b"ok")))
    with processes(2, upstream_port=upstream.port) as served:
        for status, answer in ((Status.PAUSED, 423), (Status.ACTIVE, 200), (Status.RECONNECT_REQUIRED, 424)):
            for one in served:
                one.call("GET", "/proxy/hbdev/cust/x", bearer(at))
            Connection.objects.filter(pk=cust.pk).update(status=status)
            wait_until_seen()
            for one in served:
                assert one.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == answer


def test_ref_27_warm_calls_do_not_wait_for_a_writer(at: World, provider: Serve) -> None:
    factories.connection(at, "cust", access_token=TOKEN)
    upstream = provider(replying(reply(body=b"ok")))
    with processes(1, upstream_port=upstream.port) as (one,):
        assert one.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
        with transaction.atomic():
            Connection.objects.update(provider_account_name="another")
            slowest = 0.0
            ends = time.monotonic() + 2.0
            while time.monotonic() < ends:
                begun = time.monotonic()
                assert one.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
                slowest = max(slowest, time.monotonic() - begun)
        assert slowest < 2, "the transaction lasted longer than any call"


def memory_mib(one: Served) -> float:
    with open(f"/proc/{one.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def test_prx_22_half_a_gigabyte_each_way_takes_no_memory(at: World, provider: Serve) -> None:
    factories.connection(at, "cust", access_token=TOKEN)
    size, piece = 500_000_000, b"x" * 1_000_000

    def handler(talk: Conversation) -> None:
        if talk.read_until(b"\r\n\r\n").startswith(b"GET"):
            talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            talk.send(*[piece] * (size // len(piece)))
            return
        left, buffer = size - len(talk._buffer), bytearray(1_000_000)
        while left and (taken := talk.sock.recv_into(buffer)):
            left -= taken
        talk.send(reply(body=b"%d" % left))

    upstream = provider(handler)
    with processes(1, upstream_port=upstream.port) as (one,):
        head = f"Host: localhost\r\nAuthorization: Bearer {at.api_key}\r\n"
        with one.connect() as sock:  # once before it counts
            sock.sendall(f"GET /proxy/hbdev/cust/x HTTP/1.1\r\n{head}\r\n".encode())
            sock.recv(65536)
        before = most = memory_mib(one)
        with one.connect() as sock:
            sock.sendall(f"GET /proxy/hbdev/cust/x HTTP/1.1\r\n{head}\r\n".encode())
            received, buffer = 0, bytearray(1_000_000)
            while received < size and (taken := sock.recv_into(buffer)):
                received += taken
                most = max(most, memory_mib(one))
        assert received >= size
        with one.connect() as sock:
            sock.sendall(f"PUT /proxy/hbdev/cust/x HTTP/1.1\r\n{head}Content-Length: {size}\r\n\r\n".encode())
            for _ in range(size // len(piece)):
                sock.sendall(piece)
                most = max(most, memory_mib(one))
            assert read_reply(sock).body == b"0"
        assert most - before < 12
