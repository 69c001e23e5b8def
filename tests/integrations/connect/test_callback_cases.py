"""Callbacks that come in parallel, hold odd characters, or come back to something that has changed."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from django.db import DatabaseError
from django.db import connection as database_connection
from django.utils import timezone

from integrations import connect
from integrations.connect import LinkRequest
from integrations.errors import CallbackRefused
from integrations.models import AuthorizationAttempt, Connection, Integration
from integrations.models.connection import Status
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.connect.conftest import Browser, MakeLink, connection_of


@pytest.mark.django_db(transaction=True)
def test_cal_04_of_parallel_callbacks_one_exchanges_and_all_succeed(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    query = browser.consent(browser.leave(make_link()))
    at_sandbox.control("PATCH", "/_control/behaviour", {"tokenDelaySeconds": 0.5})
    outcomes: list[str] = []

    def come_back() -> None:
        try:
            outcomes.append(browser.come_back(query).outcome)
        finally:
            database_connection.close()

    threads = [threading.Thread(target=come_back) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert outcomes == ["connected"] * 4
    assert (
        len(at_sandbox.control("GET", "/_control/requests?path=/oauth/2026-09/token")) == 2
    )  # and introspect
    assert Connection.objects.count() == 1


@pytest.mark.django_db
def test_cal_08_a_code_is_decoded_once_and_encoded_once(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    query = parse_qs(browser.consent(browser.leave(make_link())))
    odd = urlencode({"code": "4/0AbC+d==", "state": query["state"][0]})
    browser.come_back(odd)
    sent = at_sandbox.control("GET", "/_control/requests?path=/oauth/2026-09/token")[0]
    assert "code=4%2F0AbC%2Bd%3D%3D" in sent["body"]


@pytest.mark.django_db
def test_cal_11_an_integration_that_is_gone_keeps_nothing(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, world: World
) -> None:
    query = browser.consent(browser.leave(make_link()))
    Integration.objects.filter(pk=world.integration.pk).update(is_enabled=False)
    finished = browser.come_back(query)
    assert (finished.outcome, finished.reason) == ("failed", "integration_gone")
    assert Connection.objects.exclude(access_token=None).count() == 0


@pytest.mark.django_db
def test_cal_11_a_new_integration_of_the_same_name_inherits_nothing(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, world: World
) -> None:
    query = browser.consent(browser.leave(make_link()))
    Connection.objects.all().delete()
    world.integration.delete()
    factories.integration()
    with pytest.raises(CallbackRefused) as refused:
        browser.come_back(query)
    assert refused.value.reason == "unknown_state"
    assert Connection.objects.count() == 0


@pytest.mark.django_db
def test_cal_15_hostile_error_text_is_capped_and_holds_no_line_ends(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    state = parse_qs(browser.leave(make_link()).split("?")[1])["state"][0]
    hostile = "<script>alert(1)</script>\r\nX:1" + "a" * 900
    finished = browser.come_back(
        urlencode({"error": "server_error", "error_description": hostile, "state": state})
    )
    assert finished.outcome == "failed"
    detail = AuthorizationAttempt.objects.get().outcome_detail
    assert len(detail) <= 500
    assert "\n" not in detail and "\r" not in detail


@pytest.mark.django_db
def test_cal_16_declared_callback_parameters_are_kept_and_checked(settings: Any) -> None:
    """QuickBooks tells its company in the callback only. A realm of an odd shape ends the attempt unasked."""
    quickbooks = factories.integration("qbdev", "quickbooks")
    partner = factories.partner()
    new = connect.create_link(partner, quickbooks, LinkRequest(foreign_identifier="c"), actor=ACTOR)
    browser = Browser()
    state = parse_qs(browser.leave(new).split("?")[1])["state"][0]
    finished = browser.come_back(urlencode({"code": "c", "state": state, "realmId": "../9130"}), slug="qbdev")
    assert (finished.outcome, finished.reason) == ("failed", "bad_parameter")


@pytest.mark.django_db
@pytest.mark.parametrize("broken", ["_write", "_spend"])
def test_cal_18_a_database_error_leaves_nothing_half_done(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    from integrations.connect import completion

    def fail(*_: Any) -> None:
        raise DatabaseError("disk full")

    new = make_link()
    query = browser.consent(browser.leave(new))
    monkeypatch.setattr(completion, broken, fail)
    finished = browser.come_back(query)
    assert (finished.outcome, finished.reason) == ("failed", "stored_failed")
    assert connection_of(new).status == Status.PENDING
    assert connection_of(new).access_token is None


@pytest.mark.django_db
def test_con_17_forty_unfinished_flows_leave_one_cookie_and_the_newest_still_finish(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    """One cookie a browser holds for all its attempts, so that nothing can pile up."""
    urls = [browser.leave(make_link(f"customer-{number}")) for number in range(40)]
    assert len(connect.browser_cookie()) + len(browser.secret) < 100
    for url in urls[-5:]:
        assert browser.come_back(browser.consent(url)).outcome == "connected"


@pytest.mark.django_db
def test_cal_03_nobody_waits_for_an_exchange_whose_process_is_gone(
    at_sandbox: Any, make_link: MakeLink, browser: Browser
) -> None:
    query = browser.consent(browser.leave(make_link()))
    AuthorizationAttempt.objects.update(
        claimed_at=timezone.now() - timedelta(minutes=3), outcome="exchanging"
    )
    begun = time.monotonic()
    finished = browser.come_back(query)
    assert (finished.outcome, finished.is_repeat) == ("failed", True)
    assert time.monotonic() - begun < 5


@pytest.mark.django_db
@pytest.mark.parametrize("own", ["a=1%2F2", "sig=%E9~%7E", "flag", "q=x+y", "a;b", "=", "a=1&a=2", ""])
def test_the_partners_own_query_comes_back_as_it_was_written(
    at_sandbox: Any, make_link: MakeLink, browser: Browser, own: str
) -> None:
    new = make_link(return_url=f"https://app.example.com/done?{own}&status=stale&%55UID=stale#end")
    url = connect.result_url(browser.walk(new))
    uuid = new.link.connection_id
    lead = f"{own}&" if own else "&"
    assert url == f"https://app.example.com/done?{lead}status=connected&UUID={uuid}#end"
