"""Acts, the seals that chain them and the heads that are signed: pure values, and the very bytes that are hashed.

docs/audit.md describes the bytes for whoever wants to check them with a program of his own.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from bitcurrent.kernel.logs import SECRET_WORDS

NOTHING_BEFORE = bytes(32)
"""Stands for the hash before the first."""

TEXT_LENGTH_MAX = 2_000
ITEMS_MAX = 100
DEPTH_MAX = 8
HIDDEN = "hidden"


class ActorKind(StrEnum):
    """What kind of somebody acted."""

    USER = "user"
    API_KEY = "api_key"
    OPERATOR = "operator"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One line of the log. Everything in it is in its hash."""

    id: int
    transaction_id: int
    created_at: datetime
    actor_kind: str
    actor_id: UUID | None
    actor_role: str | None
    action: str
    subject: str
    address: str | None
    reason: str | None
    details: Mapping[str, Any]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActFilter:
    """Which acts to list, newest first. An `action` that ends in a point means all that begin so: "order.".

    `before` is the keyset: the id of the last one seen.
    """

    actor_id: UUID | None = None
    actor_kind: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The place of one act in the chain."""

    sequence: int
    audit_id: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far the chain had come at a moment. `count` is counted, not taken from the sequence: they must agree."""

    sequence: int
    hash: bytes
    time: datetime
    count: int


def plain_facts(facts: Mapping[str, object], depth: int = 0) -> dict[str, Any]:
    """Facts as the log keeps them: text, true, false, null, lists and objects; never a number, never a secret.

    Amounts, counts, ids and moments become text. Raises TypeError for a float or anything else that has no one text.
    """
    return {
        _plain_text(name): HIDDEN if _is_secret(name, value) else _plain(value, depth + 1)
        for name, value in list(facts.items())[:ITEMS_MAX]
    }


def _is_secret(name: str, value: object) -> bool:
    return isinstance(value, str | bytes) and any(word in name.lower() for word in SECRET_WORDS)


def _plain(value: object, depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise TypeError(f"facts nested deeper than {DEPTH_MAX}")
    match value:
        case None | bool():
            return value
        case str():
            return _plain_text(value)
        case Decimal():
            return f"{value:f}"
        case int() | UUID():
            return str(value)
        case datetime():
            return moment(value)
        case Mapping():
            return plain_facts(value, depth)
        case AbstractSet():
            return sorted(_plain(item, depth + 1) for item in value)[:ITEMS_MAX]
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return [_plain(item, depth + 1) for item in value[:ITEMS_MAX]]
        case _:
            raise TypeError(f"the audit log has no form for {type(value).__name__}")


def _plain_text(text: str) -> str:
    """Text that PostgreSQL can keep: no half characters, no NUL, and an end."""
    whole = text.encode("utf-8", "replace").decode().replace("\0", "�")
    return whole if len(whole) <= TEXT_LENGTH_MAX else whole[: TEXT_LENGTH_MAX - 1] + "…"


def moment(time: datetime) -> str:
    """A moment in UTC with six decimals: 2026-06-01T12:00:00.000000Z."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical_json(value: Any) -> bytes:
    """The one form of a JSON value without numbers: RFC 8785 (members sorted, no spaces, shortest escapes, UTF-8)."""
    return json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value, key=_utf16)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def _utf16(name: str) -> bytes:
    return name.encode("utf-16-be", "surrogatepass")


def canonical_act(act: Act) -> bytes:
    """The bytes of an act. What is null is left out, so a column added later changes no hash of earlier acts."""
    members = {
        "id": str(act.id),
        "transaction_id": str(act.transaction_id),
        "created_at": moment(act.created_at),
        "actor_kind": act.actor_kind,
        "actor_id": None if act.actor_id is None else str(act.actor_id),
        "actor_role": act.actor_role,
        "action": act.action,
        "subject": act.subject,
        "address": act.address,
        "reason": act.reason,
        "details": act.details,
        "before": act.before,
        "after": act.after,
    }
    return canonical_json({name: value for name, value in members.items() if value is not None})


def seal_hash(sequence: int, act: Act, previous: bytes) -> bytes:
    """SHA-256 of three lines: the sequence in decimal, the act's canonical JSON, the previous hash in hex."""
    return hashlib.sha256(b"%d\n%s\n%s" % (sequence, canonical_act(act), previous.hex().encode())).digest()


def chain(acts: Sequence[Act], *, after: Seal | None) -> list[Seal]:
    """The seals of acts that follow each other, behind the last seal there is."""
    sequence, previous = (after.sequence, after.hash) if after else (0, NOTHING_BEFORE)
    seals = []
    for act in acts:
        sequence += 1
        previous = seal_hash(sequence, act, previous)
        seals.append(Seal(sequence=sequence, audit_id=act.id, hash=previous))
    return seals
