"""Screening in the running house: lists put in force whole, hits looked into by two people, withdrawals that wait."""

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from bitcurrent.compliance.screening.lists import import_list, read_files
from bitcurrent.compliance.screening.model import BadList, SanctionsList, Screening, Subject, UnderReview
from bitcurrent.compliance.screening.tasks import Screener
from bitcurrent.funding.withdrawals.model import State, Withdrawal
from bitcurrent.kernel.ids import UserId
from tests.compliance.conftest import House
from tests.compliance.list_files import UK_ROWS, uk_file, uk_row
from tests.support import books
from tests.support.customers import Person, register
from tests.support.operators import operator
from tests.support.withdrawal_flows import Holder, asked, go

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHY = "The passport shows another birth date and place"
MARZOUK = uk_row("TST0009", "Marzook", "Mousa Mohamed Abou", country="Jordan")
FILLING = [uk_row(f"TST1{number:03}", f"Nobodyson{number:03}", "Xerxes Quill") for number in range(20)]


def listing(*rows: dict[str, str]) -> bytes:
    return uk_file([*UK_ROWS, MARZOUK, *FILLING, *rows])


async def put_in_force(house: House, data: bytes, **more: Any) -> tuple[SanctionsList, bool]:
    async with house.brokerage.database.transaction() as connection:
        return await import_list(connection, read_files({"list.csv": data}), imported_by="tests", **more)


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def _lists(house: House) -> None:
    await put_in_force(house, listing(), may_shrink=True)


async def customer(house: House, name: str, born: str = "1975-05-05", country: str = "GB") -> Person:
    person = await register(house.street)
    await rename(house, person, name, born, country)
    return person


async def rename(house: House, person: Person, name: str, born: str = "1975-05-05", country: str = "GB") -> None:
    profile = {
        "legal_name": name,
        "birth_date": born,
        "address": {"lines": ["1 High Street"], "city": "Town", "country": country},
        "documents": [],
    }
    answer = await house.street.put("/api/profile", json=profile, headers=person.bearer)
    assert answer.status_code == 200, answer.text


async def screen(house: House, person: Person) -> Screening:
    async with house.brokerage.database.transaction() as connection:
        return await house.brokerage.screenings.screen_customer(connection, UserId(UUID(person.id)), occasion="by_hand")


async def close(house: House, case_id: Any, outcome: str = "cleared") -> None:
    """Two of compliance end a case."""
    ann, ben = await operator(house.app, "compliance"), await operator(house.app, "compliance")
    path = f"/api/admin/cases/{case_id}"
    proposal = {"outcome": outcome, "reason": WHY}
    assert (await house.office.post(f"{path}/proposal", json=proposal, headers=ann.bearer)).status_code == 200
    assert (await house.office.post(f"{path}/confirm", headers=ann.bearer)).json()["code"] == "same_person"
    assert (await house.office.post(f"{path}/confirm", headers=ben.bearer)).status_code == 200


async def withdraws(house: House, person: Person) -> Withdrawal:
    """A withdrawal that its owner has confirmed."""
    async with house.brokerage.database.transaction() as connection:
        who = Holder(connection, UserId(UUID(person.id)))
        await books.credit(connection, who.id, "USD", Decimal(100))
        return await go(who, await asked(who, "USD", "50"), State.SCREENING)


async def decide(house: House, withdrawal: Withdrawal) -> Withdrawal:
    async with house.brokerage.database.transaction() as connection:
        return await house.brokerage.deciding.screen(connection, withdrawal.id)


