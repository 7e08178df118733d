"""Every operation of identity and the back office, asked so that it works and so that it refuses."""

from typing import Any

from bitcurrent.kernel.ids import new_id
from tests.contract.own_api.house import House
from tests.support.authenticator import Authenticator
from tests.support.brokerage import ORIGIN, client_of
from tests.support.customers import PASSWORD, App, Person, create_key, enrol, log_in, log_in_with, register

NEW_PASSWORD = "a completely different one"
WRONG = "not the password"
PHONE = "+14155550142"


async def accounts_by_mail(house: House) -> None:
    """Registering, confirming, forgetting the password, moving to another address, leaving."""
    email = f"mail.{new_id()}@example.test"
    await house.ask_as(None, "POST", "/api/register", 202, _registration(email))
    await house.ask_as(None, "POST", "/api/register", 422, {**_registration(email), "password": "short"})
    pat = _person(await house.ask_as(None, "POST", "/api/login", 200, {"email": email, "password": PASSWORD}))
    assert (await house.ask_as(pat, "GET", "/api/me", 200))["email_verified"] is False
    await house.ask_as(pat, "POST", "/api/email/verification", 202)
    link = {"token": await house.link_to(email, "verify_email")}
    await house.ask_as(None, "POST", "/api/email/verify", 200, link)
    await house.ask_as(None, "POST", "/api/email/verify", 422, link)
    await house.ask_as(pat, "POST", "/api/email/verification", 409)
    await house.ask_as(None, "POST", "/api/password-reset", 202, {"email": email})
    await house.ask_as(None, "POST", "/api/password-reset", 422, {})
    reset = {"token": await house.link_to(email, "reset_password"), "new_password": NEW_PASSWORD}
    await house.ask_as(None, "POST", "/api/password-reset/confirm", 200, reset)
    await house.ask_as(None, "POST", "/api/password-reset/confirm", 422, reset)
    await house.ask_as(pat, "GET", "/api/me", 401)
    login = {"email": email, "password": NEW_PASSWORD}
    pat = _person(await house.ask_as(None, "POST", "/api/login", 200, login))
    await _another_address(house, pat)


async def _another_address(house: House, pat: Person) -> None:
    new = f"moved.{new_id()}@example.test"
    move = {"new_email": new, "password": NEW_PASSWORD}
    await house.ask_as(pat, "POST", "/api/email", 401, {**move, "password": WRONG})
    await house.ask_as(pat, "POST", "/api/email", 202, move)
    link = {"token": await house.link_to(new, "change_email")}
    await house.ask_as(None, "POST", "/api/email/confirm", 200, link)
    await house.ask_as(None, "POST", "/api/email/confirm", 422, link)
    undo = {"token": await house.link_to(pat.email, "undo_email")}
    await house.ask_as(None, "POST", "/api/email/undo", 200, undo)
    await house.ask_as(None, "POST", "/api/email/undo", 422, undo)
    leaving = await register(house.http)
    await house.ask_as(leaving, "POST", "/api/account/close", 401, {"password": WRONG})
    await house.ask_as(leaving, "POST", "/api/account/close", 200, {"password": PASSWORD})
    await house.ask_as(leaving, "GET", "/api/me", 401)


async def tokens_for_browsers(house: House) -> None:
    """A browser holds a cookie, and gets the token of its writes; a program has neither."""
    async with client_of(house.app) as browser:
        browser.event_hooks = {"response": [house.contract.hook]}
        person = await register(house.http)
        opened = await browser.post("/api/login", json={"email": person.email, "password": PASSWORD})
        found = await browser.get("/api/csrf")
        assert (found.status_code, found.json()["csrf_token"]) == (200, opened.json()["csrf_token"])
        forged = await browser.post("/api/logout", headers={"Origin": ORIGIN})
        assert (forged.status_code, forged.json()["code"]) == (403, "csrf_token")
    await house.ask_as(person, "GET", "/api/csrf", 404)


async def api_keys(house: House) -> None:
    """Read and changed by their owner."""
    owner = await register(house.http)
    key_id, _ = await create_key(house.http, owner, "read", "trade", networks=["203.0.113.0/24"], symbols=["BTC-USD"])
    found = await house.ask_as(owner, "GET", f"/api/api-keys/{key_id}", 200)
    assert found["networks"] == ["203.0.113.0/24"]
    await house.ask_as(owner, "GET", "/api/api-keys/BKNOBODYSKEY", 404)
    change = {"label": "renamed", "daily_notional": "100"}
    await house.ask_as(owner, "PATCH", f"/api/api-keys/{key_id}", 200, change)
    await house.ask_as(owner, "PATCH", f"/api/api-keys/{key_id}", 422, {"networks": ["everywhere"]})
    await house.ask_as(await register(house.http), "PATCH", f"/api/api-keys/{key_id}", 403, change)


