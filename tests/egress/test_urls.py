import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress.errors import DestinationRefused, InvalidUrl
from egress.hosts import HostRules
from egress.urls import MAX_URL_CHARACTERS, Target, check_raw_path, join_base, parse_url

RULES = HostRules.of(["api.good.example", "api.forms.example"])

HOSTILE = [
    # not absolute, or another scheme
    "",
    " ",
    "/",
    "//api.good.example/x",
    "///api.good.example/x",
    "api.good.example/x",
    "https:api.good.example",
    "https:/api.good.example/x",
    "https:///api.good.example/x",
    "https:\\\\api.good.example",
    "http://api.good.example/",
    "HTTP://api.good.example/",
    "ftp://api.good.example/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "javascript:alert(1)",
    "javascript://api.good.example/%0aalert(1)",
    "data:text/html,x",
    "ws://api.good.example/",
    "wss://api.good.example/",
    "unix:///var/run/docker.sock",
    "dict://127.0.0.1:11211/",
    "jar:https://api.good.example!/",
    "htt\tps://api.good.example/",
    "https\n://api.good.example/",
    " https://api.good.example/",
    "https://api.good.example/ ",
    "https ://api.good.example/",
    "https://",
    "https://?x",
    "https://#x",
    "https:// /",
    # user information and what looks like it
    "https://user@api.good.example/",
    "https://user:pass@api.good.example/",
    "https://@api.good.example/",
    "https://:@api.good.example/",
    "https://api.good.example@evil.example/",
    "https://api.good.example:443@evil.example/",
    "https://api.good.example%40evil.example/",
    "https://evil.example%23@api.good.example/",
    "https://a@b@api.good.example/",
    "https://api.good.example;@evil.example/",
    # backslashes, fragments, controls
    "https://api.good.example\\@evil.example/",
    "https://evil.example\\.api.good.example/",
    "https://api.good.example\\evil",
    "https:/\\api.good.example/",
    "https://api.good.example/a\\b",
    "https://api.good.example/\\evil.example",
    "https://api.good.example#@evil.example/",
    "https://api.good.example/#x",
    "https://api.good.example/a#",
    "https://api.good.example/?a#b",
    "https://api.good.example/a b",
    "https://api.good.example/a\tb",
    "https://api.good.example/a\r\nHost: evil.example",
    "https://api.good.example/\x00",
    "https://api.good.example/\x7f",
    "https://api.good.example/?a=\r\nX: 1",
    "https://api.good.example/?a b",
    "https://api.good.example\r\n/",
    "https://api.good.example\x00.evil.example/",
    "https://api.good\u200b.example/",
    "https://api.good.example/é",
    "https://api.good.example/?é",
    "https://api.good.example/\u2028",
    "https://api.good.example/\ud800",
    # hosts that are no names
    "https://./",
    "https://../",
    "https://.api.good.example/",
    "https://api..good.example/",
    "https://api.good.example../",
    "https://-api.good.example/",
    "https://api-.good.example/",
    "https://api.good.example-/",
    "https://api_x.good.example/",
    "https://*.good.example/",
    "https://api.good.example,evil.example/",
    "https://api.good.example;evil/",
    "https://api.good.example&evil/",
    "https://api.good.example|evil/",
    "https://api.good.example<evil/",
    "https://{host}.good.example/",
    "https://$host/",
    "https://api%2egood.example/",
    "https://%61pi.good.example/",
    "https://api.good.example%00/",
    "https://api.good.example%2f/",
    "https://api.good.example%2f@evil.example",
    f"https://{'a' * 64}.example/",
    f"https://{'a.' * 127}example/",
    # Unicode
    "https://api。good。example/",
    "https://api.good．example/",
    "https://ａｐｉ.good.example/",
    "https://ⓐpi.good.example/",
    "https://１２７.0.0.1/",
    "https://①②⑦.0.0.1/",
    "https://api.good.example\uff0fevil/",
    "https://api.good.example\uff1a443/",
    "https://\u212aube.example/",
    "https://ap\u0130.good.example/",
    "https://xn--/",
    "https://xn--a/",
    "https://xn--zzzzzz.example/",
    "https://xn--api-.example/",
    "https://♥.example/",
    "https://a\u0301\u0301\u200d.example/",
    "https://\u0301a.example/",
    # IPv4 in other spellings
    "https://2130706433/",
    "https://017700000001/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.01/",
    "https://0177.0.0.1/",
    "https://127.0.0.0x1/",
    "https://127.0.0.1.1/",
    "https://127.0.0.256/",
    "https://127.0.0.-1/",
    "https://127.0.0.1e0/ ",
    "https://a.b.127/",
    "https://example.0x/",
    "https://example.0/",
    "https://0/",
    "https://00000000000000000000/",
    # IPv6
    "https://[::1/",
    "https://::1]/",
    "https://::1/",
    "https://[]/",
    "https://[::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[fe80::1%25lo]/",
    "https://[::1]evil.example/",
    "https://[::1].evil.example/",
    "https://[127.0.0.1]/",
    "https://[api.good.example]/",
    "https://[v1.x]/",
    "https://[::ffff:0177.0.0.1]/",
    "https://[1:2:3:4:5:6:7:8:9]/",
    "https://[[::1]]/",
    "https://[::1]@evil.example/",
    # ports
    "https://api.good.example:/",
    "https://api.good.example:0/",
    "https://api.good.example:0443/",
    "https://api.good.example:65536/",
    "https://api.good.example:99999/",
    "https://api.good.example:-1/",
    "https://api.good.example:+443/",
    "https://api.good.example:4 43/",
    "https://api.good.example:٤٤٣/",
    "https://api.good.example:443:443/",
    "https://api.good.example:abc/",
    "https://api.good.example:443x/",
    "https://[::1]:/",
    "https://[::1]443/",
    # too long
    "https://api.good.example/" + "a" * MAX_URL_CHARACTERS,
]

