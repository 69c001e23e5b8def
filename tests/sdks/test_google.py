"""google-api-python-client, unchanged, through the passthrough to a server that answers as Drive's pages show."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httplib2
import pytest
from google.oauth2.credentials import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaInMemoryUpload, MediaIoBaseDownload

from integrations import catalogue
from integrations.catalogue import Provider
from tests.provider_server import Answer, Received
from tests.sdks.conftest import Connect, Partner
from tests.sdks.vendor import Vendor

pytestmark = pytest.mark.served
ORIGIN = "https://www.googleapis.com"
SESSION = "/upload/drive/v3/files/session"
PROXY = "https://connect.example.com/proxy/acme/cust"
CONTENT = bytes(range(256)) * 2_048  # 512 KiB, in two pieces
#: entries of single APIs, with the lines that they show
OTHERS = [
    entry
    for entry in catalogue.all_providers()
    if entry.sdk is not None and entry.sdk.package == "google-api-python-client"
]


def file(number: int) -> dict[str, Any]:
    return {"kind": "drive#file", "id": f"f{number}", "name": f"file {number}"}


def refusal(status: int, reason: str, message: str) -> Answer:
    error = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
    return Answer({"error": error}, status=status)


@pytest.fixture
def connected(connect: Connect) -> tuple[Vendor, Partner]:
    return connect(
        "google",
        ORIGIN,
        token_endpoint="https://oauth2.googleapis.com/token",
        expired=refusal(401, "authError", "Invalid Credentials"),
    )


@pytest.fixture
def made(connected: tuple[Vendor, Partner]) -> Iterator[tuple[Vendor, Any]]:
    vendor, partner = connected
    with partner.sdk("google-api-python-client")["client"] as client:
        yield vendor, client


def test_googles_client_reads_writes_and_pages(made: tuple[Vendor, Any]) -> None:
    vendor, drive = made
    vendor.on("POST", "/drive/v3/files", file(1))
    assert drive.files().create(body={"name": "Größe"}).execute()["id"] == "f1"
    assert json.loads(vendor.received("/drive/v3/files")[0].body) == {"name": "Größe"}

    vendor.on("GET", "/drive/v3/files", {"files": [file(1)], "nextPageToken": "a+/="}, {"files": [file(2)]})
    request = drive.files().list(pageSize=1, q="name = 'a b' and trashed = false")
    found = []
    while request is not None:
        page = request.execute()
        found += [row["id"] for row in page["files"]]
        request = drive.files().list_next(request, page)
    assert found == ["f1", "f2"]
    last = vendor.received("/drive/v3/files")[-1].query
    assert (last["pageToken"], last["q"]) == ("a+/=", "name = 'a b' and trashed = false")


def test_googles_client_uploads_at_once_and_downloads_in_pieces(made: tuple[Vendor, Any]) -> None:
    vendor, drive = made
    vendor.on("POST", "/upload/drive/v3/files", file(1))
    media = MediaInMemoryUpload(CONTENT, mimetype="application/octet-stream")
    assert drive.files().create(body={"name": "a"}, media_body=media).execute()["id"] == "f1"
    (sent,) = vendor.received("/upload/drive/v3/files")
    assert sent.query["uploadType"] == "multipart"
    assert CONTENT in sent.body

    def piece(request: Received) -> Answer:
        first, last = str(request.header("Range")).removeprefix("bytes=").split("-")
        body = CONTENT[int(first) : int(last) + 1]
        told = f"bytes {first}-{int(first) + len(body) - 1}/{len(CONTENT)}"
        return Answer(body, status=206, headers={"Content-Range": told}, content_type="text/plain")

    vendor.on("GET", "/drive/v3/files/f1", piece)
    target = io.BytesIO()
    download = MediaIoBaseDownload(target, drive.files().get_media(fileId="f1"), chunksize=262_144)
    while not download.next_chunk()[1]:
        pass
    assert target.getvalue() == CONTENT


def test_googles_client_resumes_an_upload_at_an_absolute_address(made: tuple[Vendor, Any]) -> None:
    vendor, drive = made
    vendor.on(
        "POST", "/upload/drive/v3/files", Answer(b"", headers={"Location": f"{ORIGIN}{SESSION}?upload_id=x"})
    )
    vendor.on("PUT", SESSION, Answer(b"", status=308, headers={"Range": "bytes=0-262143"}), file(1))
    media = MediaInMemoryUpload(CONTENT, mimetype="text/plain", chunksize=262_144, resumable=True)
    request = drive.files().create(body={"name": "a"}, media_body=media)
    done = None
    while done is None:
        _, done = request.next_chunk()
    assert done["id"] == "f1"
    assert b"".join(piece.body for piece in vendor.received(SESSION)) == CONTENT


def test_googles_client_raises_its_own_error_with_googles_message(made: tuple[Vendor, Any]) -> None:
    vendor, drive = made
    vendor.on("GET", "/drive/v3/files/none", refusal(404, "notFound", "File not found: none."))
    with pytest.raises(HttpError, match="File not found: none") as caught:
        drive.files().get(fileId="none").execute()
    assert (caught.value.status_code, caught.value.reason) == (404, "File not found: none.")


def test_prx_29_googles_client_tries_again_after_a_429(made: tuple[Vendor, Any]) -> None:
    vendor, drive = made
    vendor.on("GET", "/drive/v3/files/f1", refusal(429, "rateLimitExceeded", "Rate Limit Exceeded"), file(1))
    assert drive.files().get(fileId="f1").execute(num_retries=1)["name"] == "file 1"
    assert len(vendor.received("/drive/v3/files/f1")) == 2


def test_googles_client_does_not_notice_that_its_token_expired(made: tuple[Vendor, Any]) -> None:
    vendor, drive = made
    vendor.on("GET", "/drive/v3/files/f1", file(1))
    vendor.expire(expires_in=3_599)
    assert drive.files().get(fileId="f1").execute()["name"] == "file 1"
    assert vendor.refreshes == 1


def test_with_the_base_url_alone_googles_client_reads_but_uploads_miss_the_proxys_path(
    connected: tuple[Vendor, Partner], tmp_path: Path
) -> None:
    vendor, partner = connected
    vendor.on("GET", "/drive/v3/files/f1", file(1))
    with partner.behind_tls(tmp_path) as certificate:
        http = AuthorizedHttp(Credentials(partner.key), http=httplib2.Http(ca_certs=str(certificate)))
        address = {"api_endpoint": f"{partner.proxy_url}/drive/v3/"}
        with build("drive", "v3", http=http, client_options=address) as drive:
            assert drive.files().get(fileId="f1").execute()["name"] == "file 1"
            media = MediaInMemoryUpload(CONTENT, mimetype="text/plain")
            with pytest.raises(HttpError) as caught:
                drive.files().create(body={"name": "a"}, media_body=media).execute()
    assert caught.value.status_code == 404
    assert len(vendor.server.requests) == 1


@pytest.mark.parametrize("entry", OTHERS, ids=[entry.id for entry in OTHERS])
def test_the_snippet_of_each_google_entry_calls_the_paths_of_google_s_own_description(
    entry: Provider,
) -> None:
    """Some descriptions have the API's name and version in the base, some in every path."""
    assert entry.sdk is not None
    names: dict[str, Any] = {}
    snippet = entry.sdk.snippet.replace("{proxy_url}", PROXY).replace("{key}", "key")
    exec(compile(snippet, entry.id, "exec"), names)
    with names["client"] as client:
        base = client._baseUrl.replace(PROXY, entry.api.base_url)
        described = client._rootDesc["rootUrl"] + client._rootDesc["servicePath"]
    assert base == described
