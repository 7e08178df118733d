"""Authenticator apps and recovery codes: enrolling, logging in by two steps, stepping up, locks."""

import asyncio
import xml.etree.ElementTree as ET
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx
import pyotp
import pytest

from bitcurrent.identity.factors.model import FAILURES_MAX, RECOVERY_CODES
from tests.identity.conftest import Api
from tests.support.brokerage import client_of
from tests.support.customers import PASSWORD, App, Person, enrol, log_in, log_in_with, register

pytestmark = pytest.mark.asyncio(loop_scope="module")
KEY = {"label": "bot", "scopes": ["read"]}


async def _step_up(api: Api, person: Person, code: str, method: str = "totp") -> httpx.Response:
    return await api.client.post("/api/step-up", json={"method": method, "code": code}, headers=person.bearer)


async def _execute(api: Api, query: str, *arguments: object) -> None:
    database = await asyncpg.connect(api.settings.owner_database_url)
    await database.execute(query, *arguments)
    await database.close()


async def _fetch(api: Api, query: str, *arguments: object) -> list[asyncpg.Record]:
    database = await asyncpg.connect(api.settings.database_url)
    rows: list[asyncpg.Record] = await database.fetch(query, *arguments)
    await database.close()
    return rows


async def _enrol_with_codes(api: Api) -> tuple[Person, App, list[str]]:
    person = await register(api.client)
    begun = await api.client.post("/api/factors/totp", json={"password": PASSWORD}, headers=person.bearer)
    app = App(begun.json()["secret"])
    done = await api.client.post("/api/factors/totp/confirm", json={"code": app.code()}, headers=person.bearer)
    return person, app, done.json()["recovery_codes"]


def _wrong(app: App) -> str:
    """Six digits that are no code of these minutes."""
    import time

    now = int(time.time()) // 30
    near = {pyotp.TOTP(app.secret).generate_otp(step) for step in range(now - 3, now + 4)}
    return next(code for code in (f"{n:06}" for n in range(100)) if code not in near)


async def test_an_app_is_added_with_the_password_and_a_code_and_the_secret_is_nowhere_in_the_clear(api: Api) -> None:
    person = await register(api.client)
    refused = await api.client.post("/api/factors/totp", json={}, headers=person.bearer)
    assert (refused.status_code, refused.json()["code"]) == (403, "password_required")
    wrong = await api.client.post("/api/factors/totp", json={"password": "not the password"}, headers=person.bearer)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    begun = (await api.client.post("/api/factors/totp", json={"password": PASSWORD}, headers=person.bearer)).json()
    uri = urlsplit(begun["uri"])
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert parse_qs(uri.query) == {"secret": [begun["secret"]], "issuer": ["BitCurrent"]}
    svg = ET.fromstring(begun["qr_svg"])
    assert svg.tag.endswith("svg")
    assert "viewBox" in svg.attrib
    # Until it is confirmed nothing has changed.
    assert "token" in (await log_in(api.client, person.email)).json()
    app = App(begun["secret"])
    confirmed = await api.client.post("/api/factors/totp/confirm", json={"code": app.code()}, headers=person.bearer)
    codes = confirmed.json()["recovery_codes"]
    assert len(set(codes)) == RECOVERY_CODES
    listed = (await api.client.get("/api/factors", headers=person.bearer)).json()
    assert (listed["methods"], listed["recovery_codes_left"]) == (["totp", "recovery_code"], 10)
    assert listed["fresh_until"] is not None
    again = await api.client.post("/api/factors/totp", json={}, headers=person.bearer)
    assert (again.status_code, again.json()["code"]) == (409, "factor_already_enrolled")
    rows = await _fetch(api, "SELECT secret_encrypted FROM totp_factors WHERE user_id = $1::text::uuid", person.id)
    assert begun["secret"].encode() not in rows[0]["secret_encrypted"]
    stored = await _fetch(api, "SELECT code_hash FROM recovery_codes WHERE user_id = $1::text::uuid", person.id)
    assert all(code.encode() not in row["code_hash"] for row in stored for code in codes)


