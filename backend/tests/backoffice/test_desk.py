"""What operators look up and decide: customers, orders, the venue's messages, fees, acts, proofs, health and money."""

import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from bitcurrent.audit.proving import prove_due
from bitcurrent.audit.service import seal_batch
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import OrderId, UserId, new_id
from bitcurrent.trading import repository, venue_repository
from bitcurrent.web import beat
from tests.backoffice.conftest import House
from tests.support import books
from tests.support.books import Ticket
from tests.support.customers import Person, register
from tests.support.operators import operator

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = "They ask for it on the telephone"


async def send(house: House, who: Person, path: str, **body: Any) -> httpx.Response:
    return await house.office.post(f"/api/admin{path}", json=body or None, headers=who.bearer)


async def read(house: House, who: Person, path: str, **query: Any) -> Any:
    answer = await house.office.get(f"/api/admin{path}", params=query, headers=who.bearer)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def with_an_order(house: House) -> tuple[Person, OrderId]:
    pat = await register(house.street)
    user_id = UserId(UUID(pat.id))
    database: Database = house.app.state["database"]
    async with database.transaction() as connection:
        await books.credit(connection, user_id, "USD", Decimal(10_000))
        new = Ticket(quantity=Decimal("0.1"), price=Decimal(50_000)).order(user_id)
        assert (await repository.place_one(connection, new)).outcome == "accepted"
    return pat, new.id


async def test_a_customer_is_found_by_what_one_has_in_hand_and_stays_masked(house: House) -> None:
    sam, (pat, order_id) = await operator(house.app, "support"), await with_an_order(house)
    for question in (pat.email, pat.email.upper(), pat.id, str(order_id)):
        found = (await read(house, sam, "/customers", q=question))["items"]
        assert [one["id"] for one in found] == [pat.id], question
        assert pat.email not in json.dumps(found)
    assert (await read(house, sam, "/customers", q=str(new_id())))["items"] == []
    assert (await read(house, sam, "/customers", q="nobody@nowhere.test"))["items"] == []
    refused = await house.office.get("/api/admin/customers?q=Patricia", headers=sam.bearer)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_question")


async def test_everything_about_one_customer_is_on_one_answer(house: House) -> None:
    sam, carl = await operator(house.app, "support"), await operator(house.app, "compliance")
    pat, order_id = await with_an_order(house)
    await send(house, sam, f"/customers/{pat.id}/notes", text="Called about an order")
    whole = await read(house, sam, f"/customers/{pat.id}")
    assert whole["customer"]["id"] == pat.id
    assert pat.email not in json.dumps(whole)
    assert [order["id"] for order in whole["orders"]] == [str(order_id)]
    (pocket,) = whole["wallet"]["items"]
    assert (pocket["currency"], pocket["orders"][0]["order_id"]) == ("USD", str(order_id))
    assert whole["notes"][0]["text"] == "Called about an order"
    assert len(whole["sessions"]) == 1
    # A suspicion is for those who work on it.
    assert (whole["cases"], whole["alerts"], whole["screenings"]) == (None, None, None)
    known = await read(house, carl, f"/customers/{pat.id}")
    assert (known["cases"], known["alerts"], known["screenings"]) == ([], [], [])
    acts = await read(house, carl, "/audit", subject=f"user:{pat.id}", action="customer.viewed")
    assert [act["actor_id"] for act in acts["items"]] == [carl.id, sam.id]


async def test_who_somebody_is_is_shown_with_a_reason_that_is_kept(house: House) -> None:
    sam, fred, pat = (
        await operator(house.app, "support"),
        await operator(house.app, "finance"),
        await register(house.street),
    )
    refused = await send(house, fred, f"/customers/{pat.id}/unmask", reason=WHY)
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")
    shown = await send(house, sam, f"/customers/{pat.id}/unmask", reason=WHY)
    assert (shown.status_code, shown.json()["email"]) == (200, pat.email)
    (act,) = (await read(house, fred, "/audit", action="customer.unmasked", subject=f"user:{pat.id}"))["items"]
    assert (act["actor_id"], act["reason"]) == (sam.id, WHY)


