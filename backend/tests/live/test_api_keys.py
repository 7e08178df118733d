"""API keys on sockets: bound to networks and signatures as everywhere else, also while the socket is open."""

from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from bitcurrent.identity.model import Scope
from bitcurrent.launcher.addresses import HERE, free_port
from bitcurrent.launcher.scratch import DatabaseUrls
from bitcurrent.live.model import RECHECK_SECONDS
from tests.live.conftest import Customer, House, list_markets, running_house
from tests.support.brokerage import settings_for
from tests.support.signing import Signed

Key = tuple[str, str]


async def key_of(customer: Customer, *scopes: Scope, **limits: Any) -> Key:
    house = customer.house
    async with house.books.transaction():
        made = await house.identity.create_key(
            house.books,
            customer.actor,
            label="bot",
            scopes=scopes or ("read",),
            expires_at=None,
            address=HERE,
            **limits,
        )
    return made.key.key_id, made.secret


def plain(key: Key) -> dict[str, str]:
    return {"key_id": key[0], "secret": key[1]}


def signed(signer: Signed) -> dict[str, str]:
    headers = signer.headers("GET", "/ws")
    names = {"X-BC-Key": "key_id", "X-BC-Timestamp": "timestamp", "X-BC-Nonce": "nonce", "X-BC-Signature": "signature"}
    return {names[name]: value for name, value in headers.items()}


async def refused(house: House, credential: dict[str, str], **options: Any) -> str:
    client = await house.client(**options)
    await client.send(op="auth", **credential)
    return str((await client.until("error"))["code"])


async def test_a_bound_key_opens_a_socket_from_its_networks_only(house: House) -> None:
    ann = await house.customer()
    here = await key_of(ann, networks=["127.0.0.0/8"])
    elsewhere = await key_of(ann, networks=["198.51.100.0/24"])
    client = await house.client()
    assert (await client.log_in(plain(here)))["by"] == "api_key"
    assert await refused(house, plain(elsewhere)) == "address_not_allowed"
    forged = {"X-Forwarded-For": "198.51.100.7"}
    assert await refused(house, plain(elsewhere), additional_headers=forged) == "address_not_allowed"


async def test_behind_a_trusted_proxy_the_real_address_counts(
    module_database_urls: DatabaseUrls, redis_url: str
) -> None:
    await list_markets(module_database_urls)
    settings = settings_for(module_database_urls, redis_url, live_port=free_port(), trusted_proxies="127.0.0.1")
    async with running_house(settings) as house:
        key = await key_of(await house.customer(), networks=["198.51.100.0/24"])
        client = await house.client(additional_headers={"X-Forwarded-For": "198.51.100.7"})
        assert (await client.log_in(plain(key)))["by"] == "api_key"
        lied = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
        assert await refused(house, plain(key), additional_headers=lied) == "address_not_allowed"


async def test_a_signature_opens_a_socket_once(house: House) -> None:
    key = await key_of(await house.customer(), require_signature=True)
    assert await refused(house, plain(key)) == "signature_required"
    proof = signed(Signed(*key))
    client = await house.client()
    assert (await client.log_in(proof))["by"] == "api_key"
    assert await refused(house, proof) == "nonce_used"
    assert await refused(house, signed(Signed(*key, skew=-40_000))) == "stale_timestamp"
    assert await refused(house, signed(Signed(key[0], "another"))) == "bad_signature"
    assert await refused(house, {**signed(Signed(*key)), "secret": key[1]}) == "invalid_message"


async def test_a_key_that_only_trades_hears_nothing(house: House) -> None:
    key = await key_of(await house.customer(), "trade")
    assert await refused(house, plain(key)) == "scope_missing"


@pytest.mark.parametrize("change", [{"networks": ["198.51.100.0/24"]}, {"scopes": ["trade"]}])
async def test_a_narrowed_key_loses_its_open_socket_within_five_seconds(
    house: House, change: dict[str, list[str]]
) -> None:
    ann = await house.customer()
    key = await key_of(ann, "read", "trade")
    client = await house.client()
    await client.log_in(plain(key))
    async with house.books.transaction():
        await house.identity.change_key(house.books, ann.actor, key[0], dict(change), address=HERE)
    # Nobody announces it: PostgreSQL is asked.
    assert RECHECK_SECONDS < 5
    with pytest.raises(ConnectionClosed):
        await client.until("never", seconds=6)


async def test_an_operator_who_is_no_customer_has_no_private_stream(house: House) -> None:
    ann = await house.customer()
    await house.books.execute("UPDATE users SET is_customer = false, role = 'finance' WHERE id = $1", ann.id)
    assert await refused(house, ann.credential) == "not_a_customer"
