"""/api/balances, /api/positions and /api/portfolio."""

from typing import Annotated, Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from litestar.types import ControllerRouterHandler

from bitcurrent.identity.guards import requires_scope
from bitcurrent.identity.model import Actor
from bitcurrent.portfolio.schemas import (
    BalanceAnswer,
    ExplanationAnswer,
    PortfolioAnswer,
    PositionsAnswer,
    balance_answer,
    explanation_answer,
    portfolio_answer,
    positions_answer,
)
from bitcurrent.portfolio.service import PortfolioReader
from bitcurrent.web.pages import LIMIT_DEFAULT, Fields, Limit, choose_fields
from bitcurrent.web.schemas import Page

TAGS = ["Portfolio"]
InCurrency = Annotated[
    str | None,
    QueryParameter(name="currency", max_length=3, description="Of the figures: USD (by default), EUR or GBP."),
]
AssetPath = Annotated[str, PathParameter(max_length=40, description="The currency's code, such as USD or BTC.")]


@get(
    "/api/balances",
    operation_id="listBalances",
    summary="What you have, and what holds it",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_balances(
    actor: NamedDependency[Actor], portfolio: NamedDependency[PortfolioReader], fields: Fields = None
) -> Page[BalanceAnswer] | dict[str, Any]:
    """Every balance that is not empty: available, held, and each order that holds something."""
    balances = await portfolio.balances(actor.user_id)
    return choose_fields(Page(items=[balance_answer(balance) for balance in balances]), fields, BalanceAnswer)


@get(
    "/api/balances/{asset:str}/explanation",
    operation_id="explainBalance",
    summary="Why a balance is what it is",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def explain_balance(
    asset: AssetPath,
    actor: NamedDependency[Actor],
    portfolio: NamedDependency[PortfolioReader],
    limit: Limit = LIMIT_DEFAULT,
) -> ExplanationAnswer:
    """What holds it, the newest `limit` lines of the books that made it, and whether all lines add up to it."""
    return explanation_answer(*await portfolio.explanation(actor.user_id, asset, limit=limit))


@get(
    "/api/positions",
    operation_id="listPositions",
    summary="Your coins and what they earned",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def list_positions(
    actor: NamedDependency[Actor], portfolio: NamedDependency[PortfolioReader], currency: InCurrency = None
) -> PositionsAnswer:
    """Every coin that you have: average cost, worth, gains and the last 24 hours, at today's rate of the currency."""
    view = await portfolio.view(currency)
    found = await portfolio.portfolio(actor.user_id)
    return PositionsAnswer(as_of=found.as_of, valued_in=view.currency, items=positions_answer(found, view))


@get(
    "/api/portfolio",
    operation_id="readPortfolio",
    summary="What your account is worth",
    tags=TAGS,
    guards=[requires_scope("read")],
)
async def read_portfolio(
    actor: NamedDependency[Actor], portfolio: NamedDependency[PortfolioReader], currency: InCurrency = None
) -> PortfolioAnswer:
    """Cash and coins in one currency now, with the time of the prices and what was gained."""
    view = await portfolio.view(currency)
    return portfolio_answer(await portfolio.portfolio(actor.user_id), view)


ROUTES: tuple[ControllerRouterHandler, ...] = (list_balances, explain_balance, list_positions, read_portfolio)
