"""OAuth 1.0a: Trello's, whose side of each signature is checked by oauthlib's own verifier."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from integrations import connections, provider_calls, tokens
from integrations.models import AuthorizationAttempt, Connection
from integrations.models.connection import Status
from tests.factories import ACTOR
from tests.integrations.contract_set import signed
from tests.integrations.contract_set.signed import FORM, told
from tests.integrations.kinds.conftest import CLIENT_ID, CLIENT_SECRET, MakeVisitor, Visitor
from tests.provider_server import Answer, Received
from tests.proxy.servers import Served

REQUEST_TOKEN = "https://trello.com/1/OAuthGetRequestToken"
ACCESS_TOKEN = "https://trello.com/1/OAuthGetAccessToken"
ME = "https://api.trello.com/1/members/me"
TEMPORARY = ("temporary/token", "temporary-secret")
GRANTED = ("granted/token+1", "granted-secret&1")


def pairs_of(token: tuple[str, str], **more: str) -> bytes:
    return urlencode({"oauth_token": token[0], "oauth_token_secret": token[1], **more}).encode()


def is_signed(request: Received, *, token_secret: str) -> bool:
    """What the provider finds when it verifies the signature."""
    return signed.is_signed(
        request, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, token_secret=token_secret
    )


@pytest.fixture
def trello(visitor: MakeVisitor, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    made = visitor("trello", "--client-id", CLIENT_ID, secret=CLIENT_SECRET)
    made.server.on("POST", REQUEST_TOKEN, Answer(pairs_of(TEMPORARY, oauth_callback_confirmed="true")))
    made.server.on("POST", ACCESS_TOKEN, Answer(pairs_of(GRANTED)))
    person = {"id": "5a1", "fullName": "Ada", "username": "ada", "url": "https://trello.com/ada"}
    made.server.on("GET", ME, person)
    monkeypatch.setattr("egress.upstream_map.public_location", str)
    return made


def leave(at: Visitor) -> str:
    """Press the button; the address at the provider."""
    reply = at.send()
    assert reply.status_code == 200, reply.content
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', at.pages[-1])
    assert found, at.pages[-1]
    return html.unescape(found[1])


def state_of(at: Visitor) -> str:
    callback = told(at.server.received(REQUEST_TOKEN)[-1])["oauth_callback"]
    assert callback.startswith("http://localhost:8000/oauth/kind-dev/callback?state=")
    return dict(parse_qsl(urlsplit(callback).query))["state"]


def come_back(at: Visitor, **query: str) -> Any:
    pairs = {"state": state_of(at), "oauth_token": TEMPORARY[0], "oauth_verifier": "verifier-1", **query}
    kept = {name: value for name, value in pairs.items() if value}
    reply = at.web.get(f"/oauth/kind-dev/callback?{urlencode(kept)}")
    at.pages.append(reply.content.decode())
    return reply


def connected(at: Visitor) -> Connection:
    leave(at)
    assert 'data-outcome="connected"' in come_back(at).content.decode()
    return at.connection()


def test_the_customer_goes_to_the_provider_with_a_temporary_token(trello: Visitor) -> None:
    url = leave(trello)
    assert url.partition("?")[0] == "https://trello.com/1/OAuthAuthorizeToken"
    assert dict(parse_qsl(urlsplit(url).query)) == {
        "oauth_token": TEMPORARY[0],
        "expiration": "never",
        "scope": "read,write",
    }
    (call,) = trello.server.received(REQUEST_TOKEN)
    assert is_signed(call, token_secret="")
    assert (call.body, call.header("Content-Length")) == (b"", "0")


def test_the_verifier_becomes_a_grant_whose_pair_is_sealed(trello: Visitor, logs: Callable[[], str]) -> None:
    made = connected(trello)
    (call,) = trello.server.received(ACCESS_TOKEN)
    assert told(call)["oauth_verifier"] == "verifier-1" and told(call)["oauth_token"] == TEMPORARY[0]
    assert is_signed(call, token_secret=TEMPORARY[1])
    (probe,) = trello.server.received(ME)
    assert is_signed(probe, token_secret=GRANTED[1])
    assert (made.status, made.provider_account_id, made.provider_account_name) == (
        Status.ACTIVE,
        "5a1",
        "Ada",
    )
    assert made.provider_account_url == "https://trello.com/ada"
    assert (made.refresh_token, made.next_refresh_at) == (None, None)
    assert AuthorizationAttempt.objects.get().code_verifier is None
    kept = trello.traces() + logs()
    for secret in (TEMPORARY[1], GRANTED[0], GRANTED[1], "verifier-1", CLIENT_SECRET):
        assert secret not in kept, secret


def test_each_call_is_signed_anew_with_its_query_and_its_form(trello: Visitor, platform: Served) -> None:
    connected(trello)
    boards, cards = "https://api.trello.com/1/boards", "https://api.trello.com/1/cards"
    trello.server.on("GET", boards, {"boards": []})
    trello.server.on("POST", cards, {"id": "c"})
    auth = {"Authorization": f"Bearer {trello.at.api_key}"}
    for _ in range(2):
        sent = platform.call("GET", "/proxy/kind-dev/cust/boards?filter[x]=a+b&n=%2F&n=2", auth)
        assert sent.status == 200, sent.body
    form = {**auth, "Content-Type": f"{FORM}; charset=utf-8"}
    body = b"name=A%26B+c&desc=%C3%A9&name=again"
    for headers in (form, {**form, "Transfer-Encoding": "chunked"}):
        raw = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if "Transfer-Encoding" in headers else body
        lengths = {} if "Transfer-Encoding" in headers else {"Content-Length": str(len(body))}
        assert _call(platform, "/proxy/kind-dev/cust/cards", {**headers, **lengths}, raw).status == 200
    json_body = b'{"name": "x"}'
    as_json = {**auth, "Content-Type": "application/json", "Content-Length": str(len(json_body))}
    assert _call(platform, "/proxy/kind-dev/cust/cards", as_json, json_body).status == 200
    calls = [*trello.server.received(boards), *trello.server.received(cards)]
    assert len(calls) == 5 and all(is_signed(call, token_secret=GRANTED[1]) for call in calls)
    assert len({told(call)["oauth_nonce"] for call in calls}) == 5
    assert [call.target for call in calls[:2]] == ["/1/boards?filter[x]=a+b&n=%2F&n=2"] * 2
    assert [call.body for call in calls[2:]] == [body, body, json_body]


def _call(platform: Served, target: str, headers: dict[str, str], body: bytes) -> Any:
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **headers}.items())
    return platform.raw(f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + body, method="POST")


def test_a_retry_has_a_nonce_of_its_own(trello: Visitor, platform: Served) -> None:
    connected(trello)
    boards = "https://api.trello.com/1/boards"
    trello.server.on("GET", boards, Answer(status=503, headers={"Retry-After": "0"}), {"boards": []})
    auth = {"Authorization": f"Bearer {trello.at.api_key}", "Patchbay-Retries": "2"}
    assert platform.call("GET", "/proxy/kind-dev/cust/boards", auth).status == 200
    first, second = trello.server.received(boards)
    assert told(first)["oauth_nonce"] != told(second)["oauth_nonce"]
    assert is_signed(second, token_secret=GRANTED[1])


def test_a_form_that_is_too_long_to_be_signed_is_refused_unsent(trello: Visitor, platform: Served) -> None:
    connected(trello)
    asked = len(trello.server.requests)
    body = b"a=" + b"x" * 300_000
    headers = {
        "Authorization": f"Bearer {trello.at.api_key}",
        "Content-Type": FORM,
        "Content-Length": str(len(body)),
    }
    refused = _call(platform, "/proxy/kind-dev/cust/cards", headers, body)
    assert refused.status == 413 and b"a form may have 262,144 bytes" in refused.body
    assert len(trello.server.requests) == asked


def test_the_partners_key_may_stand_where_trellos_clients_put_theirs(
    trello: Visitor, platform: Served
) -> None:
    connected(trello)
    trello.server.on("GET", "https://api.trello.com/1/boards", {"boards": []})
    key = trello.at.api_key
    assert platform.call("GET", f"/proxy/kind-dev/cust/boards?key={key}&token={key}&x=1", {}).status == 200
    (call,) = trello.server.received("https://api.trello.com/1/boards")
    assert call.target == "/1/boards?x=1" and is_signed(call, token_secret=GRANTED[1])


@pytest.mark.parametrize(
    ("query", "outcome", "reason"),
    [
        ({"oauth_problem": "user_refused", "oauth_verifier": ""}, "denied", "denied"),
        ({"denied": TEMPORARY[0], "oauth_verifier": "", "oauth_token": ""}, "denied", "denied"),
        ({"oauth_problem": "additional_authorization_required"}, "failed", "error"),
        ({"oauth_token": "another"}, "failed", "bad_parameter"),
        ({"oauth_verifier": ""}, "failed", "bad_response"),
    ],
    ids=["problem", "denied", "other problem", "other token", "no verifier"],
)
def test_a_customer_who_comes_back_without_a_grant(
    trello: Visitor, query: dict[str, str], outcome: str, reason: str
) -> None:
    leave(trello)
    come_back(trello, **query)
    attempt = AuthorizationAttempt.objects.get()
    assert (attempt.outcome, attempt.outcome_reason) == (outcome, reason)
    assert not trello.server.received(ACCESS_TOKEN)
    assert f'data-outcome="{outcome}"' in trello.pages[-1]


def test_a_callback_of_another_browser_gets_nothing(trello: Visitor) -> None:
    leave(trello)
    state = state_of(trello)
    trello.web.cookies.clear()
    query = urlencode({"state": state, "oauth_token": TEMPORARY[0], "oauth_verifier": "verifier-1"})
    assert trello.web.get(f"/oauth/kind-dev/callback?{query}").status_code == 400
    assert not trello.server.received(ACCESS_TOKEN)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(pairs_of(TEMPORARY)), 400),
        (Answer(b"oauth_problem=consumer_key_unknown", status=401), 404),
        (Answer(status=503), 400),
        (Answer(status=302, headers={"Location": "https://evil.example/"}), 400),
    ],
    ids=["callback not confirmed", "unknown key", "unavailable", "redirect"],
)
def test_a_provider_that_gives_no_temporary_token_ends_the_way_there(
    trello: Visitor, answer: Answer, status: int
) -> None:
    trello.server.on("POST", REQUEST_TOKEN, answer)
    assert trello.send().status_code == status
    assert not AuthorizationAttempt.objects.exists()


def test_a_refused_verifier_is_told_and_nothing_is_kept(trello: Visitor) -> None:
    leave(trello)
    trello.server.on("POST", ACCESS_TOKEN, Answer(b"oauth_problem=token_rejected", status=401))
    come_back(trello)
    assert AuthorizationAttempt.objects.get().outcome_reason == "rejected"
    assert Connection.objects.get().access_token is None


def test_ending_a_connection_ends_the_token_by_a_signed_call(trello: Visitor) -> None:
    made = connected(trello)
    url = "https://api.trello.com/1/tokens/granted%2Ftoken%2B1"
    trello.server.on("DELETE", url, {})
    pending = connections.disconnect(made, actor=ACTOR)
    assert pending is not None
    connections.carry_out_revocation(pending)
    (call,) = trello.server.received(url)
    assert is_signed(call, token_secret=GRANTED[1])


def test_the_pair_is_one_text_for_whoever_may_read_tokens(trello: Visitor) -> None:
    made = connected(trello)
    pair = dict(parse_qsl(tokens.ensure_fresh(made.pk).secret.reveal()))
    assert pair == {"oauth_token": GRANTED[0], "oauth_token_secret": GRANTED[1]}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (Answer(pairs_of(TEMPORARY, oauth_callback_confirmed="true")), None),
        (Answer(b"oauth_problem=consumer_key_unknown", status=401), "client_secret"),
        (Answer(b"invalid key", status=401), "client_secret"),
    ],
    ids=["right", "unknown key", "no word of the problem"],
)
def test_staff_may_try_key_and_secret(trello: Visitor, answer: Answer, wrong: str | None) -> None:
    trello.server.on("POST", REQUEST_TOKEN, answer)
    trial = tried(trello)
    assert (trial.is_certain, trial.wrong) == (True, wrong)
    assert ("accepts" if wrong is None else "refuses") in trial.sentence


def test_a_provider_that_cannot_be_asked_says_nothing_of_key_and_secret(trello: Visitor) -> None:
    trello.server.on("POST", REQUEST_TOKEN, Answer(status=503))
    assert tried(trello).is_certain is False


def tried(at: Visitor) -> provider_calls.Trial:
    integration = at.at.integration
    return provider_calls.try_credentials(
        integration.provider,
        client=tokens.client_authentication(at.at.client),
        redirect_uri=integration.redirect_uri,
        values={},
    )
