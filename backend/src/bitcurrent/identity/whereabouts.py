"""From where customers came in last, as a keyed hash: enough to see that several come from one device and address."""

from collections.abc import Collection
from ipaddress import ip_address

from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId

PURPOSE = "identity.whereabouts"


async def whereabouts(connection: Connection, vault: Vault, users: Collection[UserId]) -> dict[UserId, str | None]:
    """For each of these users that there is: device and address of the newest session; None when nothing tells."""
    rows = await connection.fetch(
        """
        SELECT u.id, s.address, s.device FROM users u LEFT JOIN LATERAL (
            SELECT address, device FROM user_sessions WHERE user_id = u.id ORDER BY created_at DESC LIMIT 1) s ON true
        WHERE u.id = ANY ($1)
        """,
        list(users),
    )
    return {row["id"]: _mark(vault, row["address"], row["device"]) for row in rows}


def _mark(vault: Vault, address: str | None, device: str | None) -> str | None:
    if not address or not device:
        return None
    try:
        if ip_address(address).is_loopback:
            return None  # this machine itself: everybody's
    except ValueError:
        return None
    return vault.blind_index(f"{address}\n{device}", purpose=PURPOSE).hex()
