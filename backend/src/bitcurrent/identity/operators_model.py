"""An operator as a value."""

from dataclasses import dataclass
from datetime import datetime

from bitcurrent.identity.model import Role, Status
from bitcurrent.kernel.ids import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Somebody who looks after other people's accounts."""

    id: UserId
    created_at: datetime
    email: str
    display_name: str
    role: Role
    status: Status
    is_customer: bool
    last_seen_at: datetime | None
