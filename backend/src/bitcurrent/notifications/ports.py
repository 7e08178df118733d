"""What notifications need from outside: somebody who carries mail."""

from typing import Protocol

from bitcurrent.notifications.model import Mail


class NotDelivered(Exception):
    """The mail server did not take a letter, as far as we know. `for_good` says that trying again will not help.

    The message is the server's answer without the address, fit for the database and the log.
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
