"""What withdrawals need: rails that pay, somebody who screens, and what things are worth.

A rail's calls to the outside never run in a transaction. When a rail leaves us without an answer, the withdrawal stays
`sending`; `ask` is called until the outside has said what became of it. `send` is called again only after `NotSent`
(certainly nothing happened) or when `ask` answered `nothing_there`, always with the same intent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol
from uuid import UUID

from bitcurrent.funding.withdrawals.model import RailName, Withdrawal
from bitcurrent.kernel.ids import UserId

OutcomeKind = Literal["unknown", "sent", "settled", "failed", "nothing_there"]
ScreeningResult = Literal["clear", "review", "block"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where money shall go. `label` is shown, and never holds a whole account number; `usable_at` ends its wait."""

    id: UUID | None
    label: str
    usable_at: datetime | None = None
    returns: Decimal = Decimal(0)
    """What of the amount goes back where it came from, and needs no release for that."""
    mark: str | None = None
    """The same for everybody who sends there, and not to be read: by it monitoring sees that customers share it."""
    since: datetime | None = None
    """When it was saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What the outside will take for it, in the asset."""

    network_fee: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a withdrawal outside.

    `nothing_there` says that it certainly never arrived there and may be sent again under the same intent. `failed`
    and `settled` are final; `paid` says how much left when it was less than asked, `network_fee` what the network took.
    """

    kind: OutcomeKind
    reference: str | None = None
    reason: str | None = None
    paid: Decimal | None = None
    network_fee: Decimal | None = None
    details: Mapping[str, str] = field(default_factory=dict)


class Rail(Protocol):
    """One way out. `connection` is one of kernel.database (ports name no driver)."""

    @property
    def name(self) -> RailName:
        """Which one it is."""
        ...

    @property
    def automatic(self) -> bool:
        """Whether the worker sends approved withdrawals by itself; otherwise people do (a bank's file)."""
        ...

    async def find_destination(
        self, connection: Any, *, user_id: UserId, asset: str, destination: UUID | None, amount: Decimal
    ) -> Destination:
        """The customer's saved destination for this asset, in the open transaction.

        Raises DestinationNotFound, RailNotReady, or why this amount cannot go there.
        """
        ...

    async def quote(self, *, user_id: UserId, asset: str, destination: UUID | None, amount: Decimal) -> Quote:
        """What it will cost there; asks the outside, so never in a transaction. Raises a refusal."""
        ...

    async def send(self, withdrawal: Withdrawal) -> Outcome:
        """Pay it. The withdrawal's id is the intent's id: paying it twice must be impossible.

        Raises funding.ports.NotSent and OutcomeUnknown; a refusal for good is the outcome `failed`.
        """
        ...

    async def ask(self, withdrawal: Withdrawal) -> Outcome:
        """What became of it. Raises funding.ports.NotSent when nobody answers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """What screening says of a withdrawal, and where its evidence is kept."""

    result: ScreeningResult
    reference: str
    reason: str | None = None


class Screening(Protocol):
    """Looks at who withdraws and where to."""

    async def screen(self, connection: Any, withdrawal: Withdrawal) -> Screened:
        """Its word on it, in the open transaction; raises Unavailable when it cannot say, and is asked again."""
        ...


class Cards(Protocol):
    """The cards that have paid."""

    async def due(self, connection: Any, *, user_id: UserId, asset: str, days: int) -> Decimal:
        """What came by card in the last days and can go back there; nothing where cards cannot be paid at all."""
        ...


class Prices(Protocol):
    """What things are worth."""

    async def usd(self, assets: Iterable[str]) -> Mapping[str, Decimal]:
        """USD for one of each asset whose price is fresh; the others are left out. Never in a transaction."""
        ...
