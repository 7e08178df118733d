"""Every operation of withdrawals, bank accounts and payouts, asked so that it works and so that it refuses."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.kernel.ids import UserId, new_id
from tests.contract.own_api.house import House
from tests.support import books
from tests.support.customers import Person, enrol, register

PROFILE = {
    "legal_name": "Pat Person",
    "birth_date": "1990-05-17",
    "address": {"lines": ["1 High Street"], "city": "London", "postal_code": "N1 1AA", "country": "GB"},
}
ACCOUNT = {"currency": "USD", "holder": "Pat Person", "routing_number": "021000021", "account_number": "987654321"}
WHY = {"reason": "Looked at it well."}


async def bank_accounts(house: House) -> None:
    """Saved in one's own name, listed, removed; refused by what is wrong with them."""
    pat = await register(house.http)
    path = "/api/bank-accounts"
    assert (await house.ask_as(pat, "POST", path, 403, ACCOUNT))["code"] == "second_factor_missing"
    await enrol(house.http, pat)
    assert (await house.ask_as(pat, "POST", path, 409, ACCOUNT))["code"] == "profile_needed"
    await house.ask_as(pat, "PUT", "/api/profile", 200, PROFILE)
    for change, code in (
        ({"holder": "Somebody Else"}, "bank_account_name"),
        ({"holder": "<b>Pat</b>"}, "bank_account_invalid"),
        ({"routing_number": "021000022"}, "bank_account_invalid"),
        ({"account_number": "12"}, "bank_account_invalid"),
        ({"currency": "EUR"}, "bank_account_invalid"),
        ({"iban": "DE89 3704 0044 0532 0130 01"}, "bank_account_invalid"),
        ({"usable_at": "2020-01-01T00:00:00Z"}, "invalid_field"),
    ):
        problem = await house.ask_as(pat, "POST", path, 422, {**ACCOUNT, **change})
        assert problem["code"] == code, problem
    saved = await house.ask_as(pat, "POST", path, 201, ACCOUNT)
    assert saved["label"] == "US •••• 4321"
    assert (await house.ask_as(pat, "POST", path, 409, ACCOUNT))["code"] == "bank_account_known"
    assert (await house.ask_as(pat, "GET", path, 200))["items"] == [saved]
    await house.nobody("GET", path)
    await house.ask_as(pat, "DELETE", f"{path}/{new_id()}", 404)
    await house.ask_as(pat, "DELETE", f"{path}/{saved['id']}", 204)


async def withdrawals(house: House) -> None:
    """Quoted, asked for, confirmed, canceled, looked at; and what stops each."""
    pat, account = await _pat(house)
    wish = {"asset": "USD", "amount": "50", "destination": account}
    await house.ask_as(pat, "POST", "/api/withdrawals/quote", 200, wish)
    await house.ask_as(pat, "POST", "/api/withdrawals/quote", 422, {**wish, "amount": "0"})
    await house.ask_as(pat, "POST", "/api/withdrawals/quote", 404, {**wish, "destination": "nowhere"})
    asked = await house.ask_as(pat, "POST", "/api/withdrawals", 201, wish)
    await house.ask_as(pat, "POST", "/api/withdrawals", 422, {**wish, "fee": "0"})
    path = f"/api/withdrawals/{asked['id']}"
    await house.ask_as(pat, "GET", "/api/withdrawals?state=requested&asset=USD&rail=bank&limit=1", 200)
    await house.ask_as(pat, "GET", "/api/withdrawals?state=lost", 422)
    await house.ask_as(pat, "GET", path, 200)
    await house.ask_as(pat, "GET", f"/api/withdrawals/{new_id()}", 404)
    token = {"token": await house.link_to(pat.email, "confirm_withdrawal")}
    confirmed = await house.ask_as(None, "POST", "/api/withdrawals/confirm", 200, token)
    assert confirmed["state"] == "screening"
    await house.ask_as(None, "POST", "/api/withdrawals/confirm", 409, token)
    await house.ask_as(pat, "POST", f"{path}/cancel", 200)
    await house.ask_as(pat, "POST", f"{path}/cancel", 409)


