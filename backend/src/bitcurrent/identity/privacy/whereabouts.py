"""What rules that differ by country need to know of a customer: how to address them, and where they live."""

from bitcurrent.identity import repository as people
from bitcurrent.identity.privacy import repository
from bitcurrent.identity.privacy.model import Whereabouts
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


async def whereabouts_of(connection: Connection, vault: Vault, user_id: UserId) -> Whereabouts:
    """Of a customer: the legal name's first word once there is a profile, until then the display name's."""
    kept = await repository.find_profile(connection, vault, user_id)
    if kept is not None:
        profile = kept.profile
        return Whereabouts(_first(profile.legal_name), profile.address.country, profile.address.region)
    user = await people.find_user(connection, vault, user_id)
    return Whereabouts(_first(user.display_name) if user else "", None, None)


def _first(name: str) -> str:
    return next(iter(name.split()), "")
