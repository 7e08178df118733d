"""Bases and parts that the wire formats of all rooms share."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every request body: a field we do not know is refused, not ignored.

    Write `class PlaceOrder(Request, frozen=True, kw_only=True)`: msgspec does not hand these two down.
    """


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every answer: `class Order(Answer, frozen=True, kw_only=True)`."""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some items, and the cursor that asks for those behind them; null when these were the last."""

    items: list[T]
    next: str | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why something was not done (RFC 9457, application/problem+json).

    `code` is stable and made for programs; `detail` is made for people; `field` names the part of the request at
    fault; `details` carries the rule's values; `reference` finds the line in our log.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None = None
    details: dict[str, str] = {}
    reference: str | None = None
