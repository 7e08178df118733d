"""Coins leave once: the venue is told of addresses, transfers are sent, found again, completed or given back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest
import pytest_asyncio

from bitcurrent.funding.addresses.model import BeneficiaryNeeded, Decision, NothingToDecide, SavedAddress
from bitcurrent.funding.wallets.model import AddressNotReady
from bitcurrent.funding.withdrawals.model import DestinationNotFound, DestinationTooYoung, State, Withdrawal
from bitcurrent.identity.model import Actor
from bitcurrent.identity.service import Registration
from bitcurrent.kernel.errors import Refusal
from bitcurrent.kernel.ids import SessionId, new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.support.sandbox import Sandbox
from tests.support.wallet_desk import SOMEWHERE, WalletDesk, ethereum_address, wallet_desk

FEE = Decimal("0.00046875")
"""What the sandbox's network takes of a transfer of ETH."""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> AsyncIterator[WalletDesk]:
    """One desk for all tests: each has customers and addresses of its own."""
    async with wallet_desk(module_database_urls, redis_server.url, sandbox) as found:
        yield found


async def test_coins_leave_with_the_fee_as_quoted_and_settle_with_a_hash(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    saved = await desk.approved(ann)
    await desk.control("settings", transfer_fee_factor="0.5")
    asked = await desk.ask(ann, saved, "0.5")
    assert asked.network_fee == FEE
    assert await desk.balance(ann) == (Decimal("1.5") - FEE, Decimal("0.5") + FEE)
    await desk.work()
    sent = await desk.now(asked)
    assert (sent.state, sent.destination_label) == (State.SENT, f"ethereum {saved.shown}")
    await desk.finish()
    await desk.work()
    settled = await desk.now(asked)
    assert (settled.state, settled.network_fee_paid) == (State.SETTLED, FEE / 2)
    assert settled.details["transaction_hash"].startswith("0x")
    assert settled.details["explorer"].endswith(settled.details["transaction_hash"])
    assert await desk.balance(ann) == (Decimal("1.5") - FEE, Decimal(0))
    left = await desk.count("SELECT balance FROM house_accounts WHERE account = 'network_fees' AND currency = 'ETH'")
    assert left == FEE / 2, "what the network did not take is the house's"
    await desk.control("settings", transfer_fee_factor="1")
    await desk.assert_laws()


async def test_a_failed_transfer_gives_everything_back(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    asked = await desk.ask(ann, await desk.approved(ann), "0.5")
    await desk.work()
    await desk.finish("FAILED")
    await desk.work()
    failed = await desk.now(asked)
    assert (failed.state, failed.reason) == (State.FAILED, "venue_failed")
    assert await desk.balance(ann) == (Decimal(2), Decimal(0))
    await desk.assert_laws()


async def test_what_the_venue_refuses_comes_back_and_its_words_stay_with_us(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    asked = await desk.ask(ann, await desk.approved(ann), "0.5")
    there = (await desk.venue())["account"]["positions"]["ETH/USD"]
    await desk.control("credit", symbol="ETH/USD", amount=f"-{there}")  # somebody took them there
    await desk.work()
    assert (await desk.now(asked)).reason == "refused_by_venue"
    assert "insufficient balance" in await desk.transfer(asked, "reason")
    assert await desk.balance(ann) == (Decimal(2), Decimal(0))
    await desk.control("credit", symbol="ETH/USD", amount=there)
    await desk.assert_laws()


@pytest.mark.parametrize("kind", ["drop_after", "error_after", "cut_after"])
async def test_no_answer_after_sending_is_one_transfer_that_is_found(desk: WalletDesk, kind: str) -> None:
    ann = await desk.customer(ETH="2")
    saved = await desk.approved(ann)
    asked = await desk.ask(ann, saved, "0.5")
    await desk.fault(kind, method="POST", path="/v2/wallets/transfers")
    await desk.work(1)
    assert (await desk.now(asked)).state in {State.SENDING, State.SENT}
    await desk.work()
    await desk.finish()
    await desk.work()
    assert (await desk.now(asked)).state is State.SETTLED
    assert await desk.sent_to(saved) == 1
    await desk.assert_laws()


async def test_lost_on_the_way_it_is_never_sent_again_by_itself(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    saved = await desk.approved(ann)
    asked = await desk.ask(ann, saved, "0.5")
    await desk.fault("drop_before", method="POST", path="/v2/wallets/transfers")
    await desk.work(6)
    assert (await desk.now(asked)).state is State.SENDING
    assert await desk.sent_to(saved) == 0
    assert await desk.transfer(asked, "looks") >= 4


async def test_too_many_requests_is_certainly_not_sent_and_tried_again(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    saved = await desk.approved(ann)
    asked = await desk.ask(ann, saved, "0.5")
    await desk.fault("error_before", status=429, method="POST", path="/v2/wallets/transfers")
    await desk.work(1)
    assert await desk.transfer(asked, "state") in {"nothing_there", "processing"}
    for _ in range(20):  # the venue's own budget pauses for a second
        await desk.work(1)
        if (await desk.now(asked)).state is State.SENT:
            break
        await asyncio.sleep(0.1)
    assert (await desk.now(asked)).state is State.SENT
    assert await desk.transfer(asked, "attempts") == 2
    assert await desk.sent_to(saved) == 1


async def test_two_equal_transfers_without_an_answer_are_never_confused(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    saved = await desk.approved(ann)
    first, second = await desk.ask(ann, saved, "0.5"), await desk.ask(ann, saved, "0.5")
    await desk.fault("drop_after", method="POST", path="/v2/wallets/transfers", count=2)
    # Both are sent in one round: the second waits for the answer of the first.
    await desk.work(8)
    await desk.finish()
    await desk.work()
    assert {(await desk.now(each)).state for each in (first, second)} == {State.SETTLED}
    references = {(await desk.now(each)).reference for each in (first, second)}
    assert len(references) == 2
    await desk.assert_laws()


async def test_a_hundred_withdrawals_by_four_workers_are_a_hundred_transfers(desk: WalletDesk) -> None:
    """Two customers share each address and send the same amounts there: every transfer has an equal one."""
    asked: list[Withdrawal] = []
    addresses: dict[str, SavedAddress] = {}
    for _ in range(5):
        address = ethereum_address()
        for owner in [await desk.customer(ETH="10") for _ in range(2)]:
            saved = await desk.approved(owner, address)
            addresses[address] = saved
            asked += [await desk.ask(owner, saved, f"0.1{number}") for number in range(10)]
    await desk.fault("drop_after", method="POST", path="/v2/wallets/transfers", count=30)
    for _ in range(12):
        async with desk.brokerage.database.transaction() as connection:
            await connection.execute("UPDATE withdrawals SET claimed_until = NULL, next_at = NULL")
        await asyncio.gather(*(desk.paymaster.round() for _ in range(4)))
    await desk.finish()
    await desk.work(10)
    states = {(await desk.now(each)).state for each in asked}
    sent = sum([await desk.sent_to(saved) for saved in addresses.values()])
    print(f"  {len(asked)} withdrawals by four workers at once, 30 answers dropped: {sent} transfers")
    assert (states, sent) == ({State.SETTLED}, len(asked))
    await desk.assert_laws()


async def test_one_withdrawal_sent_by_many_is_one_transfer(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    saved = await desk.approved(ann)
    asked = await desk.ask(ann, saved, "0.5")
    outcomes = await asyncio.gather(*(desk.rail.send(asked) for _ in range(100)), return_exceptions=True)
    assert [each for each in outcomes if isinstance(each, BaseException)] == []
    assert await desk.sent_to(saved) == 1
    assert await desk.transfer(asked, "attempts") == 1


async def test_above_the_threshold_the_receiver_is_said_and_kept_as_evidence(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    saved = await desk.approved(ann, beneficiary=None)
    asked = await desk.ask(ann, saved, "0.1")  # worth 250
    with pytest.raises(BeneficiaryNeeded) as refused:
        await desk.ask(ann, saved, "0.4")
    assert refused.value.details == {"worth": "1000", "threshold": "1000"}
    await desk.work()
    row = await desk.count("SELECT to_jsonb(r) FROM travel_rule_records r WHERE withdrawal_id = $1", asked.id)
    assert (row["required"], row["worth"]) == (False, 250)


async def test_an_address_is_told_waits_is_approved_and_removed(desk: WalletDesk) -> None:
    ann, ben = await desk.customer(ETH="2"), await desk.customer()
    address = ethereum_address()
    saved = await desk.save(ann, address)
    await desk.save(ben, address)
    with pytest.raises(AddressNotReady):
        await desk.ask(ann, saved, "0.1")
    await desk.tell()
    assert await desk.destination(saved) == "pending"
    assert await desk.listed(saved) == 1
    await desk.control("whitelist")
    await desk.tell(again=True)
    assert await desk.destination(saved) == "approved"
    async with desk.brokerage.database.transaction() as connection:
        assert await desk.book.others_with(connection, saved) == [ben]
        await desk.book.remove(connection, ann, saved.id, address="203.0.113.7")
    await desk.tell(again=True)
    assert await desk.destination(saved) == "approved", "somebody else still has it"
    with pytest.raises(DestinationNotFound):
        await desk.ask(ann, saved, "0.1")
    async with desk.brokerage.database.transaction() as connection:
        (others,) = await desk.book.everything(connection, ben, asset=None, before=None, limit=5)
        await desk.book.remove(connection, ben, others.id, address="203.0.113.7")
    await desk.tell(again=True)
    assert await desk.destination(saved) == "removed"
    assert await desk.listed(saved) == 0
    await desk.save(ann, address)
    await desk.tell()
    assert await desk.destination(saved) == "pending"


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "error_after", "cut_after"])
async def test_telling_without_an_answer_tells_once(desk: WalletDesk, kind: str) -> None:
    saved = await desk.save(await desk.customer())
    await desk.fault(kind, method="POST", path="/v2/wallets/whitelists")
    await desk.tell()
    for _ in range(3):
        await desk.tell(again=True)
    assert await desk.destination(saved) == "pending"
    assert await desk.listed(saved) == 1


async def test_our_own_deposit_address_is_refused_and_what_the_venue_forgot_is_told_again(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    own = await desk.wallets.own_address(asset="ETH", chain="ETH")
    saved = await desk.save(ann, own)
    await desk.tell()
    assert await desk.destination(saved) == "refused"
    with pytest.raises(Refusal, match="our own deposit address"):
        await desk.ask(ann, saved, "0.1")
    other = await desk.approved(ann)
    (listed,) = [each for each in await desk.wallets.allowed_addresses() if each.address == other.address]
    await desk.wallets.forget_address(listed.id)
    for _ in range(3):
        await desk.tell(again=True)
    assert await desk.destination(other) == "pending"


async def lost(desk: WalletDesk) -> Withdrawal:
    """A withdrawal whose request never reached the venue."""
    ann = await desk.customer(ETH="2")
    asked = await desk.ask(ann, await desk.approved(ann), "0.5")
    await desk.fault("drop_before", method="POST", path="/v2/wallets/transfers")
    await desk.work(5)
    async with desk.brokerage.database.transaction() as connection:
        await connection.execute(
            "UPDATE wallet_transfers SET missing_since = now() - interval '2 minutes' WHERE withdrawal_id = $1",
            asked.id,
        )
    return asked


async def decide(desk: WalletDesk, asked: Withdrawal, decision: Decision) -> None:
    """One operator asks, another one grants."""
    one, other = [await operator(desk) for _ in range(2)]
    async with desk.brokerage.database.transaction() as connection:
        approval = await desk.brokerage.lost_transfers.ask(
            connection, one, asked.id, decision, reason="The venue's pages lack it too.", address=SOMEWHERE
        )
    with pytest.raises(Refusal):
        async with desk.brokerage.database.transaction() as connection:
            await desk.brokerage.approvals.grant(connection, one, approval.id, address=SOMEWHERE)
    async with desk.brokerage.database.transaction() as connection:
        await desk.brokerage.approvals.grant(connection, other, approval.id, address=SOMEWHERE)


async def operator(desk: WalletDesk) -> Actor:
    wish = Registration(f"finance.{new_id()}@example.test", "Olga Operator", "no password", "finance")
    async with desk.brokerage.database.transaction() as connection:
        user = await desk.brokerage.identity.register(connection, wish, address=SOMEWHERE)
    return Actor(user_id=user.id, role="finance", status="active", session_id=SessionId(new_id()))


async def test_two_people_have_a_lost_transfer_sent_again_under_the_same_intent(desk: WalletDesk) -> None:
    asked = await lost(desk)
    await decide(desk, asked, "send_again")
    await desk.work()
    await desk.finish()
    await desk.work()
    assert (await desk.now(asked)).state is State.SETTLED
    assert await desk.transfer(asked, "attempts") == 2
    await desk.assert_laws()


async def test_two_people_give_the_money_of_a_lost_transfer_back(desk: WalletDesk) -> None:
    asked = await lost(desk)
    await decide(desk, asked, "give_back")
    assert (await desk.now(asked)).state is State.SENDING, "not before the venue was asked once more"
    await desk.work()
    given = await desk.now(asked)
    assert (given.state, given.reason) == (State.FAILED, "given_back")
    assert await desk.balance(given.user_id) == (Decimal(2), Decimal(0))
    await desk.assert_laws()


async def test_a_transfer_that_turns_up_after_all_makes_the_decision_forgotten(desk: WalletDesk) -> None:
    asked = await lost(desk)
    await decide(desk, asked, "give_back")
    assert asked.destination is not None
    async with desk.brokerage.database.read() as connection:
        saved = await desk.book.read(connection, asked.user_id, asked.destination)
    # The request that was thought lost arrives late.
    await desk.wallets.send(asset="ETH", chain="ETH", amount=Decimal("0.5"), address=saved.address)
    await desk.work()
    await desk.finish()
    await desk.work()
    assert (await desk.now(asked)).state is State.SETTLED
    await desk.assert_laws()


async def test_nobody_decides_about_what_is_not_lost(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    asked = await desk.ask(ann, await desk.approved(ann), "0.5")
    await desk.work()
    with pytest.raises(NothingToDecide, match="processing"):
        await decide(desk, asked, "send_again")
    other = await lost(desk)
    async with desk.brokerage.database.transaction() as connection:
        await connection.execute("UPDATE wallet_transfers SET missing_since = now() WHERE withdrawal_id = $1", other.id)
    with pytest.raises(NothingToDecide, match="60 seconds"):
        await decide(desk, other, "send_again")


# The last two leave the venue otherwise than our books have it.
async def test_somebody_elses_equal_transfer_is_not_guessed_to_be_ours(desk: WalletDesk) -> None:
    ann = await desk.customer(ETH="2")
    saved = await desk.approved(ann)
    asked = await desk.ask(ann, saved, "0.5")
    await desk.wallets.send(asset="ETH", chain="ETH", amount=Decimal("0.5"), address=saved.address)
    await desk.fault("drop_after", method="POST", path="/v2/wallets/transfers")
    await desk.work()
    assert (await desk.now(asked)).state is State.SENDING


async def test_a_young_address_waits_by_the_databases_clock(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> None:
    async with wallet_desk(module_database_urls, redis_server.url, sandbox, wait=timedelta(days=1)) as desk:
        ann = await desk.customer(ETH="2")
        saved = await desk.approved(ann)
        assert saved.usable_at - saved.created_at == timedelta(days=1)
        with pytest.raises(DestinationTooYoung):
            await desk.ask(ann, saved, "0.1")
        assert await desk.balance(ann) == (Decimal(2), Decimal(0))
