"""What every entry of the catalogue has to hold, shown with its file of replies. A new entry adds its own tests."""

from __future__ import annotations

import pytest

from integrations import catalogue
from integrations.catalogue import Provider
from tests.integrations.contract_set.checks import CHECKS, defect
from tests.integrations.contract_set.visit import Visit
from tests.integrations.contract_set.ways import WAYS

PROVIDERS = catalogue.all_providers()


def for_each_entry(check: str) -> pytest.MarkDecorator:
    """Every entry of a kind that the check is for."""
    params = [
        pytest.param(provider.id, id=provider.id, marks=marks_of(provider, check))
        for provider in PROVIDERS
        if provider.auth_kind in CHECKS[check].kinds
    ]
    return pytest.mark.parametrize("visit", params, indirect=True, scope="module")


def marks_of(provider: Provider, check: str) -> list[pytest.MarkDecorator]:
    reason = defect(provider, check)
    return [pytest.mark.xfail(reason=reason, strict=True)] if reason else []


@for_each_entry("authorize")
def test_the_authorize_url_has_exactly_these_parameters(visit: Visit) -> None:
    CHECKS["authorize"].run(visit)


@for_each_entry("callback")
def test_callbacks_of_others_are_refused(visit: Visit) -> None:
    CHECKS["callback"].run(visit)


@for_each_entry("exchange")
def test_the_token_request_is_exactly_this(visit: Visit) -> None:
    CHECKS["exchange"].run(visit)


@for_each_entry("stored")
def test_tokens_lifetimes_scopes_and_captured_values_are_stored(visit: Visit) -> None:
    CHECKS["stored"].run(visit)


@for_each_entry("identity")
def test_the_account_is_asked_for_exactly_so_and_learnt(visit: Visit) -> None:
    CHECKS["identity"].run(visit)


@for_each_entry("hosts")
def test_calls_go_to_the_hosts_of_the_provider_alone(visit: Visit) -> None:
    CHECKS["hosts"].run(visit)


@for_each_entry("closed")
def test_paths_of_the_app_s_owner_are_closed(visit: Visit) -> None:
    CHECKS["closed"].run(visit)


@for_each_entry("placement")
def test_a_call_carries_the_customer_s_credential_and_never_the_partner_s(visit: Visit) -> None:
    CHECKS["placement"].run(visit)


@for_each_entry("refresh")
def test_a_refresh_is_exactly_this_and_the_newest_pair_is_kept(visit: Visit) -> None:
    CHECKS["refresh"].run(visit)


@for_each_entry("expired")
def test_a_call_with_an_expired_token_is_made_again_with_a_fresh_one(visit: Visit) -> None:
    CHECKS["expired"].run(visit)


@for_each_entry("limits")
def test_too_many_calls_are_waited_for_as_the_provider_asks(visit: Visit) -> None:
    CHECKS["limits"].run(visit)


@for_each_entry("errors")
def test_failed_token_calls_are_judged_as_the_provider_means_them(visit: Visit) -> None:
    CHECKS["errors"].run(visit)


@for_each_entry("revocation")
def test_disconnecting_tells_the_provider_exactly_this(visit: Visit) -> None:
    CHECKS["revocation"].run(visit)


@pytest.mark.parametrize("provider", PROVIDERS, ids=[provider.id for provider in PROVIDERS])
def test_what_the_platform_connects_the_set_connects_as_a_customer_would(provider: Provider) -> None:
    """A kind that the platform has learnt needs its way in `ways.WAYS`, so that none is left out unseen."""
    assert provider.auth_kind in WAYS or not provider.is_supported
