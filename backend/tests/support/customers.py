"""People who use the API in tests."""

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import asyncpg
import httpx
import pyotp

from bitcurrent.identity.model import normalise_email
from bitcurrent.identity.service import Registration
from bitcurrent.identity.verified import mark_verified
from bitcurrent.kernel.ids import UserId

if TYPE_CHECKING:
    from litestar import Litestar

    from bitcurrent.wiring import Brokerage

PASSWORD = "correct horse battery staple"
ADDRESS = "203.0.113.7"
"""Where clients of an application in this process come from."""

_hashes: dict[tuple[str, int, str], str] = {}
_numbers = itertools.count(1)
_apps: dict[str, "App"] = {}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, and the token of their first session."""

    id: str
    email: str
    token: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


async def register(
    client: httpx.AsyncClient, *, email: str | None = None, password: str = PASSWORD, database_url: str = ""
) -> Person:
    """Somebody with a confirmed address and an open session; the client's cookie stays as it is.

    An application in this process makes them by its own service, without a quarter of a second for each hash. One
    behind a socket is asked over HTTP, and the address is confirmed in its database at `database_url`.
    """
    email = email or f"person{next(_numbers)}@example.test"
    transport = client._transport
    if isinstance(transport, httpx.ASGITransport):
        return await _made_inside(cast("Litestar", transport.app), email, password)
    body = {"email": email, "display_name": "Pat Person", "password": password}
    answer = await client.post("/api/register", json=body)
    assert answer.status_code == 202, answer.text
    login = await log_in(client, email, password)
    assert login.status_code == 200, login.text
    person = Person(login.json()["user"]["id"], login.json()["user"]["email"], login.json()["token"])
    if database_url:
        await confirm_address(database_url, person)
    return person


async def confirm_address(database_url: str, person: Person) -> None:
    """As if the link in the mail had been used."""
    connection = await asyncpg.connect(database_url)
    try:
        await mark_verified(connection, UserId(UUID(person.id)))
    finally:
        await connection.close()


async def _made_inside(app: "Litestar", email: str, password: str) -> Person:
    brokerage: Brokerage = app.state.brokerage
    identity = brokerage.identity
    known = (brokerage.settings.password_pepper, brokerage.settings.password_cost, password)
    if known not in _hashes:
        _hashes[known] = await identity.hash_password(password)
    wish = Registration(normalise_email(email), "Pat Person", _hashes[known])
    async with brokerage.database.transaction() as connection:
        user = await identity.register(connection, wish, address=ADDRESS)
        login = await identity.open_session(connection, user, address=ADDRESS, device="python-httpx")
    return Person(str(user.id), user.email, login.token)


async def log_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    """Log in; the client's cookie is dropped."""
    answer = await client.post("/api/login", json={"email": email, "password": password})
    client.cookies.clear()
    return answer


class App:
    """An authenticator app. It never shows the same code twice: the next one is of a newer half minute."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self._last = 0

    def code(self) -> str:
        """A code that works now and was not shown before; at most three in half a minute, then it waits."""
        now = int(time.time()) // 30
        step = max(self._last + 1, now - 1)
        while step > int(time.time()) // 30 + 1:
            time.sleep(0.2)
        self._last = step
        return pyotp.TOTP(self.secret).generate_otp(step)


async def enrol(client: httpx.AsyncClient, person: Person, *, password: str = PASSWORD) -> App:
    """Give somebody an authenticator app; their session is fresh afterwards."""
    begun = await client.post("/api/factors/totp", json={"password": password}, headers=person.bearer)
    assert begun.status_code == 200, begun.text
    app = App(begun.json()["secret"])
    confirmed = await client.post("/api/factors/totp/confirm", json={"code": app.code()}, headers=person.bearer)
    assert confirmed.status_code == 200, confirmed.text
    _apps[person.id] = app
    return app


async def log_in_with(client: httpx.AsyncClient, email: str, app: App, password: str = PASSWORD) -> httpx.Response:
    """Both steps of a login; the second one's answer."""
    first = await log_in(client, email, password)
    assert first.json()["next"] == "second_factor", first.text
    body = {"challenge": first.json()["challenge"], "method": "totp", "code": app.code()}
    answer = await client.post("/api/login/second-factor", json=body)
    client.cookies.clear()
    return answer


async def create_key(client: httpx.AsyncClient, person: Person, *scopes: str, **more: Any) -> tuple[str, str]:
    """Make an API key; gives its id and secret. Somebody without a second factor gets one first."""
    if person.id not in _apps:
        await enrol(client, person)
    body = {"label": "bot", "scopes": list(scopes), **more}
    answer = await client.post("/api/api-keys", json=body, headers=person.bearer)
    assert answer.status_code == 201, answer.text
    return answer.json()["api_key"]["key_id"], answer.json()["secret_key"]


def key_headers(key_id: str, secret: str) -> dict[str, str]:
    """How a bot shows its key."""
    return {"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret}
