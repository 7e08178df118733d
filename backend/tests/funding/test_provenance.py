"""Card money trades at once and leaves when it is released; what is owed is paid first."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest

from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import NoPrice, NotReleased, Worth
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.ledger.service import post
from bitcurrent.notifications.service import Mails
from tests.support import books
from tests.support.card_money import vault

LATER = datetime(2099, 1, 1, tzinfo=UTC)
PAST = datetime(2020, 1, 1, tzinfo=UTC)
PRICES = {"BTC": Decimal(50_000), "EUR": Decimal("1.1")}


@pytest.fixture
async def connection(module_database_urls: DatabaseUrls) -> AsyncIterator[Connection]:
    connection = await books.connect(module_database_urls.app)
    yield connection
    assert await books.broken_laws(connection) == []
    await connection.close()


async def pay_by_card(
    connection: Connection, user_id: UserId, amount: str, *, release_at: datetime = LATER, currency: str = "USD"
) -> None:
    """A deposit as it is credited."""
    async with connection.transaction():
        move = Move(source=house("processor", currency), target=available(user_id, currency), amount=Decimal(amount))
        deposit_id = new_id()
        await post(connection, Journal(kind="test", reference=f"test:pi_{deposit_id}", moves=(move,)))
        await provenance.receive(
            connection,
            Mails(vault(), "http://bitcurrent.test"),
            user_id=user_id,
            currency=currency,
            amount=Decimal(amount),
            deposit_id=deposit_id,
            release_at=release_at,
            payment_intent=f"pi_{deposit_id}",
        )


async def leaves(connection: Connection, user_id: UserId, asset: str) -> Decimal:
    async with connection.transaction():
        return await provenance.withdrawable(connection, user_id, asset, prices=PRICES)


async def test_money_without_a_past_may_leave_whole(connection: Connection) -> None:
    ann = await books.customer(connection, USD="100", DOGE="7")
    assert await leaves(connection, ann, "USD") == 100
    assert await leaves(connection, ann, "DOGE") == 7, "no price is needed when nothing is locked"
    assert await leaves(connection, ann, "BTC") == 0


async def test_card_money_stays_until_it_is_released(connection: Connection) -> None:
    ann = await books.customer(connection, USD="30")
    await pay_by_card(connection, ann, "100")
    await pay_by_card(connection, ann, "50", release_at=PAST)
    assert await leaves(connection, ann, "USD") == 80
    with pytest.raises(NotReleased) as refused:
        await provenance.require_withdrawable(connection, ann, "USD", Decimal("80.01"), prices=PRICES)
    assert refused.value.field == "amount"
    assert refused.value.details["limit"] == "80"
    assert refused.value.details["released_at"].startswith("2099")
    await provenance.require_withdrawable(connection, ann, "USD", Decimal(80), prices=PRICES)


async def test_what_card_money_bought_is_locked_by_its_worth(connection: Connection) -> None:
    ann = await books.customer(connection, BTC="0.003")  # worth 150
    await pay_by_card(connection, ann, "100")
    move = Move(source=available(ann, "USD"), target=house("venue", "USD"), amount=Decimal(100))
    await post(connection, Journal(kind="test", reference=f"test:{new_id()}", moves=(move,)))
    assert await leaves(connection, ann, "BTC") == Decimal("0.001")
    async with connection.transaction():
        left = await provenance.withdrawable(connection, ann, "BTC", prices=PRICES, in_orders={"BTC": Decimal("0.001")})
    assert left == Decimal("0.002"), "what open orders hold is there too"


async def test_without_a_price_nobody_guesses(connection: Connection) -> None:
    ann = await books.customer(connection, BTC="1", USD="40", DOGE="5")
    await pay_by_card(connection, ann, "100", currency="EUR")
    async with connection.transaction():
        with pytest.raises(NoPrice) as refused:
            await provenance.withdrawable(connection, ann, "DOGE", prices=PRICES)
        assert refused.value.details == {"assets": "DOGE"}
        assert await provenance.withdrawable(connection, ann, "EUR", prices={}) == 0
        assert await provenance.withdrawable(connection, ann, "USD", prices={"EUR": Decimal(1)}) == 40


def test_one_currency_needs_no_price_of_itself() -> None:
    worth = Worth(balances={"EUR": Decimal(150), "BTC": Decimal(1)}, locked={"EUR": Decimal(100)}, owed={}, prices={})
    assert worth.free("EUR", Decimal(150)) == 50


def test_what_may_leave_is_rounded_down_and_never_below_nothing() -> None:
    worth = Worth(
        balances={"BTC": Decimal(1), "USD": Decimal(1)},
        locked={"USD": Decimal(1)},
        owed={},
        prices={"USD": Decimal(1), "BTC": Decimal(3)},
    )
    assert worth.free("BTC", Decimal(1)) == Decimal(1)
    poor = Worth(balances={"BTC": Decimal(1)}, locked={"USD": Decimal(5)}, owed={}, prices=worth.prices)
    assert poor.free("BTC", Decimal(1)) == 0
    third = Worth(balances={"BTC": Decimal(1)}, locked={"USD": Decimal(2)}, owed={}, prices=worth.prices)
    assert third.free("BTC", Decimal(1)) == Decimal("0.333333333333333333")


async def test_a_deposit_is_received_once(connection: Connection) -> None:
    ann = await books.customer(connection, USD="10")
    deposit_id = new_id()
    for _ in range(2):
        await provenance.receive(
            connection,
            Mails(vault(), "http://bitcurrent.test"),
            user_id=ann,
            currency="USD",
            amount=Decimal(4),
            deposit_id=deposit_id,
            release_at=LATER,
        )
    assert await leaves(connection, ann, "USD") == 6


async def test_two_at_once_do_not_both_take_what_only_one_may(module_database_urls: DatabaseUrls) -> None:
    """Each sees 30 free of 130 and takes 30: together they would take what stands for the card payment."""
    connections = [await books.connect(module_database_urls.app) for _ in range(4)]
    ann = await books.customer(connections[0], USD="30")
    await pay_by_card(connections[0], ann, "100")

    async def take(connection: Connection) -> bool:
        async with connection.transaction():
            if await provenance.withdrawable(connection, ann, "USD", prices=PRICES) < 30:
                return False
            await asyncio.sleep(0.02)
            move = Move(source=available(ann, "USD"), target=house("bank", "USD"), amount=Decimal(30))
            return await post(connection, Journal(kind="test", reference=f"test:{new_id()}", moves=(move,)))

    assert sorted(await asyncio.gather(*map(take, connections))) == [False, False, False, True]
    for connection in connections:
        await connection.close()


async def test_the_database_keeps_lots_and_debts(connection: Connection, module_database_urls: DatabaseUrls) -> None:
    ann = await books.customer(connection)
    await pay_by_card(connection, ann, "5")
    owner = await asyncpg.connect(module_database_urls.owner)
    for forbidden in (
        "DELETE FROM lots", "TRUNCATE lots CASCADE", "UPDATE lots SET amount = amount + 1",
        "UPDATE lots SET refunded = 6", "UPDATE lots SET release_at = release_at + interval '1 day'", "TRUNCATE debts",
    ):  # fmt: skip
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await owner.execute(forbidden)
    await owner.close()
    for not_ours in ("UPDATE lots SET amount = 1", "DELETE FROM debts", "UPDATE debts SET currency = 'EUR'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(not_ours)
