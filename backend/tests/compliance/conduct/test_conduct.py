"""Conduct over the API: each country's way from the first warning to the first purchase, and what it leaves behind."""

import asyncio
import csv
import io
import json
import zipfile
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pypdf
import pytest

from bitcurrent.compliance.conduct.packs import sha256
from bitcurrent.compliance.conduct.service import Conduct
from bitcurrent.kernel.crypto import Vault, new_key
from bitcurrent.kernel.ids import UserId
from tests.compliance.conduct.conftest import House
from tests.support.brokerage import BLIND_INDEX_KEY, ENCRYPTION_KEYS
from tests.support.conduct_steps import (
    answers_to,
    begin_test,
    declare,
    let_pass,
    live_in,
    say,
    standing,
    take_test,
)
from tests.support.customers import PASSWORD, Person, create_key, key_headers, register
from tests.support.dumps import dump, found_in
from tests.support.operators import operator

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDER = {"symbol": "BTC-USD", "type": "market"}


async def buy(house: House, headers: dict[str, str]) -> str:
    """The code of the refusal: this house has no market, so that what is let in ends there."""
    body = {**ORDER, "side": "buy", "notional": "10"}
    answer = await house.street.post("/api/orders", json=body, headers=headers)
    assert answer.is_error
    return str(answer.json()["code"])


async def sell(house: House, headers: dict[str, str]) -> str:
    body = {**ORDER, "side": "sell", "quantity": "0.1"}
    return str((await house.street.post("/api/orders", json=body, headers=headers)).json()["code"])


async def pay_in(house: House, who: Person) -> dict[str, Any]:
    body = {"amount": "50", "currency": "USD"}
    answer = (await house.street.post("/api/deposits", json=body, headers=who.bearer)).json()
    return dict(answer)


async def verified(house: House, who: Person) -> None:
    async with house.brokerage.database.transaction() as connection:
        await connection.execute("UPDATE users SET kyc_level = 'basic' WHERE id = $1", UUID(who.id))


async def in_the_uk(house: House) -> Person:
    who = await register(house.street)
    await live_in(house.street, who, "GB")
    await verified(house, who)
    return who


async def passed_in_the_uk(house: House) -> Person:
    who = await in_the_uk(house)
    assert (await say(house.street, who, "continue")).status_code == 200
    assert (await declare(house.street, who)).status_code == 200
    assert (await take_test(house.street, who))["passed"]
    await let_pass(house.settings.owner_database_url, who, hours=24)
    assert (await say(house.street, who, "continue")).status_code == 200
    return who


async def test_the_uk_way_from_the_warning_to_the_first_purchase(house: House) -> None:
    who = await in_the_uk(house)
    first = await standing(house.street, who)
    assert (first["jurisdiction"], first["complete"], first["open"]) == ("uk", False, {"deposit": False, "buy": False})
    assert first["next"]["step"] == "warning"
    assert first["next"]["text"].startswith("Quillon, this is a high-risk investment.")
    assert first["next"]["text_sha256"] == sha256(first["next"]["text"]).hex()
    assert (await pay_in(house, who))["code"] == "conduct_required"
    assert await buy(house, who.bearer) == "conduct_required"
    assert await sell(house, who.bearer) != "conduct_required"

    left = await say(house.street, who, "leave")
    assert left.json()["next"]["step"] == "warning"
    gone_on = (await say(house.street, who, "continue")).json()
    assert gone_on["next"]["step"] == "category"
    assert {one["step"]: one["state"] for one in gone_on["steps"]}["cooling_off"] == "waiting"
    declared = (await declare(house.street, who)).json()
    assert declared["next"]["step"] == "appropriateness"
    marked = await take_test(house.street, who)
    assert marked["passed"]
    waiting = marked["standing"]
    assert (waiting["next"]["step"], waiting["next"]["state"]) == ("cooling_off", "waiting")
    assert 86_300 < waiting["seconds_left"] <= 86_400
    early = await say(house.street, who, "continue")
    assert (early.status_code, early.json()["code"]) == (409, "step_not_due")
    assert int(early.json()["details"]["seconds_left"]) <= 86_400

    await let_pass(house.settings.owner_database_url, who, hours=23)
    assert 3_500 < (await standing(house.street, who))["seconds_left"] <= 3_600
    assert await buy(house, who.bearer) == "conduct_required"
    await let_pass(house.settings.owner_database_url, who, hours=1)
    assert (await standing(house.street, who))["next"]["state"] == "due"
    assert await buy(house, who.bearer) == "conduct_required"
    done = (await say(house.street, who, "continue")).json()
    assert (done["complete"], done["next"], done["open"]) == (True, None, {"deposit": True, "buy": True})
    assert await buy(house, who.bearer) != "conduct_required"
    assert (await pay_in(house, who))["code"] != "conduct_required"


