"""simple-salesforce, unchanged, through the passthrough to a server that answers as the REST API guide shows.

It speaks https alone, so the platform stands behind TLS here, as it does in production.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from tests.provider_server import Answer
from tests.sdks.conftest import Connect
from tests.sdks.vendor import Vendor

pytestmark = pytest.mark.served
DATA = "/services/data/v59.0"


def account(number: int) -> dict[str, Any]:
    attributes = {"type": "Account", "url": f"{DATA}/sobjects/Account/001{number}"}
    return {"attributes": attributes, "Id": f"001{number}", "Name": f"Account {number}"}


def refusal(status: int, code: str, message: str, **headers: str) -> Answer:
    return Answer([{"message": message, "errorCode": code}], status=status, headers=headers)


@pytest.fixture
def made(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Vendor, Salesforce]]:
    vendor, partner = connect(
        "salesforce",
        "https://acme.my.salesforce.com",
        token_endpoint="https://login.salesforce.com/services/oauth2/token",
        expired=refusal(401, "INVALID_SESSION_ID", "Session expired or invalid"),
        instance_host="acme.my.salesforce.com",
    )
    with partner.behind_tls(tmp_path) as certificate:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        client = partner.sdk("simple-salesforce")["client"]
        yield vendor, client
        client.session.close()


def test_salesforces_client_reads_writes_and_pages(made: tuple[Vendor, Salesforce]) -> None:
    vendor, client = made
    vendor.on(
        "POST", f"{DATA}/sobjects/Account/", Answer({"id": "0011", "success": True, "errors": []}, status=201)
    )
    vendor.on("PATCH", f"{DATA}/sobjects/Account/0011", Answer(b"", status=204))
    vendor.on("GET", f"{DATA}/sobjects/Account/0011", account(1))
    assert client.Account.create({"Name": "Größe & Söhne"})["id"] == "0011"
    assert client.Account.update("0011", {"Name": "Account 1"}) == 204
    assert client.Account.get("0011")["Name"] == "Account 1"
    assert vendor.received(f"{DATA}/sobjects/Account/")[0].json == {"Name": "Größe & Söhne"}

    following = f"{DATA}/query/01gD0000002HU6K-2000"
    vendor.on(
        "GET",
        f"{DATA}/query/",
        {"done": False, "nextRecordsUrl": following, "records": [account(1)], "totalSize": 2},
    )
    vendor.on("GET", following, {"done": True, "records": [account(2)], "totalSize": 2})
    soql = "SELECT Id, Name FROM Account WHERE Name LIKE 'A%'"
    assert [row["Id"] for row in client.query_all(soql)["records"]] == ["0011", "0012"]
    assert vendor.received(f"{DATA}/query/")[0].query == {"q": soql}


def test_salesforces_client_uploads_a_file(made: tuple[Vendor, Salesforce]) -> None:
    vendor, client = made
    path = f"{DATA}/sobjects/ContentVersion/"
    vendor.on("POST", path, Answer({"id": "0681", "success": True, "errors": []}, status=201))
    content = base64.b64encode(bytes(range(256)) * 4_096).decode()
    sent = client.ContentVersion.create({"Title": "a", "PathOnClient": "a.bin", "VersionData": content})
    assert sent["id"] == "0681"
    assert vendor.received(path)[0].json["VersionData"] == content


def test_salesforces_client_reads_and_writes_in_bulk(made: tuple[Vendor, Salesforce]) -> None:
    vendor, client = made
    jobs = f"{DATA}/jobs/query"
    vendor.on("POST", jobs, {"id": "7501", "state": "UploadComplete"})
    vendor.on(
        "GET", f"{jobs}/7501", {"id": "7501", "state": "InProgress"}, {"id": "7501", "state": "JobComplete"}
    )
    pieces = [("Id\n0011\n", "MTAwMDA"), ("Id\n0012\n", "null")]
    answers = [
        Answer(
            text, content_type="text/csv", headers={"Sforce-NumberOfRecords": "1", "Sforce-Locator": locator}
        )
        for text, locator in pieces
    ]
    vendor.on("GET", f"{jobs}/7501/results", *answers)
    assert list(client.bulk2.Account.query("SELECT Id FROM Account", wait=0)) == [text for text, _ in pieces]
    assert vendor.received(f"{jobs}/7501/results")[1].query["locator"] == "MTAwMDA"

    jobs = f"{DATA}/jobs/ingest"
    done = {"id": "7502", "state": "JobComplete", "numberRecordsProcessed": 2, "numberRecordsFailed": 0}
    vendor.on("POST", jobs, {"id": "7502", "state": "Open"})
    vendor.on("PUT", f"{jobs}/7502/batches", Answer(b"", status=201))
    vendor.on("PATCH", f"{jobs}/7502", {"id": "7502", "state": "UploadComplete"})
    vendor.on("GET", f"{jobs}/7502", done)
    records = [{"Name": "Größe"}, {"Name": "9007199254740993"}]
    assert client.bulk2.Account.insert(records=records, wait=0)[0]["numberRecordsProcessed"] == 2
    assert "Größe" in vendor.received(f"{jobs}/7502/batches")[0].body.decode()


def test_salesforces_client_raises_its_own_error_with_salesforces_message(
    made: tuple[Vendor, Salesforce],
) -> None:
    vendor, client = made
    vendor.on("GET", f"{DATA}/query/", refusal(400, "MALFORMED_QUERY", "unexpected token: FORM"))
    with pytest.raises(SalesforceMalformedRequest, match="unexpected token: FORM") as caught:
        client.query("SELECT Id FORM Account")
    assert caught.value.content[0]["errorCode"] == "MALFORMED_QUERY"


def test_prx_29_the_proxy_repeats_for_salesforces_client_which_never_does(
    made: tuple[Vendor, Salesforce],
) -> None:
    vendor, client = made
    busy = refusal(503, "SERVER_UNAVAILABLE", "busy", **{"Retry-After": "1"})
    vendor.on("GET", f"{DATA}/sobjects/Account/0011", busy, account(1))
    assert client.Account.get("0011")["Id"] == "0011"
    assert len(vendor.received(f"{DATA}/sobjects/Account/0011")) == 2


def test_salesforces_client_does_not_notice_that_its_session_expired(made: tuple[Vendor, Salesforce]) -> None:
    vendor, client = made
    vendor.on("GET", f"{DATA}/sobjects/Account/0011", account(1))
    vendor.expire(instance_url="https://acme.my.salesforce.com", issued_at="1764066000000")
    assert client.Account.get("0011")["Id"] == "0011"
    assert vendor.refreshes == 1
