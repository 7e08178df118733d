"""The secrets of one copy: made once, kept in private files, never printed and never on a command line."""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bitcurrent.kernel.crypto import new_key
from bitcurrent.launcher.errors import LaunchError
from bitcurrent.launcher.postgres import Passwords


def _token() -> str:
    """Give 256 random bits in letters, digits, - and _."""
    return secrets.token_urlsafe(32)


def _venue_key_id() -> str:
    """Give a key id of the shape the venue uses: twenty capitals and digits."""
    return "PK" + secrets.token_hex(9).upper()


def _first_encryption_key() -> str:
    """Give the list of key-encryption keys as it begins: one key, named for the day on which it was made."""
    return f"{datetime.now(UTC):%Y-%m-%d}:{new_key()}"


_MAKERS: dict[str, Callable[[], str]] = {
    "postgres_superuser": _token,
    "postgres_owner": _token,
    "postgres_app": _token,
    "redis": _token,
    "secret_key": _token,
    "password_pepper": _token,
    "venue_key_id": _venue_key_id,
    "venue_secret_key": _token,
    "encryption_keys": _first_encryption_key,
    "blind_index_key": new_key,
    "audit_signing_key": _token,
}
_MADE = "made"
"""The file that lists which secrets were ever made here: one that a newer version adds is not one that was lost."""
_FIRST = frozenset(tuple(_MAKERS)[:8])
"""What every copy has had from the beginning, before that list was kept."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Everything secret that one copy needs."""

    postgres: Passwords
    redis: str
    secret_key: str
    password_pepper: str
    venue_key_id: str
    venue_secret_key: str
    encryption_keys: str
    blind_index_key: str
    audit_signing_key: str


def ensure(folder: Path, *, cluster_exists: bool) -> tuple[Credentials, int]:
    """Read the secrets, making those that are missing; tell how many were made.

    Raises LaunchError when a database exists whose password or pepper is gone: new ones would not fit it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    missing = [name for name in _MAKERS if not (folder / name).exists()]
    lost = _made_before(folder).intersection(missing)
    if lost and cluster_exists:
        raise LaunchError(
            f"{folder} lacks {', '.join(sorted(lost))}, but there is a database that was made with it.",
            "Put the file back from a backup, or start anew with `make clean-data`.",
        )
    for name in missing:
        write_private(folder / name, _MAKERS[name]() + "\n")
    if missing or not (folder / _MADE).exists():
        write_private(folder / _MADE, "".join(f"{name}\n" for name in _MAKERS))
    value = {name: (folder / name).read_text().strip() for name in _MAKERS}
    credentials = Credentials(
        Passwords(value["postgres_superuser"], value["postgres_owner"], value["postgres_app"]),
        value["redis"],
        value["secret_key"],
        value["password_pepper"],
        value["venue_key_id"],
        value["venue_secret_key"],
        value["encryption_keys"],
        value["blind_index_key"],
        value["audit_signing_key"],
    )
    return credentials, len(missing)


def _made_before(folder: Path) -> frozenset[str]:
    """The secrets that this folder has held at some time."""
    try:
        return _FIRST.union((folder / _MADE).read_text().split())
    except FileNotFoundError:
        return _FIRST


def write_private(path: Path, text: str) -> None:
    """Write a private file whole or not at all, and durably."""
    draft = path.with_name(f".{path.name}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