async def test_a_listed_name_is_looked_into_by_two_people_and_then_the_withdrawal_goes(house: House) -> None:
    ann = await customer(house, "mohamed abu marzouk")
    waiting = await withdraws(house, ann)
    for _ in range(3):
        with pytest.raises(UnderReview):
            await decide(house, waiting)
    boss = await operator(house.app, "compliance")
    listed = await house.office.get("/api/admin/cases", params={"user_id": ann.id}, headers=boss.bearer)
    (case,) = listed.json()["items"]
    assert (case["kind"], case["state"], case["subject"]) == ("sanctions", "open", f"withdrawal:{waiting.id}")
    assert "marzouk" not in case["summary"].lower()
    whole = (await house.office.get(f"/api/admin/cases/{case['id']}", headers=boss.bearer)).json()
    (match,) = whole["history"][0]["evidence"]["matches"]
    assert (match["alias"], match["key"]) == ("Marzook, Mousa Mohamed Abou", "TST0009")
    assert await restrictions(house, ann) == ["withdrawals"]
    await close(house, case["id"])
    assert await restrictions(house, ann) == []
    gone = await decide(house, waiting)
    assert (gone.state, gone.screening) == (State.APPROVED, "clear")
    # The same again is not brought up again: that it is not him was found for this name and this entry.
    assert (await screen(house, ann)).outcome == "clear"


async def restrictions(house: House, person: Person) -> list[str]:
    async with house.brokerage.database.read() as connection:
        rows = await connection.fetch(
            "SELECT scope FROM restrictions WHERE user_id = $1 AND ended_at IS NULL ORDER BY scope", UUID(person.id)
        )
    return [row["scope"] for row in rows]


async def test_a_dismissed_match_comes_back_when_the_entry_or_the_name_changes(house: House) -> None:
    ann = await customer(house, "Yousef Ibrahim Darwish", "1980-06-01")
    first = await screen(house, ann)
    assert (first.outcome, first.risk_score) == ("review", 100)
    await close(house, first.case_id)
    assert (await screen(house, ann)).outcome == "clear"
    await rename(house, ann, "Yousef Darwish", "1980-06-01")
    renamed = await screen(house, ann)
    assert renamed.outcome == "review"
    await close(house, renamed.case_id)
    more = uk_row("TST0001", "Darwich", "Youssef", name_type="Alias", strength="Good quality a.k.a")
    await put_in_force(house, listing(more))
    assert (await screen(house, ann)).outcome == "review"


async def test_a_true_match_stays_blocked_and_a_reopened_case_takes_the_answer_back(house: House) -> None:
    ann = await customer(house, "Aleksandr Timchenkov", "1970-02-02")
    found = await screen(house, ann)
    waiting = await withdraws(house, ann)
    await close(house, found.case_id, "confirmed")
    assert (await screen(house, ann)).outcome == "block"
    assert await restrictions(house, ann) == ["orders", "withdrawals"]
    refused = await decide(house, waiting)
    assert (refused.state, refused.screening) == (State.REFUSED, "block")
    ben = await operator(house.app, "compliance")
    path = f"/api/admin/cases/{found.case_id}/reopen"
    assert (await house.office.post(path, json={"reason": WHY}, headers=ben.bearer)).status_code == 200
    assert (await screen(house, ann)).outcome == "review"
    await close(house, found.case_id)
    assert (await screen(house, ann)).outcome == "clear"


async def test_a_receiver_is_screened_too(house: House) -> None:
    ann = await customer(house, "Plain Person")
    receiver = Subject(name="Nowhere Bank Ltd", role="beneficiary", company=True)
    async with house.brokerage.database.transaction() as connection:
        found = await house.brokerage.screenings.screen(
            connection, UserId(UUID(ann.id)), receiver, occasion="beneficiary", subject="withdrawal:x"
        )
    assert (found.outcome, found.role) == ("review", "beneficiary")
    assert (await screen(house, ann)).outcome == "clear"


async def test_where_somebody_lives_can_be_enough_for_a_look(house: House) -> None:
    ann = await customer(house, "Plain Person", country="KP")
    found = await screen(house, ann)
    assert (found.outcome, dict(found.parts)) == ("review", {"list_match": 0, "country": 90})
    await close(house, found.case_id)
    assert (await screen(house, ann)).outcome == "clear"


