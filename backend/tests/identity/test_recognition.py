"""Sessions and keys checked at every request: with Redis, without it, after a flush, and from two processes."""

import asyncio
import time

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from bitcurrent.identity.model import InvalidApiKey, SessionEnded
from bitcurrent.identity.recognition import Recognition
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from tests.identity.conftest import Api
from tests.support.brokerage import running_api
from tests.support.customers import create_key, enrol, key_headers, log_in, register

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_flushed_redis_logs_nobody_in_or_out(api: Api) -> None:
    person, leaver = await register(api.client), await register(api.client)
    for each in (person, leaver):
        assert (await api.client.get("/api/me", headers=each.bearer)).status_code == 200
    assert (await api.client.post("/api/logout", headers=leaver.bearer)).status_code == 204
    redis: Redis = connect_redis(api.settings.redis_url)
    await redis.flushall()
    await redis.aclose()
    assert (await api.client.get("/api/me", headers=person.bearer)).status_code == 200
    assert (await api.client.get("/api/me", headers=leaver.bearer)).status_code == 401


async def test_a_session_that_ends_in_one_process_ends_in_the_other(api: Api) -> None:
    person = await register(api.client)
    key = await create_key(api.client, person, "read")
    async with running_api(api.settings) as (second, _):
        await asyncio.sleep(0.3)  # it listens by now
        assert (await second.get("/api/me", headers=person.bearer)).status_code == 200
        assert (await second.get("/api/me", headers=key_headers(*key))).status_code == 200
        await api.client.delete(f"/api/api-keys/{key[0]}", headers=person.bearer)
        await api.client.post("/api/logout", headers=person.bearer)
        await asyncio.sleep(0.3)
        assert (await second.get("/api/me", headers=person.bearer)).json()["code"] == "session_ended"
        assert (await second.get("/api/me", headers=key_headers(*key))).json()["code"] == "invalid_api_key"


async def test_a_copy_made_before_the_end_does_not_bring_a_session_back(api: Api) -> None:
    person = await register(api.client)
    identity: Recognition = api.app.state["identity"]
    actor = await identity.authenticate_token(person.token)
    assert actor.session_id is not None
    await api.client.post("/api/logout", headers=person.bearer)
    # A reader that asked PostgreSQL before the end writes its copy late.
    await identity._sessions.keep(actor.session_id, actor)
    with pytest.raises(SessionEnded):
        await identity.authenticate_token(person.token)


async def test_recognition_works_outside_litestar_and_without_redis(api: Api) -> None:
    person = await register(api.client)
    key = await create_key(api.client, person, "read", "trade")
    database = await Database.connect(api.settings.database_url)
    redis = connect_redis("redis://127.0.0.1:9/0")
    recognition = Recognition(database, redis, api.settings)
    by_cookie = await recognition.authenticate([(b"cookie", f"a=b; session={person.token}; c=d".encode())])
    by_key = await recognition.authenticate(
        [(b"apca-api-key-id", key[0].encode()), (b"apca-api-secret-key", key[1].encode())]
    )
    assert str(by_cookie.user_id) == str(by_key.user_id) == person.id
    assert (by_key.key_id, by_key.session_id) == (key[0], None)
    with pytest.raises(InvalidApiKey):
        await recognition.authenticate_key(key[0], "wrong")
    await redis.aclose()
    await database.close()


async def test_recognising_the_same_token_again_costs_next_to_nothing(api: Api) -> None:
    person = await register(api.client)
    recognition: Recognition = api.app.state["identity"]
    headers = [(b"authorization", f"Bearer {person.token}".encode())]
    await recognition.authenticate(headers)
    best = min([await _microseconds(recognition, headers) for _ in range(20)])
    assert best < 150


async def _microseconds(recognition: Recognition, headers: list[tuple[bytes, bytes]]) -> float:
    start = time.perf_counter()
    for _ in range(50):
        await recognition.authenticate(headers)
    return (time.perf_counter() - start) / 50 * 1e6


async def test_a_frozen_account_is_seen_within_the_minute_a_copy_lives(api: Api) -> None:
    person = await register(api.client)
    await api.client.get("/api/me", headers=person.bearer)
    redis: Redis = connect_redis(api.settings.redis_url)
    ages = [await redis.ttl(key) for key in await redis.keys("session:*")]
    await redis.aclose()
    assert ages
    assert all(0 < age <= 60 for age in ages)


async def test_when_postgresql_is_gone_nobody_new_is_recognised_and_the_answer_says_so(api: Api) -> None:
    person = await register(api.client)
    settings = msgspec.structs.replace(api.settings)
    async with running_api(settings) as (client, app):
        app.state["identity"]._database = app.state["database"]
        await app.state["database"].close()
        answer = await client.get("/api/sessions", headers=person.bearer)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert answer.json()["details"] == {"outcome": "none"}


