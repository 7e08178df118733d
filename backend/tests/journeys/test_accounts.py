"""A customer's account through the running system: letters by real SMTP, sockets that close with their sessions."""

import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from bitcurrent.live.model import CloseCode
from tests.support.customers import PASSWORD
from tests.support.live_client import LiveClient, live_client
from tests.support.own_api import Contract
from tests.support.system import System
from tests.support.visitors import Visitor, client, visitor

NEW_PASSWORD = "a completely different one"
SECONDS_MAX = 5.0


def _token(system: System, email: str, subject: str) -> str:
    """The token of the link in the newest letter of this subject."""
    letters = system.sandbox.letters(email)
    link: str = next(letter for letter in letters if letter["subject"] == subject)["links"][0]
    assert link.startswith(f"{system.url}/account/link#")
    return link.partition("=")[2]


async def _closed_within(socket: LiveClient, act: Callable[[], Awaitable[object]]) -> float:
    await act()
    started = time.monotonic()
    await socket.socket.wait_closed()
    assert socket.socket.close_code == CloseCode.SESSION_ENDED
    return time.monotonic() - started


async def test_a_revoked_session_loses_its_sockets_within_five_seconds(
    system: System, contract: Contract, ann: Visitor
) -> None:
    async with client(system, contract) as thief:
        login = (await thief.post("/api/login", json={"email": ann.email, "password": PASSWORD})).json()
    stolen = {"Authorization": f"Bearer {login['token']}"}
    session = (await ann.http.get("/api/me", headers=stolen)).json()["session_id"]
    async with live_client(f"{system.live_url}/ws") as socket, ann.watching("orders") as own:
        await socket.log_in({"token": login["token"]})
        await socket.subscribe("orders")
        seconds = await _closed_within(socket, lambda: ann.ask("DELETE", f"/api/sessions/{session}", 204))
        assert seconds < SECONDS_MAX
        await own.send(op="ping")
        assert (await own.until("pong"))["type"] == "pong"
    assert (await ann.http.get("/api/me", headers=stolen)).json()["code"] == "session_ended"


async def test_a_forgotten_password_is_set_anew_by_mail_and_ends_every_socket(
    system: System, contract: Contract, ann: Visitor
) -> None:
    async with ann.watching("orders") as socket, client(system, contract) as stranger:
        answer = await stranger.post("/api/password-reset", json={"email": ann.email})
        assert answer.status_code == 202
        token = _token(system, ann.email, "Set a new password")

        async def reset() -> None:
            body = {"token": token, "new_password": NEW_PASSWORD}
            answer = await stranger.post("/api/password-reset/confirm", json=body)
            assert answer.status_code == 200, answer.text

        assert await _closed_within(socket, reset) < SECONDS_MAX
        for password, status in ((PASSWORD, 401), (NEW_PASSWORD, 200)):
            answer = await stranger.post("/api/login", json={"email": ann.email, "password": password})
            assert answer.status_code == status
            stranger.cookies.clear()


async def test_an_account_is_closed_when_it_is_empty(system: System, contract: Contract) -> None:
    async with visitor(system, contract, USD="1000") as ben:
        resting = await ben.resting(quantity="0.01", limit_price="40000")
        problem = await ben.refused("/api/account/close", 409, "account_not_empty", {"password": PASSWORD})
        assert problem["details"] == {"open_orders": "1", "balance_USD": "1000"}
        await ben.ask("DELETE", f"/api/orders/{resting['id']}", 200)
        await ben.until(resting["id"], "canceled")
    async with visitor(system, contract) as eve, eve.watching("orders") as socket:
        seconds = await _closed_within(
            socket, lambda: eve.ask("POST", "/api/account/close", 200, {"password": PASSWORD})
        )
        assert seconds < SECONDS_MAX
        assert [letter["subject"] for letter in system.sandbox.letters(eve.email)] == ["Your account is closed"]


@pytest.mark.parametrize("path", ["/account/link", "/account/link.js", "/account/link.css"])
async def test_the_page_behind_a_link_may_load_only_what_is_ours(system: System, path: str) -> None:
    async with httpx.AsyncClient(base_url=system.url) as http:
        page = await http.get(path)
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
