"""People who use the API in tests."""

import itertools
from dataclasses import dataclass
from typing import Any

import httpx

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


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


async def create_key(client: httpx.AsyncClient, person: Person, *scopes: str, **more: Any) -> tuple[str, str]:
    """Make an API key; gives its id and secret."""
    body = {"label": "bot", "scopes": list(scopes), **more}
    answer = await client.post("/api/api-keys", json=body, headers=person.bearer)
    assert answer.status_code == 201, answer.text
    return answer.json()["api_key"]["key_id"], answer.json()["secret_key"]


def key_headers(key_id: str, secret: str) -> dict[str, str]:
    """How a bot shows its key."""
    return {"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret}
