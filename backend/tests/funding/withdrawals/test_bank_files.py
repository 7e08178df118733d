"""Files to the bank and from it: valid by the standard's own schema; taken wholly, once, or not at all."""

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import xmlschema

from bitcurrent.funding.bank_accounts.model import BadAccount
from bitcurrent.funding.payouts.bank_files import read_bank_file
from bitcurrent.funding.payouts.commands import export_file, import_file
from bitcurrent.funding.payouts.demo_bank import DemoBank
from bitcurrent.funding.payouts.model import OwnAccounts
from bitcurrent.wiring import open_brokerage
from tests.funding.withdrawals.bank import Order, read_orders, statement, status_report
from tests.funding.withdrawals.conftest import Desk
from tests.support.customers import Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING = Decimal(0)
GB = {"currency": "GBP", "sort_code": "20-45-14", "account_number": "12345678"}
US = {"currency": "USD", "routing_number": "021000021", "account_number": "987654321"}


async def sent(desk: Desk, *, people: int = 1) -> tuple[Person, bytes, list[tuple[Person, dict[str, Any]]]]:
    """Withdrawals of 50 EUR in a batch of their own: the operator, the file, and who waits for what."""
    waiting = []
    for _ in range(people):
        ann = await desk.customer(EUR="100")
        waiting.append((ann, await desk.approved(ann)))
    clerk, _, file = await desk.batch()
    return clerk, file, waiting


async def take(desk: Desk, clerk: Person, content: str, status: int = 200) -> Any:
    """Read a file of the bank in."""
    return await desk.admin(clerk, "POST", "/api/admin/payouts/files", status, {"content": content})


def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(resources.files("sepaxml").joinpath("schemas/pain.001.001.09.xsd")))


async def test_the_file_is_valid_by_the_standards_schema(desk: Desk) -> None:
    _, file, waiting = await sent(desk, people=3)
    schema().validate(file.decode().partition("?>")[2])
    _, orders = read_orders(file)
    assert {order.reference for order in orders} >= {
        "W" + withdrawal["id"].replace("-", "").upper() for _, withdrawal in waiting
    }
    assert {(order.amount, order.currency) for order in orders} == {("50.00", "EUR")}


@pytest.mark.parametrize(("currency", "fields"), [("GBP", GB), ("USD", US)])
async def test_british_and_american_accounts_make_valid_files_too(
    desk: Desk, currency: str, fields: dict[str, str]
) -> None:
    ann = await desk.customer(USD="100", GBP="100")
    body = {"holder": "Ann Archer", **fields}
    saved = await desk.ask(ann, "POST", "/api/bank-accounts", 201, body)
    await desk.owner("UPDATE bank_accounts SET created_at = now() - interval '1 day', usable_at = now()")
    await desk.approved(ann, asset=currency, destination=saved["id"])
    _, _, file = await desk.batch(currency)
    schema().validate(file.decode().partition("?>")[2])
    assert fields["account_number"] in file.decode()


async def test_accepted_is_sent_and_booked_is_settled(desk: Desk) -> None:
    clerk, file, [(ann, withdrawal)] = await sent(desk)
    taken = await take(desk, clerk, status_report(file))
    assert (taken["kind"], taken["changed"], taken["repeated"]) == ("pain.002", 1, False)
    assert (await desk.read(ann, withdrawal))["state"] == "sent"
    _, orders = read_orders(file)
    pending = await take(desk, clerk, statement(orders, name=f"P{withdrawal['id']}", status="PDNG"))
    assert pending["changed"] == 0
    booked = statement(orders, name=withdrawal["id"])
    assert (await take(desk, clerk, booked))["changed"] == 1
    found = await desk.read(ann, withdrawal)
    assert (found["state"], found["paid"], found["held"]) == ("settled", "50", "0")
    assert await desk.balance(ann, "EUR") == (Decimal(49), NOTHING)
    again = await take(desk, clerk, booked)
    assert (again["repeated"], again["changed"]) == (True, 0)
    # The same bookings in another statement: the bank's references tell.
    assert (await take(desk, clerk, booked.replace("18:00:00", "19:00:00")))["changed"] == 0
    assert await desk.balance(ann, "EUR") == (Decimal(49), NOTHING)
    assert "Your withdrawal has arrived" in await desk.post.subjects(ann.email)


