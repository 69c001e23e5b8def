"""Failures of the way to the provider as problem+json, each with its RFC 9209 error type."""

from __future__ import annotations

import structlog

from accounts.api import problems
from accounts.api.problems import Problem, invalid, register
from accounts.api.quotas import quotas
from egress import errors
from proxy.record import Record
from proxy.replies import Reply, ours

log = structlog.get_logger(__name__)

#: code -> error type of RFC 9209 section 2.3, where the exception itself does not tell
_PROXY_ERRORS = {
    "permission_denied": "http_request_denied",
    "destination_not_allowed": "http_request_denied",
    "internal_error": "proxy_internal_error",
    "refresh_unavailable": "destination_unavailable",
    "circuit_open": "destination_unavailable",
    "saturated": "connection_limit_reached",
    "upstream_unreachable": "destination_unavailable",
    "upstream_timeout": "http_response_timeout",
}
_CALLERS_ERROR = "http_request_error"


def _upstream(error: errors.EgressError) -> Problem:
    code = "upstream_timeout" if error.timed_out else "upstream_unreachable"
    return Problem(code, error.reason, headers=_proxy_status(error.proxy_error))


def _refused(error: errors.DestinationRefused) -> Problem:
    if error.proxy_error == _CALLERS_ERROR:
        return invalid("request", error.reason)
    return Problem("destination_not_allowed", error.reason, headers=_proxy_status(error.proxy_error))


def _proxy_status(proxy_error: str) -> dict[str, str]:
    return {"Proxy-Status": f"patchbay; error={proxy_error}"}


register(errors.EgressError, _upstream)
register(errors.DestinationRefused, _refused)


def refusal(error: Exception, *, request_id: str, record: Record | None = None) -> Reply:
    """The one reply that an exception means to a partner of the proxy; unknown ones are logged, and 500."""
    problem = problems.from_exception(error)
    if problem is None:
        log.error("proxy call failed", request_id=request_id, exc_info=error)
        detail = "Something failed on our side; the request id finds it in the log."
        problem = Problem("internal_error", detail)
    response = problems.render(problem, request_id)
    if record is not None:
        record.code = problem.code
        if record.partner_id is not None:
            for name, value in quotas.fields(record.partner_id).items():
                response.headers[name] = value
    for name, value in _proxy_status(_PROXY_ERRORS.get(problem.code, _CALLERS_ERROR)).items():
        response.headers.setdefault(name, value)
    return ours(response)
