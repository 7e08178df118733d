"""Codes by text, over Twilio's own SDK against the sandbox: an extra beside a stronger factor."""

import asyncio
import re
from collections.abc import AsyncIterator

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio

from bitcurrent.kernel import rewrapping
from bitcurrent.kernel.crypto import Vault, new_key
from bitcurrent.kernel.database import Database
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.identity.conftest import Api
from tests.support.brokerage import BLIND_INDEX_KEY, ENCRYPTION_KEYS, running_api, settings_for
from tests.support.customers import Person, enrol, log_in, register
from tests.support.dumps import dump, found_in
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
PHONE = "+14155550123"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def with_texts(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> AsyncIterator[Api]:
    """An application whose texts go to the sandbox."""
    settings = settings_for(module_database_urls, redis_server.url, sandbox)
    async with running_api(settings) as (client, app):
        yield Api(client, app, settings)


@pytest.fixture
def texting(with_texts: Api, redis_url: str, sandbox: Sandbox) -> Api:
    """The same with an empty Redis and an empty phone."""
    with_texts.client.cookies.clear()
    httpx.delete(f"{sandbox.url}/sandbox/phone/messages", timeout=5)
    return with_texts


def _texts(sandbox: Sandbox) -> list[dict[str, str]]:
    found: list[dict[str, str]] = httpx.get(f"{sandbox.url}/sandbox/phone/messages", timeout=5).json()["messages"]
    return found


def _code(sandbox: Sandbox) -> str:
    found = re.match(r"(\d{6}) is your BitCurrent code", _texts(sandbox)[0]["body"])
    assert found
    return found[1]


def _other(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def _post(api: Api, path: str, body: dict[str, object], person: Person | None = None) -> httpx.Response:
    answer = await api.client.post(path, json=body, headers=person.bearer if person else {})
    api.client.cookies.clear()
    return answer


async def _with_phone(api: Api, sandbox: Sandbox) -> Person:
    person = await register(api.client)
    await enrol(api.client, person)
    assert (await _post(api, "/api/factors/phone", {"phone": "+1 (415) 555-0123"}, person)).status_code == 204
    confirmed = await _post(api, "/api/factors/phone/confirm", {"code": _code(sandbox)}, person)
    assert (confirmed.status_code, confirmed.json()) == (200, {"recovery_codes": None})
    return person


async def test_a_phone_is_added_by_the_code_it_gets_and_its_number_is_encrypted(texting: Api, sandbox: Sandbox) -> None:
    person = await _with_phone(texting, sandbox)
    (text,) = _texts(sandbox)
    assert (text["to"], text["from"]) == (PHONE, "+15005550006")
    listed = (await texting.client.get("/api/factors", headers=person.bearer)).json()
    assert (listed["methods"], listed["phone"]) == (["totp", "sms", "recovery_code"], "••••••23")
    database = await asyncpg.connect(texting.settings.database_url)
    stored = await database.fetchval(
        "SELECT phone_encrypted FROM sms_factors WHERE user_id = $1::text::uuid", person.id
    )
    await database.close()
    assert PHONE.encode() not in stored


async def test_a_text_completes_a_login_once_and_only_the_last_code_counts(texting: Api, sandbox: Sandbox) -> None:
    person = await _with_phone(texting, sandbox)
    challenge = (await log_in(texting.client, person.email)).json()["challenge"]
    codes = []
    for _ in range(2):
        sent = await _post(texting, "/api/login/second-factor/text", {"challenge": challenge})
        assert sent.status_code == 204
        codes.append(_code(sandbox))
    body = {"challenge": challenge, "method": "sms"}
    if codes[0] != codes[1]:
        old = await _post(texting, "/api/login/second-factor", {**body, "code": codes[0]})
        assert (old.status_code, old.json()["code"]) == (401, "wrong_code")
    done = await _post(texting, "/api/login/second-factor", {**body, "code": codes[1]})
    assert done.status_code == 200
    again = await _post(texting, "/api/step-up", {"method": "sms", "code": codes[1]}, person)
    assert again.status_code == 401


async def test_a_code_by_text_is_worth_three_tries_and_five_minutes(texting: Api, sandbox: Sandbox) -> None:
    person = await _with_phone(texting, sandbox)
    assert (await _post(texting, "/api/step-up/text", {}, person)).status_code == 204
    code = _code(sandbox)
    for _ in range(3):
        wrong = await _post(texting, "/api/step-up", {"method": "sms", "code": _other(code)}, person)
        assert wrong.status_code == 401
    assert (await _post(texting, "/api/step-up", {"method": "sms", "code": code}, person)).status_code == 401
    assert (await _post(texting, "/api/step-up/text", {}, person)).status_code == 204
    database = await asyncpg.connect(texting.settings.owner_database_url)
    await database.execute("UPDATE sms_factors SET code_expires_at = now() WHERE user_id = $1::text::uuid", person.id)
    await database.close()
    late = await _post(texting, "/api/step-up", {"method": "sms", "code": _code(sandbox)}, person)
    assert (late.status_code, late.json()["code"]) == (429, "factor_locked")  # the fifth wrong one


async def test_texts_stand_beside_a_stronger_factor_only(texting: Api, sandbox: Sandbox) -> None:
    person = await register(texting.client)
    alone = await _post(texting, "/api/factors/phone", {"phone": PHONE}, person)
    assert (alone.status_code, alone.json()["code"]) == (403, "second_factor_missing")
    both = await _with_phone(texting, sandbox)
    assert (await texting.client.delete("/api/factors/totp", headers=both.bearer)).status_code == 204
    listed = (await texting.client.get("/api/factors", headers=both.bearer)).json()
    assert (listed["methods"], listed["phone"]) == ([], None)


async def test_texts_are_sent_so_often_and_no_more(texting: Api, sandbox: Sandbox) -> None:
    person = await _with_phone(texting, sandbox)
    answers = [await _post(texting, "/api/step-up/text", {}, person) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [204] * 4 + [429]
    assert len(_texts(sandbox)) == 5


@pytest.mark.parametrize("phone", ["", "0041791234567", "+0791234567", "+41", "+1415555012a", "+" + "1" * 16])
async def test_what_is_no_number_is_refused(texting: Api, phone: str) -> None:
    person = await register(texting.client)
    await enrol(texting.client, person)
    answer = await _post(texting, "/api/factors/phone", {"phone": phone}, person)
    assert (answer.status_code, answer.json()["field"]) == (422, "phone")


async def test_what_the_carrier_refuses_is_said_clearly(texting: Api, sandbox: Sandbox) -> None:
    person = await register(texting.client)
    await enrol(texting.client, person)
    nobodys = await _post(texting, "/api/factors/phone", {"phone": "+15005550001"}, person)
    assert (nobodys.status_code, nobodys.json()["code"]) == (422, "phone_refused")
    async with httpx.AsyncClient(base_url=sandbox.url) as carrier:
        await carrier.post("/sandbox/phone/refuse", json={"status": 503, "count": 1})
    down = await _post(texting, "/api/factors/phone", {"phone": PHONE}, person)
    assert (down.status_code, down.json()["code"]) == (503, "text_not_sent")
    assert (await _post(texting, "/api/factors/phone", {"phone": PHONE}, person)).status_code == 204


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"twilio_account_sid": ""}, "sms_not_configured"),
        ({"twilio_auth_token": "another"}, "text_not_sent"),
        ({"twilio_url": "http://127.0.0.1:9/twilio"}, "text_not_sent"),
    ],
)
async def test_without_a_carrier_nothing_is_promised(texting: Api, changes: dict[str, str], code: str) -> None:
    async with running_api(msgspec.structs.replace(texting.settings, **changes)) as (client, app):
        person = await register(client)
        await enrol(client, person)
        answer = await _post(Api(client, app, texting.settings), "/api/factors/phone", {"phone": PHONE}, person)
        assert (answer.status_code, answer.json()["code"]) == (503, code)