async def authenticator_apps(house: House) -> None:
    """Added, logged in with, stepped up by, removed."""
    pat = await register(house.http)
    await house.nobody("GET", "/api/factors")
    await house.ask_as(pat, "POST", "/api/factors/totp", 403, {})
    begun = await house.ask_as(pat, "POST", "/api/factors/totp", 200, {"password": PASSWORD})
    app = App(begun["secret"])
    await house.ask_as(pat, "POST", "/api/factors/totp/confirm", 401, {"code": "no code"})
    await house.ask_as(pat, "POST", "/api/factors/totp/confirm", 200, {"code": app.code()})
    assert (await house.ask_as(pat, "GET", "/api/factors", 200))["methods"] == ["totp", "recovery_code"]
    challenge = (await log_in(house.http, pat.email)).json()["challenge"]
    proof = {"challenge": challenge, "method": "totp", "code": app.code()}
    await house.ask_as(None, "POST", "/api/login/second-factor", 200, proof)
    await house.ask_as(None, "POST", "/api/login/second-factor", 401, proof)
    await house.ask_as(pat, "POST", "/api/factors/recovery-codes", 201)
    await house.nobody("POST", "/api/factors/recovery-codes")
    await codes_by_text(house, pat)
    await house.ask_as(pat, "POST", "/api/step-up/options", 200)
    await house.nobody("POST", "/api/step-up/options")
    await house.ask_as(pat, "POST", "/api/step-up", 401, {"method": "recovery_code", "code": "none of them"})
    await house.ask_as(pat, "POST", "/api/step-up", 200, {"method": "totp", "code": app.code()})
    await house.ask_as(pat, "DELETE", "/api/factors/totp", 204)
    await house.ask_as(pat, "DELETE", "/api/factors/totp", 403)


async def codes_by_text(house: House, pat: Person) -> None:
    """A phone beside an app: confirmed, logged in with, removed."""
    await house.ask_as(pat, "POST", "/api/step-up/text", 422)
    await house.ask_as(pat, "POST", "/api/factors/phone", 422, {"phone": "a phone"})
    await house.ask_as(pat, "POST", "/api/factors/phone", 204, {"phone": PHONE})
    await house.ask_as(pat, "POST", "/api/factors/phone/confirm", 401, {"code": "no code"})
    code = {"code": await house.texted(PHONE)}
    await house.ask_as(pat, "POST", "/api/factors/phone/confirm", 200, code)
    await house.ask_as(pat, "POST", "/api/step-up/text", 204)
    step_up = {"method": "sms", "code": await house.texted(PHONE)}
    await house.ask_as(pat, "POST", "/api/step-up", 200, step_up)
    challenge = (await log_in(house.http, pat.email)).json()["challenge"]
    await house.ask_as(None, "POST", "/api/login/second-factor/text", 204, {"challenge": challenge})
    await house.ask_as(None, "POST", "/api/login/second-factor/text", 401, {"challenge": "nonsense"})
    proof = {"challenge": challenge, "method": "sms", "code": await house.texted(PHONE)}
    await house.ask_as(None, "POST", "/api/login/second-factor", 200, proof)
    await house.ask_as(pat, "DELETE", "/api/factors/phone", 204)
    await house.ask_as(pat, "DELETE", "/api/factors/phone", 404)


async def passkeys(house: House) -> None:
    """Made by a software authenticator, used instead of the password and as a second factor, removed."""
    pat, device = await register(house.http), Authenticator(ORIGIN)
    await house.ask_as(pat, "POST", "/api/factors/passkeys/options", 403, {})
    asked = await house.ask_as(pat, "POST", "/api/factors/passkeys/options", 200, {"password": PASSWORD})
    made = {"challenge": asked["challenge"], "label": "My phone", "credential": device.create(asked["passkey"])}
    added = await house.ask_as(pat, "POST", "/api/factors/passkeys", 201, made)
    await house.ask_as(pat, "POST", "/api/factors/passkeys", 401, made)
    login = _shown(device, await house.ask_as(None, "POST", "/api/login/passkey/options", 200))
    assert (await house.ask_as(None, "POST", "/api/login/passkey", 200, login))["user"]["id"] == pat.id
    await house.ask_as(None, "POST", "/api/login/passkey", 401, login)
    first = (await log_in(house.http, pat.email)).json()
    second = {**_shown(device, first), "method": "passkey"}
    await house.ask_as(None, "POST", "/api/login/second-factor", 200, second)
    stepped = _shown(device, await house.ask_as(pat, "POST", "/api/step-up/options", 200))
    await house.ask_as(pat, "POST", "/api/step-up", 200, {**stepped, "method": "passkey"})
    await house.ask_as(pat, "DELETE", f"/api/factors/passkeys/{new_id()}", 404)
    await house.ask_as(pat, "DELETE", f"/api/factors/passkeys/{added['passkey']['id']}", 204)


