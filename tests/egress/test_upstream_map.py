from typing import Any

import pytest

from egress.errors import InvalidUrl
from egress.upstream_map import Dial, public_location, resolve
from egress.urls import parse_url


@pytest.fixture(autouse=True)
def mapping(settings: Any) -> None:
    settings.UPSTREAM_MAP = {
        "https://API.provider.example:443": "http://127.0.0.1:9100",
        "https://login.provider.example": "http://localhost:9100/",
        "http://partner.example:8080": "http://[::1]:9200",
    }


def test_a_mapped_origin_dials_elsewhere_and_keeps_its_host() -> None:
    assert resolve(parse_url("https://api.provider.example/x?y")) == Dial(
        "http", "127.0.0.1", 9100, "api.provider.example", True
    )
    assert resolve(parse_url("http://partner.example:8080/", schemes=("http",))) == Dial(
        "http", "::1", 9200, "partner.example:8080", True
    )


@pytest.mark.parametrize(
    "url",
    ["https://api.provider.example:444/", "https://provider.example/", "https://xapi.provider.example/"],
)
def test_any_other_origin_dials_itself_and_may_not_be_loopback(url: str) -> None:
    target = parse_url(url)
    assert resolve(target) == Dial("https", target.host, target.port, target.authority, False)


def test_the_browser_is_sent_to_the_mapped_origin_with_the_same_path_and_query() -> None:
    location = public_location("https://login.provider.example/oauth/authorize?state=a%2Fb&scope=x+y")
    assert location == "http://localhost:9100/oauth/authorize?state=a%2Fb&scope=x+y"


def test_the_browser_is_sent_to_an_origin_that_is_not_mapped_as_it_is(settings: Any) -> None:
    url = "https://app.other.example/oauth/authorize?state=a%2Fb"
    assert public_location(url) == url
    settings.UPSTREAM_MAP = {}
    assert public_location(url) == url


@pytest.mark.parametrize("url", ["http://app.other.example/", "javascript:alert(1)", "//app.other.example/"])
def test_the_browser_is_never_sent_to_anything_but_https(url: str) -> None:
    with pytest.raises(InvalidUrl):
        public_location(url)


@pytest.mark.parametrize("value", ["127.0.0.1:9100", "http://127.0.0.1:9100/base", "ftp://127.0.0.1"])
def test_a_map_of_anything_but_origins_is_refused(value: str, settings: Any) -> None:
    settings.UPSTREAM_MAP = {"https://api.provider.example": value}
    with pytest.raises(InvalidUrl):
        resolve(parse_url("https://api.provider.example/"))
