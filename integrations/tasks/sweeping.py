"""What sweeps share: a row that fails in a way nobody thought of must not stop the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

log = structlog.get_logger(__name__)


@contextmanager
def others_go_on(what: str, row_id: UUID) -> Iterator[None]:
    """Log what one row raises and go on; the row has been moved back already."""
    try:
        yield
    except Exception:
        log.exception("a sweep left one row out", what=what, row=str(row_id))
