"""What notifications need from outside: somebody who carries mail, and somebody who carries texts."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from bitcurrent.notifications.model import Delivery, Mail, OutgoingText


class NotDelivered(Exception):
    """The carrier did not take a letter or text, as far as we know. `for_good`: trying again will not help.

    The message is the carrier's answer without the address, fit for the database and the log.
    """

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good


class Carrier(Protocol):
    """Carries letters to a mail server."""

    async def carry(self, mail: Mail) -> None:
        """Hand one letter over; the id goes along as Message-ID, so a letter sent twice can be recognised.

        Raises NotDelivered. Never call it in a transaction.
        """
        ...


# Checkable, because handlers receive it by its type.
@runtime_checkable
class TextCarrier(Protocol):
    """Carries texts to phones, and tells later what became of them."""

    @property
    def configured(self) -> bool:
        """Whether this installation can send any."""
        ...

    async def carry(self, text: OutgoingText) -> Delivery:
        """Hand one text over; what the carrier says of it at once. Its reports will name the text's id.

        Raises NotDelivered. Never call it in a transaction.
        """
        ...

    def is_genuine(self, *, url: str, fields: Mapping[str, str], signature: str) -> bool:
        """Whether a report to this public address was signed by the carrier."""
        ...
