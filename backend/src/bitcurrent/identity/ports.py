"""What identity needs from outside: somebody who writes letters, and somebody who sends text messages."""

from collections.abc import Mapping
from typing import Any, Protocol

from bitcurrent.kernel.ids import UserId


class Letters(Protocol):
    """E-mail to customers about their account."""

    async def queue(
        self,
        connection: Any,
        *,
        user_id: UserId,
        template: str,
        values: Mapping[str, str],
        to: str | None = None,
    ) -> None:
        """Queue a letter in the open transaction: what is rolled back is never sent.

        `connection` is one of kernel.database (ports name no driver). `template` reads like "factor_locked"; `values`
        fill it. Without `to` it goes to the customer's address.
        """
        ...


class TextMessages(Protocol):
    """Text messages to phones."""

    @property
    def configured(self) -> bool:
        """Whether this installation can send any."""
        ...

    async def send(self, *, phone: str, text: str) -> None:
        """Send one text to a number in E.164 form; never call it in a transaction.

        Raises Invalid when the number cannot receive texts, Unavailable when it is not known to have been sent.
        """
        ...


class LoginGate(Protocol):
    """A room above that knows who may not log in for now."""

    async def __call__(self, connection: Any, user_id: UserId, /) -> None:
        """Raise a kind of Forbidden when this user gets no session."""
        ...
