"""A proof of the whole log, as a value."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One proof of the whole log: asked for, begun, and what it found. `holds` is None until it is finished."""

    id: UUID
    asked_by: UUID | None
    asked_at: datetime
    started_at: datetime | None
    attempts: int
    finished_at: datetime | None
    holds: bool | None
    sealed: int | None
    waiting: int | None
    first_break: str | None
    trouble: str | None
