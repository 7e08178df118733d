"""One act tells a customer by every channel that they chose, and by none when it is rolled back."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio
import uvicorn
from litestar import Litestar
from twilio.request_validator import RequestValidator

from bitcurrent.kernel.events import read_customer_events
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher import addresses
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.notifications.export import erase, export_with
from bitcurrent.notifications.tasks import Postman, Rounds, Texter
from bitcurrent.wiring import Brokerage
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import Person, enrol, register
from tests.support.dumps import dump, found_in
from tests.support.post import Bag
from tests.support.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

SENT = {"amount": "0.5", "asset": "BTC", "fee": "0.0001", "destination": "my cold wallet"}
CREDITED = {"amount": "25", "asset": "EUR", "fee": "1"}


@dataclass(slots=True)
class House:
    """The application on a port, so that the carrier of texts can report to it."""

    app: Litestar
    http: httpx.AsyncClient
    sandbox: Sandbox
    bag: Bag = field(default_factory=Bag)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def brokerage(self) -> Brokerage:
        brokerage: Brokerage = self.app.state.brokerage
        return brokerage

    async def tell(self, who: Person, template: str, values: dict[str, str], *, fails: bool = False) -> None:
        async with self.brokerage.database.transaction() as connection:
            await self.brokerage.letters.notify(
                connection, user_id=UserId(UUID(who.id)), template=template, values=values
            )
            if fails:
                raise ZeroDivisionError

    async def mails(self, who: Person) -> list[str]:
        postman = Postman(self.brokerage.database, self.brokerage.letters.mails, self.bag, self.counts)
        while await postman.carry_due():
            continue
        return [mail.subject for mail in self.bag.mails if mail.to == who.email]

    def texter(self, *, attempts_max: int = 3) -> Texter:
        rounds = Rounds(first_pause_seconds=0.0, attempts_max=attempts_max)
        brokerage = self.brokerage
        return Texter(brokerage.database, brokerage.letters.texts, brokerage.text_carrier, self.counts, rounds=rounds)

    async def texts(self, who: Person) -> list[dict[str, Any]]:
        async with self.brokerage.database.read() as connection:
            rows = await connection.fetch("SELECT * FROM texts WHERE user_id = $1 ORDER BY id", UUID(who.id))
        return [dict(row) for row in rows]

    async def inbox(self, who: Person, **query: Any) -> list[dict[str, Any]]:
        answer = await self.http.get("/api/messages", params=query, headers=who.bearer)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def choose(self, who: Person, topic: str, channel: str, *, enabled: bool) -> httpx.Response:
        body = {"preferences": [{"topic": topic, "channel": channel, "enabled": enabled}]}
        return await self.http.put("/api/notification-preferences", json=body, headers=who.bearer)

    async def on_the_phone(self, phone: str) -> list[dict[str, Any]]:
        async with httpx.AsyncClient(timeout=10) as http:
            answer = await http.get(f"{self.sandbox.url}/sandbox/phone/messages", params={"to": phone})
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found

    async def with_phone(self, number: str) -> Person:
        """Somebody with this confirmed phone who wants texts about withdrawals."""
        person = await register(self.http)
        await enrol(self.http, person)
        asked = await self.http.post("/api/factors/phone", json={"phone": number}, headers=person.bearer)
        assert asked.status_code == 204, asked.text
        code = re.match(r"\d{6}", (await self.on_the_phone(number))[0]["body"])
        assert code
        await self.http.post("/api/factors/phone/confirm", json={"code": code[0]}, headers=person.bearer)
        chosen = await self.choose(person, "withdrawals", "sms", enabled=True)
        assert chosen.status_code == 200, chosen.text
        return person

    async def delivery(self, who: Person, wanted: str) -> dict[str, Any]:
        """The newest text once the carrier has reported so much of it."""
        for _ in range(200):
            text = (await self.texts(who))[-1]
            if text["delivery"] == wanted:
                return text
            await asyncio.sleep(0.05)
        raise AssertionError(f"never {wanted}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> AsyncIterator[House]:
    port = addresses.free_port()
    settings = settings_for(module_database_urls, redis_server.url, sandbox, base_url=f"http://127.0.0.1:{port}")
    async with running_api(settings) as (client, app):
        server = uvicorn.Server(uvicorn.Config(app, port=port, lifespan="off", log_level="warning"))
        serving = asyncio.create_task(server.serve())
        try:
            yield House(app, client, sandbox)
        finally:
            server.should_exit = True
            await serving


async def test_one_act_tells_by_mail_and_inbox_and_the_live_stream(house: House) -> None:
    ann = await register(house.http)
    await house.tell(ann, "withdrawal_sent", SENT)
    assert await house.mails(ann) == ["Your withdrawal was sent"]
    (message,) = await house.inbox(ann)
    assert (message["topic"], message["template"], message["read_at"]) == ("withdrawals", "withdrawal_sent", None)
    assert "0.5 BTC were sent to my cold wallet" in message["body"]
    assert await house.texts(ann) == []
    async with house.brokerage.database.read() as connection:
        events = await read_customer_events(connection, UUID(ann.id), 0)
    (event,) = [event for event in events if event.kind == "message_added"]
    assert str(event.subject) == message["id"]
    assert event.payload == {"topic": "withdrawals", "title": "Your withdrawal was sent"}


async def test_nobody_hears_of_what_is_rolled_back(house: House) -> None:
    ann = await house.with_phone("+14155550161")
    with pytest.raises(ZeroDivisionError):
        await house.tell(ann, "withdrawal_sent", SENT, fails=True)
    before = len(await house.on_the_phone("+14155550161"))
    await house.texter().carry_due()
    assert "Your withdrawal was sent" not in await house.mails(ann)
    assert (await house.texts(ann), len(await house.on_the_phone("+14155550161"))) == ([], before)
    assert all(message["template"] != "withdrawal_sent" for message in await house.inbox(ann))


async def test_what_is_switched_off_is_not_told_and_what_protects_the_account_stays_on(house: House) -> None:
    ann = await register(house.http)
    for channel in ("email", "in_app"):
        assert (await house.choose(ann, "deposits", channel, enabled=False)).status_code == 200
        locked = await house.choose(ann, "withdrawals", channel, enabled=False)
        assert (locked.status_code, locked.json()["code"]) == (422, "preference_locked")
        assert locked.json()["details"] == {"topic": "withdrawals", "channel": channel}
    await house.tell(ann, "deposit_credited", CREDITED)
    assert (await house.mails(ann), await house.inbox(ann)) == ([], [])
    await house.choose(ann, "deposits", "in_app", enabled=True)
    await house.tell(ann, "deposit_credited", CREDITED)
    assert (await house.mails(ann), len(await house.inbox(ann))) == ([], 1)
    read = (await house.http.get("/api/notification-preferences", headers=ann.bearer)).json()
    topics = {topic["topic"]: topic["channels"] for topic in read["topics"]}
    assert topics["deposits"] == [
        {"channel": "email", "enabled": False, "locked": False},
        {"channel": "in_app", "enabled": True, "locked": False},
    ]
    assert {one["channel"]: one["locked"] for one in topics["security"]} == {
        "email": True,
        "sms": False,
        "in_app": True,
    }


async def test_a_letter_that_is_not_essential_can_be_ended_by_one_click_and_no_other_can(house: House) -> None:
    ann, ben = await register(house.http), await register(house.http)
    await house.tell(ann, "deposit_credited", CREDITED)
    await house.tell(ann, "withdrawal_sent", SENT)
    await house.mails(ann)
    credited, sent = [mail for mail in house.bag.mails if mail.to == ann.email]
    assert sent.unsubscribe is None
    assert credited.unsubscribe is not None
    path = "/" + credited.unsubscribe.split("/", 3)[3]
    assert (await house.http.get(path)).status_code == 405
    for _ in range(2):
        clicked = await house.http.post(path, data={"List-Unsubscribe": "One-Click"})
        assert clicked.status_code == 204
    token = path.rpartition("/")[2]
    forged = token.replace(UUID(ann.id).hex, UUID(ben.id).hex), token.replace("deposits", "withdrawals"), token[:-1]
    for wrong in forged:
        answer = await house.http.post("/api/notifications/unsubscribe", json={"token": wrong})
        assert (answer.status_code, answer.json()["code"]) == (404, "unsubscribe_link_invalid")
    await house.tell(ann, "deposit_credited", CREDITED)
    await house.tell(ben, "deposit_credited", CREDITED)
    assert await house.mails(ann) == ["Your deposit has arrived", "Your withdrawal was sent"]
    assert await house.mails(ben) == ["Your deposit has arrived"]


async def test_a_refused_choice_changes_nothing(house: House) -> None:
    ann = await register(house.http)
    wishes = [
        {"topic": "deposits", "channel": "email", "enabled": False},
        {"topic": "security", "channel": "email", "enabled": False},
    ]
    answer = await house.http.put("/api/notification-preferences", json={"preferences": wishes}, headers=ann.bearer)
    assert answer.status_code == 422
    await house.tell(ann, "deposit_credited", CREDITED)
    assert await house.mails(ann) == ["Your deposit has arrived"]
    no_phone = await house.choose(ann, "security", "sms", enabled=True)
    assert (no_phone.status_code, no_phone.json()["code"]) == (409, "phone_missing")
    nothing = await house.choose(ann, "deposits", "sms", enabled=True)
    assert (nothing.status_code, nothing.json()["code"]) == (422, "preference_not_offered")
    unknown = await house.choose(ann, "tea", "email", enabled=True)
    assert unknown.status_code == 422


async def test_a_text_is_sent_and_its_reports_say_that_it_arrived(house: House) -> None:
    phone = "+14155550162"
    ann = await house.with_phone(phone)
    await house.tell(ann, "withdrawal_sent", SENT)
    (waiting,) = await house.texts(ann)
    assert waiting["state"] == "waiting"
    assert phone.encode() not in waiting["recipient"]
    assert await house.texter().carry_due() == 1
    text = await house.delivery(ann, "delivered")
    assert (text["state"], text["recipient"], text["content"], text["data_key"]) == ("sent", None, None, None)
    newest = (await house.on_the_phone(phone))[0]
    assert newest["body"].startswith("BitCurrent: 0.5 BTC were sent to my cold wallet.")
    assert newest["status"] == "delivered"
    async with house.brokerage.database.read() as connection:
        reports = await connection.fetch("SELECT status FROM text_reports WHERE text_id = $1", text["id"])
    assert sorted(report["status"] for report in reports) == ["delivered", "queued", "sent"]


async def test_a_text_that_does_not_arrive_is_known_not_to_have(house: House) -> None:
    ann = await house.with_phone("+14155550163")
    async with httpx.AsyncClient() as http:
        await http.post(f"{house.sandbox.url}/sandbox/phone/fate", json={"status": "undelivered", "error_code": 30003})
    await house.tell(ann, "withdrawal_sent", SENT)
    await house.texter().carry_due()
    text = await house.delivery(ann, "undelivered")
    assert text["delivery_code"] == 30003


async def test_a_carrier_that_refuses_is_asked_again_and_given_up(house: House) -> None:
    ann = await house.with_phone("+14155550164")
    async with httpx.AsyncClient() as http:
        await http.post(f"{house.sandbox.url}/sandbox/phone/refuse", json={"status": 503, "count": 1})
        await house.tell(ann, "withdrawal_sent", SENT)
        await house.texter().carry_due()
        assert [(text["state"], text["attempts"]) for text in await house.texts(ann)] == [("waiting", 1)]
        await house.texter().carry_due()
        assert [(text["state"], text["attempts"]) for text in await house.texts(ann)] == [("sent", 2)]
        await house.tell(ann, "withdrawal_sent", SENT)
        await http.post(f"{house.sandbox.url}/sandbox/phone/refuse", json={"status": 503, "count": 2})
        for _ in range(2):
            await house.texter(attempts_max=2).carry_due()
    dead = (await house.texts(ann))[-1]
    assert (dead["state"], dead["trouble"], dead["content"]) == ("dead", "503 20500", None)


async def _report(house: House, text_id: UUID, status: str, *, token: str | None = None, **more: str) -> httpx.Response:
    settings = house.brokerage.settings
    fields = {"MessageSid": "SM1", "MessageStatus": status, **more}
    path = f"/api/webhooks/twilio?text={text_id}"
    validator = RequestValidator(token or settings.twilio_auth_token)
    signature = validator.compute_signature(f"{settings.base_url}{path}", fields)
    return await house.http.post(path, data=fields, headers={"X-Twilio-Signature": signature})


async def test_reports_count_once_in_any_order_and_only_from_the_carrier(house: House) -> None:
    ann = await house.with_phone("+14155550165")
    await house.tell(ann, "withdrawal_sent", SENT)
    (text,) = await house.texts(ann)
    for status in ("delivered", "sent", "queued", "delivered", "some new word"):
        assert (await _report(house, text["id"], status)).status_code == 204
    (text,) = await house.texts(ann)
    assert (text["delivery"], text["state"]) == ("delivered", "waiting")
    forged = await _report(house, text["id"], "failed", token="somebody else's token")
    assert (forged.status_code, forged.json()["code"]) == (403, "forged_signature")
    unsigned = await house.http.post(f"/api/webhooks/twilio?text={text['id']}", data={"MessageStatus": "failed"})
    assert unsigned.status_code == 403
    assert (await _report(house, new_id(), "delivered")).status_code == 204
    assert (await _report(house, text["id"], "")).status_code == 422
    assert (await house.texts(ann))[0]["delivery"] == "delivered"
    await house.texter().carry_due()


async def test_messages_are_read_once_and_pages_follow_each_other(house: House) -> None:
    ann, ben = await register(house.http), await register(house.http)
    for number in range(5):
        await house.tell(
            ann, "conversion_done", {"sold": str(number), "from_asset": "USD", "bought": "1", "to_asset": "EUR"}
        )
    unread = (await house.http.get("/api/messages/unread", headers=ann.bearer)).json()
    assert unread == {"unread": 5}
    first = (await house.http.get("/api/messages", params={"limit": 3}, headers=ann.bearer)).json()
    rest = await house.inbox(ann, limit=3, cursor=first["next"])
    assert [message["body"].split()[0] for message in [*first["items"], *rest]] == ["4", "3", "2", "1", "0"]
    one = first["items"][0]["id"]
    read = await house.http.post(f"/api/messages/{one}/read", headers=ann.bearer)
    again = await house.http.post(f"/api/messages/{one}/read", headers=ann.bearer)
    assert read.json()["read_at"] == again.json()["read_at"] is not None
    assert (await house.http.post(f"/api/messages/{one}/read", headers=ben.bearer)).status_code == 404
    assert len(await house.inbox(ann, unread=True)) == 4
    assert (await house.http.post("/api/messages/read-all", headers=ann.bearer)).json() == {"marked": 4}
    assert await house.inbox(ann, unread=True) == []


async def test_a_stolen_database_tells_nothing_of_texts_and_messages(house: House) -> None:
    ann = await house.with_phone("+14155550166")
    await house.tell(ann, "withdrawal_sent", {**SENT, "destination": "the yellow submarine"})
    stolen = await asyncio.to_thread(dump, house.brokerage.settings.owner_database_url)
    assert found_in(stolen, "the yellow submarine", "+14155550166") == []
    await house.texter().carry_due()


async def test_a_customer_may_have_it_all_and_have_it_forgotten(house: House) -> None:
    ann = await register(house.http)
    user_id, vault = UserId(UUID(ann.id)), house.brokerage.letters.vault
    await house.choose(ann, "deposits", "email", enabled=False)
    await house.tell(ann, "deposit_credited", CREDITED)
    async with house.brokerage.database.transaction() as connection:
        parts = {part.name: [row async for row in part.rows] for part in export_with(vault)(connection, user_id)}
        assert "25 EUR" in str(parts["messages"][0]["body"])
        assert parts["notification_preferences"] == [{"topic": "deposits", "channel": "email", "enabled": False}]
        await erase(connection, user_id)
        left = {part.name: [row async for row in part.rows] for part in export_with(vault)(connection, user_id)}
    assert all(rows == [] for rows in left.values())


async def test_a_text_that_is_hours_old_goes_to_nobody(house: House) -> None:
    ann = await house.with_phone("+14155550167")
    await house.tell(ann, "withdrawal_sent", SENT)
    owner = house.brokerage.settings.owner_database_url
    connection = await asyncpg.connect(owner)
    await connection.execute(
        "UPDATE texts SET created_at = now() - interval '13 hours' WHERE user_id = $1", UUID(ann.id)
    )
    await connection.close()
    await house.texter().carry_due()
    (text,) = await house.texts(ann)
    assert (text["state"], text["trouble"]) == ("dead", "too late")
