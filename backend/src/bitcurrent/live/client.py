"""One client: who it is, what it takes, and what becomes of each of its messages, one after the other."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from bitcurrent.identity.key_signing import Approach, Proof
from bitcurrent.identity.model import Actor
from bitcurrent.identity.service import Identity
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.errors import Refusal, Unavailable
from bitcurrent.kernel.ids import UserId
from bitcurrent.live.connection import Connection
from bitcurrent.live.frames import text_frame
from bitcurrent.live.model import (
    HEARTBEAT_SECONDS,
    SOCKETS_PER_CUSTOMER_MAX,
    SUBSCRIPTIONS_MAX,
    WAITING_MAX,
    CloseCode,
    InvalidMessage,
    MalformedJson,
    NotAuthenticated,
    OtherCustomer,
    PrivateChannel,
    TooManyMessages,
    TooManySockets,
    TooManySubscriptions,
    parse_channels,
)
from bitcurrent.live.prices import Prices
from bitcurrent.live.private import PrivateStream, PrivateStreams
from bitcurrent.live.reader import DATABASE_ERRORS
from bitcurrent.live.schemas import (
    Auth,
    Authenticated,
    FromClient,
    Heartbeat,
    Ping,
    Pong,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Welcome,
    decode,
    encode,
)
from bitcurrent.web.addresses import Addresses

log = structlog.get_logger(__name__)

SIGNED_METHOD, SIGNED_TARGET = "GET", "/ws"
"""What a program signs to open a socket with its API key: the request of the upgrade."""


class Roster:
    """All clients of this process."""

    def __init__(self) -> None:
        self.clients: set[Client] = set()
        self._of_user: dict[UserId, int] = {}
        self._left = asyncio.Event()

    def leave(self, client: "Client") -> None:
        """A client is gone."""
        self.clients.discard(client)
        self._left.set()

    async def empty(self) -> None:
        """Wait until all clients are gone."""
        while self.clients:
            self._left.clear()
            await self._left.wait()

    def admit(self, user_id: UserId) -> None:
        """Count one more socket of a customer; raises `TooManySockets`."""
        sockets = self._of_user.get(user_id, 0)
        if sockets >= SOCKETS_PER_CUSTOMER_MAX:
            raise TooManySockets
        self._of_user[user_id] = sockets + 1

    def release(self, user_id: UserId) -> None:
        """Count one less."""
        sockets = self._of_user.get(user_id, 0) - 1
        if sockets > 0:
            self._of_user[user_id] = sockets
        else:
            self._of_user.pop(user_id, None)


def plain_heartbeat() -> bytes:
    """The heartbeat for everybody without a private stream, built once for all."""
    return text_frame(encode(Heartbeat(time=now())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every client needs of the house."""

    identity: Identity
    prices: Prices
    streams: PrivateStreams
    roster: Roster
    addresses: Addresses


