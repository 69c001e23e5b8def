"""A server's catalogue entry in the way that an operator gets it: scaffolded from its metadata, then finished."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any, Protocol

import yaml
from django.core.management import call_command

from integrations import catalogue
from integrations.catalogue import Provider, facts, registry
from integrations.catalogue.building import build


class Published(Protocol):
    """A server that publishes metadata: its name here, what it calls itself, where its API is."""

    name: str
    issuer: str
    origin: str

    def finish_entry(self, document: dict[str, Any]) -> None: ...


def scaffolded(server: Published, folder: Path) -> dict[str, Any]:
    """What `manage.py catalogue scaffold --issuer` makes of the server's own metadata, unfinished.

    UPSTREAM_MAP must lead to the server.
    """
    told = StringIO()
    options = ("--issuer", server.issuer, "--api-url", server.origin, "--folder", str(folder))
    call_command("catalogue", "scaffold", server.name, *options, stdout=told)
    document: dict[str, Any] = yaml.safe_load((folder / f"{server.name}.yaml").read_text())
    return document


def finished(server: Published, folder: Path, **oauth: Any) -> dict[str, Any]:
    """The draft with every TODO replaced, written back and found valid.

    oauth: members to set; None takes one out.
    """
    document = scaffolded(server, folder)
    document["category"] = "identity"
    document["documentation_url"] = f"{server.origin}/docs"
    document["setup_steps"] = ["Register an app with {redirect_uri}."]
    for field in document["credentials"].values():
        field |= {"example": "made up", "console_location": "Apps"}
    for scope in document.get("scopes", ()):
        scope |= {"meaning": f"Use {scope['name']}", "group": "Account"}
    server.finish_entry(document)
    for member, value in oauth.items():
        document["oauth"][member] = value
        if value is None:
            del document["oauth"][member]
    if "token_endpoint_auth_method" in oauth:
        document["revocation"]["auth"] = oauth["token_endpoint_auth_method"]
    document |= {"facts_unknown": [], "facts_absent": []}
    provider = build(Provider, document)
    document["facts_unknown"] = sorted(facts.applicable(provider) - facts.filled(provider))
    write(document, folder)
    call_command("catalogue", "validate", "--folder", str(folder), stdout=StringIO())
    return document


def serve(folder: Path) -> None:
    """Let the catalogue read the folder, anew if it has read it before."""
    registry._loaded.pop(folder, None)
    catalogue.use_folder(folder)


def write(document: dict[str, Any], folder: Path) -> None:
    path = folder / f"{document['id']}.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
