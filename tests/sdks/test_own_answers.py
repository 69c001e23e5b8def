"""What SDKs make of the proxy's own answers, which have not the vendor's shape (RFC 9457)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stripe
from github import GithubException
from github.Requester import Requester
from google.auth.exceptions import RefreshError
from hubspot.crm.contacts import ApiException
from simple_salesforce.exceptions import SalesforceError
from slack_sdk.errors import SlackApiError

from tests.factories import World
from tests.proxy.servers import Served
from tests.sdks.conftest import Partner

pytestmark = pytest.mark.served
CALLS: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "hubspot-api-client": (
        lambda client: client.crm.contacts.basic_api.get_page(),
        ApiException,
        "not_authenticated",
    ),
    "slack_sdk": (lambda client: client.auth_test(), SlackApiError, "not_authenticated"),
    "stripe": (lambda client: client.v1.balance.retrieve(), stripe.APIError, "not_authenticated"),
    "simple-salesforce": (
        lambda client: client.query("SELECT Id FROM Account"),
        SalesforceError,
        "not_authenticated",
    ),
    "PyGithub": (lambda client: client.get_user().login, GithubException, "not_authenticated"),
    # It takes any 401 for an expired token, and cannot refresh one.
    "google-api-python-client": (
        lambda client: client.files().get(fileId="1").execute(),
        RefreshError,
        "refresh the access token",
    ),
}


@pytest.mark.parametrize("package", CALLS)
def test_a_wrong_key_raises_the_sdks_own_error(
    package: str, platform: Served, at: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, error, words = CALLS[package]
    partner = replace(Partner.of(platform, at), key="pbk_wrong")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # of Stripe's
    with contextlib.ExitStack() as stack:
        stack.callback(Requester.resetConnectionClasses)
        if package == "simple-salesforce":
            certificate = stack.enter_context(partner.behind_tls(tmp_path))
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        client = partner.sdk(package)["client"]
        if package in ("PyGithub", "google-api-python-client"):
            stack.callback(client.close)
        with pytest.raises(error, match=words):
            call(client)
