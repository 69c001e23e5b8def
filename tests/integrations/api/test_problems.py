"""Each error of integrations has its problem."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from accounts.api import problems
from integrations import errors
from sealing import UnreadableSecret


@pytest.mark.parametrize(
    ("error", "code", "members"),
    [
        (errors.NotFound("No."), "not_found", {}),
        (errors.ConnectionNotFound("No."), "connection_not_found", {}),
        (
            errors.ConnectionAmbiguous(["a", "b"]),
            "connection_ambiguous",
            {"field": "connectionName", "names": ["a", "b"]},
        ),
        (errors.ConnectionPaused("Paused."), "connection_paused", {}),
        (
            errors.ReconnectRequired("revoked_at_provider", "Gone.", reconnect_url="https://x.example/r"),
            "reconnect_required",
            {"reason": "revoked_at_provider", "reconnectUrl": "https://x.example/r"},
        ),
        (errors.ReconnectRequired("x", "Gone."), "reconnect_required", {"reason": "x"}),
        (errors.RefreshUnavailable("Later.", retry_after=500), "refresh_unavailable", {"retryAfter": 60}),
        (errors.LinkUnusable("expired"), "link_expired", {}),
        (errors.LinkUnusable("used"), "link_used", {}),
        (errors.LinkUnusable("revoked"), "link_revoked", {}),
        (errors.InvalidInput("url", "Wrong."), "invalid_request", {"field": "url"}),
        (
            errors.CallbackRefused("no_state", "No."),
            "invalid_request",
            {"field": "state", "reason": "no_state"},
        ),
        (errors.ConnectFailed("x", "No."), "upstream_unreachable", {"reason": "x"}),
        (errors.ProviderUnavailable("Down."), "upstream_unreachable", {}),
        (errors.ProviderUnavailable("Slow.", timed_out=True), "upstream_timeout", {}),
        (errors.ProviderRefused("No.", error="x", verdict="unknown"), "upstream_unreachable", {}),
        (errors.ProviderReplyUnreadable("Odd."), "upstream_unreachable", {}),
    ],
)
def test_the_class_tells_the_code(error: Exception, code: str, members: dict[str, Any]) -> None:
    found = problems.from_exception(error)
    assert found is not None and (found.code, dict(found.members)) == (code, members)
    assert found.detail == str(error)


def test_the_providers_evidence_is_for_staff_alone() -> None:
    found = problems.from_exception(errors.ProviderUnavailable("Down.", evidence="HTTP 503 from 10.0.0.1"))
    assert found is not None and "10.0.0.1" not in str(found.body("id"))


def test_an_unreadable_secret_names_what_the_operator_has_to_do() -> None:
    found = problems.from_exception(UnreadableSecret("integrations_connection.access_token:…"))
    assert found is not None and found.status == 503 and "FERNET_KEYS" in found.detail
    assert "integrations_connection" not in found.detail


def test_no_class_is_forgotten() -> None:
    base = errors.IntegrationsError
    members = inspect.getmembers(errors, inspect.isclass)
    ours = [found for _, found in members if issubclass(found, base) and found is not base]
    assert len(ours) >= 12
    assert [found for found in ours if not set(problems._translators) & set(found.__mro__)] == []
