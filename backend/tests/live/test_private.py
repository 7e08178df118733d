"""Orders and balances: a snapshot, then every change once, in order, without a gap."""

from decimal import Decimal

from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import new_id
from bitcurrent.live.model import CloseCode
from bitcurrent.trading import repository
from tests.live.conftest import House
from tests.support.books import Ticket, finish
from tests.support.live_client import CustomerView, LiveClient


async def test_snapshot_holds_open_orders_balances_and_their_sequence(house: House) -> None:
    ann = await house.customer(USD="100")
    order_id = await ann.place(Ticket(quantity=Decimal(2), price=Decimal(10)))
    client = await ann.client("orders", "balances")
    snapshot = await client.until("snapshot")
    assert snapshot["sequence"] == 2  # registered, accepted
    assert [order["id"] for order in snapshot["orders"]] == [str(order_id)]
    assert snapshot["orders"][0]["held"] == "20"
    assert snapshot["balances"] == [{"currency": "USD", "available": "80", "held": "20"}]
    assert snapshot["more_orders"] is False


async def test_each_step_of_an_order_comes_with_the_order_as_it_was_then(house: House) -> None:
    ann = await house.customer(USD="100")
    client = await ann.client("orders", "balances")
    await client.until("snapshot")
    order_id = await ann.place(Ticket(quantity=Decimal(2), price=Decimal(10)))
    await house.books.execute("SELECT mark_submitted($1, 'venue-1')", order_id)
    await ann.fill(order_id, "0.5")
    await repository.request_cancel(house.books, ann.id, order_id)
    await finish(house.books, order_id, "canceled", Decimal("0.5"), "as you wished")
    kinds = ["accepted", "submitted", "fill", "pending_cancel", "canceled"]
    came = [await client.until("order") for _ in kinds]
    assert [message["kind"] for message in came] == [f"order.{kind}" for kind in kinds]
    assert [message["sequence"] for message in came] == [2, 3, 4, 5, 6]
    assert [message["order"]["state"] for message in came] == [
        "accepted", "submitted", "partially_filled", "partially_filled", "canceled",
    ]  # fmt: skip
    assert [message["order"]["held"] for message in came] == ["20", "20", "15", "15", "0"]
    assert [message["order"]["filled_quantity"] for message in came] == ["0", "0", "0.5", "0.5", "0.5"]
    assert [message["order"]["pending_cancel"] for message in came] == [False, False, False, True, False]
    assert came[-1]["order"]["reason"] == "as you wished"
    assert came[-1]["order"]["finished_at"] is not None
    assert came[0]["order"]["submitted_at"] is None
    fill = came[2]["fill"]
    assert (fill["quantity"], fill["price"], fill["cost"], fill["fee_currency"]) == ("0.5", "10", "5", "BTC")
    assert "fill" not in came[0]


async def test_replayed_steps_show_the_order_as_it_was_then_not_as_it_is_now(house: House) -> None:
    ann = await house.customer(USD="100")
    order_id = await ann.place(Ticket(quantity=Decimal(2), price=Decimal(10)))
    await house.books.execute("SELECT mark_submitted($1, 'venue-1')", order_id)
    await ann.fill(order_id, "0.5")
    await ann.fill(order_id, "1.5")
    client = await ann.client("orders", "balances", after=1)
    assert (await client.until("resumed"))["sequence"] == 1
    came = [await client.until("order") for _ in range(5)]
    assert [message["sequence"] for message in came] == [2, 3, 4, 5, 6]
    assert [message["order"]["state"] for message in came] == [
        "accepted", "submitted", "partially_filled", "partially_filled", "filled",
    ]  # fmt: skip
    assert [message["order"]["filled_quantity"] for message in came] == ["0", "0", "0.5", "2", "2"]
    assert [message["order"]["held"] for message in came] == ["20", "20", "15", "0", "0"]
    assert [message["order"]["finished_at"] is None for message in came] == [True, True, True, True, False]


