"""Accounts by mail: confirming, recovering, changing and undoing, each by a link that works once."""

import asyncio
from datetime import timedelta

import pytest

from bitcurrent.identity.accounts.model import LIFETIMES
from bitcurrent.identity.accounts.service import LETTERS_PER_MAILBOX
from tests.identity.account_steps import NEW_PASSWORD, alter, send, unconfirmed
from tests.identity.conftest import Api
from tests.support.customers import PASSWORD, Person, create_key, key_headers, log_in, register
from tests.support.post import Post

pytestmark = pytest.mark.asyncio(loop_scope="module")


# ---- confirming


async def test_whoever_has_not_confirmed_may_look_but_not_trade(api: Api, post: Post) -> None:
    person = await unconfirmed(api, "looks@example.test")
    order = {"symbol": "BTC-USD", "side": "buy", "type": "market", "notional": "10"}
    assert (await api.client.get("/api/balances", headers=person.bearer)).status_code == 200
    refused = await send(api, "/api/orders", 403, person, **order)
    assert refused.json()["code"] == "email_unverified"
    await send(api, "/api/email/verify", 200, token=await post.token(person.email))
    assert (await api.client.get("/api/me", headers=person.bearer)).json()["email_verified"] is True
    answer = await api.client.post("/api/orders", json=order, headers=person.bearer)
    assert answer.json()["code"] != "email_unverified"


async def test_a_bot_of_an_unconfirmed_customer_may_not_trade_either(api: Api) -> None:
    person = await unconfirmed(api, "bots@example.test")
    order = {"symbol": "BTC/USD", "side": "buy", "type": "market", "notional": "10", "time_in_force": "gtc"}
    answer = await api.client.post("/v2/orders", json=order, headers=person.bearer)
    assert answer.status_code == 403
    assert "Confirm your e-mail address" in answer.text


async def test_a_link_works_once_and_a_newer_one_replaces_it(api: Api, post: Post) -> None:
    person = await unconfirmed(api, "once@example.test")
    first = await post.token(person.email)
    await send(api, "/api/email/verification", 202, person)
    second = await post.token(person.email)
    assert (await send(api, "/api/email/verify", 422, token=first)).json()["code"] == "link_used"
    await send(api, "/api/email/verify", 200, token=second)
    assert (await send(api, "/api/email/verify", 422, token=second)).json()["code"] == "link_used"
    assert (await send(api, "/api/email/verification", 409, person)).json()["code"] == "email_verified"


