"""Batches of payouts, our own accounts that they leave from, and what a bank's file says, as values. Pure."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from bitcurrent.funding.bank_accounts.model import BankDetails, checked
from bitcurrent.kernel.errors import Conflict, Invalid, NotFound

BATCH_MAX = 500
FILE_BYTES_MAX = 5_000_000
LINES_MAX = 20_000
REFERENCE_PREFIX = "W"
_REFERENCE_LENGTH = 33
_DAMAGED = re.compile(f"{REFERENCE_PREFIX}[0-9A-Fa-f]{{8,}}")

FileKind = Literal["pain.002", "camt.053", "csv"]
LineKind = Literal["accepted", "rejected", "booked", "came_back", "other"]


class BatchNotFound(NotFound):
    """No batch has this id."""

    code = "payout_batch_not_found"

    def __init__(self) -> None:
        super().__init__("There is no batch of payouts with this id.")


class NothingToPay(Conflict):
    """No approved withdrawal waits for a bank in this currency."""

    code = "nothing_to_pay"

    def __init__(self, currency: str) -> None:
        super().__init__(f"No approved withdrawal in {currency} waits for the bank.")


class BadBankFile(Invalid):
    """A bank's file that cannot be taken; nothing of it was. `details["line"]` counts its entries from 1."""

    code = "bank_file_refused"
    title = "The file was refused"

    def __init__(self, what: str, *, line: int | None = None) -> None:
        where = "" if line is None else f"Entry {line}: "
        super().__init__(
            f"{where}{what} Nothing of the file was taken.",
            field="content",
            details={} if line is None else {"line": str(line)},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Withdrawals that are paid by one file. `total` is their sum without fees."""

    id: UUID
    created_at: datetime
    currency: str
    message_id: str
    count: int
    total: Decimal
    approval_id: UUID | None
    demo: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment of a batch."""

    reference: str
    amount: Decimal
    to: BankDetails


@dataclass(frozen=True, slots=True, kw_only=True)
class BankLine:
    """One thing that a bank's file says. `reference` is ours when it is about one of our payments.

    `amount` is signed as the bank books it on our account: negative left it. A status report has no amounts.
    """

    kind: LineKind
    number: int
    reference: str | None
    bank_reference: str | None = None
    booked_on: date | None = None
    currency: str | None = None
    amount: Decimal | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementHead:
    """Whose statement it is: the account's number as the bank writes it, letters and digits only."""

    account: str
    currency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingBalance:
    """What an account closed with; negative when it is overdrawn."""

    currency: str
    closed_on: date
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BankFile:
    """A file that was read: all of its lines, in its order. `message_id` is the batch that a status is about."""

    kind: FileKind
    lines: Sequence[BankLine]
    message_id: str | None = None
    whole_batch: LineKind | None = None
    """What is said of every payment of the batch at once."""
    reason: str | None = None
    heads: Sequence[StatementHead] = ()
    closings: Sequence[ClosingBalance] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a file. `repeated`: it had been read before, and nothing was done."""

    id: UUID
    kind: FileKind
    lines: int
    changed: int
    flagged: int = 0
    """Payments that the bank seems to have made twice: the lines are kept, and a person has to ask the bank."""
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits for a batch in one currency."""

    currency: str
    count: int
    total: Decimal


def reference_of(withdrawal_id: UUID) -> str:
    """The end-to-end reference that a withdrawal carries through the banks: at most 35 characters."""
    return f"{REFERENCE_PREFIX}{withdrawal_id.hex.upper()}"


def withdrawal_in(reference: str | None) -> UUID | None:
    """The withdrawal that a reference names; None when it is not one of ours."""
    text = (reference or "").strip()
    if len(text) != _REFERENCE_LENGTH or not text.startswith(REFERENCE_PREFIX):
        return None
    try:
        return UUID(hex=text[1:])
    except ValueError:
        return None


def is_damaged(reference: str | None) -> bool:
    """Whether a reference was one of ours and is not whole any more."""
    return withdrawal_in(reference) is None and bool(_DAMAGED.fullmatch((reference or "").strip()))


def digest_of(withdrawal_ids: Sequence[UUID]) -> str:
    """Names a set of withdrawals: what was granted is what is paid."""
    return hashlib.sha256(b"".join(each.bytes for each in sorted(withdrawal_ids))).hexdigest()


class OwnAccounts:
    """Our accounts by currency, as the settings write them.

    `EUR=iban:DE89…[:BIC], GBP=gb:204514:12345678, USD=us:021000021:123456789`. What is plainly wrong raises ValueError
    at once; check digits are looked at when an account is used, as the tables of all banks are large.
    """

    def __init__(self, holder: str, text: str) -> None:
        self._holder = holder
        self._entries: dict[str, tuple[str, list[str]]] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            currency, _, rest = entry.partition("=")
            scheme, *parts = rest.split(":")
            if currency not in {"USD", "EUR", "GBP"} or len(parts) not in _PARTS.get(scheme, ()):
                raise ValueError(f"BITCURRENT_BANK_OWN_ACCOUNTS cannot be used: {currency[:3]!r} is not written so")
            self._entries[currency] = scheme, parts
        self._read: dict[str, BankDetails] = {}

    def of(self, currency: str) -> BankDetails | None:
        """The account of a currency, if there is one; raises BadAccount for digits that do not fit."""
        if currency in self._entries and currency not in self._read:
            self._read[currency] = _own(currency, self._holder, *self._entries[currency])
        return self._read.get(currency)

    def is_foreign(self, head: StatementHead) -> bool:
        """Whether a statement is of another account than ours; where we have named none, nobody can say so."""
        wanted = [head.currency] if head.currency else list(self._entries)
        ours = [found for currency in wanted if (found := self.of(currency)) is not None]
        return bool(ours) and not any(_is_same(head.account, each) for each in ours)


def _is_same(account: str, own: BankDetails) -> bool:
    names = _names_of(own)
    # A British IBAN ends with the sort code and the number.
    return account in names or (own.scheme == "gb" and account.startswith("GB") and account[8:] in names)


def _names_of(own: BankDetails) -> set[str]:
    """How banks write an account: by itself, or behind the number of its bank."""
    parts = {own.account, own.account if own.scheme == "iban" else f"{own.bank or ''}{own.account}"}
    return {re.sub(r"[^0-9A-Z]", "", part.upper()) for part in parts}


_PARTS = {"iban": (1, 2), "gb": (2,), "us": (2,)}


def _own(currency: str, holder: str, scheme: str, parts: list[str]) -> BankDetails:
    given: dict[str, str | None] = dict.fromkeys(("iban", "bic", "sort_code", "account_number", "routing_number"))
    match scheme:
        case "iban":
            given |= {"iban": parts[0], "bic": parts[1] if len(parts) > 1 else None}
        case "gb":
            given |= {"sort_code": parts[0], "account_number": parts[1]}
        case _:
            given |= {"routing_number": parts[0], "account_number": parts[1]}
    return checked(
        currency=currency,
        holder=holder,
        iban=given["iban"],
        bic=given["bic"],
        sort_code=given["sort_code"],
        account_number=given["account_number"],
        routing_number=given["routing_number"],
    )