async def test_a_refused_replacement_frees_the_old_order(house: House) -> None:
    ann = await house.customer(USD="100")
    order_id = await ann.place(Ticket(quantity=Decimal(2), price=Decimal(10)))
    await house.books.execute("SELECT mark_submitted($1, 'venue-1')", order_id)
    client = await ann.client("orders")
    await client.until("snapshot")
    replacement = Ticket(quantity=Decimal(3), price=Decimal(10)).replacement(ann.id, order_id)
    assert (await repository.request_replace(house.books, replacement)).outcome == "accepted"
    await finish(house.books, replacement.id, "rejected", None, "the venue said no")
    came = [await client.until("order") for _ in range(4)]
    assert [message["kind"] for message in came] == [
        "order.accepted", "order.pending_replace", "order.replace_rejected", "order.rejected",
    ]  # fmt: skip
    assert came[1]["order"]["pending_replace"] is True
    assert came[1]["order"]["replaced_by"] == str(replacement.id)
    assert came[2]["order"]["id"] == str(order_id)
    assert came[2]["order"]["pending_replace"] is False
    assert came[2]["order"]["replaced_by"] is None


async def test_resume_repeats_the_balances_of_the_last_sequence_and_no_change(house: House) -> None:
    ann = await house.customer(USD="100")
    await ann.place()  # sequence 2: the cut may have fallen between its order and its balance
    await ann.place()
    client = await ann.client("orders", "balances", after=2)
    resumed = await client.until("resumed")
    assert resumed["balances"] == [{"currency": "USD", "available": "90", "held": "10"}]
    order, balance = await client.next(), await client.next()
    assert (order["type"], order["sequence"]) == ("order", 3)
    assert (balance["type"], balance["sequence"]) == ("balance", 3)
    assert balance["balances"] == [{"currency": "USD", "available": "80", "held": "20"}]


async def test_a_position_from_nowhere_gets_a_fresh_snapshot(house: House) -> None:
    ann = await house.customer()
    client = await ann.client("orders", "balances", after=77)
    resync = await client.next()
    assert (resync["type"], resync["reason"], resync["after"]) == ("resync", "unknown_sequence", 77)
    assert (await client.next())["type"] == "snapshot"


async def test_too_many_events_to_replay_become_a_fresh_snapshot(house: House) -> None:
    ann = await house.customer()
    await house.books.execute(
        "SELECT append_event($1, 'customer.noted', NULL, '{}') FROM generate_series(1, 5001)", ann.id
    )
    client = await ann.client("balances", after=1)
    assert (await client.next())["reason"] == "too_many_events"
    assert (await client.next())["sequence"] == 5002
    exactly = await ann.client("balances", after=2)
    assert (await exactly.next())["type"] == "resumed"


async def test_only_the_channels_asked_for_come(house: House) -> None:
    ann = await house.customer(USD="100")
    client = await ann.client("balances")
    snapshot = await client.until("snapshot")
    assert snapshot["orders"] is None
    await ann.place()
    change = await client.next()
    assert (change["type"], change["sequence"], change["kind"]) == ("balance", 2, "order.accepted")
    await client.send(op="unsubscribe", channels=["balances"], id="bye")
    assert await client.until("subscribed") == {"type": "subscribed", "channels": [], "id": "bye"}
    await ann.place()
    assert (await client.next())["type"] == "heartbeat"


async def test_adding_a_channel_starts_again_with_a_snapshot_of_both(house: House) -> None:
    ann = await house.customer(USD="100")
    client = await ann.client("orders")
    assert (await client.until("snapshot"))["balances"] is None
    assert (await client.subscribe("balances"))["channels"] == ["balances", "orders"]
    snapshot = await client.until("snapshot")
    assert snapshot["orders"] == []
    assert [balance["currency"] for balance in snapshot["balances"]] == ["USD"]


async def test_nobody_hears_of_somebody_elses_orders(house: House) -> None:
    ann, ben = await house.customer(), await house.customer()
    client = await ann.client("orders", "balances")
    await client.until("snapshot")
    await ben.place()
    mine = await ann.place()
    assert (await client.until("order"))["order"]["id"] == str(mine)


async def test_events_that_concern_no_channel_move_only_the_heartbeat(house: House) -> None:
    ann = await house.customer()
    client = await ann.client("orders", "balances")
    await client.until("snapshot")
    await append_event(house.books, user_id=ann.id, kind="customer.noted", subject=None, payload={})
    heartbeat = await client.until("heartbeat")
    assert heartbeat["sequence"] == 2


async def test_an_event_hidden_behind_an_older_transaction_comes_as_soon_as_that_ends(house: House) -> None:
    ann = await house.customer()
    client = await ann.client("orders")
    await client.until("snapshot")
    async with house.database.transaction() as older:
        await older.execute("SELECT pg_current_xact_id()")
        await ann.place()
    assert (await client.until("order", seconds=2))["sequence"] == 2


