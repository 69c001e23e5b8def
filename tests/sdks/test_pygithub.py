"""PyGithub, unchanged, through the passthrough to a server that answers as docs.github.com shows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from github import Auth, Github, UnknownObjectException
from github.Requester import Requester

from tests.provider_server import Answer
from tests.sdks.conftest import Connect, Partner
from tests.sdks.vendor import Vendor

pytestmark = pytest.mark.served
API = "https://api.github.com"
UPLOADS = "https://uploads.github.com"
REPOSITORY = {"id": 1, "full_name": "acme/app", "name": "app", "url": f"{API}/repos/acme/app"}
RELEASE = {
    "id": 7,
    "url": f"{API}/repos/acme/app/releases/7",
    "upload_url": f"{UPLOADS}/repos/acme/app/releases/7/assets{{?name,label}}",
}


def issue(number: int) -> dict[str, Any]:
    return {"number": number, "title": f"Issue {number}", "url": f"{API}/repos/acme/app/issues/{number}"}


@pytest.fixture
def connected(connect: Connect) -> tuple[Vendor, Partner]:
    return connect(
        "github",
        API,
        token_endpoint="https://github.com/login/oauth/access_token",
        expired=Answer({"message": "Bad credentials"}, status=401),
    )


@pytest.fixture
def made(
    connected: tuple[Vendor, Partner], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Vendor, Github]]:
    vendor, partner = connected
    client = partner.sdk("PyGithub")["client"]
    for name in ("requests", "writes"):  # its manners towards GitHub: up to a second between two calls
        monkeypatch.setattr(client.requester, f"_Requester__seconds_between_{name}", 0)
    yield vendor, client
    client.close()
    Requester.resetConnectionClasses()


def test_githubs_client_reads_writes_and_pages_by_absolute_links(made: tuple[Vendor, Github]) -> None:
    vendor, client = made
    vendor.on("GET", "/repos/acme/app", REPOSITORY)
    first = Answer(
        [issue(1)],
        headers={
            "Link": f'<{API}/repositories/1/issues?state=open&page=2>; rel="next", '
            f'<{API}/repositories/1/issues?state=open&page=2>; rel="last"'
        },
    )
    vendor.on("GET", "/repos/acme/app/issues", first)
    vendor.on("GET", "/repositories/1/issues", [issue(2)])
    repository = client.get_repo("acme/app")
    assert [found.number for found in repository.get_issues()] == [1, 2]
    assert vendor.received("/repositories/1/issues")[0].query == {"state": "open", "page": "2"}

    vendor.on("POST", "/repos/acme/app/issues", Answer(issue(3), status=201))
    vendor.on("PATCH", "/repos/acme/app/issues/3", {**issue(3), "state": "closed"})
    written = repository.create_issue("Größe", body="9007199254740993")
    written.edit(state="closed")
    assert written.state == "closed"
    assert vendor.received("/repos/acme/app/issues")[-1].json == {
        "title": "Größe",
        "body": "9007199254740993",
    }


def test_githubs_client_uploads_to_the_other_host(made: tuple[Vendor, Github], tmp_path: Path) -> None:
    vendor, client = made
    vendor.on("GET", "/repos/acme/app", REPOSITORY)
    vendor.on("GET", "/repos/acme/app/releases/7", RELEASE)
    vendor.on(
        "POST",
        "/repos/acme/app/releases/7/assets",
        Answer({"id": 9, "size": 3_000_000}, status=201),
        origin=UPLOADS,
    )
    path = tmp_path / "app.zip"
    path.write_bytes(b"\x00\xff" * 1_500_000)
    asset = client.get_repo("acme/app").get_release(7).upload_asset(str(path), content_type="application/zip")
    assert asset.id == 9
    (sent,) = vendor.received("/repos/acme/app/releases/7/assets", origin=UPLOADS)
    assert (sent.body, sent.query["name"]) == (path.read_bytes(), "app.zip")


def test_githubs_client_raises_its_own_error_with_githubs_message(made: tuple[Vendor, Github]) -> None:
    vendor, client = made
    vendor.on("GET", "/repos/acme/none", Answer({"message": "Not Found"}, status=404))
    with pytest.raises(UnknownObjectException, match="Not Found") as caught:
        client.get_repo("acme/none")
    assert caught.value.status == 404


@pytest.mark.parametrize("status", [403, 429])
def test_prx_29_githubs_client_waits_as_github_asks_and_tries_again(
    made: tuple[Vendor, Github], status: int
) -> None:
    vendor, client = made
    message = "You have exceeded a secondary rate limit."
    vendor.on(
        "GET",
        "/repos/acme/app",
        Answer({"message": message}, status=status, headers={"Retry-After": "1"}),
        REPOSITORY,
    )
    started = time.monotonic()
    assert client.get_repo("acme/app").full_name == "acme/app"
    assert time.monotonic() - started >= 1
    assert len(vendor.received("/repos/acme/app")) == 2


def test_githubs_client_does_not_notice_that_its_token_expired(made: tuple[Vendor, Github]) -> None:
    vendor, client = made
    vendor.on("GET", "/repos/acme/app", REPOSITORY)
    vendor.expire(refresh_token="ghr_next", expires_in=28_800, refresh_token_expires_in=15_897_600)
    assert client.get_repo("acme/app").full_name == "acme/app"
    assert vendor.refreshes == 1


def test_with_the_base_url_alone_githubs_client_asks_nobody_at_an_absolute_address(
    connected: tuple[Vendor, Partner],
) -> None:
    vendor, partner = connected
    vendor.on("GET", "/repos/acme/app", REPOSITORY)
    with Github(auth=Auth.Token(partner.key), base_url=partner.proxy_url) as client:
        repository = client.get_repo("acme/app")
        with pytest.raises(AssertionError, match=r"api\.github\.com"):
            repository.create_issue("Never sent")
    assert len(vendor.server.requests) == 1
