"""Texts by Twilio's Messages resource (POST /2010-04-01/Accounts/{sid}/Messages.json), and its signed reports."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import structlog
from aiohttp import ClientError
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from bitcurrent.kernel.errors import Invalid, Unavailable
from bitcurrent.notifications.model import Delivery, OutgoingText, delivery_of
from bitcurrent.notifications.ports import NotDelivered
from bitcurrent.settings import Settings

log = structlog.get_logger()

TIMEOUT_SECONDS = 10
BAD_NUMBERS = frozenset({21211, 21214, 21217, 21610, 21612, 21614})
"""Twilio's codes for numbers that are none, that no text reaches, or whose owner has said stop."""

REPORTS_PATH = "/api/webhooks/twilio"
LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
NO_ANSWER = (TwilioException, ClientError, OSError, TimeoutError, ValueError)


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


@dataclass(frozen=True, slots=True)
class _Account:
    """What texts are sent with, and where Twilio is to report what became of them ("" for nowhere)."""

    client: Client
    sender: str
    validator: RequestValidator
    reports: str


class TwilioTexts:
    """Sends texts, or says that it cannot: identity's `TextMessages` and notifications' `TextCarrier`."""

    def __init__(self, account: _Account | None) -> None:
        self._account = account

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator[Self]:
        """The carrier of the settings, until the block ends."""
        if not (settings.twilio_account_sid and settings.twilio_auth_token and settings.twilio_from):
            yield cls(None)
            return
        async with AsyncTwilioHttpClient(timeout=TIMEOUT_SECONDS) as http:
            client = Client(settings.twilio_account_sid, settings.twilio_auth_token, http_client=http)
            client.api.base_url = settings.twilio_url.rstrip("/")
            validator = RequestValidator(settings.twilio_auth_token)
            yield cls(_Account(client, settings.twilio_from, validator, _reports_to(settings)))

    @property
    def configured(self) -> bool:
        """Whether there is an account to send from."""
        return self._account is not None

    async def send(self, *, phone: str, text: str) -> None:
        """Send once; raises PhoneRefused, or TextNotSent when it is not known to have been taken.

        The SDK does not repeat a request by itself here: a code that came twice would only confuse.
        """
        if self._account is None:
            raise TextNotSent
        try:
            await self._account.client.messages.create_async(to=phone, from_=self._account.sender, body=text)
        except TwilioRestException as error:
            log.warning("text_refused", status=error.status, code=error.code)
            raise (PhoneRefused if error.code in BAD_NUMBERS else TextNotSent) from None
        except NO_ANSWER as error:
            # The request's address holds the account; its body the number and the code: only the kind is logged.
            log.warning("text_not_sent", cause=type(error).__name__)
            raise TextNotSent from None

    async def carry(self, text: OutgoingText) -> Delivery:
        """Hand a notification over; raises NotDelivered. Reports come to /api/webhooks/twilio with the text's id."""
        if self._account is None:
            raise NotDelivered("no account at the carrier")
        more: dict[str, Any] = {}
        if self._account.reports:
            more["status_callback"] = f"{self._account.reports}?text={text.id}"
        try:
            taken = await self._account.client.messages.create_async(
                to=text.phone, from_=self._account.sender, body=text.words, **more
            )
        except TwilioRestException as error:
            raise NotDelivered(f"{error.status} {error.code}", for_good=error.code in BAD_NUMBERS) from None
        except NO_ANSWER as error:
            raise NotDelivered(type(error).__name__) from None
        return delivery_of(str(taken.status)) or "queued"

    def is_genuine(self, *, url: str, fields: Mapping[str, str], signature: str) -> bool:
        """Whether Twilio signed it: HMAC-SHA1 over the public address and the sorted fields, with our token."""
        if self._account is None:
            return False
        return bool(self._account.validator.validate(url, dict(fields), signature))


def _reports_to(settings: Settings) -> str:
    """Where Twilio itself can reach us; it refuses texts whose reports would go to a machine of nobody else's."""
    here = urlsplit(settings.base_url).hostname in LOCAL
    theirs = urlsplit(settings.twilio_url).hostname in LOCAL
    return "" if here and not theirs else f"{settings.base_url.rstrip('/')}{REPORTS_PATH}"
