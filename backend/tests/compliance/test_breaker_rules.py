"""The circuit breaker's rules in the running house: those that it comes with, and new ones by four eyes."""

from collections.abc import Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest

from bitcurrent.compliance.breakers import repository
from bitcurrent.compliance.breakers.model import Rule, choose
from tests.compliance.conftest import House
from tests.support.customers import Person
from tests.support.operators import operator

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = "/api/admin/breaker-rules"
WHY = "Agreed in the meeting of Monday"
JUMP = {"kind": "jump", "stops": "trading", "percent": "7.5", "within_seconds": 30, "calm_seconds": 60,
        "resume": "calm", "reason": WHY}  # fmt: skip


async def ask(house: House, who: Person, **changes: Any) -> httpx.Response:
    return await house.office.post(RULES, json={**JUMP, **changes}, headers=who.bearer)


async def listed(house: House, who: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await house.office.get(RULES, params=query, headers=who.bearer)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def in_force(house: House, asset: str) -> Rule | None:
    """What the breaker of a worker would judge by, were it to look now."""
    async with house.brokerage.database.read() as connection:
        return choose(await repository.read_rules(connection), kind="jump", asset=asset)


async def two_admins(house: House) -> Sequence[Person]:
    return await operator(house.app, "admin"), await operator(house.app, "admin")


async def test_the_house_comes_with_rules_that_nobody_granted(house: House) -> None:
    anna, _ = await two_admins(house)
    rules = [rule for rule in await listed(house, anna) if rule["approval_id"] is None]
    assert {(rule["kind"], rule["asset"], rule["stops"], rule["percent"]) for rule in rules} == {
        ("jump", None, "trading", "10"),
        ("stale", None, "order_market", None),
    }


async def test_a_rule_counts_when_a_second_person_has_granted_it(house: House) -> None:
    anna, bob = await two_admins(house)
    before = await in_force(house, "SOL")
    asked = await ask(house, anna, asset="SOL")
    assert asked.status_code == 202, asked.text
    approval = asked.json()["id"]
    assert await in_force(house, "SOL") == before
    assert (await house.grant(anna, approval)).json()["code"] == "same_person"
    compliance = await operator(house.app, "compliance")
    assert (await house.grant(compliance, approval)).status_code == 403
    assert await in_force(house, "SOL") == before
    assert (await house.grant(bob, approval)).status_code == 200
    rule = await in_force(house, "SOL")
    assert rule is not None
    assert (rule.asset, rule.percent, rule.within_seconds) == ("SOL", Decimal("7.5"), 30)
    assert await in_force(house, "BTC") == before
    (shown,) = await listed(house, anna, asset="SOL")
    assert (shown["version"], shown["approval_id"], shown["reason"]) == (rule.version, approval, WHY)
    assert {field.name for field in fields(Rule)} <= shown.keys()
    async with house.brokerage.database.read() as connection:
        acts = await connection.fetch(
            "SELECT action, actor_id FROM audit_logs WHERE subject IN ($1, $2)",
            f"approval:{approval}",
            f"breaker_rule:{rule.version}",
        )
    assert {(act["action"], str(act["actor_id"])) for act in acts} == {
        ("approval.asked", anna.id),
        ("approval.granted", bob.id),
        ("breakers.rule_added", bob.id),
    }


async def test_a_later_version_takes_the_place_of_an_earlier_and_both_stay(house: House) -> None:
    anna, bob = await two_admins(house)
    for changes in ({"percent": "12.25"}, {"stops": None, "percent": "13"}):
        asked = await ask(house, anna, asset="ADA", **changes)
        assert (await house.grant(bob, asked.json()["id"])).status_code == 200
    shown = await listed(house, anna, asset="ADA", kind="jump")
    assert [(rule["percent"], rule["stops"], rule["newest"]) for rule in shown] == [
        ("13", None, True),
        ("12.25", "trading", False),
    ]
    assert await in_force(house, "ADA") is None
    first = await house.office.get(RULES, params={"asset": "ADA", "limit": 1}, headers=anna.bearer)
    following = await listed(house, anna, asset="ADA", limit=1, cursor=first.json()["next"])
    assert [rule["percent"] for rule in following] == ["12.25"]


async def test_the_same_is_not_asked_for_twice_and_a_refused_rule_never_counts(house: House) -> None:
    anna, bob = await two_admins(house)
    asked = await ask(house, anna, asset="DOT")
    again = await ask(house, bob, asset="DOT")
    assert again.status_code == 409
    path = f"/api/admin/approvals/{asked.json()['id']}/refuse"
    refused = await house.office.post(path, json={"reason": "Far too nervous"}, headers=bob.bearer)
    assert refused.status_code == 200, refused.text
    assert await listed(house, anna, asset="DOT") == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"percent": None}, "percent"),
        ({"percent": "0.05"}, "percent"),
        ({"percent": "7.50001"}, "percent"),
        ({"percent": "100.5"}, "percent"),
        ({"kind": "stale"}, "percent"),
        ({"kind": "tea"}, "kind"),
        ({"stops": "bonus"}, "stops"),
        ({"within_seconds": 1}, "within_seconds"),
        ({"within_seconds": 10**30}, "within_seconds"),
        ({"calm_seconds": 0}, "calm_seconds"),
        ({"resume": "never"}, "resume"),
        ({"asset": "doge coin"}, "asset"),
        ({"reason": "no"}, "reason"),
        ({"surprise": 1}, "surprise"),
    ],
    ids=str,
)
async def test_a_rule_that_cannot_be_is_refused(house: House, changes: dict[str, Any], field: str) -> None:
    anna = await operator(house.app, "admin")
    answer = await ask(house, anna, **changes)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


@pytest.mark.parametrize(
    ("query", "status"),
    [({"asset": "\x00"}, 422), ({"asset": "sol"}, 422), ({"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"}, 422)],
    ids=["a zero", "small letters", "a version that no number of the database's holds"],
)
async def test_a_filter_that_cannot_be_is_refused(house: House, query: dict[str, str], status: int) -> None:
    anna = await operator(house.app, "admin")
    answer = await house.office.get(RULES, params=query, headers=anna.bearer)
    assert answer.status_code == status, answer.text


async def test_only_those_who_may_halt_markets_read_and_ask(house: House) -> None:
    for role in ("support", "finance", "compliance"):
        who = await operator(house.app, role)
        assert (await ask(house, who)).status_code == 403
        assert (await house.office.get(RULES, headers=who.bearer)).status_code == 403
    stale = await operator(house.app, "admin", stepped_up=False)
    assert (await ask(house, stale)).status_code == 403
    assert (await house.street.get(RULES, headers=stale.bearer)).status_code == 403


async def test_rules_are_never_changed(house: House) -> None:
    owner = await asyncpg.connect(house.settings.owner_database_url)
    for statement in ("UPDATE breaker_rules SET percent = 99", "DELETE FROM breaker_rules", "TRUNCATE breaker_rules"):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await owner.execute(statement)
    await owner.close()
