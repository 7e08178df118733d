"""For the few hot routes that are plain ASGI handlers: reading a body, answering, and answering a problem."""

from litestar.types import Receive, Send

from bitcurrent.web import json
from bitcurrent.web.problems import BODY_BYTES_MAX, MEDIA_TYPE, BodyTooLarge, headers_of, problem_of, referenced


async def read_body(receive: Receive) -> bytes:
    """The request's body; raises BodyTooLarge before more than 64 kB are held."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ConnectionError("the client went away")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise BodyTooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def send_json(send: Send, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    """Answer with JSON that is already encoded."""
    await _send(send, status, body, "application/json", headers or {})


async def send_nothing(send: Send, status: int) -> None:
    """Answer with a status and no body."""
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_problem(send: Send, error: Exception, *, method: str = "POST") -> None:
    """Answer with the problem document of any exception."""
    problem = referenced(problem_of(error, method=method), error)
    await _send(send, problem.status, json.encode(problem), MEDIA_TYPE, headers_of(problem, error))


async def _send(send: Send, status: int, body: bytes, media_type: str, headers: dict[str, str]) -> None:
    head = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    head.extend((name.lower().encode(), value.encode()) for name, value in headers.items())
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body, "more_body": False})
