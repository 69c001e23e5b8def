"""What the provider received: the sandbox's `/_echo`, read back."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from tests.contract.outside import Outside


@dataclass(frozen=True)
class Seen:
    """One request as it arrived at the provider."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def of(cls, echoed: dict[str, Any]) -> Seen:
        assert set(echoed) == {"method", "rawTarget", "headers", "bodyBase64"}
        headers = [(name, value) for name, value in echoed["headers"]]
        return cls(echoed["method"], echoed["rawTarget"], headers, b64decode(echoed["bodyBase64"]))

    @property
    def names(self) -> list[str]:
        return [name.lower() for name, _ in self.headers]

    def values(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known.lower() == name.lower()]


def passed(
    outside: Outside,
    customer: str,
    rest: str = "/_echo/x",
    *,
    method: str = "GET",
    headers: Any = (),
    body: bytes | None = None,
) -> Seen:
    """What arrives at the provider of a passthrough call with the demo's key; the provider answers 200."""
    fields = [*outside.partner.bearer.items(), *headers]
    reply = outside.raw(method, outside.through(customer, rest), headers=fields, body=body)
    assert reply.status == 200, reply.body
    return Seen.of(reply.json())