async def test_an_api_key_is_shown_once_listed_without_secret_and_revoked(api: Api) -> None:
    person = await register(api.client)
    key_id, secret = await create_key(api.client, person, "read")
    assert key_id.startswith("BK")
    assert len(secret) >= 32
    listed = (await api.client.get("/api/api-keys", headers=person.bearer)).json()["items"]
    assert [(key["key_id"], key["scopes"], key["revoked_at"]) for key in listed] == [(key_id, ["read"], None)]
    assert secret not in str(listed)
    me = await api.client.get("/api/me", headers=key_headers(key_id, secret))
    assert (me.json()["api_key_id"], me.json()["scopes"], me.json()["session_id"]) == (key_id, ["read"], None)
    used = (await api.client.get("/api/api-keys", headers=person.bearer)).json()["items"][0]["last_used_at"]
    assert used is not None
    for _ in range(2):
        assert (await api.client.delete(f"/api/api-keys/{key_id}", headers=person.bearer)).status_code == 204
    refused = await api.client.get("/api/me", headers=key_headers(key_id, secret))
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_api_key")


async def test_only_a_hash_of_the_secret_is_stored_even_for_replays(api: Api) -> None:
    person = await register(api.client)
    headers = {**person.bearer, "Idempotency-Key": "make-me-a-key"}
    await enrol(api.client, person)
    body = {"label": "bot", "scopes": ["read", "trade"]}
    first = await api.client.post("/api/api-keys", json=body, headers=headers)
    again = await api.client.post("/api/api-keys", json=body, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == {**first.json(), "secret_key": None}
    database = await asyncpg.connect(api.settings.database_url)
    saved = await database.fetchval("SELECT body FROM idempotency_keys WHERE user_id = $1::text::uuid", person.id)
    hashed = await database.fetchval("SELECT secret_hash FROM api_keys WHERE user_id = $1::text::uuid", person.id)
    await database.close()
    assert first.json()["secret_key"].encode() not in saved
    assert len(hashed) == 32
    assert len((await api.client.get("/api/api-keys", headers=person.bearer)).json()["items"]) == 1


async def test_an_api_key_cannot_make_keys_or_see_sessions(api: Api) -> None:
    person = await register(api.client)
    headers = key_headers(*await create_key(api.client, person, "read", "trade"))
    made = await api.client.post("/api/api-keys", json={"label": "x", "scopes": ["read"]}, headers=headers)
    assert (made.status_code, made.json()["code"]) == (403, "session_required")
    for path in ("/api/sessions", "/api/api-keys"):
        assert (await api.client.get(path, headers=headers)).json()["code"] == "session_required"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["withdraw"]}, "scopes[0]"),
        ({"label": " "}, "label"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"user_id": "somebody"}, "user_id"),
    ],
)
async def test_a_wrong_key_request_names_the_field(api: Api, change: dict[str, object], field: str) -> None:
    person = await register(api.client)
    await enrol(api.client, person)
    body = {"label": "bot", "scopes": ["read"], **change}
    answer = await api.client.post("/api/api-keys", json=body, headers=person.bearer)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_there_are_at_most_twenty_keys_also_at_once(api: Api) -> None:
    person = await register(api.client)
    await enrol(api.client, person)
    body = {"label": "bot", "scopes": ["read"]}
    answers = await asyncio.gather(
        *(api.client.post("/api/api-keys", json=body, headers=person.bearer) for _ in range(25))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 20 + [409] * 5


async def test_an_expired_key_is_refused(api: Api) -> None:
    person = await register(api.client)
    key = await create_key(api.client, person, "read", expires_at="2031-01-01T00:00:00Z")
    database = await asyncpg.connect(api.settings.database_url)
    await database.execute("UPDATE api_keys SET expires_at = now() - interval '1 second' WHERE key_id = $1", key[0])
    await database.close()
    assert (await api.client.get("/api/me", headers=key_headers(*key))).status_code == 401


async def test_passwords_tokens_and_secrets_never_reach_the_log(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    from bitcurrent.kernel.logs import configure_logs

    configure_logs("debug")
    canary = "canary-password-never-to-be-seen"
    person = await register(api.client, password=canary)
    wish = {"email": "bird@example.test", "display_name": "B", "password": canary}
    assert (await api.client.post("/api/register", json=wish)).status_code == 202
    app = await enrol(api.client, person, password=canary)
    key = await create_key(api.client, person, "read")
    await log_in(api.client, person.email, canary + "-wrong")
    await api.client.get(f"/api/me?token={person.token}", headers=key_headers(*key))
    await api.client.post("/api/password", json={"current_password": canary}, headers=person.bearer)
    await api.client.post("/api/login", content=f'{{"email": "x", "password": "{canary}"'.encode())
    written = capsys.readouterr()
    assert "/api/register" in written.out
    for secret in (canary, person.token, key[1], app.secret):
        assert secret not in written.out + written.err
