"""`python -m benchmarks.million.lists TIMES`: every other query that grows with the connections; prints JSON.

Pages are asked for through Django's test client, jobs by calling them; what they write is taken back.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, urlencode

import django

from benchmarks.figures import in_milliseconds

Work = Callable[[], Any]
_ADMIN = "/admin/integrations/connection/"


def main() -> None:
    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    times = int(sys.argv[1])
    world = json.loads((settings.DATA_DIR / "places.json").read_text())
    measured = []
    for name, work in _queries(world).items():
        measured.append(_measure(name, work, times))
        print(f"   {name}: {measured[-1]['median_ms']} ms", file=sys.stderr, flush=True)
    print(json.dumps(measured, default=str))


def _measure(name: str, work: Work, times: int) -> dict[str, Any]:
    from benchmarks.million.plans import explain, full_reads, recorded, rows_removed, touched, undone

    seconds = []
    with undone():
        work()  # caches fill, modules load
    for _ in range(times):
        with undone():
            started = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - started)
        if sum(seconds) > 20:
            break
    with undone(), recorded() as statements:
        work()
    slow = max(statements, key=lambda found: found.seconds)
    with undone():
        plans = {found.sql: explain(found) for found in statements if "integrations_conn" in found.sql}
        plan = plans.get(slow.sql) or explain(slow)
    reads = [line for lines in plans.values() for line in full_reads(lines)]
    removed = max([rows_removed(lines) for lines in plans.values()], default=0)
    verdict = "reads it all" if reads else f"skips {removed:,} rows" if removed > 1_000 else "index range"
    return {
        "name": name,
        **in_milliseconds(seconds),
        "runs": len(seconds),
        "statements": len(statements),
        "sql_ms": round(sum(found.seconds for found in statements) * 1000, 2),
        "verdict": verdict,
        "full_reads": reads,
        "slowest_sql": slow.sql,
        "slowest_touches": touched(plan),
        "slowest_plan": plan,
    }


def _queries(world: dict[str, Any]) -> dict[str, Work]:
    return {**_api(world), **_staff(), **_jobs(world)}


def _api(world: dict[str, Any]) -> dict[str, Work]:
    from django.test import Client

    from accounts.models import Credential
    from integrations import connections
    from integrations.models import Connection, Integration
    from integrations.tokens.refresh import load
    from proxy import routes
    from proxy.selectors import Selector

    client = Client(headers={"authorization": f"Bearer {world['api_key']}"})
    credential = Credential.objects.select_related("partner").get(pk=world["credential"])
    mine = Connection.objects.filter(partner_id=credential.partner_id, status="active")
    some = mine.select_related("customer", "integration").order_by("pk")[100]
    middle = mine.order_by("created_at").values_list("created_at", flat=True)[mine.count() // 2]
    cursor = base64.b64encode(urlencode({"p": str(middle)}).encode()).decode()
    identifier = some.customer.foreign_identifier
    integration = Integration.objects.get(pk=some.integration_id)

    def get(path: str) -> Work:
        def work() -> None:
            reply = client.get(path)
            if reply.status_code != 200:
                raise SystemExit(f"{path} answers {reply.status_code}: {reply.content[:300]!r}")

        return work

    list_path, stackgo = "/api/v1/connections", "/api/saas-org-user/get-users"
    return {
        "API list, first page": get(list_path),
        "API list, from the middle": get(f"{list_path}?cursor={quote(cursor)}"),
        "API list, one integration": get(f"{list_path}?appSlug={integration.slug}"),
        "API list, reconnect_required": get(f"{list_path}?status=reconnect_required"),
        "API list, refresh_failing": get(f"{list_path}?status=refresh_failing"),
        "API list, one customer": get(f"{list_path}?userForeignIdentifier={identifier}"),
        "API, one connection": get(f"{list_path}/{some.pk}"),
        "StackGo users, first page": get(f"{stackgo}/{integration.slug}"),
        "StackGo users, page 500": get(f"{stackgo}/{integration.slug}?page=500"),
        "look-up by identifier": lambda: connections.find(
            credential, integration, foreign_identifier=identifier
        ),
        "proxy, cold route": lambda: routes.resolve(
            credential, Selector(integration.slug, identifier, None, None)
        ),
        "row for a refresh": lambda: load(some.pk),
    }


def _staff() -> dict[str, Work]:
    from django.contrib.auth import get_user_model
    from django.test import Client

    from integrations.models import Connection, Integration

    users = get_user_model().objects
    staff = users.filter(username="bench").first() or users.create_superuser("bench", "", "bench")
    client = Client()
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    some = Connection.objects.filter(status="active").select_related("customer").order_by("pk")[50]
    integration = Integration.objects.order_by("slug")[0]

    def page(query: str, under: str = _ADMIN) -> Work:
        def work() -> None:
            reply = client.get(under + query)
            if reply.status_code != 200:
                raise SystemExit(f"{under}{query} answers {reply.status_code}")

        return work

    return {
        "admin list": page(""),
        "admin list, page 100": page("?p=100"),
        "admin list, reconnect_required": page("?status__exact=reconnect_required"),
        "admin list, one integration": page(f"?integration__id__exact={integration.pk}"),
        "admin search, account number": page(f"?q={some.provider_account_id}"),
        "admin search, identifier": page(f"?q={some.customer.foreign_identifier}"),
        "admin, one connection": page(f"{some.pk}/change/"),
        "admin home": page("", "/admin/"),
        "admin, scope plan": page(f"{integration.pk}/scope-plan/", "/admin/integrations/integration/"),
    }


def _jobs(world: dict[str, Any]) -> dict[str, Work]:
    from django.utils import timezone

    from integrations import connections, setup
    from integrations.models import ClientCredentials
    from integrations.tasks import identities, purge, revocations

    client = ClientCredentials.objects.get(pk=world["clients"][0])

    def retry_revocations() -> None:
        with patch.object(connections, "carry_out_revocation"):
            revocations.retry_revocations.run()

    return {
        "job: due identities": lambda: list(connections.due_for_identity(timezone.now())[: identities.BATCH]),
        "job: due revocations": retry_revocations,
        "job: purge": purge.purge_expired.run,
        "a new client secret": lambda: setup.retry_connections(client),
    }


if __name__ == "__main__":
    main()
