"""Every operation of KYC, asked so that it works and so that it refuses."""

from typing import Any
from uuid import UUID

from bitcurrent.kernel.ids import new_id
from tests.contract.own_api.house import House
from tests.support.callers import OFFICE, client_from
from tests.support.customers import Person, register
from tests.support.verifying import begin, person_with_profile, profile, send, submit, submitted, value, webhook

WHY = {"reason": "Passport and face are the same person"}
QUEUE = "/api/admin/kyc"


async def verification(house: House) -> None:
    """What a customer sends, by one who may and one who may not."""
    pat = await person_with_profile(house.http)
    await house.ask_as(pat, "GET", "/api/kyc", 200)
    await house.nobody("GET", "/api/kyc")
    wish = {"level": "full", "nationality": "GB", "tax_residences": ["GB"]}
    assert (await send(house.http, pat, "selfie")).status_code == 404
    draft = await house.ask_as(pat, "POST", "/api/kyc/submissions", 201, wish)
    await house.ask_as(pat, "POST", "/api/kyc/submissions", 409, wish)
    path = f"/api/kyc/submissions/{draft['id']}"
    await house.ask_as(pat, "GET", path, 200)
    await house.ask_as(await register(house.http), "GET", path, 404)
    await house.ask_as(pat, "POST", f"{path}/submit", 409)
    assert (await send(house.http, pat, "selfie", b"<svg/>")).status_code == 422
    extra = (await send(house.http, pat, "identity_back")).json()
    await house.ask_as(pat, "DELETE", f"/api/kyc/documents/{extra['id']}", 204)
    await house.ask_as(pat, "DELETE", f"/api/kyc/documents/{extra['id']}", 404)
    for purpose in ("identity_front", "selfie", "proof_of_address"):
        assert (await send(house.http, pat, purpose)).status_code == 201
    await house.ask_as(pat, "POST", f"{path}/submit", 200)
    await _provider_tells(house, draft)


async def _provider_tells(house: House, submission: Any) -> None:
    secret = house.brokerage.settings.identity_webhook_secret
    where = "/api/webhooks/identity"
    body, headers = webhook(secret, submission["id"])
    for _ in range(2):
        assert (await house.http.post(where, content=body, headers=headers)).status_code == 200
    forged: list[dict[str, str]] = [
        {},
        webhook("another", submission["id"])[1],
        webhook(secret, submission["id"], at=1)[1],
    ]
    for wrong in forged:
        assert (await house.http.post(where, content=body, headers=wrong)).status_code == 400


async def verification_desk(house: House) -> None:
    """What operators decide, and see."""
    anna = await house.operator("compliance")
    pat = await person_with_profile(house.http)
    sent = await submitted(house.http, pat, "full")
    await house.from_the_office(anna, "GET", QUEUE, 200, user_id=pat.id, state="submitted", level="full", flagged=False)
    await house.from_the_office(anna, "GET", QUEUE, 422, cursor="nonsense")
    path, nowhere = f"{QUEUE}/{sent['id']}", f"{QUEUE}/{new_id()}"
    whole = await house.from_the_office(anna, "GET", path, 200)
    await house.from_the_office(anna, "GET", nowhere, 404)
    document = whole["documents"][0]["id"]
    link = await house.from_the_office(anna, "POST", f"{QUEUE}/documents/{document}/links", 201)
    await house.from_the_office(anna, "POST", f"{QUEUE}/documents/{new_id()}/links", 404)
    await _seen_once(house, anna, link["url"])
    asked = await house.from_the_office(anna, "POST", f"{path}/approve", 200, WHY)
    assert asked["approval"] is not None  # nobody can be screened: there is no list here
    told = {"outcome": "rejected", "reasons": ["not_verified"]}
    await house.from_the_office(anna, "POST", f"{path}/refuse", 200, told)
    await house.from_the_office(anna, "POST", f"{path}/refuse", 409, told)
    await house.from_the_office(anna, "POST", f"{path}/approve", 409, WHY)
    basic = await submit(house.http, pat, await begin(house.http, pat))
    done = await house.from_the_office(anna, "POST", f"{QUEUE}/{basic['id']}/approve", 200, WHY)
    assert (done["submission"]["state"], done["approval"]) == ("approved", None)
    assert await value(house.app, "SELECT kyc_level FROM users WHERE id = $1", UUID(pat.id)) == "basic"
    again = f"/api/admin/customers/{pat.id}/recheck"
    await house.from_the_office(anna, "POST", again, 200, WHY)
    await house.from_the_office(anna, "POST", f"/api/admin/customers/{new_id()}/recheck", 409, WHY)


async def _seen_once(house: House, who: Person, url: str) -> None:
    async with client_from(house.app, OFFICE) as http:
        http.event_hooks = {"response": [house.contract.hook]}
        assert (await http.get(url, headers=who.bearer)).status_code == 200
        assert (await http.get(url, headers=who.bearer)).status_code == 404


async def kyc_belongings(http: Any, ann: Person) -> dict[str, str]:
    """A draft and a document of hers; of operators' links there is none."""
    await http.put("/api/profile", json=profile(), headers=ann.bearer)
    draft = await begin(http, ann, "full")
    document = (await send(http, ann, "selfie")).json()
    return {"submission_id": draft["id"], "document_id": document["id"], "link_token": "none"}
