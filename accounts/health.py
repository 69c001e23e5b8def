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
_thorough: dict[str, Check] = {}


def register(name: str, check: Check, *, thorough: Check | None = None) -> None:
    """Add a check under a name that `readyz` shows. Checks must answer within a second or two.

    thorough: what stands for it where somebody waits for the answer, and it may take some seconds (`doctor`).
    """
    _checks[name] = check
    if thorough is not None:
        _thorough[name] = thorough


def run(*, thorough: bool = False) -> dict[str, Health]:
    """Every registered check by name. A check that raises is unwell; its exception goes to the log alone."""
    chosen = {**_checks, **(_thorough if thorough else {})}
    return {name: _run_one(name, chosen[name]) for name in sorted(_checks)}


def _run_one(name: str, check: Check) -> Health:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 (whatever broke, the report must still come)
        log.error("health check failed", check=name, error=type(error).__name__)
        return Health(False, f"The check itself failed with {type(error).__name__}; see the log.")
