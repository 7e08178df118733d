"""The real outbox and postman, with a bag instead of a mail server."""

from dataclasses import dataclass, field

from bitcurrent.notifications.model import Mail
from bitcurrent.notifications.tasks import Postman


@dataclass(slots=True)
class Bag:
    """A carrier that keeps what it is given."""

    mails: list[Mail] = field(default_factory=list)

    async def carry(self, mail: Mail) -> None:
        self.mails.append(mail)


@dataclass(frozen=True, slots=True)
class Post:
    """The real outbox and postman, whose carrier is a bag."""

    postman: Postman
    bag: Bag

    async def to(self, address: str) -> list[Mail]:
        """Every letter to an address so far, oldest first."""
        while await self.postman.carry_due():
            continue
        return [mail for mail in self.bag.mails if mail.to == address]

    async def token(self, address: str) -> str:
        """The token of the newest link to an address."""
        letters = [mail for mail in await self.to(address) if "#" in mail.text]
        return letters[-1].text.partition("#")[2].partition("=")[2].split()[0]

    async def subjects(self, address: str) -> list[str]:
        return [mail.subject for mail in await self.to(address)]
