"""Where a request comes from: the peer's address, or what a trusted proxy says of it."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

HOPS_MAX = 10
UNKNOWN = "unknown"


class Addresses:
    """Reads addresses. `trusted_proxies` are addresses or networks with commas between them."""

    def __init__(self, trusted_proxies: str) -> None:
        named = [part.strip() for part in trusted_proxies.split(",") if part.strip()]
        self._trusted: list[IPv4Network | IPv6Network] = [ip_network(part, strict=False) for part in named]

    def of(self, scope: Mapping[str, Any]) -> str:
        """The client's address. X-Forwarded-For counts only as far as proxies that we trust wrote it."""
        client = scope.get("client")
        address = str(client[0]) if client else UNKNOWN
        if not self._trusted or not self._is_trusted(address):
            return address
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        hops = [hop.strip() for hop in forwarded.decode("latin-1").split(",") if hop.strip()]
        # From the nearest proxy outwards: the first that is not ours is the client; what it claims is not proof.
        for hop in reversed(hops[-HOPS_MAX:]):
            if not _is_address(hop):
                return address
            address = hop
            if not self._is_trusted(hop):
                return address
        return address

    def _is_trusted(self, address: str) -> bool:
        return _is_address(address) and any(ip_address(address) in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
