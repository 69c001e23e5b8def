from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from integrations.models import ConnectLink
from tests.integrations.pages.conftest import MakeLink

ALLOWED = "https://app.example.com"


def test_the_status_tells_state_and_uuid_and_never_the_identifier(
    browser: Client, make_link: MakeLink
) -> None:
    link, path = make_link()
    reply = browser.get(f"{path}/status")
    assert reply.status_code == 200
    assert reply["Cache-Control"] == "no-store"
    assert (reply.json()["status"], reply.json()["UUID"]) == ("pending", str(link.connection_id))
    assert "tenant" not in reply.content.decode()


@pytest.mark.parametrize(
    ("column", "state"), [("completed_at", "completed"), ("revoked_at", "revoked"), ("expires_at", "expired")]
)
def test_the_status_answers_after_use_and_expiry(
    browser: Client, make_link: MakeLink, column: str, state: str
) -> None:
    link, path = make_link()
    ConnectLink.objects.filter(pk=link.pk).update(**{column: timezone.now() - timedelta(seconds=1)})
    assert browser.get(f"{path}/status").json()["status"] == state


def test_only_the_partners_origins_may_read_the_status(browser: Client, make_link: MakeLink) -> None:
    path = make_link()[1] + "/status"
    reply = browser.get(path, headers={"Origin": ALLOWED})
    assert reply["Access-Control-Allow-Origin"] == ALLOWED
    assert "Origin" in reply["Vary"]
    assert "Access-Control-Allow-Credentials" not in reply
    for origin in ("https://evil.example", "null", "", ALLOWED + ".evil.example", "http://app.example.com"):
        reply = browser.get(path, headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in reply
        assert "Origin" in reply["Vary"]


def test_the_preflight_is_answered_for_the_partners_origins(browser: Client, make_link: MakeLink) -> None:
    path = make_link()[1] + "/status"
    asks = {"Access-Control-Request-Method": "GET"}
    reply = browser.options(path, headers={"Origin": ALLOWED, **asks})
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply["Access-Control-Allow-Origin"] == ALLOWED
    assert reply["Access-Control-Allow-Methods"] == "GET"
    assert "Access-Control-Allow-Origin" not in browser.options(
        path, headers={"Origin": "https://evil.example", **asks}
    )


def test_an_unknown_link_has_no_status(browser: Client, db: None) -> None:
    reply = browser.get("/connect/unknown/status", headers={"Origin": ALLOWED})
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
    assert "Access-Control-Allow-Origin" not in reply
