"""One HTTP request to the venue, and what its answer, or the lack of one, means for the order behind it."""

import asyncio
import json
from collections.abc import Hashable, Mapping
from decimal import Decimal
from typing import Any, NoReturn, Self

import httpx
import structlog

from bitcurrent.integrations.alpaca.budget import Priority, RequestBudget
from bitcurrent.trading.ports import VenueBusy, VenueError, VenueRefused, VenueUnknown

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
WHOLE_SECONDS = 8.0
"""The longest that a request may take altogether: an answer may drip in slowly without ever timing out a read."""
CONNECTIONS_MAX = 20
RETRY_AFTER_DEFAULT_SECONDS = 1.0
BODY_MAX_BYTES = 8_000_000

NOT_AUTHORIZED = "40110000"
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class AlpacaClient:
    """The trading API over one keep-alive pool. It never repeats a request: only its callers know what is safe.

    Numbers go out as strings and come back as `Decimal` or `str`, never through a binary fraction.
    """

    def __init__(
        self,
        *,
        base_url: str,
        key_id: str,
        secret_key: str,
        budget: RequestBudget,
        read_seconds: float = READ_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
    ) -> None:
        self.budget = budget
        self._whole_seconds = whole_seconds
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            headers={"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret_key, "Accept": "application/json"},
            timeout=httpx.Timeout(read_seconds, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def read(
        self, path: str, *, priority: Priority, params: Mapping[str, str] | None = None, customer: Hashable = None
    ) -> Any:
        """GET. A question changes nothing, so every failure is `VenueError`; `VenueRefused` for the venue's 4xx."""
        try:
            return await self._send("GET", path, priority=priority, params=params, customer=customer)
        except VenueUnknown as error:
            raise VenueError(str(error)) from error

    async def write(
        self,
        method: str,
        path: str,
        *,
        priority: Priority,
        body: Mapping[str, str] | None = None,
        customer: Hashable = None,
    ) -> Any:
        """POST, PATCH or DELETE, once.

        Raises `VenueError`/`VenueBusy` when it never reached the venue, `VenueRefused` when the venue said no, and
        `VenueUnknown` for everything after sending that is no believable answer.
        """
        return await self._send(method, path, priority=priority, body=body, customer=customer)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        priority: Priority,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, str] | None = None,
        customer: Hashable = None,
    ) -> Any:
        await self.budget.take(priority, customer=customer)
        try:
            async with asyncio.timeout(self._whole_seconds):
                response = await self._http.request(method, path, params=params, json=body)
        except _NEVER_SENT as error:
            raise VenueError(f"the venue cannot be reached: {type(error).__name__}") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise VenueUnknown(f"no answer to {method} {path}: {type(error).__name__}") from error
        self.budget.heard(response.headers)
        return self._believe(method, path, response)

    def _believe(self, method: str, path: str, response: httpx.Response) -> Any:
        if response.is_success:
            return _content(method, path, response)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            pause = retry_after(response.headers)
            self.budget.refused(pause)
            raise VenueBusy("the venue asks to slow down", retry_after_seconds=pause)
        if not response.is_client_error or response.status_code == httpx.codes.REQUEST_TIMEOUT:
            raise VenueUnknown(f"{method} {path} was answered with {response.status_code}")
        raise _refusal(method, path, response)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait after a 429: Retry-After when it is a number, else a second."""
    value = headers.get("retry-after", "")
    return int(value) if value.isdecimal() else RETRY_AFTER_DEFAULT_SECONDS


def decode(raw: bytes | str) -> Any:
    """JSON whose fractions become `Decimal` from their literal. Raises ValueError, also for NaN and Infinity."""
    return json.loads(raw, parse_float=Decimal, parse_constant=_no_number)


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def _content(method: str, path: str, response: httpx.Response) -> Any:
    if response.status_code == httpx.codes.NO_CONTENT or (method == "DELETE" and not response.content):
        return None
    try:
        if len(response.content) > BODY_MAX_BYTES:
            raise ValueError("the answer is too long")
        return decode(response.content)
    except ValueError as error:
        raise VenueUnknown(f"the answer to {method} {path} cannot be read") from error


def _refusal(method: str, path: str, response: httpx.Response) -> Exception:
    """What a 4xx means. Only one that carries the venue's own code is its word; others came from somewhere between."""
    try:
        body = decode(response.content)
        code, message = str(body["code"]), str(body["message"])
    except (ValueError, KeyError, TypeError):
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return VenueError(f"the venue does not accept our keys ({response.status_code})")
        return VenueUnknown(f"{method} {path} was answered with {response.status_code} and no code")
    if response.status_code == httpx.codes.UNAUTHORIZED or code == NOT_AUTHORIZED:
        # Our keys, not the customer's order: nobody's order is rejected for it.
        log.error("venue_keys_refused", status=response.status_code, code=code)
        return VenueError("the venue does not accept our keys")
    return VenueRefused(message, code=code)
