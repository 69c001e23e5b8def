"""HubSpot's own client, unchanged, through the passthrough: base URL and token are all that differs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

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

from tests import factories
from tests.factories import World
from tests.proxy.servers import Served
from tests.sandbox.consent import code_for, exchange

pytestmark = pytest.mark.served
IDENTIFIER = "acme & sons/42"


@pytest.fixture
def client(platform: Served, at: World, sandbox: Any) -> HubSpot:
    """The client of a partner whose customer has consented at the sandbox."""
    at.register_at(sandbox)
    app = {
        "clientId": at.client.client_id,
        "clientSecret": factories.CLIENT_SECRET,
        "redirectUrls": [at.integration.redirect_uri],
        "scopes": list(factories.SCOPES),
    }
    granted = exchange(sandbox, app, code_for(sandbox, app)).json()
    factories.connection(
        at, IDENTIFIER, access_token=granted["access_token"], refresh_token=granted["refresh_token"]
    )
    host = f"http://127.0.0.1:{platform.port}/proxy/hbdev/{quote(IDENTIFIER, safe='')}"
    return HubSpot(access_token=at.api_key, host=host)


def test_hubspots_client_creates_gets_searches_batches_and_deletes(
    client: HubSpot, at: World, sandbox: Any
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
    assert at.api_key not in str(arrived)


def test_hubspots_client_sees_hubspots_own_errors(client: HubSpot) -> None:
    with pytest.raises(ApiException) as caught:
        client.crm.contacts.basic_api.get_by_id("does/not+exist")
    assert caught.value.status == 404
    assert "proxy-status" in {name.lower() for name in caught.value.headers}


def test_hubspots_client_goes_on_after_its_token_expired(client: HubSpot, sandbox: Any) -> None:
    assert client.crm.contacts.basic_api.get_page(limit=1) is not None
    sandbox.clock.advance(3_600)
    try:
        assert client.crm.contacts.basic_api.get_page(limit=1) is not None
    finally:
        sandbox.clock.advance(-3_600)
