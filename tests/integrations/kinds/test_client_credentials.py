"""Client credentials: the customer's own client, and the integration's, fetched at once and renewed by the lease."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.utils import timezone

from integrations import catalogue, connections, provider_calls, tokens
from integrations.catalogue import registry
from integrations.connections.adoption import Adoption
from integrations.errors import InvalidInput, ProviderRefused, ReconnectRequired
from integrations.models import ClientCredentials, Connection
from integrations.models.connection import Status
from integrations.tokens import ClientGrant
from sealing import Secret, seal
from tests import factories
from tests.factories import ACTOR, World
from tests.integrations.catalogue.entry import DELETED, changed, with_facts, write_entry
from tests.integrations.kinds.conftest import MakeVisitor, Visitor
from tests.integrations.moving.bundles import Mover, forget_everything
from tests.integrations.pages.conftest import token_in
from tests.provider_server import Answer
from tests.proxy.servers import Served

TOKEN = "https://login.grants.example/token"
ME = "https://api.grants.example/me"
REVOKE = "https://login.grants.example/revoke"
OWN = {"secret_client_id": "customers-client", "secret_client_secret": "customers-secret/1"}
FIRST = {"access_token": "first-token", "token_type": "Bearer", "expires_in": 3600}
SECOND = {"access_token": "second-token", "token_type": "Bearer", "expires_in": 3600}
Make = Callable[..., Visitor]


def secret(name: str, title: str, *, is_secret: bool = True) -> dict[str, Any]:
    told = {"description": title, "example": "made-up", "console_location": "Apps", "is_secret": is_secret}
    return {"name": name, "title": title, **told}


OWN_CLIENT = [secret("client_id", "Client ID", is_secret=False), secret("client_secret", "Client secret")]


@pytest.fixture
def grants(visitor: MakeVisitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """grants(is_own=…): the client is the customer's own, or the integration's. probe: more of the account's call."""

    def make(*, is_own: bool, **probe: str) -> Visitor:
        document = changed(
            (("id",), "grants"),
            (("display_name",), "Grants"),
            (("auth_kind",), "oauth2_client_credentials"),
            (("connection_fields",), DELETED),
            (("credentials",), DELETED if is_own else changed()["credentials"]),
            (("connection_secrets",), OWN_CLIENT if is_own else []),
            (
                ("oauth",),
                {
                    "token_endpoint": TOKEN,
                    "token_endpoint_auth_method": "client_secret_post",
                    "pkce": "forbidden",
                    "scope": {"mandatory": ["read"]},
                    "expects_refresh_token": False,
                },
            ),
            (("api",), {"base_url": "https://api.grants.example", "hosts": ["api.grants.example"]}),
            (("identity",), [{"url": ME, "auth": "api", "account_id": "id", "name": "name", **probe}]),
            (("revocation",), {"url": REVOKE, "sends": ["refresh_token", "access_token"], "auth": "none"}),
        )
        write_entry(tmp_path, with_facts(document), name="grants.yaml")
        catalogue.get("hubspot")
        loaded = {**registry._loaded[None], **catalogue.load(tmp_path)}
        monkeypatch.setitem(registry._loaded, None, loaded)
        own = [] if is_own else ["--client-id", "abc1"]
        made = visitor("grants", *own, secret="" if is_own else "integrations-secret")
        made.server.on("POST", TOKEN, FIRST, SECOND)
        made.server.on("GET", ME, {"id": "g-1", "name": "Acme"})
        return made

    return make


def expire(connection: Connection) -> None:
    earlier = timezone.now() - timedelta(seconds=1)
    Connection.objects.filter(pk=connection.pk).update(access_token_expires_at=earlier)


def test_a_customers_own_client_is_tried_kept_and_renewed(
    grants: Make, platform: Served, logs: Callable[[], str]
) -> None:
    at = grants(is_own=True)
    at.send(**OWN)
    assert 'data-outcome="connected"' in at.pages[-1]
    (call,) = at.server.received(TOKEN)
    asked = {
        "grant_type": "client_credentials",
        "scope": "read",
        "client_id": "customers-client",
        "client_secret": "customers-secret/1",
    }
    assert call.form == asked
    made = at.connection()
    assert (made.status, made.provider_account_id) == (Status.ACTIVE, "g-1")
    assert made.next_refresh_at is not None and made.access_token_expires_at is not None
    expire(made)
    at.server.on("GET", "https://api.grants.example/things", {"things": []})
    auth = {"Authorization": f"Bearer {at.at.api_key}"}
    assert platform.call("GET", "/proxy/kind-dev/cust/things", auth).status == 200
    assert [request.form for request in at.server.received(TOKEN)] == [asked, asked]
    (used,) = at.server.received("https://api.grants.example/things")
    assert used.header("Authorization") == "Bearer second-token"
    told = at.traces() + logs()
    assert not [text for text in ("customers-secret/1", "first-token", "second-token") if text in told]


