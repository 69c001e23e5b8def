"""Each provider's verdict rules: what all providers' replies mean, and what each one's own replies mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrations import catalogue
from integrations.models.connection import REASONS
from integrations.oauth.errors import TokenEndpointError
from integrations.oauth.token_response import parse_token_response
from integrations.oauth.verdicts import Judgement, judge
from tests.integrations.contract_set import replies

PROVIDERS = [provider.id for provider in catalogue.all_providers() if provider.oauth.token_endpoint]
PAGE = b"<!DOCTYPE html><html><body>Checking your browser</body></html>"

#: (status, body, verdict): whatever a provider's file adds, these stay as they are
COMMON: dict[str, tuple[int, Any, str]] = {
    "invalid_grant": (
        400,
        {"error": "invalid_grant", "error_description": "refresh token is gone"},
        "grant_gone",
    ),
    "invalid_grant 401": (401, {"error": "invalid_grant"}, "grant_gone"),
    "invalid_client": (400, {"error": "invalid_client"}, "client_wrong"),
    "invalid_client 401": (401, {"error": "invalid_client"}, "client_wrong"),
    "unauthorized_client": (400, {"error": "unauthorized_client"}, "client_wrong"),
    "interaction_required": (400, {"error": "interaction_required"}, "grant_gone"),
    "invalid_grant in 500": (500, {"error": "invalid_grant"}, "temporary"),
    "invalid_client in 502": (502, {"error": "invalid_client"}, "temporary"),
    "429": (429, {"message": "slow down"}, "temporary"),
    "423": (423, {"error": "invalid_grant"}, "temporary"),
    "503 page": (503, PAGE, "temporary"),
    "403 challenge": (403, PAGE, "temporary"),
    "401 page": (401, PAGE, "temporary"),
    "200 page": (200, PAGE, "temporary"),
    "empty 400": (400, b"", "temporary"),
    "firewall": (403, b"error code: 1020", "temporary"),
    "404": (404, {"message": "no"}, "temporary"),
    "405": (405, {"message": "no"}, "temporary"),
    "410": (410, {"message": "no"}, "temporary"),
    "temporarily_unavailable": (400, {"error": "temporarily_unavailable"}, "temporary"),
    "400 without a code": (400, {"detail": "no"}, "unknown"),
    "another code": (400, {"error": "computer_says_no"}, "unknown"),
    "invalid_request": (400, {"error": "invalid_request"}, "unknown"),
}

#: per provider (status, body, verdict, number of its rule, 0 for none); later ones have theirs in `errors` of
#: their files of replies, whose verdicts the contract set looks at
OWN: dict[str, list[tuple[int, Any, str, int]]] = {
    "atlassian": [
        (403, {"error": "invalid_grant", "error_description": "Unknown or invalid refresh token."}, "grant_gone", 1),
        (403, {"error": "unauthorized_client", "error_description": "refresh_token is invalid"}, "grant_gone", 2),
        (401, {"error": "access_denied", "error_description": "Unauthorized"}, "grant_gone", 0),
    ],
    "github": [
        (200, {"error": "incorrect_client_credentials", "error_description": "are incorrect."}, "client_wrong", 1),
        (200, {"error": "bad_refresh_token", "error_description": "is incorrect or expired."}, "grant_gone", 2),
    ],
    "google": [
        (401, {"error": "invalid_client", "error_description": "Unauthorized"}, "client_wrong", 1),
        (400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, "grant_gone", 2),
    ],
    "hubspot": [
        (
            400,
            {
                "error": "invalid_grant",
                "status": "BAD_REFRESH_TOKEN",
                "message": "refresh token was not issued to this client",
            },
            "client_wrong",
            1,
        ),
        (400, {"status": "BAD_CLIENT_ID", "message": "missing or invalid client id"}, "client_wrong", 2),
        (401, {"status": "BAD_CLIENT_SECRET", "error": "invalid_client"}, "client_wrong", 2),
        (400, {"status": "BAD_REDIRECT_URI", "error": "invalid_request"}, "client_wrong", 2),
        (400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}, "grant_gone", 3),
        (400, {"status": "BAD_HUB", "error": "access_denied", "message": "missing or unknown hub id"}, "grant_gone", 3),
        (403, {"error": "access_denied"}, "grant_gone", 4),
        (477, {"error": "invalid_grant", "status": "BAD_REFRESH_TOKEN"}, "temporary", 5),
        (423, {"status": "LOCKED"}, "temporary", 5),
        (400, {"status": "BAD_GRANT_TYPE", "error": "unsupported_grant_type"}, "client_wrong", 0),
    ],
    "microsoft": [
        (401, {"error": "invalid_client", "error_codes": [7000215]}, "client_wrong", 1),
        (400, {"error": "invalid_grant", "error_codes": [50173], "suberror": "bad_token"}, "grant_gone", 2),
        (400, {"error": "interaction_required", "error_codes": [50076]}, "grant_gone", 2),
    ],
    "pipedrive": [
        (401, {"success": False, "message": "Invalid client: client is invalid"}, "client_wrong", 1),
        (400, {"success": False, "message": "Invalid grant: refresh_token is invalid"}, "grant_gone", 2),
    ],
    "procore": [
        (401, {"error": "invalid_grant", "error_description": "The provided grant is revoked."}, "grant_gone", 1),
        (401, {"error": "invalid_client", "error_description": "Unknown client."}, "client_wrong", 2),
    ],
    "quickbooks": [
        (
            400,
            {"error": "invalid_grant", "error_description": "Incorrect Token type or clientID"},
            "client_wrong",
            1,
        ),
        (
            400,
            {"error": "invalid_grant", "error_description": "Incorrect or invalid refresh token"},
            "grant_gone",
            2,
        ),
        (401, {"error": "invalid_client"}, "client_wrong", 0),
    ],
    "salesforce": [
        (400, {"error": "invalid_client_id", "error_description": "client identifier invalid"}, "client_wrong", 1),
        (400, {"error": "invalid_grant", "error_description": "expired access/refresh token"}, "grant_gone", 2),
        (400, {"error": "inactive_user", "error_description": "user is inactive"}, "grant_gone", 2),
        (400, {"error": "rate_limit_exceeded"}, "temporary", 3),
    ],
    "servicenow": [
        (401, {"error": "server_error", "error_description": "access_denied"}, "unknown", 1),
        (500, {"error": "server_error", "error_description": "access_denied"}, "temporary", 0),
        (401, {"error": "server_error", "error_description": "try later"}, "temporary", 0),
    ],
    "shopify": [
        (400, {"error": "application_cannot_be_found"}, "client_wrong", 1),
        (401, {"error": "invalid_grant"}, "grant_gone", 2),
    ],
    "slack": [
        (200, {"ok": False, "error": "bad_client_secret"}, "client_wrong", 1),
        (200, {"ok": False, "error": "invalid_refresh_token"}, "grant_gone", 2),
        (200, {"ok": False, "error": "ratelimited"}, "temporary", 3),
    ],
    "stripe": [
        (401, {"error": "invalid_client", "error_description": "No such API key"}, "client_wrong", 1),
        (400, {"error": "invalid_grant", "error_description": "Refresh token does not exist"}, "grant_gone", 2),
    ],
    "xero": [
        (400, {"error": "invalid_client"}, "client_wrong", 1),
        (400, {"error": "invalid_grant"}, "grant_gone", 2),
    ],
}  # fmt: skip


def judged(provider_id: str, status: int, body: Any) -> Judgement:
    """As provider_calls judges it, with everything the provider's file says."""
    oauth = catalogue.get(provider_id).oauth
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    with pytest.raises(TokenEndpointError) as refused:
        parse_token_response(
            status,
            "application/json",
            content,
            paths=oauth.token_paths,
            success_error_rules=oauth.success_error_rules,
        )
    return judge(refused.value, rules=oauth.verdicts)


