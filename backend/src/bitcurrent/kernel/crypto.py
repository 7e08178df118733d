"""Secrets at rest: envelope encryption with AES-256-GCM, and blind indexes to look encrypted values up.

Every record has a data key of its own, wrapped by a key-encryption key that lives in the settings and has an id. Table,
column and row are authenticated with each ciphertext: moved to another place, it does not decrypt. Changing the
key-encryption key wraps the data keys anew and leaves the encrypted values alone.

Formats, byte by byte (version first, so that another one can be added):
    carrier  01 | length of key id | key id | nonce 12 | wrapped data key 48 [ | nonce 12 | ciphertext and tag ]
    value    02 | nonce 12 | ciphertext and tag          under the data key that the row's carrier column holds
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CARRIER_COMMENT: Final = "encrypted, with its data key"
"""The comment of every column that carries a wrapped data key: `bitcurrent keys rotate` finds them by it.

The `row` given to the vault for such a column must be the row's primary key, of one column.
"""
VALUE_COMMENT: Final = "encrypted under the row's data key"
"""The comment of a column whose data key lies in another column of its row."""

KEY_BYTES: Final = 32
RecordId = UUID | str | int

_CARRIER: Final = 1
_VALUE: Final = 2
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_WRAPPED_BYTES: Final = KEY_BYTES + _TAG_BYTES
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")


class CryptoError(Exception):
    """Something cannot be encrypted or decrypted. The message names places and key ids, never a value or a key."""


class BadKeys(CryptoError):
    """The configured keys cannot be used."""


class UnknownKey(CryptoError):
    """Encrypted under a key that is not configured here."""

    def __init__(self, key_id: str, place: str) -> None:
        super().__init__(f"{place} is encrypted under the key {key_id!r}, which BITCURRENT_ENCRYPTION_KEYS lacks.")
        self.key_id = key_id


class Undecipherable(CryptoError):
    """Wrong key, edited, cut short, or moved here from another place."""

    def __init__(self, place: str, key_id: str | None = None) -> None:
        under = f" under the key {key_id!r}" if key_id else ""
        super().__init__(
            f"{place} does not decrypt{under}: it was changed, moved, or made with another key of that id."
        )
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class Record:
    """One row's data key, open for use. Store `wrapped` in the row's carrier column; None of this is ever logged."""

    wrapped: bytes
    table: str
    row: RecordId
    _key: AESGCM = field(repr=False)

    def encrypt(self, plaintext: bytes, *, column: str) -> bytes:
        """The value for `column` of this row."""
        return bytes([_VALUE]) + _seal(self._key, plaintext, _place_bytes("value", self.table, column, self.row))

    def decrypt(self, sealed: bytes, *, column: str) -> bytes:
        """What `encrypt` was given; raises Undecipherable for anything else."""
        place = _place(self.table, column, self.row)
        if sealed[:1] != bytes([_VALUE]):
            raise Undecipherable(place)
        return _open(self._key, sealed[1:], _place_bytes("value", self.table, column, self.row), place)

    def encrypt_text(self, text: str | None, *, column: str) -> bytes | None:
        """The same for text; nothing stays nothing."""
        return None if text is None else self.encrypt(text.encode(), column=column)

    def decrypt_text(self, sealed: bytes | None, *, column: str) -> str | None:
        """The same for text; nothing stays nothing."""
        return None if sealed is None else self.decrypt(sealed, column=column).decode()


class Vault:
    """Encrypts under the current key, decrypts under any configured one, and makes blind indexes.

    A value that stands alone in its row goes through `encrypt` and `decrypt`; several values of one row share a data
    key by `new_record` and `open_record`, so that dropping one wrapped key makes all of them unreadable for good.
    """

    def __init__(self, keys: Mapping[str, bytes], index_key: bytes) -> None:
        """`keys` by id, the current one first; each 32 bytes."""
        if not keys:
            raise BadKeys("BITCURRENT_ENCRYPTION_KEYS holds no key.")
        for key_id, key in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise BadKeys("A key id in BITCURRENT_ENCRYPTION_KEYS is not 1 to 32 letters, digits, '.', '_' or '-'.")
            if len(key) != KEY_BYTES:
                raise BadKeys(f"The key {key_id!r} in BITCURRENT_ENCRYPTION_KEYS is not {KEY_BYTES} bytes long.")
        if len(index_key) < KEY_BYTES:
            raise BadKeys(f"BITCURRENT_BLIND_INDEX_KEY is shorter than {KEY_BYTES} bytes.")
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._fingerprints = tuple(
            hashlib.sha256(_joined(b"fingerprint", key_id.encode(), key)).hexdigest()[:6]
            for key_id, key in keys.items()
        )
        self._index_key = index_key
        self.current_key_id = next(iter(keys))

    @classmethod
    def from_text(cls, encryption_keys: str, blind_index_key: str) -> Self:
        """Keys as settings hold them: "id:base64,id:base64", and base64. Raises BadKeys, which shows no key."""
        keys: dict[str, bytes] = {}
        for part in filter(None, (part.strip() for part in encryption_keys.split(","))):
            key_id, colon, text = part.partition(":")
            if not colon:
                raise BadKeys("An entry of BITCURRENT_ENCRYPTION_KEYS is not of the form id:base64.")
            if key_id in keys:
                raise BadKeys("Two keys of BITCURRENT_ENCRYPTION_KEYS have the same id.")
            keys[key_id] = _from_base64(text, "A key of BITCURRENT_ENCRYPTION_KEYS")
        return cls(keys, _from_base64(blind_index_key, "BITCURRENT_BLIND_INDEX_KEY"))

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The configured keys' ids, the current one first."""
        return tuple(self._keys)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """A few digits for each key, by which processes can tell which keys others know; they tell nothing of it."""
        return self._fingerprints

    @property
    def current_prefix(self) -> bytes:
        """What every carrier under the current key begins with."""
        return _prefix(self.current_key_id)

    def encrypt(self, plaintext: bytes, *, table: str, column: str, row: RecordId) -> bytes:
        """A value that carries its own, new data key, bound to its place."""
        carrier, key = self._new_key(table, column, row)
        return carrier + _seal(key, plaintext, _place_bytes("value", table, column, row))

    def decrypt(self, sealed: bytes, *, table: str, column: str, row: RecordId) -> bytes:
        """What `encrypt` was given; raises UnknownKey or Undecipherable."""
        key, rest = self._unwrap(sealed, table, column, row)
        return _open(key, rest, _place_bytes("value", table, column, row), _place(table, column, row))

    def new_record(self, *, table: str, row: RecordId, column: str = "data_key") -> Record:
        """A new data key for one row; `column` is where its wrapped form will be stored."""
        carrier, key = self._new_key(table, column, row)
        return Record(carrier, table, row, key)

    def open_record(self, wrapped: bytes, *, table: str, row: RecordId, column: str = "data_key") -> Record:
        """The row's data key again; raises UnknownKey or Undecipherable."""
        key, rest = self._unwrap(wrapped, table, column, row)
        if rest:
            raise Undecipherable(_place(table, column, row))
        return Record(wrapped, table, row, key)

    def rewrap(self, carrier: bytes, *, table: str, column: str, row: RecordId) -> bytes:
        """The same data key (and value, when it carries one) under the current key-encryption key."""
        old_id, data_key, rest = self._unwrap_bytes(carrier, table, column, row)
        if old_id == self.current_key_id:
            return carrier
        return self._wrap(data_key, table, column, row) + rest

    def blind_index(self, value: str, *, purpose: str) -> bytes:
        """A keyed hash by which an exact, already normalised value can be found and not read.

        `purpose` ("users.email") keeps equal values of different columns from looking equal.
        """
        return hmac.digest(self._index_key, _joined(purpose.encode(), value.encode()), hashlib.sha256)

    def __repr__(self) -> str:
        return f"Vault(current={self.current_key_id!r}, keys={len(self._keys)})"

    def _new_key(self, table: str, column: str, row: RecordId) -> tuple[bytes, AESGCM]:
        data_key = os.urandom(KEY_BYTES)
        return self._wrap(data_key, table, column, row), AESGCM(data_key)

    def _wrap(self, data_key: bytes, table: str, column: str, row: RecordId) -> bytes:
        bound_to = _place_bytes(f"key:{self.current_key_id}", table, column, row)
        return self.current_prefix + _seal(self._keys[self.current_key_id], data_key, bound_to)

    def _unwrap(self, carrier: bytes, table: str, column: str, row: RecordId) -> tuple[AESGCM, bytes]:
        _, data_key, rest = self._unwrap_bytes(carrier, table, column, row)
        return AESGCM(data_key), rest

    def _unwrap_bytes(self, carrier: bytes, table: str, column: str, row: RecordId) -> tuple[str, bytes, bytes]:
        place = _place(table, column, row)
        found = key_id_of(carrier)
        if found is None:
            raise Undecipherable(place)
        key = self._keys.get(found)
        if key is None:
            raise UnknownKey(found, place)
        start = len(_prefix(found))
        end = start + _NONCE_BYTES + _WRAPPED_BYTES
        bound_to = _place_bytes(f"key:{found}", table, column, row)
        data_key = _open(key, carrier[start:end], bound_to, place, found)
        return found, data_key, carrier[end:]


