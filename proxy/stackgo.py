"""StackGo's raw calls: its form of an envelope, and its form of a reply (contract section 5)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from accounts.api.problems import Problem, invalid
from proxy import envelope
from proxy.credentials import Field
from proxy.envelope import Envelope, Number
from proxy.peek import decoded
from proxy.replies import Reply
from proxy.selectors import Selector

#: a wrapped reply is read as a whole first
MAX_WRAPPED_BYTES = 10_000_000
#: checking more than this would hold up other calls
_CHECKED_ON_LOOP_BYTES = 65_536
_FORM = "application/x-www-form-urlencoded"
_MAX_FORM_FIELDS = 100
_CHARSET = re.compile(r"charset=\"?([A-Za-z0-9._-]+)", re.IGNORECASE).search
_NO_STORE: Field = (b"cache-control", b"no-store")
#: the wrapper reads the reply, so the provider is not asked to encode it
_NOT_ASKED = frozenset({b"accept-encoding", b"range", b"if-none-match", b"if-modified-since"})


def parse(content: bytes, *, content_type: str, slug: str) -> Envelope:
    """Read a raw call. body and headers may be JSON, or strings that hold JSON. Raises Problem."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _FORM:
        members, raw_body = _form(content), ""
    elif media_type in ("", "application/json") or media_type.endswith("+json"):
        members, raw_body = envelope.split(content)
    else:
        raise Problem("unsupported_media_type", f"Send {_FORM} or application/json.")
    identifier = members.get("userForeignIdentifier")
    if not envelope.is_text(identifier):
        raise invalid("userForeignIdentifier", "A string is needed.")
    body = members.get("body")
    sent = None if body is None or body == "" else envelope.body_bytes(body, raw_body)
    fields = [pair for pair in _headers(members) if pair[0] not in _NOT_ASKED]
    return Envelope(
        Selector(slug, str(identifier), None, None),
        envelope.method_of(members.get("method"), "method"),
        envelope.url_of(members.get("url")),
        fields if sent is None else envelope.with_json_type(fields),
        sent,
    )


def _form(content: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            content.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_FORM_FIELDS,
        )
    except ValueError as error:
        raise invalid("body", "The form is not percent-encoded UTF-8.") from error
    return dict(pairs)


def _headers(members: Mapping[str, Any]) -> list[Field]:
    given = members.get("headers")
    if isinstance(given, str):
        if not given.strip():
            return []
        try:
            given = json.loads(given, parse_int=Number, parse_float=Number)
        except (ValueError, RecursionError) as error:
            raise invalid("headers", "The text is not a JSON object.") from error
    return envelope.header_fields(given)


async def wrapped(reply: Reply, *, request_id: str) -> Reply:
    """`{"data": …}` with status 200 for the provider's 2xx; any other reply stays as it is.

    JSON is put in as the bytes it came in, so no number changes. Raises EgressError.
    """
    if not 200 <= reply.status < 300:
        return reply
    content = reply.content
    if reply.upstream is not None:
        content += await reply.upstream.read_at_most(MAX_WRAPPED_BYTES)
    fields = dict(reply.fields)
    # what is compressed may be a hundred times as long as it came
    if len(content) > _CHECKED_ON_LOOP_BYTES or fields.get(b"content-encoding"):
        data = await asyncio.to_thread(_data, content, fields)
    else:
        data = _data(content, fields)
    body = b'{"data":' + data + b"}"
    sent: list[Field] = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", request_id.encode("ascii")),
    ]
    sent += [(name, fields[name]) for name in (b"via", b"proxy-status", b"patchbay-request-id")]
    return Reply(200, sent, content=body)


def _data(content: bytes, fields: Mapping[bytes, bytes]) -> bytes:
    try:
        plain = decoded(
            content, fields.get(b"content-encoding", b"").decode("latin-1"), max_bytes=MAX_WRAPPED_BYTES
        )
    except ValueError:
        plain = content
    if not plain:
        return b"null"
    plain_json = plain.removeprefix(b"\xef\xbb\xbf")
    if envelope.is_json(plain_json):
        return plain_json
    return json.dumps(_text(plain, fields.get(b"content-type", b"").decode("latin-1"))).encode("ascii")


def _text(content: bytes, content_type: str) -> str:
    charset = _CHARSET(content_type)
    try:
        return content.decode(charset[1] if charset else "utf-8")
    except (UnicodeDecodeError, LookupError):
        return content.decode("utf-8", "replace")


def forbid_storing(reply: Reply) -> None:
    """Every reply of these paths is `no-store`, also one that is not wrapped."""
    reply.fields = [pair for pair in reply.fields if pair[0] != b"cache-control"] + [_NO_STORE]
