"""A request as it came, and the call that it becomes once its route is known."""

from __future__ import annotations

from accounts.api.problems import invalid
from egress.conf import setting
from proxy import controls, credentials, headers
from proxy.controls import Controls
from proxy.credentials import Places, Presented
from proxy.envelope import Envelope
from proxy.forwarder import Call
from proxy.incoming import KEPT_BYTES, Incoming, KeptContent, beyond_passthrough, read_content
from proxy.record import Record
from proxy.routes import Route
from proxy.selectors import PassthroughPath, Selector


class PassthroughRequest:
    """Made without asking anybody. `presented` is known at once, the rest after check()."""

    __slots__ = ("_path", "_raw_query", "_received", "controls", "fields", "presented", "selector")
    controls: Controls
    selector: Selector

    def __init__(self, received: Incoming, places: Places) -> None:
        """Raises Problem for a path or a query that is not ASCII."""
        self._received = received
        self._path = PassthroughPath.of(received.raw_path)
        self.fields = headers.sort_request(received.fields, places)
        self.presented: Presented | None = self.fields.presented
        raw_query = _ascii(received.raw_query)
        if raw_query and places.query_names:
            raw_query, key = credentials.take_from_query(raw_query, places.query_names)
            self.presented = self.presented or key
        self._raw_query = raw_query or None

    @property
    def slug(self) -> str:
        return self._path.slug

    def check(self) -> None:
        """Read what the caller asks of the proxy. Raises Problem and InvalidInput that name the field."""
        self.fields.require_sendable()
        self.controls = controls.read(self.fields.controls)
        self.selector = self._path.selector(
            connection=self.controls.connection, name=self.controls.connection_name
        )

    async def call(self, route: Route) -> Call:
        """The call to make. Short content is received here, so that it can be sent twice; longer streams.

        Raises Problem, and PartnerGone.
        """
        asked, fields, received = self.controls, self.fields, self._received
        call = Call(
            received.method,
            route.destination.under_base(self._path.rest, self._raw_query, host=asked.host),
            fields.kept,
            received.record,
            timeout_seconds=asked.timeout_seconds,
            retries=asked.retries,
        )
        longest: int = setting("PROXY_MAX_BODY_BYTES")
        if longest and (fields.content_length or 0) > longest:
            raise beyond_passthrough(longest)
        if not fields.has_content:
            received.has_no_content()
        elif fields.content_length is not None and fields.content_length <= KEPT_BYTES:
            call.content = await read_content(received, fields, max_bytes=KEPT_BYTES)
            received.record.request_bytes = len(call.content)
        else:
            call.content = KeptContent(received.source, received.record, max_bytes=longest)
            call.content_length = fields.content_length
        return call


def enveloped_call(
    envelope: Envelope, route: Route, record: Record, *, timeout_seconds: float | None, retries: int
) -> Call:
    """The call that an envelope tells. Raises Problem for a destination that is not allowed."""
    record.method, record.request_bytes = envelope.method, len(envelope.body or b"")
    return Call(
        envelope.method,
        envelope.target(route.destination, route.places),
        envelope.sent_fields(route.places),
        record,
        content=envelope.body,
        timeout_seconds=timeout_seconds,
        retries=retries,
    )


def _ascii(raw_query: bytes) -> str:
    try:
        return raw_query.decode("ascii")
    except UnicodeDecodeError as error:
        raise invalid("query", "The query is not ASCII; percent-encode it.") from error