async def test_orders_that_wait_too_long_are_a_queue(house: House) -> None:
    anna, (pat, order_id) = await operator(house.app, "admin"), await with_an_order(house)
    assert (await read(house, anna, "/orders", user_id=pat.id, stuck=True))["items"] == []
    owner = await asyncpg.connect(house.settings.owner_database_url)
    await owner.execute("UPDATE orders SET updated_at = now() - interval '2 min' WHERE id = $1", order_id)
    await owner.close()
    (stuck,) = (await read(house, anna, "/orders", user_id=pat.id, stuck=True))["items"]
    assert (stuck["id"], stuck["user_id"], stuck["state"]) == (str(order_id), pat.id, "accepted")
    assert (await read(house, anna, "/orders", user_id=pat.id, state="filled"))["items"] == []
    assert (await read(house, anna, "/venue"))["open_orders"]["accepted"] >= 1


async def test_what_the_venue_said_and_nobody_understood_is_settled_by_a_person(house: House) -> None:
    fred, event_id = await operator(house.app, "finance"), f"event-{new_id()}"
    database: Database = house.app.state["database"]
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO venue_events (source, event_id, kind, payload, outcome) "
            "VALUES ('test', $1, 'trade_bust', '{}', 'flagged')",
            event_id,
        )
    waiting = (await read(house, fred, "/venue/events", waiting=True))["items"]
    assert event_id in [one["event_id"] for one in waiting]
    body = {"source": "test", "event_id": event_id, "reason": "The venue took back a test trade"}
    settled = await send(house, fred, "/venue/events/resolve", **body)
    assert (settled.status_code, settled.json()["resolved_by"]) == (200, fred.id)
    again = await send(house, fred, "/venue/events/resolve", **body)
    assert (again.status_code, again.json()["code"]) == (409, "venue_event_settled")
    assert (await read(house, fred, "/venue"))["flagged"] == 0


