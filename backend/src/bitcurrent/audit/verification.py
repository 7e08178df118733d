"""The proof of the log: every act is what was sealed, in its order, and the chain is the one whose heads were signed.

Everything is read in order in one snapshot, a thousand acts at a time, so that the size of the log does not matter.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bitcurrent.audit import repository
from bitcurrent.audit.heads import HeadForged, HeadUnreadable, read_head, read_lines
from bitcurrent.audit.model import NOTHING_BEFORE, Act, Head, Seal, moment, seal_hash
from bitcurrent.kernel.database import Connection

HEADS_AT_ONCE = 1_000


@dataclass(slots=True, kw_only=True)
class Check:
    """One question to the log: how many things were looked at, how many are wrong, and the first of those."""

    title: str
    subject: str
    checked: int = 0
    broken: int = 0
    first: str | None = None

    def complain(self, text: str, *, times: int = 1) -> None:
        """Count something that is wrong; the first is remembered."""
        self.broken += times
        self.first = self.first or text


@dataclass(slots=True, kw_only=True)
class Report:
    """What became of every check. `waiting` acts have no seal yet; `newest_head` is None without heads."""

    as_of: datetime
    sealed: int = 0
    waiting: int = 0
    newest_head: Head | None = None
    unreadable_lines: int = 0
    places: Check = field(default_factory=lambda: Check(title="The places follow each other from 1", subject="seals"))
    acts: Check = field(default_factory=lambda: Check(title="Every sealed act is still there", subject="seals"))
    hashes: Check = field(default_factory=lambda: Check(title="Every act is what was sealed", subject="acts"))
    order: Check = field(default_factory=lambda: Check(title="The acts stand in the order they came", subject="acts"))
    unsealed: Check = field(default_factory=lambda: Check(title="Nothing was put in behind the seals", subject="acts"))
    heads: Check = field(
        default_factory=lambda: Check(title="The chain is the one whose heads were signed", subject="heads")
    )

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks in the order in which they are told."""
        return (self.places, self.acts, self.hashes, self.order, self.unsealed, self.heads)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not any(check.broken for check in self.checks)

    @property
    def first_break(self) -> str | None:
        """The first thing that is wrong, in words."""
        return next((check.first for check in self.checks if check.first is not None), None)


@dataclass(frozen=True, slots=True)
class Heads:
    """Files of heads as far as they reached at a moment, and the public keys by their ids.

    Take them before the snapshot: a head signed later would speak of acts that the snapshot does not see.
    """

    files: tuple[tuple[Path, int], ...] = ()
    keys: Mapping[str, Ed25519PublicKey] = field(default_factory=dict)

    @classmethod
    def now(cls, paths: Iterable[Path], keys: Mapping[str, Ed25519PublicKey]) -> "Heads":
        """Take the files as they are now; raises OSError when one is not there."""
        return cls(tuple((path, path.stat().st_size) for path in paths), keys)


async def verify(connection: Connection, heads: Heads) -> Report:
    """Check the whole log in one snapshot, changing nothing. The connection must have no transaction open."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        report = Report(as_of=await connection.fetchval("SELECT now()"))
        position = await _follow_chain(connection, report)
        await _look_behind(connection, report, position)
        for path, size in heads.files:
            await _compare_heads(connection, report, heads.keys, path, size)
    return report


async def _follow_chain(connection: Connection, report: Report) -> tuple[int, int]:
    """Recompute every hash; gives the furthest (transaction, id) that has a seal."""
    expected, previous, position = 1, NOTHING_BEFORE, (0, 0)
    async for seal, act in repository.stream_chain(connection):
        report.places.checked += 1
        report.acts.checked += 1
        if seal.sequence != expected:
            report.places.complain(f"place {expected} is missing: after {expected - 1} comes {seal.sequence}")
        if act is None:
            report.acts.complain(f"act {seal.audit_id} at place {seal.sequence} was deleted")
        else:
            _check_act(report, seal, act, previous, position)
            position = max(position, (act.transaction_id, act.id))
        # With the stored hash, so that one edited act is one break and not all that follow.
        expected, previous = seal.sequence + 1, seal.hash
    report.sealed = report.places.checked
    return position


def _check_act(report: Report, seal: Seal, act: Act, previous: bytes, position: tuple[int, int]) -> None:
    report.hashes.checked += 1
    report.order.checked += 1
    if seal_hash(seal.sequence, act, previous) != seal.hash:
        report.hashes.complain(
            f"act {act.id} at place {seal.sequence} ({act.action} on {act.subject}, {moment(act.created_at)})"
            " is not what was sealed there, or the place before it is not"
        )
    if (act.transaction_id, act.id) <= position:
        report.order.complain(f"act {act.id} at place {seal.sequence} belongs before the act at the place before it")


async def _look_behind(connection: Connection, report: Report, position: tuple[int, int]) -> None:
    waiting, slipped, first = await repository.count_acts_without_seal(connection, up_to=position)
    report.waiting = waiting
    report.unsealed.checked = report.sealed + waiting + slipped
    if slipped:
        report.unsealed.complain(f"act {first} has no seal, but acts that came after it have one", times=slipped)


async def _compare_heads(
    connection: Connection, report: Report, keys: Mapping[str, Ed25519PublicKey], path: Path, size: int
) -> None:
    lines = read_lines(path, up_to_bytes=size)
    while batch := list(islice(lines, HEADS_AT_ONCE)):
        found = [(number, head) for number, line in batch if (head := _read(report, keys, path, number, line))]
        hashes = await repository.read_hashes(connection, sorted({head.sequence for _, head in found}))
        for number, head in found:
            _check_head(report, f"{path.name}:{number}", head, hashes)


def _read(report: Report, keys: Mapping[str, Ed25519PublicKey], path: Path, number: int, line: bytes) -> Head | None:
    try:
        head = read_head(line, keys)
    except HeadUnreadable:
        report.unreadable_lines += 1
        return None
    except HeadForged as forged:
        report.heads.checked += 1
        report.heads.complain(f"the head at {path.name}:{number} is not ours: {forged}")
        return None
    report.heads.checked += 1
    return head


def _check_head(report: Report, where: str, head: Head, hashes: Mapping[int, bytes]) -> None:
    if report.newest_head is None or head.time > report.newest_head.time:
        report.newest_head = head
    stored = NOTHING_BEFORE if head.sequence == 0 else hashes.get(head.sequence)
    told = f"the head at {where}, signed {moment(head.time)},"
    if stored is None:
        report.heads.complain(
            f"{told} saw {head.sequence} sealed acts; the chain has {report.sealed}: some were cut off"
        )
    elif stored != head.hash:
        report.heads.complain(f"{told} saw another hash at place {head.sequence}: the chain was written anew")
    elif head.count != head.sequence:
        report.heads.complain(f"{told} counted {head.count} seals up to place {head.sequence}")
