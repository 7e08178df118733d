"""Every operation of conversions, statements and exports, asked so that it works and so that it refuses."""

from bitcurrent.kernel.ids import new_id
from tests.contract.own_api.house import House

TEN_DOLLARS = {"from": "USD", "to": "EUR", "give": "10"}


async def conversions(house: House) -> None:
    """Quoting and converting, and what the house owns by that."""
    quote = await house.ask("POST", "/api/conversions/quote", 200, TEN_DOLLARS)
    await house.ask("POST", "/api/conversions/quote", 422, {**TEN_DOLLARS, "get": "10"})
    done = await house.ask("POST", "/api/conversions", 201, {"quote_id": quote["id"]})
    await house.ask("POST", "/api/conversions", 409, {"quote_id": quote["id"]})
    await house.ask("GET", "/api/conversions", 200, limit=1)
    await house.ask("GET", "/api/conversions", 200, fields="id,give,get")
    await house.ask("GET", "/api/conversions", 422, cursor="nonsense")
    await house.ask("GET", f"/api/conversions/{done['id']}", 200)
    await house.ask("GET", f"/api/conversions/{new_id()}", 404)
    finance = await house.operator("finance")
    await house.from_the_office(finance, "GET", "/api/admin/fx", 200)
    await house.ask("GET", "/api/admin/fx", 403)
