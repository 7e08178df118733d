"""What privacy says and hears on the wire."""

from datetime import date, datetime
from typing import Annotated

import msgspec

from bitcurrent.identity.privacy import model
from bitcurrent.web.schemas import Answer, Request

# Generous bounds: the model's own checks say what is wrong in better words.
_Text = Annotated[str, msgspec.Meta(max_length=300)]
_Password = Annotated[str, msgspec.Meta(max_length=1000)]
_Country = Annotated[str, msgspec.Meta(max_length=300, description="ISO 3166-1 alpha-2, like DE.")]
_Phone = Annotated[str, msgspec.Meta(max_length=300, description="E.164, like +14155550123.")]


class PutAddress(Request, frozen=True, kw_only=True):
    """Where somebody lives."""

    lines: Annotated[list[_Text], msgspec.Meta(min_length=1, max_length=model.LINES_MAX)]
    city: _Text
    country: _Country
    postal_code: _Text | None = None
    region: _Text | None = None


class PutDocument(Request, frozen=True, kw_only=True):
    """A document by its number."""

    kind: model.DocumentKind
    number: _Text
    country: _Country
    expires_on: date | None = None


class PutProfile(Request, frozen=True, kw_only=True):
    """Who the customer is in law; replaces all of what was there."""

    legal_name: _Text
    birth_date: date
    address: PutAddress
    phone: _Phone | None = None
    documents: Annotated[list[PutDocument], msgspec.Meta(max_length=model.DOCUMENTS_MAX)] = msgspec.field(
        default_factory=list
    )


class AskErasure(Request, frozen=True, kw_only=True):
    """Close the account and be forgotten when the law allows it."""

    password: _Password


class Address(Answer, frozen=True, kw_only=True):
    """Where somebody lives."""

    lines: list[str]
    city: str
    postal_code: str | None
    region: str | None
    country: str


class Document(Answer, frozen=True, kw_only=True):
    """A document by its number."""

    kind: model.DocumentKind
    number: str
    country: str
    expires_on: date | None


class Profile(Answer, frozen=True, kw_only=True):
    """Who the customer is in law."""

    legal_name: str
    birth_date: date
    address: Address
    phone: str | None
    documents: list[Document]
    updated_at: datetime


class Erasure(Answer, frozen=True, kw_only=True):
    """The account is closed; what the law wants kept until then is erased on the day."""

    asked_at: datetime
    due_at: datetime


def read_profile(data: PutProfile) -> model.Profile:
    """A profile from a request, not checked yet."""
    return model.Profile(
        legal_name=data.legal_name,
        birth_date=data.birth_date,
        address=model.Address(
            lines=tuple(data.address.lines),
            city=data.address.city,
            postal_code=data.address.postal_code,
            region=data.address.region,
            country=data.address.country,
        ),
        phone=data.phone,
        documents=tuple(
            model.Document(kind=one.kind, number=one.number, country=one.country, expires_on=one.expires_on)
            for one in data.documents
        ),
    )


def profile(kept: model.KeptProfile) -> Profile:
    """A profile as an answer."""
    value = kept.profile
    return Profile(
        legal_name=value.legal_name,
        birth_date=value.birth_date,
        address=Address(
            lines=list(value.address.lines),
            city=value.address.city,
            postal_code=value.address.postal_code,
            region=value.address.region,
            country=value.address.country,
        ),
        phone=value.phone,
        documents=[
            Document(kind=one.kind, number=one.number, country=one.country, expires_on=one.expires_on)
            for one in value.documents
        ],
        updated_at=kept.updated_at,
    )


def erasure(value: model.Erasure) -> Erasure:
    """An erasure as an answer."""
    return Erasure(asked_at=value.asked_at, due_at=value.due_at)
