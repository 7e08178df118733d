"""Every operation of limits, stops and notifications, asked so that it works and so that it refuses."""

from bitcurrent.kernel.ids import new_id
from tests.contract.own_api.house import House

WHY = "Agreed in the meeting of Monday."


async def limits_and_stops(house: House) -> None:
    """The rules and the brakes, in the back office and for everybody."""
    checker, other = [await house.operator("compliance") for _ in range(2)]
    anna, bob = [await house.operator("admin") for _ in range(2)]
    await house.from_the_office(checker, "GET", "/api/admin/limits", 200, product="card_deposit", limit=3)
    await house.from_the_office(checker, "GET", "/api/admin/limits", 422, product="tea")
    rule = {"product": "conversion", "period": "day", "maximum": "12345.5", "level": "full", "reason": WHY}
    asked = await house.from_the_office(checker, "POST", "/api/admin/limits", 202, rule)
    await house.from_the_office(checker, "POST", "/api/admin/limits", 409, rule)
    await house.from_the_office(other, "POST", f"/api/admin/approvals/{asked['id']}/grant", 200)
    made = await house.from_the_office(anna, "POST", "/api/admin/stops", 201, {"product": "bonus", "reason": WHY})
    await house.from_the_office(checker, "POST", "/api/admin/stops", 403, {"product": "bonus", "reason": WHY})
    await house.from_the_office(anna, "GET", "/api/admin/stops", 200, standing=True)
    await house.from_the_office(anna, "GET", "/api/admin/stops", 422, cursor="nonsense")
    assert (await house.ask_as(None, "GET", "/api/status", 200))["running"] is False
    await house.ask_as(None, "GET", "/api/status?fields=everything", 422)
    resume = f"/api/admin/stops/{made['id']}/resume"
    await house.from_the_office(anna, "POST", f"/api/admin/stops/{new_id()}/resume", 404, {"reason": WHY})
    again = await house.from_the_office(anna, "POST", resume, 202, {"reason": WHY})
    await house.from_the_office(bob, "POST", f"/api/admin/approvals/{again['id']}/grant", 200)
