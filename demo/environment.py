"""The development environment: `$PATCHBAY_DATA_DIR/.env`, made once and then kept.

Uses the standard library and cryptography alone, since Django's settings cannot be read before the file is there.
"""

from __future__ import annotations

import json
import os
import secrets
import uuid
from pathlib import Path

from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parent.parent
SLUG = "hbdev"
SCOPES = "oauth crm.objects.contacts.read crm.objects.contacts.write crm.objects.companies.read crm.objects.deals.read"
OPTIONAL_SCOPES = "crm.objects.companies.write crm.objects.deals.write forms"
#: HubSpot's hosts, all played by the sandbox
_PLAYED = (
    "https://app.hubspot.com",
    "https://app-eu1.hubspot.com",
    "https://api.hubapi.com",
    "https://api.hubspot.com",
    "https://api-eu1.hubapi.com",
    "https://api.hsforms.com",
    "https://api-eu1.hsforms.com",
)


def data_dir() -> Path:
    """The folder of this installation, made with no access for others."""
    folder = Path(os.environ.get("PATCHBAY_DATA_DIR") or "var")
    folder = folder if folder.is_absolute() else ROOT / folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "log").mkdir(mode=0o700, exist_ok=True)
    return folder


def hide_answers(folder: Path) -> None:
    """demo.json is there only while the platform is ready: what an earlier start left is put aside first."""
    answers = folder / "demo.json"
    if answers.exists():
        answers.replace(folder / "demo.json.pending")


def values(folder: Path) -> dict[str, str]:
    """What the `.env` holds or will hold. Secrets are made once; ports follow the environment."""
    known = {**_secrets(), **_read(folder / ".env")}
    port = os.environ.get("PORT") or known.get("WEB_PORT") or "8000"
    sandbox_port = os.environ.get("SANDBOX_PORT") or known.get("SANDBOX_PORT") or "8100"
    return known | _of_ports(port, sandbox_port)


def _secrets() -> dict[str, str]:
    return {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "FERNET_KEYS": Fernet.generate_key().decode(),
        "SANDBOX_DEMO_CLIENT_ID": str(uuid.uuid4()),
        "SANDBOX_DEMO_CLIENT_SECRET": str(uuid.uuid4()),
        "SANDBOX_DEMO_APP_ID": str(1_000_000 + secrets.randbelow(8_000_000)),
    }


def _of_ports(port: str, sandbox_port: str) -> dict[str, str]:
    public_url = f"http://localhost:{port}"
    sandbox_url = f"http://127.0.0.1:{sandbox_port}"
    return {
        "PATCHBAY_ENV": "development",
        "WEB_PORT": port,
        "SANDBOX_PORT": sandbox_port,
        "PUBLIC_URL": public_url,
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "UPSTREAM_MAP": json.dumps(dict.fromkeys(_PLAYED, sandbox_url), separators=(",", ":")),
        "SANDBOX_DEMO_REDIRECT_URL": f"{public_url}/oauth/{SLUG}/callback",
        "SANDBOX_DEMO_SCOPES": SCOPES,
        "SANDBOX_DEMO_OPTIONAL_SCOPES": OPTIONAL_SCOPES,
    }


def port_values(values: dict[str, str]) -> dict[str, str]:
    """Those of the values that must agree with the ports of this start, whatever the environment holds."""
    return {name: values[name] for name in _of_ports("", "")}


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'") for name, value in pairs}


def write(folder: Path, values: dict[str, str]) -> None:
    """Replace the `.env` in one step; only its owner can read it."""
    path = folder / ".env"
    text = "# Made by `make run` for development. Delete it, and the database beside it, to begin anew.\n"
    text += "".join(f"{name}='{value}'\n" for name, value in sorted(values.items()))
    temporary = path.with_suffix(".new")
    with os.fdopen(
        os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    temporary.replace(path)
