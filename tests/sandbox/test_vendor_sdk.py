"""The vendor's own client, hubspot-api-client, unmodified against the sandbox."""

import warnings
from typing import Any

import pytest

from sandbox.testing import RunningSandbox
from tests.sandbox.consent import App, code_for

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the vendor's package, not ours
    from hubspot import HubSpot
    from hubspot.crm.contacts import (
        ApiException,
        BatchInputSimplePublicObjectBatchInputForCreate,
        PublicObjectSearchRequest,
        SimplePublicObjectInput,
        SimplePublicObjectInputForCreate,
    )


@pytest.fixture
def client(sandbox: RunningSandbox, grant: dict[str, Any]) -> HubSpot:
    return HubSpot(access_token=grant["accessToken"], host=sandbox.url)


def test_client_creates_reads_searches_changes_and_archives(client: HubSpot) -> None:
    contacts = client.crm.contacts
    body = SimplePublicObjectInputForCreate(properties={"email": "sdk+a@example.com"}, associations=[])
    made = contacts.basic_api.create(simple_public_object_input_for_create=body)
    change = SimplePublicObjectInput(properties={"firstname": "Zoë"})
    contacts.basic_api.update(made.id, simple_public_object_input=change)
    found = contacts.basic_api.get_by_id("sdk+a@example.com", id_property="email", properties=["firstname"])
    assert (found.id, found.properties["firstname"]) == (made.id, "Zoë")
    filters = [{"propertyName": "email", "operator": "EQ", "value": "sdk+a@example.com"}]
    search = PublicObjectSearchRequest(
        filter_groups=[{"filters": filters}], properties=["email"], limit=5, after="0", sorts=[]
    )
    assert contacts.search_api.do_search(public_object_search_request=search).total == 1
    contacts.basic_api.archive(made.id)
    with pytest.raises(ApiException) as gone:
        contacts.basic_api.get_by_id(made.id)
    assert gone.value.status == 404


def test_client_pages_through_everything_and_writes_batches(client: HubSpot) -> None:
    inputs = [
        {"properties": {"email": f"sdk{number}@example.com"}, "associations": []} for number in range(100)
    ]
    batch = BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs)
    made = client.crm.contacts.batch_api.create(batch_input_simple_public_object_batch_input_for_create=batch)
    assert len(made.results) == 100
    assert len(client.crm.contacts.get_all()) == 106


def test_client_exchanges_a_code_over_v1(sandbox: RunningSandbox, app: App) -> None:
    tokens = HubSpot(host=sandbox.url).oauth.tokens_api.create(
        grant_type="authorization_code",
        code=code_for(sandbox, app),
        redirect_uri=app["redirectUrls"][0],
        client_id=app["clientId"],
        client_secret=app["clientSecret"],
    )
    assert tokens.expires_in == 1800
    facts = HubSpot(host=sandbox.url).oauth.access_tokens_api.get(tokens.access_token)
    assert facts.app_id == app["appId"]