async def test_the_page_shows_texts_as_text(texting: Api, sandbox: Sandbox) -> None:
    await _with_phone(texting, sandbox)
    async with httpx.AsyncClient(base_url=sandbox.url) as browser:
        page = await browser.get("/sandbox/phone")
    assert PHONE in page.text
    assert "is your BitCurrent code" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_a_stolen_dump_tells_no_secret_and_after_a_change_of_keys_everything_still_works(
    texting: Api, sandbox: Sandbox
) -> None:
    person = await register(texting.client)
    app = await enrol(texting.client, person)
    assert (await _post(texting, "/api/factors/phone", {"phone": "+14155559871"}, person)).status_code == 204
    assert (await _post(texting, "/api/factors/phone/confirm", {"code": _code(sandbox)}, person)).status_code == 200
    renewed = (await _post(texting, "/api/factors/recovery-codes", {}, person)).json()["recovery_codes"]
    stolen = await asyncio.to_thread(dump, texting.settings.owner_database_url)
    assert not found_in(stolen, app.secret, "14155559871", *renewed)
    database: Database = texting.app.state["database"]
    async with database.read() as connection:
        carriers = await rewrapping.find_carriers(connection)
    assert {"totp_factors.secret_encrypted", "sms_factors.phone_encrypted"} <= {each.name for each in carriers}
    key = new_key()
    for order in (f"newer:{key},{ENCRYPTION_KEYS}", f"{ENCRYPTION_KEYS},newer:{key}"):
        vault = Vault.from_text(order, BLIND_INDEX_KEY)
        for carrier in carriers:
            progress = rewrapping.Progress()
            while not progress.finished:
                progress = await rewrapping.rewrap_batch(database, vault, carrier, progress)
        if vault.current_key_id == "newer":
            refused = await _post(texting, "/api/step-up", {"method": "totp", "code": app.code()}, person)
            assert refused.status_code == 500  # this application does not know the newer key
    assert (await _post(texting, "/api/step-up", {"method": "totp", "code": app.code()}, person)).status_code == 200
    assert (await texting.client.get("/api/factors", headers=person.bearer)).json()["phone"] == "••••••71"
