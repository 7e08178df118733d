"""What rules that differ by country need to know of a customer: where they live, and how to address them."""

from bitcurrent.identity import repository as people
from bitcurrent.identity.privacy import repository
from bitcurrent.identity.privacy.model import Whereabouts
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


async def whereabouts_of(connection: Connection, vault: Vault, user_id: UserId) -> Whereabouts:
    """Where a customer lives, by their profile; nowhere that we know of while there is none."""
    kept = await repository.find_profile(connection, vault, user_id)
    if kept is None:
        return Whereabouts(None, None)
    return Whereabouts(kept.profile.address.country, kept.profile.address.region)


async def first_name_of(connection: Connection, vault: Vault, user_id: UserId) -> str:
    """The legal name's first word once there is a profile, until then the display name's; empty for nobody."""
    kept = await repository.find_profile(connection, vault, user_id)
    if kept is not None:
        return _first(kept.profile.legal_name)
    user = await people.find_user(connection, vault, user_id)
    return _first(user.display_name) if user else ""


def _first(name: str) -> str:
    return next(iter(name.split()), "")
