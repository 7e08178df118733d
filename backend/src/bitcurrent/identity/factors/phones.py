"""A customer's phone, for the rooms that send texts to it."""

from bitcurrent.identity.factors import repository
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId


async def confirmed_phone(connection: Connection, vault: Vault, user_id: UserId) -> str | None:
    """The number that answered a code, in E.164 form; None when there is none."""
    sms = await repository.find_sms(connection, user_id)
    if sms is None or sms.confirmed_at is None:
        return None
    return vault.decrypt(sms.phone_encrypted, table="sms_factors", column="phone_encrypted", row=user_id).decode()
