"""Texts by Twilio's Messages resource (POST /2010-04-01/Accounts/{sid}/Messages.json)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import structlog
from aiohttp import ClientError
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client

from bitcurrent.kernel.errors import Invalid, Unavailable
from bitcurrent.settings import Settings

log = structlog.get_logger()

TIMEOUT_SECONDS = 10
BAD_NUMBERS = frozenset({21211, 21214, 21217, 21610, 21612, 21614})
"""Twilio's codes for numbers that are none, that no text reaches, or whose owner has said stop."""


class PhoneRefused(Invalid):
    """No text reaches this number."""

    code = "phone_refused"

    def __init__(self) -> None:
        super().__init__("No text can be sent to this number. Use another one.", field="phone")


class TextNotSent(Unavailable):
    """The carrier refused, or did not answer."""

    code = "text_not_sent"

    def __init__(self) -> None:
        super().__init__("The text could not be sent. Try again in a moment, or use another factor.")


class TwilioTexts:
    """Sends texts, or says that it cannot."""

    def __init__(self, client: Client | None, sender: str) -> None:
        self._client = client
        self._sender = sender

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator[Self]:
        """The carrier of the settings, until the block ends."""
        if not (settings.twilio_account_sid and settings.twilio_auth_token and settings.twilio_from):
            yield cls(None, "")
            return
        async with AsyncTwilioHttpClient(timeout=TIMEOUT_SECONDS) as http:
            client = Client(settings.twilio_account_sid, settings.twilio_auth_token, http_client=http)
            client.api.base_url = settings.twilio_url.rstrip("/")
            yield cls(client, settings.twilio_from)

    @property
    def configured(self) -> bool:
        """Whether there is an account to send from."""
        return self._client is not None

    async def send(self, *, phone: str, text: str) -> None:
        """Send once; raises PhoneRefused, or TextNotSent when it is not known to have been taken.

        The SDK does not repeat a request by itself here: a code that came twice would only confuse.
        """
        if self._client is None:
            raise TextNotSent
        try:
            await self._client.messages.create_async(to=phone, from_=self._sender, body=text)
        except TwilioRestException as error:
            log.warning("text_refused", status=error.status, code=error.code)
            raise (PhoneRefused if error.code in BAD_NUMBERS else TextNotSent) from None
        except (TwilioException, ClientError, OSError, TimeoutError, ValueError) as error:
            # The request's address holds the account; its body the number and the code: only the kind is logged.
            log.warning("text_not_sent", cause=type(error).__name__)
            raise TextNotSent from None
