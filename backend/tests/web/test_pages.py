"""Pages, cursors, the choice of fields, and where a request comes from."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from bitcurrent.web.addresses import Addresses
from bitcurrent.web.amounts import Amount
from bitcurrent.web.pages import InvalidCursor, UnknownFields, choose_fields, page_of, read_cursor, write_cursor
from bitcurrent.web.schemas import Answer, Page


class Thing(Answer, frozen=True, kw_only=True):
    id: int
    price: Amount


def test_pages_follow_one_another_until_there_is_no_more() -> None:
    rows = list(range(10))
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(10):
        after = read_cursor(cursor, int)
        found = [row for row in rows if after is None or row > after][:4]
        page: Page[int] = page_of(found, 3, item=lambda row: row, key=lambda row: row)
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    assert seen == rows


def test_a_cursor_keeps_its_types() -> None:
    key = (datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), uuid4())
    assert read_cursor(write_cursor(key), tuple[datetime, UUID]) == key


@pytest.mark.parametrize("cursor", ["", "!", "abc", "ü", write_cursor("text"), write_cursor({"a": 1}), "A" * 501])
def test_a_cursor_that_is_not_of_this_list_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(cursor, tuple[datetime, UUID])


def test_only_the_fields_asked_for_are_given() -> None:
    page = Page(items=[Thing(id=1, price=Amount("0E-18"))], next="more")
    assert choose_fields(page, "price", Thing) == {"items": [{"price": "0"}], "next": "more"}
    assert choose_fields(page, None, Thing) is page
    assert choose_fields(page.items[0], " id , price", Thing) == {"id": 1, "price": "0"}
    with pytest.raises(UnknownFields) as refused:
        choose_fields(page, "id,secret", Thing)
    assert refused.value.details == {"known": "id,price"}


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "expected"),
    [
        ("", "10.0.0.1", "1.2.3.4", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.0/8", "10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.0/8", "10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("10.0.0.0/8", "9.9.9.9", "1.2.3.4", "9.9.9.9"),
        ("10.0.0.0/8", "10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_a_forwarded_address_counts_only_from_a_trusted_proxy(
    trusted: str, peer: str, forwarded: str, expected: str
) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    assert Addresses(trusted).of({"client": (peer, 1), "headers": headers}) == expected
