"""Logging: one line an event, JSON in production, every line through the secret masker."""

from __future__ import annotations

import logging.config
import re
from collections.abc import Mapping, MutableMapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import structlog

from integrations.oauth.masking import MASK, is_secret_name, mask_secrets

_MAX_LENGTH = 4_000
#: ids of rows and requests look random and are no secret (contract, head)
_OUR_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


#: the tokens of customers' pages stand in their paths, which Django logs with every 4xx
_LINK_TOKEN = re.compile(r"(/(?:connect|manage|reconnect)/)[^/?\s\"']+")
_PLAIN = (bool, int, float, UUID, date, timedelta)
_DEEPEST = 6


def _mask(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A net under the rule that nothing secret is logged: members that look secret lose their value."""
    event.pop("request", None)  # its repr holds the query, and with it codes and states
    for key, value in event.items():
        if not key.startswith("_"):  # structlog's own
            event[key] = _masked_member(key, value, _DEEPEST)
    return event


def _masked_member(name: object, value: Any, depth: int) -> Any:
    return MASK if value is not None and is_secret_name(str(name)) else _masked(value, depth)


def _masked(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, str):
        return _masked_text(value)
    if depth and isinstance(value, Mapping):
        return {key: _masked_member(key, member, depth - 1) for key, member in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_masked(member, depth - 1) for member in value]
    return _masked_text(repr(value))


def _masked_text(text: str) -> str:
    if _OUR_ID.fullmatch(text):
        return text
    return mask_secrets(_LINK_TOKEN.sub(rf"\1{MASK}", text), max_length=_MAX_LENGTH)


def configure(settings: dict[str, Any]) -> None:
    """Called by Django with settings.LOGGING: {"level", "is_json"}."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings["is_json"]
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "structured": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": [*shared[:4], structlog.stdlib.ExtraAdder(), *shared[4:]],
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
                }
            },
            "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["console"], "level": settings["level"]},
            "loggers": {
                # The access log would carry connect tokens and codes in its URLs.
                "uvicorn.access": {"level": "CRITICAL", "propagate": False},
                "uvicorn": {"level": settings["level"]},
                "django.server": {"level": "WARNING"},
                "celery.beat": {"level": "WARNING"},
                "kombu.connection": {"level": "ERROR"},
                "celery.app.trace": {"level": "WARNING"},
            },
        }
    )
