"""The switches of PATCH /_control/behaviour."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from sandbox.errors import invalid


@dataclass(slots=True)
class Behaviour:
    """How the sandbox behaves now. Names are the wire names of the control API; not kept over a restart."""

    expiresIn: float = 1800
    rotateRefreshTokens: bool = False
    refreshGraceSeconds: float = 0
    tokenDelaySeconds: float = 0
    apiDelaySeconds: float = 0
    rateLimit: int | None = 110
    declineMode: str = "error"
    shape: dict[str, Any] = field(default_factory=dict)
    codeLifetimeSeconds: float = 60
    searchLagSeconds: float = 0
    searchRateLimit: int | None = 5
    retryAfterSeconds: float | None = None
    gzip: bool = False
    chunked: bool = False

    def to_json(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def change(self, changes: dict[str, Any]) -> None:
        """Apply all changes or none. Raises SandboxError (400) naming the first wrong key."""
        for name, value in changes.items():
            check = _CHECKS.get(name)
            if check is None:
                raise invalid(f"unknown behaviour {name!r}; known are {', '.join(_CHECKS)}")
            if not check(value):
                raise invalid(f"{value!r} is no value for the behaviour {name!r}")
        for name, value in changes.items():
            setattr(self, name, value)


def _is_seconds(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value <= 10_000_000


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count_or_none(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


def _is_shape(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    status = value.get("__status", 200)
    lists = (value.get("__drop", []), value.get("__grants", []))
    return (
        isinstance(status, int)
        and 200 <= status <= 599
        and all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in lists)
        and isinstance(value.get("__contentType", ""), str)
        and "\n" not in value.get("__contentType", "")
        and "\r" not in value.get("__contentType", "")
    )


_CHECKS = {
    "expiresIn": _is_seconds,
    "rotateRefreshTokens": _is_flag,
    "refreshGraceSeconds": _is_seconds,
    "tokenDelaySeconds": _is_seconds,
    "apiDelaySeconds": _is_seconds,
    "rateLimit": _is_count_or_none,
    "declineMode": lambda value: value in ("error", "silent"),
    "shape": _is_shape,
    "codeLifetimeSeconds": _is_seconds,
    "searchLagSeconds": _is_seconds,
    "searchRateLimit": _is_count_or_none,
    "retryAfterSeconds": lambda value: value is None or _is_seconds(value),
    "gzip": _is_flag,
    "chunked": _is_flag,
}
