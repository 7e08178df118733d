"""Notifications' carrier over SMTP: one connection a letter, TLS as the address says, a bound on every wait.

smtp://host:25 speaks in the clear (the sandbox, a relay on this machine), smtp+starttls://user:password@host:587 and
smtps://user:password@host:465 are encrypted with the certificate checked.
"""

import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, parseaddr
from typing import Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from bitcurrent.notifications.model import Mail
from bitcurrent.notifications.ports import NotDelivered
from bitcurrent.settings import SettingsError

TIMEOUT_SECONDS = 20.0
PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
PERMANENT = range(500, 600)
# Codes by which a server refuses us rather than this letter: another try may go well once somebody has mended it.
_OURS = frozenset({530, 534, 535, 538})
_ADDRESS = re.compile(r"\S+@\S+")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server and how to speak to it."""

    host: str
    port: int
    encryption: str
    username: str | None
    password: str | None

    @classmethod
    def of(cls, url: str) -> Self:
        """The server that an address names; raises SettingsError, which shows no password."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            raise SettingsError("BITCURRENT_SMTP_URL cannot be used: its port is not a number.") from None
        if parts.scheme not in PORTS or not parts.hostname:
            raise SettingsError(
                f"BITCURRENT_SMTP_URL cannot be used: it must begin with {', '.join(PORTS)} and a host."
            )
        username, password = parts.username, parts.password
        return cls(
            host=parts.hostname,
            port=port or PORTS[parts.scheme],
            encryption=parts.scheme,
            username=unquote(username) if username else None,
            password=unquote(password) if password else None,
        )

    def __repr__(self) -> str:
        return f"SmtpServer({self.encryption}://{self.host}:{self.port})"


class SmtpCarrier:
    """Carries letters to one server, from one sender."""

    def __init__(self, server: SmtpServer, sender: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._server = server
        self._name, self._address = parseaddr(sender)
        if "@" not in self._address:
            raise SettingsError("BITCURRENT_MAIL_FROM cannot be used: it is not an e-mail address.")
        self._timeout_seconds = timeout_seconds

    @classmethod
    def of(cls, smtp_url: str, sender: str) -> Self | None:
        """The carrier that the settings ask for; None when they name no server. Raises SettingsError."""
        return cls(SmtpServer.of(smtp_url), sender) if smtp_url else None

    async def carry(self, mail: Mail) -> None:
        """Hand one letter over; raises NotDelivered."""
        server = self._server
        try:
            await aiosmtplib.send(
                self._message(mail),
                hostname=server.host,
                port=server.port,
                username=server.username,
                password=server.password,
                use_tls=server.encryption == "smtps",
                start_tls=server.encryption == "smtp+starttls",
                timeout=self._timeout_seconds,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            first = error.recipients[0]
            raise NotDelivered(_reason(first.code, first.message), for_good=first.code in PERMANENT) from None
        except aiosmtplib.SMTPResponseException as error:
            for_good = error.code in PERMANENT and error.code not in _OURS
            raise NotDelivered(_reason(error.code, error.message), for_good=for_good) from None
        except (UnicodeError, ValueError) as error:
            # An address or text that cannot be written down for this server.
            raise NotDelivered(type(error).__name__, for_good=True) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise NotDelivered(f"{type(error).__name__}: {_ADDRESS.sub('<address>', str(error))}") from None

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        message["From"] = formataddr((self._name, self._address))
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(mail.created_at)
        message["Message-ID"] = f"<{mail.id}@{self._address.rpartition('@')[2]}>"
        # Nobody's holiday answers these (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        if mail.unsubscribe is not None:
            message["List-Unsubscribe"] = f"<{mail.unsubscribe}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        return message


def _reason(code: int, text: str) -> str:
    """A server's answer without the address that it may repeat."""
    return f"{code} {_ADDRESS.sub('<address>', text)}"
