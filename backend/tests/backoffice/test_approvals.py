"""Four eyes: what one operator asks for is done when another one grants it, once, and never by the same person."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from bitcurrent.chores import expire_approvals
from bitcurrent.identity.approvals.model import Approval, Kind
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.identity.operators import LastAdmin, Operators
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Conflict
from bitcurrent.kernel.ids import SessionId, UserId, new_id
from tests.backoffice.conftest import House
from tests.support.customers import Person, register
from tests.support.operators import operator, role_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = "Joins the support team in June"


async def ask(house: House, asker: Person, about: Person, role: str = "support", **body: Any) -> httpx.Response:
    return await house.office.post(
        f"/api/admin/operators/{about.id}/role", json={"role": role, "reason": WHY, **body}, headers=asker.bearer
    )


async def decide(house: House, who: Person, approval_id: str, decision: str = "grant", **more: Any) -> httpx.Response:
    path = f"/api/admin/approvals/{approval_id}/{decision}"
    body = {"reason": "It is not needed"} if decision == "refuse" else None
    return await house.office.post(path, json=body, headers={**who.bearer, **more})


async def two_admins_and_somebody(house: House) -> tuple[Person, Person, Person]:
    return await operator(house.app, "admin"), await operator(house.app, "admin"), await register(house.street)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_role_changes_when_another_admin_grants_it_and_old_sessions_end(house: House) -> None:
    anna, bob, sam = (
        await operator(house.app, "admin"),
        await operator(house.app, "admin"),
        await register(house.street),
    )
    asked = await ask(house, anna, sam)
    assert asked.status_code == 202
    approval = asked.json()
    assert (approval["state"], approval["kind"], approval["may_grant"]) == ("open", "operator.role", False)
    assert approval["payload"] == {"user_id": sam.id, "from": "customer", "to": "support"}
    assert await role_of(house.app, sam) == "customer"
    assert (await house.street.get("/api/me", headers=sam.bearer)).status_code == 200
    seen = await house.office.get(f"/api/admin/approvals/{approval['id']}", headers=bob.bearer)
    assert seen.json()["may_grant"] is True
    granted = await decide(house, bob, approval["id"])
    assert granted.status_code == 200, granted.text
    assert (granted.json()["state"], granted.json()["granted_by"]) == ("granted", bob.id)
    assert granted.json()["executed_at"] is not None
    assert await role_of(house.app, sam) == "support"
    assert refusal(await house.street.get("/api/me", headers=sam.bearer)) == (401, "session_ended")


async def test_everything_about_it_is_in_the_audit_log(house: House) -> None:
    anna, bob, sam = (
        await operator(house.app, "admin"),
        await operator(house.app, "admin"),
        await register(house.street),
    )
    approval_id = (await ask(house, anna, sam, "finance")).json()["id"]
    await decide(house, bob, approval_id)
    database: Database = house.app.state["database"]
    async with database.read() as connection:
        acts = await connection.fetch(
            "SELECT action, actor_id, actor_kind, actor_role, reason, before, after FROM audit_logs "
            "WHERE subject IN ($1, $2) AND actor_kind = 'operator' ORDER BY id",
            f"approval:{approval_id}",
            f"user:{sam.id}",
        )
    told = [(act["action"], str(act["actor_id"]), act["actor_role"]) for act in acts]
    assert told == [
        ("approval.asked", anna.id, "admin"),
        ("approval.granted", bob.id, "admin"),
        ("operator.role_changed", bob.id, None),
    ]
    assert acts[0]["reason"] == acts[2]["reason"] == WHY
    assert (acts[2]["before"], acts[2]["after"]) == ({"role": "customer"}, {"role": "finance"})


async def test_nobody_grants_what_they_asked_for(house: House) -> None:
    anna, sam = await operator(house.app, "admin"), await register(house.street)
    approval_id = (await ask(house, anna, sam)).json()["id"]
    assert refusal(await decide(house, anna, approval_id)) == (403, "same_person")
    assert await role_of(house.app, sam) == "customer"


async def test_the_database_itself_refuses_the_same_person(house: House) -> None:
    anna, bob, sam = (
        await operator(house.app, "admin"),
        await operator(house.app, "admin"),
        await register(house.street),
    )
    approval_id = UUID((await ask(house, anna, sam)).json()["id"])
    for url in (house.settings.database_url, house.settings.owner_database_url):
        connection = await asyncpg.connect(url)
        grant = "UPDATE approvals SET granted_by = $2, granted_at = now() WHERE id = $1"
        with pytest.raises(asyncpg.CheckViolationError, match="two_people"):
            await connection.execute(grant, approval_id, UUID(anna.id))
        with pytest.raises(asyncpg.CheckViolationError, match="granted_by_somebody"):
            await connection.execute("UPDATE approvals SET granted_at = now() WHERE id = $1", approval_id)
        with pytest.raises(asyncpg.CheckViolationError, match="executed_when_granted"):
            await connection.execute("UPDATE approvals SET executed_at = now() WHERE id = $1", approval_id)
        await connection.close()
    owner = await asyncpg.connect(house.settings.owner_database_url)
    # Neither by rewriting who asked, nor by putting in one that was granted already.
    with pytest.raises(asyncpg.CheckViolationError, match="cannot be changed"):
        await owner.execute("UPDATE approvals SET asked_by = $2 WHERE id = $1", approval_id, UUID(bob.id))
    with pytest.raises(asyncpg.CheckViolationError, match="begins open"):
        await owner.execute(
            "INSERT INTO approvals (id, kind, subject, payload, reason, asked_by, expires_at, granted_by, granted_at) "
            "VALUES ($1, 'operator.role', 'user:x', '{}', 'because', $2, now() + interval '1 h', $3, now())",
            new_id(),
            UUID(anna.id),
            UUID(bob.id),
        )
    for statement in ("DELETE FROM approvals", "TRUNCATE approvals CASCADE"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(statement)
    await owner.close()
    app = await asyncpg.connect(house.settings.database_url)
    for statement in (
        "DELETE FROM approvals",
        "UPDATE approvals SET asked_by = granted_by",
        "UPDATE approvals SET payload = '{}'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(statement)
    await app.close()


async def test_a_decision_is_final(house: House) -> None:
    anna, bob, sam = (
        await operator(house.app, "admin"),
        await operator(house.app, "admin"),
        await register(house.street),
    )
    refused = (await ask(house, anna, sam)).json()["id"]
    assert (await decide(house, bob, refused, "refuse")).json()["state"] == "refused"
    assert refusal(await decide(house, bob, refused)) == (409, "approval_ended")
    assert refusal(await decide(house, bob, refused, "refuse")) == (409, "approval_ended")
    granted = (await ask(house, anna, sam)).json()["id"]
    assert (await decide(house, bob, granted)).status_code == 200
    assert refusal(await decide(house, bob, granted, "refuse")) == (409, "approval_ended")
    owner = await asyncpg.connect(house.settings.owner_database_url)
    for change in ("granted_by = NULL, granted_at = NULL", "refused_by = asked_by, refused_at = now()"):
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute(f"UPDATE approvals SET {change} WHERE id = $1", UUID(granted))
    with pytest.raises(asyncpg.CheckViolationError, match="executed once"):
        await owner.execute("UPDATE approvals SET executed_at = now() WHERE id = $1", UUID(granted))
    await owner.close()


async def test_of_many_grants_at_once_one_counts_and_it_is_done_once(house: House) -> None:
    anna, sam = await operator(house.app, "admin"), await register(house.street)
    bobs = [await operator(house.app, "admin") for _ in range(6)]
    approval_id = (await ask(house, anna, sam)).json()["id"]
    answers = await asyncio.gather(*(decide(house, bob, approval_id) for bob in bobs))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    async with house.app.state["database"].read() as connection:
        changes = await connection.fetchval(
            "SELECT count(*) FROM audit_logs WHERE subject = $1 AND action = 'operator.role_changed'", f"user:{sam.id}"
        )
    assert changes == 1


async def test_the_same_is_asked_for_once_at_a_time(house: House) -> None:
    anna, bob, sam = (
        await operator(house.app, "admin"),
        await operator(house.app, "admin"),
        await register(house.street),
    )
    answers = await asyncio.gather(*(ask(house, who, sam) for who in (anna, bob, anna, bob)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    first = next(answer.json()["id"] for answer in answers if answer.status_code == 202)
    late = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (late["code"], late["details"]["approval_id"]) == ("approval_already_asked", first)


async def test_a_repeated_request_with_its_key_asks_and_grants_once(house: House) -> None:
    anna, bob, sam = (
        await operator(house.app, "admin"),
        await operator(house.app, "admin"),
        await register(house.street),
    )
    headers = {**anna.bearer, "Idempotency-Key": f"ask-{sam.id}"}
    path, body = f"/api/admin/operators/{sam.id}/role", {"role": "support", "reason": WHY}
    asked = [await house.office.post(path, json=body, headers=headers) for _ in range(2)]
    assert asked[0].json() == asked[1].json()
    approval_id = asked[0].json()["id"]
    key = {"Idempotency-Key": f"grant-{approval_id}"}
    granted = [await decide(house, bob, approval_id, **key) for _ in range(2)]
    assert [answer.status_code for answer in granted] == [200, 200]
    assert granted[1].headers["idempotent-replayed"] == "true"


async def test_refusals_of_asking(house: House) -> None:
    anna, sam = await operator(house.app, "admin"), await register(house.street)
    support = await operator(house.app, "support")
    assert refusal(await ask(house, support, sam)) == (403, "permission_missing")
    assert refusal(await ask(house, anna, anna)) == (403, "own_role")
    assert refusal(await ask(house, anna, sam, "customer")) == (409, "role_unchanged")
    nobody = Person(str(new_id()), "", "")
    assert (await ask(house, anna, nobody)).status_code == 404
    for body, field in (
        ({"role": "owner"}, "role"),
        ({"reason": "no"}, "reason"),
        ({"granted_by": anna.id}, "granted_by"),
    ):
        answer = await ask(house, anna, sam, **body)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    stale = await operator(house.app, "admin", stepped_up=False)
    assert refusal(await ask(house, stale, sam)) == (403, "second_factor_required")
    outside = await house.street.post(
        f"/api/admin/operators/{sam.id}/role", json={"role": "admin", "reason": WHY}, headers=anna.bearer
    )
    assert refusal(outside) == (403, "admin_network_required")


async def test_refusals_of_deciding(house: House) -> None:
    anna, sam = await operator(house.app, "admin"), await register(house.street)
    approval_id = (await ask(house, anna, sam)).json()["id"]
    support, finance = await operator(house.app, "support"), await operator(house.app, "finance")
    assert refusal(await decide(house, support, approval_id)) == (403, "permission_missing")
    # Finance may grant, but not this kind.
    granted = await decide(house, finance, approval_id)
    assert refusal(granted) == (403, "permission_missing")
    assert granted.json()["details"] == {"permission": "operators.change"}
    assert refusal(await decide(house, support, approval_id, "refuse")) == (403, "permission_missing")
    assert refusal(await decide(house, anna, str(new_id()))) == (404, "approval_not_found")
    assert refusal(await decide(house, anna, str(new_id()), "refuse")) == (404, "approval_not_found")
    assert refusal(await house.office.get(f"/api/admin/approvals/{new_id()}", headers=anna.bearer)) == (
        404,
        "approval_not_found",
    )
    assert await role_of(house.app, sam) == "customer"


async def test_who_asked_may_take_it_back(house: House) -> None:
    anna, sam = await operator(house.app, "admin"), await register(house.street)
    approval_id = (await ask(house, anna, sam)).json()["id"]
    back = await decide(house, anna, approval_id, "refuse")
    assert (back.status_code, back.json()["refused_by"]) == (200, anna.id)
    assert (await ask(house, anna, sam)).status_code == 202


async def test_who_is_to_be_promoted_does_not_grant_it(house: House) -> None:
    anna, bob = await operator(house.app, "admin"), await operator(house.app, "admin")
    approval_id = (await ask(house, anna, bob, "support")).json()["id"]
    assert refusal(await decide(house, bob, approval_id)) == (403, "own_role")
    cora = await operator(house.app, "admin")
    assert (await decide(house, cora, approval_id)).status_code == 200
    assert await role_of(house.app, bob) == "support"


async def test_what_has_changed_meanwhile_is_not_done(house: House) -> None:
    anna, bob, sam = (
        await operator(house.app, "admin"),
        await operator(house.app, "admin"),
        await register(house.street),
    )
    approval_id = (await ask(house, anna, sam, "support")).json()["id"]
    async with house.app.state["database"].transaction() as connection:
        await connection.execute("UPDATE users SET role = 'finance' WHERE id = $1::text::uuid", sam.id)
    assert refusal(await decide(house, bob, approval_id)) == (409, "approval_outdated")
    seen = await house.office.get(f"/api/admin/approvals/{approval_id}", headers=bob.bearer)
    assert seen.json()["state"] == "open"  # a handler that refuses undoes the grant


async def test_an_approval_whose_time_is_over_grants_nothing_and_makes_room(house: House) -> None:
    anna, bob, sam = (
        await operator(house.app, "admin"),
        await operator(house.app, "admin"),
        await register(house.street),
    )
    approval_id = (await ask(house, anna, sam)).json()["id"]
    await backdate(house, approval_id)
    assert refusal(await decide(house, bob, approval_id)) == (409, "approval_ended")
    shown = await house.office.get("/api/admin/approvals?state=expired&limit=500", headers=bob.bearer)
    assert approval_id in [item["id"] for item in shown.json()["items"]]
    again = await ask(house, anna, sam)
    assert again.status_code == 202
    await backdate(house, again.json()["id"])
    await expire_approvals(house.app.state.brokerage)
    async with house.app.state["database"].read() as connection:
        row = await connection.fetchrow(
            "SELECT expired_at, executed_at FROM approvals WHERE id = $1", UUID(again.json()["id"])
        )
        noted = await connection.fetchval(
            "SELECT count(*) FROM audit_logs WHERE action = 'approval.expired' AND subject = ANY ($1)",
            [f"approval:{approval_id}", f"approval:{again.json()['id']}"],
        )
    assert row["expired_at"] is not None
    assert row["executed_at"] is None
    assert noted == 2


async def backdate(house: House, approval_id: str) -> None:
    owner = await asyncpg.connect(house.settings.owner_database_url)
    await owner.execute("ALTER TABLE approvals DISABLE TRIGGER approvals_go_forward")
    await owner.execute(
        "UPDATE approvals SET asked_at = asked_at - interval '2 days', expires_at = now() - interval '1 s' "
        "WHERE id = $1",
        UUID(approval_id),
    )
    await owner.execute("ALTER TABLE approvals ENABLE ALWAYS TRIGGER approvals_go_forward")
    await owner.close()


async def test_lists_are_paged_filtered_and_cut_to_fields(house: House) -> None:
    anna = await operator(house.app, "admin")
    people = [await register(house.street) for _ in range(3)]
    ids = [(await ask(house, anna, sam)).json()["id"] for sam in people]
    found: list[str] = []
    cursor: str | None = None
    while True:
        query = {"asked_by": anna.id, "state": "open", "limit": "2", "fields": "id,state"}
        page = await house.office.get(
            "/api/admin/approvals", params={**query, **({"cursor": cursor} if cursor else {})}, headers=anna.bearer
        )
        assert all(set(item) == {"id", "state"} for item in page.json()["items"])
        found += [item["id"] for item in page.json()["items"]]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert found == ids[::-1]
    about = await house.office.get(
        "/api/admin/approvals", params={"subject": f"user:{people[0].id}", "kind": "operator.role"}, headers=anna.bearer
    )
    assert [item["id"] for item in about.json()["items"]] == [ids[0]]
    operators = await house.office.get("/api/admin/operators?limit=500", headers=anna.bearer)
    own = next(item for item in operators.json()["items"] if item["id"] == anna.id)
    assert (own["role"], own["is_customer"], "operators.change" in own["permissions"]) == ("admin", False, True)


async def test_the_last_admin_who_can_log_in_stays(house: House) -> None:
    anna = await operator(house.app, "admin")
    operators: Operators = house.app.state["operators"]
    user_id = UserId(UUID(anna.id))
    database: Database = house.app.state["database"]
    async with database.read() as connection:
        undone = connection.transaction()
        await undone.start()
        await connection.execute("UPDATE users SET status = 'frozen' WHERE role = 'admin' AND id <> $1", user_id)
        with pytest.raises(LastAdmin):
            await operators.change_from_command_line(connection, user_id, "support")
        await undone.rollback()
    assert await role_of(house.app, anna) == "admin"


async def test_other_rooms_bring_their_own_kinds(house: House) -> None:
    done: list[str] = []

    async def handler(connection: Connection, approval: Approval, granted_by: UserId) -> None:
        if approval.payload.get("fails"):
            raise Conflict("It does not fit any more.")
        await connection.execute("SELECT 1")
        done.append(approval.subject)

    approvals = Approvals([Kind(name="test.payout", ask="money.approve", grant="money.approve", handler=handler)])
    finance = [await operator(house.app, "finance") for _ in range(2)]
    asker, granter = (
        Actor(UserId(UUID(person.id)), "finance", "active", session_id=SessionId(new_id())) for person in finance
    )
    database: Database = house.app.state["database"]
    for subject, payload in (("payout:1", {"amount": "10"}), ("payout:2", {"fails": True})):
        async with database.transaction() as connection:
            asked = await approvals.ask(
                connection,
                asker,
                kind="test.payout",
                subject=subject,
                payload=payload,
                reason="A customer asked",
                address="tests",
            )
        assert asked.expires_at - asked.asked_at == timedelta(hours=24)
        if payload.get("fails"):
            with pytest.raises(Conflict):
                async with database.transaction() as connection:
                    await approvals.grant(connection, granter, asked.id, address="tests")
        else:
            async with database.transaction() as connection:
                granted = await approvals.grant(connection, granter, asked.id, address="tests")
            assert granted.approval.executed_at is not None
    assert done == ["payout:1"]
    with pytest.raises(ValueError, match="already"):
        approvals.register(approvals.kinds["test.payout"])
