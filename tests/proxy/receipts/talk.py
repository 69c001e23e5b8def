"""What a partner says about calls that are made later."""

from __future__ import annotations

import json
from typing import Any

from tests.factories import World
from tests.proxy.calls import bearer
from tests.proxy.servers import RawReply, Served

ASYNC = {"Prefer": "respond-async"}


def post(
    platform: Served, at: World, fields: dict[str, str] | None = None, *, slug: str = "hbdev", **members: Any
) -> RawReply:
    """An envelope with the preference, or with other fields; a member that is None is left out."""
    envelope = {"userForeignIdentifier": "cust", "method": "GET", "url": "/crm", **members}
    envelope = {name: value for name, value in envelope.items() if value is not None}
    headers = {**bearer(at), "Content-Type": "application/json", **(ASYNC if fields is None else fields)}
    return platform.call("POST", f"/api/v1/proxy/{slug}", headers, json.dumps(envelope).encode())


def get(platform: Served, at: World, receipt_id: str, rest: str = "", method: str = "GET") -> RawReply:
    """Ask for a receipt, or delete it."""
    return platform.call(method, f"/api/v1/receipts/{receipt_id}{rest}", bearer(at))


def shown(platform: Served, at: World, receipt_id: str) -> dict[str, Any]:
    """The receipt as its partner reads it."""
    reply = get(platform, at, receipt_id)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = json.loads(reply.body)
    return found


def taken_in(platform: Served, at: World, fields: dict[str, str] | None = None, **members: Any) -> str:
    """The id of a call that was taken in."""
    answer = post(platform, at, fields, **members)
    assert answer.status == 202, answer.body
    return str(json.loads(answer.body)["id"])
