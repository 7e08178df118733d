"""Roles: permissions as data, no customer's powers for operators, and the door of the back office."""

import typing

import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from bitcurrent.app import build_app
from bitcurrent.identity.model import Role
from bitcurrent.identity.permissions import OPERATOR_ROLES, PERMISSIONS, ROLES
from bitcurrent.settings import Settings, SettingsError, read_settings
from bitcurrent.web.chain import gate_of
from tests.identity.conftest import Api
from tests.support.brokerage import running_api
from tests.support.callers import OFFICE, client_from, give_key
from tests.support.customers import Person, key_headers, register
from tests.support.operators import operator

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREET = "203.0.113.7"
READING = "/api/admin/approvals"


def test_every_role_has_its_permissions_and_customers_have_none() -> None:
    assert set(ROLES) == set(typing.get_args(Role))
    assert ROLES["customer"] == frozenset()
    assert set(OPERATOR_ROLES) == set(ROLES) - {"customer"}
    assert frozenset().union(*ROLES.values()) == PERMISSIONS, "a permission that nobody holds"
    for role in OPERATOR_ROLES:
        assert ROLES[role] < PERMISSIONS, f"{role} may do everything: nobody does"


def test_nobody_who_keeps_operators_moves_money() -> None:
    assert not ROLES["admin"] & {"money.approve", "compliance.review"}
    assert not any("operators.change" in ROLES[role] for role in ("support", "compliance", "finance"))


async def test_every_admin_route_names_the_permission_that_it_needs(api: Api) -> None:
    routes = admin_routes(build_app(api.settings))
    assert len(routes) >= 6
    for name, asks in routes.items():
        assert any("the permission `" in ask for ask in asks), f"{name} lets in anybody who is logged in"


def admin_routes(app: Litestar) -> dict[str, list[str]]:
    return {
        f"{method} {route.path}": [gate_of(guard).asks for guard in handler.resolve_guards()]
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/admin")
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
    }


async def status(api: Api, person: Person | None, address: str, **headers: str) -> tuple[int, str]:
    async with client_from(api.app, address) as client:
        answer = await client.get(READING, headers={**(person.bearer if person else {}), **headers})
    return answer.status_code, answer.json().get("code", "")


async def test_an_operator_with_a_factor_gets_in_from_the_office_and_not_from_the_street(api: Api) -> None:
    olga = await operator(api.app, "support")
    assert await status(api, olga, OFFICE) == (200, "")
    for here in ("127.0.0.1", "::1", "::ffff:10.0.0.9", "192.168.7.7", "fd12::1"):
        assert await status(api, olga, here) == (200, ""), here
    for there in (STREET, "2001:db8::1", "11.0.0.1", "172.32.0.1"):
        assert await status(api, olga, there) == (403, "admin_network_required"), there


@pytest.mark.parametrize(
    "forged",
    [
        {"X-Forwarded-For": "10.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1, 10.0.0.1"},
        {"Forwarded": "for=10.0.0.1"},
        {"X-Real-IP": "10.0.0.1"},
        {"X-Client-IP": "10.0.0.1", "True-Client-IP": "127.0.0.1", "CF-Connecting-IP": "10.0.0.1"},
    ],
)
async def test_a_forged_address_does_not_pass_without_a_trusted_proxy(api: Api, forged: dict[str, str]) -> None:
    olga = await operator(api.app, "admin")
    assert await status(api, olga, STREET, **forged) == (403, "admin_network_required")


async def test_a_forged_address_does_not_pass_behind_a_trusted_proxy_and_the_real_one_does(api: Api) -> None:
    olga = await operator(api.app, "admin")
    settings = msgspec.structs.replace(
        api.settings, trusted_proxies="192.0.2.10,192.0.2.11", admin_networks="198.51.100.0/24"
    )
    cases = {
        "198.51.100.7": 200,
        "198.51.100.7, 192.0.2.11": 200,
        STREET: 403,
        f"198.51.100.7, {STREET}": 403,
        f"198.51.100.7,{STREET}, 192.0.2.11": 403,
        "198.51.100.7, nonsense": 403,
        "": 403,
    }
    async with (
        running_api(settings) as (_, app),
        client_from(app, "192.0.2.10") as proxied,
        client_from(app, STREET) as direct,
    ):
        for forwarded, expected in cases.items():
            answer = await proxied.get(READING, headers={**olga.bearer, "X-Forwarded-For": forwarded})
            assert answer.status_code == expected, forwarded
        # Not through the proxy: nobody believes a word.
        answer = await direct.get(READING, headers={**olga.bearer, "X-Forwarded-For": "198.51.100.7"})
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_network_required")