async def test_rejected_gives_everything_back(desk: Desk) -> None:
    clerk, file, [(ann, first), (bob, second)] = await sent(desk, people=2)
    _, orders = read_orders(file)
    taken = await take(desk, clerk, status_report(file, rejected={orders[0].reference: "AC01"}))
    assert taken["changed"] == 2
    states = {(await desk.read(who, one))["state"] for who, one in ((ann, first), (bob, second))}
    assert states == {"failed", "sent"}
    failed = next(
        who
        for who, one in ((ann, first), (bob, second))
        if orders[0].reference[1:].lower() == one["id"].replace("-", "")
    )
    assert await desk.balance(failed, "EUR") == (Decimal(100), NOTHING)
    refused = await take(desk, clerk, statement(orders, name=f"R{first['id']}"), 422)
    assert refused["code"] == "bank_file_refused"
    assert await desk.balance(failed, "EUR") == (Decimal(100), NOTHING)


async def test_a_rejected_batch_fails_wholly(desk: Desk) -> None:
    clerk, file, waiting = await sent(desk, people=2)
    assert (await take(desk, clerk, status_report(file, group="RJCT")))["changed"] == 2
    for who, withdrawal in waiting:
        assert (await desk.read(who, withdrawal))["state"] == "failed"
        assert await desk.balance(who, "EUR") == (Decimal(100), NOTHING)


async def test_what_comes_back_is_the_customers_again_without_the_fee(desk: Desk) -> None:
    clerk, file, [(ann, withdrawal)] = await sent(desk)
    _, orders = read_orders(file)
    back = statement(orders, name=f"B{withdrawal['id']}", incoming=True)
    early = await take(desk, clerk, back, 422)
    assert early["details"]["line"] == "1"
    await take(desk, clerk, statement(orders, name=withdrawal["id"]))
    assert (await take(desk, clerk, back))["changed"] == 1
    found = await desk.read(ann, withdrawal)
    assert (found["state"], found["reason"]) == ("returned", "AC04")
    assert await desk.balance(ann, "EUR") == (Decimal(99), NOTHING)


async def test_a_payment_that_the_bank_made_twice_is_flagged_and_booked_once(desk: Desk) -> None:
    clerk, file, [(ann, withdrawal)] = await sent(desk)
    _, orders = read_orders(file)
    await take(desk, clerk, statement(orders, name=withdrawal["id"]))
    twice = await take(desk, clerk, statement(orders, name=f"T{withdrawal['id']}"))
    assert (twice["changed"], twice["flagged"]) == (0, 1)
    assert await desk.balance(ann, "EUR") == (Decimal(49), NOTHING)
    assert any("the bank's statements say" in broken for broken in await desk.broken_laws())
    # The bank gives the second one back: then statements and books agree.
    given = await take(desk, clerk, statement(orders, name=f"G{withdrawal['id']}", incoming=True))
    assert given["changed"] == 0
    assert (await desk.read(ann, withdrawal))["state"] == "settled"
    assert await desk.balance(ann, "EUR") == (Decimal(49), NOTHING)


