"""What a client's connections are counted under, and how many a worker may hold."""

import resource

import pytest

from hostess_proxy.crowd import MOST_PLACES, places_for, share_of


@pytest.mark.parametrize(
    ("address", "share"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "20010db800010002"),
        ("2001:db8:1:2::9", "20010db800010002"),
        ("fe80::1%eth0", "fe80000000000000"),
        ("127.0.0.1", ""),
        ("127.3.2.1", ""),
        ("::1", ""),
    ],
)
def test_shares(address: str, share: str) -> None:
    """An IPv4 address is one client, an IPv6 network of 64 bits is one, and this host is none."""
    assert share_of(address) == share


def test_places() -> None:
    """A worker holds what is asked for, but leaves a quarter of its descriptors to other things."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)

    assert places_for(10) == 10
    assert places_for(0) == min(MOST_PLACES, allowed * 3 // 4)
    assert places_for(1_000_000_000) == allowed * 3 // 4
