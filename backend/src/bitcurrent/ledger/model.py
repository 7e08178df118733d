"""Journals as values: money moves from a source to a target, in positive amounts, and each journal balances. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT

HouseName = Literal[
    "venue",
    "processor",
    "bank",
    "fees",
    "venue_fees",
    "bonuses",
    "disputes",
    "rounding",
    "suspense",
    "processor_fees",
    "network_fees",
    "fx",
    "adjustments",
    "losses",
]
HOUSE_ACCOUNTS: tuple[HouseName, ...] = (
    "venue",
    "processor",
    "bank",
    "fees",
    "venue_fees",
    "bonuses",
    "disputes",
    "rounding",
    "suspense",
    "processor_fees",
    "network_fees",
    "fx",
    "adjustments",
    "losses",
)


@dataclass(frozen=True, slots=True)
class Account:
    """One account of one asset: a customer's bucket when `user_id` is set, otherwise a house account.

    House accounts that stand for things we own elsewhere (venue, processor, bank) are negative by what is there:
    what customers are owed and where it lies sum to zero.
    """

    name: str
    currency: str
    user_id: UserId | None = None

    def __str__(self) -> str:
        return f"{self.name}:{self.currency}"


def available(user_id: UserId, currency: str) -> Account:
    """What the customer may use."""
    return Account("available", currency, user_id)


def held(user_id: UserId, currency: str) -> Account:
    """What is set aside for an order or a withdrawal."""
    return Account("held", currency, user_id)


def house(name: HouseName, currency: str) -> Account:
    """One of the brokerage's own accounts."""
    return Account(name, currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One amount, always positive, from a source to a target of the same asset."""

    source: Account
    target: Account
    amount: Decimal

    def __post_init__(self) -> None:
        if self.amount <= 0 or not self.amount.is_finite():
            raise ValueError("a move carries a positive amount")
        if self.source.currency != self.target.currency:
            raise ValueError("a move stays in one asset")


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Moves that happen together or not at all. `reference` is unique for good: posting it twice posts it once."""

    kind: str
    reference: str
    moves: tuple[Move, ...]
    memo: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> list[tuple[Account, Decimal]]:
        """Signed amounts in the order of the moves: minus at the source, plus at the target."""
        # Not `-amount`: that rounds to the 28 digits of Python's default context.
        return [
            line
            for move in self.moves
            for line in ((move.source, move.amount.copy_negate()), (move.target, move.amount))
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What a customer has of one currency: free to use, and set aside."""

    currency: str
    available: Decimal
    held: Decimal

    @property
    def total(self) -> Decimal:
        """Available and held together."""
        return EXACT.add(self.available, self.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLine:
    """One line of one journal, as it stands in the books."""

    created_at: datetime
    journal_id: UUID
    kind: str
    reference: str
    account: str
    amount: Decimal
    balance_after: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseMove:
    """What one journal moved one house account by, in one currency."""

    reference: str
    kind: str
    created_at: datetime
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One line of one journal on one of a customer's buckets."""

    created_at: datetime
    journal_id: UUID
    kind: str
    reference: str
    currency: str
    account: str
    amount: Decimal
    balance_after: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A balance and the lines that made it. `lines` are the newest, `line_count` counts all of them.

    `summed` is what all lines add up to; law I2 says that it is the balance.
    """

    balance: Balance
    summed: Balance
    line_count: int
    lines: tuple[EntryLine, ...]

    @property
    def agrees(self) -> bool:
        """Whether the lines really add up to the balance."""
        return self.balance == self.summed
