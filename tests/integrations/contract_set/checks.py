"""All checks in the order of a connection's life, with the kinds of provider that they are for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from integrations import catalogue
from integrations.catalogue import Provider
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
    "revocation": Check(checks_tokens.check_revocation, _CONSENT | {"oauth1"}),
}


def defect(provider: Provider, check: str) -> str | None:
    """What the platform itself gets wrong with such an entry, so that the check cannot pass; None: nothing.

    The day it does not, the tests of those entries say so, and the rule here has to go.
    """
    return None


def _names(templates: Iterable[str]) -> set[str]:
    return {name for template in templates for name in catalogue.placeholders(template)}
