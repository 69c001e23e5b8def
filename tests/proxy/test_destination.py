"""Destinations: what is refused before a credential is attached, and what passes byte for byte."""

from __future__ import annotations

import pytest

from accounts.api.problems import Problem
from egress.errors import InvalidUrl
from integrations import catalogue
from proxy.destination import Destination

HUBSPOT = catalogue.get("hubspot")


def hubspot() -> Destination:
    return Destination.of(HUBSPOT.api.base_url, HUBSPOT.api.hosts, HUBSPOT.api.closed_paths)


def based(base_url: str) -> Destination:
    return Destination.of(base_url, ["api.example"])


def problem_of(url: str, *, at: Destination | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        (at or hubspot()).of_url(url)
    return caught.value


@pytest.mark.parametrize(
    ("raw_path", "raw_query"),
    [
        ("/queues/%2F/a%2Fb/c%20d", None),
        ("/crm//v3", "ids=1&mode=x&ids=2&empty=&flag&p=a/b&q=a%2Fb&s=a+b&t=%7E~"),
        ("/files/a%2eb", "path=/x/y&u=http://h/p"),
        ("/a;b=1/...", "?&&=%"),
        ("/https://evil.example/x", None),
        ("//evil.example/x", None),
        ("/@evil.example/", None),
        ("/:8443@evil.example", None),
        ("/http:evil.example", None),
        ("/%252e%252e/x", None),
        ('/a"<>^`{|}', 'q="<>^`{|}\\'),
    ],
)
def test_prx_07_08_09_11_path_and_query_stay_as_written_on_the_providers_own_host(
    raw_path: str, raw_query: str | None
) -> None:
    target = hubspot().under_base(raw_path, raw_query)
    assert (target.host, target.port, target.raw_path, target.raw_query) == (
        "api.hubapi.com", 443, raw_path, raw_query,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("base_url", "raw_path", "expected"),
    [
        ("https://api.example/v3", "/contacts", "/v3/contacts"),
        ("https://api.example/v3/", "/contacts", "/v3/contacts"),
        ("https://api.example/v3", "/contacts/", "/v3/contacts/"),
        ("https://api.example/v3", "", "/v3"),
        ("https://api.example/v3/", "", "/v3/"),
        ("https://api.example/v3", "/", "/v3/"),
        ("https://api.example", "", "/"),
        ("https://api.example", "//x", "//x"),
    ],
)
def test_prx_31_a_path_is_put_after_the_base_as_it_is(base_url: str, raw_path: str, expected: str) -> None:
    assert based(base_url).under_base(raw_path, None).raw_path == expected


@pytest.mark.parametrize(
    ("base_url", "url", "expected"),
    [
        ("https://api.example/v3", "/contacts", "/v3/contacts"),
        ("https://api.example/v3/", "contacts", "/v3/contacts"),
        ("https://api.example/v3", "/contacts/?a=1", "/v3/contacts/?a=1"),
        ("https://api.example/v3", "https://api.example/other", "/other"),
        ("https://api.example/v3", "https://API.example:443/v3/x%2F", "/v3/x%2F"),
    ],
)
def test_prx_31_an_envelopes_url_is_a_path_under_the_base_or_absolute(
    base_url: str, url: str, expected: str
) -> None:
    assert based(base_url).of_url(url).raw_target == expected


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/a/../b",
        "/.",
        "/a/./b",
        "/%2e%2e/x",
        "/%2E./x",
        "/a%2f..%2fb",
        "/a%5c..%5cb",
        "/..;x/b",
        "/a\\b",
    ],
)
def test_a_path_that_a_server_could_read_as_another_is_refused(path: str) -> None:
    with pytest.raises(Problem) as caught:
        hubspot().under_base(path, None)
    assert (caught.value.status, caught.value.members) == (400, {"field": "path"})
    assert problem_of(path).members == {"field": "url"}
    assert problem_of("https://api.hubapi.com" + path).members == {"field": "url"}


NOT_ALLOWED = [
    "https://evil.example/x",
    "https://api.hubapi.com.evil.example/",
    "https://evilapi.hubapi.com/",
    "https://hubapi.com/",
    "https://api.hubapi.com:8443/",
    "https://169.254.169.254/latest/meta-data/",
    "https://127.0.0.1/",
    "https://localhost/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://10.0.0.5/",
]
NO_URLS = [
    "//evil.example/x",
    "///evil.example",
    "http://api.hubapi.com/x",
    "ftp://api.hubapi.com/",
    "file:///etc/passwd",
    "https:/evil.example",
    "https:evil.example",
    "http:evil.example",
    "javascript:alert(1)",
    "https://user@api.hubapi.com/",
    "https://api.hubapi.com@evil.example/",
    "https://api.hubapi.com:443@evil.example/",
    "https://api.hubapi.com\\@evil.example/",
    "https://evil.example\\.api.hubapi.com/",
    "/\\evil.example",
    "\\\\evil.example",
    "https://api.hubapi.com/#x",
    "/crm#x",
    "/crm x",
    "/crm\r\nHost: evil",
    "/crm/é",
    "https://api.hubapi.com/a\x00b",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://api.hubapi.com:0/",
    "https://api.hubapi.com:99999/",
    "https://",
    "https:///x",
    "https://api%2ehubapi.com/",
    "https://[::1/",
    "https://api.hubapi.com..evil.example/",
]


