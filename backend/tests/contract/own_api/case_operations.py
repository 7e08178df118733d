"""Every operation of cases and of screening, asked so that it works and so that it refuses."""

from bitcurrent.compliance.screening.lists import import_list, read_files
from bitcurrent.kernel.ids import new_id
from tests.compliance.list_files import UK
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


async def screening(house: House) -> None:
    """A customer screened by hand, what was found, the lists in force, and everybody screened anew."""
    pat = await register(house.http)
    anna = await house.operator("compliance")
    screenings, sanctions = "/api/admin/screenings", "/api/admin/sanctions"
    wish = {"user_id": pat.id, "reason": WHY}
    await house.from_the_office(anna, "POST", f"{sanctions}/rescreen", 503, {"reason": WHY})
    await house.from_the_office(anna, "POST", screenings, 503, wish)
    async with house.brokerage.database.transaction() as connection:
        await import_list(connection, read_files({"list.csv": UK}, "demo"), imported_by="tests")
    found = await house.from_the_office(anna, "POST", screenings, 201, wish)
    await house.from_the_office(anna, "POST", screenings, 422, {**wish, "user_id": str(new_id())})
    listed = await house.from_the_office(anna, "GET", screenings, 200, user_id=pat.id, outcome="clear", score_min=1)
    assert [one["id"] for one in listed["items"]] == [found["id"]]
    await house.from_the_office(anna, "GET", screenings, 422, score_min=101)
    whole = await house.from_the_office(anna, "GET", f"{screenings}/{found['id']}", 200)
    assert (whole["name"], whole["matches"]) == ("Pat Person", [])
    await house.from_the_office(anna, "GET", f"{screenings}/{new_id()}", 404)
    await house.from_the_office(anna, "POST", f"{sanctions}/rescreen", 202, {"reason": WHY})
    await house.from_the_office(anna, "POST", f"{sanctions}/rescreen", 409, {"reason": WHY})
    now = await house.from_the_office(anna, "GET", sanctions, 200)
    assert [(one["source"], one["entries"]) for one in now["lists"]] == [("demo", 3)]
    await house.from_the_office(anna, "GET", sanctions, 422, fields="nonsense")
    versions = await house.from_the_office(anna, "GET", f"{sanctions}/versions", 200, limit=1)
    assert versions["items"][0]["replaced_at"] is None
    await house.from_the_office(anna, "GET", f"{sanctions}/versions", 422, limit=0)
    rules = {
        "rules": {"review_from": 82, "country_points": {"KP": 95}},
        "reason": "Fewer false matches, by the figures.",
    }
    asked = await house.from_the_office(anna, "POST", f"{sanctions}/rules", 202, rules)
    wrong = {**rules, "rules": {"review_from": 0}}
    refused = await house.from_the_office(anna, "POST", f"{sanctions}/rules", 422, wrong)
    assert refused["field"] == "review_from"
    bob = await house.operator("compliance")
    await house.from_the_office(bob, "POST", f"/api/admin/approvals/{asked['id']}/grant", 200)
    after = await house.from_the_office(anna, "GET", sanctions, 200)
    assert (after["rules"]["review_from"], after["rules_version"]) == (82, now["rules_version"] + 1)
