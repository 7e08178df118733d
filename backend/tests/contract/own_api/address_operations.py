"""Every operation of withdrawal addresses and of transfers of coins, asked so that it works and so that it refuses."""

from uuid import UUID

from bitcurrent.funding.addresses.model import AddressWish
from bitcurrent.kernel.ids import UserId, new_id
from tests.contract.own_api.house import House
from tests.support.customers import Person, enrol, register
from tests.support.wallet_desk import ethereum_address

BITCOIN = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
HOSTED = {"receiver": "hosted", "name": "Pat Person", "provider": "Some Exchange", "country": "US"}
WHY = "The venue's pages do not have it either."


async def addresses(house: House) -> None:
    """Saved, read, described, removed; refused by what is wrong with them."""
    pat = await register(house.http)
    wish = {"asset": "BTC", "network": "bitcoin", "address": BITCOIN, "label": "cold wallet"}
    await house.ask_as(None, "GET", "/api/withdrawal-networks", 200)
    await house.ask_as(None, "GET", "/api/withdrawal-networks?fields=everything", 422)
    path = "/api/withdrawal-addresses"
    missing = await house.ask_as(pat, "POST", path, 403, wish)
    assert missing["code"] == "second_factor_missing"
    await enrol(house.http, pat)
    saved = await house.ask_as(pat, "POST", path, 201, wish)
    assert (saved["state"], saved["beneficiary"]) == ("waiting", None)
    for change, status, code in (
        ({}, 409, "address_known"),
        ({"address": BITCOIN[:-1] + "b"}, 422, "address_invalid"),
        ({"network": "ethereum"}, 422, "no_withdrawals"),
        ({"asset": "NOPE"}, 422, "no_withdrawals"),
        ({"tag": "12"}, 422, "tag_not_possible"),
        ({"label": "<b>"}, 422, "invalid"),
        ({"usable_at": "2020-01-01T00:00:00Z"}, 422, "invalid_field"),
    ):
        refused = await house.ask_as(pat, "POST", path, status, {**wish, **change})
        assert refused["code"] == code, refused
    assert (await house.ask_as(pat, "GET", f"{path}?asset=btc&limit=1", 200))["items"][0]["id"] == saved["id"]
    await house.ask_as(pat, "GET", f"{path}?cursor=nonsense", 422)
    one = f"{path}/{saved['id']}"
    await house.ask_as(pat, "GET", one, 200)
    await house.ask_as(await register(house.http), "GET", one, 404)
    described = await house.ask_as(pat, "PUT", f"{one}/beneficiary", 200, HOSTED)
    assert described["beneficiary"] == HOSTED
    await house.ask_as(pat, "PUT", f"{one}/beneficiary", 422, {"receiver": "hosted"})
    await house.ask_as(pat, "DELETE", one, 204)
    await house.ask_as(pat, "DELETE", one, 404)


async def lost_transfers(house: House) -> None:
    """One person asks what shall become of a lost transfer, another one grants it."""
    finance, other = [await house.operator("finance") for _ in range(2)]
    withdrawal_id = await _lost_transfer(house, await register(house.http))
    path = "/api/admin/wallet-transfers"
    found = await house.from_the_office(finance, "GET", path, 200, missing=True)
    assert withdrawal_id in {each["withdrawal_id"] for each in found["items"]}
    await house.from_the_office(finance, "GET", path, 422, cursor="nonsense")
    decide = {"decision": "give_back", "reason": WHY}
    asked = await house.from_the_office(finance, "POST", f"{path}/{withdrawal_id}/decide", 202, decide)
    await house.from_the_office(finance, "POST", f"{path}/{new_id()}/decide", 404, decide)
    await house.from_the_office(other, "POST", f"/api/admin/approvals/{asked['id']}/grant", 200)


async def _lost_transfer(house: House, person: Person) -> str:
    """A withdrawal that was sent and is not in the venue's list, straight in the tables."""
    user_id, withdrawal_id = UserId(UUID(person.id)), new_id()
    book = house.brokerage.address_book
    async with house.brokerage.database.transaction() as connection:
        wish = AddressWish(asset="ETH", network="ethereum", address=ethereum_address(), label="cold")
        saved = await book.add(connection, user_id, wish, address="203.0.113.7")
        await connection.execute(
            "INSERT INTO withdrawals (id, user_id, asset, amount, fee, network_fee, held, worth, rail, destination,"
            " destination_label, expires_at) VALUES ($1, $2, 'ETH', 1, 0, 0, 1, 2500, 'wallet', $3, 'ethereum', now())",
            withdrawal_id,
            user_id,
            saved.id,
        )
        await connection.execute(
            "INSERT INTO wallet_transfers (withdrawal_id, destination_id, asset, network, amount, state, asked_at,"
            " missing_since, looks) VALUES ($1, $2, 'ETH', 'ethereum', 1, 'asked', now() - interval '1 day',"
            " now() - interval '1 day', 9)",
            withdrawal_id,
            saved.destination_id,
        )
    return str(withdrawal_id)
