"""A note as a value."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bitcurrent.kernel.ids import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What somebody wrote about a customer. `text` is None once it was erased."""

    id: UUID
    user_id: UserId
    author: UserId
    created_at: datetime
    text: str | None
