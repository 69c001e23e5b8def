"""Contract section 1: what `make run` leaves for people and programs, and the operator's commands."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from urllib.parse import urlsplit

import pytest
import requests

from tests.contract.outside import Outside

pytestmark = [pytest.mark.served, pytest.mark.xdist_group("contract")]


def test_demo_json_holds_the_members_that_programs_read_and_is_for_its_owner_alone(outside: Outside) -> None:
    path = outside.folder / "demo.json"
    demo = json.loads(path.read_text())
    members = {"baseUrl", "adminUrl", "adminUsername", "adminPassword", "clientId", "clientSecret", "apiKey"}
    assert set(demo) - {"adminTotpSecret"} == members | {"appSlug", "sandboxUrl"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert demo["appSlug"] == "hbdev"
    assert re.fullmatch(r"http://localhost:\d+", demo["baseUrl"])
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", demo["sandboxUrl"])
    assert demo["adminUrl"].startswith(demo["baseUrl"])
    assert len(demo["apiKey"]) >= 43 and len(demo["clientSecret"]) >= 43  # 256 bits in base64url


def test_the_settings_of_the_demo_are_in_the_data_folder_for_their_owner_alone(outside: Outside) -> None:
    path = outside.folder / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    names = {line.partition("=")[0] for line in path.read_text().splitlines()}
    assert {"PATCHBAY_ENV", "SECRET_KEY", "FERNET_KEYS", "UPSTREAM_MAP", "SANDBOX_PORT"} <= names


@pytest.mark.parametrize(
    "host", ["10.1.2.3:8000", "anything.example", "[::1]:9", "a_b", "xn--bcher-kva.example:443"]
)
def test_ops_13_healthz_answers_any_host(outside: Outside, host: str) -> None:
    reply = outside.raw("GET", "/healthz", headers=[("Host", host)])
    assert reply.status == 200
    assert reply.values("X-Request-Id")


def test_healthz_answers_where_no_host_is_given(outside: Outside) -> None:
    assert b" 200 " in outside.spoken(b"GET /healthz HTTP/1.0\r\n\r\n").split(b"\r\n")[0]


def test_a_host_that_is_not_ours_is_refused_elsewhere(outside: Outside) -> None:
    reply = outside.raw(
        "GET", "/api/v1/integrations", headers=[("Host", "evil.example"), *outside.partner.bearer.items()]
    )
    assert reply.status == 400
    assert reply.json()["code"] == "invalid_request"


def test_readyz_names_database_broker_worker_and_keys(outside: Outside) -> None:
    reply = requests.get(f"{outside.base}/readyz", timeout=10)
    assert reply.status_code == 200
    for name in ("database", "broker", "worker", "keys"):
        assert name in reply.json()["checks"]


def test_the_curl_on_the_screen_works_as_pasted(outside: Outside) -> None:
    screen = (outside.folder / "screen.txt").read_text()
    command = re.search(r"curl -s .*?(?=\n\n)", screen, re.DOTALL)
    assert command is not None
    done = subprocess.run(["bash", "-c", command[0]], capture_output=True, text=True, check=True, timeout=30)
    assert json.loads(done.stdout)["url"].startswith(outside.base)
    assert outside.demo["adminUrl"] in screen


def test_the_admin_and_the_documentation_are_where_the_screen_says(outside: Outside) -> None:
    admin = requests.get(outside.demo["adminUrl"], timeout=10)
    assert admin.status_code == 200 and "csrfmiddlewaretoken" in admin.text
    docs = requests.get(f"{outside.base}/api/docs", timeout=10)
    assert docs.status_code == 200
    assets = re.findall(r'(?:src|href)="([^"]+)"', docs.text)
    assert assets and all(urlsplit(asset).netloc in ("", urlsplit(outside.base).netloc) for asset in assets)


def test_the_schema_is_openapi_3_1_and_names_every_call_of_the_contract(outside: Outside) -> None:
    schema = requests.get(
        f"{outside.base}/api/schema", headers={"Accept": "application/json"}, timeout=10
    ).json()
    assert schema["openapi"].startswith("3.1.")
    shapes = {re.sub(r"\{[^}]*\}", "{}", path): set(calls) for path, calls in schema["paths"].items()}
    for path, methods in {
        "/api/v1/connect-links": {"post"},
        "/api/v1/connect-links/{}": {"get", "delete"},
        "/api/v1/manage-links": {"post"},
        "/api/v1/integrations": {"get"},
        "/api/v1/integrations/{}": {"get"},
        "/api/v1/connections": {"get"},
        "/api/v1/connections/{}": {"get", "delete"},
        "/api/v1/connections/{}/refresh": {"post"},
        "/api/v1/connections/{}/check": {"post"},
        "/api/v1/connections/{}/pause": {"post"},
        "/api/v1/connections/{}/resume": {"post"},
        "/api/v1/connections/{}/token": {"get"},
        "/api/v1/connections/import": {"post"},
        "/api/v1/proxy/{}": {"post"},
        "/proxy/{}/{}/{}": {"get", "post", "put", "patch", "delete"},
        "/oauth/token": {"post"},
        "/api/raw/{}": {"post"},
    }.items():
        assert methods <= shapes.get(path, set()), path


def test_doctor_is_content_with_the_running_demo(outside: Outside) -> None:
    done = outside.manage("doctor")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_catalogue_validates(outside: Outside) -> None:
    done = outside.manage("catalogue", "validate")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("SECRET_KEY", "short"),
        ("FERNET_KEYS", "none"),
        ("PUBLIC_URL", "http://connect.example.com"),
        ("UPSTREAM_MAP", '{"https://api.hubapi.com":"http://127.0.0.1:1"}'),
    ],
)
def test_an_unsafe_production_start_is_refused_by_the_variables_name(
    outside: Outside, name: str, wrong: str
) -> None:
    right = {
        "PATCHBAY_ENV": "production",
        "PUBLIC_URL": "https://connect.example.com",
        "ALLOWED_HOSTS": "connect.example.com",
        "UPSTREAM_MAP": "{}",
    }
    done = outside.manage("check", env={**right, name: wrong})
    assert done.returncode != 0
    assert name in done.stdout + done.stderr
