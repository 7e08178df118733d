"""Every operation of cases and of screening, asked so that it works and so that it refuses."""

from bitcurrent.kernel.ids import new_id
from tests.contract.own_api.house import House
from tests.support.customers import register

WHY = "Seen on the passport: born elsewhere and much later."
CASES = "/api/admin/cases"


async def cases(house: House) -> None:
    """A case that one operator opens and proposes to end, and that another one closes."""
    pat = await register(house.http)
    anna, bob = [await house.operator("compliance") for _ in range(2)]
    wish = {"user_id": pat.id, "summary": "Three cards in an hour", "note": "Telephoned: all three are hers."}
    opened = await house.from_the_office(anna, "POST", CASES, 201, wish)
    await house.from_the_office(anna, "POST", CASES, 422, {**wish, "user_id": str(new_id())})
    listed = await house.from_the_office(anna, "GET", CASES, 200, user_id=pat.id, kind="other", state="open")
    assert [one["id"] for one in listed["items"]] == [opened["id"]]
    await house.from_the_office(anna, "GET", CASES, 422, state="forgotten")
    path, nowhere = f"{CASES}/{opened['id']}", f"{CASES}/{new_id()}"
    await house.from_the_office(anna, "POST", f"{path}/assign", 200, {})
    await house.from_the_office(anna, "POST", f"{path}/assign", 422, {"owner": pat.id})
    await house.from_the_office(anna, "POST", f"{path}/notes", 200, {"text": "Her bank confirms it."})
    await house.from_the_office(anna, "POST", f"{nowhere}/notes", 404, {"text": "Nobody's."})
    await house.from_the_office(bob, "POST", f"{path}/confirm", 409)
    proposal = {"outcome": "cleared", "reason": WHY}
    await house.from_the_office(anna, "POST", f"{path}/proposal", 200, proposal)
    await house.from_the_office(bob, "POST", f"{path}/proposal", 409, proposal)
    refused = await house.from_the_office(anna, "POST", f"{path}/confirm", 403)
    assert refused["code"] == "same_person"
    await house.from_the_office(bob, "POST", f"{path}/refuse", 200, {"reason": "Look at her address too."})
    await house.from_the_office(bob, "POST", f"{path}/refuse", 409, {"reason": "Look at her address too."})
    await house.from_the_office(anna, "POST", f"{path}/reopen", 409, {"reason": WHY})
    await house.from_the_office(anna, "POST", f"{path}/proposal", 200, proposal)
    closed = await house.from_the_office(bob, "POST", f"{path}/confirm", 200)
    assert (closed["state"], closed["outcome"], closed["closed_by"]) == ("closed", "cleared", bob.id)
    await house.from_the_office(anna, "POST", f"{path}/reopen", 200, {"reason": WHY})
    whole = await house.from_the_office(bob, "GET", path, 200)
    kinds = [line["kind"] for line in whole["history"]]
    assert kinds == [
        "opened", "note", "assigned", "note", "proposed", "refused", "proposed", "closed", "reopened",
    ]  # fmt: skip
    await house.from_the_office(bob, "GET", nowhere, 404)
