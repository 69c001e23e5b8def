"""The registry of health checks: `readyz` and `doctor` run what the apps have registered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """The outcome of one check. detail is a sentence that an operator can act on."""

    is_well: bool
    detail: str = ""


Check = Callable[[], Health]
_checks: dict[str, Check] = {}


def register(name: str, check: Check) -> None:
    """Add a check under a name that `readyz` shows. Checks must answer within a second or two."""
    _checks[name] = check


def run() -> dict[str, Health]:
    """Every registered check by name. A check that raises is unwell; its exception goes to the log alone."""
    return {name: _run_one(name, check) for name, check in sorted(_checks.items())}


def _run_one(name: str, check: Check) -> Health:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (whatever broke, the report must still come)
        log.error("health check failed", check=name, error=type(error).__name__)
        return Health(False, f"The check itself failed with {type(error).__name__}; see the log.")