def errors_of(provider_id: str) -> list[Any]:
    """The failed token calls of the provider's file of replies."""
    return replies.load(provider_id).items("errors")


@pytest.mark.parametrize("provider_id", PROVIDERS)
def test_ref_09_no_provider_s_file_changes_what_is_common_to_all(provider_id: str) -> None:
    found = {kind: judged(provider_id, status, body).verdict for kind, (status, body, _) in COMMON.items()}
    assert found == {kind: verdict for kind, (*_, verdict) in COMMON.items()}


@pytest.mark.parametrize("provider_id", OWN)
def test_a_provider_s_own_replies_are_judged_by_its_own_rules(provider_id: str) -> None:
    for status, body, verdict, number in OWN[provider_id]:
        found = judged(provider_id, status, body)
        by_file = f"rule {number} of the provider's file"
        assert (found.verdict, found.rule == by_file) == (verdict, number > 0), (body, found)


@pytest.mark.parametrize("provider_id", OWN)
def test_each_rule_has_an_example_in_the_table(provider_id: str) -> None:
    rules = catalogue.get(provider_id).oauth.verdicts
    assert {number for *_, number in OWN[provider_id]} - {0} == set(range(1, len(rules) + 1))


@pytest.mark.parametrize("provider_id", PROVIDERS)
def test_every_provider_has_verdict_rules_and_each_decides_one_of_its_replies(provider_id: str) -> None:
    """A rule that no failure of the file of replies comes to is either without an example, or behind a wider one."""
    rules = catalogue.get(provider_id).oauth.verdicts
    found = [judged(provider_id, error["status"], error.get("body")) for error in errors_of(provider_id)]
    decided = {judgement.rule for judgement in found}
    assert rules
    assert {f"rule {number} of the provider's file" for number in range(1, len(rules) + 1)} <= decided


@pytest.mark.parametrize("provider_id", PROVIDERS)
def test_a_reason_that_a_rule_shows_has_a_sentence_for_the_customer(provider_id: str) -> None:
    for rule in catalogue.get(provider_id).oauth.verdicts:
        assert rule.reason == "" or (rule.verdict == "grant_gone" and REASONS[rule.reason])


def test_the_reasons_that_a_file_may_name_have_sentences() -> None:
    from integrations.catalogue.oauth_settings import ReasonName

    assert all(REASONS[name] for name in ReasonName.__args__)  # type: ignore[attr-defined]  # a Literal
