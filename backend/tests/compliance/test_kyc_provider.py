"""The provider that checks identities: asked once, heard in any order, healed where it is not heard, never guessed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from bitcurrent.compliance.kyc.asking import Asking
from bitcurrent.kernel.ids import new_id
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.wiring import Brokerage
from tests.support.brokerage import running_api, settings_for
from tests.support.customers import Person
from tests.support.sandbox import HTTP, Sandbox
from tests.support.verifying import nobody_listed, person_with_profile, profile, standing, submitted, value, webhook

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHERE = "/api/webhooks/identity"


@dataclass(frozen=True, slots=True)
class Rail:
    """The application with the sandbox's provider."""

    app: Litestar
    http: httpx.AsyncClient
    sandbox: Sandbox

    @property
    def brokerage(self) -> Brokerage:
        brokerage: Brokerage = self.app.state.brokerage
        return brokerage

    @property
    def secret(self) -> str:
        return self.brokerage.settings.identity_webhook_secret

    def order(self, path: str = "orders", **wish: Any) -> None:
        answer = HTTP.post(f"{self.sandbox.url}/sandbox/idcheck/{path}", json=wish)
        assert answer.status_code == 204, answer.text

    def checks(self, submission: Any) -> list[Any]:
        answer = HTTP.get(f"{self.sandbox.url}/sandbox/idcheck/checks", params={"reference": submission["id"]})
        found: list[Any] = answer.json()["checks"]
        return found

    async def look(self, submission: Any, asking: Asking | None = None) -> str:
        """Have it looked up now; its state afterwards."""
        await self.value("UPDATE kyc_submissions SET next_at = now() WHERE id = $1 AND next_at IS NOT NULL", submission)
        while await (asking or self.brokerage.identity_asking).round():
            continue
        return str(await self.value("SELECT state FROM kyc_submissions WHERE id = $1", submission))

    async def value(self, query: str, submission: Any) -> Any:
        return await value(self.app, query, UUID(submission["id"]))

    async def sent(self, surname: str = "Person", level: str = "basic") -> tuple[Person, Any]:
        pat = await person_with_profile(self.http, surname)
        return pat, await submitted(self.http, pat, level)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(
    module_database_urls: DatabaseUrls, redis_server: RedisServer, sandbox: Sandbox
) -> AsyncIterator[Rail]:
    async with running_api(settings_for(module_database_urls, redis_server.url, sandbox)) as (http, app):
        await nobody_listed(app)
        yield Rail(app, http, sandbox)


@pytest_asyncio.fixture(loop_scope="module")
async def rail(running: Rail) -> Rail:
    running.order("reset")
    # Decided at once; told by us, as the application has no socket here.
    running.order(delay_ms=0, webhooks="drop")
    return running


@pytest.mark.parametrize(
    ("surname", "level", "state", "reached", "reasons"),
    [
        ("Approve", "full", "approved", "full", []),
        ("Person", "basic", "approved", "basic", []),
        ("Reject", "basic", "rejected", "none", ["document_not_genuine"]),
        ("More", "full", "needs_more", "none", ["document_unreadable"]),
    ],
)
async def test_what_the_provider_decides_holds(
    rail: Rail, surname: str, level: str, state: str, reached: str, reasons: list[str]
) -> None:
    pat, sent = await rail.sent(surname, level)
    assert await rail.look(sent) == "checking"
    await asyncio.sleep(0.05)
    assert await rail.look(sent) == state
    seen = await standing(rail.http, pat)
    assert (seen["level"], [each["code"] for each in seen["submissions"][0]["reasons"]]) == (reached, reasons)
    check = rail.checks(sent)[0]
    assert len(check["documents"]) == (3 if level == "full" else 0)
    evidence = await rail.value("SELECT evidence FROM kyc_submissions WHERE id = $1", sent)
    assert evidence["check"]["id"] == check["id"]
    if state == "approved":
        assert UUID(evidence["screening"]).version == 7


async def test_a_webhook_has_it_looked_up_at_once_however_often_it_comes(rail: Rail) -> None:
    rail.order(delay_ms=100)
    _, sent = await rail.sent()
    assert await rail.look(sent) == "checking"
    await asyncio.sleep(0.2)
    body, headers = webhook(rail.secret, sent["id"])
    for _ in range(3):
        assert (await rail.http.post(WHERE, content=body, headers=headers)).status_code == 200
    await rail.brokerage.identity_asking.round()
    assert await rail.value("SELECT state FROM kyc_submissions WHERE id = $1", sent) == "approved"
    assert await rail.value("SELECT count(*) FROM kyc_events WHERE reference = $1", sent) == 1
    late, headers = webhook(rail.secret, sent["id"])
    assert (await rail.http.post(WHERE, content=late, headers=headers)).status_code == 200
    assert await rail.look(sent) == "approved"


