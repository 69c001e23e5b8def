"""The pattern language of closed paths, and the readings of a path that it is held against."""

from __future__ import annotations

import pytest

from integrations import catalogue
from integrations.catalogue import ClosedPath
from proxy.closed import ClosedPaths, closed_paths


def is_closed(path: str, *patterns: str) -> bool:
    closed = ClosedPaths(tuple(ClosedPath(pattern=pattern) for pattern in patterns))
    return bool(closed.refusal("api.example", path))


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/app", "/app", True),
        ("/app", "/app/", True),
        ("/app", "/app/x", False),
        ("/app", "/apps", False),
        ("/app", "/x/app", False),
        ("/app", "/app.json", True),
        ("/app/**", "/app", True),
        ("/app/**", "/app/x/y", True),
        ("/app/**", "/application", False),
        ("/app/**", "/app.json", True),
        ("/{any}/batch", "/v1/batch", True),
        ("/{any}/batch", "/batch", False),
        ("/{any}/batch", "/v1/v2/batch", False),
        ("/{any}/**/batch", "/v1/batch", True),
        ("/{any}/**/batch", "/v1/v2/v3/batch", True),
        ("/{any}/**/batch", "/batch", False),
        ("/oauth_{any}", "/oauth_token.do", True),
        ("/oauth_{any}", "/oauth_", True),
        ("/oauth_{any}", "/oauth_x/y", False),
        ("/{any}.revoke{any}/**", "/users.revokeAll()/x", True),
        ("/$batch", "/%24BATCH", True),
        ("/a.b", "/axb", False),
        ("/Stra\u00dfe", "/STRASSE", True),
    ],
)
def test_a_pattern_means_what_the_schema_says(pattern: str, path: str, expected: bool) -> None:
    assert is_closed(path, pattern) is expected


@pytest.mark.parametrize(
    "path",
    [
        "/app%3fx",
        "/app%23x",
        "/app%253Fx/y",
        "/app;x",
        "/app.",
        "/app%2e",
        "/app%00",
        "/app/%252e",
        "/x/%252e%252e/app",
    ],
)
def test_an_exact_pattern_is_closed_however_the_path_ends(path: str) -> None:
    assert is_closed(path, "/app")


def test_a_question_mark_that_hides_the_end_hides_nothing_before_it() -> None:
    assert is_closed("/x%253f/%252e%252e/%252e%252e/app", "/app")


def test_reading_xero_connections_stays_open_and_ending_one_is_closed() -> None:
    closed = closed_paths(catalogue.get("xero").api.closed_paths)
    assert not closed.refusal("api.xero.com", "/connections")
    assert closed.refusal("api.xero.com", "/connections/1f3c")
    assert closed.refusal("api.xero.com", "/Connections//1f3c")


def test_a_closed_path_of_one_host_is_open_on_another() -> None:
    of_all, of_one = ClosedPath(pattern="/all/**"), ClosedPath(pattern="/x/**", host="a.example")
    closed = ClosedPaths((of_all, of_one))
    assert [bool(closed.refusal(host, "/x/1")) for host in ("a.example", "b.example")] == [True, False]
    assert [bool(closed.refusal(host, "/all/1")) for host in ("a.example", "b.example")] == [True, True]


def test_a_prefix_closes_all_that_begins_so() -> None:
    closed = ClosedPaths((ClosedPath(prefix="/OAuth_"),))
    assert closed.refusal("api.example", "/oauth_token.do/x")
    assert not closed.refusal("api.example", "/oauth")


def test_a_refusal_tells_what_to_do_instead() -> None:
    closed = ClosedPaths(
        (ClosedPath(pattern="/batch", instead="Send the requests one by one."), ClosedPath(pattern="/app"))
    )
    assert closed.refusal("api.example", "/batch").endswith(" Send the requests one by one.")
    assert "owner of the app" in closed.refusal("api.example", "/app")
    assert closed.refusal("api.example", "/%" + "25" * 20 + "41").startswith("This path is encoded too often")


def test_a_provider_without_closed_paths_closes_nothing() -> None:
    closed = closed_paths(())
    assert not closed
    assert closed.refusal("api.example", "/%" + "25" * 20 + "41") == ""
