"""Every operation of conduct, asked so that it works and so that it refuses; and a test of somebody's."""

from typing import Any
from uuid import UUID

from litestar import Litestar

from bitcurrent.compliance.conduct import repository
from bitcurrent.compliance.conduct.model import Content
from bitcurrent.compliance.conduct.packs import packs
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.wiring import Brokerage
from tests.contract.own_api.house import House
from tests.support.callers import OFFICE, client_from
from tests.support.conduct_steps import LIVES, RESTRICTED, answers_to
from tests.support.customers import Person, register


async def conduct(house: House) -> None:
    """A customer in the UK takes the steps that can be taken in one day, and compliance reads what was left behind."""
    pat = await register(house.http)
    ask, texts, category, tests = house.ask_as, "/api/conduct/texts", "/api/conduct/category", "/api/conduct/tests"
    await house.nobody("GET", "/api/conduct")
    await ask(pat, "PUT", "/api/profile", 200, LIVES)
    following = (await ask(pat, "GET", "/api/conduct", 200))["next"]
    await ask(pat, "POST", tests, 409)
    shown = {name: following[name] for name in ("step", "version", "text_sha256")}
    await ask(pat, "POST", texts, 409, {**shown, "text_sha256": "0" * 64, "choice": "continue"})
    standing = await ask(pat, "POST", texts, 200, {**shown, "choice": "continue"})
    kind = standing["next"]["categories"][0]
    statement: dict[str, Any] = {
        "category": kind["category"], "version": standing["next"]["version"], "text_sha256": kind["text_sha256"],
    }  # fmt: skip
    await ask(pat, "POST", category, 422, {**statement, "answers": {}})
    await ask(pat, "POST", category, 200, {**statement, "answers": RESTRICTED})
    test = await ask(pat, "POST", tests, 200)
    await ask(pat, "POST", f"{tests}/{new_id()}", 404, {"answers": answers_to(test)})
    await ask(pat, "POST", f"{tests}/{test['id']}", 200, {"answers": answers_to(test)})
    clerk = await house.operator("compliance")
    path = f"/api/admin/customers/{pat.id}/conduct"
    listed = await house.from_the_office(clerk, "GET", path, 200, limit=2)
    await house.from_the_office(clerk, "GET", path, 200, limit=2, cursor=listed["next"])
    await house.from_the_office(clerk, "GET", f"/api/admin/customers/{new_id()}/conduct", 404)
    async with client_from(house.app, OFFICE) as http:
        http.event_hooks = {"response": [house.contract.hook]}
        paper = await http.get(f"{path}/pdf", headers=clerk.bearer)
        assert (paper.status_code, paper.content[:5]) == (200, b"%PDF-"), paper.text[:300]
    await house.from_the_office(clerk, "GET", f"/api/admin/customers/{new_id()}/conduct/pdf", 404)


async def conduct_belongings(app: Litestar, ann: Person) -> dict[str, str]:
    """A test that ann has begun."""
    brokerage: Brokerage = app.state.brokerage
    content = Content(shown="Is this for you?", address="203.0.113.7", device="tests")
    async with brokerage.database.transaction() as connection:
        test_id = await repository.add(
            connection, brokerage.identity.vault, UserId(UUID(ann.id)), packs()["uk"], "appropriateness", "begun",
            content, text=content.shown,
        )  # fmt: skip
    return {"test_id": str(test_id)}
