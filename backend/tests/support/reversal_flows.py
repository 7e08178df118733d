"""The flows of docs/money that take card money back: Ann pays 100 USD by card, and something becomes of it."""

from typing import Protocol
from uuid import UUID

from bitcurrent.funding.provenance import service as provenance
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from tests.support.card_money import CardMoney


class Ann(Protocol):
    """The customer of the documentation."""

    connection: Connection
    id: UserId


async def refund(ann: Ann) -> list[str]:
    money, deposit = await _paid(ann)
    asked = await money.ask_refund(deposit, "40")
    await money.told_of_refund(asked, "succeeded")
    return ["refund_hold", "refund"]


async def refund_failed(ann: Ann) -> list[str]:
    money, deposit = await _paid(ann)
    first, second = await money.ask_refund(deposit, "40"), await money.ask_refund(deposit, "60")
    await money.told_of_refund(first, "failed")
    await money.told_of_refund(second, "succeeded")
    await money.told_of_refund(second, "failed")
    return ["refund_release", "refund_failed"]


async def refund_elsewhere(ann: Ann) -> list[str]:
    money, deposit = await _paid(ann)
    await money.spend("100070")
    await money.refunded_elsewhere(deposit, "50")
    return ["refund_elsewhere"]


async def dispute(ann: Ann) -> list[str]:
    money, deposit = await _paid(ann)
    await money.spend("100060")
    await money.disputed(deposit, withdrawn="100", fee="15")
    return ["dispute_withdrawn", "dispute_lock"]


async def dispute_won(ann: Ann) -> list[str]:
    money, deposit = await _paid(ann)
    await money.spend("100060")
    await money.disputed(deposit, withdrawn="100", fee="15")
    await money.earn("25")
    await money.collect()
    await money.disputed(deposit, "won", withdrawn="100", reinstated="100", fee="15")
    return ["dispute_reinstated", "dispute_unlock", "debt_returned"]


async def dispute_lost(ann: Ann) -> list[str]:
    money, deposit = await _paid(ann)
    await money.spend("100060")
    await money.disputed(deposit, withdrawn="100", fee="15")
    await money.disputed(deposit, "lost", withdrawn="100", fee="15")
    return ["dispute_lost"]


async def debt(ann: Ann) -> list[str]:
    money, deposit = await _paid(ann)
    await money.spend("100060")
    await money.disputed(deposit, "lost", withdrawn="100")
    await money.deposit("25")
    [owed] = await provenance.open_debts(money.connection, money.user_id)
    async with money.connection.transaction():
        await money.disputes.write_off(money.connection, owed.id)
    return ["debt_payment", "debt_write_off"]


async def _paid(ann: Ann) -> tuple[CardMoney, UUID]:
    await ann.connection.execute("INSERT INTO users (id, password_hash) VALUES ($1, 'none')", ann.id)
    money = CardMoney(ann.connection, ann.id)
    return money, await money.deposit("100")


REVERSAL_FLOWS = (refund, refund_failed, refund_elsewhere, dispute, dispute_won, dispute_lost, debt)
