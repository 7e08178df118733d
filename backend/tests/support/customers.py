"""People who use the API in tests."""

import itertools
import time
from dataclasses import dataclass
from typing import Any

import httpx
import pyotp

PASSWORD = "correct horse battery staple"
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


async def register(client: httpx.AsyncClient, *, email: str | None = None, password: str = PASSWORD) -> Person:
    """Open an account; the client's cookie is dropped, so that each request says by itself who asks."""
    email = email or f"person{next(_numbers)}@example.test"
    body = {"email": email, "display_name": "Pat Person", "password": password}
    answer = await client.post("/api/register", json=body)
    assert answer.status_code == 201, answer.text
    client.cookies.clear()
    return Person(answer.json()["user"]["id"], answer.json()["user"]["email"], answer.json()["token"])


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
