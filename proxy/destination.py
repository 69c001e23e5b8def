"""Where a call may go: proved before a credential is attached, with the one parser of egress."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from accounts.api.problems import Problem, invalid
from egress.errors import InvalidUrl
from egress.hosts import HostRules
from egress.urls import Target, check_raw_path, join_base, parse_host, parse_url
from integrations.catalogue import ClosedPath
from proxy.closed import ClosedPaths, closed_paths

MAX_TARGET_CHARACTERS = 65_536
_UNSENDABLE = re.compile(r"[^\x21-\x7e]|[#?\\]").search
_UNSENDABLE_QUERY = re.compile(r"[^\x21-\x7e]|#").search
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match


@dataclass(frozen=True, slots=True)
class Destination:
    """The places that one connection's calls may go to. `base` lies on an allowed host itself."""

    base: Target
    rules: HostRules
    closed: ClosedPaths

    @classmethod
    def of(cls, base_url: str, hosts: Iterable[str], closed: tuple[ClosedPath, ...] = ()) -> Destination:
        """Raises InvalidUrl when the base is not on one of the hosts: a catalogue error."""
        base, rules = parse_url(base_url), HostRules.of(hosts)
        if not rules.allows(base):
            raise InvalidUrl("The base URL is not on an allowed host.")
        return cls(base, rules, closed_paths(closed))

    def under_base(self, raw_path: str, raw_query: str | None, *, host: str | None = None) -> Target:
        """The target of a passthrough call: base and raw path put one after the other, byte for byte.

        host: another allowed host, on which the raw path counts from the root. Raises Problem.
        """
        base = self.base if host is None else self._other_host(host)
        path = base.raw_path.removesuffix("/") + raw_path if raw_path else base.raw_path
        if _UNSENDABLE(path) or (raw_query and _UNSENDABLE_QUERY(raw_query)):
            raise invalid("path", "Path or query hold a character that must be percent-encoded.")
        if len(path) + len(raw_query or "") > MAX_TARGET_CHARACTERS:
            raise invalid("path", f"Path and query are longer than {MAX_TARGET_CHARACTERS} characters.")
        try:
            check_raw_path(path)
        except InvalidUrl as error:
            raise invalid("path", error.reason) from error
        target = Target(base.scheme, base.host, base.port, path, raw_query)
        self._require_open(target, field="path")
        return target

    def of_url(self, url: str) -> Target:
        """The target of an envelope's `url`: absolute, or a path under the base. Raises Problem."""
        if url.startswith("//"):
            raise invalid("url", "Give an absolute URL or a path; '//' begins neither.")
        try:
            if _ABSOLUTE(url):
                target = parse_url(url)
                check_raw_path(target.raw_path)
            else:
                target = join_base(self.base, url)
        except InvalidUrl as error:
            raise invalid("url", error.reason) from error
        if not self.rules.allows(target):
            raise _not_allowed("url", "The provider's catalogue entry does not allow this host.")
        self._require_open(target, field="url")
        return target

    def _other_host(self, text: str) -> Target:
        try:
            host = parse_host(text)
        except InvalidUrl:
            host = ""
        if host not in self.rules.hosts:
            raise _not_allowed("Patchbay-Host", "The provider's catalogue entry does not allow this host.")
        return self.base if host == self.base.host else Target("https", host, self.rules.port, "/")

    def _require_open(self, target: Target, *, field: str) -> None:
        if refusal := self.closed.refusal(target.host, target.raw_path):
            raise _not_allowed(field, refusal)


def _not_allowed(field: str, detail: str) -> Problem:
    return Problem("destination_not_allowed", detail, {"field": field})
