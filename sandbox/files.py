"""Files: multipart upload, signed URLs, and downloads that lead to another host."""

import email.policy
import secrets
from email.message import EmailMessage
from email.parser import BytesParser
from urllib.parse import quote

from aiohttp import web

from sandbox.access import admit
from sandbox.errors import invalid, not_found
from sandbox.routing import Route
from sandbox.wire import Call, json_reply
from sandbox.world import Sandbox, timestamp

CONTENT_HOST = "f.hubspotusercontent-na1.net"
MAX_KEPT_FILES = 64
SIGNED_SECONDS = 300


async def upload(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """POST /files/v3/files: 201. Contents are kept in memory only, the newest 64."""
    account = admit(sandbox, call, ["files", "files.write"])
    name, content, fields = _file(call)
    name = fields.get("fileName") or name
    if not (fields.get("folderId") or fields.get("folderPath")):
        raise invalid("folderId or folderPath is required")
    file_id = str(10_000_000_000 + secrets.randbelow(80_000_000_000))
    sandbox.file_contents[file_id] = (name, content)
    while len(sandbox.file_contents) > MAX_KEPT_FILES:
        del sandbox.file_contents[next(iter(sandbox.file_contents))]
    now = timestamp(sandbox.now())
    folder = (fields.get("folderPath") or "/").strip("/")
    path = f"/{folder}/{name}" if folder else f"/{name}"
    stem, dot, extension = name.rpartition(".")
    return json_reply(
        {
            "id": file_id,
            "name": stem if dot else name,
            "path": path,
            "extension": extension if dot else "",
            "type": "OTHER",
            "size": len(content),
            "access": "PRIVATE",
            "url": f"https://{account.hub_id}.fs1.hubspotusercontent-na1.net/hubfs/{account.hub_id}{quote(path)}",
            "createdAt": now,
            "updatedAt": now,
            "archived": False,
        },
        status=201,
    )


def _file(call: Call) -> tuple[str, bytes, dict[str, str]]:
    """File name, content and the other fields of a multipart/form-data body (RFC 7578)."""
    if call.content_type != "multipart/form-data":
        raise invalid("the body must be multipart/form-data")
    head = f"Content-Type: {call.request.headers['Content-Type']}\r\n\r\n".encode("utf-8", errors="replace")
    message = BytesParser(policy=email.policy.HTTP).parsebytes(head + call.body)
    found: tuple[str, bytes] | None = None
    fields: dict[str, str] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        if not isinstance(part, EmailMessage):
            continue
        content = part.get_payload(decode=True)
        content = content if isinstance(content, bytes) else b""
        name = part.get_param("name", header="content-disposition")
        if name == "file":
            found = (part.get_filename() or "file", content)
        elif isinstance(name, str):
            fields[name] = content.decode("utf-8", errors="replace")
    if found is None:
        raise invalid("the part `file` is missing")
    return (*found, fields)


async def signed_url(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /files/v3/files/{id}/signed-url: a URL on the content host."""
    admit(sandbox, call, ["files", "files.read", "files.ui_hidden.read"])
    name, content = _kept(sandbox, call.params["fileId"])
    stem, dot, extension = name.rpartition(".")
    return json_reply(
        {
            "url": _content_url(sandbox, call.params["fileId"]),
            "expiresAt": timestamp(sandbox.now() + SIGNED_SECONDS),
            "name": stem if dot else name,
            "extension": extension if dot else "",
            "type": "OTHER",
            "size": len(content),
        }
    )


async def signed_url_redirect(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET …/signed-url-redirect/{id}: 302 to the content host, where no credential belongs."""
    admit(sandbox, call, ["forms-uploaded-files", "files"])
    _kept(sandbox, call.params["fileId"])
    return web.Response(status=302, headers={"Location": _content_url(sandbox, call.params["fileId"])})


async def content(sandbox: Sandbox, call: Call) -> web.StreamResponse:
    """GET /_files/{id} on the content host: the bytes. What arrived here shows whether a token leaked."""
    name, body = _kept(sandbox, call.params["fileId"])
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return web.Response(
        body=body, headers={"Content-Type": "application/octet-stream", "Content-Disposition": disposition}
    )


def _kept(sandbox: Sandbox, file_id: str) -> tuple[str, bytes]:
    kept = sandbox.file_contents.get(file_id)
    if kept is None:
        raise not_found()
    return kept


def _content_url(sandbox: Sandbox, file_id: str) -> str:
    expires = int(sandbox.now() + SIGNED_SECONDS)
    return f"https://{CONTENT_HOST}/_files/{file_id}?Expires={expires}&Signature={secrets.token_urlsafe(24)}"


ROUTES = [
    Route("POST", "/files/v3/files", upload),
    Route("GET", "/files/v3/files/{fileId}/signed-url", signed_url),
    Route("GET", "/form-integrations/v1/uploaded-files/signed-url-redirect/{fileId}", signed_url_redirect),
    Route("GET", "/_files/{fileId}", content, is_free=True),
]
