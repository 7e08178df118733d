"""Monitoring over the event log: each event once, restarts in between, alerts into cases and holds, replay."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from rich.console import Console

from bitcurrent.compliance.cases.service import Cases
from bitcurrent.compliance.monitoring.commands import replay
from bitcurrent.compliance.monitoring.model import Alert, AlertFilter, RuleName
from bitcurrent.compliance.monitoring.service import Judged, erase
from bitcurrent.compliance.monitoring.tasks import Watcher
from bitcurrent.compliance.restrictions import service as restrictions
from bitcurrent.identity.model import Actor, Role
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import SessionId, UserId, new_id
from tests.compliance.conftest import House
from tests.support.customers import Person, register
from tests.support.operators import operator

pytestmark = pytest.mark.asyncio(loop_scope="module")

REVIEW = "SELECT requires_review FROM transaction_monitoring WHERE event_position = $1"
WHY = "She telephoned, and her bank confirms it."


def acting(who: Person, role: Role) -> Actor:
    return Actor(UserId(UUID(who.id)), role, "active", session_id=SessionId(new_id()), is_customer=False)


@pytest_asyncio.fixture(autouse=True, scope="module", loop_scope="module")
async def one_machine(running: House) -> None:
    """Everybody in these tests sits at one device: a rule that asks for it would speak of all of them."""
    async with running.brokerage.database.transaction() as connection:
        await connection.execute(
            """
            INSERT INTO monitoring_rules (name, parameters, action, enabled, reason)
            VALUES ('shared_marks', '{"kinds": ["card", "destination"]}', 'alert', true, 'One machine for all tests')
            """
        )


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def nothing_waits(house: House) -> AsyncIterator[None]:
    await judge(house)
    yield


async def judge(house: House) -> list[Judged]:
    rounds = []
    while (judged := await house.brokerage.monitoring.judge_next()).events:
        rounds.append(judged)
    return rounds


async def tell(house: House, who: Person | str, kind: str, worth: str = "100", **facts: str) -> int:
    """An event of a customer; its position."""
    user_id = UUID(who if isinstance(who, str) else who.id)
    payload = {"currency": "USD", "amount": worth, "worth": worth, **facts}
    async with house.brokerage.database.transaction() as connection:
        await append_event(connection, user_id=user_id, kind=kind, subject=new_id(), payload=payload)
        return int(await connection.fetchval("SELECT max(position) FROM events WHERE user_id = $1", user_id))


async def drained(house: House) -> Person:
    """A customer whose account somebody seems to empty: the rule holds withdrawals."""
    who = await register(house.street)
    await tell(house, who, "withdrawal_requested", "9000", everything="10000", destination_age_hours="30")
    await judge(house)
    return who


async def alerts(house: House, who: Person | str, rule: RuleName | None = None) -> list[Alert]:
    user_id = UUID(who if isinstance(who, str) else who.id)
    async with house.brokerage.database.read() as connection:
        return list(await house.brokerage.monitoring.alerts(connection, AlertFilter(user_id=user_id, rule=rule)))


async def one(house: House, statement: str, *arguments: Any) -> Any:
    async with house.brokerage.database.read() as connection:
        return await connection.fetchval(statement, *arguments)


async def holds(house: House, who: Person) -> list[str]:
    async with house.brokerage.database.read() as connection:
        return [each.code for each in await restrictions.standing_of(connection, UserId(UUID(who.id)))]


async def test_what_happens_is_judged_once_and_only_what_is_monitored(house: House) -> None:
    ann = await register(house.street)
    deposit = await tell(house, ann, "deposit_credited", "250", fee="5")
    await tell(house, ann, "message_added")
    rounds = await judge(house)
    assert sum(each.transactions for each in rounds) == 1
    assert await judge(house) == []
    async with house.brokerage.database.read() as connection:
        row = await connection.fetchrow("SELECT * FROM transaction_monitoring WHERE user_id = $1", UUID(ann.id))
    assert row is not None
    assert (row["event_position"], row["kind"], row["worth"], row["requires_review"]) == (
        deposit, "deposit", Decimal(250), False,
    )  # fmt: skip
    assert row["facts"] == {"currency": "USD", "amount": "250", "fee": "5"}
    assert row["rule_hits"] == []


async def test_an_event_of_nobody_holds_nothing_up(house: House) -> None:
    ann = await register(house.street)
    await tell(house, str(new_id()), "deposit_credited", "70000")
    await tell(house, ann, "deposit_credited", "70000")
    await judge(house)
    assert len(await alerts(house, ann, "velocity")) == 1


async def test_an_alert_says_why_and_comes_once_in_its_window(house: House) -> None:
    ann = await register(house.street)
    for _ in range(3):
        await tell(house, ann, "deposit_credited", "60000")
    await judge(house)
    [alert] = await alerts(house, ann, "velocity")
    assert (alert.rule, alert.state, alert.held, alert.case_id) == ("velocity", "open", False, None)
    assert alert.parts == {"count": "1", "worth": "60000"}
    assert "60000 USD" in alert.words
    hits = await one(
        house, "SELECT count(*) FROM transaction_monitoring WHERE user_id = $1 AND rule_hits <> '[]'", UUID(ann.id)
    )
    assert hits == 3, "each transaction keeps what rules said of it"


async def test_two_who_judge_at_once_judge_each_event_once(house: House) -> None:
    ann = await register(house.street)
    for _ in range(30):
        await tell(house, ann, "deposit_credited", "5000")
    monitoring = house.brokerage.monitoring
    for _ in range(20):
        done = await asyncio.gather(monitoring.judge_next(limit=5), monitoring.judge_next(limit=5))
        if not any(each.events for each in done):
            break
    assert await one(house, "SELECT count(*) FROM transaction_monitoring WHERE user_id = $1", UUID(ann.id)) == 30
    assert len(await alerts(house, ann, "velocity")) == 1


async def test_a_drained_account_is_held_until_two_people_clear_its_case(house: House) -> None:
    ann = await drained(house)
    [alert] = await alerts(house, ann, "new_address_drain")
    assert (alert.rule, alert.state, alert.held) == ("new_address_drain", "escalated", True)
    assert alert.case_id is not None
    assert await holds(house, ann) == ["monitoring:new_address_drain"]
    assert await one(house, REVIEW, alert.position)
    cases: Cases = house.brokerage.cases
    olga, pete = await operator(house.app, "compliance"), await operator(house.app, "compliance")
    async with house.brokerage.database.transaction() as connection:
        _, history = await cases.history(connection, acting(olga, "compliance"), alert.case_id, address="10.0.0.1")
        evidence = history[0].evidence
        assert evidence is not None
        assert (evidence["rule_version"], evidence["parameters"]["share_percent"]) == (alert.rule_version, 80)
        await cases.propose(
            connection, acting(olga, "compliance"), alert.case_id, "cleared", reason=WHY, address="10.0.0.1"
        )
    assert await holds(house, ann), "one person is not enough"
    async with house.brokerage.database.transaction() as connection:
        await cases.confirm(connection, acting(pete, "compliance"), alert.case_id, address="10.0.0.1")
    assert await holds(house, ann) == []
    assert not await one(house, REVIEW, alert.position)
    async with house.brokerage.database.transaction() as connection:
        await cases.reopen(connection, acting(olga, "compliance"), alert.case_id, reason=WHY, address="10.0.0.1")
    assert await holds(house, ann) == ["monitoring:new_address_drain"]


async def test_a_confirmed_case_leaves_the_hold(house: House) -> None:
    ann = await drained(house)
    [alert] = await alerts(house, ann, "new_address_drain")
    assert alert.case_id is not None
    olga, pete = await operator(house.app, "compliance"), await operator(house.app, "compliance")
    async with house.brokerage.database.transaction() as connection:
        await house.brokerage.cases.propose(
            connection, acting(olga, "compliance"), alert.case_id, "confirmed", reason=WHY, address="10.0.0.1"
        )
        await house.brokerage.cases.confirm(connection, acting(pete, "compliance"), alert.case_id, address="10.0.0.1")
    assert await holds(house, ann) == ["monitoring:new_address_drain"]


async def test_cards_shared_by_three_customers_are_seen(house: House) -> None:
    people = [await register(house.street) for _ in range(3)]
    card = str(new_id())
    for who in people:
        assert await alerts(house, who, "shared_marks") == []
        await tell(house, who, "deposit_card_read", card=card, country="GB")
        await judge(house)
    [alert] = await alerts(house, people[-1], "shared_marks")
    assert alert.parts == {"customers": "3", "shared": "card"}
    assert await alerts(house, people[0], "shared_marks") == []


async def test_no_address_and_no_device_is_kept_in_the_clear(house: House) -> None:
    ann = await register(house.street)
    await tell(house, ann, "deposit_credited")
    await judge(house)
    async with house.brokerage.database.read() as connection:
        marks = await connection.fetch("SELECT * FROM monitoring_marks WHERE user_id = $1", UUID(ann.id))
        session = await connection.fetchrow("SELECT address FROM user_sessions WHERE user_id = $1", UUID(ann.id))
    assert session is not None
    assert [each["kind"] for each in marks] == ["access"]
    assert len(bytes.fromhex(marks[0]["value"])) == 32
    assert session["address"] not in str(marks)


async def test_a_rule_changes_by_four_eyes_and_an_impossible_one_leaves_the_old_in_force(house: House) -> None:
    olga, pete = await operator(house.app, "compliance"), await operator(house.app, "compliance")
    path = "/api/admin/monitoring/rules/many_cards"
    wish = {"parameters": {"cards": 2}, "action": "alert", "reason": "Two are enough this month."}
    refused = await house.office.post(path, json={**wish, "parameters": {"cards": 1}}, headers=olga.bearer)
    assert (refused.status_code, refused.json()["code"]) == (422, "threshold_impossible")
    assert "cards" in refused.json()["detail"]
    ann = await register(house.street)
    for n in range(2):
        await tell(house, ann, "deposit_card_read", card=f"{ann.id}{n}")
    await judge(house)
    assert await alerts(house, ann) == []
    asked = await house.office.post(path, json=wish, headers=olga.bearer)
    assert asked.status_code == 202, asked.text
    assert (await house.grant(olga, asked.json()["id"])).status_code == 403
    assert (await house.grant(pete, asked.json()["id"])).status_code == 200
    await tell(house, ann, "deposit_card_read", card=f"{ann.id}3")
    await judge(house)
    [alert] = await alerts(house, ann)
    assert (alert.rule, alert.state) == ("many_cards", "open")
    listed = (await house.office.get("/api/admin/monitoring/rules?rule=many_cards", headers=olga.bearer)).json()
    assert listed["items"][0]["version"] == alert.rule_version
    assert len(listed["items"]) == 2
    off = {"parameters": {"cards": 2}, "enabled": False, "reason": "It says too much."}
    asked = await house.office.post(path, json=off, headers=olga.bearer)
    assert (await house.grant(pete, asked.json()["id"])).status_code == 200
    ben = await register(house.street)
    for n in range(5):
        await tell(house, ben, "deposit_card_read", card=f"{ben.id}{n}")
    await judge(house)
    assert await alerts(house, ben) == []


async def test_an_alert_is_decided_once(house: House) -> None:
    ann = await register(house.street)
    await tell(house, ann, "deposit_credited", "60000")
    await judge(house)
    [alert] = await alerts(house, ann, "velocity")
    olga = await operator(house.app, "compliance")
    async with house.brokerage.database.transaction() as connection:
        await house.brokerage.monitoring.dismiss(
            connection, acting(olga, "compliance"), alert.id, reason=WHY, address="10.0.0.1"
        )
    assert not await one(house, REVIEW, alert.position)
    owner = await asyncpg.connect(house.settings.owner_database_url)
    try:
        for statement in (
            "UPDATE monitoring_alerts SET state = 'open', decided_by = NULL, decided_at = NULL, decision = NULL",
            "DELETE FROM monitoring_alerts",
            "UPDATE transaction_monitoring SET worth = 1",
            "UPDATE monitoring_rules SET enabled = false",
            "DELETE FROM transaction_monitoring",
        ):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await owner.execute(statement)
    finally:
        await owner.close()


async def test_alerts_are_a_list_for_people_and_for_spreadsheets(house: House) -> None:
    ann = await drained(house)
    olga, support = await operator(house.app, "compliance"), await operator(house.app, "support")
    answer = await house.office.get(
        f"/api/admin/alerts?user_id={ann.id}&rule=new_address_drain&format=csv", headers=olga.bearer
    )
    assert answer.status_code == 200, answer.text
    lines = answer.text.splitlines()
    assert lines[0].startswith("id,rule,")
    assert "new_address_drain" in lines[1]
    assert (await house.office.get("/api/admin/alerts", headers=support.bearer)).status_code == 403
    found = (
        await house.office.get(
            f"/api/admin/alerts?user_id={ann.id}&rule=new_address_drain&state=open", headers=olga.bearer
        )
    ).json()
    assert found["items"] == []


async def test_a_forgotten_customer_leaves_no_facts(house: House) -> None:
    ann = await drained(house)
    async with house.brokerage.database.transaction() as connection:
        await erase(connection, UserId(UUID(ann.id)))
    assert await one(house, "SELECT count(*) FROM monitoring_marks WHERE user_id = $1", UUID(ann.id)) == 0
    assert await one(house, "SELECT facts FROM transaction_monitoring WHERE user_id = $1", UUID(ann.id)) == {}


async def test_the_watcher_counts_alerts_by_rule_and_its_lag(house: House) -> None:
    counts: Counter[str] = Counter()
    watcher = Watcher(house.brokerage.monitoring, counts)
    ann = await register(house.street)
    await tell(house, ann, "deposit_credited", "60000")
    await watcher.round()
    assert counts["monitoring_alerts_velocity"] == 1
    assert counts["monitoring_transactions"] == 1
    await watcher.round()
    assert watcher.lag_seconds == 0


HISTORY = [
    ("deposit_credited", "950"), ("deposit_credited", "980"), ("withdrawal_requested", "1900"),
    ("deposit_credited", "990"), ("deposit_credited", "30000"), ("withdrawal_requested", "29000"),
]  # fmt: skip


async def _replay(house: House, rule: str, *changes: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
    written = StringIO()
    code = await asyncio.to_thread(
        replay,
        house.settings.database_url,
        rule=rule,
        since=since,
        until=until,
        changes=changes,
        as_json=True,
        console=Console(file=written, width=10_000),
    )
    assert code == 0, written.getvalue()
    return [msgspec.json.decode(line) for line in written.getvalue().splitlines()]


async def test_a_replay_says_what_was_said_and_changes_nothing(house: House) -> None:
    since = datetime.now(UTC)
    people = [await register(house.street) for _ in range(3)]
    for kind, worth in HISTORY:
        for who in people:
            await tell(house, who, kind, worth)
        await house.brokerage.monitoring.judge_next(limit=2)
    await judge(house)
    until = datetime.now(UTC) + timedelta(seconds=1)
    before = await one(house, "SELECT count(*) FROM monitoring_alerts")
    for rule in ("structuring", "velocity", "pass_through"):
        *found, tally = await _replay(house, rule, since=since, until=until)
        live = {(alert.position, alert.score) for who in people for alert in await alerts(house, who, rule)}
        assert {(each["event"], each["score"]) for each in found} == live
        assert tally["would_be"] == tally["were"] == tally["both"] == len(live) == 3
        assert (tally["only_then"], tally["transactions"]) == (0, 18)
        assert all(each["was"] for each in found)
    assert await one(house, "SELECT count(*) FROM monitoring_alerts") == before
    *found, tally = await _replay(house, "structuring", "count=4", since=since, until=until)
    assert (found, tally["would_be"], tally["were"], tally["only_then"]) == ([], 0, 3, 3)
    *found, tally = await _replay(house, "structuring", "count=2", "limit=1000", since=since, until=until)
    assert (tally["would_be"], tally["both"]) == (3, 0)


async def test_a_replay_that_cannot_be_is_refused_in_words(house: House) -> None:
    moment = datetime.now(UTC)
    for rule, change in (("astrology", "count=2"), ("velocity", "count=0"), ("velocity", "speed=3")):
        written = StringIO()
        code = await asyncio.to_thread(
            replay, house.settings.database_url, rule=rule, since=moment, until=None, changes=[change],
            console=Console(file=written, width=300),
        )  # fmt: skip
        assert code == 2
        assert ("There is no such rule" if rule == "astrology" else "The rule velocity") in written.getvalue()


CRASHING = """
import asyncio, msgspec, sys
from bitcurrent.settings import Settings
from bitcurrent.wiring import open_brokerage

async def main():
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
    async with open_brokerage(settings) as brokerage:
        while (await brokerage.monitoring.judge_next(limit=4)).events:
            pass

asyncio.run(main())
"""


@pytest.mark.parametrize("point", ["monitoring.judged", "monitoring.recorded"])
async def test_a_judge_who_is_killed_is_followed_by_one_who_misses_nothing_and_repeats_nothing(
    house: House, point: str
) -> None:
    ann = await register(house.street)
    for _ in range(9):
        await tell(house, ann, "deposit_credited", "20000")
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", CRASHING],
        input=msgspec.json.encode(house.settings),
        env={**os.environ, "BITCURRENT_ENV": "demo", "BITCURRENT_CRASH_AT": f"{point}:2"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -9, done.stderr.decode()[-1000:]
    seen = await one(house, "SELECT count(*) FROM transaction_monitoring WHERE user_id = $1", UUID(ann.id))
    assert 0 < seen < 9
    await judge(house)
    assert await one(house, "SELECT count(*) FROM transaction_monitoring WHERE user_id = $1", UUID(ann.id)) == 9
    assert len(await alerts(house, ann, "velocity")) == 1
