"""What a failed token call means."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from integrations.oauth.errors import TokenEndpointError
from integrations.oauth.token_response import parse_token_response
from integrations.oauth.verdicts import Verdict, VerdictRule, classify, judge


def failed(status: int, content: object = None, *, page: bool = False) -> TokenEndpointError:
    body = b"<html><h1>Checking your browser</h1></html>" if page else json.dumps(content).encode()
    with pytest.raises(TokenEndpointError) as refused:
        parse_token_response(status, "text/html" if page else "application/json", body)
    return refused.value


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (failed(400, {"error": "invalid_grant"}), Verdict.GRANT_GONE),
        (failed(401, {"error": "invalid_client"}), Verdict.CLIENT_WRONG),
        (failed(403, page=True), Verdict.TEMPORARY),
        (failed(404, {}), Verdict.TEMPORARY),
        (failed(404, page=True), Verdict.TEMPORARY),
        (failed(408, {}), Verdict.TEMPORARY),
        (failed(429, {}), Verdict.TEMPORARY),
        (failed(500, {}), Verdict.TEMPORARY),
        (failed(502, page=True), Verdict.TEMPORARY),
        (failed(503, {}), Verdict.TEMPORARY),
        (None, Verdict.TEMPORARY),
        (failed(200, page=True), Verdict.TEMPORARY),
    ],
)
def test_ref_09_only_a_verdict_on_the_grant_is_final(
    error: TokenEndpointError | None, verdict: Verdict
) -> None:
    assert classify(error) is verdict


@pytest.mark.parametrize("status", [500, 502, 503, 504, 521, 524, 530, 408, 423, 425, 429, 477])
def test_ref_10_a_final_looking_body_under_a_temporary_status_is_temporary(status: int) -> None:
    rule = VerdictRule(verdict="grant_gone", errors=("invalid_grant",))
    assert classify(failed(status, {"error": "invalid_grant"}), rules=[rule]) is Verdict.TEMPORARY


@pytest.mark.parametrize("content", [{"error": "invalid_request"}, {"error": "odd"}, {}, {"message": "no"}])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 409, 422])
def test_ref_12_another_4xx_is_unknown(status: int, content: object) -> None:
    assert classify(failed(status, content)) is Verdict.UNKNOWN


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client", "unsupported_grant_type"])
@pytest.mark.parametrize("status", [200, 400, 401])
def test_ref_14_our_own_mistake_is_not_the_customers(status: int, code: str) -> None:
    assert classify(failed(status, {"error": code})) is Verdict.CLIENT_WRONG


HUBSPOT = [
    VerdictRule(verdict="client_wrong", statuses=(400, 401), description_pattern="not issued to this client"),
    VerdictRule(
        verdict="client_wrong",
        statuses=(400, 401),
        fields={"status": ("BAD_CLIENT_ID", "BAD_CLIENT_SECRET", "BAD_REDIRECT_URI")},
    ),
    VerdictRule(
        verdict="grant_gone", statuses=(400, 401, 403), fields={"status": ("BAD_REFRESH_TOKEN", "BAD_HUB")}
    ),
]


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        ({"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}, Verdict.GRANT_GONE),
        ({"error": "access_denied", "status": "BAD_HUB"}, Verdict.GRANT_GONE),
        (
            {
                "error": "invalid_grant",
                "status": "BAD_REFRESH_TOKEN",
                "message": "refresh token was NOT issued to this client",
            },
            Verdict.CLIENT_WRONG,
        ),
        ({"status": "BAD_CLIENT_SECRET"}, Verdict.CLIENT_WRONG),
        ({"status": "BAD_GRANT_TYPE"}, Verdict.UNKNOWN),
    ],
)
def test_ref_14_a_providers_rules_come_before_the_general_ones(content: object, verdict: Verdict) -> None:
    assert classify(failed(400, content), rules=HUBSPOT) is verdict


MICROSOFT = [
    VerdictRule(verdict="temporary", errors=("invalid_grant",), description_pattern=r"AADSTS50087\b")
]


@pytest.mark.parametrize(
    ("code", "description", "verdict"),
    [
        ("interaction_required", "", Verdict.GRANT_GONE),
        ("consent_required", "", Verdict.GRANT_GONE),
        ("login_required", "", Verdict.GRANT_GONE),
        ("invalid_grant", "AADSTS700082: The refresh token has expired", Verdict.GRANT_GONE),
        ("invalid_grant", "AADSTS50173: The grant is revoked", Verdict.GRANT_GONE),
        ("temporarily_unavailable", "", Verdict.TEMPORARY),
        ("invalid_grant", "AADSTS50087: A transient error occurred", Verdict.TEMPORARY),
    ],
)
def test_ref_33_codes_that_ask_for_the_customer_are_final(
    code: str, description: str, verdict: Verdict
) -> None:
    error = failed(400, {"error": code, "error_description": description})
    assert classify(error, rules=MICROSOFT) is verdict
    assert error.error == code


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_tok_23_a_redirect_leaves_the_connection_as_it_was(status: int) -> None:
    assert classify(failed(status, page=True)) is Verdict.TEMPORARY


def test_an_error_inside_http_200_is_judged_by_its_code() -> None:
    assert classify(failed(200, {"error": "invalid_grant"})) is Verdict.GRANT_GONE
    assert classify(failed(200, {"error": "bad_refresh_token"})) is Verdict.UNKNOWN
    assert classify(failed(200, {})) is Verdict.TEMPORARY


@pytest.mark.parametrize(
    ("status", "verdict"), [(None, Verdict.TEMPORARY), (503, Verdict.TEMPORARY), (400, Verdict.UNKNOWN)]
)
def test_without_a_body_the_status_decides(status: int | None, verdict: Verdict) -> None:
    assert classify(None, status=status) is verdict


def test_every_condition_of_a_rule_must_hold() -> None:
    rule = VerdictRule(
        verdict="grant_gone", statuses=(400,), errors=("e",), fields={"a.b": ("1",)}, description_pattern="d"
    )
    whole = {"error": "e", "a": {"b": 1}, "error_description": "d"}
    assert classify(failed(400, whole), rules=[rule]) is Verdict.GRANT_GONE
    for missing in whole:
        part = {name: value for name, value in whole.items() if name != missing}
        assert classify(failed(400, part), rules=[rule]) is Verdict.UNKNOWN
    assert classify(failed(401, whole), rules=[rule]) is Verdict.UNKNOWN


def test_a_rule_without_conditions_never_matches() -> None:
    assert classify(failed(400, {}), rules=[VerdictRule(verdict="grant_gone")]) is Verdict.UNKNOWN


def test_a_rule_may_look_at_codes_in_a_list() -> None:
    rule = VerdictRule(verdict="temporary", fields={"error_codes": ("50087",)})
    assert classify(failed(400, {"error": "x", "error_codes": [1, 50087]}), rules=[rule]) is Verdict.TEMPORARY


def test_any_object_with_the_attributes_of_a_rule_will_do() -> None:
    rule = SimpleNamespace(
        verdict="grant_gone", reason="", statuses=(), errors=("gone",), fields={}, description_pattern=None
    )
    assert classify(failed(400, {"error": "gone"}), rules=[rule]) is Verdict.GRANT_GONE


@pytest.mark.parametrize("status", [404, 405, 406, 407, 410, 411, 413, 414, 415, 417, 421, 426, 431])
def test_ref_09_what_speaks_of_the_request_says_nothing_about_the_grant(status: int) -> None:
    assert classify(failed(status, {"message": "no"})) is Verdict.TEMPORARY
    assert classify(failed(status, {"error": "not_allowed"})) is Verdict.TEMPORARY
    assert classify(failed(status, {"error": "invalid_grant"})) is Verdict.GRANT_GONE


@pytest.mark.parametrize("body", [b"", b"error code: 1020", b'{"error": "inval', b"[]", b"\xff\xfe\x00\xd8"])
@pytest.mark.parametrize("status", [200, 204, 400, 401, 403, 422])
def test_ref_09_what_cannot_be_read_says_nothing_about_the_grant(status: int, body: bytes) -> None:
    with pytest.raises(TokenEndpointError) as refused:
        parse_token_response(status, "text/plain", body)
    assert classify(refused.value) is Verdict.TEMPORARY


def test_ref_10_only_a_rule_that_names_a_temporary_status_judges_under_it() -> None:
    error = failed(500, {"error": "invalid_grant"})
    silent = VerdictRule(verdict="grant_gone", errors=("invalid_grant",))
    named = VerdictRule(verdict="grant_gone", errors=("invalid_grant",), statuses=(500,))
    assert classify(error, rules=[silent]) is Verdict.TEMPORARY
    assert classify(error, rules=[silent, named]) is Verdict.GRANT_GONE
    assert judge(error, rules=[silent, named]).rule == "rule 2 of the provider's file"


def test_a_rule_may_tell_the_reason_to_show() -> None:
    rule = VerdictRule(
        verdict="grant_gone", reason="refresh_token_expired", description_pattern="AADSTS700082"
    )
    error = failed(400, {"error": "invalid_grant", "error_description": "AADSTS700082: expired"})
    assert judge(error, rules=[rule]).reason == "refresh_token_expired"
    assert judge(error).reason == ""


def test_a_complaint_about_scopes_is_unknown_and_has_a_reason_of_its_own() -> None:
    judged = judge(failed(400, {"error": "invalid_scope"}))
    assert (judged.verdict, judged.reason) == (Verdict.UNKNOWN, "scope_withdrawn")
