"""From classes to problem+json."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework import exceptions

from accounts.api import problems
from accounts.api.problems import CODES, Problem
from accounts.identifiers import InvalidIdentifier
from accounts.origins import ReturnUrlRefused


def test_every_code_of_the_contract_has_its_status() -> None:
    expected = {
        "invalid_request": 400,
        "connection_ambiguous": 400,
        "not_authenticated": 401,
        "permission_denied": 403,
        "destination_not_allowed": 403,
        "not_found": 404,
        "connection_not_found": 404,
        "link_expired": 410,
        "link_used": 410,
        "link_revoked": 410,
        "content_too_large": 413,
        "connection_paused": 423,
        "reconnect_required": 424,
        "rate_limited": 429,
        "upstream_unreachable": 502,
        "refresh_unavailable": 503,
        "saturated": 503,
        "circuit_open": 503,
        "upstream_timeout": 504,
    }
    assert {code: CODES[code][0] for code in expected} == expected


def test_a_problem_has_the_members_of_rfc_9457_and_ours() -> None:
    response = problems.render(Problem("refresh_unavailable", "Later.", {"retryAfter": 7}), "id-1")
    assert response["Content-Type"] == "application/problem+json"
    assert (response["Retry-After"], response["X-Request-Id"]) == ("7", "id-1")
    assert json.loads(response.content) == {
        "type": "https://patchbay.dev/problems/refresh-unavailable",
        "title": "The access token could not be refreshed just now",
        "status": 503,
        "detail": "Later.",
        "code": "refresh_unavailable",
        "requestId": "id-1",
        "retryAfter": 7,
    }


@pytest.mark.parametrize(
    ("error", "code", "field"),
    [
        (exceptions.ValidationError({"a": {"b": ["Wrong."]}}), "invalid_request", "a.b"),
        (exceptions.ValidationError({"a": {1: ["Wrong."]}}), "invalid_request", "a.1"),
        (exceptions.ValidationError({"a": [{}, {"b": ["Wrong."]}]}), "invalid_request", "a[1].b"),
        (exceptions.ValidationError(["Wrong."]), "invalid_request", "body"),
        (exceptions.ValidationError({"non_field_errors": ["Wrong."]}), "invalid_request", "body"),
        (InvalidIdentifier("Wrong."), "invalid_request", "userForeignIdentifier"),
        (ReturnUrlRefused("Wrong."), "invalid_request", "returnUrl"),
        (exceptions.NotFound(), "not_found", None),
        (exceptions.Throttled(wait=3), "rate_limited", None),
    ],
)
def test_known_errors_become_problems(error: Exception, code: str, field: str | None) -> None:
    found = problems.from_exception(error)
    assert found is not None and found.code == code and found.members.get("field") == field


def test_an_unknown_error_is_none_of_the_callers_business() -> None:
    assert problems.from_exception(RuntimeError("inner detail")) is None


def test_problems_can_be_told_apart_and_kept_in_sets() -> None:
    assert len({Problem("not_found"), Problem("not_found")}) == 2


class _PageRenderer:
    media_type = "text/html"


class _PageView:
    renderer_classes: list[Any] = [_PageRenderer]


def test_a_problem_is_json_even_where_the_view_draws_pages() -> None:
    response: Any = problems.exception_handler(exceptions.NotFound(), {"view": _PageView()})
    assert response["Content-Type"] == "application/problem+json"
    assert json.loads(response.content)["code"] == "not_found"
