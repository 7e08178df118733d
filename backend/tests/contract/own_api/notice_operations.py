"""Every operation of limits, stops and notifications, asked so that it works and so that it refuses."""

from uuid import UUID

from twilio.request_validator import RequestValidator

from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.notifications.unsubscribing import token_for
from tests.contract.own_api.house import House
from tests.support.callers import OFFICE, client_from
from tests.support.customers import register

WHY = "Agreed in the meeting of Monday."


async def limits_and_stops(house: House) -> None:
    """The rules and the brakes, in the back office and for everybody."""
    checker, other = [await house.operator("compliance") for _ in range(2)]
    anna, bob = [await house.operator("admin") for _ in range(2)]
    await house.from_the_office(checker, "GET", "/api/admin/limits", 200, product="card_deposit", limit=3)
    await house.from_the_office(checker, "GET", "/api/admin/limits", 422, product="tea")
    rule = {"product": "conversion", "period": "day", "maximum": "12345.5", "level": "full", "reason": WHY}
    asked = await house.from_the_office(checker, "POST", "/api/admin/limits", 202, rule)
    await house.from_the_office(checker, "POST", "/api/admin/limits", 409, rule)
    await house.from_the_office(other, "POST", f"/api/admin/approvals/{asked['id']}/grant", 200)
    made = await house.from_the_office(anna, "POST", "/api/admin/stops", 201, {"product": "bonus", "reason": WHY})
    await house.from_the_office(checker, "POST", "/api/admin/stops", 403, {"product": "bonus", "reason": WHY})
    await house.from_the_office(anna, "GET", "/api/admin/stops", 200, standing=True)
    await house.from_the_office(anna, "GET", "/api/admin/stops", 422, cursor="nonsense")
    assert (await house.ask_as(None, "GET", "/api/status", 200))["running"] is False
    await house.ask_as(None, "GET", "/api/status?fields=everything", 422)
    resume = f"/api/admin/stops/{made['id']}/resume"
    await house.from_the_office(anna, "POST", f"/api/admin/stops/{new_id()}/resume", 404, {"reason": WHY})
    again = await house.from_the_office(anna, "POST", resume, 202, {"reason": WHY})
    await house.from_the_office(bob, "POST", f"/api/admin/approvals/{again['id']}/grant", 200)


async def messages_and_preferences(house: House) -> None:
    """The inbox, what customers choose, and what the carrier of texts reports."""
    pat = await register(house.http)
    values = {"amount": "25", "asset": "EUR", "fee": "1"}
    brokerage = house.brokerage
    async with brokerage.database.transaction() as connection:
        await brokerage.letters.notify(
            connection, user_id=UserId(UUID(pat.id)), template="deposit_credited", values=values
        )
    (message,) = (await house.ask_as(pat, "GET", "/api/messages?unread=true&limit=5", 200))["items"]
    await house.ask_as(pat, "GET", "/api/messages?limit=0", 422)
    assert (await house.ask_as(pat, "GET", "/api/messages/unread", 200))["unread"] == 1
    await house.ask_as(pat, "POST", f"/api/messages/{message['id']}/read", 200)
    await house.ask_as(pat, "POST", f"/api/messages/{new_id()}/read", 404)
    await house.ask_as(pat, "POST", "/api/messages/read-all", 200)
    await house.ask_as(pat, "GET", "/api/notification-preferences", 200)
    choice = {"topic": "deposits", "channel": "email", "enabled": False}
    await house.ask_as(pat, "PUT", "/api/notification-preferences", 200, {"preferences": [choice]})
    await house.ask_as(pat, "PUT", "/api/notification-preferences", 422, {"preferences": []})
    for method, path in (
        ("GET", "/api/messages/unread"),
        ("POST", "/api/messages/read-all"),
        ("GET", "/api/notification-preferences"),
    ):
        await house.nobody(method, path)
    token = token_for(brokerage.letters.vault, UUID(pat.id), "refunds")
    await house.ask_as(None, "POST", "/api/notifications/unsubscribe", 204, {"token": token})
    await house.ask_as(None, "POST", "/api/notifications/unsubscribe", 404, {"token": "nonsense"})
    await house.ask_as(None, "POST", f"/api/notifications/unsubscribe/{token}", 204)
    await house.ask_as(None, "POST", f"/api/notifications/unsubscribe/{token}x", 404)
    path, fields = f"/api/webhooks/twilio?text={new_id()}", {"MessageSid": "SM1", "MessageStatus": "delivered"}
    validator = RequestValidator(brokerage.settings.twilio_auth_token)
    signature = validator.compute_signature(f"{brokerage.settings.base_url}{path}", fields)
    for header, status in ((signature, 204), ("nonsense", 403)):
        answer = await house.http.post(path, data=fields, headers={"X-Twilio-Signature": header})
        assert answer.status_code == status, answer.text


async def letters_to_look_at(house: House) -> None:
    """What we write to customers, for operators."""
    clerk = await house.operator("support")
    found = await house.from_the_office(clerk, "GET", "/api/admin/letters", 200)
    assert "withdrawal_sent" in {letter["template"] for letter in found}
    await house.from_the_office(clerk, "GET", "/api/admin/letters", 422, fields="everything")
    await house.from_the_office(clerk, "GET", "/api/admin/letters/no_such_letter/preview", 404)
    async with client_from(house.app, OFFICE) as http:
        http.event_hooks = {"response": [house.contract.hook]}
        page = await http.get("/api/admin/letters/withdrawal_sent/preview", headers=clerk.bearer)
    assert page.status_code == 200
    assert page.headers["content-security-policy"].endswith("sandbox")
    assert "Your withdrawal was sent" in page.text
