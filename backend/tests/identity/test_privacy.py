"""Profiles: strict, encrypted, and nowhere to be seen but by their owner."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from bitcurrent.identity.privacy.service import Privacy
from bitcurrent.kernel import rewrapping
from bitcurrent.kernel.crypto import Undecipherable, Vault, new_key
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.identity.conftest import Api
from tests.support.brokerage import BLIND_INDEX_KEY, ENCRYPTION_KEYS
from tests.support.customers import create_key, key_headers, register
from tests.support.dumps import dump, found_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROFILE: dict[str, Any] = {
    "legal_name": "Quillon Canarywharf-Zebedee",
    "birth_date": "1979-12-13",
    "address": {
        "lines": ["17 Budgerigar Mews", "Flat 9"],
        "city": "Parakeetham",
        "postal_code": "CN4 RY",
        "region": None,
        "country": "GB",
    },
    "phone": "+447700900123",
    "documents": [{"kind": "passport", "number": "ZX9981234", "country": "GB", "expires_on": "2031-05-06"}],
}
CANARIES = (
    "Quillon", "Canarywharf", "1979-12-13", "Budgerigar", "Parakeetham", "CN4 RY", "7700900123", "ZX9981234",
    "quillon.canary@example.test", "Pat Person",
)  # fmt: skip


async def test_there_is_none_until_it_is_set_and_then_it_is_what_was_set(api: Api) -> None:
    person = await register(api.client)
    before = await api.client.get("/api/profile", headers=person.bearer)
    assert (before.status_code, before.json()["code"]) == (404, "not_found")
    answer = await api.client.put("/api/profile", json=PROFILE, headers=person.bearer)
    assert answer.status_code == 200, answer.text
    kept = (await api.client.get("/api/profile", headers=person.bearer)).json()
    assert kept == answer.json()
    assert {name: kept[name] for name in PROFILE} == PROFILE
    again = await api.client.put("/api/profile", json=PROFILE, headers=person.bearer)
    assert again.json() == kept  # the very same: nothing was written
    less = {name: PROFILE[name] for name in ("legal_name", "birth_date", "address")}
    answer = await api.client.put("/api/profile", json=less, headers=person.bearer)
    assert (answer.json()["phone"], answer.json()["documents"]) == (None, [])


async def test_it_is_normalised(api: Api) -> None:
    person = await register(api.client)
    body = {
        **PROFILE,
        "legal_name": "  Zoe\u0308   O'Neil ",
        "phone": "+1 (415) 555-0123",
        "documents": [{"kind": "passport", "number": " ab 123 ", "country": "US"}],
    }
    kept = (await api.client.put("/api/profile", json=body, headers=person.bearer)).json()
    assert kept["legal_name"] == "Zo\u00eb O'Neil"
    assert kept["phone"] == "+14155550123"
    assert kept["documents"][0]["number"] == "AB 123"


def _with(path: str, value: object) -> dict[str, Any]:
    head, _, rest = path.partition(".")
    if not rest:
        return {**PROFILE, head: value}
    if head == "documents":
        return {**PROFILE, "documents": [{**PROFILE["documents"][0], rest: value}]}
    return {**PROFILE, head: {**PROFILE[head], rest: value}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("legal_name", ""),
        ("legal_name", "..."),
        ("legal_name", "x" * 151),
        ("legal_name", "Ada\u0000Lovelace"),
        ("legal_name", "Ada\u202eLovelace"),
        ("legal_name", None),
        ("birth_date", "1899-12-31"),
        ("birth_date", "2990-01-01"),
        ("birth_date", "13/12/1979"),
        ("birth_date", "1979-02-30"),
        ("birth_date", 1979),
        ("address.lines", []),
        ("address.lines", ["a", "b", "c", "d"]),
        ("address.lines", ["a\u0007b"]),
        ("address.city", " "),
        ("address.country", "UK"),
        ("address.country", "gb"),
        ("address.country", "XX"),
        ("address.postal_code", "x" * 21),
        ("address.planet", "Earth"),
        ("phone", "07700900123"),
        ("phone", "+0123456789"),
        ("phone", "+1234567890123456"),
        ("phone", "+44 7700 90O123"),
        ("phone", ""),
        ("documents.kind", "library_card"),
        ("documents.number", "'; --"),
        ("documents.number", "x"),
        ("documents.expires_on", "soon"),
        ("kyc_level", "full"),
        ("user_id", "01890000-0000-7000-8000-000000000001"),
    ],
)
async def test_a_wrong_profile_names_the_field_and_not_the_value(api: Api, path: str, value: object) -> None:
    person = await register(api.client)
    answer = await api.client.put("/api/profile", json=_with(path, value), headers=person.bearer)
    problem = answer.json()
    assert answer.status_code == 422, answer.text
    assert str(problem["field"]).partition(".")[0].partition("[")[0] == path.partition(".")[0]
    if isinstance(value, str) and len(value) > 5 and path != "documents.kind":
        assert value not in answer.text
    assert not found_in(answer.content, "Quillon", "Budgerigar")
    assert (await api.client.get("/api/profile", headers=person.bearer)).status_code == 404


async def test_who_turns_eighteen_today_may_come_in_and_tomorrow_may_not(api: Api) -> None:
    person = await register(api.client)
    today = datetime.now(UTC).date()
    eighteen = date(today.year - 18, today.month, min(today.day, 28))
    assert (
        await api.client.put("/api/profile", json=_with("birth_date", str(eighteen)), headers=person.bearer)
    ).status_code == 200
    younger = date(today.year - 17, today.month, min(today.day, 28))
    answer = await api.client.put("/api/profile", json=_with("birth_date", str(younger)), headers=person.bearer)
    assert (answer.status_code, answer.json()["field"]) == (422, "birth_date")


async def test_api_keys_and_strangers_see_none_of_it(api: Api) -> None:
    ann, ben = await register(api.client), await register(api.client)
    await api.client.put("/api/profile", json=PROFILE, headers=ann.bearer)
    assert (await api.client.get("/api/profile", headers=ben.bearer)).status_code == 404
    assert (await api.client.get("/api/profile")).status_code == 401
    key = key_headers(*await create_key(api.client, ann, "read", "trade"))
    for method, path in (("GET", "/api/profile"), ("PUT", "/api/profile"), ("GET", "/api/me/export")):
        answer = await api.client.request(method, path, json=PROFILE if method == "PUT" else None, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (403, "session_required")


async def test_what_was_verified_is_not_changed_by_the_customer(api: Api) -> None:
    person = await register(api.client)
    await api.client.put("/api/profile", json=PROFILE, headers=person.bearer)
    owner = await asyncpg.connect(api.settings.owner_database_url)
    await owner.execute("UPDATE users SET kyc_level = 'basic' WHERE id = $1", UUID(person.id))
    await owner.close()
    answer = await api.client.put("/api/profile", json=_with("legal_name", "Somebody Else"), headers=person.bearer)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        409, "profile_verified", "legal_name",
    )  # fmt: skip
    moved = await api.client.put("/api/profile", json=_with("address.city", "Elsewhere"), headers=person.bearer)
    assert moved.json()["address"]["city"] == "Elsewhere"


async def test_a_phone_is_found_however_it_is_written(api: Api) -> None:
    person = await register(api.client)
    await api.client.put("/api/profile", json=_with("phone", "+49 30 901820"), headers=person.bearer)
    privacy: Privacy = api.app.state["privacy"]
    database: Database = api.app.state["database"]
    async with database.read() as connection:
        assert await privacy.users_with_phone(connection, "+49-30-90-1820") == [UserId(UUID(person.id))]
        assert await privacy.users_with_phone(connection, "+49 30 901821") == []


async def test_a_canary_is_in_no_dump_no_log_no_cache_and_is_read_after_a_rotation(
    api: Api, redis_url: str, module_database_urls: DatabaseUrls, capfd: pytest.CaptureFixture[str]
) -> None:
    person = await register(api.client, email="Quillon.Canary@example.test")
    headers = {**person.bearer, "Idempotency-Key": "canary"}
    answer = await api.client.put("/api/profile", json=PROFILE, headers=headers)
    assert answer.status_code == 200
    await api.client.put("/api/profile", json=_with("phone", "Quillon"), headers=headers)
    assert (await api.client.get("/api/me/export", headers=person.bearer)).status_code == 200
    stolen = dump(module_database_urls.owner)
    assert person.id.encode() in stolen  # it is the right database, and whole
    assert not found_in(stolen, *CANARIES)
    redis = Redis.from_url(redis_url)
    async for key in redis.scan_iter():
        assert not found_in(key + (await redis.dump(key) or b""), *CANARIES)
    await redis.aclose()
    said = capfd.readouterr()
    assert not found_in((said.out + said.err).encode(), *CANARIES)

    database: Database = api.app.state["database"]
    newer = new_key()
    both = Vault.from_text(f"newer:{newer},{ENCRYPTION_KEYS}", BLIND_INDEX_KEY)
    async with database.read() as connection:
        carriers = await rewrapping.find_carriers(connection)
    assert {"users.data_key", "customer_profiles.data_key"} <= {carrier.name for carrier in carriers}
    for carrier in carriers:
        progress = rewrapping.Progress()
        while not progress.finished:
            progress = await rewrapping.rewrap_batch(database, both, carrier, progress)
    from bitcurrent.identity import repository as people
    from bitcurrent.identity.privacy import repository

    only_newer = Vault.from_text(f"newer:{newer}", BLIND_INDEX_KEY)
    async with database.read() as connection:
        kept = await repository.find_profile(connection, only_newer, UserId(UUID(person.id)))
        user = await people.find_user(connection, only_newer, UserId(UUID(person.id)))
    assert kept is not None
    assert user is not None
    assert kept.profile.legal_name == PROFILE["legal_name"]
    assert user.email == "quillon.canary@example.test"
    # Back under the key that the running application has.
    back = Vault.from_text(f"{ENCRYPTION_KEYS},newer:{newer}", BLIND_INDEX_KEY)
    for carrier in carriers:
        progress = rewrapping.Progress()
        while not progress.finished:
            progress = await rewrapping.rewrap_batch(database, back, carrier, progress)
    assert (await api.client.get("/api/profile", headers=person.bearer)).json() == answer.json()


@pytest.mark.parametrize("column", ["data_key", "legal_name", "birth_date", "address", "phone", "documents"])
async def test_a_profile_swapped_in_the_database_does_not_decrypt(api: Api, column: str) -> None:
    ann, ben = await register(api.client), await register(api.client)
    for person in (ann, ben):
        await api.client.put("/api/profile", json=PROFILE, headers=person.bearer)
    owner = await asyncpg.connect(api.settings.owner_database_url)
    await owner.execute(
        f"UPDATE customer_profiles SET {column} = (SELECT {column} FROM customer_profiles WHERE user_id = $2) "
        "WHERE user_id = $1",
        UUID(ann.id),
        UUID(ben.id),
    )
    await owner.close()
    privacy: Privacy = api.app.state["privacy"]
    database: Database = api.app.state["database"]
    async with database.read() as connection:
        with pytest.raises(Undecipherable):
            await privacy.profile(connection, UserId(UUID(ann.id)))
    answer = await api.client.get("/api/profile", headers=ann.bearer)
    assert answer.status_code == 500
    assert not found_in(answer.content, *CANARIES)
    assert (await api.client.get("/api/profile", headers=ben.bearer)).status_code == 200


async def test_nothing_prints_itself() -> None:
    from bitcurrent.identity.privacy import model

    address = model.Address(lines=("Budgerigar",), city="Parakeetham", postal_code=None, region=None, country="GB")
    document = model.Document(kind="passport", number="ZX9981234", country="GB", expires_on=None)
    profile = model.Profile(
        legal_name="Quillon", birth_date=date(1979, 12, 13), address=address, phone=None, documents=(document,)
    )
    kept = model.KeptProfile(profile=profile, updated_at=datetime.now(UTC))
    assert not found_in(repr((kept, profile, address, document)).encode(), *CANARIES, "1979, 12, 13")


async def test_the_running_application_lets_a_rotation_know_which_keys_it_has(api: Api) -> None:
    database: Database = api.app.state["database"]
    newer = Vault.from_text(f"newer:{new_key()},{ENCRYPTION_KEYS}", BLIND_INDEX_KEY)
    async with database.read() as connection:
        await rewrapping.require_known_everywhere(connection, api.settings.open_vault())
        with pytest.raises(rewrapping.NotKnownEverywhere, match="'newer'"):
            await rewrapping.require_known_everywhere(connection, newer)
