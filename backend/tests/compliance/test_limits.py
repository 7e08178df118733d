"""Limits in the running house: the rules that it comes with, new ones by four eyes, and requests that race."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from bitcurrent.compliance.limits.model import Level, LimitExceeded, Passed, Usage
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId
from tests.compliance.conftest import House
from tests.support.customers import Person, register
from tests.support.operators import operator

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = "Agreed with the customer by letter"


def used(worth: int = 0, count: int = 0) -> Any:
    async def usage(since: datetime, asset: str | None) -> Usage:
        oldest = datetime.now(UTC) - timedelta(hours=1) if count else None
        return Usage(worth=Decimal(worth), count=count, oldest=oldest)

    return usage


async def weigh(house: House, who: Person, worth: int, *, level: Level = "basic", usage: Any = None) -> Passed:
    async with house.brokerage.database.transaction() as connection:
        return await house.brokerage.limits.check(
            connection,
            user_id=UserId(UUID(who.id)),
            kyc_level=level,
            product="card_deposit",
            asset="USD",
            amount=Decimal(worth),
            worth=Decimal(worth),
            usage=usage or used(),
        )


async def ask(house: House, who: Person, **rule: Any) -> httpx.Response:
    body = {"product": "card_deposit", "period": "single", "maximum": "9000", "reason": WHY, **rule}
    return await house.office.post("/api/admin/limits", json=body, headers=who.bearer)


async def two_of_compliance(house: House) -> Sequence[Person]:
    return await operator(house.app, "compliance"), await operator(house.app, "compliance")


async def test_the_house_comes_with_limits_by_level(house: House) -> None:
    ann = await register(house.street)
    with pytest.raises(LimitExceeded, match="Verify your identity") as refused:
        await weigh(house, ann, 1, level="none")
    assert (refused.value.details["limit"], refused.value.details["level"]) == ("0", "none")
    assert (await weigh(house, ann, 2_000)).version > 0
    with pytest.raises(LimitExceeded, match="at most 2000 USD at once"):
        await weigh(house, ann, 2_001)
    assert (await weigh(house, ann, 10_000, level="full")).version > 0


async def test_what_was_used_in_the_period_counts(house: House) -> None:
    ann = await register(house.street)
    await weigh(house, ann, 1_000, usage=used(4_000, count=2))
    with pytest.raises(LimitExceeded) as refused:
        await weigh(house, ann, 1_001, usage=used(4_000, count=2))
    assert {"period": "day", "used": "4000", "left": "1000"}.items() <= refused.value.details.items()
    assert "frees_at" in refused.value.details
    with pytest.raises(LimitExceeded) as refused:
        await weigh(house, ann, 1, usage=used(20, count=20))
    assert refused.value.details["measure"] == "count"


async def test_a_rule_is_asked_for_by_one_and_granted_by_another(house: House) -> None:
    ann, ben = await register(house.street), await register(house.street)
    asker, other = await two_of_compliance(house)
    asked = await ask(house, asker, user_id=ann.id)
    assert asked.status_code == 202, asked.text
    with pytest.raises(LimitExceeded):
        await weigh(house, ann, 3_000)
    assert (await house.grant(asker, asked.json()["id"])).json()["code"] == "same_person"
    assert (await house.grant(other, asked.json()["id"])).status_code == 200
    passed = await weigh(house, ann, 3_000)
    with pytest.raises(LimitExceeded):
        await weigh(house, ben, 3_000)
    listed = await house.office.get("/api/admin/limits", params={"user_id": ann.id}, headers=asker.bearer)
    (rule,) = listed.json()["items"]
    assert (rule["version"], rule["maximum"], rule["approval_id"]) == (passed.version, "9000", asked.json()["id"])
    async with house.brokerage.database.read() as connection:
        acts = await connection.fetchval(
            "SELECT count(*) FROM audit_logs WHERE subject = $1", f"limit_rule:{rule['version']}"
        )
    assert acts == 1


async def test_a_rule_counts_from_its_day_on(house: House) -> None:
    ann = await register(house.street)
    asker, other = await two_of_compliance(house)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    asked = await ask(house, asker, user_id=ann.id, effective_from=tomorrow)
    assert (await house.grant(other, asked.json()["id"])).status_code == 200
    with pytest.raises(LimitExceeded):
        await weigh(house, ann, 3_000)
    without_zone = await ask(house, asker, user_id=ann.id, effective_from="2030-01-01T00:00:00")
    assert without_zone.status_code == 422


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"measure": "amount"}, "asset"),
        ({"measure": "count"}, "period"),
        ({"measure": "count", "period": "day", "maximum": "1.5"}, "maximum"),
        ({"maximum": "-1"}, "maximum"),
        ({"product": "tea"}, "product"),
        ({"asset": "us dollars"}, "asset"),
        ({"maximum": 1e400}, None),
        ({"surprise": 1}, "surprise"),
        ({"reason": ""}, "reason"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_rule_that_says_nothing_is_refused(house: House, rule: dict[str, Any], field: str | None) -> None:
    who = await operator(house.app, "compliance")
    if rule.get("maximum") == 1e400:
        answer = await house.office.post(
            "/api/admin/limits",
            content=b'{"product":"card_deposit","period":"single","maximum":1e400,"reason":"because"}',
            headers={**who.bearer, "Content-Type": "application/json"},
        )
        assert answer.status_code in {400, 422}
        return
    answer = await ask(house, who, **rule)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


async def test_only_compliance_asks(house: House) -> None:
    for role in ("support", "finance", "admin"):
        who = await operator(house.app, role)
        assert (await ask(house, who)).status_code == 403
    compliance = await operator(house.app, "compliance")
    assert (await ask(house, compliance, user_id=str(UUID(int=7)))).status_code == 404


async def test_two_requests_at_once_count_each_other(house: House) -> None:
    ann = await register(house.street)
    database = house.brokerage.database
    subject = f"spent:{ann.id}"

    async def spend() -> bool:
        async def work(connection: Connection) -> bool:
            async def usage(since: datetime, asset: str | None) -> Usage:
                count = await connection.fetchval(
                    "SELECT count(*) FROM audit_logs WHERE subject = $1 AND created_at >= $2", subject, since
                )
                return Usage(worth=Decimal(1_000) * count, count=count)

            await house.brokerage.limits.check(
                connection,
                user_id=UserId(UUID(ann.id)),
                kyc_level="basic",
                product="card_deposit",
                asset="USD",
                amount=Decimal(1_000),
                worth=Decimal(1_000),
                usage=usage,
            )
            await connection.execute(
                "INSERT INTO audit_logs (actor_kind, action, subject, details) VALUES ('system', 'spent', $1, '{}')",
                subject,
            )
            return True

        try:
            return await database.in_transaction(work)
        except LimitExceeded:
            return False

    done = await asyncio.gather(*(spend() for _ in range(8)))
    assert sorted(done) == [False] * 3 + [True] * 5


async def test_rules_are_never_changed(house: House) -> None:
    owner = await asyncpg.connect(house.settings.owner_database_url)
    for statement in ("UPDATE limit_rules SET maximum = 1", "DELETE FROM limit_rules", "TRUNCATE limit_rules"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(statement)
    await owner.close()
    app = await asyncpg.connect(house.settings.database_url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("UPDATE limit_rules SET maximum = 1")
    await app.close()
