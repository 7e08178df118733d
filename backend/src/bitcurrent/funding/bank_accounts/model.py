"""A bank account as checked values: IBAN, British sort code, American routing number; and whose it must be. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from bitcurrent.kernel.errors import Conflict, Invalid, NotFound
from bitcurrent.kernel.ids import UserId

Scheme = Literal["iban", "gb", "us"]

ACCOUNTS_MAX = 10
HOLDER_LENGTH_MAX = 70
"""What ISO 20022 banks take of a name in practice."""

_DIGITS = re.compile(r"[ -]")
_SORT_CODE = re.compile(r"\d{6}")
_GB_ACCOUNT = re.compile(r"\d{8}")
_ROUTING = re.compile(r"\d{9}")
_US_ACCOUNT = re.compile(r"\d{4,17}")
_WORD = re.compile(r"[a-z0-9]+")


class BadAccount(Invalid):
    """A bank account that cannot exist, with the field that shows it."""

    code = "bank_account_invalid"


class NotInYourName(Invalid):
    """Money leaves only to the customer's own account."""

    code = "bank_account_name"

    def __init__(self) -> None:
        super().__init__(
            "The account must be in your own name, as in your profile. Joint accounts count with your name in them.",
            field="holder",
        )


class ProfileNeeded(Conflict):
    """Nobody can say whose account it is."""

    code = "profile_needed"

    def __init__(self) -> None:
        super().__init__("Fill in your profile first (PUT /api/profile): the account must be in your legal name.")


class BankAccountNotFound(NotFound):
    """No account of the asker's has this id."""

    code = "bank_account_not_found"

    def __init__(self) -> None:
        super().__init__("You have no bank account with this id.")


class KnownAccount(Conflict):
    """Saved already."""

    code = "bank_account_known"

    def __init__(self) -> None:
        super().__init__("You have saved this account already.", field="account")


