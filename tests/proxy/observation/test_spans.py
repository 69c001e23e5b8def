"""Spans of finished calls: names and attributes of the HTTP conventions, and nothing that is a customer's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from proxy.observation import spans
from proxy.observation.spans import Parent
from proxy.record import BROKEN_OFF, PARTNER_GONE
from tests.proxy.observation.records import finished

#: the example of the recommendation, https://www.w3.org/TR/trace-context/#examples-of-http-traceparent-headers
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def made(record: Any, **options: Any) -> list[ReadableSpan]:
    """The spans of a call: the SERVER span first."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, **options)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    spans.tell(provider.get_tracer("tests"), record)
    provider.shutdown()
    return sorted(kept.get_finished_spans(), key=lambda span: span.kind is not SpanKind.SERVER)


def test_a_call_is_a_server_span_with_a_client_span_under_it() -> None:
    record = finished(seconds=0.2, upstream_seconds=0.1, reply_bytes=1_024)
    record.began_at = 1_700_000_000.0
    record.partner_id = UUID(int=1)
    record.connection_id = UUID(int=2)
    server, client = made(record)
    assert (server.name, server.kind) == (
        "GET /proxy/{appSlug}/{userForeignIdentifier}/{path}",
        SpanKind.SERVER,
    )
    assert (client.name, client.kind) == ("GET", SpanKind.CLIENT)
    assert client.parent is not None and server.context is not None
    assert client.parent.span_id == server.context.span_id
    assert server.parent is None
    assert server.start_time == 1_700_000_000_000_000_000
    assert server.end_time == client.end_time == pytest.approx(1_700_000_000_200_000_000, abs=1_000)
    assert client.start_time == pytest.approx(1_700_000_000_010_000_000, abs=1_000)
    assert client.events[0].timestamp == pytest.approx(1_700_000_000_110_000_000, abs=1_000)
    assert dict(server.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/proxy/{appSlug}/{userForeignIdentifier}/{path}",
        "http.response.status_code": 200,
        "http.request.body.size": 0,
        "http.response.body.size": 1_024,
        "url.scheme": "http",
        "server.address": "localhost",
        "server.port": 8_000,
        "patchbay.app": "hbdev",
        "patchbay.provider": "hubspot",
        "patchbay.door": "passthrough",
        "patchbay.outcome": "completed",
        "patchbay.request_id": "a" * 32,
        "patchbay.partner_id": str(UUID(int=1)),
        "patchbay.connection_id": str(UUID(int=2)),
    }
    assert dict(client.attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.scheme": "https",
        "url.full": "https://api.hubapi.com/crm/v3/objects/contacts/{}",
        "url.template": "/crm/v3/objects/contacts/{}",
        "server.address": "api.hubapi.com",
        "server.port": 443,
        "patchbay.refreshed": False,
    }
    assert server.status.status_code is client.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("members", "server_error", "client_error"),
    [
        ({"status": 404}, None, "404"),
        ({"status": 503}, "503", "503"),
        ({"outcome": BROKEN_OFF}, "broken_off", "broken_off"),
        ({"outcome": PARTNER_GONE}, None, None),
        (
            {"status": 504, "code": "upstream_timeout", "headers_at": 0.0},
            "upstream_timeout",
            "upstream_timeout",
        ),
    ],
)
def test_errors_are_told_on_the_side_that_they_are_errors_of(
    members: dict[str, Any], server_error: str | None, client_error: str | None
) -> None:
    """A 4xx is the client's error and none of the server's, says the convention."""
    for span, error in zip(made(finished(**members)), (server_error, client_error), strict=True):
        assert (span.attributes or {}).get("error.type") == error
        assert (span.status.status_code is StatusCode.ERROR) == (error is not None)


def test_a_refusal_has_no_client_span_and_no_slug_that_may_not_exist() -> None:
    refused = finished(
        slug="guess", provider_id="", status=404, code="not_found", sent_at=0.0, headers_at=0.0
    )
    (server,) = made(refused)
    attributes = dict(server.attributes or {})
    assert attributes["error.type"] == "not_found"
    assert "patchbay.app" not in attributes
    assert server.status.status_code is StatusCode.UNSET


