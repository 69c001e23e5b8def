"""Which handler answers a path. Matches decoded segments, so that %2F inside an id stays inside it."""

from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.errors import method_not_allowed, not_found
from sandbox.wire import Call, Handler


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path. `{name}` takes one segment, a last `{name*}` the rest. method "*" is any.

    is_free: no fault delay, credential or rate fields (the sandbox's own extras).
    is_streamed: the handler reads the body itself.
    """

    method: str
    path: str
    handler: Handler
    is_free: bool = False
    is_streamed: bool = False

    def match(self, segments: list[str]) -> dict[str, str] | None:
        parts = self.path.split("/")[1:]
        rest = parts[-1].endswith("*}")
        if len(parts) != len(segments) and not (rest and len(segments) >= len(parts) - 1):
            return None
        params: dict[str, str] = {}
        for index, part in enumerate(parts):
            if part.endswith("*}"):
                params[part[1:-2]] = "/".join(segments[index:])
            elif part.startswith("{"):
                if not segments[index]:
                    return None
                params[part[1:-1]] = segments[index]
            elif part != segments[index]:
                return None
        return params


class Router:
    """Finds the route of a call."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = list(routes)
        self._by_head: dict[str, list[Route]] = {}
        for route in self.routes:
            self._by_head.setdefault(route.path.split("/")[1], []).append(route)

    def find(self, call: Call) -> Route:
        """The route, with call.params filled. Raises SandboxError (404, or 405 with Allow)."""
        method = "GET" if call.method == "HEAD" else call.method
        allowed: list[str] = []
        for route in self._by_head.get(call.segments[0] if call.segments else "", []):
            params = route.match(call.segments)
            if params is None:
                continue
            if route.method in ("*", method):
                call.params = params
                return route
            allowed.append(route.method)
        if allowed:
            raise method_not_allowed(allowed)
        raise not_found()
