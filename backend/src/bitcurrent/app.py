"""The API: every room's routes, with the web edge around them. `bitcurrent.web.server.serve` runs it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields
from functools import partial
from importlib.metadata import version
from typing import Any

from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from bitcurrent.backoffice import (
    alert_routes,
    breaker_routes,
    case_routes,
    customer_routes,
    fx_routes,
    house_routes,
    letters_routes,
    limits_routes,
    lost_factor_routes,
    oversight_routes,
    restriction_routes,
    screening_routes,
    wallet_transfer_routes,
    withdrawal_terms_routes,
)
from bitcurrent.backoffice import conduct_routes as conduct_desk_routes
from bitcurrent.backoffice import deposit_routes as deposit_desk_routes
from bitcurrent.backoffice import kyc_routes as kyc_desk_routes
from bitcurrent.backoffice import reconciliation_routes as reconciliation_desk_routes
from bitcurrent.backoffice import reversal_routes as backoffice_reversal_routes
from bitcurrent.backoffice import routes as backoffice_routes
from bitcurrent.backoffice import withdrawal_routes as admin_withdrawal_routes
from bitcurrent.botapi import routes as botapi_routes
from bitcurrent.compliance.conduct import routes as conduct_routes
from bitcurrent.compliance.kyc import routes as kyc_routes
from bitcurrent.compliance.stops import routes as stops_routes
from bitcurrent.funding.addresses import routes as address_routes
from bitcurrent.funding.bank_accounts import routes as bank_account_routes
from bitcurrent.funding.conversions import routes as conversion_routes
from bitcurrent.funding.deposits import routes as deposit_routes
from bitcurrent.funding.inbox import routes as inbox_routes
from bitcurrent.funding.reversals import routes as reversal_routes
from bitcurrent.funding.withdrawals import routes as withdrawal_routes
from bitcurrent.identity import routes as identity_routes
from bitcurrent.identity.accounts import routes as account_routes
from bitcurrent.identity.factors import routes as factor_routes
from bitcurrent.identity.guards import provide_actor
from bitcurrent.identity.privacy import routes as privacy_routes
from bitcurrent.market_data import routes as market_data_routes
from bitcurrent.notifications import routes as notification_routes
from bitcurrent.portfolio import routes as portfolio_routes
from bitcurrent.portfolio import wallet_routes as wallet_page_routes
from bitcurrent.portfolio.exports import routes as export_routes
from bitcurrent.portfolio.statements import routes as statement_routes
from bitcurrent.portfolio.tax import routes as tax_routes
from bitcurrent.reconciliation.solvency import routes as solvency_routes
from bitcurrent.settings import Settings
from bitcurrent.trading import routes as trading_routes
from bitcurrent.web import health, openapi
from bitcurrent.web.answers import Answer
from bitcurrent.web.csrf import session_cookie
from bitcurrent.web.edge import Edge
from bitcurrent.web.json import TYPE_ENCODERS, StrictJson
from bitcurrent.web.metrics import metrics_server
from bitcurrent.web.problems import BODY_BYTES_MAX, answer_problem
from bitcurrent.wiring import Brokerage, open_brokerage

ROUTES: tuple[ControllerRouterHandler, ...] = (
    # Each room adds its own ROUTES. Handlers take services by name: `database: NamedDependency[Database]`.
    *health.ROUTES,
    *openapi.ROUTES,
    *identity_routes.ROUTES,
    *account_routes.ROUTES,
    *privacy_routes.ROUTES,
    *factor_routes.ROUTES,
    *market_data_routes.ROUTES,
    *trading_routes.ROUTES,
    *portfolio_routes.ROUTES,
    *wallet_page_routes.ROUTES,
    *export_routes.ROUTES,
    *statement_routes.ROUTES,
    *tax_routes.ROUTES,
    *solvency_routes.ROUTES,
    *address_routes.ROUTES,
    *conversion_routes.ROUTES,
    *inbox_routes.ROUTES,
    *deposit_routes.ROUTES,
    *withdrawal_routes.ROUTES,
    *bank_account_routes.ROUTES,
    *reversal_routes.ROUTES,
    *backoffice_routes.ROUTES,
    *backoffice_reversal_routes.ROUTES,
    *admin_withdrawal_routes.ROUTES,
    *wallet_transfer_routes.ROUTES,
    *fx_routes.ROUTES,
    *lost_factor_routes.ROUTES,
    *reconciliation_desk_routes.ROUTES,
    *deposit_desk_routes.ROUTES,
    *case_routes.ROUTES,
    *screening_routes.ROUTES,
    *alert_routes.ROUTES,
    *restriction_routes.ROUTES,
    *customer_routes.ROUTES,
    *oversight_routes.ROUTES,
    *house_routes.ROUTES,
    *conduct_desk_routes.ROUTES,
    *limits_routes.ROUTES,
    *breaker_routes.ROUTES,
    *kyc_routes.ROUTES,
    *kyc_desk_routes.ROUTES,
    *withdrawal_terms_routes.ROUTES,
    *stops_routes.ROUTES,
    *conduct_routes.ROUTES,
    *letters_routes.ROUTES,
    *notification_routes.ROUTES,
    *botapi_routes.ROUTES,
)


def build_app(settings: Settings, routes: Sequence[ControllerRouterHandler] = ROUTES) -> Litestar:
    """The application. Its services open when it starts and close when it stops."""
    app = Litestar(
        route_handlers=routes,
        lifespan=[partial(_open, settings)],
        dependencies={
            **{field.name: _provide(field.name) for field in fields(Brokerage)},
            "actor": Provide(provide_actor),
        },
        dto=StrictJson,
        return_dto=None,
        type_encoders=TYPE_ENCODERS,
        response_class=Answer,
        exception_handlers={Exception: answer_problem},
        request_max_body_size=BODY_BYTES_MAX,
        compression_config=CompressionConfig(
            # Brotli where the client takes it, else gzip, else neither.
            backend="brotli",
            brotli_quality=4,
            brotli_gzip_fallback=True,
            minimum_size=1000,
            gzip_compress_level=5,
            # For handlers that give out bytes compressed already.
            exclude_opt_key="exclude_from_compression",
        ),
        logging_config=None,
        openapi_config=openapi.openapi_config(version("bitcurrent"), session_cookie(settings)),
        plugins=[openapi.AmountSchema()],
    )
    _answer_options(app)
    app.asgi_handler = Edge(app, settings)
    return app


def _answer_options(app: Litestar) -> None:
    """Let OPTIONS name every method of a path: Litestar's own answer knows those that were there first."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            fresh = route.create_options_handler(route.path)
            fresh.owner = app
            fresh.on_registration(app)
            kept = [handler for handler in route.route_handlers if "OPTIONS" not in handler.http_methods]
            route.route_handlers = [*kept, fresh]
            route.route_handler_map = {}
            route.create_handler_map()
    app.asgi_router.construct_routing_trie()


@asynccontextmanager
async def _open(settings: Settings, app: Litestar) -> AsyncIterator[None]:
    async with open_brokerage(settings) as brokerage:
        app.state.brokerage = brokerage
        for field in fields(Brokerage):
            app.state[field.name] = getattr(brokerage, field.name)
        with metrics_server(settings.metrics_port):
            yield


def _provide(name: str) -> Provide:
    """Hands the service of that name to every handler that has a parameter of that name."""

    def service(state: State) -> Any:
        return state[name]

    return Provide(service, sync_to_thread=False)
