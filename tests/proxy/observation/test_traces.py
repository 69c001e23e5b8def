"""From a call through the running platform to a collector that decodes what it is sent."""

from __future__ import annotations

import asyncio
import builtins
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from integrations.models import Connection
from proxy.observation import observation, traces
from proxy.observation.traces import Traces
from tests.egress.servers import replying
from tests.factories import World
from tests.proxy.calls import bearer, head_of, reply
from tests.proxy.conftest import TOKEN as CUSTOMERS_TOKEN
from tests.proxy.conftest import Serve
from tests.proxy.observation.collector import Collector, attributes
from tests.proxy.observation.records import finished
from tests.proxy.observation.test_spans import TRACEPARENT
from tests.proxy.servers import Served, served
from tests.suite import ROOT

SERVER, CLIENT = 2, 3  # SpanKind on the wire


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    yield running
    running.close()


@pytest.fixture
def traced(transactional_db: Any, settings: Any, collector: Collector) -> Iterator[Served]:
    """The platform, told of the collector."""
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = f"{collector.endpoint}/"
    with served() as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")


@pytest.mark.served
def test_a_call_reaches_the_collector_with_a_link_to_the_partners_trace(
    quick: None, traced: Served, collector: Collector, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(reply(body=b"ok")))
    headers = {**bearer(at), "traceparent": TRACEPARENT, "tracestate": "rojo=00f067aa0ba902b7"}
    for _ in range(2):  # cold, then warm
        assert traced.call("GET", "/proxy/hbdev/cust/crm/v3/objects/42?secret=value", headers).status == 200
    found = collector.spans(4)
    assert [span.kind for span in found] == [SERVER, CLIENT] * 2
    for server, client in (found[:2], found[2:]):
        assert server.parent_span_id == b""
        assert server.trace_id == client.trace_id
        assert [link.trace_id.hex() for link in server.links] == ["4bf92f3577b34da6a3ce929d0e0e4736"]
        assert [link.span_id.hex() for link in server.links] == ["00f067aa0ba902b7"]
        assert client.parent_span_id == server.span_id
        assert attributes(client.attributes)["url.full"] == "https://api.hubapi.com/crm/v3/objects/{}"
        assert attributes(server.attributes)["http.response.status_code"] == 200
        now = time.time_ns()
        assert now - 60 * 10**9 < server.start_time_unix_nano < client.start_time_unix_nano
        assert client.end_time_unix_nano <= server.end_time_unix_nano <= now + 10**9
    assert collector.requests[0].startswith(b"POST /v1/traces HTTP/1.1\r\n")
    assert collector.resource()["service.name"] == "patchbay"
    sent = b"".join(collector.requests)
    for secret in (b"secret=value", CUSTOMERS_TOKEN.encode(), at.api_key.encode()):
        assert secret not in sent
    for request in upstream.requests:  # the partner's own fields are end-to-end and go on as they came
        assert b"traceparent: " + TRACEPARENT.encode() in head_of(request)
        assert b"tracestate: rojo=00f067aa0ba902b7" in head_of(request)


@pytest.mark.served
def test_a_refusal_is_one_span(quick: None, traced: Served, collector: Collector, at: World) -> None:
    assert traced.call("GET", "/proxy/hbdev/nobody/x", bearer(at)).status == 404
    (server,) = collector.spans(1)
    assert attributes(server.attributes)["error.type"] == "connection_not_found"


@pytest.mark.served
def test_the_last_calls_are_sent_when_the_process_ends(
    transactional_db: Any, settings: Any, collector: Collector, at: World, cust: Connection, provider: Serve
) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = collector.endpoint
    provider(replying(reply()))
    with served() as running:
        assert running.call("GET", "/proxy/hbdev/cust/x", bearer(at)).status == 200
    assert len(collector.spans(2)) == 2


@pytest.mark.served
def test_without_a_collector_nothing_is_made(
    platform: Served, at: World, cust: Connection, provider: Serve
) -> None:
    from proxy import plane

    upstream = provider(replying(reply()))
    headers = {**bearer(at), "traceparent": TRACEPARENT}
    assert platform.call("GET", "/proxy/hbdev/cust/x", headers).status == 200
    assert all(one.observation.traces is None for one in plane._planes.values())
    assert b"traceparent: " + TRACEPARENT.encode() in head_of(upstream.requests[0])


@pytest.mark.served
def test_a_collector_that_is_gone_neither_fails_calls_nor_holds_up_the_end(
    quick: None, transactional_db: Any, settings: Any, at: World, cust: Connection, provider: Serve
) -> None:
    gone = Collector()
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = gone.endpoint
    gone.close()
    provider(replying(reply(body=b"ok")))
    with served() as running:
        for _ in range(3):
            assert running.call("GET", "/proxy/hbdev/cust/x", bearer(at)).body == b"ok"
        time.sleep(2 * traces.EVERY_SECONDS)
        began = time.monotonic()
    assert time.monotonic() - began < traces.LAST_SECONDS + 5


async def test_more_than_can_wait_is_dropped_and_counted(
    settings: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = collector.endpoint
    monkeypatch.setattr(traces, "MAX_WAITING", 2)
    made = Traces()
    for _ in range(5):
        made.observe(finished())
    assert made.dropped == 3
    await made.close()
    assert len(await asyncio.to_thread(collector.spans, 4)) == 4


async def test_long_paths_are_dropped_before_they_fill_the_memory(
    settings: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = collector.endpoint
    monkeypatch.setattr(traces, "MAX_WAITING_CHARACTERS", 100_000)
    made = Traces()
    for _ in range(2):
        for _ in range(4):
            made.observe(finished(path="/x" * 20_000, query="q" * 20_000))
        assert len(made._taken()) == 2
    assert made.dropped == 4
    await made.close()


def test_missing_packages_are_named_with_what_installs_them(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "proxy.observation.spans", raising=False)
    monkeypatch.delattr("proxy.observation.spans", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImproperlyConfigured, match=r"requirements-tracing\.txt"):
        Traces()


async def test_a_start_without_the_packages_fails_and_says_why(
    settings: Any, monkeypatch: pytest.MonkeyPatch, transactional_db: Any
) -> None:
    from config.asgi import application

    def missing() -> None:
        raise ImproperlyConfigured(traces._MISSING)

    settings.OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
    monkeypatch.setattr(observation, "Traces", missing)
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    await application({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "requirements-tracing.txt" in sent[0]["message"]


def test_the_packages_are_not_loaded_while_traces_are_off() -> None:
    program = (
        "import sys, django; django.setup(); import config.asgi\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'google.protobuf'))])"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
