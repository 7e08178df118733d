"""Whatever moves money says at its route which level of verification it needs, or here why it needs none."""

import pytest
from litestar import Litestar

from bitcurrent.app import build_app
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.web.chain import Operations
from bitcurrent.web.openapi import CHAIN, describe
from tests.support.brokerage import settings_for

WITHOUT = {
    "POST /api/orders": "it trades what is in the account; limits of each level weigh it",
    "PATCH /api/orders/{order_id}": "it trades what is in the account; limits of each level weigh it",
    "POST /api/conversions/quote": "it promises a price only",
    "POST /api/conversions": "limits of each level weigh it, and a small one is open to everybody",
    "POST /api/deposits/{deposit_id}/refunds": "money goes back to the card that it came from",
    "POST /api/deposits/{deposit_id}/cancel": "nothing moves",
    "POST /api/withdrawals/{withdrawal_id}/cancel": "nothing leaves",
    "POST /api/bank-accounts": "nothing leaves to it without the level",
    "DELETE /api/bank-accounts/{account_id}": "nothing leaves",
    "POST /api/withdrawal-addresses": "nothing leaves to it without the level",
    "DELETE /api/withdrawal-addresses/{address_id}": "nothing leaves",
    "PUT /api/withdrawal-addresses/{address_id}/beneficiary": "nothing leaves to it without the level",
}
ADMIN = "/api/admin/"


@pytest.fixture(scope="module")
def app() -> Litestar:
    nowhere = "postgresql://nobody@127.0.0.1:9/none"
    return build_app(settings_for(DatabaseUrls(nowhere, nowhere), "redis://127.0.0.1:9/0"))


def test_every_route_of_money_says_which_level_it_needs(app: Litestar) -> None:
    undeclared: set[str] = set()
    gated: set[str] = set()
    for operation in Operations(app).all():
        name = f"{operation.method} {operation.template}"
        if operation.rate is None or operation.rate.name != "money" or operation.template.startswith(ADMIN):
            continue
        (gated if any(gate.layer == "kyc" for gate in operation.gates) else undeclared).add(name)
    assert {"POST /api/deposits", "POST /api/withdrawals"} <= gated
    assert undeclared == set(WITHOUT)


def test_the_document_shows_the_level(app: Litestar) -> None:
    document = describe(app)
    for path in ("/api/deposits", "/api/withdrawals"):
        says = {each["layer"]: each["asks"] for each in document["paths"][path]["post"][CHAIN]}
        assert "`basic`" in says["kyc"]