def test_an_envelope_is_posted_whatever_is_in_it() -> None:
    server, client = made(finished("DELETE", door="envelope"))
    assert server.name == "POST /api/v1/proxy/{appSlug}"
    assert (client.attributes or {})["http.request.method"] == "DELETE"


def test_an_unknown_method_is_no_name() -> None:
    server, _ = made(finished("BREW"))
    assert server.name == "HTTP /proxy/{appSlug}/{userForeignIdentifier}/{path}"
    assert (server.attributes or {})["http.request.method"] == "_OTHER"


def test_the_partners_span_is_a_link_and_no_parent() -> None:
    record = finished(
        trace_parent=Parent.of([(b"traceparent", TRACEPARENT.encode()), (b"tracestate", b"rojo=00f0")])
    )
    server, client = made(record)
    assert server.parent is None
    assert server.context is not None and client.context is not None
    assert server.context.trace_id == client.context.trace_id != 0x4BF92F3577B34DA6A3CE929D0E0E4736
    assert len(server.context.trace_state) == 0
    (link,) = server.links
    assert link.context.trace_id == 0x4BF92F3577B34DA6A3CE929D0E0E4736
    assert link.context.span_id == 0x00F067AA0BA902B7
    assert link.context.trace_state.get("rojo") == "00f0"
    assert not client.links


def test_a_partner_decides_neither_that_its_calls_are_sampled_nor_that_they_are_not() -> None:
    for flags in (b"0", b"1"):
        record = finished(trace_parent=Parent.of([(b"traceparent", TRACEPARENT[:-1].encode() + flags)]))
        assert len(made(record, sampler=ParentBased(ALWAYS_ON))) == 2
        assert made(record, sampler=ParentBased(ALWAYS_OFF)) == []


def test_fields_without_end_are_not_kept() -> None:
    state = b",".join(b"a%d=1" % number for number in range(200))
    kept = Parent.of([(b"traceparent", TRACEPARENT.encode()), (b"tracestate", state)])
    assert kept == (TRACEPARENT, "")
    assert Parent.of([(b"traceparent", TRACEPARENT.encode() + b"-" + b"0" * 60_000)]) is None


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b"garbage"],
        [b"00-00000000000000000000000000000000-00f067aa0ba902b7-01"],
        [b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
        [TRACEPARENT.encode(), TRACEPARENT.encode()],
        [b"\xff\xfe"],
    ],
    ids=["none", "garbage", "zeros", "version ff", "twice", "not ascii"],
)
def test_without_a_valid_traceparent_a_trace_begins_here(values: list[bytes]) -> None:
    record = finished(trace_parent=Parent.of([(b"traceparent", value) for value in values]))
    server, client = made(record)
    assert server.parent is None
    assert not server.links
    assert server.context is not None and client.context is not None
    assert client.context.trace_id == server.context.trace_id


@pytest.mark.parametrize(
    ("provider_id", "host", "shown"),
    [
        ("shopify", "acme-widgets.myshopify.com", "{shop}.myshopify.com"),
        ("salesforce", "acme.my.salesforce.com", "{instance_host}.salesforce.com"),
    ],
)
def test_a_customers_host_is_in_no_span(provider_id: str, host: str, shown: str) -> None:
    found = made(finished(provider_id=provider_id, host=host, path="/customers/acme"))
    assert (found[1].attributes or {})["server.address"] == shown
    assert (found[1].attributes or {})["url.full"] == f"https://{shown}/customers/{{}}"
    assert "acme" not in "".join(span.to_json() for span in found)


def test_a_path_without_end_makes_a_small_span() -> None:
    found = made(finished(path="/contacts" * 7_000))
    assert sum(len(span.to_json()) for span in found) < 5_000


def test_the_query_is_in_no_span() -> None:
    record = finished(query="access_token=secret-value&email=ann%40example.com")
    told = "".join(span.to_json() for span in made(record))
    assert "secret-value" not in told
    assert "example.com" not in told