async def lost_factors(house: House) -> None:
    """Reported, canceled by a link and by a session, decided by support."""
    pat = await register(house.http)
    app = await enrol(house.http, pat)
    await house.ask_as(None, "POST", "/api/lost-factor", 401, {"challenge": "nonsense", "reason": "It fell."})
    report = await _report(house, pat)
    assert report["state"] == "waiting"
    link = {"token": await house.link_to(pat.email, "cancel_lost_factor")}
    await house.ask_as(None, "POST", "/api/lost-factor/cancel", 404, {"token": "nonsense"})
    await house.ask_as(None, "POST", "/api/lost-factor/cancel", 204, link)
    await _report(house, pat)
    assert (await house.ask_as(pat, "GET", "/api/factors", 200))["lost_factor"]["state"] == "waiting"
    await house.ask_as(pat, "DELETE", "/api/lost-factor", 204)
    await house.ask_as(pat, "DELETE", "/api/lost-factor", 404)
    support = await house.operator("support")
    path = "/api/admin/lost-factor"
    await house.ask_as(support, "GET", path, 403)
    for decision in ("approve", "refuse"):
        await _report(house, pat)
        waiting = (await house.from_the_office(support, "GET", path, 200, state="waiting"))["items"]
        (request,) = (each for each in waiting if each["user_id"] == pat.id)
        decide = f"{path}/{request['id']}/{decision}"
        await house.from_the_office(support, "POST", decide, 200, {"reason": "Spoke to them."})
        await house.from_the_office(support, "POST", decide, 409, {"reason": "Again."})
        # Whoever still uses a factor has not lost it: an approved request ends there.
        assert (await log_in_with(house.http, pat.email, app)).status_code == 200


async def four_eyes(house: House) -> None:
    """Operators, and what one of them asks for and another one decides."""
    asker, other, clerk = [await house.operator(role) for role in ("admin", "admin", "support")]
    names = {each["id"] for each in (await house.from_the_office(asker, "GET", "/api/admin/operators", 200))["items"]}
    assert {asker.id, other.id, clerk.id} <= names
    await house.from_the_office(clerk, "GET", "/api/admin/operators", 403)
    wish = {"role": "finance", "reason": "She moves to finance."}
    await house.from_the_office(asker, "POST", f"/api/admin/operators/{asker.id}/role", 403, wish)
    path = f"/api/admin/operators/{clerk.id}/role"
    asked = await house.from_the_office(asker, "POST", path, 202, wish)
    await house.from_the_office(asker, "POST", path, 409, wish)
    await house.from_the_office(clerk, "GET", "/api/admin/approvals", 200, state="open", kind=asked["kind"])
    await house.from_the_office(clerk, "GET", "/api/admin/approvals", 422, state="lost")
    one = f"/api/admin/approvals/{asked['id']}"
    assert (await house.from_the_office(other, "GET", one, 200))["may_grant"] is True
    await house.from_the_office(other, "GET", f"/api/admin/approvals/{new_id()}", 404)
    await house.from_the_office(other, "POST", f"{one}/refuse", 422, {"reason": ""})
    await house.from_the_office(other, "POST", f"{one}/refuse", 200, {"reason": "Finance is full."})
    again = await house.from_the_office(asker, "POST", path, 202, wish)
    one = f"/api/admin/approvals/{again['id']}"
    await house.from_the_office(asker, "POST", f"{one}/grant", 403)
    granted = await house.from_the_office(other, "POST", f"{one}/grant", 200)
    assert (granted["state"], granted["granted_by"]) == ("granted", other.id)


def _registration(email: str) -> dict[str, str]:
    return {"email": email, "display_name": "Pat Person", "password": PASSWORD}


def _person(login: dict[str, Any]) -> Person:
    return Person(login["user"]["id"], login["user"]["email"], login["token"])


def _shown(device: Authenticator, asked: dict[str, Any]) -> dict[str, Any]:
    return {"challenge": asked["challenge"], "credential": device.get(asked["passkey"])}


async def _report(house: House, pat: Person) -> dict[str, Any]:
    challenge = (await log_in(house.http, pat.email)).json()["challenge"]
    lost = {"challenge": challenge, "reason": "The phone fell into the sea."}
    found: dict[str, Any] = await house.ask_as(None, "POST", "/api/lost-factor", 202, lost)
    return found
