"""Wallets over the wire: the sandbox's answers in our words, and what no answer means."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from bitcurrent.funding.ports import NotSent, OutcomeUnknown, RefusedOutside, Transfer
from bitcurrent.integrations.alpaca.budget import RequestBudget
from bitcurrent.integrations.alpaca.client import AlpacaClient
from bitcurrent.integrations.alpaca.wallets import AlpacaWallets
from tests.support.sandbox import Sandbox

BITCOIN = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
TENTH = Decimal("0.1")


def wallets_at(url: str, sandbox: Sandbox) -> AlpacaWallets:
    client = AlpacaClient(
        base_url=url, key_id=sandbox.key_id, secret_key=sandbox.secret_key, budget=RequestBudget(10_000)
    )
    return AlpacaWallets(client)


@pytest.fixture
async def wallets(sandbox: Sandbox) -> AsyncIterator[AlpacaWallets]:
    sandbox.control("reset", state=True)
    sandbox.control("settings", requests_per_minute=100_000, hold_transfers=True)
    sandbox.control("credit", symbol="BTC/USD", amount="1")
    async with wallets_at(sandbox.trading_url, sandbox) as found:
        yield found
    sandbox.control("reset", state=True)


async def allow(wallets: AlpacaWallets, sandbox: Sandbox) -> None:
    await wallets.allow_address(asset="BTC", chain="BTC", address=BITCOIN)
    sandbox.control("whitelist")


async def send(wallets: AlpacaWallets) -> Transfer:
    return await wallets.send(asset="BTC", chain="BTC", amount=TENTH, address=BITCOIN)


async def test_an_address_is_told_seen_and_forgotten(wallets: AlpacaWallets, sandbox: Sandbox) -> None:
    told = await wallets.allow_address(asset="BTC", chain="BTC", address=BITCOIN)
    assert (told.chain, told.address, told.approved) == ("BTC", BITCOIN, False)
    assert await wallets.allowed_addresses() == [told]
    with pytest.raises(RefusedOutside):
        await wallets.allow_address(asset="BTC", chain="BTC", address=BITCOIN)
    sandbox.control("whitelist")
    assert (await wallets.allowed_addresses())[0].approved
    await wallets.forget_address(told.id)
    await wallets.forget_address(told.id)
    assert await wallets.allowed_addresses() == []


async def test_a_transfer_is_sent_and_listed_with_what_it_cost(wallets: AlpacaWallets, sandbox: Sandbox) -> None:
    await allow(wallets, sandbox)
    fee = await wallets.estimate_fee(asset="BTC", chain="BTC", to_address=BITCOIN, amount=TENTH)
    sandbox.control("settings", transfer_fee_factor="2")
    sent = await send(wallets)
    assert (sent.status, sent.amount, sent.network_fee) == ("processing", TENTH, fee * 2)
    sandbox.control("transfer", transfer_id=sent.id, status="COMPLETE")
    (listed,) = await wallets.transfers()
    assert (listed.id, listed.status, listed.to_address) == (sent.id, "complete", BITCOIN)
    assert listed.transaction_hash


async def test_what_the_venue_refuses_is_refused_for_good(wallets: AlpacaWallets) -> None:
    with pytest.raises(RefusedOutside) as refused:
        await send(wallets)
    assert refused.value.code == "40310000"


@pytest.mark.parametrize("kind", ["drop_after", "error_after", "cut_after"])
async def test_no_answer_after_sending_leaves_it_open_and_the_list_tells(
    wallets: AlpacaWallets, sandbox: Sandbox, kind: str
) -> None:
    await allow(wallets, sandbox)
    sandbox.control("faults", kind=kind, method="POST", path="/v2/wallets/transfers")
    with pytest.raises(OutcomeUnknown):
        await send(wallets)
    assert len(await wallets.transfers()) == 1


@pytest.mark.parametrize("kind", ["drop_after", "error_after", "cut_after"])
async def test_a_question_without_an_answer_changes_nothing(
    wallets: AlpacaWallets, sandbox: Sandbox, kind: str
) -> None:
    sandbox.control("faults", kind=kind, method="GET", path="/v2/wallets/transfers")
    with pytest.raises(NotSent):
        await wallets.transfers()


async def test_nobody_there_means_certainly_not_sent(sandbox: Sandbox) -> None:
    async with wallets_at("http://127.0.0.1:9", sandbox) as nowhere:
        with pytest.raises(NotSent):
            await send(nowhere)
