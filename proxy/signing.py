"""Requests that are signed, each by itself (OAuth 1.0a, RFC 5849): away from the path of all other calls.

A form's content is part of what is signed (section 3.4.1.3.1), so it is read before the request begins, up to the
length that is kept of any content. All other content is not, and streams as ever.
"""

from __future__ import annotations

import time

from accounts.api.problems import Problem, invalid
from egress.urls import Target
from integrations.oauth.oauth1 import FORM, Signer, TokenPair
from integrations.tokens import AccessToken
from proxy.credentials import Field
from proxy.eager import within
from proxy.incoming import CONTENT_IDLE_SECONDS, CONTENT_SECONDS, KEPT_BYTES, KeptContent


async def authorization(
    signer: Signer,
    token: AccessToken,
    *,
    method: str,
    target: Target,
    fields: list[Field],
    content: bytes | KeptContent | None,
) -> Field:
    """The field with a signature over this request, its nonce its own. token: the customer's pair.

    Raises Problem for a form that is longer than KEPT_BYTES, does not come, or is not ASCII; and what reading
    the content raises.
    """
    form = await _form(content) if _is_form(fields) else None
    pair = TokenPair.of(token.secret.reveal())
    return b"authorization", signer.authorization(method, target.url, pair=pair, form=form).encode("ascii")


def _is_form(fields: list[Field]) -> bool:
    types = [value for name, value in fields if name == b"content-type"]
    return len(types) == 1 and types[0].partition(b";")[0].strip().lower() == FORM.encode()


async def _form(content: bytes | KeptContent | None) -> str | None:
    whole = await _whole(content) if isinstance(content, KeptContent) else content
    try:
        return whole.decode("ascii") if whole else None
    except UnicodeDecodeError as error:
        raise invalid("body", "A form that is to be signed is ASCII, with percent-encoding.") from error


async def _whole(content: KeptContent) -> bytes:
    """As long as content of any call is waited for (incoming.read_content)."""
    if content.whole is None and not content.has_begun:
        size, ends = 0, time.monotonic() + CONTENT_SECONDS
        pieces = aiter(content)
        try:
            while True:
                left = min(CONTENT_IDLE_SECONDS, max(0.0, ends - time.monotonic()))
                piece = await within(left, anext(pieces, None))
                if piece is None:
                    break
                size += len(piece)
                if size > KEPT_BYTES:
                    raise _too_large()
        except TimeoutError:
            raise invalid("body", "The content did not arrive in time.") from None
    if content.whole is None:
        raise _too_large()
    return content.whole


def _too_large() -> Problem:
    return Problem(
        "content_too_large",
        f"This provider's calls are signed, their forms too: a form may have {KEPT_BYTES:,} bytes. Other content "
        "has no such limit.",
        {"maxBytes": KEPT_BYTES},
    )
