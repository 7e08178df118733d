"""Signed heads: where the chain stood at a moment, in a form that only the signing key can make.

A head is one line of canonical JSON; its signature (Ed25519, RFC 8032) is over the same JSON without `signature`.
"""

import asyncio
import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from bitcurrent.audit.model import Head, canonical_json, moment

KEY_BYTES = 32
LINE_BYTES_MAX = 4_096
SIGNING_KEY_NAME = "BITCURRENT_AUDIT_SIGNING_KEY"


class KeyUnusable(Exception):
    """A key has not the form it must have; the message never shows it."""


class HeadUnreadable(Exception):
    """A line is no head at all: the rest of a write that was cut off, or noise."""


class HeadForged(Exception):
    """A line is a head, but none of the known keys has signed it."""


class Signer:
    """Signs heads with one private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key()
        self.key_id = key_id(self.public_key)

    @classmethod
    def of(cls, text: str) -> "Signer":
        """The signer of a key as settings hold it: 32 random bytes in base64url. Raises KeyUnusable."""
        return cls(Ed25519PrivateKey.from_private_bytes(_bytes_of(text, SIGNING_KEY_NAME)))

    def sign_text(self, text: bytes) -> bytes:
        """The signature over a text of another room, which names its own scheme in it."""
        return self._key.sign(text)

    def sign(self, head: Head) -> bytes:
        """The head as a signed line."""
        members = {
            "count": str(head.count),
            "hash": head.hash.hex(),
            "key": self.key_id,
            "sequence": str(head.sequence),
            "time": moment(head.time),
        }
        signature = base64.b64encode(self._key.sign(canonical_json(members))).decode()
        return canonical_json({**members, "signature": signature})


def read_public_key(text: str) -> Ed25519PublicKey:
    """A public key from its 32 bytes in base64url. Raises KeyUnusable."""
    return Ed25519PublicKey.from_public_bytes(_bytes_of(text, "The public key"))


def public_text(key: Ed25519PublicKey) -> str:
    """A public key in base64url, as `read_public_key` takes it."""
    return base64.urlsafe_b64encode(key.public_bytes_raw()).decode().rstrip("=")


def key_id(key: Ed25519PublicKey) -> str:
    """The name by which heads say who signed them: the first 16 hex digits of the public key's SHA-256."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def read_head(line: bytes, keys: Mapping[str, Ed25519PublicKey]) -> Head:
    """The head on a line, signed by one of the keys. Raises HeadUnreadable or HeadForged."""
    try:
        members = json.loads(line)
        signature = base64.b64decode(members.pop("signature"), validate=True)
        head = Head(
            sequence=int(members["sequence"]),
            hash=bytes.fromhex(members["hash"]),
            time=datetime.strptime(members["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC),
            count=int(members["count"]),
        )
        name = str(members["key"])
        signed = canonical_json(members)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, RecursionError) as error:
        raise HeadUnreadable(type(error).__name__) from None
    key = keys.get(name)
    if key is None:
        raise HeadForged(f"it is signed by the key {name[:16]!r}, which is not among the keys given")
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        raise HeadForged("its signature does not fit") from None
    return head


class FileHeads:
    """Heads in a file that only ever grows: the port's plain form. Let it lie on another machine, or copy it there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing: asyncio.Future[None] | None = None

    async def append(self, line: bytes) -> None:
        """Add a line and have it on the disk before returning; raises OSError, also while an earlier line hangs."""
        # A mount that hangs holds one thread for as long as it likes, never one more each minute.
        if self._writing is not None and not self._writing.done():
            raise OSError("the head before is still being written")
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._append, line)
        self._writing.add_done_callback(_heard)
        await asyncio.shield(self._writing)

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        with os.fdopen(handle, "rb+", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            # The end of a line that a power cut left unfinished must not swallow this one.
            cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            whole = (b"\n" if cut else b"") + line + b"\n"
            if file.write(whole) != len(whole):
                raise OSError("the head was written in part only")
            os.fsync(handle)


def read_lines(path: Path, *, up_to_bytes: int) -> Iterator[tuple[int, bytes]]:
    """The numbered lines of a file of heads as far as it reached before; a line is never longer than 4 KiB."""
    with path.open("rb") as file:
        number = 0
        while file.tell() < up_to_bytes and (line := file.readline(LINE_BYTES_MAX)):
            number += 1
            if line.strip():
                yield number, line


def _heard(done: asyncio.Future[None]) -> None:
    """Take note of a failure that nobody waits for any more; whoever still waits hears of it too."""
    if not done.cancelled():
        done.exception()


def _bytes_of(text: str, name: str) -> bytes:
    try:
        value = base64.b64decode(text.strip() + "=" * (-len(text.strip()) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise KeyUnusable(f"{name} is not base64url.") from None
    if len(value) != KEY_BYTES:
        raise KeyUnusable(f"{name} holds {len(value)} bytes, not {KEY_BYTES}.")
    return value
