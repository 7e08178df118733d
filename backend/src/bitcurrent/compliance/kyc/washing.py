"""Runs the cleaning of uploaded files aside: one short program for each, few at once, with limits and an end."""

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from bitcurrent.compliance.kyc.model import BadDocument, CleanersBusy, MediaType

log = structlog.get_logger(__name__)

AT_ONCE: Final = 2
WAITING_MAX: Final = 10
"""Each that waits holds up to 10 MB."""
SECONDS_MAX: Final = 25.0
REFUSED: Final = 3
# -I: nothing of the environment or of the present folder is looked at.
COMMAND: Final = (sys.executable, "-I", "-m", "bitcurrent.compliance.kyc.cleaning")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CleanFile:
    """A harmless file, and what its original was by its hash."""

    media_type: MediaType
    pages: int
    sha256: bytes
    clean_sha256: bytes
    content: bytes


class _Made(msgspec.Struct):
    media_type: MediaType
    pages: int
    sha256: str
    clean_sha256: str


class _Why(msgspec.Struct):
    why: str
    message: str
    details: dict[str, str]


class Laundry:
    """Cleans files, some at a time."""

    def __init__(self) -> None:
        self._machines = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def clean(self, content: bytes) -> CleanFile:
        """A harmless file of this one; raises BadDocument, CleanersBusy."""
        if self._waiting >= WAITING_MAX:
            raise CleanersBusy
        self._waiting += 1
        try:
            async with self._machines:
                return await _run(content)
        finally:
            self._waiting -= 1


async def _run(content: bytes) -> CleanFile:
    program = await asyncio.create_subprocess_exec(
        *COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"MALLOC_ARENA_MAX": "2"},
    )
    try:
        async with asyncio.timeout(SECONDS_MAX):
            told, _ = await program.communicate(content)
    except TimeoutError:
        raise BadDocument("too_much", "This file takes longer to look at than any document should.") from None
    finally:
        if program.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            await program.wait()
    head, _, body = told.partition(b"\n")
    if program.returncode == REFUSED:
        refused = msgspec.json.decode(head, type=_Why)
        raise BadDocument(refused.why, refused.message, refused.details)
    if program.returncode != 0:
        # Killed by its limits, or by a fault in a decoder: the file is not one that we need to understand.
        log.warning("document_cleaner_ended", code=program.returncode, bytes=len(content))
        raise BadDocument("too_much", "This file unfolds into more than we can look at.")
    made = msgspec.json.decode(head, type=_Made)
    return CleanFile(
        media_type=made.media_type,
        pages=made.pages,
        sha256=bytes.fromhex(made.sha256),
        clean_sha256=bytes.fromhex(made.clean_sha256),
        content=body,
    )
