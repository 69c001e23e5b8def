"""What every reply carries."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def test_a_public_site_on_https_says_so_behind_an_edge_that_ends_tls(client: Client, settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000
    assert client.get("/nowhere")["Strict-Transport-Security"] == "max-age=31536000"


def test_a_development_site_does_not(client: Client) -> None:
    assert "Strict-Transport-Security" not in client.get("/nowhere")


def test_each_reply_has_a_request_id_of_its_own_that_no_caller_chooses(client: Client) -> None:
    ids = {client.get("/nowhere", headers={"X-Request-Id": "forged"})["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3
    assert "forged" not in ids
