"""Files, downloads on another host, forms and the submission host."""

import random
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.testing import RunningSandbox
from tests.sandbox.conftest import Api
from tests.sandbox.consent import STARTER

CONTENT = random.Random(1).randbytes(20_000) + b"\r\n--x--\r\n\n\r"


def _upload(api: Api) -> str:
    reply = api.post("/files/v3/files", files={"file": ("a b.bin", CONTENT)}, data={"folderPath": "/in"})
    assert reply.status_code == 201, reply.text
    assert (reply.json()["size"], reply.json()["path"]) == (len(CONTENT), "/in/a b.bin")
    return str(reply.json()["id"])


def test_upload_comes_back_byte_for_byte_through_the_signed_url(sandbox: RunningSandbox, api: Api) -> None:
    signed = urlsplit(api.get(f"/files/v3/files/{_upload(api)}/signed-url").json()["url"])
    reply = requests.get(
        f"{sandbox.url}{signed.path}?{signed.query}", headers={"Host": signed.netloc}, timeout=10
    )
    assert reply.content == CONTENT


def test_form_upload_redirects_to_another_host(api: Api) -> None:
    reply = api.get(f"/form-integrations/v1/uploaded-files/signed-url-redirect/{_upload(api)}")
    assert reply.status_code == 302
    assert urlsplit(reply.headers["Location"]).netloc == "f.hubspotusercontent-na1.net"


def test_uploads_without_file_folder_or_multipart_are_a_400(api: Api) -> None:
    part = {"file": ("a", b"x")}
    assert api.post("/files/v3/files", files=part).status_code == 400
    assert api.post("/files/v3/files", files={"x": ("a", b"x")}, data={"folderPath": "/"}).status_code == 400
    assert api.post("/files/v3/files", json={}).status_code == 400
    broken = {"Content-Type": "multipart/form-data"}
    assert api.post("/files/v3/files", data=b"--\r\n", headers=broken).status_code == 400
    assert api.get("/files/v3/files/1/signed-url").status_code == 404


@pytest.mark.parametrize(
    "path", ["/marketing/v3/forms", "/marketing/forms/2026-03", "/marketing/forms/2026-09"]
)
def test_forms_are_listed_in_pages(api: Api, path: str) -> None:
    first = api.get(f"{path}?limit=2").json()
    rest = api.get(f"{path}?limit=2&after={first['paging']['next']['after']}").json()
    assert len(first["results"] + rest["results"]) == 3
    assert "paging" not in rest
    form_id = rest["results"][0]["id"]
    assert api.get(f"{path}/{form_id}").json()["id"] == form_id


@pytest.mark.parametrize(
    ("host", "status"), [("api.hsforms.com", 200), ("api-eu1.hsforms.com", 200), ("api.hubapi.com", 404)]
)
def test_submissions_are_taken_on_the_forms_host_alone(
    sandbox: RunningSandbox, api: Api, host: str, status: int
) -> None:
    form = api.get("/marketing/v3/forms").json()["results"][0]["id"]
    body = {"fields": [{"objectTypeId": "0-1", "name": "email", "value": "a@example.com"}]}
    open_path = f"/submissions/v3/integration/submit/{STARTER}/{form}"
    secure_path = f"/submissions/v3/integration/secure/submit/{STARTER}/{form}"
    headers = {"Host": host}
    assert (
        requests.post(sandbox.url + open_path, json=body, headers=headers, timeout=10).status_code == status
    )
    assert api.post(secure_path, json=body, headers=headers).status_code == status
    if status == 200:
        assert (
            requests.post(sandbox.url + secure_path, json=body, headers=headers, timeout=10).status_code
            == 401
        )
        assert api.post(secure_path, json={"fields": [{}]}, headers=headers).status_code == 400
        assert api.post(open_path + "x", json=body, headers=headers).status_code == 404
