"""Customers are verified by people: drafts, documents, decisions by one or two, levels that end, and what is kept."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from bitcurrent.compliance.kyc.export import erase
from bitcurrent.compliance.kyc.levels import seed_demo_level
from bitcurrent.compliance.kyc.model import CURRENT
from bitcurrent.compliance.kyc.tasks import IdentityKeeper
from bitcurrent.kernel.crypto import CryptoError
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.launcher.scratch import DatabaseUrls
from tests.compliance.conftest import House
from tests.support import papers
from tests.support.customers import Person
from tests.support.dumps import dump, found_in
from tests.support.operators import operator
from tests.support.verifying import (
    FULL,
    LISTED,
    begin,
    nobody_listed,
    person_with_profile,
    profile,
    send,
    standing,
    submit,
    submitted,
    value,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = {"reason": "Passport and face are the same person"}


async def approve(house: House, who: Person, submission: Any) -> httpx.Response:
    return await house.office.post(f"/api/admin/kyc/{submission['id']}/approve", json=WHY, headers=who.bearer)


async def level_of(house: House, who: Person) -> str:
    return str(await value(house.app, "SELECT kyc_level FROM users WHERE id = $1", UUID(who.id)))


async def letters_to(house: House, who: Person) -> list[str]:
    async with house.brokerage.database.read() as connection:
        rows = await connection.fetch(
            "SELECT template FROM mails WHERE user_id = $1 AND template LIKE 'kyc%' ORDER BY id", UUID(who.id)
        )
    return [row["template"] for row in rows]


async def tend(house: House) -> None:
    from collections import Counter

    keeper = IdentityKeeper(
        database=house.brokerage.database,
        asking=house.brokerage.identity_asking,
        lasting=house.brokerage.kyc_lasting,
        counts=Counter(),
    )
    await keeper.tend()


async def test_without_a_list_to_compare_with_two_people_decide(house: House) -> None:
    anna, bob = [await operator(house.app, "compliance") for _ in range(2)]
    pat = await person_with_profile(house.street)
    sent = await submitted(house.street, pat, "full")
    asked = (await approve(house, anna, sent)).json()
    assert asked["submission"]["flags"] == ["not_screened"]
    assert (await house.grant(bob, asked["approval"]["id"])).status_code == 200
    assert await level_of(house, pat) == "full"


async def test_who_is_listed_waits_until_people_have_looked(house: House) -> None:
    await nobody_listed(house.app)
    anna, bob = [await operator(house.app, "compliance") for _ in range(2)]
    pat = await person_with_profile(house.street, LISTED.split()[-1])
    sent = await submitted(house.street, pat, "basic")
    for _ in range(2):
        done = (await approve(house, anna, sent)).json()
        assert (done["submission"]["state"], done["submission"]["flags"]) == ("submitted", ["screening_open"])
    assert await level_of(house, pat) == "none"
    case = (await house.office.get("/api/admin/cases", params={"user_id": pat.id}, headers=anna.bearer)).json()
    path = f"/api/admin/cases/{case['items'][0]['id']}"
    closing = {"outcome": "cleared", "reason": "Born elsewhere and much later"}
    assert (await house.office.post(f"{path}/proposal", json=closing, headers=anna.bearer)).status_code == 200
    assert (await house.office.post(f"{path}/confirm", headers=bob.bearer)).status_code == 200
    assert (await approve(house, anna, sent)).json()["submission"]["state"] == "approved"
    assert await level_of(house, pat) == "basic"


async def test_a_customer_is_verified_step_by_step(house: House) -> None:
    olga = await operator(house.app, "compliance")
    pat = await person_with_profile(house.street)
    await nobody_listed(house.app)
    before = await standing(house.street, pat)
    assert (before["level"], before["submissions"]) == ("none", [])
    assert {each["level"]: each["missing"] for each in before["levels"]} == {
        "none": [],
        "basic": [],
        "full": list(FULL),
    }
    limits = {each["level"]: {one["product"] for one in each["limits"]} for each in before["levels"]}
    assert "card_deposit" in limits["basic"]
    handed_in = await submitted(house.street, pat, "basic")
    assert (handed_in["state"], handed_in["version"]) == ("submitted", 1)
    done = await approve(house, olga, handed_in)
    assert done.status_code == 200, done.text
    assert (done.json()["submission"]["state"], done.json()["submission"]["decided_by"]) == ("approved", olga.id)
    assert await level_of(house, pat) == "basic"
    full = await submitted(house.street, pat, "full")
    assert [each["purpose"] for each in full["documents"]] == list(FULL)
    assert (await approve(house, olga, full)).status_code == 200
    after = await standing(house.street, pat)
    assert (after["level"], [each["state"] for each in after["submissions"]]) == ("full", ["approved", "approved"])
    assert after["submissions"][0]["expires_at"]
    assert after["submissions"][1]["expires_at"] is None
    assert await letters_to(house, pat) == ["kyc_submitted", "kyc_approved"] * 2
    evidence = await value(house.app, "SELECT evidence FROM kyc_submissions WHERE id = $1", UUID(full["id"]))
    assert (evidence["rule_version"], len(evidence["documents"])) == (CURRENT.version, 3)
    async with house.brokerage.database.read() as connection:
        events = await connection.fetch(
            "SELECT payload FROM events WHERE user_id = $1 AND kind = 'kyc_changed' ORDER BY sequence", UUID(pat.id)
        )
        acts = await connection.fetchval(
            "SELECT count(*) FROM audit_logs WHERE action = 'kyc.level_changed' AND subject = $1", f"user:{pat.id}"
        )
    assert [(each["payload"]["state"], each["payload"]["kyc_level"]) for each in events] == [
        ("submitted", "none"), ("approved", "basic"), ("submitted", "basic"), ("approved", "full"),
    ]  # fmt: skip
    assert acts == 2


async def test_what_is_missing_is_named_and_nothing_is_sent_in(house: House) -> None:
    pat = await person_with_profile(house.street)
    draft = await begin(house.street, pat, "full")
    assert (await begin(house.street, pat, "full", 409))["code"] == "kyc_submission_open"
    assert (await send(house.street, pat, "selfie")).status_code == 201
    refused = await submit(house.street, pat, draft, 409)
    assert (refused["code"], refused["details"]["missing"]) == ("kyc_incomplete", "identity_front,proof_of_address")
    wish = {"level": "basic", "nationality": "XX", "tax_residences": ["GB"]}
    wrong = await house.street.post("/api/kyc/submissions", json=wish, headers=pat.bearer)
    assert (wrong.status_code, wrong.json()["field"]) == (422, "nationality")


async def test_nobody_without_a_profile_or_a_draft(house: House) -> None:
    from tests.support.customers import register

    nobody = await register(house.street)
    assert (await send(house.street, nobody, "selfie")).status_code == 404
    draft = await begin(house.street, nobody)
    assert (await submit(house.street, nobody, draft, 409))["details"]["missing"] == "profile"


async def test_documents_leave_a_draft_and_nothing_else(house: House) -> None:
    pat, other = [await person_with_profile(house.street) for _ in range(2)]
    draft = await begin(house.street, pat, "full")
    front = papers.picture(seed=201, located=True)
    first = (await send(house.street, pat, "identity_front", front)).json()
    again = (await send(house.street, pat, "identity_front", front)).json()
    assert first["id"] == again["id"]
    path = f"/api/kyc/documents/{first['id']}"
    assert (await house.street.delete(path, headers=other.bearer)).status_code == 404
    assert (await house.street.delete(path, headers=pat.bearer)).status_code == 204
    assert await value(house.app, "SELECT count(*) FROM kyc_documents WHERE user_id = $1", UUID(pat.id)) == 0
    kept = [(await send(house.street, pat, purpose)).json() for purpose in FULL][-1]
    await submit(house.street, pat, draft)
    gone = await house.street.delete(f"/api/kyc/documents/{kept['id']}", headers=pat.bearer)
    assert (gone.status_code, gone.json()["code"]) == (409, "kyc_wrong_state")
    assert (await send(house.street, pat, "selfie")).status_code == 409
    async with house.brokerage.database.transaction() as connection:
        with pytest.raises(asyncpg.CheckViolationError, match="stays with what was sent in"):
            await connection.execute("DELETE FROM kyc_submission_documents WHERE document_id = $1", UUID(kept["id"]))


async def test_a_file_that_is_too_large_or_no_document_is_refused_and_leaves_nothing(house: House) -> None:
    pat = await person_with_profile(house.street)
    await begin(house.street, pat, "full")
    large = await send(house.street, pat, "selfie", b"\xff\xd8\xff" + b"\0" * 10_000_000)
    assert (large.status_code, large.json()["details"]["bytes_max"]) == (413, "10000000")

    async def trickle() -> Any:
        for _ in range(11):
            yield b"\xff" * 1_000_000

    answer = await house.street.post(
        "/api/kyc/documents", params={"purpose": "selfie"}, content=trickle(), headers=pat.bearer
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    svg = await send(house.street, pat, "selfie", b"<svg><script>1</script></svg>")
    assert (svg.status_code, svg.json()["details"]["why"]) == (422, "not_a_document")
    assert (await send(house.street, pat, "diploma")).status_code == 422
    assert await value(house.app, "SELECT count(*) FROM kyc_documents WHERE user_id = $1", UUID(pat.id)) == 0


async def test_who_needs_more_begins_again_with_what_is_there(house: House) -> None:
    olga = await operator(house.app, "compliance")
    pat = await person_with_profile(house.street)
    first = await submitted(house.street, pat, "full")
    told = {"outcome": "needs_more", "reasons": ["selfie_differs"]}
    path = f"/api/admin/kyc/{first['id']}/refuse"
    none = await house.office.post(path, json={**told, "reasons": []}, headers=olga.bearer)
    assert none.status_code == 422
    done = await house.office.post(path, json=told, headers=olga.bearer)
    assert (done.status_code, done.json()["state"]) == (200, "needs_more")
    again = await house.office.post(path, json=told, headers=olga.bearer)
    assert (again.status_code, again.json()["code"]) == (409, "kyc_wrong_state")
    seen = (await standing(house.street, pat))["submissions"][0]
    assert seen["reasons"][0]["words"].startswith("We could not match your picture")
    second = await begin(house.street, pat, "full")
    assert (second["version"], len(second["documents"])) == (2, 3)
    selfie = next(each for each in second["documents"] if each["purpose"] == "selfie")
    await house.street.delete(f"/api/kyc/documents/{selfie['id']}", headers=pat.bearer)
    assert (await send(house.street, pat, "selfie")).status_code == 201
    await submit(house.street, pat, second)
    # The version before keeps the picture that it was refused for.
    kept = await value(
        house.app, "SELECT count(*) FROM kyc_submission_documents WHERE submission_id = $1", UUID(first["id"])
    )
    assert kept == 3


async def test_attempts_are_counted(house: House) -> None:
    olga = await operator(house.app, "compliance")
    pat = await person_with_profile(house.street)
    for _ in range(CURRENT.attempts):
        sent = await submitted(house.street, pat)
        told = {"outcome": "rejected", "reasons": ["not_verified"]}
        await house.office.post(f"/api/admin/kyc/{sent['id']}/refuse", json=told, headers=olga.bearer)
    refused = await begin(house.street, pat, "basic", 409)
    assert (refused["code"], refused["details"]["maximum"]) == ("kyc_too_many_attempts", "5")
    assert (await standing(house.street, pat))["attempts_left"] == 0
    assert await level_of(house, pat) == "none"


async def test_the_same_file_of_two_customers_takes_two_people(house: House) -> None:
    anna, bob = [await operator(house.app, "compliance") for _ in range(2)]
    passport = papers.picture(seed=999, size=(777, 333))
    people = [await person_with_profile(house.street) for _ in range(2)]
    handed_in = []
    for pat in people:
        draft = await begin(house.street, pat, "full")
        await send(house.street, pat, "identity_front", passport)
        await send(house.street, pat, "selfie")
        await send(house.street, pat, "proof_of_address")
        handed_in.append(await submit(house.street, pat, draft))
    query: dict[str, Any] = {"flagged": True, "state": "submitted", "user_id": people[1].id}
    queue = await house.office.get("/api/admin/kyc", params=query, headers=anna.bearer)
    assert [each["flags"] for each in queue.json()["items"]] == [["document_used_by_another"]]
    asked = await approve(house, anna, handed_in[1])
    assert (asked.status_code, asked.json()["submission"]["state"]) == (200, "submitted"), asked.text
    assert await level_of(house, people[1]) == "none"
    approval = asked.json()["approval"]["id"]
    assert (await house.grant(anna, approval)).status_code == 403
    assert (await house.grant(bob, approval)).status_code == 200
    assert await level_of(house, people[1]) == "full"
    async with house.brokerage.database.transaction() as connection:
        row = await connection.fetchrow("SELECT * FROM kyc_submissions WHERE id = $1", UUID(handed_in[1]["id"]))
    assert row is not None
    assert (str(row["decided_by"]), str(row["confirmed_by"])) == (anna.id, bob.id)


async def test_the_database_knows_the_ways_too(house: House) -> None:
    pat = await person_with_profile(house.street)
    draft = await begin(house.street, pat)
    user_id, submission_id = UUID(pat.id), UUID(draft["id"])
    for statement, words in (
        ("UPDATE kyc_submissions SET state = 'approved' WHERE id = $1", "does not go from draft"),
        ("UPDATE kyc_submissions SET flags = '{recheck}', state = 'submitted' WHERE id = $1", "submitted"),
        ("UPDATE kyc_submissions SET level = 'full' WHERE id = $1", "permission denied"),
        ("DELETE FROM kyc_submissions WHERE id = $1", "permission denied"),
    ):
        with pytest.raises(asyncpg.PostgresError, match=words):
            await value(house.app, statement, submission_id)
    with pytest.raises(asyncpg.CheckViolationError, match="begins as a draft"):
        await value(
            house.app,
            "INSERT INTO kyc_submissions (id, user_id, version, level, state, origin, rule_version, submitted_at,"
            " checker, decided_at) VALUES ($1, $2, 9, 'full', 'approved', 'customer', 1, now(), 'provider', now())",
            new_id(),
            user_id,
        )
    with pytest.raises(asyncpg.UniqueViolationError):
        await value(
            house.app,
            "INSERT INTO kyc_submissions (id, user_id, version, level, origin, rule_version)"
            " VALUES ($1, $2, 9, 'full', 'customer', 1)",
            new_id(),
            user_id,
        )


async def test_a_profile_changed_after_it_was_sent_in_is_not_approved(house: House) -> None:
    olga = await operator(house.app, "compliance")
    pat = await person_with_profile(house.street)
    sent = await submitted(house.street, pat)
    await house.street.put("/api/profile", json=profile("Somebody Else"), headers=pat.bearer)
    refused = await approve(house, olga, sent)
    assert (refused.status_code, refused.json()["code"]) == (409, "kyc_profile_changed")
    assert await level_of(house, pat) == "none"


async def test_an_operator_sees_a_person_and_documents_and_it_is_written_down(house: House) -> None:
    olga, otto = [await operator(house.app, "compliance") for _ in range(2)]
    pat = await person_with_profile(house.street, "Shown")
    sent = await submitted(house.street, pat, "full")
    whole = (await house.office.get(f"/api/admin/kyc/{sent['id']}", headers=olga.bearer)).json()
    assert (whole["person"]["legal_name"], whole["person"]["tax_residences"]) == ("Pat Shown", ["GB", "DE"])
    document = whole["documents"][0]
    made = await house.office.post(f"/api/admin/kyc/documents/{document['id']}/links", headers=olga.bearer)
    assert made.status_code == 201, made.text
    url = made.json()["url"]
    assert (await house.office.get(url, headers=otto.bearer)).status_code == 404
    seen = await house.office.get(url, headers=olga.bearer)
    assert (seen.status_code, seen.headers["content-type"]) == (200, "image/jpeg")
    assert seen.headers["cache-control"] == "no-store"
    assert seen.headers["content-security-policy"].startswith("sandbox;")
    assert seen.headers["content-disposition"].startswith("inline; filename=")
    assert len(seen.content) == document["bytes"]
    assert (await house.office.get(url, headers=olga.bearer)).status_code == 404
    late = (await house.office.post(f"/api/admin/kyc/documents/{document['id']}/links", headers=olga.bearer)).json()
    async with house.brokerage.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO kyc_document_links (id, document_id, operator_id, token_hash, expires_at)"
            " VALUES ($1, $2, $3, sha256('late'), now())",
            new_id(),
            UUID(document["id"]),
            UUID(olga.id),
        )
        acts = await connection.fetch(
            "SELECT action FROM audit_logs WHERE actor_id = $1 AND action LIKE 'kyc.%' ORDER BY id", UUID(olga.id)
        )
    assert late["url"] != url
    assert (await house.office.get("/api/admin/kyc/document-links/late", headers=olga.bearer)).status_code == 404
    assert [act["action"] for act in acts] == [
        "kyc.read", "kyc.document_link_made", "kyc.document_seen", "kyc.document_link_made",
    ]  # fmt: skip


async def test_the_queue_is_oldest_first_and_pages(house: House) -> None:
    olga = await operator(house.app, "compliance")
    sent = [(await submitted(house.street, await person_with_profile(house.street)))["id"] for _ in range(3)]
    found: list[str] = []
    cursor = None
    while True:
        more: dict[str, Any] = {"cursor": cursor} if cursor else {}
        page = await house.office.get(
            "/api/admin/kyc", params={"state": "submitted", "limit": 2, **more}, headers=olga.bearer
        )
        found += [each["id"] for each in page.json()["items"]]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert [each for each in found if each in sent] == sent


async def test_an_approval_ends_with_warnings_before_it(house: House) -> None:
    olga = await operator(house.app, "compliance")
    pat = await person_with_profile(house.street)
    sent = await submitted(house.street, pat, "full")
    await approve(house, olga, sent)
    assert (await begin(house.street, pat, "full", 409))["code"] == "kyc_level_reached"
    for left in ("29 days", "28 days", "6 days"):
        await value(
            house.app,
            "UPDATE kyc_submissions SET expires_at = now() + $2::text::interval WHERE id = $1",
            UUID(sent["id"]),
            left,
        )
        await tend(house)
    assert (await letters_to(house, pat))[2:] == ["kyc_expiring", "kyc_expiring"]
    await value(house.app, "UPDATE kyc_submissions SET expires_at = now() WHERE id = $1", UUID(sent["id"]))
    await tend(house)
    await tend(house)
    assert await level_of(house, pat) == "basic"
    assert (await letters_to(house, pat))[-1] == "kyc_expired"
    assert (await standing(house.street, pat))["submissions"][0]["state"] == "expired"


async def test_who_is_asked_to_verify_again_and_does_keeps_the_level(house: House) -> None:
    anna, bob = [await operator(house.app, "compliance") for _ in range(2)]
    keeps, loses = [await person_with_profile(house.street) for _ in range(2)]
    path = f"/api/admin/customers/{keeps.id}/recheck"
    nothing = await house.office.post(path, json=WHY, headers=anna.bearer)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "kyc_nothing_to_recheck")
    old = []
    for pat in (keeps, loses):
        old.append(await submitted(house.street, pat, "full"))
        await approve(house, anna, old[-1])
        asked = await house.office.post(f"/api/admin/customers/{pat.id}/recheck", json=WHY, headers=anna.bearer)
        assert asked.status_code == 200, asked.text
        assert (await letters_to(house, pat))[-1] == "kyc_recheck"
    again = await submitted(house.street, keeps, "full")
    asked = await approve(house, anna, again)
    assert (await house.grant(bob, asked.json()["approval"]["id"])).status_code == 200
    for each in old:
        await value(house.app, "UPDATE kyc_submissions SET expires_at = now() WHERE id = $1", UUID(each["id"]))
    await tend(house)
    assert (await level_of(house, keeps), await level_of(house, loses)) == ("full", "none")


async def test_a_forgotten_draft_goes_with_its_documents(house: House) -> None:
    pat = await person_with_profile(house.street)
    await begin(house.street, pat, "full")
    await send(house.street, pat, "selfie")
    async with house.brokerage.database.transaction() as connection:
        # Nobody but the owner changes when something began; here the draft is made older by a copy of it.
        await connection.execute("SELECT 1")
    owner = await asyncpg.connect(house.settings.owner_database_url)
    await owner.execute("ALTER TABLE kyc_submissions DISABLE TRIGGER kyc_submissions_go_their_ways")
    await owner.execute(
        "UPDATE kyc_submissions SET created_at = now() - interval '31 days' WHERE user_id = $1", UUID(pat.id)
    )
    await owner.execute("ALTER TABLE kyc_submissions ENABLE ALWAYS TRIGGER kyc_submissions_go_their_ways")
    await owner.close()
    await tend(house)
    assert (await standing(house.street, pat))["submissions"][0]["state"] == "expired"
    assert await value(house.app, "SELECT count(*) FROM kyc_documents WHERE user_id = $1", UUID(pat.id)) == 0


async def test_a_canary_is_in_no_dump_and_no_cache_and_a_moved_piece_does_not_decrypt(
    house: House, module_database_urls: DatabaseUrls, redis_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    surname = "Kanarienvogel-Zilpzalp"
    olga = await operator(house.app, "compliance")
    pat = await person_with_profile(house.street, surname)
    draft = await begin(house.street, pat, "full")
    sent = papers.picture("PNG", seed=77, size=(350, 300))
    first = (await send(house.street, pat, "identity_front", sent)).json()
    await send(house.street, pat, "selfie")
    await send(house.street, pat, "proof_of_address", papers.lively_pdf())
    await submit(house.street, pat, draft)
    assert (await approve(house, olga, draft)).status_code == 200
    stolen = dump(module_database_urls.owner)
    assert draft["id"].encode() in stolen
    assert not found_in(stolen, surname, papers.CANARY, "Long Lane")
    assert b"89504e470d0a1a0a" not in stolen
    assert b"ffd8ffe0" not in stolen
    assert b"255044462d" not in stolen
    redis = Redis.from_url(redis_url)
    async for key in redis.scan_iter():
        assert not found_in(key + (await redis.dump(key) or b""), surname)
    await redis.aclose()
    said = capfd.readouterr()
    assert not found_in((said.out + said.err).encode(), surname, papers.CANARY)
    owner = await asyncpg.connect(module_database_urls.owner)
    await owner.execute(
        "UPDATE kyc_document_pieces SET content = (SELECT content FROM kyc_document_pieces WHERE document_id <> $1"
        " ORDER BY document_id DESC LIMIT 1) WHERE document_id = $1",
        UUID(first["id"]),
    )
    await owner.close()
    async with house.brokerage.database.read() as connection:
        with pytest.raises(CryptoError):
            await house.brokerage.kyc_links.evidence(connection, UUID(draft["id"]))


async def test_an_export_lists_it_and_an_erasure_forgets_it(house: House) -> None:
    olga = await operator(house.app, "compliance")
    pat = await person_with_profile(house.street, "Exported")
    sent = await submitted(house.street, pat, "full")
    await approve(house, olga, sent)
    import io
    import json
    import zipfile

    answer = await house.street.get("/api/me/export", headers=pat.bearer)
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    verifications = json.loads(archive.read("verifications.json"))
    assert (verifications[0]["state"], verifications[0]["profile"]["legal_name"]) == ("approved", "Pat Exported")
    assert {each["purpose"] for each in json.loads(archive.read("verification_documents.json"))} == set(FULL)
    async with house.brokerage.database.transaction() as connection:
        await erase(connection, UserId(UUID(pat.id)))
        await erase(connection, UserId(UUID(pat.id)))
        row = await connection.fetchrow("SELECT * FROM kyc_submissions WHERE id = $1", UUID(sent["id"]))
        left = await connection.fetchval("SELECT count(*) FROM kyc_documents WHERE user_id = $1", UUID(pat.id))
    assert row is not None
    assert (row["state"], row["profile"], row["data_key"], left) == ("approved", None, None, 0)


async def test_demo_customers_say_that_they_are_demo(house: House) -> None:
    pat = await person_with_profile(house.street)
    async with house.brokerage.database.transaction() as connection:
        for _ in range(2):
            await seed_demo_level(connection, UserId(UUID(pat.id)), "full")
        rows = await connection.fetch("SELECT * FROM kyc_submissions WHERE user_id = $1", UUID(pat.id))
    assert [(row["origin"], row["checker"], row["evidence"]) for row in rows] == [
        ("demo", "demo", {"evidence": "demo data"})
    ]
    assert await level_of(house, pat) == "full"
