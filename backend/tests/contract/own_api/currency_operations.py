"""Every operation of conversions, statements and exports, asked so that it works and so that it refuses."""

from collections import Counter

from bitcurrent.kernel.ids import new_id
from bitcurrent.portfolio.exports.tasks import Scribe
from tests.contract.own_api.house import House

TEN_DOLLARS = {"from": "USD", "to": "EUR", "give": "10"}


async def conversions(house: House) -> None:
    """Quoting and converting, and what the house owns by that."""
    currencies = await house.ask("GET", "/api/currencies", 200)
    assert [one["code"] for one in currencies["items"]] == ["USD", "EUR", "GBP"]
    await house.ask("GET", "/api/currencies", 422, fields="everything")
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


async def statements(house: House) -> None:
    """A month on paper and as a list."""
    months = await house.ask("GET", "/api/statements", 200)
    await house.ask("GET", "/api/statements", 422, fields="everything")
    for kind in ("pdf", "csv"):
        file = await house.http.get(months["items"][0][kind], headers=house.ann.bearer)
        assert file.status_code == 200, file.text
        await house.ask("GET", f"/api/statements/2026-13/{kind}", 422)


async def exports(house: House) -> None:
    """A list that is asked for, written aside, and fetched."""
    asked = await house.ask("POST", "/api/exports", 202, {"kind": "transactions"})
    await house.ask("POST", "/api/exports", 422, {"kind": "everything"})
    await house.ask("GET", "/api/exports", 200, limit=1)
    await house.ask("GET", "/api/exports", 422, cursor="nonsense")
    path = f"/api/exports/{asked['id']}"
    await house.ask("GET", f"{path}/file", 409)
    while await Scribe(house.brokerage.database, house.brokerage.letters, Counter()).write_next():
        continue
    done = await house.ask("GET", path, 200)
    await house.ask("GET", f"/api/exports/{new_id()}", 404)
    file = await house.http.get(done["file"], headers=house.ann.bearer)
    assert file.text.startswith("schema,at,"), file.text
