"""The key pair that the venue knows, and the ways in which a client may show it."""

import base64
import binascii
import hmac


class Keys:
    """One key pair."""

    def __init__(self, *, key_id: str, secret: str) -> None:
        self.key_id = key_id
        self._secret = secret

    def valid(self, key_id: str, secret: str) -> bool:
        """Whether this is the pair; compared in constant time."""
        right_key = hmac.compare_digest(key_id.encode(), self.key_id.encode())
        return hmac.compare_digest(secret.encode(), self._secret.encode()) and right_key

    def shown(self, headers: dict[str, str]) -> bool | None:
        """Whether the headers show the pair; None when they show nothing.

        Bearer is taken to carry the secret key: the sandbox issues no OAuth tokens.
        """
        if "apca-api-key-id" in headers or "apca-api-secret-key" in headers:
            return self.valid(headers.get("apca-api-key-id", ""), headers.get("apca-api-secret-key", ""))
        scheme, _, value = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.valid(self.key_id, value.strip())
        if scheme.lower() == "basic":
            try:
                key_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return False
            return self.valid(key_id, secret)
        return None
