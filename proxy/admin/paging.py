"""Pages of a list that may be long without end."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.utils.functional import cached_property

#: rows that are counted, and can be paged to, at most; whoever looks for older ones filters
MAX_COUNTED = 10_000


class BoundedPaginator(Paginator):
    """Counts so many rows and no more: a COUNT over millions would take longer than the page."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list  # the changelist's QuerySet
        return int(rows.order_by()[:MAX_COUNTED].count())
