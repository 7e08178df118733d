"""Where customers are reached, for the rooms that write to them."""

from bitcurrent.identity import repository
from bitcurrent.identity.factors.phones import confirmed_phone
from bitcurrent.identity.model import ERASED
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


async def address_of(connection: Connection, vault: Vault, user_id: UserId) -> str | None:
    """The customer's e-mail address of this moment; None when there is none such, or it was erased."""
    user = await repository.find_user(connection, vault, user_id)
    return None if user is None or user.email == ERASED else user.email


async def phone_of(connection: Connection, vault: Vault, user_id: UserId) -> str | None:
    """The customer's confirmed phone in E.164 form; None when there is none."""
    return await confirmed_phone(connection, vault, user_id)
