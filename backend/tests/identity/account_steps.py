"""Steps in the life of an account, over HTTP."""

from uuid import UUID

import asyncpg
import httpx

from bitcurrent.kernel.ids import UserId
from tests.identity.conftest import Api
from tests.support.customers import PASSWORD, Person, log_in

NEW_PASSWORD = "a completely different one"


async def unconfirmed(api: Api, email: str) -> Person:
    body = {"email": email, "display_name": "Pat Person", "password": PASSWORD}
    assert (await api.client.post("/api/register", json=body)).status_code == 202
    login = (await log_in(api.client, email)).json()
    return Person(login["user"]["id"], email, login["token"])


async def send(api: Api, path: str, status: int, person: Person | None = None, /, **body: str) -> httpx.Response:
    answer = await api.client.post(path, json=body, headers=person.bearer if person else None)
    assert answer.status_code == status, answer.text
    return answer


async def alter(api: Api, statement: str, *values: object) -> None:
    database = await asyncpg.connect(api.settings.owner_database_url)
    await database.execute(statement, *values)
    await database.close()


def id_of(person: Person) -> UserId:
    return UserId(UUID(person.id))
