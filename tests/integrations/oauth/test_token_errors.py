"""Answers of the token endpoint that are errors or cannot be read."""

from __future__ import annotations

import json
import logging
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.oauth.errors import TokenEndpointError, UnreadableTokenResponse
from integrations.oauth.token_response import SuccessErrorRule, parse_token_response

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def refusal(status: int, content_type: str, body: bytes, **settings: Any) -> TokenEndpointError:
    with pytest.raises(TokenEndpointError) as refused:
        parse_token_response(status, content_type, body, **settings)
    return refused.value


def unreadable(status: int, content_type: str, body: bytes, **settings: Any) -> UnreadableTokenResponse:
    error = refusal(status, content_type, body, **settings)
    assert isinstance(error, UnreadableTokenResponse)
    return error


def printed(error: BaseException) -> str:
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "failed: %s %r", (error, error), None)
    return "".join([record.getMessage(), *traceback.format_exception(error), repr(vars(error))])


def test_the_example_of_rfc_6749_section_5_2() -> None:
    error = refusal(400, "application/json;charset=UTF-8", b'{"error":"invalid_request"}')
    assert (error.status, error.error, error.error_description) == (400, "invalid_request", None)


def test_both_dialects_of_hubspot_are_read() -> None:
    error = refusal(
        400,
        JSON,
        b'{"error":"invalid_grant","error_description":"refresh token is invalid, expired or revoked",'
        b'"status":"BAD_REFRESH_TOKEN","message":"refresh token is invalid, expired or revoked"}',
    )
    assert error.error == "invalid_grant"
    assert error.error_description == "refresh token is invalid, expired or revoked"
    assert error.fields == {"status": "BAD_REFRESH_TOKEN"}
    older = refusal(
        400,
        JSON,
        b'{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token",'
        b'"correlationId":"c033cdaa-2c40-4a64-ae48-b4cec88dad24"}',
    )
    assert (older.error, older.error_description) == (None, "missing or invalid refresh token")
    assert older.fields == {
        "status": "BAD_REFRESH_TOKEN",
        "correlationId": "c033cdaa-2c40-4a64-ae48-b4cec88dad24",
    }


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, b'{"error":"bad_verification_code","error_description":"The code is incorrect."}'),
        (FORM, b"error=bad_verification_code&error_description=The+code+is+incorrect."),
        (
            JSON,
            b'{"error":"bad_verification_code","access_token":"a","error_description":"The code is incorrect."}',
        ),
    ],
)
def test_tok_09_error_inside_http_200_is_an_error(content_type: str, body: bytes) -> None:
    error = refusal(200, content_type, body)
    assert (error.error, error.error_description) == ("bad_verification_code", "The code is incorrect.")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"access_token":null}', b'{"access_token":" "}', b"token_type=bearer"]
)
def test_tok_09_no_usable_access_token_is_an_error_at_any_status(body: bytes) -> None:
    error = refusal(200, JSON, body)
    assert error.reason == "the answer holds no access token"
    assert refusal(400, JSON, body).status == 400


def test_tok_10_ok_false_is_an_error() -> None:
    assert refusal(200, JSON, b'{"ok":false,"error":"invalid_code"}').error == "invalid_code"
    assert refusal(200, JSON, b'{"ok":false,"access_token":"a"}').error is None


@pytest.mark.parametrize(
    ("rule", "fails", "passes"),
    [
        (SuccessErrorRule(path="code", values=("1", "40110")), {"code": 40110}, {"code": 0}),
        (SuccessErrorRule(path="error_code"), {"error_code": 12}, {"error_code": 0}),
        (
            SuccessErrorRule(path="data.success", values=("false",)),
            {"data": {"success": False}},
            {"data": {}},
        ),
        (SuccessErrorRule(path="result", values=("expired",)), {"result": "expired"}, {"result": "fine"}),
    ],
)
def test_a_providers_own_error_inside_http_200_is_an_error(
    rule: SuccessErrorRule, fails: dict[str, object], passes: dict[str, object]
) -> None:
    def body(members: dict[str, object]) -> bytes:
        return json.dumps({"access_token": "a"} | members).encode()

    refusal(200, JSON, body(fails), success_error_rules=[rule])
    assert parse_token_response(200, JSON, body(passes), success_error_rules=[rule]).access_token == "a"


def test_tok_17_a_page_is_reported_with_status_type_and_its_beginning() -> None:
    error = unreadable(404, "text/html", b"<h1>Not here</h1>" + b"x " * 500)
    assert error.is_html
    assert error.excerpt.startswith("<h1>Not here</h1>x x")
    assert len(error.excerpt) == 200
    assert "404" in str(error)
    assert "text/html" in str(error)


def test_tok_17_the_field_and_code_of_an_error_list_are_reported() -> None:
    error = refusal(400, JSON, b'{"message":"Bad Request","errors":[{"field":"client_id","code":"invalid"}]}')
    assert error.fields == {"errors.0.field": "client_id", "errors.0.code": "invalid"}
    assert error.error_description == "Bad Request"
    assert "errors.0.field=client_id errors.0.code=invalid" in str(error)


