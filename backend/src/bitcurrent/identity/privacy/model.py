"""A customer's profile as checked values, and the refusals that belong to profiles, exports and erasures."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib import resources
from typing import Literal, get_args

from bitcurrent.kernel.errors import Conflict, Invalid

DocumentKind = Literal["passport", "identity_card", "driving_licence", "residence_permit", "tax_number"]

ADULT_YEARS = 18
OLDEST_YEAR = 1900
NAME_LENGTH_MAX = 150
LINE_LENGTH_MAX = 100
LINES_MAX = 3
POSTAL_CODE_LENGTH_MAX = 20
DOCUMENTS_MAX = 5

COUNTRIES = frozenset(resources.files("bitcurrent.identity.privacy").joinpath("countries.txt").read_text().split())
"""ISO 3166-1 alpha-2, as the time zone database lists them (public domain)."""
_PHONE = re.compile(r"\+[1-9]\d{6,14}")
_PHONE_PUNCTUATION = re.compile(r"[\s().-]")
_DOCUMENT_NUMBER = re.compile(r"[A-Z0-9][A-Z0-9 ./-]{1,38}[A-Z0-9]")
_JOINER = "\u200c"
"""Zero width non-joiner: invisible, and yet part of how names are written in Persian and others."""


class ProfileVerified(Conflict):
    """What was verified is not changed by the customer alone."""

    code = "profile_verified"

    def __init__(self, what: str) -> None:
        super().__init__("This was verified already. Ask support to change it.", field=what)


class AccountNotEmpty(Conflict):
    """There is still money; `details` says how much of what."""

    code = "account_not_empty"

    def __init__(self, left: Mapping[str, str]) -> None:
        held = ", ".join(f"{amount} {currency}" for currency, amount in left.items())
        super().__init__(f"The account still holds {held}. Sell and withdraw it first; nothing was done.", details=left)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Address:
    """Where somebody lives. Prints nothing of it."""

    lines: tuple[str, ...]
    city: str
    postal_code: str | None
    region: str | None
    country: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Document:
    """A document that proves something, by its number, which it does not print."""

    kind: DocumentKind
    number: str
    country: str
    expires_on: date | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Profile:
    """Who a customer is in law. Made by `checked`; never logged: it does not even print itself."""

    legal_name: str
    birth_date: date
    address: Address
    phone: str | None
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptProfile:
    """A profile and when it was last changed."""

    profile: Profile
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A country (ISO 3166-1 alpha-2) with its region, as far as they are known. Prints nothing."""

    country: str | None = field(repr=False)
    region: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A wish to be forgotten: asked for, due when the law allows, and done."""

    asked_at: datetime
    due_at: datetime
    done_at: datetime | None


def checked(profile: Profile, *, today: date) -> Profile:
    """The profile as it is stored: normalised, every rule checked. Raises Invalid, naming the field, not the value."""
    return Profile(
        legal_name=_text(profile.legal_name, "legal_name", NAME_LENGTH_MAX),
        birth_date=_birth_date(profile.birth_date, today),
        address=_address(profile.address),
        phone=None if profile.phone is None else normalise_phone(profile.phone),
        documents=_documents(profile.documents),
    )


def normalise_phone(text: str) -> str:
    """A telephone number in E.164 form (+, country code, up to 15 digits); raises Invalid."""
    phone = _PHONE_PUNCTUATION.sub("", unicodedata.normalize("NFKC", text))
    if not phone.isascii() or not _PHONE.fullmatch(phone):
        raise Invalid("A telephone number begins with + and the country's code: +14155550123.", field="phone")
    return phone


def changed_fields(before: Profile | None, after: Profile) -> list[str]:
    """The names of what differs, for the log of acts, which holds no values."""
    names = ("legal_name", "birth_date", "address", "phone", "documents")
    return [name for name in names if before is None or getattr(before, name) != getattr(after, name)]


def _birth_date(born: date, today: date) -> date:
    if born.year < OLDEST_YEAR or born > today:
        raise Invalid(f"A birth date lies between {OLDEST_YEAR} and today.", field="birth_date")
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    if years < ADULT_YEARS:
        raise Invalid(
            f"Customers are {ADULT_YEARS} or older.", field="birth_date", details={"minimum": str(ADULT_YEARS)}
        )
    return born


def _address(address: Address) -> Address:
    if not 1 <= len(address.lines) <= LINES_MAX:
        raise Invalid(f"An address has 1 to {LINES_MAX} lines.", field="address.lines")
    postal_code = address.postal_code
    return Address(
        lines=tuple(_text(line, "address.lines", LINE_LENGTH_MAX) for line in address.lines),
        city=_text(address.city, "address.city", LINE_LENGTH_MAX),
        postal_code=None if postal_code is None else _text(postal_code, "address.postal_code", POSTAL_CODE_LENGTH_MAX),
        region=None if address.region is None else _text(address.region, "address.region", LINE_LENGTH_MAX),
        country=_country(address.country, "address.country"),
    )


def _documents(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    if len(documents) > DOCUMENTS_MAX:
        raise Invalid(f"There can be {DOCUMENTS_MAX} documents.", field="documents")
    return tuple(_document(document) for document in documents)


def _document(document: Document) -> Document:
    number = unicodedata.normalize("NFC", document.number).strip().upper()
    if not number.isascii() or not _DOCUMENT_NUMBER.fullmatch(number):
        raise Invalid(
            "A document's number has 3 to 40 letters, digits, spaces, '.', '/' or '-'.", field="documents.number"
        )
    assert document.kind in get_args(DocumentKind)
    country = _country(document.country, "documents.country")
    return Document(kind=document.kind, number=number, country=country, expires_on=document.expires_on)


def _country(code: str, name: str) -> str:
    if code not in COUNTRIES:
        raise Invalid("A country is two capitals of ISO 3166-1, like DE or US.", field=name)
    return code


def _text(text: str, name: str, length_max: int) -> str:
    cleaned = " ".join(unicodedata.normalize("NFC", text).split())
    if not 1 <= len(cleaned) <= length_max or not cleaned.replace(_JOINER, "").isprintable():
        raise Invalid(f"This has 1 to {length_max} visible characters.", field=name)
    if not any(character.isalnum() for character in cleaned):
        raise Invalid("This needs a letter or a digit.", field=name)
    return cleaned
