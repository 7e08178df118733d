"""Any list in pages is CSV when it is asked for: whole, with its filters, and harmless to a spreadsheet."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
import pytest_asyncio
from litestar import get
from litestar.params import QueryParameter

from bitcurrent.kernel.errors import Conflict
from bitcurrent.launcher.redis import RedisServer
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.web.amounts import Amount
from bitcurrent.web.csv import CUT_SHORT, ROWS_MAX
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Limit, page_of, read_cursor
from bitcurrent.web.schemas import Answer, Page
from tests.support.brokerage import running_api, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROWS = 1_234


class Line(Answer, frozen=True, kw_only=True):
    """A row of the list."""

    number: int
    amount: Amount
    text: str | None
    tags: list[str]
    good: bool


WORDS = ("plain", '=HYPERLINK("http://evil")', "+1", "-1.50", "@SUM(A1)", None, 'with "quotes", and\nlines', "\tx")


def line(number: int) -> Line:
    amount = Amount("-0.10") - number
    return Line(number=number, amount=Amount(amount), text=WORDS[number % 8], tags=["a", "b"], good=number % 2 == 0)


@get("/api/lines", operation_id="listLines")
async def list_lines(
    above: Annotated[int, QueryParameter(name="above")] = 0,
    until: Annotated[int, QueryParameter(name="until")] = ROWS,
    breaks_at: Annotated[int, QueryParameter(name="breaks_at")] = 10**9,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
) -> Page[Line]:
    """Numbers."""
    first = read_cursor(cursor, int) or above
    if first >= breaks_at:
        raise Conflict("It broke.")
    rows = range(first + 1, min(until, first + limit + 1) + 1)
    return page_of(rows, limit, item=line, key=lambda number: number)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(module_database_urls: DatabaseUrls, redis_server: RedisServer) -> AsyncIterator[httpx.AsyncClient]:
    async with running_api(settings_for(module_database_urls, redis_server.url), [list_lines]) as (running, _):
        yield running


def read(answer: httpx.Response) -> list[list[str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="bitcurrent-lines.csv"'
    assert answer.headers["cache-control"] == "private, no-store"
    return list(csv.reader(io.StringIO(answer.text)))


async def test_the_whole_list_comes_and_not_one_page(client: httpx.AsyncClient) -> None:
    names, *rows = read(await client.get("/api/lines", params={"format": "csv"}))
    assert names == ["number", "amount", "text", "tags", "good"]
    assert [int(row[0]) for row in rows] == list(range(1, ROWS + 1))


async def test_a_header_asks_for_it_as_well_and_json_stays_json(client: httpx.AsyncClient) -> None:
    assert len(read(await client.get("/api/lines", headers={"Accept": "text/csv"}))) == ROWS + 1
    as_json = await client.get("/api/lines", params={"format": "json"}, headers={"Accept": "text/csv"})
    assert len(as_json.json()["items"]) == LIMIT_DEFAULT


async def test_filters_and_chosen_fields_hold_for_every_page(client: httpx.AsyncClient) -> None:
    query = {"format": "csv", "above": "100", "until": "1100", "fields": "good,number"}
    names, *rows = read(await client.get("/api/lines", params=query))
    assert names == ["good", "number"]
    assert rows == [["true" if number % 2 == 0 else "false", str(number)] for number in range(101, 1101)]


async def test_amounts_are_exact_and_no_text_is_a_formula(client: httpx.AsyncClient) -> None:
    _, *rows = read(await client.get("/api/lines", params={"format": "csv", "until": "8"}))
    assert rows[0] == ["1", "-1.1", """'=HYPERLINK("http://evil")""", '["a","b"]', "false"]
    assert [row[2] for row in rows] == [
        """'=HYPERLINK("http://evil")""",
        "'+1",
        "-1.50",
        "'@SUM(A1)",
        "",
        'with "quotes", and\nlines',
        "'\tx",
        "plain",
    ]


async def test_what_is_too_long_says_so_in_its_last_row(client: httpx.AsyncClient) -> None:
    query = {"format": "csv", "until": str(ROWS_MAX + 5_000), "fields": "number"}
    _, *rows = read(await client.get("/api/lines", params=query))
    assert rows[-1] == [CUT_SHORT]
    assert [int(row[0]) for row in rows[:-1]] == list(range(1, len(rows)))
    assert ROWS_MAX <= len(rows) - 1 < ROWS_MAX + 500


async def test_a_list_that_breaks_on_the_way_does_not_look_whole(client: httpx.AsyncClient) -> None:
    started = await client.get("/api/lines", params={"format": "csv", "breaks_at": "600"})
    # Over a socket the connection ends before the last chunk; without one, the body ends where it broke.
    assert len(started.text.splitlines()) < ROWS


async def test_other_formats_and_unknown_fields_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/lines", params={"format": "xlsx"})
    assert (answer.status_code, answer.json()["field"]) == (422, "format")
    answer = await client.get("/api/lines", params={"format": "csv", "fields": "secret"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_fields")