def test_without_values_to_type_the_integrations_own_client_is_used(grants: Make) -> None:
    at = grants(is_own=False)
    assert "secret-" not in at.look() and "Connect Grants" in at.pages[-1]
    at.send()
    assert 'data-outcome="connected"' in at.pages[-1]
    made = at.connection()
    expire(made)
    assert tokens.ensure_fresh(made.pk).secret.reveal() == "second-token"
    sent = [(call.form["client_id"], call.form["client_secret"]) for call in at.server.received(TOKEN)]
    assert sent == [("abc1", "integrations-secret")] * 2


def test_the_secret_that_is_rotated_in_serves_when_the_old_one_is_refused(grants: Make) -> None:
    at = grants(is_own=False)
    at.send()
    client = ClientCredentials.objects.get()
    client.next_client_secret = Secret("next-secret")
    client.save()
    at.server.on("POST", TOKEN, Answer({"error": "invalid_client"}, status=401), SECOND)
    expire(at.connection())
    assert tokens.ensure_fresh(at.connection().pk).secret.reveal() == "second-token"
    assert at.server.received(TOKEN)[-1].form["client_secret"] == "next-secret"


def test_a_refused_client_of_the_customers_own_is_told_on_the_form(grants: Make) -> None:
    at = grants(is_own=True)
    at.server.on("POST", TOKEN, Answer({"error": "invalid_client"}, status=401))
    assert at.send(**OWN).status_code == 400
    page = at.pages[-1]
    assert "Grants does not accept these values." in page
    assert 'value="customers-client"' in page and "customers-secret" not in page


def test_a_refused_client_of_the_integration_is_the_operators_to_correct(grants: Make) -> None:
    at = grants(is_own=False)
    at.server.on("POST", TOKEN, Answer({"error": "invalid_client"}, status=401))
    assert at.send().status_code == 400
    assert "Its operator has to correct them." in at.pages[-1]


def test_a_customers_client_that_is_withdrawn_ends_the_grant_and_raises_no_alarm(grants: Make) -> None:
    at = grants(is_own=True)
    at.send(**OWN)
    at.server.on("POST", TOKEN, Answer({"error": "invalid_client"}, status=401))
    expire(at.connection())
    with pytest.raises(Exception, match="removed there"):
        tokens.ensure_fresh(at.connection().pk)
    made = at.connection()
    assert (made.status, made.status_reason) == (Status.RECONNECT_REQUIRED, "revoked_at_provider")
    assert ClientCredentials.objects.get().rejected_since is None


def test_an_alarm_stands_on_the_integration_when_its_own_client_is_refused(grants: Make) -> None:
    at = grants(is_own=False)
    at.send()
    at.server.on("POST", TOKEN, Answer({"error": "invalid_client"}, status=401))
    for _ in range(2):
        expire(at.connection())
        Connection.objects.update(refresh_not_before=None)
        with pytest.raises(Exception, match="just now"):
            tokens.ensure_fresh(at.connection().pk)
    assert at.connection().status == Status.ACTIVE
    assert ClientCredentials.objects.get().rejected_since is not None


def test_the_client_never_goes_to_the_provider_as_a_token(grants: Make) -> None:
    at = grants(is_own=True)
    at.send(**OWN)
    at.server.on("POST", REVOKE, {})
    assert tokens.open_tokens(at.connection()) == {"access_token": "first-token"}
    pending = connections.disconnect(at.connection(), actor=ACTOR)
    assert pending is not None
    connections.carry_out_revocation(pending)
    (call,) = at.server.received(REVOKE)
    assert call.form == {"token": "first-token"}


@pytest.mark.parametrize("text", ["a-refresh-token", "client-credentials:", "client-credentials:[1]", ""])
def test_what_is_no_client_is_not_read_as_one(text: str) -> None:
    assert ClientGrant.of(text) is None


