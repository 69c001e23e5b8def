"""Whatever is sent, the answer is a problem that says what is wrong; never a 500, a page or a redirect."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import Customer
from integrations.models import Connection
from tests import factories
from tests.factories import World
from tests.integrations.api.conftest import Api, problem

POSTS = ["/api/v1/connect-links", "/api/v1/manage-links", "/api/v1/connections/import"]


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"null", "body"),
        (b"[]", "body"),
        (b'"text"', "body"),
        (b"17", "body"),
        (b"NaN", "body"),
        (b'{"appSlug": NaN}', "body"),
        (b'{"appSlug": Infinity}', "body"),
        (b'{"appSlug": "\xff"}', "body"),
        (b'{"appSlug": "\\ud800"}', "body"),
        (b'{"\\udfff": "x"}', "body"),
        (b"[" * 100_000, "body"),
        (b'{"a":' * 50_000, "body"),
        (b"\x00", "body"),
        (b"1" * 5_000, "body"),
    ],
)
def test_a_body_that_is_no_object_is_refused(api: Api, path: str, body: bytes, field: str) -> None:
    problem(api.post(path, body), 400, "invalid_request", field)
    assert not Customer.objects.exists() and not Connection.objects.exists()


@pytest.mark.parametrize("path", POSTS)
def test_an_empty_body_names_what_is_missing(api: Api, path: str) -> None:
    missing = "userForeignIdentifier" if "manage" in path else "appSlug"
    problem(api.post(path, b""), 400, "invalid_request", missing)
    problem(api.post(path, {}), 400, "invalid_request", missing)


@pytest.mark.parametrize("path", POSTS)
def test_ten_megabytes_are_too_many(api: Api, path: str) -> None:
    body = b'{"appSlug": "' + b"x" * 10_000_000 + b'"}'
    problem(api.post(path, body), 413, "content_too_large")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense", "a/b/c"]
)
def test_another_content_type_is_not_read(api: Api, path: str, content_type: str) -> None:
    problem(api.post(path, b"appSlug=hbdev", content_type=content_type), 415, "unsupported_media_type")


@pytest.mark.parametrize("charset", ["hex", "zlib", "utf-16", "rot13", "no-such-charset", "base64", "idna"])
def test_a_charset_of_the_content_type_changes_nothing(api: Api, world: World, charset: str) -> None:
    """JSON is UTF-8 (RFC 8259 section 8.1), and so are the queries of URLs."""
    factories.connection(world, "Zoë")
    content_type = f"application/json; charset={charset}"
    body = '{"userForeignIdentifier": "Zoë"}'.encode()
    assert api.post("/api/v1/manage-links", body, content_type=content_type).status_code == 201
    listed = api.call("GET", "/api/v1/connections?userForeignIdentifier=Zo%C3%AB", content_type=content_type)
    assert len(listed.json()["results"]) == 1


@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/xml", "", "*/*;q=0", "nonsense", "application/json;q=0", "\xff", ",,,;"],
)
def test_accept_never_changes_the_answer(api: Api, nobody: Api, accept: str) -> None:
    response = api.call("GET", "/api/v1/connections", HTTP_ACCEPT=accept)
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    problem(nobody.call("GET", "/api/v1/connections", HTTP_ACCEPT=accept), 401, "not_authenticated")
    problem(api.call("GET", "/api/v1/no-such-path", HTTP_ACCEPT=accept), 404, "not_found")


def test_a_format_parameter_means_nothing(api: Api) -> None:
    response = api.get("/api/v1/integrations/hbdev", format="xml")
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("language", ["de", "ja", "xx", "de;q=abc"])
def test_the_api_speaks_english_whatever_the_language_field_says(api: Api, language: str) -> None:
    response = api.post("/api/v1/connect-links", {}, HTTP_ACCEPT_LANGUAGE=language)
    assert problem(response, 400, "invalid_request", "appSlug")["detail"] == "This field is required."
    assert response["Content-Language"] == "en"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/connections/", "/api/v1/connect-links/", "/api/v1", "/api/", "/api/v2/connections", "/api/%00"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_that_is_none_is_a_problem_and_no_redirect(api: Api, path: str, method: str) -> None:
    problem(api.call(method, path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/connect-links", {"POST", "OPTIONS"}),
        ("GET", "/api/v1/connect-links", {"POST", "OPTIONS"}),
        ("PATCH", "/api/v1/connections", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/api/v1/connections", {"GET", "HEAD", "OPTIONS"}),
        ("TRACE", "/api/v1/connections", {"GET", "HEAD", "OPTIONS"}),
        ("BREW", "/api/v1/connections", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/api/saas-org-user/get-users/hbdev", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/api/saas-org-user/delete-user/hbdev", {"DELETE", "OPTIONS"}),
        ("GET", "/oauth/token", {"POST", "OPTIONS"}),
    ],
)
def test_a_method_that_is_none_is_answered_with_those_that_are(
    api: Api, method: str, path: str, allowed: set[str]
) -> None:
    response = api.call(method, path)
    problem(response, 405, "method_not_allowed")
    assert set(response["Allow"].split(", ")) == allowed


def test_options_tells_the_methods_and_nothing_else(api: Api, nobody: Api) -> None:
    response = api.call("OPTIONS", "/api/v1/connections")
    assert (response.status_code, response.content) == (204, b"")
    assert set(response["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    problem(nobody.call("OPTIONS", "/api/v1/connections"), 401, "not_authenticated")


def test_a_defect_of_ours_is_a_problem_too(api: Api, monkeypatch: Any) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("integrations.connections.visible_to", broken)
    response = api.get("/api/v1/connections")
    assert (response.status_code, response["Content-Type"]) == (500, "application/problem+json")
    body = response.json()
    assert body["code"] == "internal_error" and "secret" not in response.content.decode()
    assert body["requestId"] == response["X-Request-Id"]