class TooManyAccounts(Conflict):
    """Enough."""

    code = "too_many_bank_accounts"

    def __init__(self) -> None:
        super().__init__(
            f"There are {ACCOUNTS_MAX} bank accounts already. Remove one first.", details={"maximum": str(ACCOUNTS_MAX)}
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BankDetails:
    """What a payment needs. Never logged: it does not even print itself.

    `account` is an IBAN, or the account number; `bank` a BIC (may be unknown), a sort code, or a routing number.
    """

    scheme: Scheme
    currency: str
    holder: str
    account: str
    bank: str | None

    @property
    def label(self) -> str:
        """Enough to recognise it by."""
        country = self.account[:2] if self.scheme == "iban" else self.scheme.upper()
        return f"{country} •••• {self.account[-4:]}"

    @property
    def identity(self) -> str:
        """The same for the same account, however it was written."""
        return f"{self.scheme}:{self.bank if self.scheme != 'iban' else ''}:{self.account}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BankAccount:
    """A saved account, without what is encrypted."""

    id: UUID
    user_id: UserId
    created_at: datetime
    usable_at: datetime
    removed_at: datetime | None
    currency: str
    scheme: Scheme
    label: str
    fingerprint: bytes
    """A keyed hash: equal for equal accounts, whoever saved them."""


def checked(
    *,
    currency: str,
    holder: str,
    iban: str | None,
    bic: str | None,
    sort_code: str | None,
    account_number: str | None,
    routing_number: str | None,
) -> BankDetails:
    """The account that these fields mean; raises BadAccount, which names the field at fault."""
    name = " ".join(holder.split())
    if not 2 <= len(name) <= HOLDER_LENGTH_MAX or any(character in '<>&"\\' for character in name):
        raise BadAccount(
            f"The holder's name has 2 to {HOLDER_LENGTH_MAX} characters, and no markup.",
            field="holder",
            details={"limit": str(HOLDER_LENGTH_MAX)},
        )
    given = [
        word for word, value in (("iban", iban), ("sort_code", sort_code), ("routing_number", routing_number)) if value
    ]
    if len(given) != 1:
        raise BadAccount(
            "Give one of iban, sort_code with account_number, or routing_number with account_number.", field="iban"
        )
    if iban is not None and given == ["iban"]:
        if account_number:
            raise BadAccount("An IBAN holds the account number already.", field="account_number")
        return _iban(currency, name, iban, bic)
    if bic:
        raise BadAccount("A BIC goes with an IBAN.", field="bic")
    if given == ["sort_code"]:
        return _british(currency, name, sort_code or "", account_number or "")
    return _american(currency, name, routing_number or "", account_number or "")


def _iban(currency: str, holder: str, text: str, bic_text: str | None) -> BankDetails:
    # Read here: the tables of all banks take a moment and some memory, which only this needs.
    from schwifty import BIC, IBAN
    from schwifty.exceptions import SchwiftyException

    try:
        iban = IBAN(text)
    except SchwiftyException as error:
        raise BadAccount(f"This is no IBAN: {str(error).lower()}.", field="iban") from None
    if currency not in {"EUR", "GBP"} or (currency == "GBP" and iban.country_code != "GB"):
        raise BadAccount(f"{currency} cannot be paid to this IBAN.", field="currency")
    bic = str(iban.bic) if iban.bic else None
    if bic_text:
        try:
            given = BIC(bic_text)
        except SchwiftyException as error:
            raise BadAccount(f"This is no BIC: {str(error).lower()}.", field="bic") from None
        if given.country_code != iban.country_code:
            raise BadAccount("The BIC is of another country than the IBAN.", field="bic")
        bic = str(given)
    return BankDetails(scheme="iban", currency=currency, holder=holder, account=str(iban), bank=bic)


def _british(currency: str, holder: str, sort_code: str, number: str) -> BankDetails:
    if currency != "GBP":
        raise BadAccount("A sort code is for GBP.", field="currency")
    sort_code, number = _DIGITS.sub("", sort_code), _DIGITS.sub("", number)
    if not _SORT_CODE.fullmatch(sort_code):
        raise BadAccount("A sort code has six digits.", field="sort_code")
    if not _GB_ACCOUNT.fullmatch(number):
        raise BadAccount(
            "A British account number has eight digits; put zeros before shorter ones.", field="account_number"
        )
    return BankDetails(scheme="gb", currency=currency, holder=holder, account=number, bank=sort_code)


def _american(currency: str, holder: str, routing: str, number: str) -> BankDetails:
    if currency != "USD":
        raise BadAccount("A routing number is for USD.", field="currency")
    routing, number = _DIGITS.sub("", routing), _DIGITS.sub("", number)
    if not _ROUTING.fullmatch(routing) or not _aba_fits(routing):
        raise BadAccount(
            "This is no routing number: its nine digits do not fit their check digit.", field="routing_number"
        )
    if not _US_ACCOUNT.fullmatch(number):
        raise BadAccount("An American account number has 4 to 17 digits.", field="account_number")
    return BankDetails(scheme="us", currency=currency, holder=holder, account=number, bank=routing)


def _aba_fits(routing: str) -> bool:
    """The ABA's check: digits times 3, 7, 1, 3, 7, 1, … sum to a multiple of ten, and are not all zero."""
    total = sum(int(digit) * (3, 7, 1)[place % 3] for place, digit in enumerate(routing))
    return total > 0 and total % 10 == 0


def same_person(holder: str, legal_name: str) -> bool:
    """Whether an account's holder is the person of this legal name.

    Compares words without accents and case. Every word of the shorter name must be in the longer one, where a single
    letter stands for a word that begins with it; at least two words must be there, and one of them whole.
    """
    ours, theirs = sorted((_words(holder), _words(legal_name)), key=len)
    if not ours or (len(ours) < 2 and ours != theirs):
        return False
    left = list(theirs)
    whole = 0
    for word in sorted(ours, key=len, reverse=True):
        found = (
            word if word in left else next((o for o in left if word == o[0] or (len(o) == 1 and word[0] == o)), None)
        )
        if found is None:
            return False
        whole += len(word) > 1 and found == word
        left.remove(found)
    return whole > 0


def _words(name: str) -> list[str]:
    from anyascii import anyascii

    return _WORD.findall(anyascii(name).lower().replace("'", ""))
