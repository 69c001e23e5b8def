"""HubSpot's own client, unchanged, through the passthrough: base URL and token are all that differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hubspot import HubSpot
from hubspot.crm.contacts import (
    ApiException,
    BatchInputSimplePublicObjectBatchInputForCreate,
    BatchInputSimplePublicObjectId,
    Filter,
    FilterGroup,
    PublicObjectSearchRequest,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from urllib3.util.retry import Retry

from tests.sdks.conftest import Partner, limit_once

pytestmark = pytest.mark.served


@pytest.fixture
def client(at_hubspot: Partner) -> HubSpot:
    made: HubSpot = at_hubspot.sdk("hubspot-api-client")["client"]
    return made


def test_hubspots_client_creates_gets_searches_batches_and_deletes(
    client: HubSpot, at_hubspot: Partner, sandbox: Any
) -> None:
    contacts = client.crm.contacts
    made = contacts.basic_api.create(
        SimplePublicObjectInputForCreate(properties={"email": "ada+1@example.com", "firstname": "Ada"})
    )
    assert made is not None, "the client takes 201 alone for created"
    assert (
        contacts.basic_api.get_by_id(made.id, properties=["email"]).properties["email"] == "ada+1@example.com"
    )
    by_email = contacts.basic_api.get_by_id(
        "ada+1@example.com", id_property="email", properties=["firstname"]
    )
    assert by_email.id == made.id

    changed = contacts.basic_api.update(made.id, SimplePublicObjectInput(properties={"firstname": "Adä"}))
    assert changed.properties["firstname"] == "Adä"

    wanted = FilterGroup(filters=[Filter(property_name="email", operator="EQ", value="ada+1@example.com")])
    found = contacts.search_api.do_search(
        PublicObjectSearchRequest(filter_groups=[wanted], properties=["email"], limit=5)
    )
    assert [row.id for row in found.results] == [made.id]

    batch = contacts.batch_api.create(
        BatchInputSimplePublicObjectBatchInputForCreate(
            inputs=[
                {"properties": {"email": f"b{number}@example.com"}, "associations": []} for number in range(3)
            ]
        )
    )
    ids = [row.id for row in batch.results]
    assert len(ids) == 3
    page = contacts.basic_api.get_page(limit=2, properties=["email", "firstname"])
    assert len(page.results) == 2
    assert page.paging.next.after

    contacts.batch_api.archive(BatchInputSimplePublicObjectId(inputs=[{"id": id_} for id_ in ids]))
    contacts.basic_api.archive(made.id)
    with pytest.raises(ApiException) as caught:
        contacts.basic_api.get_by_id(made.id)
    assert caught.value.status == 404

    arrived = sandbox.control("GET", "/_control/requests?path=/crm")
    assert arrived
    assert at_hubspot.key not in str(arrived)


def test_hubspots_client_sees_hubspots_own_errors(client: HubSpot) -> None:
    with pytest.raises(ApiException) as caught:
        client.crm.contacts.basic_api.get_by_id("does/not+exist")
    assert caught.value.status == 404
    assert json.loads(caught.value.body)["message"] == "resource not found"
    assert "proxy-status" in {name.lower() for name in caught.value.headers}


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # in the SDK's own code
def test_hubspots_client_uploads_a_file(client: HubSpot, sandbox: Any, tmp_path: Path) -> None:
    path = tmp_path / "a b.bin"
    path.write_bytes(bytes(range(256)) * 1_000)
    made = client.files.files_api.upload(
        file=str(path), folder_path="/", options=json.dumps({"access": "PRIVATE"})
    )
    assert made.size == 256_000
    assert sandbox.world.file_contents[made.id] == ("a b.bin", path.read_bytes())


def test_prx_29_hubspots_client_waits_as_hubspot_asks_and_tries_again(
    at_hubspot: Partner, sandbox: Any
) -> None:
    limit_once(sandbox, headers={"Retry-After": "1"})
    retry = Retry(total=2, status_forcelist=(429,), allowed_methods=None)
    client = HubSpot(access_token=at_hubspot.key, host=at_hubspot.proxy_url, retry=retry)
    assert client.crm.contacts.basic_api.get_page(limit=1) is not None
    assert len(sandbox.control("GET", "/_control/requests?path=/crm")) == 2


def test_hubspots_client_goes_on_after_its_token_expired(client: HubSpot, sandbox: Any) -> None:
    assert client.crm.contacts.basic_api.get_page(limit=1) is not None
    sandbox.clock.advance(3_600)
    try:
        assert client.crm.contacts.basic_api.get_page(limit=1) is not None
    finally:
        sandbox.clock.advance(-3_600)