# Well-formed, and still not a host that the rules name.
STRANGERS = [
    "https://evil.example/",
    "https://good.example/",
    "https://notapi.good.example/",
    "https://xapi.good.example/",
    "https://api.good.example.evil.example/",
    "https://api.good.examplevil/",
    "https://api.good.exampl/",
    "https://evil.example/api.good.example",
    "https://evil.example/?https://api.good.example/",
    "https://evil.example?@api.good.example/",
    "https://evil.example/@api.good.example/",
    "https://api.good.example:444/",
    "https://api.good.example:80/",
    "https://api.good.example:8443/",
    "https://www.api.good.example/",
    "https://127.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://localhost/",
    "https://metadata.google.internal/",
    "https://xn--pi-7cd.good.example/",
    "https://аpi.good.example/",  # a Cyrillic letter
]


def test_prx_36_the_hostile_tables_are_long() -> None:
    assert len(set(HOSTILE)) >= 120
    assert len(set(STRANGERS)) >= 20


@pytest.mark.parametrize("text", HOSTILE)
def test_prx_36_a_url_that_parsers_disagree_about_is_refused(text: str) -> None:
    with pytest.raises(InvalidUrl) as refused:
        parse_url(text)
    assert refused.value.reason.endswith(".")
    assert isinstance(refused.value, DestinationRefused)


@pytest.mark.parametrize("text", STRANGERS)
def test_prx_36_only_an_exact_host_is_allowed(text: str) -> None:
    assert not RULES.allows(parse_url(text))


@pytest.mark.parametrize(
    "text",
    [
        "https://api.good.example",
        "https://API.Good.Example/x",
        "HTTPS://api.good.example:443/x?y",
        "https://api.good.example./x",
        "https://api.forms.example/",
    ],
)
def test_spellings_of_an_allowed_host_are_allowed(text: str) -> None:
    assert RULES.allows(parse_url(text))


def test_plain_http_is_not_allowed_on_any_port() -> None:
    assert not RULES.allows(parse_url("http://api.good.example/", schemes=("http",)))
    assert not RULES.allows(parse_url("http://api.good.example:443/", schemes=("http",)))