async def test_numbers_come_in_order_even_when_transactions_overtake_each_other(house: House) -> None:
    ann = await house.customer()
    client = await ann.client("balances", "orders")
    await client.until("snapshot")
    async with house.database.transaction() as older:
        # The older transaction writes its event after the younger one has committed.
        await older.execute("SELECT pg_current_xact_id()")
        await ann.place()
        second = Ticket().order(ann.id)
        await repository.place_one(older, second)
    came = [await client.until("order"), await client.until("order")]
    assert [message["sequence"] for message in came] == [2, 3]
    assert came[1]["order"]["id"] == str(second.id)


async def test_many_open_orders_are_cut_and_said_so(house: House) -> None:
    ann = await house.customer(USD="100000")
    await repository.place_many(house.books, [Ticket().order(ann.id) for _ in range(1_001)])
    client = await ann.client("orders")
    snapshot = await client.until("snapshot")
    assert len(snapshot["orders"]) == 1_000
    assert snapshot["more_orders"] is True


async def test_a_view_kept_by_messages_equals_a_fresh_snapshot(house: House) -> None:
    ann = await house.customer(USD="1000")
    client = await ann.client("orders", "balances")
    view = CustomerView()
    view.apply(await client.until("snapshot"))
    first, second = await ann.place(), await ann.place()
    await ann.fill(first, "1")
    await ann.fill(second, "0.25")
    while view.sequence != 6 or not view.balance_sequences or view.balance_sequences[-1] != 6:
        view.apply(await client.next())
    fresh = await ann.client("orders", "balances")
    snapshot = await fresh.until("snapshot")
    assert view.balances == {b["currency"]: (b["available"], b["held"]) for b in snapshot["balances"]}
    assert view.orders.keys() == {order["id"] for order in snapshot["orders"]}
    for order in snapshot["orders"]:
        seen = view.orders[order["id"]]
        assert {**seen, "updated_at": None} == {**order, "updated_at": None}


async def closed_with(client: LiveClient) -> tuple[int, str]:
    """How the server closed this client."""
    await client.socket.wait_closed()
    return client.socket.close_code or 0, client.socket.close_reason or ""


async def test_a_session_that_ends_closes_its_sockets_within_five_seconds(house: House) -> None:
    ann = await house.customer()
    client, again = await ann.client("orders"), await ann.client()
    ben = await (await house.customer()).client()
    await ann.end_session()
    for each in (client, again):
        code, reason = await closed_with(each)
        assert code == CloseCode.SESSION_ENDED
        assert "log in again" in reason
    await ben.send(op="ping")
    assert (await ben.until("pong"))["type"] == "pong"


async def test_a_revoked_key_closes_its_sockets(house: House) -> None:
    ann = await house.customer()
    async with house.books.transaction():
        key = await house.identity.create_key(
            house.books, ann.actor, label="bot", scopes=["read"], expires_at=None, address="127.0.0.1"
        )
    client = await house.client()
    answer = await client.log_in({"key_id": key.key.key_id, "secret": key.secret})
    assert (answer["by"], answer["user_id"]) == ("api_key", str(ann.id))
    by_session = await ann.client()
    async with house.books.transaction():
        await house.identity.revoke_key(house.books, ann.actor, key.key.key_id, address="127.0.0.1")
    assert (await closed_with(client))[0] == CloseCode.SESSION_ENDED
    assert by_session.socket.close_code is None


async def test_a_hundred_sockets_for_a_customer_and_no_more(house: House) -> None:
    ann = await house.customer()
    clients = [await ann.client() for _ in range(100)]
    one_more = await house.client()
    await one_more.send(op="auth", **ann.credential)
    assert (await one_more.until("error"))["code"] == "too_many_sockets"
    assert (await closed_with(one_more))[0] == CloseCode.TOO_MANY
    await clients[0].socket.close()
    assert await ann.client() is not None


async def test_a_message_in_the_inbox_is_told_without_its_words(house: House) -> None:
    ann = await house.customer()
    client = await ann.client("messages")
    await client.until("snapshot")
    message_id = new_id()
    payload = {"topic": "deposits", "title": "Your deposit has arrived"}
    await append_event(house.books, user_id=ann.id, kind="message_added", subject=message_id, payload=payload)
    added = await client.until("message")
    assert (added["id"], added["topic"], added["title"]) == (str(message_id), "deposits", "Your deposit has arrived")
    assert added["sequence"] == 2
