"""A reference client of the live stream: what a careful program does with each message, and nothing more."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

Message = dict[str, Any]
WAIT_SECONDS = 10.0


class LiveClient:
    """One socket. Messages that nobody waited for yet stay in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, **message: Any) -> None:
        """Send one message."""
        await self.socket.send(json.dumps(message))

    async def next(self, *, seconds: float = WAIT_SECONDS) -> Message:
        """The next message, heartbeats too."""
        async with asyncio.timeout(seconds):
            message: Message = json.loads(await self.socket.recv())
        return message

    async def until(self, kind: str, *, seconds: float = WAIT_SECONDS) -> Message:
        """The next message of a type; those before it are let go."""
        async with asyncio.timeout(seconds):
            while True:
                message: Message = json.loads(await self.socket.recv())
                if message["type"] == kind:
                    return message

    async def log_in(self, credential: Mapping[str, str]) -> Message:
        """Authenticate with `{"token": …}` or `{"key_id": …, "secret": …}`."""
        await self.send(op="auth", **credential)
        return await self.until("authenticated")

    async def subscribe(self, *channels: str, after: int | None = None) -> Message:
        """Take channels; returns the list of all that are taken now."""
        position = {} if after is None else {"after": after}
        await self.send(op="subscribe", channels=list(channels), **position)
        return await self.until("subscribed")


@asynccontextmanager
async def live_client(url: str, **options: Any) -> AsyncIterator[LiveClient]:
    """A connected client; `options` go to `websockets.connect` (origin, additional_headers …)."""
    async with connect(url, max_size=2**24, proxy=None, **options) as socket:
        yield LiveClient(socket)


@dataclass(slots=True)
class CustomerView:
    """What a program knows of its customer, kept right across connections: one snapshot, then changes, then resumes.

    `sequence` is the position to resume from; None before the first snapshot. `order_sequences` are all that came,
    in order of arrival: a duplicate or a step back shows there.
    """

    sequence: int | None = None
    began_at: int = 0
    orders: dict[str, Message] = field(default_factory=dict)
    balances: dict[str, tuple[str, str]] = field(default_factory=dict)
    order_sequences: list[int] = field(default_factory=list)
    balance_sequences: list[int] = field(default_factory=list)
    resyncs: int = 0

    def apply(self, message: Message) -> None:
        """Take in a message, whatever it is."""
        match message["type"]:
            case "snapshot" if message["of"] == "private":
                self.sequence = self.began_at = message["sequence"]
                self.orders = {order["id"]: order for order in message["orders"] or []}
                self.balances = {}
                self._put_balances(message["balances"] or [])
                self.order_sequences, self.balance_sequences = [], []
            case "resumed":
                self._put_balances(message["balances"])
            case "resync":
                self.resyncs += 1
            case "order":
                self.sequence = message["sequence"]
                self.order_sequences.append(message["sequence"])
                self.orders[message["order"]["id"]] = message["order"]
                if message["order"]["finished_at"] is not None:
                    self.orders.pop(message["order"]["id"])
            case "balance":
                self.sequence = message["sequence"]
                self.balance_sequences.append(message["sequence"])
                self._put_balances(message["balances"])
            case "heartbeat" if "sequence" in message:
                self.sequence = message["sequence"]
            case _:
                pass

    def _put_balances(self, balances: list[Message]) -> None:
        for balance in balances:
            self.balances[balance["currency"]] = (balance["available"], balance["held"])
