"""The ledger's verbs: post a journal, read balances. Posting happens in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.errors import Conflict
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import plain
from bitcurrent.ledger import repository
from bitcurrent.ledger.model import Balance, Explanation, HouseMove, HouseName, Journal


class InsufficientFunds(Conflict):
    """A customer does not have what the journal takes."""

    code = "insufficient_funds"
    title = "Not enough money"

    def __init__(self, *, needed: Decimal, available: Decimal, currency: str) -> None:
        super().__init__(
            f"This needs {plain(needed)} {currency}; {plain(available)} {currency} is available.",
            details={"needed": plain(needed), "available": plain(available), "currency": currency},
        )


async def post(connection: Connection, journal: Journal) -> bool:
    """Post a journal in the open transaction. False: this reference is posted already, nothing was done.

    Raises `InsufficientFunds` when a customer's side would go below zero; the transaction is then spent.
    """
    try:
        return await repository.post_journal(connection, new_id(), journal)
    except asyncpg.CheckViolationError as error:
        if error.table_name != "balances":
            raise
        taken = next(move for move in journal.moves if move.source.user_id is not None)
        raise InsufficientFunds(needed=taken.amount, available=Decimal(0), currency=taken.source.currency) from error


async def read_balances(connection: Connection, user_id: UserId) -> list[Balance]:
    """All balances of a customer that are not empty, by currency."""
    return await repository.read_balances(connection, user_id)


async def read_balance(connection: Connection, user_id: UserId, currency: str) -> Balance:
    """One balance; zero when there never was one."""
    found = await repository.read_balances(connection, user_id, currency)
    return found[0] if found else Balance(currency=currency, available=Decimal(0), held=Decimal(0))


async def find_journal(connection: Connection, reference: str) -> UUID | None:
    """The journal that carries a reference."""
    return await repository.find_journal(connection, reference)


async def sum_house(
    connection: Connection, accounts: Sequence[HouseName], *, since: datetime, until: datetime | None = None
) -> Mapping[tuple[str, str], Decimal]:
    """What moved house accounts from a moment on (until before another), by (account, currency)."""
    return await repository.sum_house(connection, accounts, since, until)


async def moves_of(
    connection: Connection, references: Sequence[str], account: HouseName
) -> Mapping[str, Mapping[str, Decimal]]:
    """What journals moved one house account by, by reference and currency. A reference that is not there is left out.

    A journal that did not touch the account is there, and empty.
    """
    return await repository.read_moves(connection, references, account) if references else {}


async def list_moves(
    connection: Connection, account: HouseName, *, since: datetime, until: datetime, limit: int
) -> Sequence[HouseMove]:
    """The journals that moved one house account in a stretch of time, oldest first."""
    return await repository.list_moves(connection, account, since, until, limit=limit)


async def explain_balance(connection: Connection, user_id: UserId, currency: str, *, limit: int) -> Explanation:
    """A balance, its newest `limit` lines, and what all of its lines add up to.

    Read it in a repeatable-read transaction: otherwise a line that is booked in between would look like a difference.
    """
    balance = await read_balance(connection, user_id, currency)
    lines = await repository.read_entries(connection, user_id, currency, limit=limit)
    count, available, held = await repository.sum_entries(connection, user_id, currency)
    return Explanation(
        balance=balance,
        summed=Balance(currency=currency, available=available, held=held),
        line_count=count,
        lines=tuple(lines),
    )


async def owed_assets(connection: Connection) -> list[str]:
    """Every asset of which some customer has something."""
    return await repository.list_owed_assets(connection)


async def owed(connection: Connection, currency: str) -> list[tuple[UserId, Decimal]]:
    """What each customer has of an asset, available and held together, where it is more than nothing."""
    return await repository.list_owed(connection, currency)
