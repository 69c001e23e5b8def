"""Reads a reply's content into memory, counting while it reads and while it decodes."""

import http.client
import zlib

from egress.errors import ContentTooLarge, InvalidReply, ReplyAborted

_CHUNK_BYTES = 16384


def read(reply: http.client.HTTPResponse, *, max_content_bytes: int) -> bytes:
    """Return the decoded content, of at most max_content_bytes.

    Raises ContentTooLarge at the first byte beyond, before anything is kept of it; ReplyAborted when less
    came than the length promised; InvalidReply for a content coding that was not asked for and is unknown.
    """
    if reply.length is not None and reply.length > max_content_bytes:
        raise _too_large(max_content_bytes)
    coding = (reply.getheader("Content-Encoding") or "identity").strip().lower()
    if coding == "identity":
        return _read_raw(reply, max_content_bytes)
    if coding not in ("gzip", "x-gzip"):
        raise InvalidReply("The reply has a content coding that was not asked for.")
    return _gunzip(_read_raw(reply, max_content_bytes), max_content_bytes)


def _read_raw(reply: http.client.HTTPResponse, max_content_bytes: int) -> bytes:
    body = bytearray()
    while chunk := reply.read(_CHUNK_BYTES):
        body += chunk
        if len(body) > max_content_bytes:
            raise _too_large(max_content_bytes)
    if reply.length:
        raise ReplyAborted("The reply is shorter than its Content-Length.")
    return bytes(body)


def _gunzip(body: bytes, max_content_bytes: int) -> bytes:
    if not body:
        return b""
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = decoder.decompress(body, max_content_bytes + 1)
    except zlib.error:
        raise InvalidReply("The reply's gzip coding is broken.") from None
    if len(content) > max_content_bytes:
        raise _too_large(max_content_bytes)
    if not decoder.eof:
        raise InvalidReply("The reply's gzip coding is cut short.")
    return content


def _too_large(max_content_bytes: int) -> ContentTooLarge:
    return ContentTooLarge(f"The reply's content is longer than {max_content_bytes} bytes.")