async def test_a_login_then_takes_two_steps_and_the_challenge_works_once(api: Api) -> None:
    person = await register(api.client)
    app = await enrol(api.client, person)
    first = await log_in(api.client, person.email)
    assert first.status_code == 200
    assert "set-cookie" not in first.headers
    asked = first.json()
    assert (asked["next"], asked["methods"], asked["passkey"]) == ("second_factor", ["totp", "recovery_code"], None)
    assert set(asked) == {"next", "challenge", "expires_at", "methods", "passkey"}
    body = {"challenge": asked["challenge"], "method": "totp", "code": app.code()}
    second = await api.client.post("/api/login/second-factor", json=body)
    assert second.status_code == 200
    assert second.headers["set-cookie"].startswith("session=")
    api.client.cookies.clear()
    token = {"Authorization": f"Bearer {second.json()['token']}"}
    assert (await api.client.get("/api/me", headers=token)).json()["user"]["id"] == person.id
    # The session is fresh from its first moment.
    assert (await api.client.post("/api/api-keys", json=KEY, headers=token)).status_code == 201
    replay = await api.client.post("/api/login/second-factor", json={**body, "code": app.code()})
    assert (replay.status_code, replay.json()["code"]) == (401, "challenge_over")


async def test_no_code_works_twice_not_even_at_once(api: Api) -> None:
    person = await register(api.client)
    app = await enrol(api.client, person)
    code = app.code()
    answers = await asyncio.gather(*(_step_up(api, person, code) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 11
    assert {answer.json()["code"] for answer in answers if answer.status_code == 401} == {"code_used"}
    # Nor does an older one, once a newer was taken.
    older = pyotp.TOTP(app.secret).generate_otp(app._last - 1)
    assert (await _step_up(api, person, older)).json()["code"] == "code_used"


async def test_a_login_code_does_not_open_a_second_session(api: Api) -> None:
    person = await register(api.client)
    app = await enrol(api.client, person)
    code = app.code()
    answers = []
    for _ in range(2):
        challenge = (await log_in(api.client, person.email)).json()["challenge"]
        body = {"challenge": challenge, "method": "totp", "code": code}
        answers.append(await api.client.post("/api/login/second-factor", json=body))
        api.client.cookies.clear()
    assert [answer.status_code for answer in answers] == [200, 401]


async def test_five_wrong_codes_lock_the_app_also_for_the_right_code_and_the_customer_gets_a_letter(api: Api) -> None:
    person, app, recovery = await _enrol_with_codes(api)
    challenge = (await log_in(api.client, person.email)).json()["challenge"]
    wrong = {"challenge": challenge, "method": "totp", "code": _wrong(app)}
    answers = [await api.client.post("/api/login/second-factor", json=wrong) for _ in range(FAILURES_MAX)]
    assert [answer.status_code for answer in answers] == [401] * 4 + [429]
    assert [answer.json()["details"]["tries_left"] for answer in answers[:4]] == ["4", "3", "2", "1"]
    locked = answers[4].json()
    assert locked["code"] == "factor_locked"
    assert 0 < int(locked["details"]["retry_after_seconds"]) <= 900
    assert answers[4].headers["retry-after"] == locked["details"]["retry_after_seconds"]
    code = app.code()
    right = await api.client.post("/api/login/second-factor", json={**wrong, "code": code})
    assert (right.status_code, right.json()["code"]) == (429, "factor_locked")
    # A session's step-up is behind the same lock; a recovery code still opens.
    assert (await _step_up(api, person, code)).status_code == 429
    listed = (await api.client.get("/api/factors", headers=person.bearer)).json()
    assert set(listed["locked_until"]) == {"totp"}
    body = {"challenge": challenge, "method": "recovery_code", "code": recovery[0]}
    assert (await api.client.post("/api/login/second-factor", json=body)).status_code == 200
    api.client.cookies.clear()
    assert await letters_to(api, person.id) == ["factor_added", "factor_locked", "recovery_code_used"]
    # After the wait it works again, and the next lock would last twice as long.
    await _execute(api, "UPDATE factor_tries SET locked_until = now() WHERE user_id = $1::text::uuid", person.id)
    assert (await _step_up(api, person, code)).status_code == 200


async def test_parallel_guesses_are_counted_one_by_one(api: Api) -> None:
    person = await register(api.client)
    app = await enrol(api.client, person)
    guesses = await asyncio.gather(*(_step_up(api, person, _wrong(app)) for _ in range(20)))
    codes = [answer.json()["code"] for answer in guesses]
    assert (codes.count("wrong_code"), codes.count("factor_locked")) == (FAILURES_MAX - 1, 20 - FAILURES_MAX + 1)


async def test_a_second_lock_lasts_twice_as_long_until_a_right_code_comes(api: Api) -> None:
    person = await register(api.client)
    app = await enrol(api.client, person)
    seconds = []
    for _ in range(2):
        answers = [await _step_up(api, person, _wrong(app)) for _ in range(FAILURES_MAX)]
        seconds.append(int(answers[-1].json()["details"]["retry_after_seconds"]))
        await _execute(api, "UPDATE factor_tries SET locked_until = now() WHERE user_id = $1::text::uuid", person.id)
    assert seconds[0] <= 900 < seconds[1] <= 1800


async def test_a_recovery_code_works_once_however_it_is_typed(api: Api) -> None:
    person, _, codes = await _enrol_with_codes(api)
    typed = codes[0].upper().replace("-", " ")
    answers = await asyncio.gather(*(_step_up(api, person, typed, "recovery_code") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    again = await _step_up(api, person, codes[0], "recovery_code")
    assert (again.status_code, again.json()["code"]) == (401, "code_used")
    assert (await api.client.get("/api/factors", headers=person.bearer)).json()["recovery_codes_left"] == 9


async def test_renewed_recovery_codes_void_the_old_and_a_replay_shows_none(api: Api) -> None:
    person, _, old = await _enrol_with_codes(api)
    headers = {**person.bearer, "Idempotency-Key": "renew-1"}
    first = await api.client.post("/api/factors/recovery-codes", headers=headers)
    replay = await api.client.post("/api/factors/recovery-codes", headers=headers)
    assert (first.status_code, replay.status_code) == (201, 201)
    new = first.json()["recovery_codes"]
    assert len(set(new) - set(old)) == RECOVERY_CODES
    assert replay.json() == {"recovery_codes": None}
    assert (await _step_up(api, person, old[0], "recovery_code")).json()["code"] == "wrong_code"
    assert (await _step_up(api, person, new[0], "recovery_code")).status_code == 200


async def test_what_matters_needs_a_factor_used_within_five_minutes_and_says_how(api: Api) -> None:
    person = await register(api.client)
    missing = await api.client.post("/api/api-keys", json=KEY, headers=person.bearer)
    assert (missing.status_code, missing.json()["code"]) == (403, "second_factor_missing")
    assert "/api/factors/totp" in missing.json()["details"]["how"]
    app = await enrol(api.client, person)
    assert (await api.client.post("/api/api-keys", json=KEY, headers=person.bearer)).status_code == 201
    await _execute(
        api,
        "UPDATE user_sessions SET stepped_up_at = now() - interval '301 seconds' WHERE user_id = $1::text::uuid",
        person.id,
    )
    for request in (
        api.client.post("/api/api-keys", json=KEY, headers=person.bearer),
        api.client.delete("/api/factors/totp", headers=person.bearer),
        api.client.post("/api/factors/recovery-codes", headers=person.bearer),
        api.client.post("/api/factors/passkeys/options", json={"password": PASSWORD}, headers=person.bearer),
    ):
        stale = await request
        assert (stale.status_code, stale.json()["code"]) == (403, "second_factor_required"), stale.request.url
        assert stale.json()["details"]["methods"] == "totp,recovery_code"
        assert stale.json()["details"]["how"] == "POST /api/step-up"
    stepped = await _step_up(api, person, app.code())
    assert stepped.status_code == 200
    assert (await api.client.post("/api/api-keys", json=KEY, headers=person.bearer)).status_code == 201


async def test_a_step_up_freshens_one_session_only(api: Api) -> None:
    person = await register(api.client)
    other = (await log_in(api.client, person.email)).json()["token"]
    await enrol(api.client, person)
    stale = await api.client.post("/api/api-keys", json=KEY, headers={"Authorization": f"Bearer {other}"})
    assert stale.json()["code"] == "second_factor_required"


async def test_an_app_confirmed_in_a_stolen_session_needs_the_secret_that_its_owner_saw(api: Api) -> None:
    person = await register(api.client)
    none = await api.client.post("/api/factors/totp/confirm", json={"code": "123456"}, headers=person.bearer)
    assert (none.status_code, none.json()["code"]) == (404, "no_such_factor")
    begun = await api.client.post("/api/factors/totp", json={"password": PASSWORD}, headers=person.bearer)
    app = App(begun.json()["secret"])
    bodies = [{"code": _wrong(app)}] * FAILURES_MAX
    answers = [await api.client.post("/api/factors/totp/confirm", json=body, headers=person.bearer) for body in bodies]
    assert [answer.status_code for answer in answers] == [401] * 4 + [429]


async def test_removing_the_last_factor_takes_recovery_codes_along_and_logins_take_one_step_again(api: Api) -> None:
    person, _, codes = await _enrol_with_codes(api)
    assert (await api.client.delete("/api/factors/totp", headers=person.bearer)).status_code == 204
    assert "token" in (await log_in(api.client, person.email)).json()
    assert (await _step_up(api, person, codes[0], "recovery_code")).json()["code"] == "second_factor_missing"
    assert (await api.client.delete("/api/factors/totp", headers=person.bearer)).status_code == 403
    assert await letters_to(api, person.id) == ["factor_added", "factor_removed"]


async def test_a_changed_password_ends_what_was_begun_with_the_old_one(api: Api) -> None:
    person = await register(api.client)
    app = await enrol(api.client, person)
    challenge = (await log_in(api.client, person.email)).json()["challenge"]
    body = {"current_password": PASSWORD, "new_password": "another fine password"}
    assert (await api.client.post("/api/password", json=body, headers=person.bearer)).status_code == 200
    proof = {"challenge": challenge, "method": "totp", "code": app.code()}
    late = await api.client.post("/api/login/second-factor", json=proof)
    assert (late.status_code, late.json()["code"]) == (401, "challenge_over")


async def test_an_expired_challenge_is_over_and_unknown_ones_look_the_same(api: Api) -> None:
    person = await register(api.client)
    app = await enrol(api.client, person)
    challenge = (await log_in(api.client, person.email)).json()["challenge"]
    await _execute(api, "UPDATE factor_challenges SET expires_at = now() WHERE user_id = $1::text::uuid", person.id)
    bodies = [{"challenge": name, "method": "totp", "code": app.code()} for name in (challenge, "nonsense")]
    answers = [await api.client.post("/api/login/second-factor", json=body) for body in bodies]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"method": "totp"}, "code"),
        ({"method": "passkey"}, "credential"),
        ({"method": "sms", "code": "123456"}, "method"),
        ({"method": "nothing", "code": "1"}, "method"),
        ({"method": "totp", "code": ""}, "code"),
        ({"method": "totp", "code": "1" * 65}, "code"),
        ({"method": "totp", "code": "1", "user_id": "x"}, "user_id"),
    ],
)
async def test_a_wrong_step_up_names_the_field(api: Api, body: dict[str, object], field: str) -> None:
    person = await register(api.client)
    await enrol(api.client, person)
    answer = await api.client.post("/api/step-up", json=body, headers=person.bearer)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_an_api_key_can_neither_step_up_nor_see_factors(api: Api) -> None:
    from tests.support.customers import create_key, key_headers

    person = await register(api.client)
    headers = key_headers(*await create_key(api.client, person, "read", "trade"))
    for method, path in (("POST", "/api/step-up/options"), ("GET", "/api/factors"), ("DELETE", "/api/factors/totp")):
        answer = await api.client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "session_required"), path


async def test_factors_work_without_redis_memory_and_logins_are_in_the_audit_log(api: Api) -> None:
    person = await register(api.client)
    app = await enrol(api.client, person)
    async with client_of(api.app) as other:
        assert (await log_in_with(other, person.email, app)).status_code == 200
    rows = await _fetch(
        api, "SELECT action, address, details FROM audit_logs WHERE subject = $1 ORDER BY id", f"user:{person.id}"
    )
    assert [row["action"] for row in rows][-3:] == ["factor.added", "factor.used", "session.opened"]
    assert {row["address"] for row in rows} == {"203.0.113.7"}
    assert app.secret not in str(rows)


async def letters_to(api: Api, user_id: str) -> list[str]:
    """The letters that were queued for somebody, oldest first."""
    rows = await _fetch(api, "SELECT template FROM mails WHERE user_id = $1::text::uuid ORDER BY id", user_id)
    return [row["template"] for row in rows]
