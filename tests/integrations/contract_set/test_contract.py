"""What every entry of the catalogue has to hold, shown with its file of replies. A new entry adds its own tests."""

from __future__ import annotations

import pytest

from integrations import catalogue
from tests.integrations.contract_set import checks_calls, checks_connecting, checks_tokens
from tests.integrations.contract_set.visit import Visit

PROVIDERS = [provider.id for provider in catalogue.all_providers()]


def for_each_entry(**defects: str) -> pytest.MarkDecorator:
    """defects: what the platform gets wrong with an entry, by its id; the day it does not, this says so."""
    params = [
        pytest.param(
            name, marks=pytest.mark.xfail(reason=defects[name], strict=True) if name in defects else ()
        )
        for name in PROVIDERS
    ]
    return pytest.mark.parametrize("visit", params, indirect=True, scope="module", ids=PROVIDERS)


_EXTRAS = "the proxy fills header templates without what the identity call has told"


@for_each_entry()
def test_the_authorize_url_has_exactly_these_parameters(visit: Visit) -> None:
    checks_connecting.check_authorize(visit)


@for_each_entry()
def test_callbacks_of_others_are_refused(visit: Visit) -> None:
    checks_connecting.check_callback(visit)


@for_each_entry()
def test_the_token_request_is_exactly_this(visit: Visit) -> None:
    checks_connecting.check_exchange(visit)


@for_each_entry()
def test_tokens_lifetimes_scopes_and_captured_values_are_stored(visit: Visit) -> None:
    checks_connecting.check_stored(visit)


@for_each_entry()
def test_the_account_is_asked_for_exactly_so_and_learnt(visit: Visit) -> None:
    checks_connecting.check_identity(visit)


@for_each_entry()
def test_calls_go_to_the_hosts_of_the_provider_alone(visit: Visit) -> None:
    checks_calls.check_hosts(visit)


@for_each_entry()
def test_paths_of_the_app_s_owner_are_closed(visit: Visit) -> None:
    checks_calls.check_closed(visit)


@for_each_entry(xero=_EXTRAS, procore=_EXTRAS)
def test_a_call_carries_the_customer_s_credential_and_never_the_partner_s(visit: Visit) -> None:
    checks_calls.check_placement(visit)


@for_each_entry()
def test_a_refresh_is_exactly_this_and_the_newest_pair_is_kept(visit: Visit) -> None:
    checks_tokens.check_refresh(visit)


@for_each_entry(xero=_EXTRAS, procore=_EXTRAS)
def test_a_call_with_an_expired_token_is_made_again_with_a_fresh_one(visit: Visit) -> None:
    checks_calls.check_expired(visit)


@for_each_entry()
def test_too_many_calls_are_waited_for_as_the_provider_asks(visit: Visit) -> None:
    checks_calls.check_limits(visit)


@for_each_entry()
def test_failed_token_calls_are_judged_as_the_provider_means_them(visit: Visit) -> None:
    checks_tokens.check_errors(visit)


@for_each_entry(
    stripe="header templates of a revocation are not filled, nor is client_id known to its params"
)
def test_disconnecting_tells_the_provider_exactly_this(visit: Visit) -> None:
    checks_tokens.check_revocation(visit)