def key_id_of(carrier: bytes) -> str | None:
    """The id of the key-encryption key that a carrier names; None when it is not a carrier."""
    if len(carrier) < 3 or carrier[0] != _CARRIER:
        return None
    name = carrier[2 : 2 + carrier[1]]
    text = name.decode("ascii", "replace")
    return text if len(name) == carrier[1] and _KEY_ID.fullmatch(text) else None


def new_key() -> str:
    """A new random key as settings hold it."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def _seal(key: AESGCM, plaintext: bytes, bound_to: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, plaintext, bound_to)


def _open(key: AESGCM, sealed: bytes, bound_to: bytes, place: str, key_id: str | None = None) -> bytes:
    if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        raise Undecipherable(place, key_id)
    try:
        return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except InvalidTag:
        raise Undecipherable(place, key_id) from None


def _prefix(key_id: str) -> bytes:
    return bytes([_CARRIER, len(key_id)]) + key_id.encode()


def _place(table: str, column: str, row: RecordId) -> str:
    return f"{table}.{column} of row {row}"


def _place_bytes(what: str, table: str, column: str, row: RecordId) -> bytes:
    return _joined(what.encode(), table.encode(), column.encode(), str(row).encode())


def _joined(*parts: bytes) -> bytes:
    """Parts with their lengths before them: no two different lists give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _from_base64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise BadKeys(f"{what} is not base64.") from None
