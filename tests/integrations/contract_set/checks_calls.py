"""Checks of calls to the provider's API through the served proxy: where they go, what they carry, what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from django.utils import timezone

from integrations import catalogue
from integrations.tokens.refresh import opened
from proxy import expired, retries
from proxy.peek import Peek
from tests.integrations.contract_set import signed
from tests.integrations.contract_set.placeholders import filled, filled_url, timed
from tests.integrations.contract_set.sent import check_fields, placed
from tests.integrations.contract_set.stage import host_of
from tests.integrations.contract_set.visit import Visit
from tests.provider_server import Answer, Received

_REFUSED = "destination_not_allowed"
#: not a host at all, for the proxy: the address itself is refused
_NOT_AN_ADDRESS = ("invalid_request", _REFUSED)


def check_hosts(visit: Visit) -> None:
    """The hosts are those of the file; whatever is near them is refused before anything is sent."""
    api = visit.replies["api"]
    values = visit.connection().config_values()
    assert catalogue.resolve_hosts(visit.provider, values) == set(api["hosts"])
    host = host_of(filled_url(api["request"]["url"], visit.values))
    assert host in api["hosts"]
    strange = [
        f"https://{host}.evil.example/",
        f"https://evil-{host}/",
        f"https://{host.partition('.')[0]}.evil.example/",
        f"http://{host}/",
        f"https://{host}:8443/",
        f"https://{host}@evil.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data/",
        *visit.replies.items("outside"),
    ]
    token = visit.replies.call("token")
    if token is not None:
        strange.append(filled_url(token["request"]["url"], visit.values))
    with visit.world(*(host_of(url) for url in strange if ":" not in host_of(url) and "@" not in url)):
        for url in strange:
            status, code = visit.asked_for(url)
            assert code in _NOT_AN_ADDRESS, f"{url} was answered with {status} {code}"
        assert visit.requests() == []


def check_closed(visit: Visit) -> None:
    """The addresses of the app's owner, which the entry closes to partners."""
    visit.connected()  # else every address is answered with 404
    with visit.world():
        for url in visit.replies["api"].get("closed", []):
            status, code = visit.asked_for(filled_url(url, visit.values))
            assert (url, code) == (url, _REFUSED), status
        assert visit.requests() == []
    rules = len(visit.provider.api.closed_paths)
    assert len(visit.replies["api"].get("closed", [])) >= rules, "each closed path needs an example"


def check_placement(visit: Visit) -> None:
    """A partner's call arrives with the customer's credential and the entry's fields, never with the partner's key."""
    url = filled_url(visit.replies["api"]["request"]["url"], visit.values)
    visit.connection()
    with visit.world():
        visit.stage.server.on("GET", url.partition("?")[0], Answer({"ok": "yes"}))
        for headers, query in [(None, ""), *_own_places(visit)]:
            visit.stage.server.requests.clear()
            reply = visit.sent_through(url, headers, query=query)
            assert reply.status == 200, f"{reply.status} {reply.body[:200]!r}"
            (arrived,) = visit.requests()
            _check_arrived(visit, arrived, url)


def _own_places(visit: Visit) -> list[tuple[dict[str, str], str]]:
    """The places in which the provider's own clients put their token, with the partner's key there."""
    found: list[tuple[dict[str, str], str]] = []
    for place in visit.provider.api.caller_credentials:
        if place.kind == "query":
            found.append(({}, f"{place.name}={visit.key}"))
        else:
            word = f"{place.scheme} " if place.scheme else ""
            found.append(({place.name: f"{word}{visit.key}"}, ""))
    return found


def _check_arrived(visit: Visit, arrived: Received, url: str) -> None:
    api = visit.replies["api"]
    credential = placed(api["sends"], visit.values)
    assert visit.key not in arrived.target
    assert not any(visit.key in value for _, value in arrived.headers)
    if signed.is_expected(api["sends"]):
        arrived = signed.verified(arrived, visit.values)
    assert arrived.url == url.partition("?")[0]
    assert arrived.query == {**_query_of(url), **credential.get("query", {})}
    check_fields(arrived, {**filled(api.get("headers", {}), visit.values), **credential.get("header", {})})


def _query_of(url: str) -> dict[str, str]:
    return Received("GET", f"/?{urlsplit(url).query}", (), b"").query


def check_expired(visit: Visit) -> None:
    """Each reply that means an expired token leads to a refresh and to the same call with the new one."""
    for reply in visit.replies.items("expired"):
        if visit.replies.call("refresh") is None:
            assert _is_told(visit, reply), f"status {reply['status']} does not say that the token expired"
        else:
            try:
                _check_replayed(visit, reply)
            except AssertionError:
                visit.forget()  # whose tokens are whose is not known any more
                raise


def _check_replayed(visit: Visit, reply: Mapping[str, Any]) -> None:
    url = filled_url(visit.replies["api"]["request"]["url"], visit.values)
    visit.age()
    with visit.world():
        visit.script(visit.replies["refresh"])
        visit.stage.server.on("GET", url.partition("?")[0], visit.answer(reply), Answer({"ok": "yes"}))
        got = visit.sent_through(url)
        calls = visit.stage.server.received(url.partition("?")[0])
    assert (got.status, len(calls)) == (200, 2), f"status {reply['status']} led to no second try"
    _check_arrived(visit, calls[0], url)
    visit.rotate()
    _check_arrived(visit, calls[1], url)


def _is_told(visit: Visit, reply: Mapping[str, Any]) -> bool:
    """Where nothing can be refreshed, by the proxy's own reading of the reply."""
    visit.age()
    rules = expired.signals(
        visit.provider.api, reply["status"], opened(visit.connection()), now=timezone.now()
    )

    async def document(**_: Any) -> Any:
        return reply.get("body")

    peek = SimpleNamespace(document=document, response=SimpleNamespace(status=reply["status"]))
    return bool(rules) and asyncio.run(expired.is_told(cast(Peek, peek), rules, ends=0.0))


def check_limits(visit: Visit) -> None:
    """Each reply that tells of too many calls: it passes, and how long it asks to wait."""
    api = visit.provider.api
    for number, reply in enumerate(visit.replies.items("limited")):
        now = timezone.now()
        headers, body = timed(reply.get("headers", {}), now), timed(reply.get("body"), now)
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        status = reply["status"]
        document = body if retries.wants_document(api, status) else None
        wait = retries.told_wait(api, status, fields, document, now=now)
        wanted = retries.LASTING if reply["wait"] == "lasting" else reply["wait"]
        assert (number, wait) == (number, wanted)
        if wanted != retries.LASTING:
            assert retries.is_temporary(api, status, fields, document, now=now)
