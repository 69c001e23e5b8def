"""A provider that a test scripts: one server on loopback that plays all of its hosts, told apart by Host.

The platform reaches it through UPSTREAM_MAP. It answers what it is told to and keeps what it was sent; a request
that nothing was scripted for gets a 404 and is kept too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.egress.servers import Conversation, Server

_CHUNK = b" " * 65_536


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def url(self) -> str:
        """The address that was asked, without its query."""
        return f"https://{self.header('Host')}{self.target.partition('?')[0]}"

    @property
    def query(self) -> dict[str, str]:
        return _single(self.target.partition("?")[2])

    @property
    def form(self) -> dict[str, str]:
        assert self.header("Content-Type") == "application/x-www-form-urlencoded"
        return _single(self.body.decode("ascii"))

    @property
    def json(self) -> Any:
        assert self.header("Content-Type") == "application/json"
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The field's value, None when it is not there; a field that came twice is a failure."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


@dataclass(frozen=True)
class Answer:
    """What to answer. body: bytes and text as they are, anything else as JSON. padding_bytes of spaces are sent
    before it, chunk by chunk; is_dropped closes the connection instead of answering."""

    body: Any = b""
    status: int = 200
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    padding_bytes: int = 0
    is_dropped: bool = False


Script = Answer | Callable[[Received], Answer]


class ProviderServer:
    """upstream_map: to be put into settings; it grows with every address that is scripted."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.upstream_map: dict[str, str] = {}
        self.sent_bytes = 0
        self._scripts: dict[tuple[str, str], list[Script]] = {}
        self._lock = threading.Lock()
        self._server = Server(self._serve)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def plays(self, *hosts: str) -> None:
        """Be reached for these hosts."""
        self.upstream_map.update({f"https://{host}": self.url for host in hosts})

    def on(self, method: str, url: str, *answers: Script | dict[str, Any] | list[Any] | bytes) -> None:
        """Script an address (without query): the answers in turn, the last one for ever. JSON values are 200."""
        self.plays(urlsplit(url).netloc)
        self._scripts[method, url] = [
            a if isinstance(a, Answer) or callable(a) else Answer(a) for a in answers
        ]

    def received(self, url: str) -> list[Received]:
        """The requests to an address, oldest first."""
        return [request for request in self.requests if request.url == url]

    def close(self) -> None:
        self._server.close()

    def _serve(self, conversation: Conversation) -> None:
        request = _parsed(conversation.read_request())
        with self._lock:
            self.requests.append(request)
            scripts = self._scripts.get((request.method, request.url), [])
            script = scripts.pop(0) if len(scripts) > 1 else next(iter(scripts), None)
        answer = Answer({"not": "scripted"}, status=404) if script is None else script
        if not isinstance(answer, Answer):
            answer = answer(request)
        time.sleep(answer.delay_seconds)
        if answer.is_dropped:
            conversation.reset()
            return
        self._send(conversation, answer)

    def _send(self, conversation: Conversation, answer: Answer) -> None:
        body, content_type = _content(answer.body)
        fields = {
            "Content-Type": answer.content_type or content_type,
            "Content-Length": str(answer.padding_bytes + len(body)),
            "Connection": "close",
            **answer.headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        conversation.send(f"HTTP/1.1 {answer.status} Scripted\r\n{head}\r\n".encode("latin-1"))
        for _ in range(answer.padding_bytes // len(_CHUNK)):
            conversation.send(_CHUNK)
            self.sent_bytes += len(_CHUNK)
        conversation.send(_CHUNK[: answer.padding_bytes % len(_CHUNK)], body)


def _content(body: Any) -> tuple[bytes, str]:
    if isinstance(body, bytes):
        return body, "application/json"
    if isinstance(body, str):
        return body.encode(), "application/json"
    return json.dumps(body).encode(), "application/json"


def _parsed(raw: bytes) -> Received:
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    pairs = (text.partition(":") for text in fields)
    return Received(method, target, tuple((name, value.strip()) for name, _, value in pairs), body)


def _single(text: str) -> dict[str, str]:
    """The pairs of a query or form; a name that came twice is a failure."""
    pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    assert len(dict(pairs)) == len(pairs), f"repeated: {[name for name, _ in pairs]}"
    return dict(pairs)