async def test_what_is_cut_changes_nothing(house: House) -> None:
    before = await in_force(house)
    whole = listing()
    for broken in (whole[: len(whole) // 2], uk_file(UK_ROWS)):
        with pytest.raises(BadList):
            await put_in_force(house, broken)
    assert await in_force(house) == before
    same, fresh = await put_in_force(house, whole)
    assert (str(same.id), fresh) == (before, False)


async def in_force(house: House) -> str:
    async with house.brokerage.database.read() as connection:
        (only,) = await house.brokerage.screenings.lists_in_force(connection)
    return str(only.id)


async def test_only_what_changed_is_new(house: House) -> None:
    more = uk_row("TST0777", "Newcomer", "Quentin Zebulon")
    version, fresh = await put_in_force(house, listing(more))
    assert (fresh, version.added, version.removed) == (True, 1, 0)
    version, _ = await put_in_force(house, listing())
    assert (version.added, version.removed) == (0, 1)


async def test_everybody_is_compared_with_what_is_new_and_after_a_death_it_goes_on(house: House) -> None:
    await drain(house)
    people = [await customer(house, f"Ordinary Somebody {letter}") for letter in "ABC"]
    hit = await customer(house, "Zebulon Q. Newcomer")
    await drain(house)
    await put_in_force(house, listing(uk_row("TST0777", "Newcomer", "Quentin Zebulon")))
    # One that dies in the middle leaves nothing half done: another one takes it up.
    dying = Dying(house.brokerage.database, house.brokerage.screenings, Counter())
    with pytest.raises(OSError, match="cable"):
        await dying.rescreen()
    counts = await drain(house)
    assert counts["screenings_review"] == 1
    assert counts["customers_rescreened"] >= len(people) + 1
    async with house.brokerage.database.read() as connection:
        rows = await connection.fetch(
            "SELECT outcome, occasion FROM aml_screenings WHERE user_id = $1 ORDER BY id", UUID(hit.id)
        )
    assert [tuple(row) for row in rows][-1] == ("review", "list_change")


class Dying(Screener):
    """One whose cable is pulled in the middle of a batch."""

    async def _compare(self, *_: Any) -> int:
        raise OSError("the cable was pulled")


async def drain(house: House) -> Counter[str]:
    counts: Counter[str] = Counter()
    worker = Screener(house.brokerage.database, house.brokerage.screenings, counts)
    while await worker.round():
        continue
    return counts


async def test_a_new_name_is_screened_by_itself_and_once(house: House) -> None:
    ann = await customer(house, "Nothing Tosee")
    await drain(house)
    await rename(house, ann, "Sergei Nobody")
    assert (await drain(house))["screenings_clear"] == 1
    assert (await drain(house)).total() == 0


async def test_nobody_reads_names_in_the_database_and_evidence_cannot_be_rewritten(house: House) -> None:
    ann = await customer(house, "Yousuf Ibraheem Darwish", "1980-06-01")
    found = await screen(house, ann)
    async with house.brokerage.database.read() as connection:
        for table in ("aml_screenings", "cases", "case_entries"):
            text = await connection.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} t")
            assert "ousuf" not in text
        for statement in (
            "UPDATE aml_screenings SET outcome = 'clear'",
            "DELETE FROM aml_screenings",
            "UPDATE aml_screenings SET evidence = inputs",
            "UPDATE sanctions_entries SET content = '{}'",
            "DELETE FROM sanctions_entries",
            "UPDATE screening_rules SET rules = '{}'",
            "UPDATE cases SET state = 'closed', closed_by = proposed_by, closed_at = now(), outcome = 'cleared'",
            "UPDATE case_entries SET text = data_key",
            "DELETE FROM case_entries",
        ):
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute(statement)
    assert date(1980, 6, 1).isoformat() == (found.inputs or {})["birth_date"]
