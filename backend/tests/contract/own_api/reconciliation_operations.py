"""Every operation of reconciliation, asked so that it works and so that it refuses."""

from decimal import Decimal
from uuid import UUID

from bitcurrent.kernel.ids import new_id
from bitcurrent.reconciliation.model import BreakKind, Finding, Look, Party
from tests.contract.own_api.house import House


async def reconciliation(house: House) -> None:
    """The table, and breaks from their opening to their end."""
    asker, granter, clerk = [await house.operator(role) for role in ("finance", "finance", "support")]
    await house.from_the_office(asker, "GET", "/api/admin/reconciliation", 200)
    await house.from_the_office(asker, "GET", "/api/admin/reconciliation", 200, fields="open_breaks,table")
    await house.from_the_office(clerk, "GET", "/api/admin/reconciliation", 403)
    first, second = await _two_breaks(house)
    found = await house.from_the_office(asker, "GET", "/api/admin/breaks", 200, state="open", party="venue", limit=5)
    assert {str(first), str(second)} <= {each["id"] for each in found["items"]}
    await house.from_the_office(asker, "GET", "/api/admin/breaks", 422, state="lost")
    path = f"/api/admin/breaks/{first}"
    assert (await house.from_the_office(asker, "GET", path, 200))["difference"] == "-3.5"
    await house.from_the_office(asker, "GET", f"/api/admin/breaks/{new_id()}", 404)
    assert (await house.from_the_office(asker, "POST", f"{path}/assign", 200, {}))["owner"] == asker.id
    await house.from_the_office(asker, "POST", f"{path}/assign", 422, {"owner": clerk.id})
    refused = await house.from_the_office(asker, "POST", f"{path}/resolve", 409, {"note": "It will go away."})
    assert (refused["code"], refused["details"]["difference"]) == ("break_still_there", "-3.5")
    wish = {"counterpart": "adjustments", "reason": "Cash that the venue gave us for its mistake."}
    await house.from_the_office(asker, "POST", f"{path}/journal", 422, {**wish, "counterpart": "venue"})
    asked = await house.from_the_office(asker, "POST", f"{path}/journal", 202, wish)
    grant = f"/api/admin/approvals/{asked['id']}/grant"
    await house.from_the_office(asker, "POST", grant, 403)
    await house.from_the_office(granter, "POST", grant, 200)
    resolved = await house.from_the_office(asker, "GET", path, 200)
    assert (resolved["state"], resolved["journal_reference"]) == ("resolved", f"break:{first}")
    await house.from_the_office(asker, "POST", f"{path}/assign", 409, {})
    other = f"/api/admin/breaks/{second}/resolve"
    note = {"note": "It was our own order, placed by hand in the venue's dashboard."}
    assert (await house.from_the_office(asker, "POST", other, 200, note))["state"] == "resolved"
    # Nothing waits any more, and other tests withdraw: what the house stopped, it lets run again.
    async with house.brokerage.database.transaction() as connection:
        for stop in await house.brokerage.stops.standing(connection):
            if stop.cause == "reconciliation":
                await house.brokerage.stops.resume_by_house(connection, stop.id, reason="Resolved in this test.")


async def _two_breaks(house: House) -> tuple[UUID, UUID]:
    holdings = Finding(
        kind=BreakKind.HOLDINGS,
        subject="venue:USD",
        party=Party.VENUE,
        asset="USD",
        account="venue",
        expected=Decimal("3.5"),
        found=Decimal(0),
        text="The venue has 3.5 USD; our books say 0.",
    )
    order = Finding(
        kind=BreakKind.FOREIGN_ORDER,
        subject="venue-order:strange",
        party=Party.VENUE,
        asset="ETH",
        expected=Decimal(1),
        found=Decimal(0),
        text="An open order at the venue (strange) is none of ours.",
    )
    look = Look(party=Party.VENUE, findings=(holdings, order))
    async with house.brokerage.database.transaction() as connection:
        opened = (await house.brokerage.breaks.note(connection, look)).opened
    return opened[0].id, opened[1].id
