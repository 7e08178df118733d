"""Every operation of monitoring, asked so that it works and so that it refuses."""

from typing import Any
from uuid import UUID

from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import new_id
from tests.contract.own_api.house import House
from tests.support.customers import register

WHY = "She telephoned, and her bank confirms it."
ALERTS = "/api/admin/alerts"
RULES = "/api/admin/monitoring/rules"


async def _deposits(house: House, user_id: str, worth: str, times: int) -> None:
    payload = {"currency": "USD", "amount": worth, "fee": "0", "worth": worth}
    async with house.brokerage.database.transaction() as connection:
        for _ in range(times):
            await append_event(
                connection, user_id=UUID(user_id), kind="deposit_credited", subject=new_id(), payload=payload
            )
    while (await house.brokerage.monitoring.judge_next()).events:
        continue


async def monitoring(house: House) -> None:
    """Two alerts, one dismissed and one escalated; a rule that two people change."""
    pat, quinn = await register(house.http), await register(house.http)
    anna, bob = [await house.operator("compliance") for _ in range(2)]
    for who in (pat, quinn):
        await _deposits(house, who.id, "60000", 1)
    found: list[dict[str, Any]] = []
    for who in (pat, quinn):
        listed = await house.from_the_office(anna, "GET", ALERTS, 200, user_id=who.id, rule="velocity", state="open")
        found += listed["items"]
    assert [one["user_id"] for one in found] == [pat.id, quinn.id]
    await house.from_the_office(anna, "GET", ALERTS, 422, rule="astrology")
    first, second = (f"{ALERTS}/{one['id']}" for one in found)
    whole = await house.from_the_office(anna, "GET", first, 200)
    assert whole["transaction"]["worth"] == "60000"
    assert whole["rule"]["name"] == "velocity"
    await house.from_the_office(anna, "GET", f"{ALERTS}/{new_id()}", 404)
    await house.from_the_office(anna, "POST", f"{first}/dismiss", 422, {"reason": ""})
    dismissed = await house.from_the_office(anna, "POST", f"{first}/dismiss", 200, {"reason": WHY})
    assert (dismissed["state"], dismissed["decided_by"]) == ("dismissed", anna.id)
    await house.from_the_office(anna, "POST", f"{first}/escalate", 409, {"reason": WHY})
    escalated = await house.from_the_office(anna, "POST", f"{second}/escalate", 200, {"reason": WHY})
    await house.from_the_office(anna, "POST", f"{second}/dismiss", 409, {"reason": WHY})
    case = await house.from_the_office(bob, "GET", f"/api/admin/cases/{escalated['case_id']}", 200)
    assert (case["case"]["kind"], case["case"]["user_id"]) == ("monitoring", quinn.id)
    wish = {"parameters": {"count": 30, "worth": "70000"}, "action": "case", "reason": "Too many of them are nothing."}
    asked = await house.from_the_office(anna, "POST", f"{RULES}/velocity", 202, wish)
    impossible = {**wish, "parameters": {"count": 0}}
    refused = await house.from_the_office(anna, "POST", f"{RULES}/velocity", 422, impossible)
    assert refused["code"] == "threshold_impossible"
    await house.from_the_office(anna, "POST", f"{RULES}/astrology", 404, wish)
    await house.from_the_office(bob, "POST", f"/api/admin/approvals/{asked['id']}/grant", 200)
    listed = await house.from_the_office(bob, "GET", RULES, 200, rule="velocity", limit=1)
    assert listed["items"][0]["parameters"] == {"count": 30, "worth": "70000", "hours": 24}
    await house.from_the_office(bob, "GET", RULES, 422, cursor="nonsense!")
