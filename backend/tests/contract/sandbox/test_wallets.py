"""Wallets at the sandbox: whitelisting, transfers, what they cost and what they leave behind."""

import time
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.contract.sandbox.conftest import Venue
from tests.support.alpaca_shapes import assert_shape
from tests.support.sandbox import start_sandbox

BITCOIN = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
ETHEREUM = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"


def whitelist(venue: Venue, asset: str, address: str, **more: str) -> Any:
    answer = venue.http.post("/v2/wallets/whitelists", json={"asset": asset, "address": address, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def send(venue: Venue, asset: str, amount: str, address: str) -> httpx.Response:
    return venue.http.post("/v2/wallets/transfers", json={"asset": asset, "amount": amount, "address": address})


def ended(venue: Venue, key: str) -> Any:
    deadline = time.monotonic() + 5
    while (found := venue.get(f"/v2/wallets/transfers/{key}"))["status"] == "PROCESSING":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.fixture
def rich(venue: Venue) -> Venue:
    venue.control("credit", symbol="BTC/USD", amount="1")
    venue.control("settings", transfer_ms=50)
    return venue


def test_an_address_waits_a_day_and_only_then_takes_coins(rich: Venue) -> None:
    listed = whitelist(rich, "BTC", BITCOIN)
    assert_shape("trading", "WhitelistedAddress", listed)
    assert (listed["status"], listed["chain"]) == ("PENDING", "BTC")
    status, code, message = rich.refused(send(rich, "BTC", "0.1", BITCOIN))
    assert (status, code) == (403, 40310000)
    assert "not whitelisted" in message
    assert rich.control("whitelist", address=BITCOIN) == {"approved": 1}
    (listed,) = rich.get("/v2/wallets/whitelists")
    assert listed["status"] == "APPROVED"
    assert send(rich, "BTC", "0.1", BITCOIN).status_code == 200


def test_a_transfer_takes_amount_and_fee_at_once_and_completes_with_a_hash(rich: Venue) -> None:
    whitelist(rich, "BTC", BITCOIN)
    rich.control("whitelist")
    quoted = rich.get("/v2/wallets/fees/estimate", asset="BTC", from_address="bc1", to_address=BITCOIN, amount="0.1")
    assert_shape("trading", "WalletFeeEstimate", quoted)
    sent = send(rich, "BTC", "0.1", BITCOIN).json()
    assert_shape("trading", "CryptoTransfer", sent)
    assert (sent["status"], sent["tx_hash"], sent["network_fee"]) == ("PROCESSING", "", quoted["network_fee"])
    assert rich.position("BTC/USD") == Decimal("0.9") - Decimal(quoted["network_fee"])
    done = ended(rich, sent["id"])
    assert_shape("trading", "CryptoTransfer", done)
    assert done["status"] == "COMPLETE"
    assert len(done["tx_hash"]) == 64
    assert [one["id"] for one in rich.get("/v2/wallets/transfers")] == [sent["id"]]
    (told,) = rich.get("/v2/account/activities/OCT")
    assert (told["symbol"], told["transfer_id"]) == ("BTCUSD", sent["id"])
    assert Decimal(told["qty"]) == -Decimal("0.1") - Decimal(quoted["network_fee"])


def test_a_failed_transfer_gives_everything_back(rich: Venue) -> None:
    whitelist(rich, "BTC", BITCOIN)
    rich.control("whitelist")
    rich.control("faults", kind="fail_transfer")
    sent = send(rich, "BTC", "0.1", BITCOIN).json()
    assert ended(rich, sent["id"])["status"] == "FAILED"
    assert rich.position("BTC/USD") == 1
    rich.control("settings", hold_transfers=True)
    sent = send(rich, "BTC", "0.1", BITCOIN).json()
    assert rich.control("transfer", transfer_id=sent["id"], status="FAILED")["status"] == "FAILED"
    assert rich.position("BTC/USD") == 1


def test_nobody_sends_more_than_is_free(rich: Venue) -> None:
    whitelist(rich, "BTC", BITCOIN)
    rich.control("whitelist")
    assert rich.refused(send(rich, "BTC", "1", BITCOIN))[0] == 403
    rich.submit(side="sell", type="limit", qty="0.95", limit_price="90000")
    status, _, message = rich.refused(send(rich, "BTC", "0.1", BITCOIN))
    assert (status, "insufficient balance" in message) == (403, True)


def test_an_address_is_known_once_on_each_chain(venue: Venue) -> None:
    whitelist(venue, "ETH", ETHEREUM)
    for asset in ("ETH", "USDC"):
        answer = venue.http.post("/v2/wallets/whitelists", json={"asset": asset, "address": ETHEREUM})
        assert venue.refused(answer)[0] == 422
    assert whitelist(venue, "ETH", ETHEREUM, chain="ARB")["chain"] == "ARB"
    (first, _) = venue.get("/v2/wallets/whitelists")
    assert venue.http.delete(f"/v2/wallets/whitelists/{first['id']}").status_code == 200
    assert venue.http.delete(f"/v2/wallets/whitelists/{first['id']}").status_code == 404
    assert whitelist(venue, "USDC", ETHEREUM)["chain"] == "ETH"


def test_wallets_are_made_when_they_are_asked_for(venue: Venue) -> None:
    one = venue.get("/v2/wallets", asset="USDC", chain="SOL")
    assert_shape("trading", "CryptoWallet", one)
    assert one in venue.get("/v2/wallets")
    assert venue.http.get("/v2/wallets", params={"asset": "BTC", "chain": "SOL"}).status_code == 422
    assert venue.http.get("/v2/wallets", params={"asset": "NOPE"}).status_code == 422


def test_transfers_outlive_the_process(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("venue")
    with start_sandbox("--still", data=folder) as first:
        venue = Venue(first)
        with venue.http:
            venue.control("credit", symbol="BTC/USD", amount="1")
            venue.control("settings", hold_transfers=True)
            whitelist(venue, "BTC", BITCOIN)
            venue.control("whitelist")
            sent = send(venue, "BTC", "0.1", BITCOIN).json()
        first.process.kill()
    with start_sandbox("--still", data=folder) as second:
        venue = Venue(second)
        with venue.http:
            assert venue.get(f"/v2/wallets/transfers/{sent['id']}")["amount"] == "0.1"
            assert venue.get("/v2/wallets/whitelists")[0]["status"] == "APPROVED"
