"""All checks in the order of a connection's life, with the kinds of provider that they are for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.integrations.contract_set import checks_calls, checks_connecting, checks_tokens
from tests.integrations.contract_set.visit import Visit

_CONSENT = frozenset({"oauth2_code"})
_EVERY = frozenset({"oauth2_code", "oauth2_client_credentials", "api_key", "basic", "oauth1"})


class Check(NamedTuple):
    """run raises AssertionError when the entry does not agree with its file of replies."""

    run: Callable[[Visit], None]
    kinds: frozenset[str] = _EVERY


CHECKS: dict[str, Check] = {
    "authorize": Check(checks_connecting.check_authorize, _CONSENT),
    "callback": Check(checks_connecting.check_callback, _CONSENT),
    "exchange": Check(checks_connecting.check_exchange, _CONSENT),
    "stored": Check(checks_connecting.check_stored, _CONSENT),
    "identity": Check(checks_connecting.check_identity),
    "hosts": Check(checks_calls.check_hosts),
    "closed": Check(checks_calls.check_closed),
    "placement": Check(checks_calls.check_placement),
    "refresh": Check(checks_tokens.check_refresh, _CONSENT),
    "expired": Check(checks_calls.check_expired),
    "limits": Check(checks_calls.check_limits),
    "errors": Check(checks_tokens.check_errors, _CONSENT),
    "revocation": Check(checks_tokens.check_revocation, _CONSENT),
}

_EXTRAS = "the proxy fills header templates without what the identity call has told"
#: what the platform gets wrong with an entry, by entry and check: the day it does not, the tests say so
DEFECTS: dict[tuple[str, str], str] = {
    ("xero", "placement"): _EXTRAS,
    ("xero", "expired"): _EXTRAS,
    ("procore", "placement"): _EXTRAS,
    ("procore", "expired"): _EXTRAS,
    (
        "stripe",
        "revocation",
    ): "a revocation's header templates are not filled, nor is client_id known to its params",
}
