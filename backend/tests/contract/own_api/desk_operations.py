"""Every operation of the back office's desk, asked so that it works and so that it refuses."""

from bitcurrent.kernel.ids import new_id
from tests.contract.own_api.house import House
from tests.support.customers import register

WHY = "Two operators looked at it together."
NOBODY = "0190b1a0-0000-7000-8000-000000000000"


async def customers(house: House) -> None:
    """Found, read, unmasked, frozen, let go, and written about."""
    pat = await register(house.http)
    carl, sam = await house.operator("compliance"), await house.operator("support")
    found = await house.from_the_office(sam, "GET", "/api/admin/customers", 200, q=pat.email, kyc_level="none")
    assert [one["id"] for one in found["items"]] == [pat.id]
    await house.from_the_office(sam, "GET", "/api/admin/customers", 422, q="Patricia")
    path, nowhere = f"/api/admin/customers/{pat.id}", f"/api/admin/customers/{NOBODY}"
    await house.from_the_office(carl, "GET", path, 200)
    await house.from_the_office(carl, "GET", nowhere, 404)
    await house.from_the_office(sam, "POST", f"{path}/unmask", 200, {"reason": WHY})
    await house.from_the_office(sam, "POST", f"{path}/unmask", 422, {"reason": "no"})
    await house.from_the_office(sam, "POST", f"{path}/notes", 201, {"text": "Called about a letter."})
    await house.from_the_office(sam, "POST", f"{path}/notes", 422, {"text": ""})
    await house.from_the_office(sam, "GET", f"{path}/notes", 200)
    await house.from_the_office(sam, "GET", f"{nowhere}/notes", 404)
    wish = {"scope": "withdrawals", "reason": WHY}
    frozen = await house.from_the_office(carl, "POST", f"{path}/restrictions", 201, wish)
    await house.from_the_office(carl, "POST", f"{nowhere}/restrictions", 404, wish)
    await house.from_the_office(carl, "GET", "/api/admin/restrictions", 200, user_id=pat.id, standing="true")
    await house.from_the_office(carl, "GET", "/api/admin/restrictions", 422, scope="everything")
    lift = f"/api/admin/restrictions/{frozen['id']}/lift"
    asked = await house.from_the_office(carl, "POST", lift, 200, {"reason": WHY})
    assert asked["restriction"] is None
    await house.from_the_office(carl, "POST", lift, 409, {"reason": WHY})
    await _grant(house, asked["approval"]["id"], "compliance")


async def adjustments(house: House) -> None:
    """Money that one operator of finance asks to give, and another one grants."""
    pat = await register(house.http)
    fred = await house.operator("finance")
    wish = {"user_id": pat.id, "currency": "USD", "amount": "12.5", "reason": WHY, "evidence": "ticket 4711"}
    asked = await house.from_the_office(fred, "POST", "/api/admin/adjustments", 202, wish)
    await house.from_the_office(fred, "POST", "/api/admin/adjustments", 409, wish)
    await _grant(house, asked["id"], "finance")
    booked = await house.from_the_office(fred, "GET", "/api/admin/adjustments", 200, user_id=pat.id, currency="USD")
    assert [one["amount"] for one in booked["items"]] == ["12.5"]
    await house.from_the_office(fred, "GET", "/api/admin/adjustments", 422, cursor="nonsense")


async def orders_and_venue(house: House) -> None:
    """Everybody's orders, and what the venue said that nobody understood."""
    fred = await house.operator("finance")
    await house.from_the_office(fred, "GET", "/api/admin/orders", 200, open="true", stuck="false")
    await house.from_the_office(fred, "GET", "/api/admin/orders", 422, state="forgotten")
    await house.from_the_office(fred, "GET", "/api/admin/venue", 200)
    await house.from_the_office(fred, "GET", "/api/admin/venue", 422, fields="nonsense")
    event = f"event-{new_id()}"
    await house.books(
        "INSERT INTO venue_events (source, event_id, kind, payload, outcome) "
        "VALUES ('test', $1, 'trade_bust', '{}', 'flagged')",
        event,
    )
    listed = await house.from_the_office(fred, "GET", "/api/admin/venue/events", 200, waiting="true", kind="trade_bust")
    assert event in [one["event_id"] for one in listed["items"]]
    await house.from_the_office(fred, "GET", "/api/admin/venue/events", 422, cursor="nonsense")
    body = {"source": "test", "event_id": event, "reason": WHY}
    await house.from_the_office(fred, "POST", "/api/admin/venue/events/resolve", 200, body)
    await house.from_the_office(fred, "POST", "/api/admin/venue/events/resolve", 409, body)


async def fee_schedules(house: House) -> None:
    """A schedule for later, so that nothing here changes."""
    fred = await house.operator("finance")
    tier = {"volume_from": "0", "maker_bps": "15", "taker_bps": "25"}
    wish = {"tiers": [tier], "reason": WHY, "effective_from": "2026-12-31T00:00:00Z"}
    asked = await house.from_the_office(fred, "POST", "/api/admin/fees", 202, wish)
    await house.from_the_office(fred, "POST", "/api/admin/fees", 422, {**wish, "tiers": [{**tier, "volume_from": "1"}]})
    await house.from_the_office(
        fred, "POST", f"/api/admin/approvals/{asked['id']}/refuse", 200, {"reason": "It was a test"}
    )
    await house.from_the_office(fred, "GET", "/api/admin/fees", 200)
    await house.from_the_office(fred, "GET", "/api/admin/fees", 422, cursor="nonsense")


async def acts(house: House) -> None:
    """The audit log and its proof."""
    fred = await house.operator("finance")
    found = await house.from_the_office(fred, "GET", "/api/admin/audit", 200, action="session.", actor_kind="user")
    assert found["items"]
    await house.from_the_office(fred, "GET", "/api/admin/audit", 422, since="yesterday")
    await house.from_the_office(fred, "POST", "/api/admin/audit/verification", 202)
    await house.from_the_office(fred, "POST", "/api/admin/audit/verification", 409)
    await house.from_the_office(fred, "GET", "/api/admin/audit/verification", 200)
    await house.from_the_office(fred, "GET", "/api/admin/audit/verification", 422, cursor="nonsense")


async def health_and_money(house: House) -> None:
    """How the house does."""
    fred = await house.operator("finance")
    await house.from_the_office(fred, "GET", "/api/admin/health", 200)
    await house.from_the_office(fred, "GET", "/api/admin/health", 422, fields="nonsense")
    await house.from_the_office(fred, "GET", "/api/admin/money", 200, days="7")
    await house.from_the_office(fred, "GET", "/api/admin/money", 422, days="0")


async def _grant(house: House, approval_id: str, role: str) -> None:
    other = await house.operator("compliance" if role == "compliance" else "finance")
    await house.from_the_office(other, "POST", f"/api/admin/approvals/{approval_id}/grant", 200)


EXERCISES = (customers, adjustments, orders_and_venue, fee_schedules, acts, health_and_money)
