"""How the house does, and its money at a glance, for operators."""

from datetime import datetime

from bitcurrent.web.amounts import Amount
from bitcurrent.web.schemas import Answer


class HealthAnswer(Answer, frozen=True, kw_only=True):
    """How everything does. `worker` is what the leading worker measured; null when none has told for a minute."""

    as_of: datetime
    well: bool
    troubles: list[str]
    version: str
    python: str
    postgresql: str | None
    schema_revision: str | None
    database_bytes: int | None
    redis: str | None
    leader: bool
    worker_at: datetime | None
    worker: dict[str, str] | None
    price_age_seconds: int | None
    orders_waiting: int | None
    venue_flagged: int | None
    venue_newest_event_at: datetime | None
    processor_events_waiting: int | None
    processor_events_troubled: int | None
    breaks_open: int | None
    break_oldest_seconds: int | None
    cases_open: dict[str, int]
    stops_standing: int | None
    audit_sealed_at: datetime | None
    audit_unsealed: int | None
    disk_free_bytes: int
    disk_total_bytes: int


class OwedAsset(Answer, frozen=True, kw_only=True):
    """What all customers together have of an asset."""

    currency: str
    available: Amount
    held: Amount
    total: Amount
    customers: int


class HouseAccount(Answer, frozen=True, kw_only=True):
    """What a house account says; what lies outside is below zero."""

    account: str
    currency: str
    balance: Amount


class DayAmount(Answer, frozen=True, kw_only=True):
    """What moved on a day (UTC), of one asset, by so many journals."""

    day: str
    currency: str
    amount: Amount
    count: int


class DayVolume(Answer, frozen=True, kw_only=True):
    """What was traded on a day (UTC), in USD, and by how many customers."""

    day: str
    volume: Amount
    customers: int


class MoneyAnswer(Answer, frozen=True, kw_only=True):
    """The money at a glance. Days without anything are left out."""

    as_of: datetime
    days: int
    liabilities: list[OwedAsset]
    house: list[HouseAccount]
    volume_by_day: list[DayVolume]
    fees_by_day: list[DayAmount]
    deposits_by_day: list[DayAmount]
    withdrawals_by_day: list[DayAmount]