async def test_a_statement_of_last_year_is_signed_again(house: House) -> None:
    who = await passed_in_the_uk(house)
    await let_pass(house.settings.owner_database_url, who, hours=365 * 24)
    over = await standing(house.street, who)
    assert (over["complete"], over["next"]["step"]) == (False, "category")
    answers = {"income": "120000"}
    assert (await declare(house.street, who, "high_net_worth", answers)).json()["complete"]


async def test_two_failures_wait_a_day_and_every_try_asks_otherwise(house: House) -> None:
    who = await in_the_uk(house)
    await say(house.street, who, "continue")
    first = await begin_test(house.street, who)
    assert (await begin_test(house.street, who)) == first  # to begin again shows no other questions
    body = {"answers": answers_to(first, wrong=12)}
    failed = await house.street.post(f"/api/conduct/tests/{first['id']}", json=body, headers=who.bearer)
    assert failed.json()["passed"] is False
    assert "right" not in failed.text
    again = await house.street.post(f"/api/conduct/tests/{first['id']}", json=body, headers=who.bearer)
    assert (again.status_code, again.json()["code"]) == (404, "test_not_found")
    second = await begin_test(house.street, who)
    asked = [{question["question"] for question in test["questions"]} for test in (first, second)]
    assert not asked[0] & asked[1]
    body = {"answers": answers_to(second, wrong=12)}
    failed = await house.street.post(f"/api/conduct/tests/{second['id']}", json=body, headers=who.bearer)
    assert {one["step"]: one["state"] for one in failed.json()["standing"]["steps"]}["appropriateness"] == "waiting"
    refused = await house.street.post("/api/conduct/tests", headers=who.bearer)
    assert (refused.status_code, refused.json()["code"]) == (409, "step_not_due")
    await let_pass(house.settings.owner_database_url, who, hours=23)
    assert (await house.street.post("/api/conduct/tests", headers=who.bearer)).status_code == 409
    await let_pass(house.settings.owner_database_url, who, hours=1)
    assert (await take_test(house.street, who))["passed"]


async def test_of_two_answers_at_once_one_is_marked(house: House) -> None:
    who = await in_the_uk(house)
    await say(house.street, who, "continue")
    test = await begin_test(house.street, who)
    bodies = [{"answers": answers_to(test, wrong=wrong)} for wrong in (12, 0, 12, 0)]
    path = f"/api/conduct/tests/{test['id']}"
    answers = await asyncio.gather(*(house.street.post(path, json=body, headers=who.bearer) for body in bodies))
    assert sum(answer.status_code == 200 for answer in answers) == 1


async def test_what_was_not_read_cannot_be_agreed_to(house: House) -> None:
    who = await in_the_uk(house)
    for changes in ({"text_sha256": "0" * 64}, {"version": 7}):
        refused = await say(house.street, who, "continue", **changes)
        assert (refused.status_code, refused.json()["code"]) == (409, "text_changed")
    for step in ("disclosures", "cooling_off"):
        refused = await say(house.street, who, "continue", step=step)
        assert (refused.status_code, refused.json()["code"]) == (409, "step_not_due")
    assert (await standing(house.street, who))["next"]["step"] == "warning"