@pytest.mark.parametrize(
    ("body", "code", "description"),
    [
        ({"error": {"code": "invalid_grant", "message": "gone"}}, "invalid_grant", "gone"),
        ({"error": {"type": "OAuthException", "code": 190, "message": "expired"}}, "190", "expired"),
        ({"error": "Something went wrong here"}, None, "Something went wrong here"),
        ({"error": True, "message": "no"}, None, "no"),
        ({"error": ["x"]}, None, None),
        ({"error": 5}, "5", None),
    ],
)
def test_an_error_of_another_shape_is_read_as_far_as_it_goes(
    body: object, code: str | None, description: str | None
) -> None:
    error = refusal(400, JSON, json.dumps(body).encode())
    assert (error.error, error.error_description) == (code, description)


def test_tok_24_an_oversized_answer_is_not_parsed() -> None:
    error = unreadable(200, JSON, b" " * 1_048_577 + b'{"access_token":"a"}')
    assert error.reason == "the answer is too large"


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("text/html", b"<!DOCTYPE html><html></html>", "the answer is a page"),
        (JSON, b"<?xml version='1.0'?><a/>", "the answer is a page"),
        (JSON, b'{"access_token":"SECRET', "the answer is broken JSON"),
        (JSON, b'["SECRET"]', "the answer is JSON but no object"),
        (JSON, b"[" * 100_000, "the answer is nested too deeply"),
        (JSON, b'{"a":' * 100_000, "the answer is nested too deeply"),
        (JSON, b'{"a":"\xff"}', "the answer is not text"),
        (FORM, b"access_token=%FF", "the answer is a broken form"),
        (FORM, b"a=1&" * 500, "the answer is a broken form"),
        (JSON, b"", "the answer is empty"),
        (JSON, b"null", "the answer is neither JSON nor a form"),
        ("text/plain", b"Service unavailable", "the answer is neither JSON nor a form"),
    ],
)
def test_what_is_no_answer_is_unreadable_and_says_why(content_type: str, body: bytes, reason: str) -> None:
    error = unreadable(200, content_type, body)
    assert error.reason == reason
    assert "SECRET" not in printed(error)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b"error=invalid_grant&refresh_token=SECRET1"),
        (JSON, b'{"error":{"access_token":"SECRET2"}}'),
        (FORM, b"client_secret=SECRET3&x=1"),
        ("text/html", b'<form><input type="hidden" name="code" value="SECRET4"></form>'),
        ("text/plain", b"error: refresh_token=SECRET5 is gone"),
        (JSON, b'{"error":"invalid_grant","error_description":"token=SECRET6 is gone"}'),
        (JSON, b'{"error":{"message":"no","code":{"refresh_token":"SECRET7"}},"code":"SECRET7"}'),
        (JSON, b'{"access_token":"SECRET8","error":"x","status":{"a":"SECRET8"}'),
        ("text/html; token=SECRET9", b"<p>"),
    ],
)
def test_adm_01_no_secret_of_the_body_shows_in_the_error(content_type: str, body: bytes) -> None:
    assert "SECRET" not in printed(refusal(400, content_type, body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":"s3cr3tvalue"}',
        b'{"error":"invalid_client","error_description":"bad secret s3cr3tvalue"}',
        b'{"status":"s3cr3tvalue","message":"s3cr3tvalue"}',
        b"s3cr3tvalue is wrong",
        b"<p>s3cr3tvalue</p>",
        b"error=s3cr3tvalue",
        b'{"error":{"code":"s3cr3tvalue"}}',
        b'{"correlationId":"s3cr3tvalue"}',
    ],
)
def test_tok_17_a_secret_of_the_request_is_hidden_wherever_it_is_quoted(body: bytes) -> None:
    error = refusal(400, JSON, body, known_secrets=["s3cr3tvalue"])
    assert "s3cr3tvalue" not in printed(error)


def test_adm_02_parser_errors_that_hold_the_document_are_not_chained() -> None:
    error = unreadable(200, JSON, b'{"access_token":"SECRET",,}')
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize("description", ["a\r\nb\x00c", "x" * 900, "\u202eevil"])
def test_cal_15_a_description_is_one_line_of_at_most_500_characters(description: str) -> None:
    body = json.dumps({"error": "invalid_grant", "error_description": description}).encode()
    shown = refusal(400, JSON, body).error_description
    assert shown is not None
    assert len(shown) <= 500
    assert shown.isprintable()


@pytest.mark.parametrize("status", [300, 302, 307, 399, 400, 401, 404, 429, 500, 503])
def test_a_token_under_an_error_status_is_not_taken(status: int) -> None:
    error = refusal(status, JSON, b'{"access_token":"SECRET"}')
    assert error.status == status
    assert "SECRET" not in printed(error)


SECRETS = st.from_regex(r"[A-Za-z0-9+/=_\-]{8,60}", fullmatch=True)


@given(secret=SECRETS, shape=st.integers(0, 6))
def test_a_planted_secret_never_shows_in_an_error(secret: str, shape: int) -> None:
    body = [
        json.dumps({"error": secret}),
        json.dumps({"error": {"code": secret, "message": f"bad {secret}"}}),
        json.dumps({"message": secret, "errors": [{"code": secret, "field": secret}]}),
        json.dumps({"status": secret, "category": secret, "requestId": secret}),
        f"<p title='{secret}'>{secret}</p>",
        f"no good: {secret}",
        f"error={secret}&error_description={secret}",
    ][shape]
    assert secret not in printed(refusal(400, JSON, body.encode(), known_secrets=[secret]))
