"""Closing an account, what the log keeps of its life, and logins from new devices."""

from dataclasses import replace
from decimal import Decimal

import asyncpg
import pytest

from tests.identity.account_steps import NEW_PASSWORD, alter, id_of, send, unconfirmed
from tests.identity.conftest import Api
from tests.support import books
from tests.support.brokerage import client_of
from tests.support.customers import PASSWORD, create_key, key_headers, log_in, register
from tests.support.post import Post

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_account_with_something_in_it_is_not_closed(api: Api) -> None:
    person = await register(api.client)
    database = await books.connect(api.settings.database_url)
    await books.credit(database, id_of(person), "USD", Decimal("12.50"))
    await database.close()
    await send(api, "/api/account/close", 401, person, password="not the password")
    refused = await send(api, "/api/account/close", 409, person, password=PASSWORD)
    assert (refused.json()["code"], refused.json()["details"]) == ("account_not_empty", {"balance_USD": "12.5"})
    assert (await api.client.get("/api/me", headers=person.bearer)).status_code == 200


async def test_a_closed_account_is_over_for_sessions_keys_and_links(api: Api, post: Post) -> None:
    person = await register(api.client)
    key = await create_key(api.client, person, "read")
    await send(api, "/api/password-reset", 202, email=person.email)
    token = await post.token(person.email)
    await send(api, "/api/account/close", 200, person, password=PASSWORD)
    assert (await api.client.get("/api/me", headers=person.bearer)).status_code == 401
    assert (await api.client.get("/api/me", headers=key_headers(*key))).status_code == 401
    assert (await log_in(api.client, person.email)).json()["code"] == "wrong_credentials"
    answer = await send(api, "/api/password-reset/confirm", 422, token=token, new_password=NEW_PASSWORD)
    assert answer.json()["code"] == "link_used"
    await send(api, "/api/password-reset", 202, email=person.email)
    assert (await post.subjects(person.email))[-1] == "Your account is closed"


async def test_a_frozen_account_cannot_close_or_move_itself(api: Api) -> None:
    person = await register(api.client)
    await alter(api, "UPDATE users SET status = 'frozen' WHERE id = $1", person.id)
    frozen = replace(person, token=(await log_in(api.client, person.email)).json()["token"])
    close = await send(api, "/api/account/close", 403, frozen, password=PASSWORD)
    move = await send(api, "/api/email", 403, frozen, new_email="away@example.test", password=PASSWORD)
    assert close.json()["code"] == move.json()["code"] == "account_frozen"


async def test_every_step_is_in_the_audit_log_without_addresses_of_mail(api: Api, post: Post) -> None:
    person = await unconfirmed(api, "audited.canary@example.test")
    await send(api, "/api/email/verify", 200, token=await post.token(person.email))
    await send(api, "/api/password-reset", 202, email=person.email)
    await send(api, "/api/password-reset/confirm", 200, token=await post.token(person.email), new_password=NEW_PASSWORD)
    again = replace(person, token=(await log_in(api.client, person.email, NEW_PASSWORD)).json()["token"])
    await send(api, "/api/email", 202, again, new_email="moved.canary@example.test", password=NEW_PASSWORD)
    await send(api, "/api/email/confirm", 200, token=await post.token("moved.canary@example.test"))
    await send(api, "/api/email/undo", 200, token=await post.token(person.email))
    database = await asyncpg.connect(api.settings.database_url)
    rows = await database.fetch("SELECT * FROM audit_logs WHERE subject = $1 ORDER BY id", f"user:{person.id}")
    await database.close()
    assert [row["action"] for row in rows if not row["action"].startswith("session.")] == [
        "user.registered",
        "email.verified",
        "password.reset_asked",
        "password.reset",
        "email.change_asked",
        "email.changed",
        "email.change_undone",
    ]
    assert "canary" not in str([dict(row) for row in rows])


# ---- devices


async def test_a_login_from_a_new_device_is_told_and_from_a_known_one_is_not(api: Api, post: Post) -> None:
    person = await register(api.client)
    firefox = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    newer = {"User-Agent": firefox["User-Agent"].replace("140.0", "141.0")}
    body = {"email": person.email, "password": PASSWORD}
    async with client_of(api.app) as browser:
        for headers in (firefox, firefox, newer):
            assert (await browser.post("/api/login", json=body, headers=headers)).status_code == 200
            browser.cookies.clear()
    (letter,) = await post.to(person.email)
    assert letter.subject == "A login from a new device"
    assert "Firefox on Linux" in letter.text
    assert "203.0.113.7" in letter.text


async def test_what_a_stranger_says_of_their_device_does_not_reach_the_letter(api: Api, post: Post) -> None:
    person = await register(api.client)
    body = {"email": person.email, "password": PASSWORD}
    headers = {"User-Agent": "<a href=https://evil.example>Your account is locked, call us</a>"}
    assert (await api.client.post("/api/login", json=body, headers=headers)).status_code == 200
    (letter,) = await post.to(person.email)
    assert "evil" not in letter.text + letter.html
    assert "an unknown program" in letter.text