async def test_a_statement_names_what_is_wrong_with_it(house: House) -> None:
    who = await in_the_uk(house)
    await say(house.street, who, "continue")
    for category, answers, field in (
        ("restricted", {"invested_percent": "50", "will_invest_percent": "1"}, "answers.invested_percent"),
        ("high_net_worth", {"income": "99999"}, "answers.income"),
        ("retail", {}, "category"),
    ):
        refused = await declare(house.street, who, category, answers)
        assert (refused.status_code, refused.json()["field"]) == (422, field), refused.text


async def test_repeating_a_request_leaves_one_piece_of_evidence(house: House) -> None:
    who = await in_the_uk(house)
    following = (await standing(house.street, who))["next"]
    body = {name: following[name] for name in ("step", "version", "text_sha256")} | {"choice": "leave"}
    headers = {**who.bearer, "Idempotency-Key": "leaving"}
    for _ in range(3):
        assert (await house.street.post("/api/conduct/texts", json=body, headers=headers)).status_code == 200
    assert len(await evidence(house, who)) == 1


async def test_us_disclosures_open_the_gate_but_not_in_every_state(house: House) -> None:
    who = await register(house.street)
    await verified(house, who)
    await live_in(house.street, who, "US", "Texas")
    assert (await standing(house.street, who))["next"]["step"] == "disclosures"
    assert await buy(house, who.bearer) == "conduct_required"
    assert (await say(house.street, who, "continue")).json()["open"]["buy"]
    assert await buy(house, who.bearer) != "conduct_required"
    other = await register(house.street)
    await verified(house, other)
    await live_in(house.street, other, "US", "New York")
    await say(house.street, other, "continue")
    there = await standing(house.street, other)
    assert (there["open"]["buy"], "New York" in there["blocked"]) == (False, True)
    assert (await pay_in(house, other))["code"] == "region_not_served"
    assert await sell(house, other.bearer) != "region_not_served"


async def test_everywhere_else_the_warning_is_enough(house: House) -> None:
    who = await register(house.street)
    there = await standing(house.street, who)
    assert (there["jurisdiction"], there["next"]["step"], there["required"]) == ("none", "warning", True)
    assert there["next"]["text"].startswith("Pat, ")
    assert await buy(house, who.bearer) == "conduct_required"
    assert (await say(house.street, who, "continue")).json()["complete"]
    assert await buy(house, who.bearer) != "conduct_required"


async def test_whoever_moves_keeps_the_rules_of_where_they_live_now(house: House) -> None:
    who = await register(house.street)
    await say(house.street, who, "continue")
    await live_in(house.street, who, "GB")
    assert (await standing(house.street, who))["next"]["text"].startswith("Quillon, ")
    assert await buy(house, who.bearer) == "conduct_required"


async def test_programs_come_to_the_same_gate_and_take_no_step(house: House) -> None:
    who = await register(house.street)
    keys = key_headers(*await create_key(house.street, who, "read", "trade"))
    assert await buy(house, keys) == "conduct_required"
    assert await sell(house, keys) != "conduct_required"
    assert (await house.street.get("/api/conduct", headers=keys)).status_code == 200
    following = (await standing(house.street, who))["next"]
    body = {name: following[name] for name in ("step", "version", "text_sha256")} | {"choice": "continue"}
    refused = await house.street.post("/api/conduct/texts", json=body, headers=keys)
    assert (refused.status_code, refused.json()["code"]) == (403, "session_required")
    bot = {"symbol": "BTC/USD", "side": "buy", "type": "market", "notional": "10", "time_in_force": "gtc"}
    answer = await house.street.post("/v2/orders", json=bot, headers=keys)
    assert answer.status_code == 403, answer.text
    assert "warning" in answer.json()["message"]


