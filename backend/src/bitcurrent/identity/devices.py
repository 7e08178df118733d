"""Which device is it? The browser's kind and the network it comes from: enough to notice a stranger's login."""

import hashlib
import hmac
from ipaddress import ip_address, ip_network

from bitcurrent.identity.model import Session
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.database import Connection

_IPV4_BITS = 24
_IPV6_BITS = 48
# In this order: later browsers name the earlier ones too.
_BROWSERS = (
    ("edg", "Edge"),
    ("opr/", "Opera"),
    ("firefox", "Firefox"),
    ("chrome", "Chrome"),
    ("safari", "Safari"),
    ("curl", "curl"),
    ("python", "a Python program"),
)
_SYSTEMS = (
    ("android", "Android"),
    ("iphone", "iPhone"),
    ("ipad", "iPad"),
    ("windows", "Windows"),
    ("mac os", "macOS"),
    ("linux", "Linux"),
)
UNKNOWN_BROWSER = "an unknown program"


def name_of(user_agent: str) -> str:
    """A device as a letter names it, out of words of ours only: "Firefox on Linux"."""
    text = user_agent.lower()
    browser = next((name for word, name in _BROWSERS if word in text), UNKNOWN_BROWSER)
    system = next((name for word, name in _SYSTEMS if word in text), None)
    return f"{browser} on {system}" if system else browser


class Devices:
    """Remembers devices, and tells the customer about a login from a new one."""

    def __init__(self, secret_key: str, letters: Letters | None) -> None:
        self._key = hmac.digest(secret_key.encode(), b"known devices", hashlib.sha256)
        self._letters = letters

    async def see(self, connection: Connection, session: Session) -> None:
        """Note the device of a session that opens; the first one of an account is nothing to write about."""
        device = name_of(session.device)
        facts = f"{session.user_id}\n{device}\n{_network_of(session.address)}"
        fingerprint = hmac.digest(self._key, facts.encode(), hashlib.sha256)
        row = await connection.fetchrow(
            """
            WITH others AS (SELECT EXISTS (SELECT FROM known_devices WHERE user_id = $1) AS known)
            INSERT INTO known_devices (user_id, fingerprint) VALUES ($1, $2)
            ON CONFLICT (user_id, fingerprint) DO UPDATE SET last_seen_at = now()
            RETURNING xmax = 0 AS made, (SELECT known FROM others) AS known
            """,
            session.user_id,
            fingerprint,
        )
        assert row is not None  # both ways return the row
        if row["made"] and row["known"] and self._letters is not None:
            when = f"{session.created_at:%Y-%m-%d %H:%M} UTC"
            values = {"when": when, "device": device, "address": session.address}
            await self._letters.queue(connection, user_id=session.user_id, template="new_device", values=values)


def _network_of(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    bits = _IPV4_BITS if parsed.version == 4 else _IPV6_BITS
    return str(ip_network(f"{parsed}/{bits}", strict=False))
