"""Every operation of deposits, campaigns and the processor's webhook, asked so that it works and so that it refuses."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from litestar import Litestar

from bitcurrent.funding.deposits.service import Wish
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.ids import UserId, new_id
from tests.contract.own_api.house import House
from tests.support.cards import Till, altered
from tests.support.customers import Person


async def deposits(house: House) -> None:
    """Asked for, read, paid, told by webhook, canceled; and seen by operators."""
    till = Till(house.app, house.http, house.sandbox)
    pat = await till.customer()
    wish = {"amount": "50", "currency": "USD"}
    asked = await house.ask_as(pat, "POST", "/api/deposits", 201, wish)
    await house.ask_as(pat, "POST", "/api/deposits", 422, {**wish, "amount": "1"})
    await house.ask_as(pat, "GET", "/api/deposits/terms", 200)
    await house.nobody("GET", "/api/deposits/terms")
    await house.ask_as(pat, "GET", "/api/deposits?state=pending&limit=1", 200)
    await house.ask_as(pat, "GET", "/api/deposits?fields=id,state", 200)
    await house.ask_as(pat, "GET", "/api/deposits?cursor=nonsense", 422)
    await house.ask_as(pat, "GET", f"/api/deposits/{asked['id']}", 200)
    await house.ask_as(pat, "GET", f"/api/deposits/{new_id()}", 404)
    (told,) = await till.pay(asked)
    await till.deliver_all([told])
    assert (await till.deliver(told, "nonsense")).status_code == 400
    other = await house.ask_as(pat, "POST", "/api/deposits", 201, wish)
    await house.ask_as(pat, "POST", f"/api/deposits/{other['id']}/cancel", 200)
    await house.ask_as(pat, "POST", f"/api/deposits/{asked['id']}/cancel", 409)
    await house.ask_as(pat, "GET", "/api/bonuses?limit=1", 200)
    await house.nobody("GET", "/api/bonuses")
    finance = await house.operator("finance")
    listed = await house.from_the_office(finance, "GET", "/api/admin/deposits", 200, user_id=pat.id, problem=False)
    assert [each["state"] for each in listed["items"]] == ["expired", "paid"]
    await house.from_the_office(finance, "GET", "/api/admin/deposits", 422, cursor="nonsense")
    found = await house.from_the_office(finance, "GET", f"/api/admin/deposits/{asked['id']}", 200)
    assert [each["state"] for each in found["events"]] == ["applied"]
    await house.from_the_office(finance, "GET", f"/api/admin/deposits/{new_id()}", 404)
    await _flagged(house, till)


async def _flagged(house: House, till: Till) -> None:
    """Money that came otherwise than asked for, given to its customer by two of finance."""
    clerk, boss = [await house.operator("finance") for _ in range(2)]
    pat = await till.customer()
    asked = await till.opened(pat, "40")
    path, wish = f"/api/admin/deposits/{asked['id']}/resolve", {"outcome": "credit", "reason": "Seen at the processor."}
    await house.from_the_office(clerk, "POST", path, 409, wish)
    await house.from_the_office(clerk, "POST", path, 422, {**wish, "outcome": "keep"})
    (told,) = await till.pay(asked)
    await till.deliver_all([altered(told, amount_total=100)])
    approval = await house.from_the_office(clerk, "POST", path, 202, wish)
    await house.from_the_office(boss, "POST", f"/api/admin/approvals/{approval['id']}/grant", 200)


async def campaigns(house: House) -> None:
    """Drafted by one, switched on by another."""
    anna, bob = [await house.operator("finance") for _ in range(2)]
    rules = {
        "code": f"spring-{new_id().hex[-6:]}",
        "title": "Spring",
        "currency": "USD",
        "starts_at": now().isoformat(),
        "ends_at": (now() + timedelta(days=1)).isoformat(),
        "minimum": "50",
        "amount": "5",
        "release_days": 30,
    }
    drafted = await house.from_the_office(anna, "POST", "/api/admin/campaigns", 201, rules)
    await house.from_the_office(anna, "POST", "/api/admin/campaigns", 422, {**rules, "amount": "0"})
    path = f"/api/admin/campaigns/{drafted['id']}/activate"
    asked = await house.from_the_office(anna, "POST", path, 202, {"reason": "The spring offer."})
    nothing = f"/api/admin/campaigns/{new_id()}/activate"
    await house.from_the_office(anna, "POST", nothing, 404, {"reason": "The spring offer."})
    await house.from_the_office(bob, "POST", f"/api/admin/approvals/{asked['id']}/grant", 200)
    listed = await house.from_the_office(bob, "GET", "/api/admin/campaigns", 200, state="active", limit=1)
    assert listed["items"][0]["code"] == rules["code"]
    await house.from_the_office(bob, "GET", "/api/admin/campaigns", 422, cursor="nonsense")
    await house.books("UPDATE bonus_campaigns SET state = 'ended', ended_at = now() WHERE state = 'active'")


async def deposit_belongings(app: Litestar, person: Person) -> dict[str, str]:
    """A deposit of somebody's that waits for its payment; campaigns are operators' business."""
    brokerage, user_id = app.state.brokerage, UserId(UUID(person.id))
    async with brokerage.database.transaction() as connection:
        level = await connection.fetchval("SELECT kyc_level FROM users WHERE id = $1", user_id)
        await connection.execute("UPDATE users SET kyc_level = 'full' WHERE id = $1", user_id)
        wish: Wish = await brokerage.deposits.weigh(amount=Decimal(10), currency="USD")
        asked = await brokerage.deposits.ask(connection, user_id, wish, address="203.0.113.7")
        await connection.execute("UPDATE users SET kyc_level = $2 WHERE id = $1", user_id, level)
    opened = await brokerage.deposits.open(asked.id)
    assert opened.state.is_open
    return {"deposit_id": str(opened.id), "campaign_id": str(new_id())}
