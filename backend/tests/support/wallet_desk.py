"""Coins on their way out, for tests: customers whose coins lie at the venue, an address book, the rail, its worker.

The venue is the sandbox with its transfers held: a test says when one completes or fails.
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.compliance.limits.service import Limits
from bitcurrent.funding.addresses.model import AddressWish, Beneficiary, SavedAddress
from bitcurrent.funding.addresses.service import AddressBook
from bitcurrent.funding.addresses.tasks import Teller
from bitcurrent.funding.wallets.service import WalletRail
from bitcurrent.funding.withdrawals.deciding import Deciding
from bitcurrent.funding.withdrawals.model import State, Wish, Withdrawal
from bitcurrent.funding.withdrawals.ports import Screened
from bitcurrent.funding.withdrawals.service import Withdrawals
from bitcurrent.funding.withdrawals.tasks import Pace, Paymaster
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.service import Registration
from bitcurrent.integrations.alpaca.wallets import AlpacaWallets
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.model import Journal, Move, house
from bitcurrent.ledger.service import post
from bitcurrent.wiring import Brokerage, open_brokerage
from tests.support import books
from tests.support.brokerage import settings_for
from tests.support.sandbox import Sandbox

OWN = Beneficiary(receiver="own_wallet")
PRICES = {"BTC": Decimal(50_000), "ETH": Decimal(2_500), "USDC": Decimal(1)}
SOMEWHERE = "203.0.113.7"
ROUNDS_MAX = 20
_numbers = itertools.count(1)


class Clear:
    """A screening that finds nothing."""

    async def screen(self, connection: Connection, withdrawal: Withdrawal) -> Screened:
        del connection, withdrawal
        return Screened(result="clear", reference="test")


class FixedPrices:
    """What things are worth in these tests."""

    async def usd(self, assets: Iterable[str]) -> Mapping[str, Decimal]:
        return {asset: PRICES[asset] for asset in assets if asset in PRICES}


def ethereum_address() -> str:
    """A fresh address of a test's own, in mixed case as its checksum wants it."""
    from bip_utils import EthAddrEncoder, Secp256k1PrivateKey

    key = Secp256k1PrivateKey.FromBytes(new_id().bytes * 2)
    return str(EthAddrEncoder.EncodeKey(key.PublicKey()))


