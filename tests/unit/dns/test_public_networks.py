"""Which addresses nobody on the internet can reach."""

import pytest

from hostess.domain.dns.public_networks import is_private, owner_of

PRIVATE = [
    "127.0.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::10.0.0.1",
    "2002:a00:1::1",
    "fd00::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private(address: str) -> None:
    """Addresses of one host, link, site or group are private, those of IPv4 also where they are written as IPv6."""
    assert is_private(address)


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::7", "::ffff:203.0.113.7", "64:ff9b::203.0.113.7"])
def test_public(address: str) -> None:
    """All others are not."""
    assert not is_private(address)


def test_owners() -> None:
    """Whose an address is does not depend on how it is written."""
    assert owner_of("::ffff:104.16.0.1") == owner_of("104.16.0.1") is not None