class Client:
    """The protocol on one connection. `cookie` is what the browser sent along with the upgrade, `forwarded` what
    proxies said of the address.
    """

    __slots__ = (
        "_all_prices",
        "_connection",
        "_cookie",
        "_desk",
        "_forwarded",
        "_stream",
        "_symbols",
        "_waiting",
        "_work",
        "actor",
        "address",
    )

    def __init__(self, desk: Desk, connection: Connection, cookie: bytes | None, forwarded: str = "") -> None:
        self._desk = desk
        self._connection = connection
        self._cookie = cookie
        self._symbols: dict[str, str] = {}
        self._all_prices = False
        self._stream: PrivateStream | None = None
        self._waiting: deque[FromClient] = deque()
        self._work: asyncio.Task[None] | None = None
        self._forwarded = forwarded
        self.actor: Actor | None = None
        self.address: str | None = None
        """Where the client is, once the connection stands."""

    # ---- called by the connection

    def opened(self) -> None:
        """Say hello; then look whose cookie it was."""
        self._desk.roster.clients.add(self)
        if (peer := self._connection.peer) is not None:
            said = [(b"x-forwarded-for", self._forwarded.encode("latin-1", "replace"))]
            self.address = self._desk.addresses.of({"client": (peer, 0), "headers": said})
        self._send(Welcome(heartbeat_seconds=HEARTBEAT_SECONDS, time=now()))
        if self._cookie is not None:
            self._start_work()

    def heard(self, message: bytes) -> None:
        """Read a message; it is done when those before it are."""
        try:
            wish = decode(message)
        except msgspec.ValidationError as error:
            self._connection.send_refusal(InvalidMessage(f"{error}."))
        except (msgspec.DecodeError, RecursionError):
            self._connection.send_refusal(MalformedJson("Send one JSON object a message."))
        else:
            if isinstance(wish, Ping):
                self._send(Pong(time=now(), id=wish.id))
            elif len(self._waiting) >= WAITING_MAX:
                self._connection.send_refusal(TooManyMessages(), wish.id)
                self._connection.close(CloseCode.TOO_MANY, TooManyMessages.code)
            else:
                self._waiting.append(wish)
                self._start_work()

    def gone(self) -> None:
        """Let go of everything. What is being worked on ends by itself: it sees that the connection is closing."""
        self._waiting.clear()
        self._drop_prices()
        if self._stream is not None:
            self._stream.end()
        if self.actor is not None:
            self._desk.roster.release(self.actor.user_id)
        self._desk.roster.leave(self)

    # ---- called by the house

    def beat(self, shared: bytes) -> None:
        """Send a heartbeat (`shared` is the one for those without a private stream) and look after the socket."""
        self._connection.look_after()
        if self._connection.is_slow:
            return
        if self._stream is not None and self._stream.is_live:
            self._send(Heartbeat(time=now(), sequence=self._stream.sequence))
        else:
            self._connection.send(shared)

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the socket."""
        self._connection.close(code, reason)

    def cut(self) -> None:
        """Drop the socket."""
        self._connection.cut()

    # ---- the messages, one after the other

    def _start_work(self) -> None:
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._do_waiting())

    async def _do_waiting(self) -> None:
        if self._cookie is not None:
            cookie, self._cookie = self._cookie, None
            await self._guarded(self._log_in_by_cookie(cookie), None)
        while self._waiting and not self._connection.is_closing:
            wish = self._waiting.popleft()
            await self._guarded(self._do(wish), wish.id)

    async def _guarded(self, work: Coroutine[Any, Any, None], message_id: str | None) -> None:
        try:
            await work
        except TooManySockets as refusal:
            self._connection.send_refusal(refusal, message_id)
            self._connection.close(CloseCode.TOO_MANY, refusal.code)
        except Refusal as refusal:
            self._connection.send_refusal(refusal, message_id)
        except DATABASE_ERRORS as error:
            log.warning("live_message_failed", error=type(error).__name__)
            self._connection.send_refusal(Unavailable("Not possible right now. Try again in a moment."), message_id)
        except Exception:
            log.exception("live_message_failed")
            self._connection.close(CloseCode.INTERNAL_ERROR, "internal error")

    async def _do(self, wish: FromClient) -> None:
        match wish:
            case Auth():
                await self._authenticate(wish)
            case Subscribe():
                await self._subscribe(wish)
            case Unsubscribe():
                await self._unsubscribe(wish)

    async def _log_in_by_cookie(self, cookie: bytes) -> None:
        self._accept(await self._desk.identity.authenticate([(b"cookie", cookie)]), None)

    async def _authenticate(self, wish: Auth) -> None:
        identity, approach = self._desk.identity, Approach(self.address, SIGNED_METHOD, SIGNED_TARGET)
        match wish:
            case Auth(token=str(token), key_id=None, secret=None, timestamp=None, nonce=None, signature=None):
                actor = await identity.authenticate_token(token)
            case Auth(token=None, key_id=str(key_id), secret=str(secret), timestamp=None, nonce=None, signature=None):
                actor = await identity.authenticate_key(key_id, secret, approach=approach)
            case Auth(
                token=None,
                key_id=str(key_id),
                secret=None,
                timestamp=str(timestamp),
                nonce=str(nonce),
                signature=str(signature),
            ):
                proof = Proof(key_id, timestamp, nonce, signature)
                actor = await identity.authenticate_proof(proof, approach=approach)
            case _:
                raise InvalidMessage("Send token, or key_id and secret, or key_id, timestamp, nonce and signature.")
        self._accept(actor, wish.id)

    def _accept(self, actor: Actor, message_id: str | None) -> None:
        """The socket belongs to this actor; a second time, with a fresh credential of the same customer."""
        actor.require_scope("read")
        if self._connection.is_closing:
            return
        if self.actor is None:
            self._desk.roster.admit(actor.user_id)
        elif self.actor.user_id != actor.user_id:
            raise OtherCustomer
        self.actor = actor
        by = "session" if actor.session_id is not None else "api_key"
        self._send(Authenticated(user_id=actor.user_id, by=by, id=message_id))

    async def _subscribe(self, wish: Subscribe) -> None:
        asked = parse_channels(wish.channels)
        if asked.private and self.actor is None:
            raise NotAuthenticated
        if self._connection.is_closing:
            return
        named = {await self._desk.prices.symbol(name): name for name in asked.markets}
        new = [symbol for symbol in named if symbol not in self._symbols]
        taken = self._private | asked.private
        if len(self._symbols) + len(new) + self._all_prices + asked.all_prices + len(taken) > SUBSCRIPTIONS_MAX:
            raise TooManySubscriptions
        for symbol in new:
            self._symbols[symbol] = f"prices:{symbol.replace('/', '-')}"
        newly_all = asked.all_prices and not self._all_prices
        self._all_prices = self._all_prices or asked.all_prices
        self._send(Subscribed(channels=self._channels(taken), id=wish.id))
        if newly_all:
            self._desk.prices.take_all(self._connection)
        if new:
            self._desk.prices.take(self._connection, new)
        if asked.private and self.actor is not None:
            if self._stream is None:
                self._stream = PrivateStream(self._desk.streams, self._connection, self.actor.user_id)
            await self._stream.begin(taken, wish.after)

    async def _unsubscribe(self, wish: Unsubscribe) -> None:
        asked = parse_channels(wish.channels)
        symbols = [await self._desk.prices.symbol(name) for name in asked.markets]
        self._desk.prices.drop(self._connection, symbols)
        for symbol in symbols:
            self._symbols.pop(symbol, None)
        if asked.all_prices:
            self._all_prices = False
            self._desk.prices.drop_all(self._connection)
        if self._stream is not None and asked.private:
            self._stream.narrow(self._private - asked.private)
        self._send(Subscribed(channels=self._channels(self._private), id=wish.id))

    @property
    def _private(self) -> frozenset[PrivateChannel]:
        return self._stream.channels if self._stream is not None else frozenset()

    def _channels(self, private: frozenset[PrivateChannel]) -> list[str]:
        return [*(["prices:*"] if self._all_prices else []), *sorted(self._symbols.values()), *sorted(private)]

    def _drop_prices(self) -> None:
        self._desk.prices.drop(self._connection, self._symbols)
        self._desk.prices.drop_all(self._connection)

    def _send(self, message: object) -> None:
        self._connection.send(text_frame(encode(message)))
