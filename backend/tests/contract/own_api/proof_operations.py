"""Every operation of solvency and tax, asked so that it works and so that it refuses."""

from decimal import Decimal

from bitcurrent.reconciliation.solvency.model import Holdings
from tests.contract.own_api.house import House


async def solvency(house: House) -> None:
    """What is owed, for everybody; and one's own proof."""
    await house.ask("GET", "/api/solvency", 404)
    await house.ask("GET", "/api/solvency/proof", 404)
    there = {"USD": Holdings(venue=Decimal(10**6), processor=Decimal(0), bank=Decimal(0))}
    await house.brokerage.solvency.make(there)
    report = await house.ask_as(None, "GET", "/api/solvency", 200)
    proof = await house.ask("GET", "/api/solvency/proof", 200)
    assert proof["report_id"] == report["id"]
    await house.nobody("GET", "/api/solvency/proof")
    await house.ask("GET", "/api/solvency/reports", 200, limit=1)
    await house.ask("GET", "/api/solvency/reports", 422, cursor="nonsense")


async def tax(house: House) -> None:
    """A tax year as JSON, list and paper."""
    await house.ask("GET", "/api/tax/2025?method=fifo", 200)
    await house.ask("GET", "/api/tax/1999", 422)
    for kind in ("csv", "pdf"):
        await house.nobody("GET", f"/api/tax/2025/{kind}")
        file = await house.http.get(f"/api/tax/2025/{kind}", params={"method": "fifo"}, headers=house.ann.bearer)
        assert file.status_code == 200, file.text
