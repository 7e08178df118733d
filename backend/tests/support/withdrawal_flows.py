"""What docs/money tells of withdrawals, done by the real books."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from bitcurrent.funding.withdrawals import journals, repository
from bitcurrent.funding.withdrawals.changing import Changes, Facts
from bitcurrent.funding.withdrawals.model import CONFIRM_WITHIN, State, Withdrawal, total_of
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.ledger.service import post
from tests.support import books


class Customer(Protocol):
    """The customer of the documentation, or another one."""

    @property
    def connection(self) -> Connection: ...

    @property
    def id(self) -> UserId: ...


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with money, on a connection."""

    connection: Connection
    id: UserId


class NoLetters:
    """Nobody is written to: this is about the books."""

    async def queue(self, connection: Any, **_: Any) -> None:
        return


async def asked(ann: Customer, asset: str, amount: str, *, fee: str = "0", network_fee: str = "0") -> Withdrawal:
    """A withdrawal that holds her money; she is in the list of users, as whoever withdraws."""
    await ann.connection.execute(
        """
        INSERT INTO users (id, data_key, email_index, email_encrypted, display_name_encrypted, password_hash, role)
        VALUES ($1, '', $2, '', '', '', 'customer') ON CONFLICT DO NOTHING
        """,
        ann.id,
        ann.id.bytes,
    )
    costs = Decimal(amount), Decimal(fee), Decimal(network_fee)
    withdrawal = await repository.insert(
        ann.connection,
        repository.NewWithdrawal(
            id=new_id(),
            user_id=ann.id,
            asset=asset,
            amount=costs[0],
            fee=costs[1],
            network_fee=costs[2],
            held=total_of(*costs),
            worth=costs[0],
            rail="bank" if asset == "USD" else "wallet",
            destination=new_id(),
            destination_label="US •••• 6789",
            limit_version="1",
        ),
        confirm_within=CONFIRM_WITHIN,
    )
    assert await post(ann.connection, journals.hold(withdrawal))
    return withdrawal


async def go(ann: Customer, withdrawal: Withdrawal, *states: State, **facts: Any) -> Withdrawal:
    """Carry it through these states; the facts belong to the last one."""
    changes = Changes(NoLetters())
    for state in states:
        known = Facts(screening="clear", screening_reference="test") if state is State.APPROVED else Facts()
        last = Facts(**facts) if state is states[-1] and facts else known
        withdrawal = await changes.move(ann.connection, withdrawal, state, last)
    return withdrawal


SENT = (State.SCREENING, State.APPROVED, State.SENDING, State.SENT)


async def withdrawal_hold(ann: Customer) -> list[str]:
    await asked(ann, "USD", "500", fee="1")
    return ["withdrawal_hold"]


async def withdrawal(ann: Customer) -> list[str]:
    await go(ann, await asked(ann, "USD", "500", fee="1"), *SENT, State.SETTLED)
    return ["withdrawal"]


async def withdrawal_coins(ann: Customer) -> list[str]:
    await books.credit(ann.connection, ann.id, "BTC", Decimal("0.5"))
    coins = await asked(ann, "BTC", "0.2", network_fee="0.0003")
    await _transferred(ann, coins, network_fee=Decimal("0.00028"))
    await go(ann, coins, *SENT, State.SETTLED, network_fee_paid=Decimal("0.00028"), reference=str(UUID(int=1)))
    return ["withdrawal"]


async def _transferred(ann: Customer, coins: Withdrawal, *, network_fee: Decimal) -> None:
    """The venue's transfer for it, and what was known of the receiver; who and where does not matter to the books."""
    index, place, address_id = new_id().bytes * 2, new_id(), new_id()
    await ann.connection.execute(
        """
        INSERT INTO venue_destinations (id, network, asset, address_index, data_key, address)
        VALUES ($1, 'bitcoin', 'BTC', $2, '', '')
        """,
        place,
        index,
    )
    await ann.connection.execute(
        """
        INSERT INTO withdrawal_addresses (id, user_id, asset, network, destination_id, address_index, shown, data_key,
            address, label, usable_at)
        VALUES ($1, $2, 'BTC', 'bitcoin', $3, $4, '1A…Na', '', '', '', now())
        """,
        address_id,
        ann.id,
        place,
        index,
    )
    await ann.connection.execute(
        """
        INSERT INTO travel_rule_records (withdrawal_id, address_id, worth, threshold, required, data_key, evidence)
        VALUES ($1, $2, $3, 1000, false, '', '')
        """,
        coins.id,
        address_id,
        coins.worth,
    )
    await ann.connection.execute(
        """
        INSERT INTO wallet_transfers (withdrawal_id, destination_id, asset, network, amount, state, asked_at)
        VALUES ($1, $2, 'BTC', 'bitcoin', $3, 'asked', now())
        """,
        coins.id,
        place,
        coins.amount,
    )
    await ann.connection.execute(
        """
        UPDATE wallet_transfers SET state = 'complete', venue_id = 'venue-1', network_fee = $2, finished_at = now()
        WHERE withdrawal_id = $1
        """,
        coins.id,
        network_fee,
    )


async def withdrawal_release(ann: Customer) -> list[str]:
    await go(ann, await asked(ann, "USD", "500", fee="1"), State.CANCELED)
    return ["withdrawal_release"]


async def withdrawal_return(ann: Customer) -> list[str]:
    await go(ann, await asked(ann, "USD", "500", fee="1"), *SENT, State.SETTLED, State.RETURNED)
    return ["withdrawal_return"]


WITHDRAWAL_FLOWS = (withdrawal_hold, withdrawal, withdrawal_coins, withdrawal_release, withdrawal_return)