async def test_fees_change_from_a_moment_on_when_two_people_say_so(house: House) -> None:
    fred, gwen, pat = (
        await operator(house.app, "finance"),
        await operator(house.app, "finance"),
        await register(house.street),
    )
    before = (await house.street.get("/api/fees", headers=pat.bearer)).json()["tiers"]
    tiers = [{"volume_from": "0", "maker_bps": "10", "taker_bps": "20"}]
    later, after = (now() + timedelta(days=2)).isoformat(), before
    for effective_from in (later, None):
        wish = {"tiers": tiers, "reason": "A better offer", "effective_from": effective_from}
        asked = await send(house, fred, "/fees", **wish)
        assert asked.status_code == 202, asked.text
        assert (await send(house, fred, f"/approvals/{asked.json()['id']}/grant")).status_code == 403
        granted = await send(house, gwen, f"/approvals/{asked.json()['id']}/grant")
        assert granted.status_code == 200, granted.text
        after = (await house.street.get("/api/fees", headers=pat.bearer)).json()["tiers"]
        assert (after == before) is (effective_from is not None)
    assert [(one["maker_bps"], one["taker_bps"]) for one in after] == [("10", "20")]
    listed = (await read(house, fred, "/fees"))["items"]
    assert [one["version"] for one in listed] == [3, 2, 1]
    app = await asyncpg.connect(house.settings.database_url)
    for statement in ("UPDATE fee_tiers SET taker_bps = 0", "DELETE FROM fee_schedules"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(statement)
    await app.close()


@pytest.mark.parametrize(
    "tiers",
    [
        [("1", "1", "1")],
        [("0", "1", "1001")],
        [("0", "-1", "1")],
        [("0", "1", "1"), ("0", "1", "1")],
        [("0", "1", "1"), ("100", "2", "1")],
        [("0", "0.00001", "1")],
    ],
)
async def test_fees_that_make_no_sense_are_refused(house: House, tiers: list[tuple[str, str, str]]) -> None:
    fred = await operator(house.app, "finance")
    wish = [{"volume_from": volume, "maker_bps": maker, "taker_bps": taker} for volume, maker, taker in tiers]
    answer = await send(house, fred, "/fees", tiers=wish, reason="A better offer")
    assert (answer.status_code, answer.json()["field"]) == (422, "tiers")


async def test_the_audit_log_is_searched_and_proven(house: House) -> None:
    fred = await operator(house.app, "finance")
    database: Database = house.app.state["database"]
    await database.in_transaction(seal_batch)
    asked = await send(house, fred, "/audit/verification")
    assert asked.status_code == 202, asked.text
    again = await send(house, fred, "/audit/verification")
    assert (again.status_code, again.json()["code"]) == (409, "audit_verification_running")
    assert await prove_due(database, Counter())
    proof = (await read(house, fred, "/audit/verification"))["items"][0]
    assert (proof["holds"], proof["first_break"], proof["asked_by"]) == (True, None, fred.id)
    assert proof["sealed"] > 0
    assert not await prove_due(database, Counter())
    asks = await read(house, fred, "/audit", actor_id=fred.id, action="audit.")
    assert [act["action"] for act in asks["items"]] == ["audit.verification_asked"]
    assert (await read(house, fred, "/audit", until="2026-01-01T00:00:00Z"))["items"] == []
    as_csv = await house.office.get("/api/admin/audit?format=csv&actor_kind=operator", headers=fred.bearer)
    assert as_csv.text.splitlines()[0].startswith("id,created_at,actor_kind")


async def test_a_log_that_was_tampered_with_is_told(house: House) -> None:
    fred = await operator(house.app, "finance")
    database: Database = house.app.state["database"]
    await database.in_transaction(seal_batch)
    owner = await asyncpg.connect(house.settings.owner_database_url)
    await owner.execute("ALTER TABLE audit_logs DISABLE TRIGGER no_change")
    victim = await owner.fetchrow(
        "SELECT id, reason FROM audit_logs WHERE id = (SELECT min(audit_id) FROM audit_seals)"
    )
    assert victim is not None
    await owner.execute("UPDATE audit_logs SET reason = 'another' WHERE id = $1", victim["id"])
    try:
        assert (await send(house, fred, "/audit/verification")).status_code == 202
        assert await prove_due(database, Counter())
        proof = (await read(house, fred, "/audit/verification"))["items"][0]
        assert proof["holds"] is False
        assert "is not what was sealed" in proof["first_break"]
    finally:
        await owner.execute("UPDATE audit_logs SET reason = $2 WHERE id = $1", victim["id"], victim["reason"])
        await owner.execute("ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER no_change")
        await owner.close()


async def test_health_says_in_words_what_is_wrong(house: House) -> None:
    sam = await operator(house.app, "support")
    told = await read(house, sam, "/health")
    assert told["well"] is False
    assert "No worker leads: orders and payments wait." in told["troubles"]
    assert (told["postgresql"][:2], told["redis"] is not None, told["worker"]) == ("18", True, None)
    assert await beat.tell(house.app.state["redis"], {"mails_waiting": ("", 3)})
    assert (await read(house, sam, "/health"))["worker"] == {"mails_waiting": "3"}


async def test_money_at_a_glance_is_what_the_books_say(house: House) -> None:
    fred, (_, order_id) = await operator(house.app, "finance"), await with_an_order(house)
    database: Database = house.app.state["database"]
    async with database.transaction() as connection:
        await venue_repository.mark_submitted(connection, order_id, f"venue-{order_id}")
        told = books.execution(f"{order_id}:1", Decimal("0.1"), Decimal(49_000))
        assert await venue_repository.settle_fill(connection, order_id, told) == "settled"
    money = await read(house, fred, "/money", days=7)
    async with database.read() as connection:
        owed = await connection.fetchval("SELECT sum(available + held) FROM balances WHERE currency = 'USD'")
        traded = await connection.fetchval(
            "SELECT coalesce(sum(volume), 0) FROM trading_volumes WHERE day > current_date - 7"
        )
    (dollars,) = [one for one in money["liabilities"] if one["currency"] == "USD"]
    assert Decimal(dollars["total"]) == owed
    assert sum(Decimal(one["volume"]) for one in money["volume_by_day"]) == traded
    assert [one["currency"] for one in money["fees_by_day"]] == ["BTC"]
    support = await operator(house.app, "support")
    refused = await house.office.get("/api/admin/money", headers=support.bearer)
    assert refused.status_code == 403
