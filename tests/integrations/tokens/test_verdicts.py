"""Every kind of reply to a refresh, through the real path: verdict, status, reason, what is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Event
from integrations import catalogue, tokens
from integrations.catalogue import VerdictRule, registry
from integrations.errors import ReconnectRequired, RefreshUnavailable
from integrations.models import ClientCredentials, Connection, GrantIncident
from integrations.models.connection import Status
from tests import factories
from tests.factories import CLIENT_SECRET, World
from tests.integrations.connect.conftest import HUBSPOT_TOKEN
from tests.integrations.tokens.conftest import REFRESH_TOKEN
from tests.provider_server import Answer, ProviderServer

pytestmark = [pytest.mark.django_db]

PAGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking</body></html>"
CHALLENGE = Answer(
    PAGE, status=403, content_type="text/html; charset=UTF-8", headers={"cf-mitigated": "challenge"}
)


def refused(code: Any, status: int = 400, **members: Any) -> Answer:
    return Answer({"error": code, **members}, status=status)


def form(text: str, status: int = 200) -> Answer:
    return Answer(text, status=status, content_type="application/x-www-form-urlencoded")


@dataclass(frozen=True)
class Expected:
    """What becomes of a connection whose access token has expired."""

    verdict: str
    status: str
    reason: str
    error: type[Exception]


GONE = Expected("grant_gone", "reconnect_required", "revoked_at_provider", ReconnectRequired)
OURS = Expected("client_wrong", "active", "", RefreshUnavailable)
LATER = Expected("temporary", "refresh_failing", "provider_unavailable", RefreshUnavailable)
UNKNOWN = Expected("unknown", "refresh_failing", "provider_unavailable", RefreshUnavailable)

KINDS: dict[str, tuple[Answer, Expected, str]] = {
    # about the grant
    "400 invalid_grant": (refused("invalid_grant"), GONE, "HTTP 400"),
    "401 invalid_grant": (refused("invalid_grant", 401), GONE, "error=invalid_grant"),
    "403 invalid_grant": (refused("invalid_grant", 403), GONE, "HTTP 403"),
    "404 invalid_grant": (refused("invalid_grant", 404), GONE, "HTTP 404"),
    "200 invalid_grant": (refused("invalid_grant", 200), GONE, "HTTP 200"),
    "400 invalid_grant as a form": (form("error=invalid_grant&error_description=gone", 400), GONE, "(gone)"),
    "200 invalid_grant as a form": (form("error=invalid_grant"), GONE, "HTTP 200"),
    "error as an object": (refused({"code": "invalid_grant", "message": "gone"}), GONE, "(gone)"),
    "interaction_required": (refused("interaction_required"), GONE, "interaction_required"),
    "consent_required": (refused("consent_required"), GONE, "consent_required"),
    "login_required": (refused("login_required"), GONE, "login_required"),
    "access_denied": (refused("access_denied", 403), GONE, "access_denied"),
    "HubSpot: token revoked or app uninstalled": (
        Answer({"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}, status=400),
        GONE,
        "status=BAD_REFRESH_TOKEN",
    ),
    "HubSpot: account deleted": (
        Answer({"status": "BAD_HUB", "message": "missing or unknown hub id"}, status=400),
        GONE,
        "status=BAD_HUB",
    ),
    # about our client
    "400 invalid_client": (refused("invalid_client"), OURS, "invalid_client"),
    "401 invalid_client": (refused("invalid_client", 401), OURS, "HTTP 401"),
    "403 invalid_client": (refused("invalid_client", 403), OURS, "HTTP 403"),
    "200 invalid_client as a form": (form("error=invalid_client"), OURS, "HTTP 200"),
    "unauthorized_client": (refused("unauthorized_client"), OURS, "unauthorized_client"),
    "unsupported_grant_type": (refused("unsupported_grant_type"), OURS, "unsupported_grant_type"),
    "HubSpot: wrong secret": (Answer({"status": "BAD_CLIENT_SECRET"}, status=400), OURS, "BAD_CLIENT_SECRET"),
    "HubSpot: another client's token": (
        refused("invalid_grant", status=400, message="refresh token was not issued to this client"),
        OURS,
        "not issued to this client",
    ),
    # about now
    "HTML page": (Answer(PAGE, content_type="text/html"), LATER, "text/html"),
    "403 challenge": (CHALLENGE, LATER, "HTTP 403 text/html"),
    "403 plain text of a firewall": (
        Answer("error code: 1020", status=403, content_type="text/plain"),
        LATER,
        "HTTP 403 text/plain",
    ),
    "503 challenge": (Answer(PAGE, status=503, content_type="text/html"), LATER, "HTTP 503"),
    "empty": (Answer(b""), LATER, "is empty: HTTP 200"),
    "204": (Answer(b"", status=204), LATER, "HTTP 204"),
    "200 without a token": (Answer({"token_type": "bearer"}), LATER, "holds no access token"),
    "truncated JSON": (Answer('{"access_token": "C-half', status=200), LATER, "broken JSON"),
    "truncated JSON 400": (Answer('{"error": "invalid_gra', status=400), LATER, "broken JSON"),
    "a list": (Answer([]), LATER, "no object"),
    "not text": (Answer(b'{"error": "\xff\xfe"}', status=400), LATER, "not text"),
    "302": (Answer(b"", status=302, headers={"Location": "https://other.example/t"}), LATER, "HTTP 302"),
    "307": (Answer(b"", status=307, headers={"Location": "https://other.example/t"}), LATER, "HTTP 307"),
    "404": (Answer({"message": "no"}, status=404), LATER, "HTTP 404"),
    "405": (Answer({"message": "no"}, status=405), LATER, "HTTP 405"),
    "408": (Answer(b"", status=408), LATER, "HTTP 408"),
    "410": (Answer({"message": "API version is gone"}, status=410), LATER, "HTTP 410"),
    "423": (refused("invalid_grant", 423), LATER, "HTTP 423"),
    "429": (Answer({"message": "slow down"}, status=429), LATER, "(slow down)"),
    "477": (refused("invalid_grant", 477), LATER, "HTTP 477"),
    "500": (Answer(b"", status=500), LATER, "HTTP 500"),
    "500 invalid_grant": (refused("invalid_grant", 500), LATER, "error=invalid_grant"),
    "502 invalid_client": (refused("invalid_client", 502), LATER, "HTTP 502"),
    "524": (Answer(PAGE, status=524, content_type="text/html"), LATER, "HTTP 524"),
    "temporarily_unavailable": (refused("temporarily_unavailable"), LATER, "temporarily_unavailable"),
    "server_error": (refused("server_error"), LATER, "server_error"),
    "slow_down": (refused("slow_down"), LATER, "slow_down"),
    "connection dropped": (Answer(is_dropped=True), LATER, "ReplyLost"),
    # nobody knows
    "invalid_request": (refused("invalid_request"), UNKNOWN, "invalid_request"),
    "invalid_scope": (refused("invalid_scope"), UNKNOWN, "invalid_scope"),
    "another code": (refused("computer_says_no", 403), UNKNOWN, "computer_says_no"),
    "200 with another code": (refused("bad_verification_code", 200), UNKNOWN, "bad_verification_code"),
    "ok false": (Answer({"ok": False, "error": "invalid_code"}), UNKNOWN, "invalid_code"),
    "401 without a code": (Answer({"message": "Unauthorized"}, status=401), UNKNOWN, "(Unauthorized)"),
    "403 without a code": (Answer({"message": "Forbidden"}, status=403), UNKNOWN, "(Forbidden)"),
    "error null": (Answer({"error": None, "message": "no"}, status=400), UNKNOWN, "HTTP 400"),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_ref_09_a_reply_has_its_verdict_and_leaves_its_status(
    provider_server: ProviderServer, expired: Connection, kind: str
) -> None:
    answer, expected, evidence = KINDS[kind]
    provider_server.on("POST", HUBSPOT_TOKEN, answer)
    with pytest.raises(expected.error):
        tokens.ensure_fresh(expired.pk)
    incident = GrantIncident.objects.get(connection=expired)
    assert (incident.verdict, incident.token_version) == (expected.verdict, 1)
    assert evidence in incident.evidence
    assert incident.rule
    row = Connection.objects.get(pk=expired.pk)
    assert (row.status, row.status_reason) == (expected.status, expected.reason)
    assert tokens.open_tokens(row) == tokens.open_tokens(expired)
    assert row.lease_owner is None
    has_ended = expected is GONE
    assert (incident.next_try_at is None) is has_ended
    assert (row.next_refresh_at is None) is has_ended
    changes = {GONE: ["connection.reconnect_required"], OURS: []}.get(
        expected, ["connection.refresh_failing"]
    )
    assert list(Event.objects.values_list("type", flat=True)) == changes
    assert list(AuditEntry.objects.filter(object_id=str(row.pk)).values_list("action", flat=True)) == changes


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", "error=invalid_request&refresh_token=SECRET1xyz"),
        ("application/json", '{"error": {"access_token": "SECRET2xyz"}}'),
        ("application/x-www-form-urlencoded", "client_secret=SECRET3xyz&x=1"),
        ("text/html", '<form><input type="hidden" name="code" value="SECRET4xyz"></form>'),
        ("application/json", f'{{"error": "invalid_request", "message": "no token {REFRESH_TOKEN}"}}'),
        ("text/plain", f"secret {CLIENT_SECRET} is not right"),
    ],
)
def test_adm_01_no_secret_of_a_reply_is_in_the_incident_or_in_what_is_told(
    provider_server: ProviderServer, expired: Connection, content_type: str, body: str
) -> None:
    provider_server.on("POST", HUBSPOT_TOKEN, Answer(body, status=400, content_type=content_type))
    with pytest.raises(RefreshUnavailable):
        tokens.ensure_fresh(expired.pk)
    rows = [*GrantIncident.objects.values(), *AuditEntry.objects.values(), *Event.objects.values()]
    rows += [*Connection.objects.values("status_evidence", "status_reason")]
    text = repr(rows)
    assert "HTTP 400" in text
    for secret in ("SECRET", REFRESH_TOKEN, CLIENT_SECRET):
        assert secret not in text


def test_ref_12_six_complaints_about_scopes_end_as_a_withdrawn_scope(
    provider_server: ProviderServer, expired: Connection
) -> None:
    provider_server.on("POST", HUBSPOT_TOKEN, refused("invalid_scope"))
    start = timezone.now()
    for minute in range(0, 66, 12):
        with pytest.raises((RefreshUnavailable, ReconnectRequired)):
            tokens.ensure_fresh(expired.pk, clock=lambda at=start + timedelta(minutes=minute): at)
    row = Connection.objects.get(pk=expired.pk)
    assert (row.status, row.status_reason) == (Status.RECONNECT_REQUIRED, "scope_withdrawn")
    assert GrantIncident.objects.filter(verdict="unknown").count() == 6
    assert ClientCredentials.objects.get(pk=row.client_id).last_refused_at is None


MICROSOFT_RULES = (
    VerdictRule(verdict="temporary", statuses=(400,), description_pattern="AADSTS50087"),
    VerdictRule(
        verdict="grant_gone",
        reason="refresh_token_expired",
        statuses=(400,),
        description_pattern="AADSTS70008[0-9]?",
    ),
)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"error": "interaction_required"}, "reconnect_required", "revoked_at_provider"),
        ({"error": "consent_required"}, "reconnect_required", "revoked_at_provider"),
        (
            {
                "error": "invalid_grant",
                "error_description": "AADSTS700082: The token is not used for 90 days.",
            },
            "reconnect_required",
            "refresh_token_expired",
        ),
        (
            {"error": "invalid_grant", "error_description": "AADSTS50173: Fresh auth is needed."},
            "reconnect_required",
            "revoked_at_provider",
        ),
        ({"error": "temporarily_unavailable"}, "refresh_failing", "provider_unavailable"),
        (
            {"error": "invalid_grant", "error_description": "AADSTS50087: Back-end trouble."},
            "refresh_failing",
            "provider_unavailable",
        ),
    ],
)
def test_ref_33_sub_codes_that_a_provider_s_file_lists_decide_before_the_general_code(
    provider_server: ProviderServer,
    expired: Connection,
    monkeypatch: pytest.MonkeyPatch,
    body: dict[str, str],
    status: str,
    reason: str,
) -> None:
    hubspot = catalogue.get("hubspot")
    changed = replace(hubspot, oauth=replace(hubspot.oauth, verdicts=MICROSOFT_RULES))
    monkeypatch.setitem(registry._loaded, None, {**registry._loaded[None], "hubspot": changed})
    provider_server.on("POST", HUBSPOT_TOKEN, Answer(body, status=400))
    with pytest.raises((ReconnectRequired, RefreshUnavailable)):
        tokens.ensure_fresh(expired.pk)
    row = Connection.objects.get(pk=expired.pk)
    assert (row.status, row.status_reason) == (status, reason)


def test_the_fifty_newest_incidents_of_a_connection_are_kept(
    provider_server: ProviderServer, expired: Connection, world: World
) -> None:
    provider_server.on("POST", HUBSPOT_TOKEN, Answer(b"", status=503))
    other = factories.connection(world, "customer-2")
    moment = timezone.now()
    for hour in range(53):
        with pytest.raises(RefreshUnavailable):
            tokens.refresh_now(expired.pk, clock=lambda at=moment + timedelta(hours=2 * hour): at)
    with pytest.raises(RefreshUnavailable):
        tokens.refresh_now(other.pk)
    kept = GrantIncident.objects.filter(connection=expired)
    assert kept.count() == 50
    assert kept.order_by("at")[0].at == moment + timedelta(hours=6)
    assert GrantIncident.objects.filter(connection=other).count() == 1


def test_old_incidents_are_purged_a_batch_at_a_time(world: World) -> None:
    from integrations.tokens.incidents import purge_incidents

    made, now = factories.connection(world), timezone.now()
    for day in (1, 89, 91, 92, 93):
        GrantIncident.objects.create(
            connection=made, at=now - timedelta(days=day), verdict="temporary", process="web", token_version=1
        )
    assert purge_incidents(now - timedelta(days=90), 2) == 2
    assert purge_incidents(now - timedelta(days=90), 2) == 1
    assert purge_incidents(now - timedelta(days=90), 2) == 0
    assert GrantIncident.objects.count() == 2
