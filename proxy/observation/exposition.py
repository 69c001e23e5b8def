"""`GET /metrics`: for who has METRICS_TOKEN, and for nobody where there is none."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import structlog
from django.conf import settings
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import CollectorRegistry

from accounts import request_context
from accounts.api import problems
from accounts.api.problems import Problem
from proxy.credentials import Field
from proxy.observation.metrics import Scrape
from proxy.observation.observation import Metrics
from proxy.replies import Reply, Send, ours

log = structlog.get_logger(__name__)
#: any Host may ask for it, as for /healthz: Prometheus asks by address
PATH = b"/metrics"
_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_REFUSED = re.compile(r"q=0(?:\.0{0,3})?").fullmatch


async def answer(metrics: Metrics, scope: Mapping[str, Any], send: Send) -> None:
    """Answer a scrape, or say why not."""
    request_id = request_context.new_request_id()
    try:
        reply = await _exposed(metrics, scope["method"], scope["headers"])
    except Problem as problem:
        reply = ours(problems.render(problem, request_id))
    except Exception as error:
        log.error("metrics not told", request_id=request_id, exc_info=error)
        reply = ours(problems.render(Problem("internal_error", "The log says what failed."), request_id))
    content = b"" if scope["method"] == "HEAD" else reply.content
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.fields})
    await send({"type": "http.response.body", "body": content})


async def _exposed(metrics: Metrics, method: str, fields: Sequence[Field]) -> Reply:
    """Raises Problem (401, 405), the first whatever else is wrong."""
    _authenticate(fields)
    if method not in ("GET", "HEAD"):
        raise Problem("method_not_allowed", "Allowed here: GET, HEAD.", headers={"Allow": "GET, HEAD"})
    scrape = await metrics.scrape()
    accept = b",".join(value for name, value in fields if name == b"accept").decode("latin-1")
    content, content_type = await metrics.on_thread(_rendered, scrape, accept)
    told = [
        (b"content-type", content_type.encode("ascii")),
        (b"content-length", b"%d" % len(content)),
        (b"cache-control", b"no-store"),
    ]
    return Reply(200, told, content=content)


def _authenticate(fields: Sequence[Field]) -> None:
    values = [value for name, value in fields if name == b"authorization"]
    scheme, _, token = values[0].partition(b" ") if len(values) == 1 else (b"", b"", b"")
    # Digests are compared, so that the time tells nothing of the token, its length included.
    wanted = sha256(settings.METRICS_TOKEN.encode()).digest()
    is_right = hmac.compare_digest(sha256(token.strip()).digest(), wanted)
    if scheme.lower() != b"bearer" or not is_right:
        raise Problem(
            "not_authenticated",
            "Metrics are for the bearer of METRICS_TOKEN.",
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )


def _rendered(scrape: Scrape, accept: str) -> tuple[bytes, str]:
    """(content, content type): OpenMetrics for who accepts it, else Prometheus's text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(scrape)
    if _takes_openmetrics(accept):
        return openmetrics.generate_latest(registry), _OPENMETRICS
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


def _takes_openmetrics(accept: str) -> bool:
    """Whether it is named, and not with the weight that means "not this" (RFC 9110 section 12.4.2)."""
    for one in accept.lower().split(","):
        name, *parameters = (part.strip() for part in one.split(";"))
        if name == "application/openmetrics-text":
            return not any(_REFUSED(parameter) for parameter in parameters)
    return False
