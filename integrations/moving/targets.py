"""What the connections of a bundle will hang on here: partners, integrations with their clients, credentials.

What is missing is made from the bundle, what is there is used as it is. Everything that stands against it is told
before a row is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts import audit
from accounts.audit import Actor
from accounts.models import Credential, Partner
from integrations import catalogue, grants, setup
from integrations.catalogue import UnknownProvider
from integrations.errors import IntegrationsError, InvalidInput
from integrations.models import ClientCredentials, Integration
from integrations.moving.records import columns_for, secrets_of
from integrations.setup import IntegrationValues
from integrations.slugs import PATTERN, RESERVED

Record = Mapping[str, Any]


class CannotRestore(IntegrationsError):
    """What stands against restoring, one sentence each; nothing was written."""

    def __init__(self, findings: list[str]) -> None:
        super().__init__("\n".join(findings))
        self.findings = findings


@dataclass(slots=True)
class Heads:
    """The records that stand before the connections."""

    partners: list[Record] = field(default_factory=list)
    integrations: list[Record] = field(default_factory=list)
    credentials: list[Record] = field(default_factory=list)


@dataclass(slots=True)
class Made:
    """How many were made."""

    partners: int = 0
    integrations: int = 0
    clients: int = 0
    api_keys: int = 0


class Targets:
    """partners by the bundle's id, integrations by the bundle's slug, clients by (slug, client id)."""

    def __init__(
        self, heads: Heads, *, partner_names: Mapping[str, str], slugs: Mapping[str, str], actor: Actor
    ) -> None:
        """Find what is there and judge what is not. Raises CannotRestore; writes nothing."""
        self._heads, self._actor = heads, actor
        self._partner_names, self._slugs = partner_names, slugs
        self.partners: dict[str, Partner] = {}
        self.integrations: dict[str, Integration] = {}
        self.clients: dict[tuple[str, str], ClientCredentials] = {}
        self.made = Made()
        findings: list[str | None] = list(self._unknown_names())
        findings += [self._find_partner(record) for record in heads.partners]
        findings += [self._find_integration(record) for record in heads.integrations]
        findings += [self._judge_credential(record) for record in heads.credentials]
        told = [finding for finding in findings if finding]
        if told:
            raise CannotRestore(told)

    def make(self) -> None:
        """Make what is missing; call inside a transaction."""
        for record in self._heads.partners:
            self._make_partner(record)
        for record in self._heads.integrations:
            self._make_integration(record)
        for record in self._heads.credentials:
            self._make_credential(record)

    def has_client(self, connection: Record) -> bool:
        """Whether the bundle told of the client that made a connection."""
        return any(
            record["slug"] == connection["integration"] and client["client_id"] == connection["client"]
            for record in self._heads.integrations
            for client in record["clients"]
        )

    def foresee(self) -> None:
        """Count what make() would make."""
        self.made.partners = sum(record["id"] not in self.partners for record in self._heads.partners)
        missing = [record for record in self._heads.integrations if record["slug"] not in self.integrations]
        self.made.integrations = len(missing)
        self.made.clients = sum(
            (record["slug"], client["client_id"]) not in self.clients
            for record in self._heads.integrations
            for client in record["clients"]
        )
        known = {row.client_id for row in self._known_credentials()}
        self.made.api_keys = sum(
            record["columns"]["client_id"] not in known for record in self._heads.credentials
        )

    def _unknown_names(self) -> Iterator[str]:
        """A name that the bundle has not is a slip, which would put rows where nobody wants them."""
        partners = {record["columns"]["name"] for record in self._heads.partners}
        for name in sorted(self._partner_names.keys() - partners):
            yield f"--map-partner: there is no partner {name} in the bundle."
        for slug in sorted(self._slugs.keys() - {record["slug"] for record in self._heads.integrations}):
            yield f"--map: there is no integration {slug} in the bundle."

    # --- partners ---------------------------------------------------------------------------------------
    def _find_partner(self, record: Record) -> str | None:
        name = record["columns"]["name"]
        mapped = self._partner_names.get(name)
        if mapped is not None:
            found = Partner.objects.filter(name=mapped).first()
            if found is None:
                return f"--map-partner: there is no partner {mapped} here."
        else:
            found = Partner.objects.filter(pk=UUID(record["id"])).first()
            found = found or Partner.objects.filter(name=name).first()
        if found is not None:
            self.partners[record["id"]] = found
        return None

    def _make_partner(self, record: Record) -> None:
        if record["id"] in self.partners:
            return
        made = Partner(pk=UUID(record["id"]), **columns_for(Partner, record["columns"]))
        made.full_clean()
        made.save(force_insert=True)
        self.partners[record["id"]] = made
        self.made.partners += 1
        audit.record("partner.restored", made, actor=self._actor, partner=made)

    # --- integrations -----------------------------------------------------------------------------------
    def _slug(self, record: Record) -> str:
        return self._slugs.get(record["slug"], record["slug"])

    def _find_integration(self, record: Record) -> str | None:
        slug, provider_id = self._slug(record), record["provider"]
        try:
            provider = catalogue.get(provider_id)
        except UnknownProvider:
            return f"{slug}: the catalogue here has no provider {provider_id}."
        found = Integration.objects.filter(slug=slug).first()
        if found is None:
            return self._judge_missing(record, slug)
        if found.provider_id != provider_id:
            return (
                f"{slug} is of {found.provider_id} here and of {provider_id} in the bundle: --map "
                f"{record['slug']}=SLUG names another."
            )
        self.integrations[record["slug"]] = found
        known = {client.client_id: client for client in found.clients.all()}
        for client in record["clients"]:
            client_id = client["client_id"]
            if client_id in known:
                self.clients[record["slug"], client_id] = known[client_id]
            elif provider.credentials.client_secret is not None and not client.get("secrets"):
                return (
                    f"{slug} has no client {client_id} here: add it to the integration, or export with "
                    "--with-integrations."
                )
        return None

    def _judge_missing(self, record: Record, slug: str) -> str | None:
        if "columns" not in record:
            return (
                f"There is no integration {slug} here: make it, export with --with-integrations, or name another "
                f"with --map {record['slug']}=SLUG."
            )
        if not PATTERN.fullmatch(slug) or slug in RESERVED:
            return f"--map: {slug} cannot be a short name."
        if not any(client["is_current"] for client in record["clients"]):
            return f"{slug} has no current client in the bundle: make the integration here first."
        try:
            provider = setup.provider_for(record["provider"])
            setup.check(provider, self._values(record), has_secret=False)
        except InvalidInput as error:
            return f"{slug}: {error.field}: {error}"
        return None

    def _values(self, record: Record) -> IntegrationValues:
        current = next(client for client in record["clients"] if client["is_current"])
        columns, secrets = columns_for(Integration, record["columns"]), secrets_of(current)
        return IntegrationValues(
            client_id=current["client_id"],
            app_id=current["app_id"],
            client_secret=secrets.get("client_secret"),
            next_client_secret=secrets.get("next_client_secret"),
            required_scopes=[scope for scope, is_optional in record["scopes"] if not is_optional],
            optional_scopes=[scope for scope, is_optional in record["scopes"] if is_optional],
            **{
                name: columns[name]
                for name in ("display_name", "environment", "is_enabled", "connection_config")
                if name in columns
            },
        )

    def _make_integration(self, record: Record) -> None:
        slug = record["slug"]
        if slug not in self.integrations:
            made = setup.create(
                record["provider"], self._slug(record), self._values(record), actor=self._actor
            )
            current = made.current_client()
            self.integrations[slug] = made
            self.clients[slug, current.client_id] = current
            self.made.integrations += 1
            self.made.clients += 1
        for client in record["clients"]:
            if (slug, client["client_id"]) not in self.clients:
                self._make_client(slug, client)

    def _make_client(self, slug: str, client: Record) -> None:
        """A client beside the current one, for the connections that it made (REF-31)."""
        secrets = secrets_of(client)
        last4 = secrets["client_secret"].last4 if "client_secret" in secrets else ""
        made = ClientCredentials(
            integration=self.integrations[slug],
            client_id=client["client_id"],
            app_id=client["app_id"],
            is_current=False,
            client_secret_last4=last4,
            **secrets,
        )
        made.save(force_insert=True)
        self.clients[slug, made.client_id] = made
        self.made.clients += 1
        audit.record(
            "integration.client_restored",
            self.integrations[slug],
            actor=self._actor,
            changes={"client_id": made.client_id},
        )

    # --- credentials ------------------------------------------------------------------------------------
    def _known_credentials(self) -> list[Credential]:
        client_ids = [record["columns"]["client_id"] for record in self._heads.credentials]
        return list(Credential.objects.filter(client_id__in=client_ids))

    def _judge_credential(self, record: Record) -> str | None:
        columns = record["columns"]
        same = Q(client_id=columns["client_id"]) | Q(api_key_sha256=columns["api_key_sha256"])
        found = Credential.objects.filter(same).first()
        partner = self.partners.get(record["partner"])
        if found is not None and (partner is None or found.partner_id != partner.pk):
            return f"The credential {columns['client_id']} belongs to another partner here."
        return None

    def _make_credential(self, record: Record) -> None:
        """The same digests, so that the partner's key fits here too; one that is here already stays as it is."""
        columns = columns_for(Credential, record["columns"])
        if Credential.objects.filter(client_id=columns["client_id"]).exists():
            return
        made = Credential(partner=self.partners[record["partner"]], **columns)
        made.save(force_insert=True)
        used = [self.integrations[slug] for slug in record["integrations"] if slug in self.integrations]
        grants.replace(made, used, actor=self._actor)
        self.made.api_keys += 1
        audit.record(
            "credential.restored", made, actor=self._actor, changes={"permissions": made.permissions}
        )
