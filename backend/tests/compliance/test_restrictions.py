"""Restrictions: what is taken from one customer stays taken until it is lifted, and touches nobody else."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from bitcurrent.compliance.restrictions import service as restrictions
from bitcurrent.compliance.restrictions.model import (
    Restricted,
    Restriction,
    RestrictionEnded,
    RestrictionFilter,
    RestrictionNotFound,
    Scope,
)
from bitcurrent.identity.model import Actor, Role
from bitcurrent.identity.permissions import PermissionMissing
from bitcurrent.kernel.errors import Invalid
from bitcurrent.kernel.ids import OrderId, SessionId, UserId, new_id
from bitcurrent.trading.model import Liquidity, OrderType, Side, Terms, TimeInForce
from bitcurrent.trading.repository import NewOrder, place_many, place_one
from tests.compliance.conftest import House
from tests.support.books import credit, customer
from tests.support.customers import Person, create_key, key_headers, log_in, register
from tests.support.operators import operator

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = "Asked by the police, letter 7"


async def restrict(house: House, who: UserId | str, scope: Scope, **how: Any) -> Restriction:
    user_id = UserId(UUID(str(who)))
    async with house.brokerage.database.transaction() as connection:
        made, ended = await restrictions.restrict(connection, user_id=user_id, scope=scope, **{"reason": WHY, **how})
    await house.brokerage.identity.announce(ended.sessions, ended.keys)
    return made


def acting(who: Person, role: Role) -> Actor:
    return Actor(UserId(UUID(who.id)), role, "active", session_id=SessionId(new_id()), is_customer=False)


async def lift(house: House, restriction: Restriction) -> Restriction:
    async with house.brokerage.database.transaction() as connection:
        return await restrictions.lift(connection, restriction.id, reason="It was a mistake")


async def is_free(house: House, who: Person, scope: Scope) -> bool:
    async with house.brokerage.database.read() as connection:
        try:
            await restrictions.require_free(connection, UserId(UUID(who.id)), scope)
        except Restricted:
            return False
    return True


async def test_each_scope_is_taken_and_given_back_by_itself(house: House) -> None:
    ann, bob = await register(house.street), await register(house.street)
    made = await restrict(house, ann.id, "withdrawals")
    assert not await is_free(house, ann, "withdrawals")
    assert await is_free(house, ann, "orders")
    assert await is_free(house, bob, "withdrawals")
    other = await restrict(house, ann.id, "withdrawals", code="monitoring:velocity")
    assert other.id != made.id
    assert (await lift(house, made)).ended_at is not None
    assert not await is_free(house, ann, "withdrawals")
    await lift(house, other)
    assert await is_free(house, ann, "withdrawals")


async def test_the_same_cause_restricts_once_and_again_after_its_end(house: House) -> None:
    ann = await register(house.street)
    first = await restrict(house, ann.id, "orders")
    assert (await restrict(house, ann.id, "orders", reason="Once more")).id == first.id
    await lift(house, first)
    with pytest.raises(RestrictionEnded):
        await lift(house, first)
    assert (await restrict(house, ann.id, "orders")).id != first.id
    async with house.brokerage.database.transaction() as connection:
        with pytest.raises(RestrictionNotFound):
            await restrictions.lift(connection, new_id(), reason="It was a mistake")


async def test_the_customer_reads_the_words_and_never_the_reason(house: House) -> None:
    ann = await register(house.street)
    await restrict(house, ann.id, "withdrawals", code="monitoring:structuring")
    async with house.brokerage.database.read() as connection:
        with pytest.raises(Restricted) as refused:
            await restrictions.require_free(connection, UserId(UUID(ann.id)), "withdrawals")
        events = await connection.fetch(
            "SELECT kind, payload FROM events WHERE user_id = $1 AND kind LIKE 'restriction%'", UUID(ann.id)
        )
        acts = await connection.fetch("SELECT action, details FROM audit_logs WHERE subject = $1", f"user:{ann.id}")
    told = f"{refused.value} {refused.value.details} {[dict(each) for each in events]}"
    assert [each["kind"] for each in events] == ["restriction_started"]
    assert "structuring" not in told
    assert WHY not in told
    noted = next(each for each in acts if each["action"] == "restriction.started")
    assert noted["details"]["code"] == "monitoring:structuring"


async def test_bad_codes_and_words_are_refused(house: House) -> None:
    ann = await register(house.street)
    for wrong in ({"code": "Mixed Case"}, {"code": ""}, {"words": "\x07"}, {"words": "x" * 301}, {"reason": ""}):
        with pytest.raises(Invalid):
            await restrict(house, ann.id, "login", **wrong)
    assert await is_free(house, ann, "login")


async def test_an_operator_needs_the_permission(house: House) -> None:
    ann = await register(house.street)
    support, compliance = await operator(house.app, "support"), await operator(house.app, "compliance")
    with pytest.raises(PermissionMissing):
        await restrict(house, ann.id, "orders", actor=acting(support, "support"))
    made = await restrict(house, ann.id, "orders", actor=acting(compliance, "compliance"))
    assert str(made.started_by) == compliance.id


async def test_who_may_not_log_in_loses_sessions_and_keys_and_gets_no_new_session(house: House) -> None:
    ann, bob = await register(house.street), await register(house.street)
    key_id, secret = await create_key(house.street, bob, "read")
    assert (await house.street.get("/api/me", headers=ann.bearer)).status_code == 200
    made = await restrict(house, ann.id, "login")
    await restrict(house, bob.id, "login")
    assert (await house.street.get("/api/me", headers=ann.bearer)).status_code == 401
    answer = await house.street.get("/api/balances", headers=key_headers(key_id, secret))
    assert answer.status_code == 401, answer.text
    refused = await log_in(house.street, ann.email)
    assert (refused.status_code, refused.json()["code"]) == (403, "restricted")
    assert "set-cookie" not in refused.headers
    wrong = await log_in(house.street, ann.email, "not the right password")
    assert wrong.json()["code"] == "wrong_credentials"
    await lift(house, made)
    assert (await log_in(house.street, ann.email)).status_code == 200


def order(user_id: UserId, key: str | None = None) -> NewOrder:
    terms = Terms(
        quantity=Decimal("0.001"), notional=None, limit_price=Decimal(50_000), stop_price=None, collar_price=None,
        liquidity=Liquidity.MAKER, fee_bps=Decimal(25), fee_currency="BTC", hold_currency="USD",
        hold_amount=Decimal(50), expected_price=Decimal(50_000), expected_cost=Decimal(50), expected_fee=Decimal(0),
        expected_net=Decimal(0),
    )  # fmt: skip
    return NewOrder(
        id=OrderId(new_id()), user_id=user_id, client_order_id=None, idempotency_key=key, request_hash=b"r",
        source="test", market="BTC/USD", side=Side.BUY, type=OrderType.LIMIT, time_in_force=TimeInForce.GTC,
        terms=terms,
    )  # fmt: skip


async def test_placing_refuses_one_customer_alone_and_together_with_others(house: House) -> None:
    person = await register(house.street)
    ann = UserId(UUID(person.id))
    database = house.brokerage.database
    async with database.transaction() as connection:
        bob = await customer(connection, USD="1000")
        await credit(connection, ann, "USD", Decimal(1_000))
    before = order(ann, "a key")
    async with database.transaction() as connection:
        assert (await place_one(connection, before)).outcome == "accepted"
    made = await restrict(house, person.id, "orders")
    async with database.transaction() as connection:
        assert (await place_one(connection, order(ann))).outcome == "restricted"
        together = await place_many(connection, [order(bob), order(ann), order(bob)])
        assert [each.outcome for each in together] == ["accepted", "restricted", "accepted"]
        # What was accepted before is still answered as it was.
        assert (await place_one(connection, order(ann, "a key"))).outcome == "replayed"
        held = await connection.fetchval("SELECT held FROM balances WHERE user_id = $1 AND currency = 'USD'", ann)
        assert held == 50
    await lift(house, made)
    async with database.transaction() as connection:
        assert (await place_one(connection, order(ann))).outcome == "accepted"


async def test_the_database_lets_a_restriction_only_end_once(house: House) -> None:
    ann = await register(house.street)
    made = await restrict(house, ann.id, "withdrawals")
    owner = await asyncpg.connect(house.settings.owner_database_url)
    try:
        for statement in (
            "UPDATE restrictions SET scope = 'orders' WHERE id = $1",
            "UPDATE restrictions SET reason = 'another' WHERE id = $1",
            "DELETE FROM restrictions WHERE id = $1",
        ):
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await owner.execute(statement, made.id)
        await lift(house, made)
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute("UPDATE restrictions SET ended_at = NULL, end_reason = NULL WHERE id = $1", made.id)
    finally:
        await owner.close()


async def test_restrictions_are_found_by_customer_scope_and_standing(house: House) -> None:
    ann = await register(house.street)
    user_id = UserId(UUID(ann.id))
    first = await restrict(house, ann.id, "orders")
    second = await restrict(house, ann.id, "withdrawals")
    await lift(house, first)
    async with house.brokerage.database.read() as connection:
        found = await restrictions.search(connection, RestrictionFilter(user_id=user_id))
        assert [each.id for each in found] == [second.id, first.id]
        standing = await restrictions.standing_of(connection, user_id)
        assert [each.id for each in standing] == [second.id]
        older = await restrictions.search(connection, RestrictionFilter(user_id=user_id, before=second.id))
        assert [each.id for each in older] == [first.id]
