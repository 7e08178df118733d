"""Customers who take the steps of their country's rules over the API, and a clock that is moved in the database."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx

from bitcurrent.compliance.conduct.packs import packs
from tests.support.customers import Person

LIVES: dict[str, Any] = {
    "legal_name": "Quillon Canarywharf",
    "birth_date": "1979-12-13",
    "address": {"lines": ["17 Budgerigar Mews"], "city": "Parakeetham", "postal_code": "CN4 RY", "country": "GB"},
}
RESTRICTED = {"invested_percent": "3", "will_invest_percent": "5"}


async def live_in(http: httpx.AsyncClient, who: Person, country: str, region: str | None = None) -> None:
    """Have a profile with an address there."""
    profile = {**LIVES, "address": {**LIVES["address"], "country": country, "region": region}}
    answer = await http.put("/api/profile", json=profile, headers=who.bearer)
    assert answer.status_code == 200, answer.text


async def standing(http: httpx.AsyncClient, who: Person) -> Any:
    """Where somebody stands."""
    answer = await http.get("/api/conduct", headers=who.bearer)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def say(http: httpx.AsyncClient, who: Person, choice: str, **changes: Any) -> httpx.Response:
    """Answer the text that is next."""
    following = (await standing(http, who))["next"]
    body = {name: following[name] for name in ("step", "version", "text_sha256")}
    return await http.post("/api/conduct/texts", json={**body, "choice": choice, **changes}, headers=who.bearer)


async def declare(
    http: httpx.AsyncClient, who: Person, category: str = "restricted", answers: dict[str, str] | None = None
) -> httpx.Response:
    """Sign the statement of a category."""
    uk = packs()["uk"]
    assert uk.category is not None
    shown = (await standing(http, who))["next"]["categories"] or []
    hashes = {one["category"]: one["text_sha256"] for one in shown}
    body = {
        "category": category,
        "version": uk.version,
        "text_sha256": hashes.get(category, "0" * 64),
        "answers": RESTRICTED if answers is None else answers,
    }
    return await http.post("/api/conduct/category", json=body, headers=who.bearer)


async def begin_test(http: httpx.AsyncClient, who: Person) -> Any:
    """A test's questions."""
    answer = await http.post("/api/conduct/tests", headers=who.bearer)
    assert answer.status_code == 200, answer.text
    return answer.json()


def answers_to(test: Any, *, wrong: int = 0) -> list[dict[str, Any]]:
    """The right answers, but for the first so many."""
    rules = packs()["uk"].appropriateness
    assert rules is not None
    right = {question.id: question.options[0] for topic in rules.topics for question in topic.questions}
    answers = []
    for number, asked in enumerate(test["questions"]):
        good = asked["options"].index(right[asked["question"]])
        option = (good + 1) % len(asked["options"]) if number < wrong else good
        answers.append({"question": asked["question"], "option": option + 1})
    return answers


async def take_test(http: httpx.AsyncClient, who: Person, *, wrong: int = 0) -> Any:
    """Begin a test and answer it; whether it was passed, and where they stand."""
    test = await begin_test(http, who)
    answer = await http.post(
        f"/api/conduct/tests/{test['id']}", json={"answers": answers_to(test, wrong=wrong)}, headers=who.bearer
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


async def let_pass(owner_url: str, who: Person, *, hours: int) -> None:
    """As if this customer's evidence were older: only who owns the database can do that, by opening its lock."""
    connection = await asyncpg.connect(owner_url)
    try:
        async with connection.transaction():
            await connection.execute("ALTER TABLE conduct_evidence DISABLE TRIGGER conduct_evidence_stays")
            await connection.execute(
                "UPDATE conduct_evidence SET at = at - make_interval(hours => $2) WHERE user_id = $1",
                UUID(who.id),
                hours,
            )
            await connection.execute("ALTER TABLE conduct_evidence ENABLE ALWAYS TRIGGER conduct_evidence_stays")
    finally:
        await connection.close()
