"""Every server once, from its metadata to a call: what the ordinary run can afford."""

from __future__ import annotations

import pytest

from tests.servers.conftest import MakeScene

pytestmark = pytest.mark.served


@pytest.mark.parametrize(
    "name", ["toolkit", "glewlwyd", pytest.param("oidc-provider", marks=pytest.mark.slow)]
)
def test_a_customer_connects_at_a_server_that_we_did_not_write(make_scene: MakeScene, name: str) -> None:
    scene = make_scene(name)
    connection = scene.connect()
    told = scene.call()
    assert told.status_code == 200, told.text
    assert connection.provider_account_id == scene.server.account_id
    assert connection.provider_account_name == "Ada" == told.json()["name"]
    assert set(scene.server.scopes) <= set(connection.granted_scopes)
    assert connection.refresh_token is not None
