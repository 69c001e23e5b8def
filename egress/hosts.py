"""Which origin servers a caller may name: exact hosts, https, the default port."""

from collections.abc import Iterable
from dataclasses import dataclass

from egress.urls import Target, parse_host


@dataclass(frozen=True, slots=True)
class HostRules:
    """A set of exact host names. No wildcard, no suffix: `notgoogleapis.com` ends in `googleapis.com`."""

    hosts: frozenset[str]
    port: int = 443

    @classmethod
    def of(cls, hosts: Iterable[str]) -> "HostRules":
        """Build the rules from names as written in a catalogue. Raises InvalidUrl for what is no name."""
        return cls(frozenset(parse_host(host) for host in hosts))

    def allows(self, target: Target) -> bool:
        """Whether a parsed target is https on the port and exactly one of the hosts."""
        return target.scheme == "https" and target.port == self.port and target.host in self.hosts
