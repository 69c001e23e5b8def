"""Who gets `/metrics`: the bearer of its token, and nobody else; where there is no token it is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from integrations.models import Connection
from tests.egress.servers import replying
from tests.factories import World
from tests.proxy.calls import bearer, problem, reply
from tests.proxy.conftest import Serve
from tests.proxy.observation.conftest import TOKEN
from tests.proxy.observation.scraping import scrape
from tests.proxy.servers import Served
from tests.suite import ROOT

pytestmark = pytest.mark.served


def test_the_bearer_of_the_token_gets_text(metered: Served) -> None:
    found = scrape(metered)
    assert found.status == 200
    assert found.get("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    assert found.get("Cache-Control") == "no-store"
    assert b"# TYPE patchbay_web_processes gauge\npatchbay_web_processes 1.0\n" in found.body.replace(
        b"# HELP patchbay_web_processes Web processes of this host that are alive.\n", b""
    )


def test_who_accepts_openmetrics_gets_openmetrics(metered: Served) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5"
    found = scrape(metered, Accept=accept)
    assert (found.get("Content-Type") or "").startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name for family in text_string_to_metric_families(found.body.decode())}
    assert {"patchbay_proxy_requests", "patchbay_event_loop_lag_seconds"} <= families
    assert found.body.endswith(b"# EOF\n")


ACCEPTED = {
    "application/openmetrics-text": True,
    "text/plain;q=0.5, Application/OpenMetrics-Text; version=1.0.0; escaping=allow-utf-8;q=0.6": True,
    "application/openmetrics-text; version=abc": True,
    "application/openmetrics-text;version=99.0.0\xe9": True,
    "application/openmetrics-text;q=0, text/plain": False,
    "application/openmetrics-text;q=0.000": False,
    "text/plain;version=x": False,
    "text/html, */*": False,
    ";;,,=": False,
}


def test_whatever_is_accepted_one_of_the_two_is_told(metered: Served) -> None:
    for accept, is_openmetrics in ACCEPTED.items():
        found = scrape(metered, Accept=accept)
        kind = (
            "application/openmetrics-text; version=1.0.0" if is_openmetrics else "text/plain; version=0.0.4"
        )
        assert (found.status, found.get("Content-Type")) == (200, f"{kind}; charset=utf-8"), accept
        assert found.body.endswith(b"# EOF\n") == is_openmetrics


def test_any_host_may_be_asked_as_for_liveness(metered: Served) -> None:
    for host in ("10.0.0.7:8000", "anything.example"):
        request = f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        assert metered.raw(request.encode()).status == 200


def test_a_head_request_tells_the_fields_alone(metered: Served) -> None:
    found = metered.call("HEAD", "/metrics", {"Authorization": f"Bearer {TOKEN}"})
    assert (found.status, found.body) == (200, b"")
    assert int(found.get("Content-Length") or 0) > 0


def test_other_methods_are_not_allowed(metered: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        found = metered.call(method, "/metrics", {"Authorization": f"Bearer {TOKEN}"})
        assert (found.status, found.get("Allow")) == (405, "GET, HEAD")


WRONG = (
    None,
    "",
    "Bearer",
    "Bearer ",
    f"Bearer {TOKEN[:-1]}",
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN.upper()}",
    f"Basic {TOKEN}",
    TOKEN,
    "Bearer caf\xe9",
)


def test_nobody_and_the_bearer_of_another_token_get_401(metered: Served) -> None:
    for authorization in WRONG:
        headers = {} if authorization is None else {"Authorization": authorization}
        for method in ("GET", "HEAD", "POST"):
            found = metered.call(method, "/metrics", headers)
            assert found.status == 401, (authorization, method)
            assert found.get("WWW-Authenticate") == 'Bearer realm="metrics"'
            assert b"patchbay_" not in found.body
        told = metered.call("GET", "/metrics", headers)
        assert problem(told.body)["code"] == "not_authenticated"


def test_two_authorization_fields_are_none(metered: Served) -> None:
    pairs = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer another")]
    assert metered.call("GET", "/metrics", pairs).status == 401


def test_the_token_counts_in_no_other_place(metered: Served) -> None:
    assert metered.call("GET", f"/metrics?token={TOKEN}").status == 401
    assert metered.call("GET", "/metrics", {"Cookie": f"token={TOKEN}"}).status == 401


def test_a_partner_and_a_member_of_staff_are_not_operators(metered: Served, at: World) -> None:
    assert metered.call("GET", "/metrics", bearer(at)).status == 401
    staff = get_user_model().objects.create_superuser("boss", password="a long password 123")
    browser = Client()
    browser.force_login(staff)
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())
    assert cookie
    assert metered.call("GET", "/metrics", {"Cookie": cookie}).status == 401


def test_the_token_opens_nothing_else(metered: Served, at: World, cust: Connection) -> None:
    held = {"Authorization": f"Bearer {TOKEN}"}
    assert metered.call("GET", "/api/v1/connections", held).status == 401
    assert metered.call("GET", "/proxy/hbdev/cust/x", held).status == 401


def test_it_has_one_spelling(metered: Served) -> None:
    for path in ("/metrics/", "//metrics", "/Metrics", "/%6detrics", "/metrics/x"):
        assert metered.call("GET", path, {"Authorization": f"Bearer {TOKEN}"}).status == 404, path


def test_a_providers_path_of_that_name_is_the_providers(
    metered: Served, at: World, cust: Connection, provider: Serve
) -> None:
    upstream = provider(replying(reply(body=b"the provider's own")))
    assert metered.call("GET", "/proxy/hbdev/cust/metrics", bearer(at)).body == b"the provider's own"
    assert upstream.requests[0].startswith(b"GET /metrics HTTP/1.1\r\n")


def test_the_token_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    environment = os.environ | {"METRICS_TOKEN_FILE": str(file), "DJANGO_SETTINGS_MODULE": "config.settings"}
    program = "from django.conf import settings; print(settings.METRICS_TOKEN)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == TOKEN, done.stderr


def test_without_a_token_in_the_settings_there_are_no_metrics(platform: Served, settings: Any) -> None:
    assert settings.METRICS_TOKEN == ""
    elsewhere = platform.call("GET", "/nothing-here")
    for authorization in ("", "Bearer", "Bearer ", f"Bearer {TOKEN}"):
        found = platform.call("GET", "/metrics", {"Authorization": authorization})
        assert (found.status, found.get("WWW-Authenticate")) == (404, None)
        assert found.get("Content-Type") == elsewhere.get("Content-Type")
