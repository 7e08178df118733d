"""Every operation of the circuit breaker's rules, asked so that it works and so that it refuses."""

from tests.contract.own_api.house import House

WHY = "It jumps more than others."
RULES = "/api/admin/breaker-rules"


async def breaker_rules(house: House) -> None:
    """Read, asked for by one, granted by another; those who may not halt markets do neither."""
    anna, bob = [await house.operator("admin") for _ in range(2)]
    clerk = await house.operator("support")
    wish = {
        "kind": "jump", "asset": "DOGE", "stops": "trading", "percent": "30", "within_seconds": 60,
        "calm_seconds": 300, "resume": "calm", "reason": WHY,
    }  # fmt: skip
    asked = await house.from_the_office(anna, "POST", RULES, 202, wish)
    await house.from_the_office(anna, "POST", RULES, 409, wish)
    await house.from_the_office(anna, "POST", RULES, 422, {**wish, "percent": None})
    await house.from_the_office(clerk, "POST", RULES, 403, wish)
    await house.from_the_office(bob, "POST", f"/api/admin/approvals/{asked['id']}/grant", 200)
    await house.from_the_office(anna, "GET", RULES, 200, kind="jump", asset="DOGE", limit=3)
    await house.from_the_office(anna, "GET", RULES, 200, fields="version,percent")
    await house.from_the_office(anna, "GET", RULES, 422, kind="tea")
    await house.from_the_office(clerk, "GET", RULES, 403)
