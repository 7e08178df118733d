"""The link that confirms a withdrawal: its id, signed. It works while the withdrawal waits for it, so once."""

import base64
import binascii
import hashlib
import hmac
from uuid import UUID

from bitcurrent.funding.withdrawals.model import InvalidConfirmation

TOKEN_LENGTH = 64
PURPOSE = "confirm_withdrawal"
_ID_BYTES = 16


class Confirmations:
    """Makes the token of a withdrawal, and takes it back."""

    def __init__(self, secret_key: str) -> None:
        self._key = hmac.digest(secret_key.encode(), b"withdrawal confirmations", hashlib.sha256)

    def token(self, withdrawal_id: UUID) -> str:
        """What stands in the mail."""
        return base64.urlsafe_b64encode(withdrawal_id.bytes + self._signature(withdrawal_id)).decode()

    def read(self, token: str) -> UUID:
        """The withdrawal that a token is for; raises InvalidConfirmation for any that we did not make."""
        if len(token) != TOKEN_LENGTH:
            raise InvalidConfirmation
        try:
            content = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            raise InvalidConfirmation from None
        withdrawal_id = UUID(bytes=content[:_ID_BYTES])
        if not hmac.compare_digest(content[_ID_BYTES:], self._signature(withdrawal_id)):
            raise InvalidConfirmation
        return withdrawal_id

    def _signature(self, withdrawal_id: UUID) -> bytes:
        return hmac.digest(self._key, withdrawal_id.bytes, hashlib.sha256)