async def test_a_webhook_before_its_check_is_known_is_kept(rail: Rail) -> None:
    body, headers = webhook(rail.secret, new_id())
    assert (await rail.http.post(WHERE, content=body, headers=headers)).status_code == 200


@pytest.mark.parametrize("seconds", [-301, 31])
async def test_a_webhook_too_old_or_from_the_future_is_refused(rail: Rail, seconds: int) -> None:
    moment = int((datetime.now(UTC) + timedelta(seconds=seconds + (5 if seconds > 0 else -5))).timestamp())
    body, headers = webhook(rail.secret, new_id(), at=moment)
    refused = await rail.http.post(WHERE, content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "unproven")


@pytest.mark.parametrize("change", ["body", "secret", "header", "nonsense"])
async def test_a_forged_webhook_leaves_nothing(rail: Rail, change: str) -> None:
    reference = new_id()
    body, headers = webhook("another" if change == "secret" else rail.secret, reference)
    if change == "body":
        body = body.replace(b"evt_", b"evx_")
    if change == "header":
        headers = {}
    if change == "nonsense":
        headers["X-Idcheck-Signature"] = "t=x,v1=" + "é" * 3
        headers = {name: value.encode("utf-8") for name, value in headers.items()}
    refused = await rail.http.post(WHERE, content=body, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (400, "unproven")
    assert await value(rail.app, "SELECT count(*) FROM kyc_events WHERE reference = $1", reference) == 0


async def test_a_lost_answer_does_not_start_a_second_check(rail: Rail) -> None:
    rail.order(lose_answers=1)
    _, sent = await rail.sent()
    assert await rail.look(sent) == "submitted"
    assert len(rail.checks(sent)) == 1
    assert await rail.look(sent) == "checking"
    await asyncio.sleep(0.05)
    assert await rail.look(sent) == "approved"
    assert len(rail.checks(sent)) == 1


async def test_a_provider_that_is_down_is_asked_again(rail: Rail) -> None:
    rail.order(refusals=[503, 429, 401, 500])
    _, sent = await rail.sent()
    for _ in range(4):
        assert await rail.look(sent) == "submitted"
    await rail.look(sent)
    await asyncio.sleep(0.05)
    assert await rail.look(sent) == "approved"


@pytest.mark.parametrize("surname", ["Review", "Silent"])
async def test_what_the_provider_does_not_decide_people_do(rail: Rail, surname: str) -> None:
    pat, sent = await rail.sent(surname)
    assert await rail.look(sent) == "checking"
    await asyncio.sleep(0.05)
    brokerage = rail.brokerage
    impatient = Asking(
        database=brokerage.database,
        vault=brokerage.identity.vault,
        provider=brokerage.identity_asking.provider,
        reviews=brokerage.kyc_reviews,
        links=brokerage.kyc_links,
        patience=timedelta(),
    )
    assert await rail.look(sent, impatient) == "checking"
    flags = await rail.value("SELECT flags FROM kyc_submissions WHERE id = $1", sent)
    assert flags == ["provider_unsure" if surname == "Review" else "provider_silent"]
    assert await rail.value("SELECT next_at FROM kyc_submissions WHERE id = $1", sent) is None
    case = await value(rail.app, "SELECT count(*) FROM cases WHERE kind = 'kyc' AND user_id = $1", UUID(pat.id))
    assert case == 1
    # A yes that comes later is people's to weigh.
    rail.order("decide", reference=sent["id"], status="approved")
    assert await rail.look(sent) == "checking"
    assert (await standing(rail.http, pat))["level"] == "none"


async def test_a_word_that_we_do_not_know_approves_nobody(rail: Rail) -> None:
    pat, sent = await rail.sent("Silent")
    await rail.look(sent)
    rail.order("decide", reference=sent["id"], status="approved_probably")
    assert await rail.look(sent) == "checking"
    assert (await standing(rail.http, pat))["level"] == "none"


async def test_a_profile_changed_meanwhile_is_sent_in_again(rail: Rail) -> None:
    pat, sent = await rail.sent("Silent")
    await rail.look(sent)
    await rail.http.put("/api/profile", json=profile("Somebody Else"), headers=pat.bearer)
    rail.order("decide", reference=sent["id"], status="approved")
    assert await rail.look(sent) == "needs_more"
    seen = await standing(rail.http, pat)
    assert (seen["level"], seen["submissions"][0]["reasons"][0]["code"]) == ("none", "profile_changed")


async def test_two_workers_ask_once(rail: Rail) -> None:
    sent = [(await rail.sent())[1] for _ in range(4)]
    asking = rail.brokerage.identity_asking
    await asyncio.gather(*(asking.round() for _ in range(4)))
    assert [len(rail.checks(each)) for each in sent] == [1] * 4
