"""Pages of a list that may be long without end."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.utils.functional import cached_property

#: rows that are counted, and can be paged to, at most; whoever looks for older ones filters
MAX_COUNTED = 10_000


class BoundedPaginator(Paginator):
    """Counts so many rows and no more: a COUNT over millions would take longer than the page."""

    @cached_property
    def count(self) -> int:
        counted: int = self.object_list.order_by()[:MAX_COUNTED].count()  # type: ignore[union-attr]  # a QuerySet
        return counted
