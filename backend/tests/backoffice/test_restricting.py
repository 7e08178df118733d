"""Freezing a customer, notes, and money by four eyes: over the API by two operators, and past it as the app's role."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from bitcurrent.backoffice.adjustments.model import journal_of
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.ledger.model import Journal, Move, available
from bitcurrent.ledger.model import house as house_name
from bitcurrent.ledger.service import post, read_balance
from tests.backoffice.conftest import House
from tests.support import books
from tests.support.customers import Person, register
from tests.support.operators import operator

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = "A fee was taken twice on Monday"


async def send(house: House, who: Person, path: str, **body: Any) -> httpx.Response:
    return await house.office.post(f"/api/admin{path}", json=body or None, headers=who.bearer)


async def read(house: House, who: Person, path: str, **query: Any) -> Any:
    answer = await house.office.get(f"/api/admin{path}", params=query, headers=who.bearer)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def balance(house: House, who: Person) -> Decimal:
    database: Database = house.app.state["database"]
    async with database.read() as connection:
        return (await read_balance(connection, UserId(UUID(who.id)), "USD")).available


async def with_money(house: House, amount: str = "100") -> Person:
    pat = await register(house.street)
    database: Database = house.app.state["database"]
    async with database.transaction() as connection:
        await books.credit(connection, UserId(UUID(pat.id)), "USD", Decimal(amount))
    return pat


async def test_login_is_taken_at_once_and_given_back_by_the_same_desk(house: House) -> None:
    anna, pat = await operator(house.app, "admin"), await register(house.street)
    frozen = await send(house, anna, f"/customers/{pat.id}/restrictions", scope="login", reason=WHY)
    assert frozen.status_code == 201, frozen.text
    assert refusal(await house.street.get("/api/me", headers=pat.bearer))[0] == 401
    listed = await read(house, anna, "/restrictions", user_id=pat.id, standing=True)
    assert [one["id"] for one in listed["items"]] == [frozen.json()["id"]]
    lifted = await send(house, anna, f"/restrictions/{frozen.json()['id']}/lift", reason="It was somebody else")
    assert lifted.status_code == 200, lifted.text
    assert lifted.json()["approval"] is None
    assert lifted.json()["restriction"]["ended_by"] == anna.id
    again = await send(house, anna, f"/restrictions/{frozen.json()['id']}/lift", reason="It was somebody else")
    assert refusal(again) == (409, "restriction_ended")


async def test_what_compliance_froze_needs_a_second_person(house: House) -> None:
    carl, dora, pat = (
        await operator(house.app, "compliance"),
        await operator(house.app, "compliance"),
        await register(house.street),
    )
    frozen = await send(house, carl, f"/customers/{pat.id}/restrictions", scope="withdrawals", reason=WHY)
    asked = await send(house, carl, f"/restrictions/{frozen.json()['id']}/lift", reason="All explained by now")
    approval = asked.json()["approval"]
    assert (asked.json()["restriction"], approval["kind"]) == (None, "restriction.lift")
    assert refusal(await send(house, carl, f"/approvals/{approval['id']}/grant")) == (403, "same_person")
    granted = await send(house, dora, f"/approvals/{approval['id']}/grant")
    assert granted.status_code == 200, granted.text
    listed = await read(house, dora, "/restrictions", user_id=pat.id)
    assert listed["items"][0]["ended_by"] == dora.id


async def test_notes_are_only_added_and_encrypted(house: House) -> None:
    sam, pat = await operator(house.app, "support"), await register(house.street)
    for words in ("Called about a letter", "Called again"):
        assert (await send(house, sam, f"/customers/{pat.id}/notes", text=words)).status_code == 201
    listed = await read(house, sam, f"/customers/{pat.id}/notes")
    assert [note["text"] for note in listed["items"]] == ["Called again", "Called about a letter"]
    app = await asyncpg.connect(house.settings.database_url)
    assert not await app.fetchval("SELECT count(*) FROM customer_notes WHERE position('Called'::bytea IN text) > 0")
    for statement in (
        "UPDATE customer_notes SET text = 'x'::bytea",
        "UPDATE customer_notes SET author = user_id",
        "DELETE FROM customer_notes",
    ):
        with pytest.raises((asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError)):
            await app.execute(statement)
    await app.close()


async def test_an_adjustment_moves_money_when_another_person_of_finance_grants_it(house: House) -> None:
    fred, gwen, pat = (
        await operator(house.app, "finance"),
        await operator(house.app, "finance"),
        await with_money(house),
    )
    wish = {"user_id": pat.id, "currency": "USD", "amount": "-40.50", "reason": WHY, "evidence": "ticket 4711"}
    asked = await send(house, fred, "/adjustments", **wish)
    assert asked.status_code == 202, asked.text
    assert await balance(house, pat) == 100
    assert refusal(await send(house, fred, "/adjustments", **wish)) == (409, "approval_already_asked")
    assert refusal(await send(house, fred, f"/approvals/{asked.json()['id']}/grant")) == (403, "same_person")
    granted = await send(house, gwen, f"/approvals/{asked.json()['id']}/grant")
    assert granted.status_code == 200, granted.text
    assert await balance(house, pat) == Decimal("59.5")
    (booked,) = (await read(house, fred, "/adjustments", user_id=pat.id))["items"]
    assert (booked["amount"], booked["evidence"]) == ("-40.5", "ticket 4711")
    assert (booked["asked_by"], booked["granted_by"]) == (fred.id, gwen.id)
    as_csv = await house.office.get(f"/api/admin/adjustments?user_id={pat.id}&format=csv", headers=fred.bearer)
    assert as_csv.text.splitlines()[1].split(",")[2:4] == ["USD", "-40.5"]


async def test_an_adjustment_takes_nothing_that_is_not_there_nor_ones_own(house: House) -> None:
    fred, pat = await operator(house.app, "finance"), await with_money(house)
    wish = {"user_id": pat.id, "currency": "USD", "amount": "-100.01", "reason": WHY, "evidence": "ticket 4711"}
    assert refusal(await send(house, fred, "/adjustments", **wish)) == (409, "insufficient_funds")
    assert refusal(await send(house, fred, "/adjustments", **{**wish, "user_id": fred.id})) == (403, "own_money")
    for field, value in (("currency", "ZZZ"), ("amount", "0"), ("evidence", " ")):
        answer = await send(house, fred, "/adjustments", **{**wish, field: value})
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    support = await operator(house.app, "support")
    assert refusal(await send(house, support, "/adjustments", **wish)) == (403, "permission_missing")


Way = Callable[[Connection, UserId], Awaitable[object]]


async def _without_approval(connection: Connection, user_id: UserId) -> object:
    return await post(connection, journal_of(new_id(), user_id, "USD", Decimal(5)))


async def _by_another_kind(connection: Connection, user_id: UserId) -> object:
    move = Move(source=house_account(), target=available(user_id, "USD"), amount=Decimal(5))
    return await post(connection, Journal(kind="demo_credit", reference=f"test:{new_id()}", moves=(move,)))


async def _as_a_break(connection: Connection, user_id: UserId) -> object:
    move = Move(source=house_account(), target=available(user_id, "USD"), amount=Decimal(5))
    return await post(connection, Journal(kind="adjustment", reference=f"break:{new_id()}", moves=(move,)))


async def _by_a_row_alone(connection: Connection, user_id: UserId) -> object:
    return await connection.execute(
        "INSERT INTO adjustments (id, user_id, currency, amount, reason, evidence, approval_id, asked_by, granted_by) "
        "SELECT uuidv7(), $1, 'USD', 5, 'because', 'none', id, asked_by, asked_by FROM approvals LIMIT 1",
        user_id,
    )


def house_account() -> Any:
    return house_name("adjustments", "USD")


@pytest.mark.parametrize("way", [_without_approval, _by_another_kind, _as_a_break, _by_a_row_alone])
async def test_the_app_role_cannot_go_round_the_second_person(house: House, way: Way) -> None:
    pat = await with_money(house)
    fred = await operator(house.app, "finance")
    wish = {"user_id": pat.id, "currency": "USD", "amount": "5", "reason": WHY, "evidence": "ticket 4711"}
    assert (await send(house, fred, "/adjustments", **wish)).status_code == 202
    database: Database = house.app.state["database"]
    with pytest.raises(asyncpg.CheckViolationError):
        async with database.transaction() as connection:
            await way(connection, UserId(UUID(pat.id)))
    assert await balance(house, pat) == 100


async def test_what_was_granted_cannot_be_booked_for_more_or_for_somebody_else(house: House) -> None:
    fred, gwen = await operator(house.app, "finance"), await operator(house.app, "finance")
    pat, eve = await with_money(house), await with_money(house)
    wish = {"user_id": pat.id, "currency": "USD", "amount": "5", "reason": WHY, "evidence": "ticket 4711"}
    approval_id = (await send(house, fred, "/adjustments", **wish)).json()["id"]
    app = await asyncpg.connect(house.settings.database_url)
    # Somebody grants by hand, in the database, and then tries to book other than that.
    await app.execute(
        "UPDATE approvals SET granted_by = $2, granted_at = now() WHERE id = $1", UUID(approval_id), UUID(gwen.id)
    )
    insert = (
        "INSERT INTO adjustments (id, user_id, currency, amount, reason, evidence, approval_id, asked_by, granted_by) "
        "VALUES ($1, $2, 'USD', $3, $4, 'ticket 4711', $5, $6, $7)"
    )
    people = (UUID(approval_id), UUID(fred.id), UUID(gwen.id))
    for user_id, amount in ((pat.id, 500), (eve.id, 5)):
        with pytest.raises(asyncpg.CheckViolationError, match="another person has granted"):
            await app.execute(insert, new_id(), UUID(user_id), Decimal(amount), WHY, *people)
    granted = new_id()
    await app.execute(insert, granted, UUID(pat.id), Decimal(5), WHY, *people)
    with pytest.raises(asyncpg.CheckViolationError, match="otherwise than granted"):
        await post(app, journal_of(granted, UserId(UUID(pat.id)), "USD", Decimal(500)))
    with pytest.raises(asyncpg.CheckViolationError, match="otherwise than granted"):
        await post(app, journal_of(granted, UserId(UUID(eve.id)), "USD", Decimal(5)))
    for statement in ("UPDATE adjustments SET amount = 9", "DELETE FROM adjustments", "TRUNCATE adjustments CASCADE"):
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.IntegrityConstraintViolationError)):
            await app.execute(statement)
    await app.close()
