"""Which of an account's limits a call will count against, as replies to calls like it have told."""

from __future__ import annotations

from functools import lru_cache

_MAX_SHAPES = 10_000
#: calls of one shape were counted against several
_SEVERAL = ""


class Resources:
    """One per data plane; used on its loop alone. Only for providers that name a limit's resource."""

    def __init__(self) -> None:
        self._of_shapes: dict[str, str] = {}

    def note(self, where: str, resource: str) -> None:
        """A reply told what its call was counted against. where: host and path."""
        shape = _shape(where)
        known = self._of_shapes.get(shape)
        if known is None:
            if len(self._of_shapes) >= _MAX_SHAPES:
                del self._of_shapes[next(iter(self._of_shapes))]
            self._of_shapes[shape] = resource
        elif known != resource:
            self._of_shapes[shape] = _SEVERAL

    def of(self, where: str) -> str:
        """The resource; "" when it is not known for certain."""
        return self._of_shapes.get(_shape(where), _SEVERAL) if self._of_shapes else _SEVERAL


@lru_cache(maxsize=4_096)
def _shape(where: str) -> str:
    """Host, first and last segment and their number: what calls of one method of an API have in common.

    A number at the end stands for any. Names in the middle, such as an owner's, are left out.
    """
    host, *segments = where.split("/")
    last = segments[-1] if segments else ""
    if last.isdigit() and len(segments) > 1:
        last = f"{segments[-2]}/0"
    return f"{host}/{segments[0] if segments else ''}/{len(segments)}/{last}"
