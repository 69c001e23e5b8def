"""A collector of traces: takes OTLP over HTTP on loopback and decodes what it gets."""

from __future__ import annotations

import time
from collections.abc import Callable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.egress.servers import Conversation, Server

WAIT_SECONDS = 15.0


class Collector:
    """Answers every export with a status; spans and resources are what it was sent."""

    def __init__(self, status: str = "200 OK") -> None:
        self._status = status
        self._server = Server(self._take)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def requests(self) -> list[bytes]:
        return self._server.requests

    def spans(self, count: int) -> list[Span]:
        """Wait for so many spans, and return all there are, in the order of their beginnings."""
        self._wait(lambda: len(self._spans()) >= count)
        found = sorted(self._spans(), key=lambda span: (span.start_time_unix_nano, -span.end_time_unix_nano))
        assert len(found) == count, [span.name for span in found]
        return found

    def resource(self) -> dict[str, object]:
        """The attributes of the resource of the first export."""
        self._wait(lambda: bool(self._exports()))
        return attributes(self._exports()[0].resource_spans[0].resource.attributes)

    def close(self) -> None:
        self._server.close()

    def _take(self, talk: Conversation) -> None:
        while True:
            talk.read_request()
            talk.send(f"HTTP/1.1 {self._status}\r\nContent-Length: 0\r\n\r\n".encode())

    def _exports(self) -> list[ExportTraceServiceRequest]:
        return [
            ExportTraceServiceRequest.FromString(request.partition(b"\r\n\r\n")[2])
            for request in self.requests
        ]

    def _spans(self) -> list[Span]:
        return [
            span
            for export in self._exports()
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @staticmethod
    def _wait(is_done: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + WAIT_SECONDS
        while not is_done():
            assert time.monotonic() < give_up_at, "the collector got nothing"
            time.sleep(0.05)


def attributes(pairs: object) -> dict[str, object]:
    """Plain values by name."""
    found: dict[str, object] = {}
    for pair in pairs:  # type: ignore[attr-defined]  # a repeated field of protobuf
        assert isinstance(pair, KeyValue)
        found[pair.key] = getattr(pair.value, pair.value.WhichOneof("value") or "string_value")
    return found
