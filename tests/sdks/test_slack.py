"""slack_sdk, unchanged, through the passthrough to a server that answers as docs.slack.dev shows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.provider_server import Answer
from tests.sdks.conftest import Connect
from tests.sdks.vendor import REFRESH, Vendor

pytestmark = pytest.mark.served
AUTH = {
    "ok": True,
    "url": "https://acme.slack.com/",
    "team": "Acme",
    "user": "bot",
    "team_id": "T1",
    "user_id": "U1",
}


def channel(number: int) -> dict[str, Any]:
    return {"id": f"C{number}", "name": f"channel-{number}", "is_channel": True}


@pytest.fixture
def slack(connect: Connect) -> tuple[Vendor, WebClient]:
    vendor, partner = connect(
        "slack",
        "https://slack.com/api",
        token_endpoint="https://slack.com/api/oauth.v2.access",
        expired=Answer({"ok": False, "error": "token_expired"}),
    )
    return vendor, partner.sdk("slack_sdk")["client"]


def test_slacks_client_reads_writes_and_pages_by_cursor(slack: tuple[Vendor, WebClient]) -> None:
    vendor, client = slack
    vendor.on("POST", "/auth.test", AUTH)
    assert client.auth_test()["team_id"] == "T1"

    vendor.on("POST", "/chat.postMessage", {"ok": True, "channel": "C1", "ts": "1700000000.000100"})
    sent = client.chat_postMessage(channel="C1", text="Grüße & 9007199254740993")
    assert sent["ts"] == "1700000000.000100"
    assert json.loads(vendor.received("/chat.postMessage")[0].body)["text"] == "Grüße & 9007199254740993"

    pages: list[Any] = [
        {"ok": True, "channels": [channel(1)], "response_metadata": {"next_cursor": "dGVhbTpDMQ=="}},
        {"ok": True, "channels": [channel(2)], "response_metadata": {"next_cursor": ""}},
    ]
    for method in ("GET", "POST"):
        vendor.on(method, "/conversations.list", *pages)
    found = [row["id"] for page in client.conversations_list(limit=1) for row in page["channels"]]
    assert found == ["C1", "C2"]
    second = vendor.received("/conversations.list")[1]
    assert "dGVhbTpDMQ%3D%3D" in second.target + second.body.decode()


def test_slacks_client_uploads_a_file_to_the_address_that_slack_hands_out(
    slack: tuple[Vendor, WebClient],
) -> None:
    vendor, client = slack
    server = vendor.server
    address = f"{server.url}/upload/v1/ABC"
    for method in ("GET", "POST"):
        vendor.on(method, "/files.getUploadURLExternal", {"ok": True, "upload_url": address, "file_id": "F1"})
    server.on("POST", f"https://{server.url.removeprefix('http://')}/upload/v1/ABC", Answer(b"OK - 9"))
    vendor.on(
        "POST", "/files.completeUploadExternal", {"ok": True, "files": [{"id": "F1", "title": "a.txt"}]}
    )
    done = client.files_upload_v2(channel="C1", content=b"\x00\xff bytes", filename="a.bin")
    assert done["files"][0]["id"] == "F1"
    (upload,) = [request for request in server.requests if "/upload/" in request.target]
    assert upload.body == b"\x00\xff bytes"
    assert upload.header("Authorization") is None


def test_slacks_client_raises_its_own_error_with_slacks_word(slack: tuple[Vendor, WebClient]) -> None:
    vendor, client = slack
    vendor.on("POST", "/chat.postMessage", {"ok": False, "error": "channel_not_found"})
    with pytest.raises(SlackApiError, match="channel_not_found") as caught:
        client.chat_postMessage(channel="C9", text="?")
    assert caught.value.response["error"] == "channel_not_found"


def test_prx_29_slacks_client_waits_as_slack_asks_and_tries_again(slack: tuple[Vendor, WebClient]) -> None:
    vendor, client = slack
    limited = Answer({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "1"})
    vendor.on("POST", "/auth.test", limited, AUTH)
    assert client.auth_test()["team"] == "Acme"
    assert len(vendor.received("/auth.test")) == 2


def test_slacks_client_does_not_notice_that_its_token_expired(slack: tuple[Vendor, WebClient]) -> None:
    vendor, client = slack
    vendor.on("POST", "/auth.test", AUTH)
    client.auth_test()
    vendor.expire(ok=True, refresh_token="xoxe-1-next", expires_in=43_200)
    assert client.auth_test()["team_id"] == "T1"
    assert vendor.refreshes == 1
    asked = vendor.server.received("https://slack.com/api/oauth.v2.access")[0].form
    assert (asked["grant_type"], asked["refresh_token"]) == ("refresh_token", REFRESH)
