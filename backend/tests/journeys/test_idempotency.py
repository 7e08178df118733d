"""One key, one effect, the same answer: repeats, other bodies, and equal requests at the same moment."""

import asyncio

from tests.support.visitors import Visitor, has

REPLAYED = "Idempotent-Replayed"


async def test_a_repeat_gets_the_same_bytes_and_does_nothing(ann: Visitor) -> None:
    wish = ann.wish(type="limit", quantity="0.01", limit_price="40000", client_order_id="once")
    first = await ann.send("POST", "/api/orders", wish, key="key-1")
    assert (first.status_code, REPLAYED in first.headers) == (201, False)
    # Whatever has become of the order by then.
    await ann.until(first.json()["id"], "submitted")
    for _ in range(2):
        again = await ann.send("POST", "/api/orders", wish, key="key-1")
        assert (again.status_code, again.headers[REPLAYED]) == (201, "true")
        assert again.content == first.content
    assert await ann.balance("USD") == has(9_600, 400)
    assert len((await ann.ask("GET", "/api/orders", 200))["items"]) == 1


async def test_a_key_with_another_body_is_refused(ann: Visitor) -> None:
    wish = ann.wish(type="limit", quantity="0.01", limit_price="40000")
    await ann.ask("POST", "/api/orders", 201, wish, key="key-2")
    problem = await ann.ask("POST", "/api/orders", 422, {**wish, "quantity": "0.02"}, key="key-2")
    assert (problem["code"], problem["field"]) == ("idempotency_key_reused", "Idempotency-Key")
    assert await ann.balance("USD") == has(9_600, 400)


async def test_a_client_order_id_is_a_key_as_well(ann: Visitor) -> None:
    wish = ann.wish(type="limit", quantity="0.01", limit_price="40000", client_order_id="mine")
    first = await ann.send("POST", "/api/orders", wish)
    again = await ann.send("POST", "/api/orders", wish)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    problem = await ann.ask("POST", "/api/orders", 409, {**wish, "quantity": "0.02"})
    assert (problem["code"], problem["field"]) == ("client_order_id_taken", "client_order_id")
    assert await ann.balance("USD") == has(9_600, 400)


async def test_equal_requests_at_the_same_moment_place_one_order(ann: Visitor) -> None:
    wish = ann.wish(type="limit", quantity="0.01", limit_price="40000")
    answers = await asyncio.gather(*(ann.send("POST", "/api/orders", wish, key="key-3") for _ in range(24)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert await ann.balance("USD") == has(9_600, 400)


async def test_different_requests_at_the_same_moment_cannot_spend_the_same_money(ann: Visitor) -> None:
    # 25 orders of 1,000 dollars each for somebody who has 10,000.
    wish = ann.wish(type="limit", quantity="0.025", limit_price="40000")
    answers = await asyncio.gather(*(ann.send("POST", "/api/orders", wish) for _ in range(25)))
    placed = [answer.json() for answer in answers if answer.status_code == 201]
    refusals = [answer.json() for answer in answers if answer.status_code != 201]
    assert len(placed) == 10
    assert {(refusal["status"], refusal["code"]) for refusal in refusals} == {(409, "insufficient_funds")}
    assert {refusal["details"]["needed"] for refusal in refusals} == {"1000"}
    assert await ann.balance("USD") == has(0, 10_000)
    await ann.ask("DELETE", "/api/orders", 200)
    for order in placed:
        await ann.until(order["id"], "canceled")
    assert await ann.balance("USD") == has(10_000)


async def test_a_cancel_with_a_key_answers_the_same_when_the_order_is_long_gone(ann: Visitor) -> None:
    resting = await ann.resting()
    path = f"/api/orders/{resting['id']}"
    first = await ann.send("DELETE", path, key="key-4")
    await ann.until(resting["id"], "canceled")
    again = await ann.send("DELETE", path, key="key-4")
    assert (first.status_code, again.status_code, again.headers[REPLAYED]) == (200, 200, "true")
    assert again.content == first.content


async def test_a_replacement_repeated_is_one_replacement(ann: Visitor) -> None:
    resting = await ann.resting()
    path, change = f"/api/orders/{resting['id']}", {"limit_price": "41000"}
    first = await ann.send("PATCH", path, change, key="key-5")
    assert first.status_code == 201
    await ann.until(first.json()["id"], "submitted")
    again = await ann.send("PATCH", path, change, key="key-5")
    assert (again.status_code, again.headers[REPLAYED]) == (201, "true")
    assert again.json()["id"] == first.json()["id"]
    assert await ann.balance("USD") == has(9_590, 410)
