"""Whose an address is, by the lists that its owner publishes: what answers for a domain in place of this host."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody's networks. *cdn*: what arrives there is sent on to a host that its customer names."""

    name: str
    cdn: bool


def _networks(*texts: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(map(ip_network, " ".join(texts).split()))


_PRIVATE = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16",
    "224.0.0.0/3 ::/128 ::1/128 fc00::/7 fe80::/10 ff00::/8",
)
"""Not reachable from the internet (RFC 1918, 4193, 6598 and those for one host or link), or no one host's (multicast)."""
_ENDING_IN_IPV4 = _networks("::/96 64:ff9b::/96")
_OWNERS: Final[Mapping[Owner, tuple[IPv4Network | IPv6Network, ...]]] = {
    Owner("Cloudflare", cdn=True): _networks(
        "103.21.244.0/22 103.22.200.0/22 103.31.4.0/22 104.16.0.0/13 104.24.0.0/14 108.162.192.0/18 131.0.72.0/22",
        "141.101.64.0/18 162.158.0.0/15 172.64.0.0/13 173.245.48.0/20 188.114.96.0/20 190.93.240.0/20 197.234.240.0/22",
        "198.41.128.0/17 2400:cb00::/32 2405:8100::/32 2405:b500::/32 2606:4700::/32 2803:f800::/32 2a06:98c0::/29",
        "2c0f:f248::/32",
    ),
    Owner("Fastly", cdn=True): _networks(
        "23.235.32.0/20 43.249.72.0/22 103.244.50.0/24 103.245.222.0/23 103.245.224.0/24 104.156.80.0/20 140.248.64.0/18",
        "140.248.128.0/17 146.75.0.0/17 151.101.0.0/16 157.52.64.0/18 167.82.0.0/17 167.82.128.0/20 167.82.160.0/20",
        "167.82.224.0/20 172.111.64.0/18 185.31.16.0/22 199.27.72.0/21 199.232.0.0/16 2a04:4e40::/32 2a04:4e42::/32",
    ),
    Owner("GitHub Pages", cdn=False): _networks("185.199.108.0/22 2606:50c0::/32"),
}


def is_private(address: str) -> bool:
    """Whether nobody on the internet can reach an address."""
    return _within(address, _PRIVATE)


def owner_of(address: str) -> Owner | None:
    """Return who published that an address is theirs; None for all others."""
    return next((owner for owner, networks in _OWNERS.items() if _within(address, networks)), None)


def _within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    parsed = _meant(ip_address(address))
    return any(parsed in network for network in networks if network.version == parsed.version)


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return whom packets to an address reach: IPv6 has ways to write one of IPv4 (RFC 4291 §2.5.5, RFC 6052, RFC 3056)."""
    if isinstance(address, IPv4Address):
        return address
    if any(address in network for network in _ENDING_IN_IPV4):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
