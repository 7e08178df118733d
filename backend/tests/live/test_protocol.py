"""The door and the manners: who may come in, what may be said, how much of it, and what happens otherwise."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from bitcurrent.live.model import CloseCode
from tests.live.conftest import House
from tests.live.test_private import closed_with
from tests.support.brokerage import ORIGIN
from tests.support.live_client import LiveClient, live_client


async def refused(house: House, path: str = "/ws", **options: Any) -> tuple[int, str]:
    """The status and the code that an upgrade is refused with."""
    with pytest.raises(InvalidStatus) as raised:
        async with live_client(house.url.removesuffix("/ws") + path, **options):
            raise AssertionError("it was let in")
    response = raised.value.response
    return response.status_code, json.loads(response.body)["code"]


async def code_of(client: LiveClient) -> str:
    """The code of the next error."""
    code: str = (await client.until("error"))["code"]
    return code


async def test_pages_of_other_sites_are_refused_and_ours_are_not(house: House) -> None:
    assert await refused(house, origin="https://evil.example") == (403, "foreign_origin")
    assert await refused(house, origin="null") == (403, "foreign_origin")
    assert await house.client(origin=ORIGIN) is not None
    assert await house.client(origin=house.url.replace("ws://", "http://").removesuffix("/ws")) is not None


async def test_a_token_in_the_address_is_refused(house: House) -> None:
    ann = await house.customer()
    assert await refused(house, f"/ws?token={ann.login.token}") == (400, "parameters_refused")
    assert await refused(house, "/ws?anything=1") == (400, "parameters_refused")


async def test_unknown_paths_are_refused(house: House) -> None:
    assert await refused(house, "/elsewhere") == (404, "unknown_path")


async def test_a_browser_comes_in_by_its_cookie(house: House) -> None:
    ann = await house.customer()
    cookie = {"Cookie": f"theme=dark; {house.live.cookie_name}={ann.login.token}"}
    client = await house.client(origin=ORIGIN, additional_headers=cookie)
    assert (await client.next())["user_id"] == str(ann.id)
    await client.subscribe("orders")
    assert (await client.next())["orders"] == []


async def test_what_is_said_before_the_cookie_is_checked_waits_for_it(house: House) -> None:
    ann = await house.customer()
    cookie = {"Cookie": f"{house.live.cookie_name}={ann.login.token}"}
    async with live_client(house.url, additional_headers=cookie) as client:
        await client.send(op="subscribe", channels=["balances"])
        came = [(await client.next())["type"] for _ in range(4)]
    assert came == ["welcome", "authenticated", "subscribed", "snapshot"]


async def test_an_old_cookie_is_said_so_and_leaves_prices(house: House) -> None:
    ann = await house.customer()
    await ann.end_session()
    client = await house.client(additional_headers={"Cookie": f"{house.live.cookie_name}={ann.login.token}"})
    assert await code_of(client) == "session_ended"
    assert (await client.subscribe("prices:*"))["channels"] == ["prices:*"]


async def test_firefox_asks_for_its_upgrade_in_its_own_way(house: House) -> None:
    address = house.url.replace("ws://", "http://")
    headers = {
        "Connection": "keep-alive, Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    async with httpx.AsyncClient() as client, client.stream("GET", address, headers=headers, timeout=5) as answer:
        assert answer.status_code == 101


async def test_without_authentication_there_are_only_prices(house: House) -> None:
    client = await house.client()
    await client.send(op="subscribe", channels=["prices:*", "orders"], id="7")
    error = await client.until("error")
    assert (error["code"], error["id"]) == ("not_authenticated", "7")
    await client.send(op="unsubscribe", channels=["orders"])
    assert (await client.until("subscribed"))["channels"] == []


@pytest.mark.parametrize(
    ("credential", "code"),
    [
        ({"token": "nonsense"}, "invalid_token"),
        ({"token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."}, "invalid_token"),
        ({"key_id": "BK0", "secret": "nonsense"}, "invalid_api_key"),
        ({"key_id": "BK\u0000", "secret": "x"}, "invalid_api_key"),
        ({}, "invalid_message"),
        ({"token": "a", "key_id": "b", "secret": "c"}, "invalid_message"),
        ({"key_id": "b"}, "invalid_message"),
        ({"token": ""}, "invalid_message"),
        ({"token": 7}, "invalid_message"),
    ],
)
async def test_wrong_credentials_are_refused(house: House, credential: dict[str, Any], code: str) -> None:
    client = await house.client()
    await client.send(op="auth", **credential)
    assert await code_of(client) == code


async def test_a_socket_belongs_to_one_customer_who_may_renew_the_credential(house: House) -> None:
    ann, ben = await house.customer(), await house.customer()
    client = await ann.client()
    await client.send(op="auth", **ben.credential)
    assert await code_of(client) == "other_customer"
    assert (await client.log_in(ann.credential))["user_id"] == str(ann.id)


GARBAGE = [
    ("", "malformed_json"),
    ("no", "malformed_json"),
    ('{"op":"ping"', "malformed_json"),
    ("[" * 30_000, "invalid_message"),
    ('{"op":' + "[" * 30_000, "malformed_json"),
    ('{"op":"ping","id":' + "[" * 30_000, "invalid_message"),
    ("[]", "invalid_message"),
    ("1e400", "invalid_message"),
    ("null", "invalid_message"),
    ("{}", "invalid_message"),
    ('{"op":"dance"}', "invalid_message"),
    ('{"op":"ping","more":1}', "invalid_message"),
    ('{"op":"ping","id":"' + "x" * 65 + '"}', "invalid_message"),
    ('{"op":"subscribe"}', "invalid_message"),
    ('{"op":"subscribe","channels":[]}', "invalid_message"),
    ('{"op":"subscribe","channels":["orders"],"after":-1}', "invalid_message"),
    ('{"op":"subscribe","channels":["orders"],"after":1.5}', "invalid_message"),
    ('{"op":"subscribe","channels":["orders"],"after":1e400}', "invalid_message"),
    ('{"op":"subscribe","channels":["prices"]}', "unknown_channel"),
    ('{"op":"subscribe","channels":["prices:"]}', "unknown_channel"),
    ('{"op":"subscribe","channels":["prices:NOPE-USD"]}', "unknown_market"),
    ('{"op":"subscribe","channels":["prices:\\u0000"]}', "unknown_market"),
    ('{"op":"subscribe","channels":["everything"]}', "unknown_channel"),
]


async def test_garbage_gets_an_error_and_the_socket_goes_on(house: House) -> None:
    for garbage, code in GARBAGE:
        async with live_client(house.url) as client:
            await client.socket.send(garbage)
            assert await code_of(client) == code, garbage[:60]
            await client.send(op="ping", id="still here")
            assert (await client.until("pong"))["id"] == "still here"


async def test_a_frame_of_more_than_64_kib_closes_the_socket(house: House) -> None:
    client = await house.client()
    await client.socket.send("x" * 65_537)
    assert (await closed_with(client))[0] == CloseCode.MESSAGE_TOO_BIG


async def test_fragments_are_put_together_and_their_sum_is_bounded(house: House) -> None:
    client = await house.client()
    await client.socket.send(['{"op":', '"ping",', '"id":"in parts"}'])
    assert (await client.until("pong"))["id"] == "in parts"
    await client.socket.send("x" * 30_000 for _ in range(3))
    assert (await closed_with(client))[0] == CloseCode.MESSAGE_TOO_BIG


async def test_binary_and_broken_text_close_the_socket(house: House) -> None:
    client = await house.client()
    await client.socket.send(b'{"op":"ping"}')
    assert (await closed_with(client))[0] == CloseCode.UNSUPPORTED_DATA
    client = await house.client()
    await client.socket.send(b'{"op":"\xff"}', text=True)
    assert (await closed_with(client))[0] == CloseCode.INVALID_TEXT


async def test_frames_that_break_the_protocol_close_the_socket(house: House) -> None:
    # A continuation of nothing, a reserved bit, a ping in parts, no mask; each empty, with a mask of zeros.
    for frame in (b"\x80\x80\0\0\0\0", b"\xc1\x80\0\0\0\0", b"\x09\x80\0\0\0\0", b"\x81\x00"):
        client = await house.client()
        client.socket.transport.write(frame)
        assert (await closed_with(client))[0] == CloseCode.PROTOCOL_ERROR


async def test_who_talks_too_fast_is_told_and_closed(house: House) -> None:
    client = await house.client()
    for _ in range(30):
        await client.send(op="ping")
    assert await code_of(client) == "too_many_messages"
    assert (await closed_with(client))[0] == CloseCode.TOO_MANY
    client = await house.client()
    for _ in range(30):
        _ = await client.socket.ping()
    assert (await closed_with(client))[0] == CloseCode.TOO_MANY


async def test_heartbeats_tell_the_time_and_pings_are_answered(house: House) -> None:
    client = await house.client()
    async with asyncio.timeout(2):
        await (await client.socket.ping(b"are you there"))
    heartbeat = await client.until("heartbeat", seconds=6)
    assert heartbeat["time"].endswith("Z")
    assert "sequence" not in heartbeat


async def test_health_is_answered_on_the_same_port(house: House) -> None:
    address = house.url.replace("ws://", "http://").removesuffix("/ws")
    async with httpx.AsyncClient(base_url=address) as client:
        assert (await client.get("/health/live")).json() == {"status": "ok"}
        ready = await client.get("/health/ready")
        assert ready.status_code == 200
        assert ready.json()["postgresql"] == "ok"
        assert (await client.get("/ws")).status_code == 400
        assert (await client.post("/ws", content=b"x" * 100_000)).status_code == 400
        assert (await client.get("/nothing")).headers["content-type"] == "application/problem+json"
