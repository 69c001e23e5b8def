"""Signatures against published and recomputed vectors, and the sender."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sandbox import signatures
from sandbox.testing import ControlFailed, RunningSandbox
from tests.sandbox.consent import App

PUBLISHED = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
WEBHOOK_URI = "https://www.example.com/webhook_uri"
SECRET = "1b2c3d4e-5f60-4718-8293-a4b5c6d7e8f9"
U = "https://hooks.example.test/in/hubspot"
TS = "1764000000000"
BODY_A = (
    b'[{"eventId":100,"subscriptionId":25,"portalId":62515,"appId":54321,"occurredAt":1764000000000,'
    b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW"}]'
)
BODY_B = (
    '[{"eventId":101,"subscriptionId":26,"portalId":62515,"appId":54321,"occurredAt":1764000000000,'
    '"subscriptionType":"contact.propertyChange","attemptNumber":1,"objectId":123,"propertyName":"firstname",'
    '"propertyValue":"Zoë 山田 🙂","changeSource":"CRM_UI"}]'
).encode()
ESCAPED = "?next=https%3A%2F%2Fapp.example.test%2Fa%20b&tag=%28x%29%2Cy%3Bz&and=%26&eq=%3D&pct=%25"
CARD = (
    "https://hooks.example.test/card?portalId=62515&userEmail=a.b%2Bc%40example.test&associatedObjectId=123"
)


def test_bodies_have_the_documented_sizes() -> None:
    assert (len(BODY_A), len(BODY_B)) == (206, 258)


def test_published_v1_vector() -> None:
    body = (
        b'[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,'
        b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM",'
        b'"changeFlag":"NEW","appId":54321}]'
    )
    assert (
        signatures.v1(PUBLISHED, body) == "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de"
    )


@pytest.mark.parametrize(
    ("method", "body", "expected"),
    [
        ("GET", b"", "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"),
        (
            "POST",
            b'{"example_field":"example_value"}',
            "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900",
        ),
    ],
)
def test_published_v2_vectors(method: str, body: bytes, expected: str) -> None:
    assert signatures.v2(PUBLISHED, method, WEBHOOK_URI, body) == expected


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("1693657560000", "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
        ("1700000300000", "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),
    ],
)
def test_published_v3_vectors(timestamp: str, expected: str) -> None:
    body = b"{'example_field':'example_value'}"
    assert signatures.v3(PUBLISHED, "POST", WEBHOOK_URI, body, timestamp=timestamp) == expected


@pytest.mark.parametrize(
    ("method", "uri", "body", "expected"),
    [
        ("POST", U, BODY_A, "rcBK1RFAMjUHSWggHn0NikLWPqELL0MnHH+gFUMFPsI="),
        ("POST", U, BODY_B, "T0cMymPNjiykA8fN2UxuD+Xma8XwY0Vv6tpTNXxRXo8="),
        ("POST", U + ESCAPED, BODY_A, "yKEGd5GkwUFDNLId4ikH990LBL3p0+PXX1ff5v3nUHw="),
        (
            "POST",
            U + ESCAPED.replace("%3A%2F%2F", "%3a%2f%2f"),
            BODY_A,
            "yKEGd5GkwUFDNLId4ikH990LBL3p0+PXX1ff5v3nUHw=",
        ),
        ("GET", CARD, b"", "Xsh7Uu2oNXftrYhudaMEoP4LADe0eFkrj7PRuvremds="),
        ("POST", U.replace("https", "http"), BODY_A, "jhA4nqjrP6fvZI9a9LlNx66qfFRLoRnaDQzrCu5h6J4="),
    ],
)
def test_recomputed_v3_vectors(method: str, uri: str, body: bytes, expected: str) -> None:
    assert signatures.v3(SECRET, method, uri, body, timestamp=TS) == expected


def test_recomputed_v1_and_v2_vectors() -> None:
    assert (
        signatures.v2(SECRET, "POST", U, BODY_A)
        == "ee0d46f95d6f8c28852b392b859da2a676c5766d91dd26626f619aa9e46f1b17"
    )
    assert signatures.v1(SECRET, BODY_A) == "a6ad799a806981f2fbbc373dc49b121b363ede52c05c71cc91053153f801f34e"
    assert signatures.v1(SECRET, BODY_B) == "30643bfb95867b11a6d5cefc7b1df85086261f67d07c89c34b35146a19b743a2"


def test_reserialised_body_signs_differently() -> None:
    ascii_body = json.dumps(json.loads(BODY_B), separators=(",", ":")).encode()
    assert (
        signatures.v3(SECRET, "POST", U, ascii_body, timestamp=TS)
        == "lv5MxSN05SYazx8e0xOcUbk6hf9aBoDm5ofvfGOY4ck="
    )


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent; answers with the statuses in turn, the last one for good."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = statuses
        self.received: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/in/hubspot"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver([204])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_sender_fills_events_in_and_signs_what_it_sends(
    sandbox: RunningSandbox, app: App, receiver: Receiver
) -> None:
    body = {
        "url": receiver.url,
        "events": [{"portalId": 5, "propertyValue": "Zoë 🙂"}, {}],
        "signature": "v3",
    }
    assert sandbox.control("POST", "/_control/webhooks", body) == {"status": 204}
    [(headers, sent)] = receiver.received
    first, second = json.loads(sent)
    assert (first["portalId"], first["appId"]) == (5, app["appId"])
    assert {
        "eventId",
        "subscriptionId",
        "occurredAt",
        "subscriptionType",
        "attemptNumber",
        "objectId",
    } <= set(second)
    assert "Zoë 🙂".encode() in sent
    stamp = headers["x-hubspot-request-timestamp"]
    secret = app["clientSecret"]
    assert headers["x-hubspot-signature-v3"] == signatures.v3(
        secret, "POST", receiver.url, sent, timestamp=stamp
    )
    assert headers["x-hubspot-signature"] == signatures.v1(secret, sent)
    assert headers["x-hubspot-signature-version"] == "v1"


def test_v2_signs_the_url_that_the_platform_is_known_by(
    sandbox: RunningSandbox, app: App, receiver: Receiver
) -> None:
    body = {
        "url": receiver.url,
        "signedUrl": U,
        "events": [{}],
        "signature": "v2",
        "clientId": app["clientId"],
    }
    sandbox.control("POST", "/_control/webhooks", body)
    [(headers, sent)] = receiver.received
    assert headers["x-hubspot-signature"] == signatures.v2(app["clientSecret"], "POST", U, sent)
    assert "x-hubspot-signature-v3" not in headers


def test_duplicate_shuffle_and_stale(sandbox: RunningSandbox, app: App, receiver: Receiver) -> None:
    body = {"url": receiver.url, "events": [{"objectId": 1}, {"objectId": 2}]}
    body |= {"duplicate": True, "shuffle": True, "stale": True}
    sandbox.control("POST", "/_control/webhooks", body)
    (headers, sent), (_, again) = receiver.received
    assert sent == again
    assert [event["objectId"] for event in json.loads(sent)] == [2, 1]
    age_ms = sandbox.world.now() * 1000 - int(headers["x-hubspot-request-timestamp"])
    assert age_ms > 5 * 60 * 1000


def test_attempts_are_repeated_until_a_2xx(sandbox: RunningSandbox, app: App, receiver: Receiver) -> None:
    receiver.statuses = [500, 503, 200]
    body = {"url": receiver.url, "events": [{}], "attempts": 5}
    assert sandbox.control("POST", "/_control/webhooks", body) == {"status": 200}
    assert [json.loads(sent)[0]["attemptNumber"] for _, sent in receiver.received] == [0, 1, 2]


def test_unreachable_url_is_status_0(sandbox: RunningSandbox, app: App, receiver: Receiver) -> None:
    url = receiver.url
    receiver.shutdown()
    receiver.server_close()
    reply = sandbox.control("POST", "/_control/webhooks", {"url": url, "events": [{}]})
    assert reply["status"] == 0


NOWHERE = "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "ftp://x/y", "events": [{}]},
        {"url": "http://x/ y", "events": [{}]},
        {"url": "http://[", "events": [{}]},
        {"url": NOWHERE, "events": []},
        {"url": NOWHERE, "events": [1]},
        {"url": NOWHERE, "events": [{}], "signature": "v4"},
        {"url": NOWHERE, "events": [{}], "sign": "v3"},
        {"url": NOWHERE, "events": [{}], "attempts": 0},
    ],
)
def test_nonsense_is_refused(sandbox: RunningSandbox, app: App, body: dict[str, Any]) -> None:
    with pytest.raises(ControlFailed, match=": 400 "):
        sandbox.control("POST", "/_control/webhooks", body)
