"""stripe, unchanged, through the passthrough to a server that answers as docs.stripe.com shows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import stripe

from tests.provider_server import Answer
from tests.sdks.conftest import Connect
from tests.sdks.vendor import Vendor

pytestmark = pytest.mark.served
FILES = "https://files.stripe.com"


def customer(number: int) -> dict[str, Any]:
    return {"id": f"cus_{number}", "object": "customer", "email": f"c{number}@example.com", "balance": 0}


def refusal(status: int, **members: Any) -> Answer:
    return Answer({"error": members}, status=status, headers={"Request-Id": "req_1"})


@pytest.fixture
def made(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[Vendor, stripe.StripeClient, Any]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # the SDK writes an id of its own there
    vendor, partner = connect(
        "stripe",
        "https://api.stripe.com",
        token_endpoint="https://connect.stripe.com/oauth/token",
        expired=refusal(401, code="api_key_expired", type="invalid_request_error", message="Expired API Key"),
        stripe_user_id="acct_1",
    )
    names = partner.sdk("stripe")
    return vendor, names["client"], names["TO_FILES"]


def test_stripes_client_reads_writes_and_pages(made: tuple[Vendor, stripe.StripeClient, Any]) -> None:
    vendor, client, _ = made
    vendor.on("POST", "/v1/customers", customer(1))
    vendor.on("GET", "/v1/customers/cus_1", customer(1))
    written = client.v1.customers.create(
        {"email": "c1+x@example.com", "metadata": {"a b": "ü&="}, "preferred_locales": ["de", "fr"]}
    )
    assert client.v1.customers.retrieve(written.id).email == "c1@example.com"
    (sent,) = vendor.received("/v1/customers")
    assert parse_qsl(sent.body.decode()) == [
        ("email", "c1+x@example.com"),
        ("metadata[a b]", "ü&="),
        ("preferred_locales[0]", "de"),
        ("preferred_locales[1]", "fr"),
    ]
    assert sent.header("Idempotency-Key")

    listed = {"object": "list", "url": "/v1/customers"}
    vendor.on(
        "GET",
        "/v1/customers",
        {**listed, "data": [customer(1), customer(2)], "has_more": True},
        {**listed, "data": [customer(3)], "has_more": False},
    )
    found = [row.id for row in client.v1.customers.list({"limit": 2}).auto_paging_iter()]
    assert found == ["cus_1", "cus_2", "cus_3"]
    assert vendor.received("/v1/customers")[-1].query == {"limit": "2", "starting_after": "cus_2"}


def test_stripes_client_uploads_to_the_host_for_files(made: tuple[Vendor, stripe.StripeClient, Any]) -> None:
    vendor, client, to_files = made
    vendor.on("POST", "/v1/files", {"id": "file_1", "object": "file", "size": 9}, origin=FILES)
    content = io.BytesIO(b"\x00\xff picture")
    content.name = "a.png"  # the SDK names the part by it
    done = client.v1.files.create({"purpose": "dispute_evidence", "file": content}, to_files)
    assert done.id == "file_1"
    (sent,) = vendor.received("/v1/files", origin=FILES)
    assert b"\x00\xff picture" in sent.body
    assert str(sent.header("Content-Type")).startswith("multipart/form-data")


def test_stripes_client_raises_its_own_error_with_stripes_message(
    made: tuple[Vendor, stripe.StripeClient, Any],
) -> None:
    vendor, client, _ = made
    message = "Your card was declined."
    vendor.on("POST", "/v1/charges", refusal(402, type="card_error", code="card_declined", message=message))
    with pytest.raises(stripe.CardError, match=message) as caught:
        client.v1.charges.create({"amount": 1, "currency": "eur"})
    assert (caught.value.code, caught.value.request_id) == ("card_declined", "req_1")


def test_prx_29_stripes_client_tries_again_when_stripe_says_so(
    made: tuple[Vendor, stripe.StripeClient, Any],
) -> None:
    vendor, client, _ = made
    limited = Answer(
        {"error": {"type": "invalid_request_error", "code": "lock_timeout", "message": "slow down"}},
        status=429,
        headers={"Stripe-Should-Retry": "true"},
    )
    vendor.on("POST", "/v1/customers", limited, customer(1))
    assert client.v1.customers.create({"email": "a@example.com"}).id == "cus_1"
    first, second = vendor.received("/v1/customers")
    assert first.header("Idempotency-Key") == second.header("Idempotency-Key")


def test_the_proxy_repeats_for_stripes_client_what_it_would_not(
    made: tuple[Vendor, stripe.StripeClient, Any],
) -> None:
    vendor, client, _ = made
    limited = Answer(
        {"error": {"type": "rate_limit", "message": "slow down"}}, status=429, headers={"Retry-After": "1"}
    )
    vendor.on("GET", "/v1/balance", limited, {"object": "balance", "livemode": False}, limited)
    asked = {"headers": {"Patchbay-Retries": "1"}}
    assert client.v1.balance.retrieve(options=asked).object == "balance"  # type: ignore[arg-type]
    with pytest.raises(stripe.RateLimitError, match="slow down"):
        client.v1.balance.retrieve()
    assert len(vendor.received("/v1/balance")) == 3


def test_stripes_client_does_not_notice_that_its_token_expired(
    made: tuple[Vendor, stripe.StripeClient, Any],
) -> None:
    vendor, client, _ = made
    vendor.on("POST", "/v1/customers", customer(1))
    vendor.expire(stripe_user_id="acct_1", scope="read_write")
    assert client.v1.customers.create({"email": "a@example.com"}).id == "cus_1"
    assert vendor.refreshes == 1