async def test_the_uk_forbids_bonuses(house: House) -> None:
    conduct = house.brokerage.conduct
    british, american, somebody = [await register(house.street) for _ in range(3)]
    await live_in(house.street, british, "GB")
    await live_in(house.street, american, "US", "TX")
    async with house.brokerage.database.read() as connection:
        may = [await conduct.may_have_bonus(connection, UserId(UUID(who.id))) for who in (british, american, somebody)]
    assert may == [False, True, True]


# ---- the evidence


async def evidence(house: House, who: Person, **query: Any) -> list[dict[str, Any]]:
    office = await operator(house.app, "compliance")
    path = f"/api/admin/customers/{who.id}/conduct"
    answer = await house.office.get(path, params={"limit": 100, **query}, headers=office.bearer)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def test_everything_shown_and_answered_is_kept_with_when_and_from_where(house: House) -> None:
    who = await passed_in_the_uk(house)
    found = (await evidence(house, who))[::-1]
    assert [(one["step"], one["outcome"]) for one in found] == [
        ("warning", "continued"), ("category", "declared"), ("appropriateness", "begun"),
        ("appropriateness", "passed"), ("cooling_off", "continued"),
    ]  # fmt: skip
    warning, category, begun, passed, _ = found
    assert warning["shown"].startswith("Quillon, this is a high-risk")
    assert warning["text_sha256"] == sha256(warning["shown"]).hex()
    assert (warning["address"], "python-httpx" in warning["device"]) == ("203.0.113.7", True)
    assert (category["choice"], [one["answer"] for one in category["answers"]]) == ("restricted", ["3", "5"])
    assert passed["refers_to"] == begun["id"]
    assert len(passed["answers"]) == 12
    assert all(one["right"] for one in passed["answers"])
    office = await operator(house.app, "compliance")
    path = f"/api/admin/customers/{who.id}/conduct"
    listed = await house.office.get(path, params={"format": "csv"}, headers=office.bearer)
    lines = list(csv.DictReader(io.StringIO(listed.text)))
    assert [line["id"] for line in lines] == [one["id"] for one in found[::-1]]
    paper = await house.office.get(f"{path}/pdf", headers=office.bearer)
    assert paper.headers["content-type"] == "application/pdf"
    text = " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(paper.content)).pages).split())
    for words in (
        "Quillon, this is a high-risk investment.",
        "appropriateness: passed",
        warning["id"],
        "All steps taken: yes",
    ):
        assert words in text
    async with house.brokerage.database.read() as connection:
        acts = await connection.fetch(
            "SELECT DISTINCT action FROM audit_logs WHERE subject = $1 AND actor_kind = 'operator'", f"user:{who.id}"
        )
    assert {act["action"] for act in acts} == {"conduct.read", "conduct.exported"}


async def test_only_compliance_reads_it_and_of_nobody_there_is_none(house: House) -> None:
    who = await register(house.street)
    path = f"/api/admin/customers/{who.id}/conduct"
    for role in ("support", "finance", "admin"):
        clerk = await operator(house.app, role)
        assert (await house.office.get(path, headers=clerk.bearer)).status_code == 403
    clerk = await operator(house.app, "compliance")
    nobody = path.replace(who.id, "00000000-0000-7000-8000-000000000000")
    assert (await house.office.get(nobody, headers=clerk.bearer)).status_code == 404
    assert (await house.office.get(f"{nobody}/pdf", headers=clerk.bearer)).status_code == 404