async def test_of_two_uses_at_once_one_counts(api: Api, post: Post) -> None:
    person = await register(api.client)
    await send(api, "/api/password-reset", 202, email=person.email)
    body = {"token": await post.token(person.email), "new_password": NEW_PASSWORD}
    answers = await asyncio.gather(*(api.client.post("/api/password-reset/confirm", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]


@pytest.mark.parametrize("purpose", LIFETIMES)
async def test_a_link_expires(api: Api, post: Post, purpose: str) -> None:
    person = await unconfirmed(api, f"late.{purpose}@example.test")
    new = f"new.{purpose}@example.test"
    match purpose:
        case "reset_password":
            await send(api, "/api/password-reset", 202, email=person.email)
        case "change_email" | "undo_email":
            await send(api, "/api/email", 202, person, new_email=new, password=PASSWORD)
    token = await post.token(new if purpose in {"change_email", "undo_email"} else person.email)
    if purpose == "undo_email":
        await send(api, "/api/email/confirm", 200, token=token)
        token = await post.token(person.email)
    path = {
        "verify_email": "/api/email/verify",
        "reset_password": "/api/password-reset/confirm",
        "change_email": "/api/email/confirm",
        "undo_email": "/api/email/undo",
    }[purpose]
    body = {"token": token, **({"new_password": NEW_PASSWORD} if purpose == "reset_password" else {})}
    lifetime = next(lifetime for name, lifetime in LIFETIMES.items() if name == purpose)
    await _age_links(api, person, lifetime)
    assert (await send(api, path, 422, **body)).json()["code"] == "link_expired"
    await _age_links(api, person, -timedelta(minutes=1))
    await send(api, path, 200, **body)


async def _age_links(api: Api, person: Person, by: timedelta) -> None:
    await alter(
        api, "UPDATE account_links SET expires_at = expires_at - $2::interval WHERE user_id = $1", person.id, by
    )


async def test_a_forged_link_is_none(api: Api, post: Post) -> None:
    person = await unconfirmed(api, "forged@example.test")
    token = await post.token(person.email)
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for wrong in (flipped, token[:-4], token + "AAAA", "A" * 64, "", "ä" * 64, token.swapcase()):
        answer = await send(api, "/api/email/verify", 422, token=wrong)
        assert answer.json()["code"] == "invalid_link"
    # A link for one thing is not one for another.
    other = await send(api, "/api/password-reset/confirm", 422, token=token, new_password=NEW_PASSWORD)
    assert other.json()["code"] == "invalid_link"
    await send(api, "/api/email/verify", 200, token=token)


async def test_who_registers_another_persons_address_leaves_nothing_behind_in_it(api: Api, post: Post) -> None:
    thief = await unconfirmed(api, "coveted@example.test")
    refused = await send(api, "/api/factors/totp", 403, thief)
    assert refused.json()["code"] == "email_unverified"
    key = await api.client.post("/api/api-keys", json={"label": "k", "scopes": ["read"]}, headers=thief.bearer)
    assert key.status_code == 403
    # The owner comes, is told that there is an account, and takes it.
    await send(api, "/api/register", 202, email=thief.email, display_name="Owner", password=NEW_PASSWORD)
    assert "You have an account already" in await post.subjects(thief.email)
    await send(api, "/api/password-reset", 202, email=thief.email)
    token = await post.token(thief.email)
    await send(api, "/api/password-reset/confirm", 200, token=token, new_password=NEW_PASSWORD)
    assert (await api.client.get("/api/me", headers=thief.bearer)).json()["code"] == "session_ended"
    assert (await log_in(api.client, thief.email)).status_code == 401
    login = (await log_in(api.client, thief.email, NEW_PASSWORD)).json()
    me = await api.client.get("/api/me", headers={"Authorization": f"Bearer {login['token']}"})
    assert me.json()["email_verified"] is True


# ---- registering with an address that has an account


async def test_a_known_address_answers_the_same_and_its_owner_is_told(api: Api, post: Post) -> None:
    person = await register(api.client, email="owner@example.test")
    body = {"display_name": "Other", "password": "a guess at somebody"}
    known = await send(api, "/api/register", 202, email=person.email, **body)
    new = await send(api, "/api/register", 202, email="nobody.yet@example.test", **body)
    assert known.json() == {**new.json(), "email": person.email}
    assert sorted(known.headers) == sorted(new.headers)
    assert await post.subjects(person.email) == ["You have an account already"]
    assert await post.subjects("nobody.yet@example.test") == ["Confirm your e-mail address"]


async def test_strangers_cannot_fill_a_mailbox(api: Api, post: Post) -> None:
    person = await register(api.client, email="bombed@example.test")
    for _ in range(LETTERS_PER_MAILBOX.attempts + 5):
        await send(api, "/api/password-reset", 202, email=person.email)
    assert len(await post.to(person.email)) == LETTERS_PER_MAILBOX.attempts


async def test_nor_can_a_customer_fill_the_mailbox_of_a_stranger(api: Api, post: Post) -> None:
    people = [await register(api.client) for _ in range(2)]
    for _ in range(LETTERS_PER_MAILBOX.attempts):
        for person in people:
            await send(api, "/api/email", 202, person, new_email="stranger@example.test", password=PASSWORD)
    assert len(await post.to("stranger@example.test")) == LETTERS_PER_MAILBOX.attempts


# ---- a forgotten password


async def test_a_reset_sets_the_password_and_ends_every_session(api: Api, post: Post) -> None:
    person = await register(api.client)
    key = await create_key(api.client, person, "read")
    assert (await api.client.get("/api/me", headers=person.bearer)).status_code == 200
    await send(api, "/api/password-reset", 202, email=person.email.upper())
    token = await post.token(person.email)
    answer = await send(api, "/api/password-reset/confirm", 200, token=token, new_password=NEW_PASSWORD)
    assert answer.json()["sessions"] >= 1
    assert (await api.client.get("/api/me", headers=person.bearer)).json()["code"] == "session_ended"
    assert (await api.client.get("/api/me", headers=key_headers(*key))).status_code == 200
    assert (await log_in(api.client, person.email)).status_code == 401
    assert (await log_in(api.client, person.email, NEW_PASSWORD)).status_code == 200
    subjects = await post.subjects(person.email)
    assert subjects.index("Set a new password") < subjects.index("Your password was set anew")


async def test_a_weak_new_password_leaves_the_link_whole(api: Api, post: Post) -> None:
    person = await register(api.client, email="bartholomew@example.test")
    await send(api, "/api/password-reset", 202, email=person.email)
    token = await post.token(person.email)
    for weak, code in (
        ("short", "invalid"),
        ("Password1234", "password_common"),
        ("bartholomew!!", "password_contains_name"),
    ):
        answer = await send(api, "/api/password-reset/confirm", 422, token=token, new_password=weak)
        assert (answer.json()["code"], answer.json()["field"]) == (code, "new_password")
    await send(api, "/api/password-reset/confirm", 200, token=token, new_password=NEW_PASSWORD)


async def test_asking_for_a_reset_tells_nobody_whether_there_is_an_account(api: Api, post: Post) -> None:
    person = await register(api.client)
    loop = asyncio.get_running_loop()
    answers, seconds = [], []
    for email in (person.email, "nobody.here@example.test", "not an address"):
        started = loop.time()
        answers.append(await send(api, "/api/password-reset", 202, email=email))
        seconds.append(loop.time() - started)
    assert answers[0].content == answers[1].content == answers[2].content
    assert min(seconds) >= 0.25
    assert await post.to("nobody.here@example.test") == []


async def test_changing_the_password_voids_a_reset_link_and_is_told(api: Api, post: Post) -> None:
    person = await register(api.client)
    await send(api, "/api/password-reset", 202, email=person.email)
    token = await post.token(person.email)
    await send(api, "/api/password", 200, person, current_password=PASSWORD, new_password=NEW_PASSWORD)
    answer = await send(api, "/api/password-reset/confirm", 422, token=token, new_password="yet another password")
    assert answer.json()["code"] == "link_used"
    assert (await post.subjects(person.email))[-1] == "Your password was changed"


# ---- another address


async def test_a_new_address_counts_once_it_is_confirmed_and_the_old_one_is_told(api: Api, post: Post) -> None:
    person = await register(api.client, email="old@example.test")
    await send(api, "/api/email", 401, person, new_email="new@example.test", password="not the password")
    await send(api, "/api/email", 202, person, new_email="New@Example.test", password=PASSWORD)
    assert (await api.client.get("/api/me", headers=person.bearer)).json()["user"]["email"] == "old@example.test"
    (told,) = await post.to("old@example.test")
    assert "n…@example.test" in told.text
    assert "new@example.test" not in told.text
    await send(api, "/api/email/confirm", 200, token=await post.token("new@example.test"))
    assert (await api.client.get("/api/me", headers=person.bearer)).json()["user"]["email"] == "new@example.test"
    assert (await log_in(api.client, "old@example.test")).status_code == 401
    assert (await log_in(api.client, "new@example.test")).status_code == 200
    assert (await post.subjects("old@example.test"))[-1] == "Your e-mail address was changed"


async def test_the_old_address_can_take_it_back(api: Api, post: Post) -> None:
    person = await register(api.client, email="victim@example.test")
    key = await create_key(api.client, person, "read")
    await send(api, "/api/email", 202, person, new_email="thief@example.test", password=PASSWORD)
    await send(api, "/api/email/confirm", 200, token=await post.token("thief@example.test"))
    undo = await post.token("victim@example.test")
    # Once more, to shake off the undo: the first one still works.
    await send(api, "/api/email", 202, person, new_email="thief2@example.test", password=PASSWORD)
    await send(api, "/api/email/confirm", 200, token=await post.token("thief2@example.test"))
    await send(api, "/api/email/undo", 200, token=undo)
    assert (await api.client.get("/api/me", headers=person.bearer)).json()["code"] == "session_ended"
    assert (await api.client.get("/api/me", headers=key_headers(*key))).status_code == 401
    await send(api, "/api/email/undo", 422, token=await post.token("thief@example.test"))
    reset = await post.token("victim@example.test")
    await send(api, "/api/password-reset/confirm", 200, token=reset, new_password=NEW_PASSWORD)
    assert (await log_in(api.client, "victim@example.test", NEW_PASSWORD)).status_code == 200
    assert (await log_in(api.client, "thief2@example.test")).status_code == 401


async def test_the_address_of_somebody_else_answers_the_same_and_is_told(api: Api, post: Post) -> None:
    ann, ben = await register(api.client), await register(api.client)
    free = await send(api, "/api/email", 202, ann, new_email="is.free@example.test", password=PASSWORD)
    taken = await send(api, "/api/email", 202, ann, new_email=ben.email, password=PASSWORD)
    assert free.content == taken.content
    assert await post.subjects(ben.email) == ["This address belongs to your account"]
    same = await send(api, "/api/email", 422, ann, new_email=ann.email, password=PASSWORD)
    assert same.json()["code"] == "same_email"
    wrong = await send(api, "/api/email", 422, ann, new_email="no address", password=PASSWORD)
    assert wrong.json()["field"] == "new_email"


async def test_an_address_that_was_taken_meanwhile_is_not_taken_twice(api: Api, post: Post) -> None:
    ann = await register(api.client)
    await send(api, "/api/email", 202, ann, new_email="contested@example.test", password=PASSWORD)
    token = await post.token("contested@example.test")
    await register(api.client, email="contested@example.test")
    assert (await send(api, "/api/email/confirm", 409, token=token)).json()["code"] == "email_taken"
    assert (await log_in(api.client, ann.email)).status_code == 200