async def test_a_file_with_one_bad_entry_changes_nothing(desk: Desk) -> None:
    clerk, file, waiting = await sent(desk, people=2)
    _, orders = read_orders(file)
    good = statement(orders, name=f"X{waiting[0][1]['id']}")
    unknown = [*orders, Order("W" + "0" * 32, "50.00", "EUR")]
    wrong = [orders[0], replace(orders[1], amount="50.01")]
    foreign = [orders[0], replace(orders[1], currency="USD")]
    bad = {
        "cut in half": good[: len(good) // 2],
        "an entry short": good.replace("<NbOfNtries>2", "<NbOfNtries>3"),
        "unknown withdrawal": statement(unknown, name="U"),
        "another amount": statement(wrong, name="A"),
        "another currency": statement(foreign, name="C"),
        "an amount that is none": statement([replace(orders[0], amount="5e1")], name="N"),
        "the same booking twice": good.replace(f"{waiting[0][1]['id']}-1", f"{waiting[0][1]['id']}-0"),
        "a bomb": good.replace("<Document", '<!DOCTYPE d [<!ENTITY a "b">]><Document', 1),
        "another document": "<Document><Other/></Document>",
        "no document": "hello",
        "somebody else's batch": status_report(file).replace("<OrgnlMsgId>B", "<OrgnlMsgId>C"),
    }
    for what, content in bad.items():
        problem = await take(desk, clerk, content, 422)
        assert problem["code"] == "bank_file_refused", what
        assert "Nothing of the file was taken." in problem["detail"], what
    for who, withdrawal in waiting:
        assert (await desk.read(who, withdrawal))["state"] == "sending"
        assert await desk.balance(who, "EUR") == (Decimal(49), Decimal(51))
    assert (await take(desk, clerk, good))["changed"] == 2
    print(f"bank files: {len(bad)} bad ones refused, nothing moved")


async def test_a_csv_statement_ends_with_its_count(desk: Desk) -> None:
    clerk, file, [(ann, withdrawal)] = await sent(desk)
    _, (order,) = read_orders(file)
    head = "bank_reference,booked_on,currency,amount,reference\n"
    line = f"CSV-{withdrawal['id']},2026-11-20,EUR,-50.00,{order.reference}\n"
    other = f"CSV-{withdrawal['id']}-fee,2026-11-20,EUR,-0.35,Account charges\n"
    for cut in (head + line, head + line + other + "END,1\n", head + line[:-20] + "\nEND,1\n", "END,0\n"):
        assert (await take(desk, clerk, cut, 422))["code"] == "bank_file_refused"
    taken = await take(desk, clerk, head + line + other + "END,2\n")
    assert (taken["kind"], taken["lines"], taken["changed"]) == ("csv", 2, 1)
    assert (await desk.read(ann, withdrawal))["state"] == "settled"


async def test_a_batch_needs_two_of_finance_and_pays_exactly_what_was_asked_for(desk: Desk) -> None:
    ann, bob = await desk.customer(EUR="100"), await desk.customer(EUR="100")
    first = await desk.approved(ann)
    clerk, boss = await desk.two_of_finance()
    wish = {"currency": "EUR", "reason": "Bank day."}
    approval = await desk.admin(clerk, "POST", "/api/admin/payouts", 202, wish)
    grant = f"/api/admin/approvals/{approval['id']}/grant"
    assert (await desk.admin(clerk, "POST", grant, 403))["code"] == "same_person"
    later = await desk.approved(bob)
    await desk.ask(ann, "POST", f"/api/withdrawals/{first['id']}/cancel", 200)
    assert (await desk.admin(boss, "POST", grant, 409))["code"] == "approval_outdated"
    await desk.admin(boss, "POST", f"/api/admin/approvals/{approval['id']}/refuse", 200, {"reason": "It has changed."})
    await desk.batch()
    assert (await desk.read(bob, later))["state"] == "sending"
    assert (await desk.read(ann, first))["state"] == "canceled"
    assert (await desk.admin(clerk, "POST", "/api/admin/payouts", 409, wish))["code"] == "nothing_to_pay"


async def test_the_demos_bank_answers_by_the_same_door(desk: Desk) -> None:
    ann = await desk.customer(EUR="100")
    withdrawal = await desk.approved(ann)
    bank = DemoBank(database=desk.brokerage.database, payouts=desk.brokerage.payouts, counts=Counter())
    assert await bank.day() == 1
    found = await desk.read(ann, withdrawal)
    assert [step["state"] for step in found["steps"]][-3:] == ["sending", "sent", "settled"]
    assert await desk.balance(ann, "EUR") == (Decimal(49), NOTHING)
    assert await bank.day() == 0


async def test_the_shell_carries_files_too(desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clerk, file, [(ann, withdrawal)] = await sent(desk)
    (batch, *_) = (await desk.admin(clerk, "GET", "/api/admin/payouts", 200))["items"]
    settings, target = desk.brokerage.settings, tmp_path / "order.xml"
    assert await asyncio.to_thread(lambda: export_file(open_brokerage(settings), UUID(batch["id"]), target)) == 0
    assert target.read_bytes() == file
    assert await asyncio.to_thread(lambda: export_file(open_brokerage(settings), UUID(batch["id"]), target)) == 2
    answer = tmp_path / "statement.xml"
    answer.write_text(statement(read_orders(file)[1], name=f"shell-{withdrawal['id']}"))
    for told in ("1 withdrawals moved on", "read in before"):
        assert await asyncio.to_thread(lambda: import_file(open_brokerage(settings), answer)) == 0
        assert told in " ".join(capsys.readouterr().out.split())
    answer.write_text("<half")
    assert await asyncio.to_thread(lambda: import_file(open_brokerage(settings), answer)) == 1
    assert (await desk.read(ann, withdrawal))["state"] == "settled"


@pytest.mark.parametrize("text", ["EUR", "EUR=iban", "CHF=iban:DE89370400440532013000", "EUR=gb:204514", "USD=x:1:2"])
async def test_own_accounts_that_cannot_be_read_are_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="BITCURRENT_BANK_OWN_ACCOUNTS"):
        OwnAccounts("BitCurrent", text)


async def test_an_own_account_with_wrong_digits_pays_nothing() -> None:
    accounts = OwnAccounts("BitCurrent", "EUR=iban:DE89370400440532013001, GBP=gb:20-45-14:12345678")
    with pytest.raises(BadAccount):
        accounts.of("EUR")
    found = accounts.of("GBP")
    assert (found and found.bank, accounts.of("USD")) == ("204514", None)


OWN = OwnAccounts("BitCurrent Ltd", "EUR=iban:DE02120300000000202051,GBP=gb:204514:12345678")


def of_account(account: str, currency: str = "EUR") -> bytes:
    """A statement without bookings, of this account, with what it closed with."""
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt><Id>S1</Id>'
        f"<Acct><Id>{account}</Id><Ccy>{currency}</Ccy></Acct>"
        f'<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">1</Amt></Bal>'
        f'<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">12.50</Amt>'
        "<CdtDbtInd>DBIT</CdtDbtInd><Dt><Dt>2026-11-20</Dt></Dt></Bal></Stmt></BkToCstmrStmt></Document>"
    ).encode()


@pytest.mark.parametrize(
    ("account", "currency", "foreign"),
    [
        ("<IBAN>GB33BUKB20451412345678</IBAN>", "GBP", False),
        ("<IBAN>DE02120300000000202051</IBAN>", "EUR", False),
        ("<IBAN>DE02 1203 0000 0000 2020 51</IBAN>", "EUR", False),
        ("<IBAN>DE89370400440532013000</IBAN>", "EUR", True),
        ("<Othr><Id>20-45-14 12345678</Id></Othr>", "GBP", False),
        ("<Othr><Id>12345679</Id></Othr>", "GBP", True),
        ("<Othr><Id>987654321</Id></Othr>", "USD", False),
    ],
)
async def test_a_statement_of_another_account_is_known_as_such(account: str, currency: str, foreign: bool) -> None:
    found = read_bank_file(of_account(account, currency))
    assert [OWN.is_foreign(head) for head in found.heads] == [foreign]
    (closed,) = found.closings
    assert (closed.amount, closed.currency, str(closed.closed_on)) == (Decimal("-12.50"), currency, "2026-11-20")
