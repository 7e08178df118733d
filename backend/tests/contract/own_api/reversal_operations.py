"""Every operation of refunds, disputes and debts, asked so that it works and so that it refuses."""

from uuid import UUID

from litestar import Litestar

from bitcurrent.funding.provenance import service as provenance
from bitcurrent.kernel.ids import UserId, new_id
from tests.contract.own_api.house import House
from tests.support.card_money import CardMoney
from tests.support.customers import Person, enrol, log_in_with, register

WHY = "The customer has asked for it by letter."


async def refunds(house: House) -> None:
    """Back to the card: by its owner with a fresh second factor, by operators alone or in pairs."""
    pat = await register(house.http)
    opened = await log_in_with(house.http, pat.email, await enrol(house.http, pat))
    pat = Person(pat.id, pat.email, opened.json()["token"])
    async with house.brokerage.database.read() as connection:
        money = CardMoney(connection, UserId(UUID(pat.id)))
        deposit, large = await money.deposit("100"), await money.deposit("5000")
    path = f"/api/deposits/{deposit}/refunds"
    asked = await house.ask_as(pat, "POST", path, 201, {"amount": "10"})
    await house.ask_as(pat, "POST", path, 422, {"amount": "91"})
    await house.ask_as(pat, "GET", f"/api/refunds?deposit_id={deposit}&limit=1", 200)
    await house.ask_as(pat, "GET", "/api/refunds?cursor=nonsense", 422)
    await house.ask_as(pat, "GET", f"/api/refunds/{asked['id']}", 200)
    await house.ask_as(pat, "GET", f"/api/refunds/{new_id()}", 404)
    wallet = await house.ask_as(pat, "GET", "/api/wallet/withdrawable", 200)
    assert wallet["items"][0]["holdings"][0]["kind"] == "refund"
    await house.ask_as(pat, "GET", "/api/wallet/withdrawable?fields=nonsense", 422)
    anna, bob = [await house.operator("finance") for _ in range(2)]
    wish = {"amount": "20", "reason": WHY}
    done = await house.from_the_office(anna, "POST", f"/api/admin/deposits/{deposit}/refunds", 202, wish)
    assert (done["refund"]["origin"], done["approval"]) == ("operator", None)
    await house.from_the_office(anna, "POST", f"/api/admin/deposits/{new_id()}/refunds", 404, wish)
    wish = {"amount": "1000.01", "reason": WHY}
    waits = await house.from_the_office(anna, "POST", f"/api/admin/deposits/{large}/refunds", 202, wish)
    grant = f"/api/admin/approvals/{waits['approval']['id']}/grant"
    await house.from_the_office(anna, "POST", grant, 403)
    await house.from_the_office(bob, "POST", grant, 200)
    listed = await house.from_the_office(anna, "GET", "/api/admin/refunds", 200, user_id=pat.id)
    assert [one["amount"] for one in listed["items"]] == ["1000.01", "20", "10"]
    await house.from_the_office(anna, "GET", "/api/admin/refunds", 422, cursor="nonsense")


async def disputes_and_debts(house: House) -> None:
    """A dispute as its customer and as operators see it; its debt, given up by two."""
    pat = await register(house.http)
    belongings = await reversal_belongings(house.app, pat)
    dispute, debt = belongings["dispute_id"], belongings["debt_id"]
    listed = await house.ask_as(pat, "GET", "/api/disputes?limit=1", 200)
    assert listed["items"][0]["locked"] == "30"
    await house.ask_as(pat, "GET", "/api/disputes?limit=0", 422)
    owed = await house.ask_as(pat, "GET", "/api/debts", 200)
    assert [(one["id"], one["open"]) for one in owed["items"]] == [(debt, "70")]
    await house.ask_as(pat, "GET", "/api/debts?cursor=nonsense", 422)
    refused = await house.ask_as(pat, "GET", f"/api/refunds/{new_id()}", 404)
    assert refused["code"] == "refund_not_found"
    anna, bob = [await house.operator("finance") for _ in range(2)]
    await house.from_the_office(anna, "GET", "/api/admin/disputes", 200, state="open", user_id=pat.id)
    await house.from_the_office(anna, "GET", "/api/admin/disputes", 422, state="angry")
    await house.from_the_office(anna, "GET", f"/api/admin/disputes/{dispute}", 200)
    await house.from_the_office(anna, "GET", f"/api/admin/disputes/{new_id()}", 404)
    note = {"note": "3-D Secure was passed; the log of acts shows the login."}
    noted = await house.from_the_office(anna, "PUT", f"/api/admin/disputes/{dispute}/note", 200, note)
    assert (noted["note"], noted["noted_by"]) == (note["note"], anna.id)
    await house.from_the_office(anna, "PUT", f"/api/admin/disputes/{new_id()}/note", 404, note)
    path = f"/api/admin/debts/{debt}/write-off"
    asked = await house.from_the_office(anna, "POST", path, 202, {"reason": WHY})
    await house.from_the_office(anna, "POST", path, 409, {"reason": WHY})
    await house.from_the_office(bob, "POST", f"/api/admin/approvals/{asked['id']}/grant", 200)
    assert (await house.ask_as(pat, "GET", "/api/debts", 200))["items"][0]["open"] == "0"


async def reversal_belongings(app: Litestar, person: Person) -> dict[str, str]:
    """A refund, a dispute and a debt of somebody's, by the names that paths have for them."""
    async with app.state["database"].read() as connection:
        money = CardMoney(connection, UserId(UUID(person.id)), currency="GBP")
        refunded = await money.deposit("50")
        refund = await money.ask_refund(refunded, "50")
        deposit = await money.deposit("100")
        await money.spend("70")
        dispute = await money.disputed(deposit, withdrawn="100")
        [debt] = await provenance.open_debts(connection, money.user_id)
    return {"refund_id": str(refund.id), "dispute_id": str(dispute.id), "debt_id": str(debt.id)}
