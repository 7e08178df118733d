"""What an API key's owner binds it to holds wherever the key is used: networks, signatures, changes, last use."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from bitcurrent.identity.key_signing import Approach
from bitcurrent.identity.recognition import Recognition
from bitcurrent.kernel.cache import connect_redis
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Unavailable
from tests.identity.conftest import Api
from tests.support.brokerage import running_api
from tests.support.callers import client_from, give_key
from tests.support.customers import enrol, key_headers, register
from tests.support.signing import Signed

pytestmark = pytest.mark.asyncio(loop_scope="module")

HERE = "203.0.113.7"
ELSEWHERE = "198.51.100.9"


async def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def test_a_key_bound_to_networks_works_from_there_and_from_nowhere_else(api: Api) -> None:
    person = await register(api.client)
    key = key_headers(*await give_key(api.app, person, "read", networks=["203.0.113.0/28", "2001:db8::/32"]))
    assert (await api.client.get("/api/me", headers=key)).status_code == 200
    async with client_from(api.app, "2001:db8::5") as same, client_from(api.app, ELSEWHERE) as other:
        assert (await same.get("/api/me", headers=key)).status_code == 200
        refused = await other.get("/api/me", headers=key)
        assert await code_of(refused) == (403, "address_not_allowed")
        assert refused.json()["details"]["address"] == ELSEWHERE
        bot = await other.get("/v2/account", headers=key)
        assert bot.status_code == 403
        assert ELSEWHERE in bot.json()["message"]


async def test_a_forged_forwarded_address_does_not_open_a_bound_key(api: Api) -> None:
    person = await register(api.client)
    key = key_headers(*await give_key(api.app, person, "read", networks=["192.0.2.1"]))
    forged = {**key, "X-Forwarded-For": "192.0.2.1"}
    assert await code_of(await api.client.get("/api/me", headers=forged)) == (403, "address_not_allowed")
    trusting = msgspec.structs.replace(api.settings, trusted_proxies=HERE)
    async with running_api(trusting) as (client, _):
        assert (await client.get("/api/me", headers=forged)).status_code == 200
        # What the client wrote before the proxy added the truth is not proof.
        behind = {**key, "X-Forwarded-For": f"192.0.2.1, {ELSEWHERE}"}
        assert await code_of(await client.get("/api/me", headers=behind)) == (403, "address_not_allowed")


async def test_a_dual_stack_socket_shows_the_same_network(api: Api) -> None:
    person = await register(api.client)
    key = key_headers(*await give_key(api.app, person, "read", networks=["::ffff:203.0.113.0/124"]))
    async with client_from(api.app, "::ffff:203.0.113.7") as mapped:
        assert (await mapped.get("/api/me", headers=key)).status_code == 200
    assert (await api.client.get("/api/me", headers=key)).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"networks": ["everywhere"]}, "networks"),
        ({"networks": ["203.0.113.0/33"]}, "networks"),
        ({"networks": [f"203.0.113.{n}" for n in range(21)]}, "networks"),
        ({"symbols": ["BTCUSD"]}, "symbols"),
        ({"symbols": ["BTC/USD; DROP"]}, "symbols"),
        ({"daily_notional": "0"}, "daily_notional"),
        ({"daily_notional": "-1"}, "daily_notional"),
        ({"daily_notional": "a lot"}, "daily_notional"),
        ({"require_signature": "yes"}, "require_signature"),
        ({"scopes": ["withdraw"]}, "scopes[0]"),
        ({"key_id": "BKMINE"}, "key_id"),
        ({"used_today": "0"}, "used_today"),
    ],
)
async def test_wrong_limits_name_the_field_when_made_and_when_changed(
    api: Api, change: dict[str, object], field: str
) -> None:
    person = await register(api.client)
    await enrol(api.client, person)
    key_id, _ = await give_key(api.app, person, "read")
    body = {"label": "bot", "scopes": ["read"], **change}
    made = await api.client.post("/api/api-keys", json=body, headers=person.bearer)
    changed = await api.client.patch(f"/api/api-keys/{key_id}", json=change, headers=person.bearer)
    assert (made.status_code, made.json()["field"]) == (422, field)
    assert (changed.status_code, changed.json()["field"]) == (422, field)


async def test_a_change_counts_at_once_leaves_the_rest_and_is_in_the_audit_log(api: Api) -> None:
    person = await register(api.client)
    await enrol(api.client, person)
    key_id, secret = await give_key(
        api.app, person, "read", "trade", symbols=["btc-usd", "ETH/USD"], daily_notional=Decimal("500.25")
    )
    key = key_headers(key_id, secret)
    assert (await api.client.get("/api/me", headers=key)).status_code == 200
    path = f"/api/api-keys/{key_id}"
    changed = await api.client.patch(path, json={"scopes": ["read"], "networks": [HERE]}, headers=person.bearer)
    assert changed.status_code == 200
    answer = changed.json()
    assert (answer["scopes"], answer["networks"]) == (["read"], ["203.0.113.7/32"])
    assert (answer["symbols"], answer["daily_notional"]) == (["BTC/USD", "ETH/USD"], "500.25")
    assert (await api.client.get("/api/me", headers=key)).json()["scopes"] == ["read"]
    async with client_from(api.app, ELSEWHERE) as other:
        assert (await other.get("/api/me", headers=key)).status_code == 403
    freed = await api.client.patch(
        path, json={"networks": [], "symbols": [], "daily_notional": None}, headers=person.bearer
    )
    assert (freed.json()["networks"], freed.json()["symbols"], freed.json()["daily_notional"]) == ([], [], None)
    database = await asyncpg.connect(api.settings.database_url)
    act = await database.fetchrow(
        "SELECT before::text, after::text FROM audit_logs WHERE subject = $1 AND action = 'api_key.changed' "
        "ORDER BY id LIMIT 1",
        f"api_key:{key_id}",
    )
    await database.close()
    assert act is not None
    assert '"trade"' in act["before"]
    assert "203.0.113.7/32" in act["after"]
    assert '"trade"' not in act["after"]


async def test_making_and_changing_a_key_needs_a_fresh_second_factor(api: Api) -> None:
    person = await register(api.client)
    key_id, _ = await give_key(api.app, person, "read")
    for method, path in (("POST", "/api/api-keys"), ("PATCH", f"/api/api-keys/{key_id}")):
        body = {"label": "bot", "scopes": ["read", "trade"]}
        answer = await api.client.request(method, path, json=body, headers=person.bearer)
        assert await code_of(answer) == (403, "second_factor_missing")


async def test_only_the_owner_changes_reads_or_revokes_a_key_and_not_with_a_key(api: Api) -> None:
    ann, ben = await register(api.client), await register(api.client)
    for person in (ann, ben):
        await enrol(api.client, person)
    key_id, secret = await give_key(api.app, ann, "read", "trade")
    path = f"/api/api-keys/{key_id}"
    for method, body in (("GET", None), ("PATCH", {"label": "mine"}), ("DELETE", None)):
        strange = await api.client.request(method, path, json=body, headers=ben.bearer)
        assert strange.status_code == 404
        itself = await api.client.request(method, path, json=body, headers=key_headers(key_id, secret))
        assert await code_of(itself) == (403, "session_required")
    assert (await api.client.delete(path, headers=ann.bearer)).status_code == 204
    dead = await api.client.patch(path, json={"label": "again"}, headers=ann.bearer)
    assert await code_of(dead) == (409, "api_key_revoked")


async def test_the_last_use_is_told_with_time_and_address(api: Api) -> None:
    person = await register(api.client)
    key_id, secret = await give_key(api.app, person, "read")
    path = f"/api/api-keys/{key_id}"
    unused = (await api.client.get(path, headers=person.bearer)).json()
    assert (unused["last_used_at"], unused["last_used_address"]) == (None, None)
    async with client_from(api.app, ELSEWHERE) as other:
        await other.get("/api/me", headers=key_headers(key_id, secret))
    used = (await api.client.get(path, headers=person.bearer)).json()
    assert used["last_used_at"] is not None
    assert used["last_used_address"] == ELSEWHERE
    chosen = await api.client.get(path, params={"fields": "last_used_address"}, headers=person.bearer)
    assert chosen.json() == {"last_used_address": ELSEWHERE}


# ---- signed requests


async def test_a_signed_request_needs_no_secret_on_the_way(api: Api) -> None:
    person = await register(api.client)
    key = await give_key(api.app, person, "read")
    answer = await api.client.get("/api/me?a=%C3%A9&b=1", auth=Signed(*key))
    assert (answer.status_code, answer.json()["api_key_id"]) == (200, key[0])
    sent = answer.request.headers
    assert key[1] not in str(sent)


async def test_what_was_not_signed_is_refused(api: Api) -> None:
    person = await register(api.client)
    key = await give_key(api.app, person, "read", "trade")
    signer = Signed(*key)
    body = b'{"symbol":"BTC-USD"}'
    headers = {"Content-Type": "application/json"}
    cases: list[tuple[str, str, bytes, dict[str, str]]] = [
        ("GET", "/api/sessions", b"", signer.headers("GET", "/api/me")),
        ("GET", "/api/me?x=2", b"", signer.headers("GET", "/api/me?x=1")),
        ("POST", "/api/orders", b'{"symbol":"ETH-USD"}', signer.headers("POST", "/api/orders", body)),
        ("POST", "/api/orders", body, signer.headers("PUT", "/api/orders", body)),
        ("GET", "/api/me", b"", Signed(key[0], "another secret").headers("GET", "/api/me")),
        ("GET", "/api/me", b"", Signed("BKNOBODY", key[1]).headers("GET", "/api/me")),
        ("GET", "/api/me", b"", {**signer.headers("GET", "/api/me"), "X-BC-Signature": "é".encode().hex()}),
        ("GET", "/api/me", b"", Signed(*key, nonce="short").headers("GET", "/api/me")),
    ]
    for method, path, content, proof in cases:
        answer = await api.client.request(method, path, content=content, headers={**headers, **proof})
        assert await code_of(answer) == (401, "bad_signature"), (method, path, answer.text)
    for missing in ("X-BC-Timestamp", "X-BC-Nonce", "X-BC-Signature"):
        proof = signer.headers("GET", "/api/me")
        del proof[missing]
        answer = await api.client.get("/api/me", headers=proof)
        assert await code_of(answer) == (401, "bad_signature")
        assert missing.lower() in answer.json()["detail"]


async def test_a_signed_request_counts_once_even_when_sent_many_times_at_once(api: Api) -> None:
    person = await register(api.client)
    proof = Signed(*await give_key(api.app, person, "read")).headers("GET", "/api/me")
    answers = await asyncio.gather(*(api.client.get("/api/me", headers=proof) for _ in range(10)))
    codes = sorted(answer.json().get("code", "ok") for answer in answers)
    assert codes == ["nonce_used"] * 9 + ["ok"]


@pytest.mark.parametrize(("skew", "status"), [(-29_000, 200), (29_000, 200), (-31_000, 401), (31_000, 401)])
async def test_a_signature_is_good_for_half_a_minute_around_now(api: Api, skew: int, status: int) -> None:
    person = await register(api.client)
    key = await give_key(api.app, person, "read")
    answer = await api.client.get("/api/me", auth=Signed(*key, skew=skew))
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["code"] == "stale_timestamp"
        assert int(answer.json()["details"]["server_time"]) > 0


async def test_a_key_that_wants_signatures_takes_nothing_else(api: Api) -> None:
    person = await register(api.client)
    key = await give_key(api.app, person, "read", require_signature=True)
    assert await code_of(await api.client.get("/api/me", headers=key_headers(*key))) == (401, "signature_required")
    assert (await api.client.get("/v2/clock", headers=key_headers(*key))).status_code == 401
    assert (await api.client.get("/api/me", auth=Signed(*key))).status_code == 200
    assert (await api.client.get("/v2/clock", auth=Signed(*key))).status_code == 200
    wrong = await api.client.get("/api/me", headers=key_headers(key[0], "wrong"))
    assert await code_of(wrong) == (401, "invalid_api_key")


async def test_a_signed_key_is_bound_to_its_networks_too(api: Api) -> None:
    person = await register(api.client)
    key = await give_key(api.app, person, "read", networks=[HERE])
    async with client_from(api.app, ELSEWHERE) as other:
        assert await code_of(await other.get("/api/me", auth=Signed(*key))) == (403, "address_not_allowed")


async def test_without_redis_signed_reads_go_on_and_writes_are_refused(api: Api) -> None:
    person = await register(api.client)
    key = await give_key(api.app, person, "read", "trade")
    body: dict[str, Any] = {"symbol": "BTC-USD", "side": "buy", "type": "market", "notional": "20"}
    async with running_api(msgspec.structs.replace(api.settings, redis_url="redis://127.0.0.1:9/0")) as (client, _):
        assert (await client.get("/api/me", auth=Signed(*key))).status_code == 200
        for path in ("/api/orders", "/v2/orders"):
            answer = await client.post(path, json=body, auth=Signed(*key))
            assert answer.status_code == 503, answer.text


async def test_a_write_whose_nonce_cannot_be_checked_is_refused_by_recognition_itself(api: Api) -> None:
    person = await register(api.client)
    key = await give_key(api.app, person, "read", "trade")
    database = await Database.connect(api.settings.database_url)
    redis = connect_redis("redis://127.0.0.1:9/0")
    recognition = Recognition(database, redis, api.settings)
    for method in ("GET", "POST", "DELETE"):
        proof = Signed(*key).headers(method, "/api/anything")
        headers = [(name.lower().encode(), value.encode()) for name, value in proof.items()]
        asking = recognition.authenticate(headers, approach=Approach(HERE, method, "/api/anything"))
        if method == "GET":
            assert (await asking).key_id == key[0]
        else:
            with pytest.raises(Unavailable):
                await asking
    await redis.aclose()
    await database.close()


async def test_a_revoked_or_expired_key_signs_nothing_any_more(api: Api) -> None:
    person = await register(api.client)
    revoked, expired = [await give_key(api.app, person, "read") for _ in range(2)]
    assert (await api.client.get("/api/me", auth=Signed(*revoked))).status_code == 200
    await api.client.delete(f"/api/api-keys/{revoked[0]}", headers=person.bearer)
    database = await asyncpg.connect(api.settings.database_url)
    await database.execute("UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE key_id = $1", expired[0])
    await database.close()
    for key in (revoked, expired):
        assert await code_of(await api.client.get("/api/me", auth=Signed(*key))) == (401, "bad_signature")