async def payouts(house: House) -> None:
    """Proposed and granted, refused, paid by a batch whose file is taken; what the bank says is read in."""
    pat, account = await _pat(house)
    clerk, boss, helper = [await house.operator(role) for role in ("finance", "finance", "support")]
    first, second = await _reviewed(house, pat, account), await _reviewed(house, pat, account)
    admin = "/api/admin/withdrawals"
    found = await house.from_the_office(clerk, "GET", admin, 200, state="review", rail="bank", user_id=pat.id, limit=5)
    assert {one["id"] for one in found["items"]} == {first, second}
    await house.from_the_office(helper, "GET", admin, 403)
    await house.from_the_office(clerk, "GET", f"{admin}/{first}", 200)
    await house.from_the_office(clerk, "GET", f"{admin}/{new_id()}", 404)
    await house.from_the_office(clerk, "POST", f"{admin}/{second}/refuse", 422, {"reason": "No"})
    await house.from_the_office(clerk, "POST", f"{admin}/{second}/refuse", 200, WHY)
    await house.from_the_office(clerk, "POST", f"{admin}/{second}/propose", 409, WHY)
    approval = await house.from_the_office(clerk, "POST", f"{admin}/{first}/propose", 202, WHY)
    await house.from_the_office(boss, "POST", f"/api/admin/approvals/{approval['id']}/grant", 200)
    path = "/api/admin/payouts"
    waiting = await house.from_the_office(clerk, "GET", f"{path}/waiting", 200)
    assert waiting == [{"currency": "USD", "count": 1, "total": "50"}]
    await house.from_the_office(helper, "GET", f"{path}/waiting", 403)
    await house.from_the_office(clerk, "POST", path, 409, {"currency": "GBP", **WHY})
    approval = await house.from_the_office(clerk, "POST", path, 202, {"currency": "USD", **WHY})
    await house.from_the_office(boss, "POST", f"/api/admin/approvals/{approval['id']}/grant", 200)
    (batch,) = (await house.from_the_office(clerk, "GET", path, 200))["items"]
    await house.from_the_office(clerk, "GET", path, 422, cursor="nonsense")
    await house.from_the_office(clerk, "GET", f"{path}/{batch['id']}", 200)
    await house.from_the_office(clerk, "GET", f"{path}/{new_id()}", 404)
    await _bank_files(house, clerk, batch, first)


async def _bank_files(house: House, clerk: Person, batch: dict[str, Any], withdrawal_id: str) -> None:
    path = "/api/admin/payouts"
    file = await house.from_the_office(clerk, "POST", f"{path}/{batch['id']}/file", 200)
    assert batch["message_id"] in file["content"]
    await house.from_the_office(clerk, "POST", f"{path}/{new_id()}/file", 404)
    reference = "W" + withdrawal_id.replace("-", "").upper()
    line = f"bank-1,2026-11-20,USD,-50.00,{reference}"
    statement = f"bank_reference,booked_on,currency,amount,reference\n{line}\nEND,1\n"
    await house.from_the_office(clerk, "POST", f"{path}/files", 422, {"content": statement[:-8]})
    taken = await house.from_the_office(clerk, "POST", f"{path}/files", 200, {"content": statement})
    assert taken["changed"] == 1


async def _pat(house: House) -> tuple[Person, str]:
    """Somebody who may withdraw, and their account, old enough."""
    pat = await register(house.http)
    await enrol(house.http, pat)
    async with house.brokerage.database.transaction() as connection:
        await connection.execute("UPDATE users SET kyc_level = 'full' WHERE id = $1", UUID(pat.id))
        await books.credit(connection, UserId(UUID(pat.id)), "USD", Decimal(500))
    await house.ask_as(pat, "PUT", "/api/profile", 200, PROFILE)
    saved = await house.ask_as(pat, "POST", "/api/bank-accounts", 201, ACCOUNT)
    owner = await books.connect(house.brokerage.settings.owner_database_url)
    try:
        await owner.execute("UPDATE bank_accounts SET created_at = now() - interval '1 day', usable_at = now()")
    finally:
        await owner.close()
    return pat, str(saved["id"])


async def _reviewed(house: House, pat: Person, account: str) -> str:
    """A confirmed withdrawal that waits for people, as nobody screens here."""
    wish = {"asset": "USD", "amount": "50", "destination": account}
    asked = await house.ask_as(pat, "POST", "/api/withdrawals", 201, wish)
    token = {"token": await house.link_to(pat.email, "confirm_withdrawal")}
    await house.ask_as(None, "POST", "/api/withdrawals/confirm", 200, token)
    async with house.brokerage.database.transaction() as connection:
        await house.brokerage.deciding.screen(connection, UUID(asked["id"]))
    return str(asked["id"])


async def terms(house: House) -> None:
    """What withdrawals cost: told to customers, changed by two of finance."""
    pat = await register(house.http)
    clerk, boss, helper = [await house.operator(role) for role in ("finance", "finance", "support")]
    told = await house.ask_as(pat, "GET", "/api/withdrawals/terms", 200)
    assert {each["rail"] for each in told["items"]} == {"card_refund", "bank", "wallet"}
    await house.nobody("GET", "/api/withdrawals/terms")
    path = "/api/admin/withdrawal-terms"
    wish = {"rail": "bank", "asset": "GBP", "minimum": "5", "maximum": "5000", "fee": "0.5", **WHY}
    asked = await house.from_the_office(clerk, "POST", path, 202, wish)
    await house.from_the_office(clerk, "POST", path, 409, wish)
    await house.from_the_office(clerk, "POST", path, 422, {**wish, "asset": "BTC"})
    await house.from_the_office(helper, "POST", path, 403, wish)
    await house.from_the_office(boss, "POST", f"/api/admin/approvals/{asked['id']}/grant", 200)
    (newest,) = (await house.from_the_office(clerk, "GET", path, 200, rail="bank", limit=1))["items"]
    assert (newest["fee"], newest["approval_id"]) == ("0.5", asked["id"])
    await house.from_the_office(clerk, "GET", path, 422, rail="pigeon")
