"""What is kept of paths and queries: enough to tell calls apart, and nobody's address or secret."""

from __future__ import annotations

import base64
import random
import secrets
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.traffic import redaction
from proxy.traffic.redaction import MASK

KEPT_PATHS = [
    "",
    "/",
    "/crm/v3/objects/contacts",
    "/crm/v3/objects/contacts/51",
    "/crm/v4/objects/2-123456/1234567890123/associations/default",
    "/services/data/v58.0/sobjects/Account/0015g00000Kq4XAAA3",
    "/v1/customers/cus_NffrFeUfNV2Hib",
    "/repos/octo-org/hello-world-2026/pulls/12/files",
    "/admin/api/2026-10/products.json",
    "/files/5f0c0b7e-9d6a-4b0f-8a3f-6c1d2e4b7a90/content",
    "/v1.0/me/drive/root:/Reports/Q3%20sales.xlsx:/content",
    "/a//b/",
    "/with%2Fslash/x",
    "/rest/conversationsInboxAndMessages/listAllThreadsOfOneInbox",
    "/my-organization-of-2026/a-repository-with-words",
]
MASKED_PATHS = [
    ("/contacts/v1/contact/email/ann@example.com/profile", "/contacts/v1/contact/email/***/profile"),
    ("/contacts/ann%40example.com", "/contacts/***"),
    ("/contacts/ann%2540example.com", "/contacts/***"),
    ("/contacts/ann%252540example.com/x", "/contacts/***/x"),
    ("/contacts/ann%25252525252540example.com", "/contacts/***"),
    ("/calendars/a.b+c@x.example.com/events", "/calendars/***/events"),
    ("/lookup/+4915112345678", "/lookup/***"),
    ("/lookup/%2B4915112345678", "/lookup/***"),
    ("/oauth/v1/access-tokens/abc", "/oauth/v1/access-tokens/***"),
    ("/password/hunter2/x", "/password/***/x"),
    ("/users/1/api/Tokens/9", "/users/1/api/Tokens/***"),
    ("/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXXa1", "/services/T00000000/B00000000/***"),
    ("/x/pat-na1-5f0c0b7e-9d6a-4b0f-8a3f-6c1d2e4b7a90", "/x/***"),
    ("/x/na1-aaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "/x/***"),
    ("/x/xoxb-1-2-abc", "/x/***"),
    ("/x/ghp_16C7e42F292c6912E7710c838347Ae178B4a", "/x/***"),
    ("/x/sk_live_4eC39HqLyjWD", "/x/***"),
    ("/x/shpat_00000", "/x/***"),
    ("/x/eyJhbGciOiJIUzI1NiJ9.e30.abc", "/x/***"),
    ("/x;token=sk_test_1/y", "/***/y"),
    ("/x/sk_live_abc", "/x/***"),
    ("/x/CAccessToken-of-a-test-0123456789/y", "/x/***/y"),
    ("/x/2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "/x/***"),
    ("/x/%32%66%64%34e1c67a2d28fced849ee1bb76e7391b93eb12", "/x/***"),
    ("/x/AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGhIj", "/x/***"),
    ("/x/wJd48ZY_035RSNYwZUzTAnL2", "/x/***"),
    ("/x/rQUNzsIYDSSpViV_jMJyCLUWui_hiOUe", "/x/***"),
]
KEPT_QUERIES = [
    "",
    "limit=100&after=12345",
    "limit=100&limit=200",
    "page=2&per_page=50&sort=-created",
    "properties=email,firstname,lastname,hs_lead_status,lifecyclestage,custom_field_2",
    "%24top=5&$select=id,name",
    "archived=false&idProperty=email",
    "flag",
    "q=",
    "page%5Bsize%5D=5",
]
MASKED_QUERIES = [
    ("email=ann@example.com", "email=***"),
    ("q=ann", "q=***"),
    ("query=select+Id+from+Contact", "query=***"),
    ("hapikey=5f0c0b7e-9d6a-4b0f-8a3f-6c1d2e4b7a90&limit=1", "hapikey=***&limit=1"),
    ("access_token=x", "access_token=***"),
    ("ACCESS_TOKEN=x&Limit=2", "ACCESS_TOKEN=***&Limit=2"),
    ("a=1=2", "a=***"),
    ("limit=ann%40example.com", "limit=***"),
    ("limit=ann%2540example.com", "limit=***"),
    ("after=sk_live_4eC39HqLyjWD", "after=***"),
    ("cursor=" + "a1" * 20, "cursor=***"),
    ("properties=email,CAccessToken-of-a-test-0123456789", "properties=***"),
    ("limit=" + "1" * 201, "limit=***"),
    ("ann@example.com", "***"),
    ("CAccessToken-of-a-test-0123456789", "***"),
    ("CAccessToken-of-a-test-0123456789=1", "***"),
    ("%73k_live_4eC39Hq=1", "***"),
    ("state=xyz&code=abc", "state=***&code=***"),
    ("limit=1&&x=2", "limit=1&***&x=***"),
    ("sig%6Eature=x", "sig%6Eature=***"),
]


@pytest.mark.parametrize("raw", KEPT_PATHS)
def test_a_path_that_names_things_is_kept_as_it_was_sent(raw: str) -> None:
    assert redaction.path(raw) == raw


@pytest.mark.parametrize(("raw", "kept"), MASKED_PATHS)
def test_a_path_loses_addresses_and_secrets(raw: str, kept: str) -> None:
    assert redaction.path(raw) == kept


@pytest.mark.parametrize("raw", KEPT_QUERIES)
def test_a_query_that_pages_and_shapes_is_kept_as_it_was_sent(raw: str) -> None:
    assert redaction.query(raw) == raw


@pytest.mark.parametrize(("raw", "kept"), MASKED_QUERIES)
def test_a_query_loses_every_other_value(raw: str, kept: str) -> None:
    assert redaction.query(raw) == kept


@settings(derandomize=True)  # of millions of random words one may look like names
@given(st.integers(0, 2**32), st.integers(15, 64), st.integers(0, 3), st.sampled_from(["hex", "urlsafe"]))
def test_no_random_secret_is_kept_however_often_it_is_encoded(
    seed: int, length: int, times: int, alphabet: str
) -> None:
    raw = random.Random(seed).randbytes(length)
    secret = raw.hex() if alphabet == "hex" else base64.urlsafe_b64encode(raw).decode().rstrip("=")
    sent = secret
    for _ in range(times):
        sent = "".join(f"%{ord(character):02x}" for character in sent[:3]) + quote(sent[3:], safe="")
    assert secret not in redaction.path(f"/a/{sent}/b") and sent not in redaction.path(f"/a/{sent}/b")
    assert sent not in redaction.query(f"token={sent}&after={sent}&{sent}")


def test_our_own_keys_and_tokens_are_secrets_to_it() -> None:
    for prefix in ("pbk_", "pbt_", "pbs_", ""):
        assert redaction.path(f"/x/{prefix}{secrets.token_urlsafe(32)}") == f"/x/{MASK}"
