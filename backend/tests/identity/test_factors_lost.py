"""Every second factor lost: the wait, the letters, support's decision, and everything that stops it."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from bitcurrent.identity.factors.lost import LostFactors
from bitcurrent.identity.model import Role
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.identity.conftest import Api
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import ADDRESS, App, Person, enrol, log_in, log_in_with, register

pytestmark = pytest.mark.asyncio(loop_scope="module")
WHY = {"reason": "My phone fell into the sea."}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[Api]:
    """An application whose back office is open to where these tests come from."""
    settings = settings_for(module_database_urls, redis_server.url, admin_networks=f"{ADDRESS}/32")
    async with running_api(settings) as (client, app):
        yield Api(client, app, settings)


@pytest_asyncio.fixture(loop_scope="module")
async def support(api: Api) -> AsyncIterator[Person]:
    """Somebody of support in a fresh session."""
    yield await _operator(api, "support")


async def _operator(api: Api, role: Role) -> Person:
    person = await register(api.client)
    await _execute(api, "UPDATE users SET role = $2 WHERE id = $1::text::uuid", person.id, role)
    app = await enrol(api.client, person)
    token = (await log_in_with(api.client, person.email, app)).json()["token"]
    return Person(person.id, person.email, token)


async def _execute(api: Api, query: str, *arguments: object) -> None:
    database = await asyncpg.connect(api.settings.owner_database_url)
    await database.execute(query, *arguments)
    await database.close()


async def _fetch(api: Api, query: str, *arguments: object) -> list[asyncpg.Record]:
    database = await asyncpg.connect(api.settings.database_url)
    rows: list[asyncpg.Record] = await database.fetch(query, *arguments)
    await database.close()
    return rows


async def _letters(api: Api, person: Person) -> list[str]:
    rows = await _fetch(api, "SELECT template FROM mails WHERE user_id = $1::text::uuid ORDER BY id", person.id)
    return [row["template"] for row in rows if row["template"].startswith("lost_factor")]


async def _asked(api: Api) -> tuple[Person, App, str]:
    """Somebody who has a factor and says that it is lost; the request's id."""
    person = await register(api.client)
    app = await enrol(api.client, person)
    challenge = (await log_in(api.client, person.email)).json()["challenge"]
    answer = await api.client.post("/api/lost-factor", json={"challenge": challenge, **WHY})
    assert answer.status_code == 202, answer.text
    rows = await _fetch(api, "SELECT id FROM lost_factor_requests WHERE user_id = $1::text::uuid", person.id)
    return person, app, str(rows[0]["id"])


async def _decide(api: Api, operator: Person, request_id: str, what: str) -> httpx.Response:
    path = f"/api/admin/lost-factor/{request_id}/{what}"
    return await api.client.post(path, json={"reason": "Spoke to her."}, headers=operator.bearer)


async def _pass(api: Api, request_id: str, hours: int) -> None:
    """Let so many hours of the wait go by, and time do its part, twice."""
    await _execute(
        api,
        "UPDATE lost_factor_requests SET requested_at = requested_at - make_interval(hours => $2),"
        " ends_at = ends_at - make_interval(hours => $2) WHERE id = $1::text::uuid",
        request_id,
        hours,
    )
    lost: LostFactors = api.app.state["lost_factors"]
    for _ in range(2):
        await lost.tend()


async def _state(api: Api, request_id: str) -> str:
    rows = await _fetch(api, "SELECT state FROM lost_factor_requests WHERE id = $1::text::uuid", request_id)
    return str(rows[0]["state"])


async def test_three_days_letters_and_an_approval_then_factors_and_sessions_are_gone(api: Api, support: Person) -> None:
    person, _, request_id = await _asked(api)
    seen = (await api.client.get("/api/factors", headers=person.bearer)).json()["lost_factor"]
    assert seen["state"] == "waiting"
    listed = await api.client.get("/api/admin/lost-factor?state=waiting", headers=support.bearer)
    assert request_id in [item["id"] for item in listed.json()["items"]]
    approved = await _decide(api, support, request_id, "approve")
    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    await _pass(api, request_id, 35)
    assert await _letters(api, person) == ["lost_factor_requested"]
    await _pass(api, request_id, 2)
    assert await _letters(api, person) == ["lost_factor_requested", "lost_factor_reminded"]
    await _pass(api, request_id, 34)
    assert await _state(api, request_id) == "approved"
    assert (await api.client.get("/api/me", headers=person.bearer)).status_code == 200
    await _pass(api, request_id, 1)
    assert await _state(api, request_id) == "done"
    assert (await _letters(api, person))[2:] == ["lost_factor_done"]
    assert (await api.client.get("/api/me", headers=person.bearer)).json()["code"] == "session_ended"
    again = await log_in(api.client, person.email)
    token = {"Authorization": f"Bearer {again.json()['token']}"}
    assert (await api.client.get("/api/factors", headers=token)).json()["methods"] == []
    acts = await _fetch(
        api, "SELECT action FROM audit_logs WHERE subject = $1 AND action LIKE 'lost%' ORDER BY id", f"user:{person.id}"
    )
    assert [row["action"] for row in acts] == [
        "lost_factor.requested",
        "lost_factor.approved",
        "lost_factor.reminded",
        "lost_factor.done",
    ]