def test_a_client_is_kept_in_one_text_and_shown_in_none() -> None:
    grant = ClientGrant("id", "hidden")
    assert ClientGrant.of(grant.stored()) == grant
    assert ClientGrant.of(ClientGrant().stored()) == ClientGrant()
    assert "hidden" not in repr(grant)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [(Answer(FIRST), None), (Answer({"error": "invalid_client"}, status=401), "client_secret")],
    ids=["right", "wrong"],
)
def test_staff_may_try_the_integrations_own_client(grants: Make, answer: Answer, wrong: str | None) -> None:
    at = grants(is_own=False)
    at.server.on("POST", TOKEN, answer)
    trial = provider_calls.try_credentials(
        at.at.integration.provider,
        client=tokens.client_authentication(at.at.client),
        redirect_uri="",
        values={},
    )
    assert (trial.is_certain, trial.wrong) == (True, wrong)


def test_an_imported_token_never_asks_for_what_the_integrations_own_client_may_do(world: World) -> None:
    """An oauth2_code connection whose refresh token was made to look like a client is refreshed as any other."""
    made = factories.connection(world, refresh_token=ClientGrant().stored())
    sent: list[str] = []

    def refuse(provider: Any, *, refresh_token: str, **rest: Any) -> Any:
        sent.append(refresh_token)
        raise ProviderRefused("no", error="invalid_grant", verdict="grant_gone")

    expire(made)
    with mock.patch("integrations.provider_calls.refresh", refuse), pytest.raises(ReconnectRequired):
        tokens.ensure_fresh(made.pk)
    assert sent == ["client-credentials:{}"]


@pytest.mark.parametrize("text", ["client-credentials:{}", "a-refresh-token"])
def test_an_import_puts_no_alarm_on_the_client_of_others(grants: Make, text: str) -> None:
    """An alarm holds back the renewals of all who connect through the integration, other partners' too."""
    at = grants(is_own=True)
    at.send(**OWN)
    adoption = Adoption(foreign_identifier="another", access_token="t", refresh_token=text, expires_in=0)
    with pytest.raises(InvalidInput) as refused:
        connections.adopt(at.at.partner, at.at.integration, adoption, actor=ACTOR)
    assert refused.value.field == "refreshToken"

    stored = seal(Secret(text), model=Connection, field="refresh_token", pk=at.connection().pk)
    Connection.objects.update(refresh_token=stored)
    expire(at.connection())
    with pytest.raises(ReconnectRequired):
        tokens.ensure_fresh(at.connection().pk)
    client = ClientCredentials.objects.get()
    assert (client.rejected_since, client.last_refused_at) == (None, None)


def test_of_several_accounts_the_customer_chooses_and_is_led_back_by_a_page(grants: Make) -> None:
    at = grants(is_own=True, items="$")
    at.server.on("GET", ME, [{"id": "g-1", "name": "Acme"}, {"id": "g-2", "name": "Beta"}])
    at.link(return_url="https://app.example.com/done")
    page = at.send(**OWN).content.decode()
    attempt = re.search(r'name="attempt" value="([^"]+)"', page)
    assert attempt is not None and "Acme" in page and "Beta" in page
    form = {"csrfmiddlewaretoken": token_in(page.encode()), "attempt": attempt[1], "account": "g-2"}
    done = at.web.post("/oauth/kind-dev/choose", form)
    assert done.status_code == 200, "a redirect to another site after a form is blocked by form-action"
    assert "https://app.example.com/done?status=connected" in done.content.decode()
    assert at.connection().provider_account_id == "g-2"
    assert ClientGrant.of(opened_raw(at.connection())) == ClientGrant(
        "customers-client", "customers-secret/1"
    )


def opened_raw(connection: Connection) -> str:
    assert connection.refresh_token is not None
    return connection.refresh_token.open().reveal()


def test_a_customers_client_moves_to_another_installation_with_the_connection(
    grants: Make, tmp_path: Path
) -> None:
    at = grants(is_own=True)
    at.send(**OWN)
    before, folder = opened_raw(at.connection()), tmp_path / "bundle"
    folder.mkdir()
    mover = Mover(folder)
    mover.export("--with-integrations")
    assert b"customers-secret" not in mover.path("bundle").read_bytes()
    forget_everything()
    assert mover.restore()["adopted"] == 1, mover.err
    assert opened_raw(at.connection()) == before
    assert at.connection().integration.current_client().client_id == ""
    expire(at.connection())
    assert tokens.ensure_fresh(at.connection().pk).secret.reveal() == "second-token"