async def test_in_production_the_back_office_is_closed_until_somebody_opens_it(api: Api) -> None:
    olga = await operator(api.app, "admin")
    closed = msgspec.structs.replace(api.settings, env="production")
    async with running_api(closed) as (_, app), client_from(app, "127.0.0.1") as here:
        assert (await here.get(READING, headers=olga.bearer)).status_code == 403
    opened = msgspec.structs.replace(closed, admin_networks="127.0.0.1")
    async with running_api(opened) as (_, app), client_from(app, "127.0.0.1") as here:
        assert (await here.get(READING, headers=olga.bearer)).status_code == 200


async def test_who_is_outside_learns_nothing_of_their_session(api: Api) -> None:
    nobody = await status(api, None, STREET)
    assert nobody == (403, "admin_network_required")
    assert nobody == await status(api, await operator(api.app, "admin"), STREET)
    assert await status(api, None, OFFICE) == (401, "not_logged_in")


async def test_without_a_second_factor_no_door_opens(api: Api) -> None:
    bare = await operator(api.app, "admin", enrolled=False, stepped_up=False)
    assert await status(api, bare, OFFICE) == (403, "second_factor_missing")
    asleep = await operator(api.app, "admin", stepped_up=False)
    assert await status(api, asleep, OFFICE) == (403, "second_factor_required")


async def test_customers_and_keys_have_no_business_there(api: Api) -> None:
    ann = await register(api.client)
    assert await status(api, ann, OFFICE) == (403, "role_missing")
    key = key_headers(*await give_key(api.app, ann, "read", "trade"))
    assert await status(api, None, OFFICE, **key) == (403, "session_required")


async def test_each_role_opens_its_own_doors_only(api: Api) -> None:
    async with client_from(api.app, OFFICE) as office:
        for role in OPERATOR_ROLES:
            person = await operator(api.app, role)
            listed = await office.get("/api/admin/operators", headers=person.bearer)
            if "operators.read" in ROLES[role]:
                assert listed.status_code == 200
            else:
                assert (listed.status_code, listed.json()["code"]) == (403, "permission_missing"), role
                assert listed.json()["details"] == {"permission": "operators.read"}


async def test_a_frozen_operator_opens_no_door(api: Api) -> None:
    olga = await operator(api.app, "admin")
    async with api.app.state["database"].transaction() as connection:
        await connection.execute("UPDATE users SET status = 'frozen' WHERE id = $1::text::uuid", olga.id)
    assert await status(api, olga, OFFICE) == (403, "role_missing")


async def test_operators_have_no_customers_powers_unless_they_are_one_too(api: Api) -> None:
    olga = await operator(api.app, "finance")
    order = {"symbol": "BTC-USD", "side": "buy", "type": "market", "notional": "20"}
    calls = {
        ("GET", "/api/orders"): None,
        ("POST", "/api/orders"): order,
        ("GET", "/api/balances"): None,
        ("GET", "/v2/account"): None,
        ("POST", "/v2/orders"): {**order, "symbol": "BTC/USD"},
    }
    for (method, path), body in calls.items():
        answer = await api.client.request(method, path, json=body, headers=olga.bearer)
        assert answer.status_code == 403, f"{method} {path}: {answer.text}"
    assert (await api.client.get("/api/orders", headers=olga.bearer)).json()["code"] == "not_a_customer"
    key = await api.client.post("/api/api-keys", json={"label": "x", "scopes": ["read"]}, headers=olga.bearer)
    assert (key.status_code, key.json()["code"]) == (403, "not_a_customer")
    async with api.app.state["database"].transaction() as connection:
        await connection.execute("UPDATE users SET is_customer = true WHERE id = $1::text::uuid", olga.id)
    both = await operator(api.app, "finance")
    async with api.app.state["database"].transaction() as connection:
        await connection.execute("UPDATE users SET is_customer = true WHERE id = $1::text::uuid", both.id)
    assert (await api.client.get("/api/orders", headers=both.bearer)).status_code == 200
    assert await status(api, both, OFFICE) == (200, "")


def test_networks_that_are_none_are_refused_at_the_start(api: Api) -> None:
    environ = {
        f"BITCURRENT_{name.upper()}": str(getattr(api.settings, name))
        for name in Settings.__struct_fields__
        if getattr(api.settings, name) not in ("", None)
    }
    assert read_settings(environ).open_admin_networks().texts()[0] == "127.0.0.0/8"
    with pytest.raises(SettingsError, match="BITCURRENT_ADMIN_NETWORKS"):
        read_settings({**environ, "BITCURRENT_ADMIN_NETWORKS": "the office"})