@pytest.mark.parametrize("url", NOT_ALLOWED)
def test_prx_36_another_host_is_not_allowed(url: str) -> None:
    problem = problem_of(url)
    assert (problem.code, problem.status, problem.members["field"]) == ("destination_not_allowed", 403, "url")


@pytest.mark.parametrize("url", NO_URLS)
def test_prx_11_what_parsers_disagree_about_is_no_url(url: str) -> None:
    problem = problem_of(url)
    assert (problem.code, problem.status, problem.members["field"]) == ("invalid_request", 400, "url")


@pytest.mark.parametrize(
    "path",
    [
        "/oauth",
        "/oauth.",
        "/oauth/v1/token",
        "/OAuth/v1/token",
        "/%6fauth/v1/token",
        "/%256fauth/v1/token",
        "/%25256Fauth/v1/token",
        "/oauth%2Fv1%2Ftoken",
        "/oauth%252Fv1",
        "//oauth/v1",
        "/oauth//v1",
        "/oauth;x=1/v1",
        "/;x/oauth/v1",
        "/oauth%3bx/v1",
        "/%ef%bd%8fauth/v1",
        "/crm/%252e%252e/oauth/v1",
        "/oauth%5cv1",
        "/appinstalls/v3/external-install",
        "/webhooks/v3/1/settings",
        "/webhooks-journal/x",
        "/%c1%afauth/v1",
        "/oauth%c0%afv1",
        "/%e0%81%afauth/v1",
        "/%f0%80%81%afauth/v1",
        "/x/%c0%ae%c0%ae/oauth/v1",
        "/%25c1%25afauth/v1",
        "/%u006fauth/v1",
        "/%uff4fauth%u002fv1",
        "/oauth%00/v1",
        "/%20oauth/v1",
        "/x/.%00./oauth/v1",
        "/o%c2%adauth/v1",
    ],
)
def test_closed_paths_are_closed_however_they_are_written(path: str) -> None:
    for call in (
        lambda: hubspot().under_base(path, None),
        lambda: hubspot().under_base(path, None, host="api.hubspot.com"),
        lambda: hubspot().of_url("https://api.hubapi.com" + path),
    ):
        with pytest.raises(Problem) as caught:
            call()
        assert (caught.value.code, caught.value.status) == ("destination_not_allowed", 403)


@pytest.mark.parametrize(
    "path",
    [
        "/crm/v3/oauth/",
        "/oauthx",
        "/webhook/",
        "/crm/v3/objects/contacts/a%2Fb",
        "/oauth-2",
        "/",
        "/%ud800/x",
        "/%f4%90%80%80/x",
    ],
)
def test_paths_that_only_look_alike_stay_open(path: str) -> None:
    assert hubspot().under_base(path, None).raw_path == path


@pytest.mark.parametrize("host", ["api.hsforms.com", "API.HSFORMS.com", "api.hsforms.com."])
def test_patchbay_host_names_another_allowed_host(host: str) -> None:
    target = hubspot().under_base("/submissions/v3", None, host=host)
    assert (target.host, target.port, target.scheme) == ("api.hsforms.com", 443, "https")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "api.hsforms.com:8443", "api.hsforms.com@evil.example", "127.0.0.1", "[::1]", "localhost",
        "169.254.169.254", "api.hsforms.com/", "https://api.hsforms.com", "", "api.hsforms.com.evil.example",
        "2130706433", "api.hsforms.com..",
    ],
)  # fmt: skip
def test_prx_36_patchbay_host_takes_no_other_host(host: str) -> None:
    with pytest.raises(Problem) as caught:
        hubspot().under_base("/x", None, host=host)
    assert (caught.value.code, caught.value.members) == (
        "destination_not_allowed",
        {"field": "Patchbay-Host"},
    )


def test_a_base_that_is_not_on_an_allowed_host_is_an_error_of_the_catalogue() -> None:
    with pytest.raises(InvalidUrl):
        Destination.of("https://api.example/v3", ["other.example"])


def test_a_long_query_passes_and_an_endless_one_does_not() -> None:
    query = "properties=" + "x" * 20_000
    assert hubspot().under_base("/crm", query).raw_query == query
    with pytest.raises(Problem):
        hubspot().under_base("/crm", "x" * 70_000)