@pytest.mark.parametrize("role", ["app", "owner"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE conduct_evidence SET at = at - interval '1 day'",
        "UPDATE conduct_evidence SET outcome = 'left'",
        "UPDATE conduct_evidence SET content = '\\x00'",
        "DELETE FROM conduct_evidence",
        "TRUNCATE conduct_evidence",
    ],
)
async def test_evidence_is_neither_changed_nor_taken_away(house: House, role: str, statement: str) -> None:
    who = await register(house.street)
    await say(house.street, who, "continue")
    url = house.settings.database_url if role == "app" else house.settings.owner_database_url
    connection = await asyncpg.connect(url)
    try:
        refusals = (asyncpg.InsufficientPrivilegeError, asyncpg.IntegrityConstraintViolationError, asyncpg.RaiseError)
        with pytest.raises(refusals):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_application_cannot_say_when_something_was(house: House) -> None:
    connection = await asyncpg.connect(house.settings.database_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("INSERT INTO conduct_evidence (id, at) VALUES (gen_random_uuid(), now())")
    finally:
        await connection.close()


async def test_a_stolen_database_tells_nothing_of_it(house: House) -> None:
    who = await in_the_uk(house)
    await say(house.street, who, "continue")
    secret = {"certified_by": "Cockatoo & Lorikeet Chartered", "certified_on": "2026-01-31"}
    assert (await declare(house.street, who, "certified_sophisticated", secret)).status_code == 200
    stolen = await asyncio.to_thread(dump, house.settings.owner_database_url)
    assert b"conduct_evidence" in stolen
    assert found_in(stolen, "Quillon", "Lorikeet") == []


async def test_a_renewed_key_leaves_the_evidence_readable(house: House) -> None:
    who = await register(house.street)
    await say(house.street, who, "continue")
    newer = Vault.from_text(f"test-2:{new_key()},{ENCRYPTION_KEYS}", BLIND_INDEX_KEY)
    async with house.brokerage.database.transaction() as connection:
        row = await connection.fetchrow("SELECT id, data_key FROM conduct_evidence WHERE user_id = $1", UUID(who.id))
        assert row is not None
        wrapped = newer.rewrap(row["data_key"], table="conduct_evidence", column="data_key", row=row["id"])
        assert wrapped != row["data_key"]
        await connection.execute("UPDATE conduct_evidence SET data_key = $2 WHERE id = $1", row["id"], wrapped)
        kept = Conduct(house.brokerage.database, newer)
        found = await kept.evidence(connection, UserId(UUID(who.id)), before=None, limit=9)
    assert found[0].content.shown.startswith("Pat, ")


async def test_a_customer_takes_it_along_and_it_goes_with_them_when_the_law_allows_it(house: House) -> None:
    who = await passed_in_the_uk(house)
    file = await house.street.get("/api/me/export", headers=who.bearer)
    assert file.status_code == 200, file.text
    rows = _unzipped(file, "conduct.json")
    assert [row["step"] for row in rows][:2] == ["warning", "category"]
    assert {name for row in rows for answer in row["answers"] for name in answer} == {"question", "answer"}
    asked = await house.street.post("/api/me/erasure", json={"password": PASSWORD}, headers=who.bearer)
    assert asked.status_code == 202, asked.text
    assert await house.brokerage.privacy.erase_due() == 0
    assert len(await evidence(house, who)) == 5
    owner = await asyncpg.connect(house.settings.owner_database_url)
    await owner.execute("UPDATE erasures SET due_at = now() WHERE user_id = $1", UUID(who.id))
    await owner.close()
    assert await house.brokerage.privacy.erase_due() == 1
    assert await evidence(house, who) == []


def _unzipped(file: httpx.Response, name: str) -> list[dict[str, Any]]:
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        return list(json.loads(archive.read(name)))


async def test_a_demos_customer_has_passed_and_the_evidence_says_why(house: House) -> None:
    for country in ("GB", "FR"):
        who = await register(house.street)
        await live_in(house.street, who, country)
        for _ in range(2):
            async with house.brokerage.database.transaction() as connection:
                await house.brokerage.conduct.pass_for_demo(connection, UserId(UUID(who.id)))
        assert (await standing(house.street, who))["complete"]
        found = await evidence(house, who)
        assert {one["origin"] for one in found} == {"demo"}
        assert len(found) == (5 if country == "GB" else 1)