@dataclass(slots=True)
class WalletDesk:
    """Everything behind one withdrawal of coins."""

    brokerage: Brokerage
    sandbox: Sandbox
    book: AddressBook
    rail: WalletRail
    wallets: AlpacaWallets
    withdrawals: Withdrawals
    paymaster: Paymaster
    teller: Teller
    counts: Counter[str] = field(default_factory=Counter)

    async def control(self, verb: str, /, **body: Any) -> Any:
        return await asyncio.to_thread(lambda: self.sandbox.control(verb, **body))

    async def fault(self, kind: str, **body: Any) -> None:
        await self.control("faults", kind=kind, **body)

    async def venue(self) -> Any:
        """The venue's own truth."""
        return await asyncio.to_thread(self.sandbox.state)

    async def customer(self, **coins: str) -> UserId:
        """Somebody with coins, which lie at the venue as well."""
        registration = Registration(f"coins{next(_numbers)}.{new_id()}@example.test", "Pat Person", "no password")
        async with self.brokerage.database.transaction() as connection:
            user = await self.brokerage.identity.register(connection, registration, address=SOMEWHERE)
            for asset, amount in coins.items():
                await books.credit(connection, user.id, asset, Decimal(amount))
                move = Move(source=house("venue", asset), target=house("bank", asset), amount=Decimal(amount))
                await post(connection, Journal(kind="venue_funding", reference=f"test:{new_id()}", moves=(move,)))
        for asset, amount in coins.items():
            await self.control("credit", symbol=f"{asset}/USD", amount=amount)
        return user.id

    async def save(
        self, user_id: UserId, address: str | None = None, *, asset: str = "ETH", beneficiary: Beneficiary | None = OWN
    ) -> SavedAddress:
        """An address in somebody's book."""
        wish = AddressWish(
            asset=asset,
            network="bitcoin" if asset == "BTC" else "ethereum",
            address=address or ethereum_address(),
            label="cold",
            beneficiary=beneficiary,
        )
        async with self.brokerage.database.transaction() as connection:
            return await self.book.add(connection, user_id, wish, address=SOMEWHERE)

    async def approved(self, user_id: UserId, address: str | None = None, **more: Any) -> SavedAddress:
        """One that the venue has approved, too."""
        saved = await self.save(user_id, address, **more)
        await self.tell()
        await self.control("whitelist")
        await self.tell(again=True)
        return saved

    async def tell(self, *, again: bool = False) -> None:
        """The worker looks at every address; `again` also at those that it would leave in peace."""
        if again:
            async with self.brokerage.database.transaction() as connection:
                await connection.execute("UPDATE venue_destinations SET next_at = now()")
        for _ in range(ROUNDS_MAX):
            if not await self.teller.round():
                break

    async def destination(self, saved: SavedAddress) -> str:
        """How far the venue is with an address."""
        return str(await self.count("SELECT state FROM venue_destinations WHERE id = $1", saved.destination_id))

    async def sent_to(self, saved: SavedAddress) -> int:
        """How many transfers to an address the venue has."""
        return sum(each["to_address"] == saved.address for each in (await self.venue())["transfers"])

    async def listed(self, saved: SavedAddress) -> int:
        """How often the venue's list has an address."""
        return sum(each.address == saved.address for each in await self.wallets.allowed_addresses())

    async def transfer(self, withdrawal: Withdrawal, column: str) -> Any:
        """One column of our record of a transfer."""
        return (await self.count("SELECT to_jsonb(t) FROM wallet_transfers t WHERE withdrawal_id = $1", withdrawal.id))[
            column
        ]

    async def ask(self, user_id: UserId, saved: SavedAddress, amount: str) -> Withdrawal:
        """Quote, ask and confirm: what a customer does."""
        wish = Wish(asset=saved.asset, amount=Decimal(amount), rail="wallet", destination=saved.id)
        plan = await self.withdrawals.plan(user_id, wish)
        async with self.brokerage.database.transaction() as connection:
            asked = await self.withdrawals.ask(connection, user_id, plan, kyc_level="full", address=SOMEWHERE)
            return await self.withdrawals.changes.move(connection, asked, State.SCREENING)

    async def work(self, rounds: int = 3) -> None:
        """The worker's rounds, without waiting for pauses and leases."""
        for _ in range(rounds):
            async with self.brokerage.database.transaction() as connection:
                await connection.execute("UPDATE withdrawals SET claimed_until = NULL, next_at = NULL")
            await self.paymaster.round()

    async def now(self, withdrawal: Withdrawal) -> Withdrawal:
        """The withdrawal as it is."""
        found, _ = await self.withdrawals.read(None, withdrawal.id)
        return found

    async def finish(self, status: str = "COMPLETE") -> None:
        """The venue completes, or fails, whatever is on its way."""
        for transfer in (await self.venue())["transfers"]:
            if transfer["status"] == "PROCESSING":
                await self.control("transfer", transfer_id=transfer["id"], status=status)

    async def count(self, query: str, *arguments: Any) -> Any:
        async with self.brokerage.database.read() as connection:
            return await connection.fetchval(query, *arguments)

    async def balance(self, user_id: UserId, asset: str = "ETH") -> tuple[Decimal, Decimal]:
        """Available and held."""
        async with self.brokerage.database.read() as connection:
            return await books.balance(connection, user_id, asset)

    async def assert_laws(self) -> None:
        """The books are right, the venue's transfers are ours, and what lies there is what our books say (I8)."""
        state = await self.venue()
        async with self.brokerage.database.read() as connection:
            assert await books.broken_laws(connection) == []
            ours = await connection.fetch("SELECT withdrawal_id, venue_id, asset, amount FROM wallet_transfers")
            kept = await connection.fetch("SELECT currency, balance FROM house_accounts WHERE account = 'venue'")
        bound = {row["venue_id"]: (row["asset"], row["amount"]) for row in ours if row["venue_id"]}
        there = {each["id"]: (each["asset"], Decimal(each["amount"])) for each in state["transfers"]}
        assert bound == there, "a transfer at the venue that is nobody's, or one of ours that is not there"
        books_say = {row["currency"]: -row["balance"] for row in kept if row["balance"]}
        positions = state["account"]["positions"].items()
        assert books_say == {symbol.partition("/")[0]: Decimal(amount) for symbol, amount in positions}


@contextlib.asynccontextmanager
async def wallet_desk(
    urls: DatabaseUrls, redis_url: str, sandbox: Sandbox, *, wait: timedelta = timedelta(0), threshold: int = 1_000
) -> AsyncIterator[WalletDesk]:
    """A desk on a fresh venue."""
    await asyncio.to_thread(lambda: sandbox.control("reset", state=True))
    await asyncio.to_thread(lambda: sandbox.control("settings", requests_per_minute=100_000, hold_transfers=True))
    settings = settings_for(urls, redis_url, sandbox, alpaca_requests_per_minute=100_000)
    async with open_brokerage(settings) as brokerage, AlpacaWallets.connect(settings) as wallets:
        database, vault, counts = brokerage.database, brokerage.identity.vault, Counter[str]()
        book = AddressBook(vault=vault, letters=brokerage.letters, wait=wait)
        prices, approvals = FixedPrices(), Approvals()
        rail = WalletRail(
            database=database,
            vault=vault,
            book=book,
            wallets=wallets,
            prices=prices,
            threshold_usd=Decimal(threshold),
            list_seconds=0,
        )
        withdrawals = Withdrawals(
            database=database,
            rails={"wallet": rail},
            prices=prices,
            limits=Limits(Approvals()),
            letters=brokerage.letters,
            secret_key=settings.secret_key,
        )
        deciding = Deciding(
            changes=withdrawals.changes, approvals=approvals, screening=Clear(), automatic_usd=Decimal(1_000_000)
        )
        paymaster = Paymaster(
            database=database,
            rails={"wallet": rail},
            changes=withdrawals.changes,
            deciding=deciding,
            counts=counts,
            pace=Pace(first_pause=timedelta(0), pause=timedelta(0)),
        )
        teller = Teller(database=database, vault=vault, wallets=wallets, counts=counts)
        try:
            yield WalletDesk(brokerage, sandbox, book, rail, wallets, withdrawals, paymaster, teller, counts)
        finally:
            await asyncio.to_thread(lambda: sandbox.control("reset", state=True))


def ids_of(withdrawals: Iterable[Withdrawal]) -> list[UUID]:
    """The ids, as arguments for SQL."""
    return [withdrawal.id for withdrawal in withdrawals]
