"""Lists: importing a version whole or not at all, and the names of those in force in this process's memory."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec
import structlog

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.compliance.screening import lists_repository as repository
from bitcurrent.compliance.screening.matching import NameIndex
from bitcurrent.compliance.screening.model import (
    BadList,
    Entry,
    Listed,
    ListedName,
    NoLists,
    SanctionsList,
    Source,
)
from bitcurrent.compliance.screening.ofac import read_ofac, shape_of
from bitcurrent.compliance.screening.scoring import is_company
from bitcurrent.compliance.screening.uk import read_uk
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import new_id

log = structlog.get_logger(__name__)

SHRINKS_TO_MIN: Final = 0.8
"""A version with fewer entries than this part of the one in force was cut, or is another file: only a person says."""
Key = tuple[Entry, ListedName]


@dataclass(frozen=True, slots=True)
class InMemory:
    """Listed names, and of which versions they are, by source."""

    versions: Mapping[Source, str]
    index: NameIndex[Key]


@dataclass(frozen=True, slots=True)
class Read:
    """A list read from files, whole and not imported yet."""

    source: Source
    sha256: str
    files: Mapping[str, str]
    listed: Sequence[Listed]

    @property
    def aliases(self) -> int:
        """How many names there are."""
        return sum(len(one.names) for one in self.listed)


def read_files(files: Mapping[str, bytes], source: Source | None = None) -> Read:
    """What files of a list hold; raises BadList and then nothing of them may be used.

    Three files of OFAC are told apart by their shape. One file is the UK's, or of its shape (a list made up for demos).
    """
    if not files:
        raise BadList("There is no file.", file="list")
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    whole = hashlib.sha256("".join(sorted(hashes.values())).encode()).hexdigest()
    kind = source or ("ofac" if len(files) > 1 else "uk")
    if kind == "ofac":
        shapes = {shape_of(data, file=name): data for name, data in files.items()}
        if set(shapes) != {"sdn", "alt", "add"} or len(files) != 3:
            raise BadList("OFAC's list is SDN.CSV, ALT.CSV and ADD.CSV together.", file=", ".join(files))
        listed = read_ofac(shapes["sdn"], shapes["alt"], shapes["add"])
    else:
        if len(files) != 1:
            raise BadList("This list is one file.", file=", ".join(files))
        listed = read_uk(next(iter(files.values())))
    return Read(kind, whole, hashes, listed)


async def import_list(
    connection: Connection,
    read: Read,
    *,
    imported_by: str,
    may_shrink: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[SanctionsList, bool]:
    """Put a list in force instead of its version before, in the open transaction; False when it is in force already.

    Everybody is compared with what is new in it by the worker. Raises BadList for one that lost too many entries.
    """
    await repository.lock_imports(connection)
    before = {one.source: one for one in await repository.in_force(connection)}.get(read.source)
    if before and before.sha256 == read.sha256:
        return before, False
    if before and not may_shrink and len(read.listed) < before.entries * SHRINKS_TO_MIN:
        raise BadList(
            f"It has {len(read.listed)} entries, the one in force {before.entries}: it was cut, or say that it may"
            " shrink.",
            file=", ".join(read.files),
        )
    standing = await repository.hashes_in_force(connection, read.source)
    digests = [(_digest(listed), listed) for listed in read.listed]
    new = [(digest, listed) for digest, listed in digests if _differs(standing, listed.key, digest)]
    kept = {listed.key for listed in read.listed} - {listed.key for _, listed in new}
    ended = [entry_id for key, (entry_id, _) in standing.items() if key not in kept]
    version = SanctionsList(
        id=new_id(),
        source=read.source,
        sha256=read.sha256,
        files=read.files,
        entries=len(read.listed),
        aliases=read.aliases,
        added=len(new),
        removed=len(ended),
        imported_at=now(),
        imported_by=imported_by[:100],
    )
    progress(
        f"{len(read.listed):,} entries with {read.aliases:,} names; {len(new):,} new or changed, {len(ended):,} gone"
    )
    await repository.insert_list(connection, version)
    await repository.end_entries(connection, version.id, ended)
    await repository.add_entries(connection, read.source, version.id, new)
    if new:
        await repository.ask_rescreening(connection, list_id=version.id, asked_by=None)
    await record(
        connection,
        actor_id=None,
        actor_kind=ActorKind.SYSTEM,
        action="sanctions.imported",
        subject=f"sanctions_list:{version.id}",
        details={"source": read.source, "sha256": read.sha256, "entries": version.entries, "by": imported_by[:100]},
    )
    crash_point("sanctions.imported")
    return next(one for one in await repository.in_force(connection) if one.id == version.id), True


def _differs(standing: Mapping[str, tuple[UUID, bytes]], key: str, digest: bytes) -> bool:
    return key not in standing or standing[key][1] != digest


def _digest(listed: Listed) -> bytes:
    return hashlib.sha256(msgspec.json.encode(listed)).digest()


def index_of(entries: Sequence[Entry]) -> NameIndex[Key]:
    """Names of persons and companies ready to be searched; ships and planes have none of interest here."""
    return NameIndex(
        ((entry, name), name.text, is_company(entry.listed))
        for entry in entries
        if entry.listed.kind in {"individual", "entity"}
        for name in entry.listed.names
    )


class ListsInMemory:
    """What is in force, read once for each version: some seconds of work aside for a real list."""

    def __init__(self) -> None:
        self._current: InMemory | None = None
        self._building = asyncio.Lock()

    async def current(self, connection: Connection) -> InMemory:
        """The names in force now; raises NoLists."""
        versions = {source: str(list_id) for source, list_id in (await repository.ids_in_force(connection)).items()}
        if not versions:
            raise NoLists
        async with self._building:
            if self._current is None or self._current.versions != versions:
                entries = await repository.entries_in_force(connection)
                index = await asyncio.to_thread(index_of, entries)
                self._current = InMemory(versions, index)
                log.info("sanctions_lists_read", names=len(index), versions=dict(versions))
            return self._current
