"""Reading the environment: where values come from, and refusing what is unsafe in production.

Every variable may also be given as NAME_FILE, a path whose content is the value (django-environ's
FileAwareEnv). `$PATCHBAY_DATA_DIR/.env` is read where it exists; the process environment wins.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

BASE_DIR = Path(__file__).resolve().parent.parent

#: 32 bytes as url-safe base64; decoding alone would overlook stray characters
_FERNET_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")

#: name -> a right value, shown in the message that refuses a start.
EXAMPLES = {
    "SECRET_KEY": "at least 50 random characters: python -c 'import secrets; print(secrets.token_urlsafe(50))'",
    "FERNET_KEYS": (
        "one or more Fernet keys, newest first, separated by commas: "
        "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
    ),
    "PUBLIC_URL": "https://connect.example.com",
    "ALLOWED_HOSTS": "connect.example.com",
    "UPSTREAM_MAP": "(leave it unset: it is for development only)",
    "PATCHBAY_ENV": "production or development",
    "TRAFFIC_LOG": "all, errors or off",
}


def data_dir() -> Path:
    """The folder of everything that an installation keeps: database, broker, logs, `.env`."""
    path = Path(os.environ.get("PATCHBAY_DATA_DIR") or "var")
    return path if path.is_absolute() else BASE_DIR / path


class _Values(FileAwareMapping):
    """The process environment with NAME_FILE; a file's last line end is not part of its value."""

    def __getitem__(self, name: str) -> str:
        return str(super().__getitem__(name)).strip()


class Env(environ.Env):
    ENVIRON = _Values()


def read(folder: Path) -> Env:
    """An Env that has read `folder/.env` without overriding the process environment."""
    env = Env()
    dotenv = folder / ".env"
    if dotenv.is_file():
        environ.Env.read_env(str(dotenv), overwrite=False)
    return env


def refuse(name: str, problem: str) -> ImproperlyConfigured:
    """The exception for one wrong variable: names it and shows a right value."""
    return ImproperlyConfigured(f"{name} {problem}. A right value: {EXAMPLES[name]}")


def check_fernet_keys(keys: list[str]) -> None:
    """Raise ImproperlyConfigured unless every key is 32 bytes of url-safe base64."""
    if not keys:
        raise refuse("FERNET_KEYS", "is not set; tokens cannot be stored without it")
    for position, key in enumerate(keys, start=1):
        if not _FERNET_KEY.fullmatch(key):
            raise refuse("FERNET_KEYS", f"entry {position} is not a Fernet key")


def check_production(
    *, secret_key: str, public_url: str, allowed_hosts: list[str], upstream_map: dict
) -> None:
    """Refuse a production start with an unsafe or missing value."""
    if len(secret_key) < 50 or len(set(secret_key)) < 5:
        raise refuse("SECRET_KEY", "is missing or too short")
    if urlsplit(public_url).scheme != "https":
        raise refuse("PUBLIC_URL", "must be an https origin in production")
    if not allowed_hosts or "*" in allowed_hosts:
        raise refuse("ALLOWED_HOSTS", "must name the hosts that are served")
    if upstream_map:
        raise refuse("UPSTREAM_MAP", "is set, which would send customers' tokens elsewhere")


def check_public_url(public_url: str) -> None:
    """PUBLIC_URL is an origin: scheme and host, no path; every public URL is built from it alone."""
    parts = urlsplit(public_url)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.path
        or parts.query
        or parts.username
    ):
        raise refuse("PUBLIC_URL", "must be an origin (scheme and host, no path)")
