"""A customer's rights: to be given everything about them, exactly, and to be forgotten when the law allows it."""

import io
import json
import zipfile
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from bitcurrent.identity.model import ERASED
from bitcurrent.identity.privacy.service import EXPORTS_PER_ACCOUNT, Privacy
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT
from bitcurrent.kernel.rewrapping import find_carriers
from bitcurrent.trading.model import Side
from bitcurrent.trading.repository import place_one
from tests.identity.conftest import Api
from tests.identity.test_privacy import PROFILE
from tests.support import books
from tests.support.customers import PASSWORD, Person, create_key, key_headers, log_in, register
from tests.support.dumps import dump, found_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

DUST = "0.000000000000000001"


async def export(api: Api, person: Person) -> dict[str, Any]:
    """The files of an export by name, as JSON."""
    answer = await api.client.get("/api/me/export", headers=person.bearer)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].startswith('attachment; filename="bitcurrent-export-')
    assert "no-store" in answer.headers["cache-control"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


async def give(api: Api, person: Person, currency: str, amount: str) -> None:
    database: Database = api.app.state["database"]
    async with database.transaction() as connection:
        await books.credit(connection, UserId(UUID(person.id)), currency, Decimal(amount))


WHOSE = {
    "users": "id = $1",
    "case_entries": "case_id IN (SELECT id FROM cases WHERE user_id = $1)",
    "travel_rule_records": "withdrawal_id IN (SELECT id FROM withdrawals WHERE user_id = $1)",
    # Kept once for all who use the same address: it goes when nobody has it any more.
    "venue_destinations": "false AND $1::uuid IS NULL",
    # The processor's words, which name no customer of ours and go after 90 days.
    "processor_events": "false AND $1::uuid IS NULL",
}
"""How to find a customer's rows in tables that have no `user_id`."""


async def still_encrypted(owner: "asyncpg.Connection[Any]", user_id: UserId) -> set[str]:
    """Tables that still hold a data key of this customer: every table that carries any is looked at."""
    found = set()
    for carrier in await find_carriers(owner):
        whose = WHOSE.get(carrier.table, "user_id = $1")
        if await owner.fetchval(
            f"SELECT EXISTS (SELECT FROM {carrier.table} WHERE {whose} AND {carrier.column} IS NOT NULL)", user_id
        ):
            found.add(carrier.table)
    return found


async def test_an_export_holds_everything_about_one_customer_and_nothing_of_another(api: Api) -> None:
    ann, ben = await register(api.client), await register(api.client)
    await api.client.put("/api/profile", json=PROFILE, headers=ann.bearer)
    vault = api.settings.open_vault()
    owner = await asyncpg.connect(api.settings.owner_database_url)
    phone = vault.encrypt(b"+15550100", table="sms_factors", column="phone_encrypted", row=ann.id)
    await owner.execute("INSERT INTO sms_factors (user_id, phone_encrypted) VALUES ($1, $2)", UUID(ann.id), phone)
    await owner.close()
    for person in (ann, ben):
        await create_key(api.client, person, "read")
        await give(api, person, "USD", "12345678901234567.000000000000000001")
        await give(api, person, "BTC", DUST)
    database: Database = api.app.state["database"]
    async with database.transaction() as connection:
        placed = await place_one(connection, books.Ticket(side=Side.BUY).order(UserId(UUID(ann.id))))
    files = await export(api, ann)
    assert set(files) == {
        "about.json", "account.json", "profile.json", "sessions.json", "api_keys.json", "second_factors.json",
        "acts.json", "events.json", "balances.json", "ledger.json", "orders.json", "fills.json", "letters.json",
        "conversions.json", "withdrawals.json", "withdrawal_addresses.json", "bank_accounts.json", "messages.json",
        "notification_preferences.json", "texts.json", "deposits.json", "bonuses.json", "card_payments.json",
        "refunds.json", "disputes.json", "debts.json", "notes.json", "conduct.json", "verifications.json",
        "verification_documents.json",
    }  # fmt: skip
    assert [account["email"] for account in files["account.json"]] == [ann.email]
    assert files["profile.json"][0]["legal_name"] == PROFILE["legal_name"]
    assert files["profile.json"][0]["address"]["lines"] == PROFILE["address"]["lines"]
    assert {row["currency"]: row["available"] for row in files["balances.json"]}["BTC"] == DUST
    sums: dict[str, Decimal] = {}
    for line in files["ledger.json"]:
        sums[line["currency"]] = EXACT.add(sums.get(line["currency"], Decimal(0)), Decimal(line["amount"]))
    assert sums == {
        row["currency"]: EXACT.add(Decimal(row["available"]), Decimal(row["held"])) for row in files["balances.json"]
    }  # the same snapshot: it adds up
    assert [row["id"] for row in files["orders.json"]] == [str(placed.order_id)]
    assert [act["action"] for act in files["acts.json"]][-1] == "customer.exported"
    assert files["about.json"]["rows"]["ledger.json"] == len(files["ledger.json"])
    assert {factor["method"]: factor["phone"] for factor in files["second_factors.json"]}["sms"] == "+15550100"
    everything = json.dumps(files)
    assert ben.id not in everything
    assert ben.email not in everything
    for secret in ("secret_hash", "password_hash", "data_key", "secret_encrypted"):
        assert secret not in everything


async def test_an_export_longer_than_memory_allows_is_whole(api: Api) -> None:
    person = await register(api.client)
    database: Database = api.app.state["database"]
    async with database.transaction() as connection:
        for number in range(1_500):  # more than a cursor or an event page brings at a time
            await books.credit(connection, UserId(UUID(person.id)), "USD", Decimal(number + 1))
    lines = (await export(api, person))["ledger.json"]
    assert sorted(Decimal(line["amount"]) for line in lines) == [Decimal(number + 1) for number in range(1_500)]


async def test_exports_are_not_for_asking_all_day(api: Api) -> None:
    person = await register(api.client)
    codes = [
        (await api.client.get("/api/me/export", headers=person.bearer)).status_code
        for _ in range(EXPORTS_PER_ACCOUNT.attempts + 1)
    ]
    assert codes == [200] * EXPORTS_PER_ACCOUNT.attempts + [429]


async def test_being_forgotten_needs_the_password_and_an_empty_account(api: Api) -> None:
    person = await register(api.client)
    wrong = await api.client.post("/api/me/erasure", json={"password": "not the password"}, headers=person.bearer)
    assert (wrong.status_code, wrong.json()["code"]) == (401, "wrong_credentials")
    await give(api, person, "BTC", DUST)
    answer = await api.client.post("/api/me/erasure", json={"password": PASSWORD}, headers=person.bearer)
    assert (answer.status_code, answer.json()["code"]) == (409, "account_not_empty")
    assert answer.json()["details"] == {"BTC": DUST}
    assert (await api.client.get("/api/me", headers=person.bearer)).json()["user"]["status"] == "active"


async def test_the_account_closes_at_once_and_is_erased_when_the_law_allows_it(api: Api) -> None:
    person = await register(api.client, email="forget.me@example.test")
    user_id = UserId(UUID(person.id))
    await api.client.put("/api/profile", json=PROFILE, headers=person.bearer)
    key = key_headers(*await create_key(api.client, person, "read"))
    assert (await api.client.get("/api/me", headers=key)).status_code == 200
    answer = await api.client.post("/api/me/erasure", json={"password": PASSWORD}, headers=person.bearer)
    assert answer.status_code == 202, answer.text
    assert answer.json()["due_at"] > "2029"
    for headers in (person.bearer, key):
        assert (await api.client.get("/api/me", headers=headers)).status_code == 401
    assert (await log_in(api.client, person.email)).json()["code"] == "wrong_credentials"

    privacy: Privacy = api.app.state["privacy"]
    database: Database = api.app.state["database"]
    assert await privacy.erase_due() == 0  # the law still wants it
    async with database.read() as connection:
        kept = await privacy.profile(connection, user_id)
    assert kept is not None
    owner = await asyncpg.connect(api.settings.owner_database_url)
    vault = api.settings.open_vault()
    for table, column in (("totp_factors", "secret_encrypted"), ("sms_factors", "phone_encrypted")):
        sealed = vault.encrypt(b"something", table=table, column=column, row=user_id)
        await owner.execute(
            f"INSERT INTO {table} (user_id, {column}) VALUES ($1, $2) ON CONFLICT DO NOTHING", user_id, sealed
        )
    assert await still_encrypted(owner, user_id) >= {"users", "customer_profiles", "totp_factors", "sms_factors"}
    with pytest.raises(asyncpg.CheckViolationError):
        await owner.execute("UPDATE erasures SET done_at = now() WHERE user_id = $1", user_id)
    acts = await owner.fetchval("SELECT count(*) FROM audit_logs WHERE subject = $1", f"user:{user_id}")
    await owner.execute("UPDATE erasures SET due_at = now() WHERE user_id = $1", user_id)

    assert await privacy.erase_due() == 1
    assert await privacy.erase_due() == 0
    async with database.read() as connection:
        assert await privacy.profile(connection, user_id) is None
        forgotten = await api.app.state["identity"].user(connection, user_id)
    assert (forgotten.email, forgotten.display_name, forgotten.status) == (ERASED, ERASED, "closed")
    row = await owner.fetchrow("SELECT * FROM customer_profiles WHERE user_id = $1", user_id)
    assert row is not None
    assert {name for name, value in row.items() if value is not None} == {"user_id", "updated_at"}
    assert await still_encrypted(owner, user_id) == set()
    # The books and the log of acts stay: they know ids only.
    assert await owner.fetchval("SELECT count(*) FROM audit_logs WHERE subject = $1", f"user:{user_id}") == acts + 1
    last = await owner.fetchrow("SELECT * FROM audit_logs WHERE subject = $1 ORDER BY id DESC", f"user:{user_id}")
    assert last is not None
    assert (last["action"], last["actor_kind"]) == ("customer.erased", "system")
    await owner.close()
    assert not found_in(dump(api.settings.owner_database_url), "forget.me")
    # The address is free again, for somebody new.
    again = await register(api.client, email="forget.me@example.test")
    assert again.id != person.id


async def test_whoever_still_has_money_is_not_forgotten_yet(api: Api) -> None:
    person = await register(api.client, email="late.money@example.test")
    await api.client.post("/api/me/erasure", json={"password": PASSWORD}, headers=person.bearer)
    await give(api, person, "USD", "0.01")  # a payment that was on its way when the account closed
    owner = await asyncpg.connect(api.settings.owner_database_url)
    await owner.execute("UPDATE erasures SET due_at = now() WHERE user_id = $1", UUID(person.id))
    assert await api.app.state["privacy"].erase_due() == 1
    database: Database = api.app.state["database"]
    async with database.read() as connection:
        user = await api.app.state["identity"].user(connection, UserId(UUID(person.id)))
    assert user.email == "late.money@example.test"
    due = await owner.fetchval("SELECT due_at - now() FROM erasures WHERE user_id = $1", UUID(person.id))
    assert due.days == 29
    action = "SELECT action FROM audit_logs WHERE subject = $1 ORDER BY id DESC LIMIT 1"
    assert await owner.fetchval(action, f"user:{person.id}") == "erasure.postponed"
    await owner.close()


async def test_of_two_workers_one_erases(api: Api) -> None:
    import asyncio

    people = [await register(api.client) for _ in range(6)]
    for person in people:
        answer = await api.client.post("/api/me/erasure", json={"password": PASSWORD}, headers=person.bearer)
        assert answer.status_code == 202
    owner = await asyncpg.connect(api.settings.owner_database_url)
    await owner.execute("UPDATE erasures SET due_at = now() WHERE user_id = ANY ($1)", [UUID(p.id) for p in people])
    privacy: Privacy = api.app.state["privacy"]
    assert sum(await asyncio.gather(*(privacy.erase_due() for _ in range(3)))) == 6
    erased = await owner.fetchval(
        "SELECT count(*) FROM audit_logs WHERE action = 'customer.erased' AND subject = ANY ($1)",
        [f"user:{person.id}" for person in people],
    )
    await owner.close()
    assert erased == 6
