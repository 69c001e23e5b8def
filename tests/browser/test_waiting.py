"""Links that were left lying."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest

from tests.browser.partner_app import PartnerApp
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.served, pytest.mark.xdist_group("browser")]


def test_a_link_that_ran_out_says_so_before_and_after_the_button(
    visitor: Visitor, partner_app: PartnerApp, link_of_a_minute: dict[str, Any]
) -> None:
    """Runs last, so that most of the shortest lifetime has passed meanwhile."""
    page = visitor.page
    page.goto(link_of_a_minute["url"])
    button = page.get_by_role("button", name="Continue to HubSpot")
    if partner_app.link_state(link_of_a_minute) == "opened":
        time.sleep(max(0, datetime.fromisoformat(link_of_a_minute["expiresAt"]).timestamp() - time.time()))
        button.click()
        page.get_by_role("heading", name="This link has expired").wait_for()
    visitor.open(link_of_a_minute["url"], status=410)
    page.get_by_role("heading", name="This link has expired").wait_for()
    visitor.look("connect-expired")
    assert partner_app.link_state(link_of_a_minute) == "expired"
