"""What each kind of answer, and the lack of one, means for the payment behind it: bytes on a real socket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from bitcurrent.funding.ports import NotSent, OutcomeUnknown, RefusedOutside
from bitcurrent.integrations.stripe.client import StripeCalls

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def words(status: str, body: str, *headers: str) -> Answer:
    """A whole HTTP answer."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
        writer.write("\r\n".join([*lines, "", body]).encode())

    return answer


def refusal(kind: str, code: str | None = None) -> str:
    return json.dumps({"error": {"type": kind, "code": code, "message": "It cannot be."}})


async def nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the request and hang up."""


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
async def stripe_that(*answers: Answer, then_away: bool = False) -> AsyncIterator[tuple[StripeCalls, Sequence[int]]]:
    """A client of a server that gives these answers, the last one again and again; and how many requests came."""
    came: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            answer = answers[min(len(came), len(answers) - 1)]
            came.append(1)
            if then_away:
                server.close()
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    calls = StripeCalls(
        api_key="sk_test_x",
        url=f"http://127.0.0.1:{port}/stripe",
        read_seconds=0.2,
        whole_seconds=1.0,
        pause_seconds_max=0.01,
    )
    yield calls, came
    await calls.close()
    server.close()


async def write(calls: StripeCalls) -> object:
    return await calls.write(lambda api: api.refunds.create_async({"payment_intent": "pi_1"}, {"idempotency_key": "k"}))


async def read(calls: StripeCalls) -> object:
    return await calls.read(lambda api: api.refunds.retrieve_async("re_1"))


@pytest.mark.parametrize(
    ("answer", "on_write", "on_read"),
    [
        (nothing, OutcomeUnknown, NotSent),
        (silence, OutcomeUnknown, NotSent),
        (drip, OutcomeUnknown, NotSent),
        (cut, OutcomeUnknown, NotSent),
        (words("200 OK", '{"id": "a'), OutcomeUnknown, NotSent),
        (words("302 Found", "", "Location: /elsewhere"), OutcomeUnknown, NotSent),
        (words("500 Internal Server Error", refusal("api_error")), OutcomeUnknown, NotSent),
        (words("504 Gateway Timeout", ""), OutcomeUnknown, NotSent),
        (words("404 Not Found", "<html>a proxy's own page</html>"), OutcomeUnknown, NotSent),
        (words("400 Bad Request", '{"message": "a proxy"}'), OutcomeUnknown, NotSent),
        (words("409 Conflict", refusal("idempotency_error", "idempotency_key_in_use")), OutcomeUnknown, NotSent),
        (words("400 Bad Request", refusal("idempotency_error")), OutcomeUnknown, NotSent),
        (words("401 Unauthorized", refusal("invalid_request_error")), NotSent, NotSent),
        (words("403 Forbidden", refusal("invalid_request_error")), NotSent, NotSent),
        (words("429 Too Many Requests", refusal("invalid_request_error", "rate_limit")), NotSent, NotSent),
        (words("402 Payment Required", refusal("card_error", "card_declined")), RefusedOutside, RefusedOutside),
        (words("404 Not Found", refusal("invalid_request_error", "resource_missing")), RefusedOutside, RefusedOutside),
    ],
)
async def test_every_answer_has_one_meaning(
    answer: Answer, on_write: type[Exception], on_read: type[Exception]
) -> None:
    for call, wanted in ((write, on_write), (read, on_read)):
        async with stripe_that(answer) as (calls, _):
            with pytest.raises(Exception) as error:  # noqa: PT011  which kind it is, is asserted below
                await call(calls)
            assert error.type is wanted


async def test_a_refusal_carries_stripes_code_and_words() -> None:
    async with stripe_that(words("402 Payment Required", refusal("card_error", "card_declined"))) as (calls, came):
        with pytest.raises(RefusedOutside, match="It cannot be") as refused:
            await write(calls)
    assert (refused.value.code, len(came)) == ("card_declined", 1)


async def test_a_refusal_without_a_code_is_named_by_its_kind() -> None:
    async with stripe_that(words("400 Bad Request", refusal("invalid_request_error"))) as (calls, _):
        with pytest.raises(RefusedOutside) as refused:
            await write(calls)
    assert refused.value.code == "InvalidRequestError"


async def test_nobody_at_home_means_that_nothing_was_done() -> None:
    calls = StripeCalls(api_key="sk_test_x", url="http://127.0.0.1:9/stripe")
    with pytest.raises(NotSent):
        await write(calls)
    await calls.close()


async def test_an_attempt_that_may_have_been_carried_out_is_not_forgotten_by_the_next_one() -> None:
    """The SDK tells of its last attempt only: that nobody was there then says nothing about the first."""
    async with stripe_that(nothing, then_away=True) as (calls, came):
        with pytest.raises(OutcomeUnknown):
            await write(calls)
    assert len(came) == 1
    limited = words("429 Too Many Requests", refusal("invalid_request_error", "rate_limit"))
    async with stripe_that(words("500 Oh", refusal("api_error")), limited) as (calls, came):
        with pytest.raises(OutcomeUnknown):
            await write(calls)
    assert len(came) == 2


async def test_a_lost_answer_is_asked_for_again_under_the_same_key() -> None:
    found = words("200 OK", '{"id": "re_1", "object": "refund"}')
    async with stripe_that(nothing, found) as (calls, came):
        answer = await write(calls)
    assert answer == {"id": "re_1", "object": "refund"}
    assert len(came) == 2


async def test_two_calls_at_once_do_not_know_of_each_other() -> None:
    """One call's lost answer must not turn another's refused connection into an unknown outcome."""
    limited = words("429 Too Many Requests", refusal("invalid_request_error", "rate_limit"))
    async with stripe_that(silence) as (slow, _), stripe_that(limited) as (quick, _):
        results = await asyncio.gather(write(slow), write(quick), return_exceptions=True)
    assert [type(result) for result in results] == [OutcomeUnknown, NotSent]