async def test_without_approval_nothing_is_removed_and_the_request_lapses(api: Api) -> None:
    person, _, request_id = await _asked(api)
    await _pass(api, request_id, 72 + 24)
    assert await _state(api, request_id) == "waiting"
    await _pass(api, request_id, 14 * 24)
    assert await _state(api, request_id) == "lapsed"
    assert (await _letters(api, person))[-1] == "lost_factor_lapsed"
    assert (await log_in(api.client, person.email)).json()["next"] == "second_factor"


async def test_a_login_with_any_factor_cancels(api: Api, support: Person) -> None:
    person, app, request_id = await _asked(api)
    assert (await _decide(api, support, request_id, "approve")).status_code == 200
    assert (await log_in_with(api.client, person.email, app)).status_code == 200
    assert await _state(api, request_id) == "canceled"
    await _pass(api, request_id, 100)
    assert await _state(api, request_id) == "canceled"
    assert (await api.client.get("/api/factors", headers=person.bearer)).json()["methods"] != []
    assert (await _letters(api, person))[-1] == "lost_factor_canceled"


async def test_the_link_in_the_letter_cancels_and_no_other_token_does(api: Api) -> None:
    person, _, request_id = await _asked(api)
    lost: LostFactors = api.app.state["lost_factors"]
    _, _, other_id = await _asked(api)
    others = lost._signature(UUID(other_id))
    for token in (request_id, f"{request_id}.", f"{request_id}.{others}", "x", f"{'0' * 8}.é"):
        wrong = await api.client.post("/api/lost-factor/cancel", json={"token": token})
        assert wrong.status_code == 404, token
    assert await _state(api, request_id) == "waiting"
    token = f"{request_id}.{lost._signature(UUID(request_id))}"
    for _ in range(2):
        assert (await api.client.post("/api/lost-factor/cancel", json={"token": token})).status_code == 204
    assert await _state(api, request_id) == "canceled"
    assert await _letters(api, person) == ["lost_factor_requested", "lost_factor_canceled"]


async def test_an_open_session_cancels(api: Api) -> None:
    person, _, request_id = await _asked(api)
    assert (await api.client.delete("/api/lost-factor", headers=person.bearer)).status_code == 204
    assert (await api.client.delete("/api/lost-factor", headers=person.bearer)).status_code == 404
    assert await _state(api, request_id) == "canceled"


async def test_one_request_at_a_time_and_only_by_who_knows_the_password(api: Api) -> None:
    person, _, _ = await _asked(api)
    challenge = (await log_in(api.client, person.email)).json()["challenge"]
    second = await api.client.post("/api/lost-factor", json={"challenge": challenge, **WHY})
    assert (second.status_code, second.json()["code"]) == (409, "lost_factor_open")
    guessed = await api.client.post("/api/lost-factor", json={"challenge": "guessed", **WHY})
    assert (guessed.status_code, guessed.json()["code"]) == (401, "challenge_over")


async def test_support_decides_once_gives_a_reason_and_never_for_itself(api: Api, support: Person) -> None:
    person, _, request_id = await _asked(api)
    refused = await _decide(api, support, request_id, "refuse")
    assert (refused.status_code, refused.json()["state"]) == (200, "refused")
    late = await _decide(api, support, request_id, "approve")
    assert (late.status_code, late.json()["code"]) == (409, "lost_factor_closed")
    assert (await _letters(api, person))[-1] == "lost_factor_refused"
    _, _, another = await _asked(api)
    path = f"/api/admin/lost-factor/{another}/approve"
    silent = await api.client.post(path, json={"reason": "  "}, headers=support.bearer)
    assert (silent.status_code, silent.json()["field"]) == (422, "reason")
    await _execute(
        api,
        "UPDATE lost_factor_requests SET user_id = $2::text::uuid WHERE id = $1::text::uuid",
        another,
        support.id,
    )
    own = await _decide(api, support, another, "approve")
    assert (own.status_code, own.json()["code"]) == (403, "own_request")
    with pytest.raises(asyncpg.CheckViolationError):
        await _execute(
            api,
            "UPDATE lost_factor_requests SET state = 'approved', decided_by = user_id WHERE id = $1::text::uuid",
            another,
        )


@pytest.mark.parametrize("role", ["customer", "finance", "compliance"])
async def test_others_decide_nothing(api: Api, role: Role) -> None:
    other = await _operator(api, role)
    _, _, request_id = await _asked(api)
    for what in ("approve", "refuse"):
        assert (await _decide(api, other, request_id, what)).status_code == 403
    assert (await api.client.get("/api/admin/lost-factor", headers=other.bearer)).status_code == 403
    assert await _state(api, request_id) == "waiting"


async def test_the_database_removes_nothing_before_the_wait_is_over(api: Api, support: Person) -> None:
    _, _, request_id = await _asked(api)
    assert (await _decide(api, support, request_id, "approve")).status_code == 200
    with pytest.raises(asyncpg.CheckViolationError):
        await _execute(
            api,
            "UPDATE lost_factor_requests SET state = 'done', ended_at = now() WHERE id = $1::text::uuid",
            request_id,
        )
