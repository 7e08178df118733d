"""People who are verified over the API, and operators who look at what they sent."""

import hashlib
import hmac
import itertools
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from litestar import Litestar

from bitcurrent.compliance.screening.lists import Read, import_list
from bitcurrent.compliance.screening.model import Listed, ListedName
from bitcurrent.kernel.ids import new_id
from bitcurrent.wiring import Brokerage
from tests.support import papers
from tests.support.customers import Person, register

_seeds = itertools.count(1)
LISTED = "Pat Zwetschgenknoedel"
"""Whom the list of these tests names."""
FULL = ("identity_front", "selfie", "proof_of_address")


def profile(surname: str = "Person") -> dict[str, Any]:
    """A profile as it is put, of somebody of thirty."""
    born = datetime.now(UTC).date() - timedelta(days=30 * 366)
    return {
        "legal_name": f"Pat {surname}",
        "birth_date": born.isoformat(),
        "address": {"lines": ["1 Long Lane"], "city": "London", "postal_code": "EC1A 9HF", "country": "GB"},
        "documents": [{"kind": "passport", "number": f"X{next(_seeds):07}", "country": "GB"}],
    }


async def person_with_profile(http: httpx.AsyncClient, surname: str = "Person") -> Person:
    """Somebody with a profile, who is not verified."""
    pat = await register(http)
    answer = await http.put("/api/profile", json=profile(surname), headers=pat.bearer)
    assert answer.status_code == 200, answer.text
    return pat


async def begin(http: httpx.AsyncClient, who: Person, level: str = "basic", status: int = 201) -> Any:
    """A draft."""
    wish = {"level": level, "nationality": "GB", "tax_residences": ["GB", "DE"]}
    answer = await http.post("/api/kyc/submissions", json=wish, headers=who.bearer)
    assert answer.status_code == status, answer.text
    return answer.json()


async def send(http: httpx.AsyncClient, who: Person, purpose: str, content: bytes | None = None) -> httpx.Response:
    """One document; a picture that nobody else has unless told otherwise."""
    file = papers.picture(seed=next(_seeds), size=(400 + next(_seeds), 300)) if content is None else content
    headers = {**who.bearer, "Content-Type": "application/octet-stream"}
    return await http.post("/api/kyc/documents", params={"purpose": purpose}, content=file, headers=headers)


async def submit(http: httpx.AsyncClient, who: Person, submission: Any, status: int = 200) -> Any:
    """Hand it in."""
    answer = await http.post(f"/api/kyc/submissions/{submission['id']}/submit", headers=who.bearer)
    assert answer.status_code == status, answer.text
    return answer.json()


async def submitted(http: httpx.AsyncClient, who: Person, level: str = "basic") -> Any:
    """A submission with everything that its level asks for, handed in."""
    draft = await begin(http, who, level)
    for purpose in FULL if level == "full" else ():
        answer = await send(http, who, purpose)
        assert answer.status_code == 201, answer.text
    return await submit(http, who, draft)


async def standing(http: httpx.AsyncClient, who: Person) -> Any:
    """GET /api/kyc."""
    answer = await http.get("/api/kyc", headers=who.bearer)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def value(app: Litestar, query: str, *arguments: Any) -> Any:
    """One value of the database."""
    brokerage: Brokerage = app.state.brokerage
    async with brokerage.database.transaction() as connection:
        return await connection.fetchval(query, *arguments)


def webhook(secret: str, reference: UUID | str, *, at: int | None = None, event_id: str | None = None) -> Any:
    """Body and headers of the provider's webhook about a check of ours."""
    event = {
        "id": event_id or f"evt_{new_id().hex}",
        "object": "event",
        "created": int(time.time()),
        "data": {"check_id": "chk_" + "0" * 24, "reference": str(reference)},
    }
    body = json.dumps(event).encode()
    moment = int(time.time()) if at is None else at
    signed = hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()
    return body, {"X-Idcheck-Signature": f"t={moment},v1={signed}", "Content-Type": "application/json"}


async def nobody_listed(app: Litestar) -> None:
    """A list of sanctions is in force, with one name that nobody in these tests has unless they are to be found."""
    brokerage: Brokerage = app.state.brokerage
    listed = (Listed(key="D1", kind="individual", names=(ListedName(text=LISTED),), countries=("GB",)),)
    async with brokerage.database.transaction() as connection:
        await import_list(connection, Read("demo", "0" * 64, {"list": "0" * 64}, listed), imported_by="tests")
