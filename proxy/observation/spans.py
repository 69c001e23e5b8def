"""OpenTelemetry spans of calls that are over, made away from them: a SERVER span and the CLIENT span under it.

Names and attributes are those of the HTTP semantic conventions
(https://opentelemetry.io/docs/specs/semconv/http/http-spans/). No query, no header field, and of hosts and paths
what is the API's own. The packages are an extra; this module is imported where spans are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    SpanKind,
    Status,
    StatusCode,
    Tracer,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from proxy.credentials import Field
from proxy.envelope import METHODS
from proxy.observation.places import host_template, path_template
from proxy.record import BROKEN_OFF, INTAKE, Record

Attributes = dict[str, str | int | bool]
ROUTES = {
    "passthrough": "/proxy/{appSlug}/{userForeignIdentifier}/{path}",
    "envelope": "/api/v1/proxy/{appSlug}",
    "stackgo": "/api/raw/{appSlug}",
    INTAKE: "/api/v1/proxy/{appSlug}",
}
_METHODS = frozenset(METHODS)
_OTHER_METHOD = "_OTHER"
#: of later versions too; of the state, what everybody has to pass on (W3C Trace Context section 3.3.1.5)
_LONGEST_TRACEPARENT, _LONGEST_TRACESTATE = 128, 512
_PROPAGATOR = TraceContextTextMapPropagator()
_NANOSECONDS = 1_000_000_000


class Parent(NamedTuple):
    """What a partner's request says of the trace that it belongs to (W3C Trace Context), as it came."""

    traceparent: str
    tracestate: str

    @classmethod
    def of(cls, fields: Sequence[Field]) -> Parent | None:
        """None without exactly one traceparent. What is longer than it needs to be is not kept."""
        parents = [value for name, value in fields if name == b"traceparent"]
        if len(parents) != 1 or len(parents[0]) > _LONGEST_TRACEPARENT:
            return None
        state = b",".join(value for name, value in fields if name == b"tracestate")
        if len(state) > _LONGEST_TRACESTATE:
            state = b""
        return cls(parents[0].decode("latin-1"), state.decode("latin-1"))

    def links(self) -> list[Link]:
        """The partner's span, to be found from ours; none where the field is not valid.

        No more than that: a parent would decide whether our trace is sampled, and let a partner put calls into
        anybody's trace.
        """
        carrier = {"traceparent": self.traceparent, "tracestate": self.tracestate}
        theirs = get_current_span(_PROPAGATOR.extract(carrier, Context())).get_span_context()
        return [Link(theirs)] if theirs.is_valid else []


def tell(tracer: Tracer, record: Record) -> None:
    """Make the spans of one call, with the moments at which things happened."""
    method = record.method if record.method in _METHODS else _OTHER_METHOD
    route = ROUTES.get(record.door, "")
    received = method if record.door == "passthrough" else "POST"  # an envelope is posted, whatever is in it
    server = tracer.start_span(
        f"{'HTTP' if received == _OTHER_METHOD else received} {route}".strip(),
        Context(),  # a trace begins here
        SpanKind.SERVER,
        _of_call(record, received, route),
        [] if record.trace_parent is None else record.trace_parent.links(),
        start_time=_moment(record, record.began),
    )
    if server.is_recording() and record.sent_at:
        _tell_upstream(tracer, record, method, set_span_in_context(server, Context()))
    if record.status >= 500 or record.outcome == BROKEN_OFF:
        server.set_status(Status(StatusCode.ERROR))
    server.end(_moment(record, record.ended))


def _tell_upstream(tracer: Tracer, record: Record, method: str, context: Context) -> None:
    client = tracer.start_span(
        "HTTP" if method == _OTHER_METHOD else method,
        context,
        SpanKind.CLIENT,
        _of_exchange(record, method),
        start_time=_moment(record, record.sent_at),
    )
    if record.headers_at:
        client.add_event("header section received", timestamp=_moment(record, record.headers_at))
    if not record.headers_at or record.outcome == BROKEN_OFF or record.status >= 400:
        client.set_status(Status(StatusCode.ERROR))
    client.end(_moment(record, record.ended))


def _of_call(record: Record, method: str, route: str) -> Attributes:
    public = urlsplit(settings.PUBLIC_URL)
    found: Attributes = {
        "http.request.method": method,
        "url.scheme": public.scheme,
        "server.address": public.hostname or "",
        "http.request.body.size": record.request_bytes,
        "http.response.body.size": record.reply_bytes,
        "patchbay.door": record.door,
        "patchbay.outcome": record.outcome,
        "patchbay.request_id": record.request_id,
    }
    if route:
        found["http.route"] = route
    if public.port:
        found["server.port"] = public.port
    if record.provider_id:  # else the slug is whatever the caller wrote
        found |= {"patchbay.app": record.slug, "patchbay.provider": record.provider_id}
    for name, row_id in (("partner", record.partner_id), ("connection", record.connection_id)):
        if row_id is not None:
            found[f"patchbay.{name}_id"] = str(row_id)
    if record.status:
        found["http.response.status_code"] = record.status
    if record.code:
        found["error.type"] = record.code
    elif record.status >= 500:
        found["error.type"] = str(record.status)
    elif record.outcome == BROKEN_OFF:
        found["error.type"] = record.outcome
    return found


def _of_exchange(record: Record, method: str) -> Attributes:
    host = host_template(record.host, record.provider_id)
    template = path_template(record.path, record.provider_id)
    found: Attributes = {
        "http.request.method": method,
        "server.address": host,
        "server.port": 443,
        "url.scheme": "https",
        "url.full": f"https://{host}{template}",
        "url.template": template,
        "patchbay.refreshed": record.is_refreshed,
    }
    if record.retries:
        found["http.request.resend_count"] = record.retries
    if not record.headers_at:
        found["error.type"] = record.code or record.outcome
        return found
    if record.door != "stackgo" or record.status >= 300:  # StackGo's doors answer 200 for every 2xx
        found["http.response.status_code"] = record.status
    if record.status >= 400:
        found["error.type"] = str(record.status)
    elif record.outcome == BROKEN_OFF:
        found["error.type"] = record.outcome
    return found


def _moment(record: Record, counted: float) -> int:
    """A moment of a record in nanoseconds of the epoch."""
    return int((record.began_at + counted - record.began) * _NANOSECONDS)
