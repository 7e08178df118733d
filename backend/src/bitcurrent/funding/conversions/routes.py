"""/api/conversions."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler

from bitcurrent.funding.conversions.schemas import (
    ConversionAnswer,
    ConvertRequest,
    CurrencyAnswer,
    QuoteAnswer,
    QuoteRequest,
    conversion_answer,
    currency_answer,
    quote_answer,
)
from bitcurrent.funding.conversions.service import Conversions
from bitcurrent.identity.guards import CurrentActor, requires_scope, requires_session
from bitcurrent.identity.verified import requires_verified_email
from bitcurrent.kernel.currencies import CURRENCIES
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.web.chain import RATE, REPEATABLE
from bitcurrent.web.idempotency import answer_once
from bitcurrent.web.openapi import IDEMPOTENT
from bitcurrent.web.pages import LIMIT_DEFAULT, CursorText, Fields, Limit, choose_fields, page_of, read_cursor
from bitcurrent.web.schemas import Page

AnyRequest = Request[Any, Any, Any]
Desk = NamedDependency[Conversions]
Where = NamedDependency[Database]

TAGS = ["Conversions"]
# People only: a program that trades for somebody trades what is there.
WRITES = [requires_session, requires_scope("trade"), requires_verified_email]


@get(
    "/api/currencies",
    operation_id="listCurrencies",
    summary="The currencies that balances are kept in",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_currencies(actor: CurrentActor, fields: Fields = None) -> Page[CurrencyAnswer] | dict[str, Any]:
    """Money, not coins: these can be paid in, converted into one another, and shown as the currency of a portfolio."""
    items = [currency_answer(currency) for currency in CURRENCIES.values()]
    return choose_fields(Page(items=items), fields, CurrencyAnswer)


@post(
    "/api/conversions/quote",
    operation_id="quoteConversion",
    summary="What a conversion would give",
    tags=TAGS,
    guards=WRITES,
    status_code=200,
    opt={RATE: "money", REPEATABLE: "A quote moves nothing, and lapses by itself."},
)
async def quote_conversion(data: JSONBody[QuoteRequest], actor: CurrentActor, conversions: Desk) -> QuoteAnswer:
    """A rate that holds for 15 seconds, with its spread. Nothing is set aside for it."""
    quote = await conversions.quote(
        actor.user_id,
        from_currency=data.from_currency,
        to_currency=data.to_currency,
        give=data.give,
        get=data.get,
    )
    return quote_answer(quote)


@post(
    "/api/conversions",
    operation_id="convert",
    summary="Convert at a quoted rate",
    tags=TAGS,
    guards=WRITES,
    status_code=201,
    opt={IDEMPOTENT: True, RATE: "money"},
)
async def convert(
    request: AnyRequest, data: JSONBody[ConvertRequest], actor: CurrentActor, conversions: Desk, database: Where
) -> Response[ConversionAnswer]:
    """Uses a quote, once. One that is over is refused with 409: ask for a new one."""

    async def effect(connection: Connection) -> ConversionAnswer:
        return conversion_answer(await conversions.convert(connection, actor.user_id, data.quote_id))

    return await answer_once(request, database, actor.user_id, effect, status=201)


@get(
    "/api/conversions",
    operation_id="listConversions",
    summary="Your conversions, newest first",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_conversions(
    actor: CurrentActor,
    conversions: Desk,
    database: Where,
    limit: Limit = LIMIT_DEFAULT,
    cursor: CursorText = None,
    fields: Fields = None,
) -> Page[ConversionAnswer] | dict[str, Any]:
    """What you gave and got, at which rate."""
    before = read_cursor(cursor, UUID)
    async with database.read() as connection:
        rows = await conversions.conversions(connection, actor.user_id, before=before, limit=limit + 1)
    page = page_of(rows, limit, item=conversion_answer, key=lambda row: row.id)
    return choose_fields(page, fields, ConversionAnswer)


@get(
    "/api/conversions/{conversion_id:uuid}",
    operation_id="readConversion",
    summary="One conversion",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_conversion(
    conversion_id: FromPath[UUID], actor: CurrentActor, conversions: Desk, database: Where
) -> ConversionAnswer:
    """One of yours, as it was done."""
    async with database.read() as connection:
        return conversion_answer(await conversions.read(connection, actor.user_id, conversion_id))


ROUTES: tuple[ControllerRouterHandler, ...] = (
    list_currencies,
    quote_conversion,
    convert,
    list_conversions,
    read_conversion,
)
