"""Reading what a bank says: pain.002 (accepted, rejected), camt.053 and CSV statements (booked, came back). Pure.

A file is read wholly or refused: cut in half, too large, of another kind, or with an entry that makes no sense.
Versions of the standard differ in their namespace only as far as it matters here, so names are read without it.
"""

import csv
import hashlib
import io
import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from bitcurrent.funding.payouts.model import (
    FILE_BYTES_MAX,
    LINES_MAX,
    BadBankFile,
    BankFile,
    BankLine,
    ClosingBalance,
    LineKind,
    StatementHead,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_AMOUNT = re.compile(r"\d{1,15}(\.\d{1,5})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
CSV_HEADER = ["bank_reference", "booked_on", "currency", "amount", "reference"]
CSV_END = "END"
_STATUS: dict[str, LineKind] = {
    **dict.fromkeys(("ACCP", "ACTC", "ACSP", "ACSC", "ACWC", "ACCC"), "accepted"),
    "RJCT": "rejected",
}
"""Everything else (PDNG, RCVD, PART, …) says that nothing is decided."""


def read_bank_file(content: bytes) -> BankFile:
    """What a file says, whichever kind it is. Raises BadBankFile."""
    if len(content) > FILE_BYTES_MAX:
        raise BadBankFile(f"It is larger than {FILE_BYTES_MAX // 1_000_000} MB.")
    text = content.lstrip(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise BadBankFile("It is empty.")
    found = _read_xml(text) if text.startswith(b"<") else _read_csv(text)
    if len(found.lines) > LINES_MAX:
        raise BadBankFile(f"It has more than {LINES_MAX} entries.")
    return found


def _read_xml(content: bytes) -> BankFile:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        root = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise BadBankFile(f"It is no whole XML document ({type(error).__name__}): was it cut off?") from None
    for part in root:
        match _name(part):
            case "CstmrPmtStsRpt":
                return _read_status(part)
            case "BkToCstmrStmt":
                return _read_statements(part)
    raise BadBankFile("It is neither a status report (pain.002) nor a statement (camt.053).")


def _read_status(report: "Element") -> BankFile:
    group = _child(report, "OrgnlGrpInfAndSts")
    if group is None:
        raise BadBankFile("The status report names no batch.")
    message_id = _words(group, "OrgnlMsgId")
    lines: list[BankLine] = []
    for part in _children(report, "OrgnlPmtInfAndSts"):
        for each in _children(part, "TxInfAndSts"):
            kind = _STATUS.get(_words(each, "TxSts") or "", "other")
            number = len(lines) + 1
            reference = _words(each, "OrgnlEndToEndId")
            if reference is None:
                raise BadBankFile("A status without the payment that it is about.", line=number)
            lines.append(BankLine(kind=kind, number=number, reference=reference, reason=_reason(each)))
    statuses = [
        _words(group, "GrpSts"),
        *(_words(part, "PmtInfSts") for part in _children(report, "OrgnlPmtInfAndSts")),
    ]
    whole = next((_STATUS[status] for status in statuses if status in _STATUS), None)
    if whole == "rejected" and any(line.kind == "accepted" for line in lines):
        raise BadBankFile("It rejects the whole batch and accepts a payment of it.")
    parts = _children(report, "OrgnlPmtInfAndSts")
    reason = next((found for part in (group, *parts) if (found := _reason(part)) is not None), None)
    return BankFile(kind="pain.002", lines=lines, message_id=message_id, whole_batch=whole, reason=reason)


def _read_statements(report: "Element") -> BankFile:
    statements = _children(report, "Stmt")
    if not statements:
        raise BadBankFile("It holds no statement.")
    lines: list[BankLine] = []
    heads: list[StatementHead] = []
    closings: list[ClosingBalance] = []
    for statement in statements:
        heads += _read_head(statement)
        closings += _read_closing(statement)
        entries = _children(statement, "Ntry")
        _check_count(statement, len(entries))
        name = _words(statement, "Id") or ""
        for place, entry in enumerate(entries, start=1):
            if _status_of(entry) == "BOOK":
                lines += _read_entry(entry, f"{name}:{place}", first=len(lines) + 1)
    return BankFile(kind="camt.053", lines=lines, heads=heads, closings=closings)


def _read_head(statement: "Element") -> list[StatementHead]:
    """The account that the statement names, if it names one."""
    named = _at(statement, "Acct", "Id", "IBAN") or _at(statement, "Acct", "Id", "Othr", "Id")
    account = re.sub(r"[^0-9A-Z]", "", (named or "").upper())
    return [StatementHead(account=account, currency=_at(statement, "Acct", "Ccy"))] if account else []


def _read_closing(statement: "Element") -> list[ClosingBalance]:
    """The balance that the books of the bank closed with (CLBD), if it is there."""
    for balance in _children(statement, "Bal"):
        if _at(balance, "Tp", "CdOrPrtry", "Cd") == "CLBD":
            amount = _child(balance, "Amt")
            text, currency = ("", "") if amount is None else ((amount.text or "").strip(), amount.get("Ccy", ""))
            if not _AMOUNT.fullmatch(text) or not re.fullmatch("[A-Z]{3}", currency):
                raise BadBankFile("Its closing balance is no amount with a currency.")
            value = Decimal(text)
            closed = _date(_at(balance, "Dt", "Dt") or _at(balance, "Dt", "DtTm"), 0)
            overdrawn = _words(balance, "CdtDbtInd") == "DBIT"
            signed = value.copy_negate() if overdrawn else value
            return [ClosingBalance(currency=currency, closed_on=closed, amount=signed)]
    return []


def _check_count(statement: "Element", entries: int) -> None:
    told = _at(statement, "TxsSummry", "TtlNtries", "NbOfNtries")
    if told is not None and told.isascii() and told.isdigit() and int(told) != entries:
        raise BadBankFile(f"The statement speaks of {told} entries and holds {entries}.")


def _read_entry(entry: "Element", name: str, *, first: int) -> list[BankLine]:
    incoming = _words(entry, "CdtDbtInd") == "CRDT"
    if not incoming and _words(entry, "CdtDbtInd") != "DBIT":
        raise BadBankFile("It says neither credit nor debit.", line=first)
    booked = _date(_at(entry, "BookgDt", "Dt") or _at(entry, "BookgDt", "DtTm"), first)
    whole = _money(_child(entry, "Amt"), first)
    details = [each for part in _children(entry, "NtryDtls") for each in _children(part, "TxDtls")]
    lines: list[BankLine] = []
    for place, each in enumerate(details or [entry]):
        number = first + place
        own = _child(each, "Amt")
        if own is None:
            own = _path(each, "AmtDtls", "TxAmt", "Amt")
        currency, amount = whole if own is None else _money(own, number)
        if own is None and len(details) > 1:
            raise BadBankFile("A booking of several payments does not say how much each was.", line=number)
        reference = _at(each, "Refs", "EndToEndId")
        bank = _at(each, "Refs", "AcctSvcrRef") or _words(entry, "AcctSvcrRef") or name
        lines.append(
            BankLine(
                kind="came_back" if incoming else "booked",
                number=number,
                reference=reference,
                bank_reference=bank if len(details) < 2 else f"{bank}#{place + 1}",
                booked_on=booked,
                currency=currency,
                amount=amount if incoming else amount.copy_negate(),
                reason=_at(each, "RtrInf", "Rsn", "Cd"),
            )
        )
    if len(details) > 1 and sum((abs(line.amount or Decimal(0)) for line in lines), Decimal(0)) != whole[1]:
        raise BadBankFile("A booking of several payments is not the sum of them.", line=first)
    return lines


def _read_csv(content: bytes) -> BankFile:
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8"))))
    except (UnicodeDecodeError, csv.Error):
        raise BadBankFile("It is neither XML nor CSV in UTF-8.") from None
    rows = [row for row in rows if row]
    if not rows or rows[0] != CSV_HEADER:
        raise BadBankFile(f"A CSV statement begins with {','.join(CSV_HEADER)}.")
    if rows[-1][0] != CSV_END or len(rows[-1]) < 2 or rows[-1][1] != str(len(rows) - 2):
        raise BadBankFile(f"It does not end with {CSV_END} and the number of its lines: was it cut off?")
    return BankFile(kind="csv", lines=[_csv_line(row, place) for place, row in enumerate(rows[1:-1], start=1)])


def _csv_line(row: list[str], number: int) -> BankLine:
    if len(row) != len(CSV_HEADER):
        raise BadBankFile(f"It has {len(row)} columns, not {len(CSV_HEADER)}.", line=number)
    bank_reference, booked, currency, amount_text, reference = (each.strip() for each in row)
    digits = amount_text.removeprefix("-")
    if not _AMOUNT.fullmatch(digits) or not bank_reference or not re.fullmatch("[A-Z]{3}", currency):
        raise BadBankFile("It needs the bank's reference, a currency and an amount such as -12.50.", line=number)
    amount = Decimal(amount_text)
    return BankLine(
        kind="booked" if amount < 0 else "came_back",
        number=number,
        reference=reference or None,
        bank_reference=bank_reference,
        booked_on=_date(booked, number),
        currency=currency,
        amount=amount,
    )


def digest(content: bytes) -> bytes:
    """By which a file that was read before is recognised."""
    return hashlib.sha256(content).digest()


def _status_of(entry: "Element") -> str | None:
    """BOOK, PDNG, …: text in older versions, a code in newer ones."""
    status = _child(entry, "Sts")
    if status is None:
        return None
    return _words(status, "Cd") or (status.text or "").strip()


def _money(element: "Element | None", number: int) -> tuple[str, Decimal]:
    text = "" if element is None else (element.text or "").strip()
    currency = "" if element is None else element.get("Ccy", "")
    if not _AMOUNT.fullmatch(text) or not re.fullmatch("[A-Z]{3}", currency) or not Decimal(text):
        raise BadBankFile("It has no amount with a currency.", line=number)
    return currency, Decimal(text)


def _date(text: str | None, number: int) -> date:
    found = _DATE.match(text or "")
    try:
        return date.fromisoformat(found[0] if found else "")
    except ValueError:
        raise BadBankFile("It has no date of booking.", line=number) from None


def _reason(element: "Element") -> str | None:
    return _at(element, "StsRsnInf", "Rsn", "Cd") or _at(element, "StsRsnInf", "Rsn", "Prtry")


def _name(element: "Element") -> str:
    return str(element.tag).rpartition("}")[2]


def _children(element: "Element", name: str) -> list["Element"]:
    return [each for each in element if _name(each) == name]


def _child(element: "Element", name: str) -> "Element | None":
    return next(iter(_children(element, name)), None)


def _path(element: "Element", *names: str) -> "Element | None":
    for name in names:
        found = _child(element, name)
        if found is None:
            return None
        element = found
    return element


def _at(element: "Element", *names: str) -> str | None:
    found = _path(element, *names)
    text = "" if found is None else (found.text or "").strip()
    return text[:100] or None


def _words(element: "Element", name: str) -> str | None:
    return _at(element, name)
