"""One call of Stripe's API through its SDK, and what its answer, or the lack of one, means for the money behind it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import structlog

from bitcurrent.funding.ports import NotSent, OutcomeUnknown, RefusedOutside

if TYPE_CHECKING:
    from stripe import HTTPClient, StripeClient, StripeError, StripeObject
    from stripe._v1_services import V1Services

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 3.0
READ_SECONDS = 8.0
WHOLE_SECONDS = 25.0
"""The longest that a call may take altogether, its repetitions included."""
PAUSE_SECONDS_MAX = 1.0
"""The longest pause between two attempts: somebody may be waiting."""
CONNECTIONS_MAX = 20
RETRIES = 2
"""The SDK repeats after lost connections, 409 and 5xx, under the same idempotency key."""
CODE_MAX = 60

Call = Callable[["V1Services"], Awaitable["StripeObject"]]
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(slots=True)
class _Attempts:
    """What has become of the attempts of one call: the SDK tells of the last one only."""

    maybe_done: bool = False


_attempts: ContextVar[_Attempts] = ContextVar("stripe_attempts")


class StripeCalls:
    """The API with one key. The SDK is loaded (28 MB) at the first call, so that who never pays does not carry it."""

    def __init__(
        self,
        *,
        api_key: str,
        url: str,
        read_seconds: float = READ_SECONDS,
        whole_seconds: float = WHOLE_SECONDS,
        pause_seconds_max: float = PAUSE_SECONDS_MAX,
    ) -> None:
        self._api_key = api_key
        self._url = url.rstrip("/")
        self._timeout = httpx.Timeout(read_seconds, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS)
        self._whole_seconds = whole_seconds
        self._pause_seconds_max = pause_seconds_max
        self._http: HTTPClient | None = None
        self._client: StripeClient | None = None

    async def close(self) -> None:
        """Close every connection."""
        if self._http is not None:
            await self._http.close_async()  # type: ignore[no-untyped-call]  # the SDK leaves this one without types

    async def read(self, call: Call) -> Mapping[str, Any]:
        """Ask. A question changes nothing, so every failure is NotSent; RefusedOutside for Stripe's own no."""
        try:
            return await self._send(call)
        except OutcomeUnknown as error:
            raise NotSent(str(error)) from error

    async def write(self, call: Call) -> Mapping[str, Any]:
        """Act, under an idempotency key.

        Raises NotSent when it certainly was not done, RefusedOutside when Stripe said no, and OutcomeUnknown
        for everything else that is no believable answer.
        """
        return await self._send(call)

    async def _send(self, call: Call) -> Mapping[str, Any]:
        from stripe import StripeError

        attempts = _Attempts()
        token = _attempts.set(attempts)
        try:
            async with asyncio.timeout(self._whole_seconds):
                answer = await call(self._open().v1)
        except StripeError as error:
            raise _meaning(error, attempts) from error
        except TimeoutError as error:
            raise OutcomeUnknown(f"no answer within {self._whole_seconds:g} s") from error
        finally:
            _attempts.reset(token)
        return answer.to_dict()

    def _open(self) -> "StripeClient":
        if self._client is None:
            import stripe

            # It would keep an id in the home folder of whoever runs us, and report our timings.
            stripe.enable_telemetry = False
            self._http = _make_http(self._timeout, self._pause_seconds_max)
            self._client = stripe.StripeClient(
                self._api_key,
                base_addresses={"api": self._url},
                max_network_retries=RETRIES,
                http_client=self._http,
            )
        return self._client


def _make_http(timeout: httpx.Timeout, pause_seconds_max: float) -> "HTTPClient":
    """What the SDK sends with: httpx as everywhere here, noting whether an attempt may have been carried out."""
    from stripe import APIConnectionError, HTTPClient

    class Watched(HTTPClient):
        name = "httpx"

        def __init__(self) -> None:
            super().__init__()
            limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
            self._http = httpx.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False, trust_env=False)

        def sleep_async(self, secs: float) -> Awaitable[None]:
            return asyncio.sleep(min(secs, pause_seconds_max))

        async def request_async(
            self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
        ) -> tuple[bytes, int, Mapping[str, str]]:
            try:
                answer = await self._http.request(method, url, headers=dict(headers), content=post_data or None)
            except httpx.HTTPError as error:
                if not isinstance(error, _NEVER_SENT):
                    _attempts.get().maybe_done = True
                lost = APIConnectionError(type(error).__name__, should_retry=True)  # type: ignore[no-untyped-call]  # SDK
                raise lost from error
            if answer.status_code == httpx.codes.CONFLICT or answer.is_server_error:
                _attempts.get().maybe_done = True
            return answer.content, answer.status_code, answer.headers

        async def close_async(self) -> None:
            await self._http.aclose()

    return Watched()


def _meaning(error: "StripeError", attempts: _Attempts) -> Exception:
    """What an error of the SDK means. Only a 4xx with Stripe's own words is its no; others came from in between."""
    from stripe import APIConnectionError, AuthenticationError, CardError, InvalidRequestError, RateLimitError
    from stripe import PermissionError as NotPermitted

    kind, status = type(error).__name__, error.http_status
    if isinstance(error, InvalidRequestError | CardError):
        return RefusedOutside((error.code or kind)[:CODE_MAX], error.user_message or kind)
    if isinstance(error, AuthenticationError | NotPermitted):
        # Our key, not the customer's payment: nobody's deposit fails for it.
        log.error("stripe_key_refused", status=status, request=error.request_id)
    elif not isinstance(error, APIConnectionError | RateLimitError):
        # A key that was used with other words (IdempotencyError) says that something was done under it.
        return OutcomeUnknown(f"Stripe answered with {kind} ({status}, request {error.request_id})")
    if attempts.maybe_done:
        return OutcomeUnknown(f"{kind} after an attempt that may have been carried out")
    return NotSent(f"Stripe did not take the call: {kind} ({status})")
