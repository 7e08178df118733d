"""What each kind of answer, and the lack of one, means for the order behind it: bytes on a real socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bitcurrent.integrations.alpaca.budget import Priority, RequestBudget
from bitcurrent.integrations.alpaca.client import AlpacaClient
from bitcurrent.trading.ports import VenueBusy, VenueError, VenueRefused, VenueUnknown

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def words(status: str, body: str, *headers: str) -> Answer:
    """A whole HTTP answer."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
        writer.write("\r\n".join([*lines, "", body]).encode())

    return answer


async def nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the request and hang up."""


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the request and break the connection."""
    writer.transport.abort()


async def silence(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Read the request and say nothing."""
    await asyncio.sleep(5)


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then for ever: no single read ever times out."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _number in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send half of what was announced."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"id": "abc')


@contextlib.asynccontextmanager
async def venue_that(answer: Answer) -> AsyncIterator[AlpacaClient]:
    """A client of a server that answers every request this way."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with AlpacaClient(
        base_url=f"http://127.0.0.1:{port}/alpaca",
        key_id="k",
        secret_key="s",
        budget=RequestBudget(200),
        read_seconds=0.3,
        whole_seconds=0.6,
    ) as client:
        yield client
    server.close()


REFUSAL = '{"code": 40310000, "message": "insufficient balance for USD"}'


@pytest.mark.parametrize(
    ("answer", "on_write", "on_read"),
    [
        (nothing, VenueUnknown, VenueError),
        (reset, VenueUnknown, VenueError),
        (silence, VenueUnknown, VenueError),
        (drip, VenueUnknown, VenueError),
        (cut, VenueUnknown, VenueError),
        (words("200 OK", '{"id": "a'), VenueUnknown, VenueError),
        (words("200 OK", "<html>"), VenueUnknown, VenueError),
        (words("302 Found", "", "Location: /elsewhere"), VenueUnknown, VenueError),
        (words("408 Request Timeout", REFUSAL), VenueUnknown, VenueError),
        (words("500 Internal Server Error", REFUSAL), VenueUnknown, VenueError),
        (words("504 Gateway Timeout", ""), VenueUnknown, VenueError),
        (words("404 Not Found", "<html>a proxy's own page</html>"), VenueUnknown, VenueError),
        (words("401 Unauthorized", '{"code": 40110000, "message": "no"}'), VenueError, VenueError),
        (words("403 Forbidden", '{"message": "forbidden."}'), VenueError, VenueError),
        (words("429 Too Many Requests", "{}", "Retry-After: 3"), VenueBusy, VenueBusy),
        (words("403 Forbidden", REFUSAL), VenueRefused, VenueRefused),
        (words("422 Unprocessable Entity", REFUSAL), VenueRefused, VenueRefused),
    ],
)
async def test_every_answer_has_one_meaning(
    answer: Answer, on_write: type[Exception], on_read: type[Exception]
) -> None:
    async with venue_that(answer) as client:
        with pytest.raises(Exception) as error:  # noqa: PT011  which kind it is, is asserted below
            await client.write("POST", "/v2/orders", priority=Priority.ORDER, body={"qty": "1"})
        assert error.type is on_write
    async with venue_that(answer) as client:
        with pytest.raises(Exception) as error:  # noqa: PT011  which kind it is, is asserted below
            await client.read("/v2/orders", priority=Priority.POLL)
        assert error.type is on_read


async def test_nobody_at_home_means_that_nothing_was_sent() -> None:
    async with AlpacaClient(
        base_url="http://127.0.0.1:9", key_id="k", secret_key="s", budget=RequestBudget(200)
    ) as client:
        with pytest.raises(VenueError) as error:
            await client.write("POST", "/v2/orders", priority=Priority.ORDER, body={})
        assert error.type is VenueError


async def test_the_refusal_carries_the_venues_code_and_words_and_429_its_pause() -> None:
    async with venue_that(words("403 Forbidden", REFUSAL)) as client:
        with pytest.raises(VenueRefused) as refusal:
            await client.write("POST", "/v2/orders", priority=Priority.ORDER, body={})
        assert (refusal.value.code, refusal.value.reason) == ("40310000", "insufficient balance for USD")
    async with venue_that(words("429 Too Many Requests", "{}", "Retry-After: 3")) as client:
        with pytest.raises(VenueBusy) as busy:
            await client.read("/v2/clock", priority=Priority.POLL)
        assert busy.value.retry_after_seconds == 3
        assert client.budget.room(Priority.CANCEL) == 0


async def test_an_empty_answer_to_a_delete_is_a_yes() -> None:
    async with venue_that(words("204 No Content", "")) as client:
        assert await client.write("DELETE", "/v2/orders/x", priority=Priority.CANCEL) is None
