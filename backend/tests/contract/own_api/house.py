"""The running application with somebody who is logged in, and the judge of every answer."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx
from litestar import Litestar

from bitcurrent.identity.model import Role
from bitcurrent.identity.service import Registration
from bitcurrent.integrations.smtp.adapter import SmtpCarrier
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import new_id
from bitcurrent.notifications.tasks import Postman
from bitcurrent.wiring import Brokerage
from tests.support.brokerage import client_of
from tests.support.callers import OFFICE, client_from
from tests.support.customers import PASSWORD, Person, enrol, log_in_with
from tests.support.own_api import Contract
from tests.support.sandbox import Sandbox


@dataclass(slots=True)
class House:
    """The running application, somebody who is logged in, and the judge of every answer."""

    app: Litestar
    http: httpx.AsyncClient
    contract: Contract
    ann: Person
    sandbox: Sandbox

    @property
    def brokerage(self) -> Brokerage:
        brokerage: Brokerage = self.app.state.brokerage
        return brokerage

    async def ask(self, method: str, path: str, status: int, body: Any = None, **query: Any) -> Any:
        """One request of ann's; the JSON of an answer of this status."""
        answer = await self.http.request(method, path, json=body, params=query, headers=self.ann.bearer)
        return _json(answer, status)

    async def ask_as(self, who: Person | None, method: str, path: str, status: int, body: Any = None) -> Any:
        """The same from somebody else, or from nobody; a cookie that is set is forgotten."""
        answer = await self.http.request(method, path, json=body, headers=who.bearer if who else None)
        self.http.cookies.clear()
        return _json(answer, status)

    async def nobody(self, method: str, path: str, body: Any = None) -> None:
        """The same from somebody who is not logged in."""
        answer = await self.http.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_logged_in"), answer.text

    async def from_the_office(
        self, who: Person, method: str, path: str, status: int, body: Any = None, **query: Any
    ) -> Any:
        """A request from where operators sit."""
        async with client_from(self.app, OFFICE) as http:
            http.event_hooks = {"response": [self.contract.hook]}
            return _json(await http.request(method, path, json=body, params=query, headers=who.bearer), status)

    async def books(self, statement: str, *arguments: Any) -> Any:
        """Something that the venue does, straight in the books."""
        database: Database = self.app.state["database"]
        async with database.transaction() as connection:
            return await connection.fetchval(statement, *arguments)

    async def operator(self, role: Role) -> Person:
        """Somebody of this role in a session that a second factor has opened."""
        brokerage = self.brokerage
        async with brokerage.database.transaction() as connection:
            wish = Registration(
                email=f"{role}.{new_id()}@example.test",
                display_name="Olga Operator",
                password_hash=await brokerage.identity.hash_password(PASSWORD),
                role=role,
            )
            user = await brokerage.operators.add(connection, wish)
            login = await brokerage.identity.open_session(connection, user, address=OFFICE, device="tests")
        async with client_of(self.app) as http:
            app = await enrol(http, Person(str(user.id), user.email, login.token))
            opened = await log_in_with(http, user.email, app)
        assert opened.status_code == 200, opened.text
        return Person(str(user.id), user.email, opened.json()["token"])

    async def link_to(self, email: str, purpose: str) -> str:
        """The token of the newest link for this purpose in somebody's mail: by SMTP, from the sandbox."""
        settings = self.brokerage.settings
        carrier = SmtpCarrier.of(settings.smtp_url, settings.mail_from)
        postman = Postman(self.brokerage.database, self.brokerage.letters.mails, carrier, Counter())
        while await postman.carry_due():
            continue
        letters = await asyncio.to_thread(self.sandbox.letters, email)
        links = [link for letter in letters for link in letter["links"] if f"#{purpose}=" in link]
        return str(links[0]).partition("=")[2]

    async def texted(self, phone: str) -> str:
        """The code in the newest text to a phone."""
        url = f"{self.sandbox.url}/sandbox/phone/messages"
        async with httpx.AsyncClient(timeout=10) as http:
            texts = (await http.get(url, params={"to": phone})).json()["messages"]
        return str(texts[0]["body"])[:6]


def _json(answer: httpx.Response, status: int) -> Any:
    request = answer.request
    assert answer.status_code == status, f"{request.method} {request.url}: {answer.status_code} {answer.text[:500]}"
    return answer.json() if answer.content else None