@pytest.mark.parametrize(
    ("text", "host", "authority"),
    [
        ("https://BÜCHER.example/", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("https://8.8.8.8:8443/", "8.8.8.8", "8.8.8.8:8443"),
        ("https://[2606:4700:0::1111]/", "2606:4700::1111", "[2606:4700::1111]"),
        ("https://[2606:4700::1111]:444/", "2606:4700::1111", "[2606:4700::1111]:444"),
        ("https://localhost:65535", "localhost", "localhost:65535"),
        ("https://1.2.3.4./", "1.2.3.4", "1.2.3.4"),
        ("https://1e100.net/", "1e100.net", "1e100.net"),
        ("https://my--shop.example/", "my--shop.example", "my--shop.example"),
    ],
)
def test_the_host_comes_back_normalised(text: str, host: str, authority: str) -> None:
    target = parse_url(text)
    assert (target.host, target.authority) == (host, authority)
    assert parse_url(target.url) == target


@pytest.mark.parametrize(
    "raw_target",
    [
        "/queues/%2F/a%2Fb/c%20d",
        "/files/a%2eb?path=/x/y&u=http://h/p",
        "/x?ids=1&mode=x&ids=2&empty=&flag&p=a/b&q=a%2Fb&s=a+b&t=%7E~",
        "//double//slash/",
        "/%zz/%",
        "/a:b@c/!$&'()*+,;=[]{}|^`\"<>",
        "/x?a\\b",
        "/x?",
        "/x??a?b",
        "/crm/v3/objects/contacts/.../x",
        "/a..b/..c/d../.e",
    ],
)
def test_prx_07_08_09_path_and_query_keep_every_byte(raw_target: str) -> None:
    target = parse_url(f"https://api.good.example{raw_target}")
    assert target.raw_target == raw_target
    check_raw_path(target.raw_path)


@pytest.mark.parametrize(
    "raw_path",
    [
        "/.",
        "/..",
        "/./x",
        "/../x",
        "/a/../b",
        "/a/..",
        "/%2e",
        "/%2E%2e/x",
        "/.%2e/x",
        "/%2e./x",
        "/a%2F..",
        "/a%2f../b",
        "/a%2F..%2Fb",
        "/..%5c..%5cx",
        "/a%5C%2e%2e/b",
        "/a/..;/b",
        "/a/%2e%2e;v=1/b",
        "/..\\x",
        "/a\x00",
        "/a\nb",
        "/a b",
        "/\x7f",
    ],
)
def test_prx_11_dot_segments_and_control_bytes_are_refused(raw_path: str) -> None:
    with pytest.raises(InvalidUrl):
        check_raw_path(raw_path)


@pytest.mark.parametrize(
    "raw_path", ["/%252e%252e/x", "/a%252F../", "/...", "/a.b/c..d", "/%2ehidden", "/;../x"]
)
def test_names_that_only_resemble_dot_segments_pass(raw_path: str) -> None:
    check_raw_path(raw_path)


@pytest.mark.parametrize(
    ("base", "path", "expected"),
    [
        ("https://api.example/v3", "/contacts", "/v3/contacts"),
        ("https://api.example/v3", "contacts", "/v3/contacts"),
        ("https://api.example/v3", "/contacts/", "/v3/contacts/"),
        ("https://api.example/v3", "", "/v3"),
        ("https://api.example/v3/", "/contacts", "/v3/contacts"),
        ("https://api.example/v3/", "contacts", "/v3/contacts"),
        ("https://api.example/v3/", "/contacts/", "/v3/contacts/"),
        ("https://api.example/v3/", "", "/v3/"),
        ("https://api.example", "/a?b=c?d", "/a?b=c?d"),
        ("https://api.example", "?b", "/?b"),
        ("https://api.example", "", "/"),
    ],
)
def test_prx_31_a_path_goes_exactly_behind_its_base(base: str, path: str, expected: str) -> None:
    assert join_base(parse_url(base), path).raw_target == expected


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/x",
        "//evil.example/x",
        "///evil.example/x",
        "/\\evil.example",
        "\\\\evil.example",
        "@evil.example/",
        ":8443@evil.example",
        ":80/",
        ".evil.example/",
        "http:evil.example",
        "?@evil.example/",
        "#@evil.example/",
        "/../../x",
        "..%2f..%2fx",
    ],
)
@pytest.mark.parametrize("base", ["https://api.example", "https://api.example/v3", "https://api.example/v3/"])
def test_prx_11_no_text_leaves_the_base(base: str, path: str) -> None:
    parsed = parse_url(base)
    try:
        joined = join_base(parsed, path)
    except InvalidUrl:
        return
    assert joined.origin == parsed.origin
    assert joined.raw_path.startswith(parsed.raw_path.removesuffix("/"))


@given(st.text(max_size=60))
def test_prx_11_no_random_text_leaves_the_base(text: str) -> None:
    base = parse_url("https://api.example/v3")
    try:
        joined = join_base(base, text)
    except InvalidUrl:
        return
    assert joined.origin == base.origin
    assert joined.raw_path.startswith("/v3")


@given(st.text(alphabet=string.printable + "é\u3002\uff0f", max_size=40))
def test_con_19_a_host_part_typed_by_a_customer_cannot_move_the_origin(text: str) -> None:
    try:
        target = parse_url(f"https://{text}.shop.example/oauth")
    except InvalidUrl:
        return
    assert target.host.endswith(".shop.example") or "/" in text or "?" in text
    assert parse_url(target.url) == target


@pytest.mark.parametrize("text", ["evil.example/#", "a@evil.example", "", "a b", "a\\b", "%61"])
def test_con_19_odd_host_parts_are_refused(text: str) -> None:
    with pytest.raises(InvalidUrl):
        parse_url(f"https://{text}.shop.example/oauth")


def test_con_19_a_host_part_that_ends_the_host_is_seen_in_the_parsed_host() -> None:
    assert parse_url("https://evil.example:443/x?.shop.example/oauth").host == "evil.example"
    assert parse_url("https://my-shop-1.shop.example/oauth").host == "my-shop-1.shop.example"


def test_a_target_compares_by_value() -> None:
    assert parse_url("https://A.example") == Target("https", "a.example", 443, "/")
    assert hash(parse_url("https://a.example/")) == hash(parse_url("https://A.example:443"))
