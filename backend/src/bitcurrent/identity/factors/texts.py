"""Codes by text: a weaker extra, because texts can be intercepted and phone numbers taken over."""

from redis.asyncio import Redis

from bitcurrent.identity.factors import codes, repository
from bitcurrent.identity.factors.model import SMS_CODE_LIFETIME
from bitcurrent.identity.factors.refusals import MethodMissing, SmsNotConfigured
from bitcurrent.identity.ports import TextMessages
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.web.limits import Limit, Limiter

TEXTS_PER_USER = Limit("sms-user", attempts=5, seconds=3600)
TEXTS_PER_ADDRESS = Limit("sms-address", attempts=20, seconds=3600)


class CodeTexts:
    """Sends codes to phones."""

    def __init__(self, *, database: Database, redis: Redis, vault: Vault, texts: TextMessages) -> None:
        self._database = database
        self._vault = vault
        self._texts = texts
        self._limiter = Limiter(redis)

    async def prepare(self, user_id: UserId, *, address: str) -> None:
        """Before a code is sent: raises SmsNotConfigured, TooMany or Unavailable."""
        if not self._texts.configured:
            raise SmsNotConfigured
        await self._limiter.attempt(TEXTS_PER_ADDRESS, address)
        await self._limiter.attempt(TEXTS_PER_USER, str(user_id))

    async def send(self, user_id: UserId, *, unconfirmed: bool = False) -> None:
        """Send a new code to the user's phone. Opens its own transaction, and none is open while the text is sent.

        Raises MethodMissing when there is no (confirmed) phone, Unavailable when it is not known to have been sent.
        """
        code = codes.new_sms_code()
        async with self._database.transaction() as connection:
            sms = await repository.find_sms(connection, user_id)
            if sms is None or (sms.confirmed_at is None and not unconfirmed):
                raise MethodMissing((await repository.enrolled(connection, user_id)).methods)
            await repository.set_sms_code(
                connection, user_id, codes.sms_hash(self._vault, user_id, code), SMS_CODE_LIFETIME
            )
        phone = self._vault.decrypt(sms.phone_encrypted, table="sms_factors", column="phone_encrypted", row=user_id)
        await self._texts.send(
            phone=phone.decode(), text=f"{code} is your BitCurrent code. Nobody from BitCurrent will ask you for it."
        )
