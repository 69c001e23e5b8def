"""The caller's address comes from trusted proxies only."""

from __future__ import annotations

import pytest

from accounts.request_context import address_from

PROXIES = ("10.0.0.0/8", "192.0.2.7")


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "expected"),
    [
        ("203.0.113.9", "", (), "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", (), "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", PROXIES, "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", PROXIES, "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 192.0.2.7", PROXIES, "198.51.100.1"),
        ("203.0.113.9", "198.51.100.1", PROXIES, "203.0.113.9"),
        ("10.0.0.1", "nonsense", PROXIES, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, nonsense", PROXIES, "10.0.0.1"),
        ("", "", PROXIES, None),
        ("::1", "", (), "::1"),
        ("fe80::1%eth0", "", (), "fe80::1"),
        ("10.0.0.1", "fe80::1%x';--, 10.0.0.2", PROXIES, "fe80::1"),
    ],
)
def test_the_address_is_the_last_hop_that_is_no_trusted_proxy(
    remote: str, forwarded: str, trusted: tuple[str, ...], expected: str | None
) -> None:
    assert address_from(remote, forwarded, trusted) == expected
