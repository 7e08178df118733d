"""Stops: one person stops, two let it run again, and everybody can read what stands still."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from bitcurrent.compliance.products import Product
from bitcurrent.compliance.stops.model import StopNotFound, Stopped
from bitcurrent.compliance.stops.service import require_running
from tests.compliance.conftest import House
from tests.support.customers import Person
from tests.support.operators import operator

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = "The venue reports wrong balances"


async def stop(house: House, who: Person, **body: Any) -> httpx.Response:
    return await house.office.post("/api/admin/stops", json={"reason": WHY, **body}, headers=who.bearer)


async def resume(house: House, stop_id: str, asker: Person, other: Person) -> httpx.Response:
    asked = await house.office.post(
        f"/api/admin/stops/{stop_id}/resume", json={"reason": "It was mended"}, headers=asker.bearer
    )
    assert asked.status_code == 202, asked.text
    return await house.grant(other, asked.json()["id"])


async def runs(house: House, product: Product, asset: str | None) -> bool:
    async with house.brokerage.database.read() as connection:
        try:
            await require_running(connection, product=product, asset=asset)
        except Stopped:
            return False
    return True


async def test_what_is_stopped_refuses_in_plain_words_until_two_people_let_it_run(house: House) -> None:
    anna, bob = await operator(house.app, "admin"), await operator(house.app, "admin")
    made = await stop(house, anna, product="crypto_withdrawal", asset="BTC", words="Bitcoin cannot leave for now.")
    assert made.status_code == 201, made.text
    assert (made.json()["standing"], made.json()["started_by"]) == (True, anna.id)
    assert not await runs(house, "crypto_withdrawal", "BTC")
    assert await runs(house, "crypto_withdrawal", "ETH")
    assert await runs(house, "trading", "BTC")
    async with house.brokerage.database.read() as connection:
        with pytest.raises(Stopped, match=r"Bitcoin cannot leave for now\. Nothing was done\.") as refused:
            await require_running(connection, product="crypto_withdrawal", asset="BTC")
    assert refused.value.details["product"] == "crypto_withdrawal"
    status = (await house.street.get("/api/status")).json()
    assert status["running"] is False
    assert [(one["product"], one["asset"], one["words"]) for one in status["stopped"]] == [
        ("crypto_withdrawal", "BTC", "Bitcoin cannot leave for now.")
    ]
    assert WHY not in str(status)
    asked = await house.office.post(
        f"/api/admin/stops/{made.json()['id']}/resume", json={"reason": "It was mended"}, headers=anna.bearer
    )
    assert (await house.grant(anna, asked.json()["id"])).status_code == 403
    assert not await runs(house, "crypto_withdrawal", "BTC")
    assert (await house.grant(bob, asked.json()["id"])).status_code == 200
    assert await runs(house, "crypto_withdrawal", "BTC")
    assert (await house.street.get("/api/status")).json() == {"running": True, "stopped": []}
    again = await house.office.post(
        f"/api/admin/stops/{made.json()['id']}/resume", json={"reason": "Once more"}, headers=anna.bearer
    )
    assert (again.status_code, again.json()["code"]) == (409, "stop_ended")
    async with house.brokerage.database.read() as connection:
        acts = await connection.fetch(
            "SELECT action, actor_id FROM audit_logs WHERE subject = $1 ORDER BY id", f"stop:{made.json()['id']}"
        )
    assert [(act["action"], str(act["actor_id"])) for act in acts] == [
        ("stop.started", anna.id),
        ("stop.ended", bob.id),
    ]


async def test_a_stop_of_all_stops_all(house: House) -> None:
    anna, bob = await operator(house.app, "admin"), await operator(house.app, "admin")
    made = (await stop(house, anna)).json()
    assert (made["product"], made["asset"], made["words"]) == (
        None,
        None,
        "Everything is stopped for now. We are working on it.",
    )
    for product, asset in (("trading", "BTC"), ("card_deposit", "USD"), ("conversion", None)):
        assert not await runs(house, product, asset)  # type: ignore[arg-type]  # products by their names
    assert (await stop(house, bob)).json()["id"] == made["id"]
    assert (await resume(house, made["id"], anna, bob)).status_code == 200


async def test_the_house_stops_by_itself_and_a_person_s_stop_is_not_its_to_end(house: House) -> None:
    stops, database = house.brokerage.stops, house.brokerage.database
    anna, bob = await operator(house.app, "admin"), await operator(house.app, "admin")
    reason = "Ledger and venue differ by 0.1 ETH"
    async with database.transaction() as connection:
        own = await stops.stop(
            connection, product="crypto_withdrawal", asset="ETH", reason=reason, cause="reconciliation"
        )
        same = await stops.stop(
            connection, product="crypto_withdrawal", asset="ETH", reason=reason, cause="reconciliation"
        )
    assert own.id == same.id
    persons = (await stop(house, anna, product="crypto_withdrawal", asset="ETH")).json()
    async with database.transaction() as connection:
        await stops.resume_by_house(connection, own.id, reason="The break is closed")
    assert not await runs(house, "crypto_withdrawal", "ETH")
    async with database.transaction() as connection:
        with pytest.raises(StopNotFound):
            await stops.resume_by_house(connection, UUID(persons["id"]), reason="The break is closed")
    assert (await resume(house, persons["id"], anna, bob)).status_code == 200
    assert await runs(house, "crypto_withdrawal", "ETH")


async def test_who_may_not_stop(house: House) -> None:
    for role in ("support", "finance", "compliance"):
        who = await operator(house.app, role)
        answer = await stop(house, who)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")
    stale = await operator(house.app, "admin", stepped_up=False)
    assert (await stop(house, stale)).status_code == 403


async def test_stops_are_kept_as_they_were(house: House) -> None:
    anna, bob = await operator(house.app, "admin"), await operator(house.app, "admin")
    made = (await stop(house, anna, product="bonus")).json()
    owner = await asyncpg.connect(house.settings.owner_database_url)
    for statement in ("DELETE FROM stops", "TRUNCATE stops"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(statement)
    for change in ("words = 'nothing'", "started_by = NULL"):
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute(f"UPDATE stops SET {change}")
    await owner.close()
    app = await asyncpg.connect(house.settings.database_url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("UPDATE stops SET words = 'nothing'")
    await app.close()
    assert (await resume(house, made["id"], anna, bob)).status_code == 200
    listed = await house.office.get("/api/admin/stops", params={"standing": False}, headers=anna.bearer)
    assert listed.json()["items"][0]["end_reason"] == "It was mended"
