"""Networks of addresses, and whether an address lies in one of them."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

Network = IPv4Network | IPv6Network

PRIVATE = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""This very machine, and networks that nobody reaches from the internet."""


class Networks:
    """Some networks, never changed. Empty ones contain nobody."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Iterable[Network] = ()) -> None:
        self._parts = tuple(dict.fromkeys(parts))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Networks) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts)

    def __bool__(self) -> bool:
        return bool(self._parts)

    @classmethod
    def of(cls, parts: Iterable[str]) -> Self:
        """Networks by their notation: 203.0.113.0/24, 2001:db8::/32, or a single address. Raises ValueError."""
        return cls(_network(part.strip()) for part in parts)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Networks with commas between them; none in an empty text. Raises ValueError."""
        return cls.of(part for part in text.split(",") if part.strip())

    def contains(self, address: str) -> bool:
        """Whether the address lies in one of them; what is no address lies in none."""
        try:
            found = _plain(ip_address(address))
        except ValueError:
            return False
        return any(found in network for network in self._parts)

    def texts(self) -> list[str]:
        """Their notations."""
        return [str(part) for part in self._parts]


def _network(text: str) -> Network:
    network = ip_network(text, strict=False)
    # ::ffff:203.0.113.0/120 is the IPv4 network behind it: addresses are compared in their plain form.
    if isinstance(network, IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped:
        return ip_network(f"{network.network_address.ipv4_mapped}/{network.prefixlen - 96}", strict=False)
    return network


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """A dual-stack socket shows an IPv4 client as ::ffff:203.0.113.7."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
