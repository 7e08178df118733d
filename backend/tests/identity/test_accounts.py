"""Opening an account, logging in and out, changing the password."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable

import asyncpg
import httpx
import msgspec
import pytest

from bitcurrent.identity.service import LOGINS_PER_ACCOUNT
from bitcurrent.settings import PASSWORD_COST
from tests.identity.conftest import Api
from tests.support.brokerage import client_of, running_api
from tests.support.customers import PASSWORD, create_key, enrol, key_headers, log_in, log_in_with, register

pytestmark = pytest.mark.asyncio(loop_scope="module")

_numbers = itertools.count(1)


async def test_who_registers_logs_in_and_is_known_by_cookie_and_by_token(api: Api) -> None:
    body = {"email": "  Ann@Example.TEST ", "display_name": " Ann  Lee ", "password": PASSWORD}
    answer = await api.client.post("/api/register", json=body)
    assert (answer.status_code, answer.json()) == (202, {"email": "ann@example.test", "next": "verify_email"})
    assert "set-cookie" not in answer.headers
    answer = await api.client.post("/api/login", json={"email": "ann@example.test", "password": PASSWORD})
    user = answer.json()["user"]
    assert (user["email"], user["display_name"], user["role"]) == ("ann@example.test", "Ann Lee", "customer")
    cookie = answer.headers.get_list("set-cookie")[0]
    assert cookie.startswith("session=")
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=86400"} <= set(cookie.split("; "))
    assert (await api.client.get("/api/me")).json()["user"]["id"] == user["id"]
    api.client.cookies.clear()
    by_token = await api.client.get("/api/me", headers={"Authorization": f"Bearer {answer.json()['token']}"})
    assert by_token.json()["user"]["id"] == user["id"]
    assert by_token.json()["scopes"] == ["read", "trade"]
    assert by_token.json()["email_verified"] is False


async def test_behind_https_cookies_are_secure_and_bound_to_the_host(api: Api) -> None:
    settings = msgspec.structs.replace(api.settings, base_url="https://broker.example")
    person = await register(api.client)
    async with running_api(settings) as (client, _):
        body = {"email": person.email, "password": PASSWORD}
        answer = await client.post("/api/login", json=body, headers={"Origin": "https://broker.example"})
        session, csrf = answer.headers.get_list("set-cookie")
        assert session.startswith("__Host-session=")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(session.split("; "))
        assert csrf.startswith("__Host-csrf=")
        assert {"Secure", "Path=/", "SameSite=strict"} <= set(csrf.split("; "))
        assert not any("domain" in cookie.lower() for cookie in (session, csrf))
        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"


async def test_an_address_has_one_account_however_it_is_written(api: Api) -> None:
    await register(api.client, email="twice@example.test")
    body = {"email": "TWICE@example.test", "display_name": "Other", "password": "not the same as before"}
    answer = await api.client.post("/api/register", json=body)
    assert (answer.status_code, answer.json()) == (202, {"email": "twice@example.test", "next": "verify_email"})
    assert (await log_in(api.client, "twice@example.test", "not the same as before")).status_code == 401
    assert (await log_in(api.client, "twice@example.test")).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a@b"}, "email"),
        ({"email": "a b@example.test"}, "email"),
        ({"email": "x@example.test\u0000"}, "email"),
        ({"email": "a@" + "x" * 250 + ".test"}, "email"),
        ({"password": "elevenchars"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"display_name": "   "}, "display_name"),
        ({"display_name": "a\u0007b"}, "display_name"),
        ({"role": "admin"}, "role"),
        ({"kyc_level": "full"}, "kyc_level"),
        ({"status": "active"}, "status"),
        ({"password": 123456789012}, "password"),
    ],
)
async def test_a_wrong_registration_names_the_field(api: Api, change: dict[str, object], field: str) -> None:
    body = {"email": "new@example.test", "display_name": "New", "password": PASSWORD, **change}
    answer = await api.client.post("/api/register", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(api: Api) -> None:
    person = await register(api.client)
    wrong = await log_in(api.client, person.email, "not the password")
    unknown = await log_in(api.client, "nobody@example.test", "not the password")
    nonsense = await log_in(api.client, "not an address", "not the password")
    assert wrong.status_code == unknown.status_code == nonsense.status_code == 401
    assert wrong.json() == unknown.json() == nonsense.json()
    assert wrong.json()["code"] == "wrong_credentials"
    assert (await log_in(api.client, person.email.upper())).status_code == 200


async def test_unknown_people_cost_as_much_time_as_wrong_passwords(api: Api) -> None:
    async def attempt(client: httpx.AsyncClient, email: str) -> None:
        assert (await log_in(client, email, "not the password")).status_code == 401

    await _takes_as_long(api, attempt, lambda turn: f"nobody{turn}-{next(_numbers)}@example.test")


async def test_registering_a_known_address_takes_as_long_as_a_new_one(api: Api) -> None:
    async def attempt(client: httpx.AsyncClient, email: str) -> None:
        body = {"email": email, "display_name": "Other", "password": "not the same as before"}
        assert (await client.post("/api/register", json=body)).status_code == 202

    await _takes_as_long(api, attempt, lambda turn: f"new{turn}-{next(_numbers)}@example.test")


async def _takes_as_long(
    api: Api, attempt: Callable[[httpx.AsyncClient, str], Awaitable[None]], unknown: Callable[[int], str]
) -> None:
    """Medians within 10 %, in turns; a busy machine gets three tries, and a leaked difference fails all of them."""
    settings = msgspec.structs.replace(api.settings, password_cost=PASSWORD_COST)
    ratios: list[float] = []
    async with running_api(settings) as (client, _):
        while len(ratios) < 3 and not (ratios and 0.9 < ratios[-1] < 1.1):
            person = await register(client, password=f"hashed at the real cost {next(_numbers)}")
            times: tuple[list[float], list[float]] = ([], [])
            for turn in range(LOGINS_PER_ACCOUNT.attempts):
                for which in (0, 1) if turn % 2 else (1, 0):
                    start = time.perf_counter()
                    await attempt(client, unknown(turn) if which else person.email)
                    times[which].append(time.perf_counter() - start)
            ratios.append(statistics.median(times[1]) / statistics.median(times[0]))
    assert 0.9 < ratios[-1] < 1.1, ratios


async def test_parallel_logins_are_throttled_before_any_password_is_looked_at(api: Api) -> None:
    person = await register(api.client)
    tries = [log_in(api.client, person.email, "guess number one") for _ in range(LOGINS_PER_ACCOUNT.attempts + 40)]
    answers = await asyncio.gather(*tries)
    codes = [answer.status_code for answer in answers]
    assert codes.count(401) == LOGINS_PER_ACCOUNT.attempts
    assert codes.count(429) == 40
    late = next(answer for answer in answers if answer.status_code == 429)
    assert int(late.headers["retry-after"]) > 0
    assert (await log_in(api.client, person.email)).status_code == 429  # the right one, too


async def test_without_redis_nobody_logs_in_but_who_is_in_goes_on(api: Api) -> None:
    person = await register(api.client)
    async with running_api(msgspec.structs.replace(api.settings, redis_url="redis://127.0.0.1:9/0")) as (client, _):
        answer = await log_in(client, person.email)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "nothing was done" in answer.json()["detail"]
        assert (await client.get("/api/me", headers=person.bearer)).status_code == 200
        assert (await client.post("/api/logout", headers=person.bearer)).status_code == 204
        assert (await client.get("/api/me", headers=person.bearer)).json()["code"] == "session_ended"


async def test_logging_out_ends_the_session_at_once_and_takes_the_cookie_back(api: Api) -> None:
    person = await register(api.client)
    assert (await api.client.get("/api/me", headers=person.bearer)).status_code == 200
    answer = await api.client.post("/api/logout", headers=person.bearer)
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    refused = await api.client.get("/api/me", headers=person.bearer)
    assert (refused.status_code, refused.json()["code"]) == (401, "session_ended")
    assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_a_changed_password_ends_every_other_session_and_keeps_keys(api: Api) -> None:
    person = await register(api.client)
    other = (await log_in(api.client, person.email)).json()["token"]
    key = await create_key(api.client, person, "read")
    for token in (person.token, other):  # both are remembered in this process now
        assert (await api.client.get("/api/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200
    body = {"current_password": PASSWORD, "new_password": "another fine password"}
    answer = await api.client.post("/api/password", json=body, headers=person.bearer)
    assert (answer.status_code, answer.json()) == (200, {"sessions": 1})
    assert (await api.client.get("/api/me", headers={"Authorization": f"Bearer {other}"})).status_code == 401
    assert (await api.client.get("/api/me", headers=person.bearer)).status_code == 200
    assert (await api.client.get("/api/me", headers=key_headers(*key))).status_code == 200
    assert (await log_in(api.client, person.email)).status_code == 401
    assert (await log_in(api.client, person.email, "another fine password")).status_code == 200


async def test_a_password_is_only_changed_by_who_knows_it(api: Api) -> None:
    person = await register(api.client)
    body = {"current_password": "not the password", "new_password": "another fine password"}
    answer = await api.client.post("/api/password", json=body, headers=person.bearer)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credentials")
    short = await api.client.post(
        "/api/password", json={"current_password": PASSWORD, "new_password": "short"}, headers=person.bearer
    )
    assert (short.status_code, short.json()["field"]) == (422, "new_password")
    assert (await log_in(api.client, person.email)).status_code == 200


async def test_of_two_password_changes_at_once_one_counts(api: Api) -> None:
    person = await register(api.client)
    bodies = [{"current_password": PASSWORD, "new_password": f"another password {n}"} for n in range(2)]
    answers = await asyncio.gather(
        *(api.client.post("/api/password", json=body, headers=person.bearer) for body in bodies)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_every_act_is_in_the_audit_log_with_its_address(api: Api) -> None:
    person = await register(api.client)
    await log_in(api.client, person.email, "not the password")
    token = (await log_in(api.client, person.email)).json()["token"]
    key_id, _ = await create_key(api.client, person, "read")
    await api.client.delete(f"/api/api-keys/{key_id}", headers=person.bearer)
    await api.client.post("/api/logout", headers={"Authorization": f"Bearer {token}"})
    body = {"current_password": PASSWORD, "new_password": "another fine password"}
    await api.client.post("/api/password", json=body, headers=person.bearer)
    database = await asyncpg.connect(api.settings.database_url)
    rows = await database.fetch(
        "SELECT action, address FROM audit_logs WHERE subject = ANY($1) ORDER BY id",
        [f"user:{person.id}", f"api_key:{key_id}"],
    )
    await database.close()
    assert [row["action"] for row in rows] == [
        "user.registered",
        "session.opened",
        "login.failed",
        "session.opened",
        "factor.added",
        "api_key.created",
        "api_key.revoked",
        "session.ended",
        "password.changed",
    ]
    assert {row["address"] for row in rows} == {"203.0.113.7"}


async def test_a_closed_account_is_nobody_and_a_frozen_one_reads(api: Api) -> None:
    person = await register(api.client)
    app = await enrol(api.client, person)
    database = await asyncpg.connect(api.settings.database_url)
    await database.execute("UPDATE users SET status = 'frozen' WHERE id = $1", person.id)
    token = {"Authorization": f"Bearer {(await log_in_with(api.client, person.email, app)).json()['token']}"}
    assert (await api.client.get("/api/me", headers=token)).json()["user"]["status"] == "frozen"
    body = {"label": "bot", "scopes": ["read"]}
    assert (await api.client.post("/api/api-keys", json=body, headers=token)).json()["code"] == "account_frozen"
    await database.execute("UPDATE users SET status = 'closed' WHERE id = $1", person.id)
    await database.close()
    assert (await log_in(api.client, person.email)).json()["code"] == "wrong_credentials"


async def test_sessions_are_listed_and_ended_by_their_owner_only(api: Api) -> None:
    ann, ben = await register(api.client), await register(api.client)
    for _ in range(2):
        await log_in(api.client, ann.email)
    page = (await api.client.get("/api/sessions?limit=2", headers=ann.bearer)).json()
    rest = (await api.client.get(f"/api/sessions?limit=2&cursor={page['next']}", headers=ann.bearer)).json()
    sessions = page["items"] + rest["items"]
    assert (len(sessions), rest["next"]) == (3, None)
    assert [session["current"] for session in sessions] == [False, False, True]
    assert sessions[0]["address"] == "203.0.113.7"
    first = sessions[0]["id"]
    foreign = await api.client.delete(f"/api/sessions/{first}", headers=ben.bearer)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "not_found")
    assert (await api.client.delete(f"/api/sessions/{first}", headers=ann.bearer)).status_code == 204
    assert (await api.client.delete(f"/api/sessions/{first}", headers=ann.bearer)).status_code == 404
    ended = await api.client.delete("/api/sessions", headers=ann.bearer)
    assert ended.json() == {"sessions": 1}
    left = (await api.client.get("/api/sessions", headers=ann.bearer)).json()["items"]
    assert [session["current"] for session in left] == [True]


async def test_a_cookie_of_another_browser_is_another_session(api: Api) -> None:
    person = await register(api.client)
    async with client_of(api.app) as phone, client_of(api.app) as desk:
        for browser in (phone, desk):
            body = {"email": person.email, "password": PASSWORD}
            answer = await browser.post("/api/login", json=body)
            assert answer.status_code == 200
            browser.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
        assert (await phone.post("/api/logout")).status_code == 204
        assert (await phone.get("/api/me")).status_code == 401
        assert (await desk.get("/api/me")).status_code == 200
