"""All the SQL of campaigns and bonuses."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from bitcurrent.funding.bonuses.model import Bonus, BonusState, Campaign, CampaignState, Rules
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.ids import UserId, new_id

_RULES = (
    "code", "title", "currency", "starts_at", "ends_at", "minimum", "amount", "percent", "cap", "first_deposit_only",
    "once_per_customer", "release_days", "release_volume",
)  # fmt: skip
_RULE_COLUMNS = ", ".join(_RULES)
_RULE_VALUES = ", ".join(f"${number}" for number in range(3, 3 + len(_RULES)))
_CAMPAIGN = f"id, version, state, created_by, created_at, activated_at, ended_at, {_RULE_COLUMNS}"
_BONUS = (
    "id, campaign_id, user_id, deposit_id, currency, amount, state, earned_at, release_at, release_volume, ended_at,"
    " reason"
)


async def insert_campaign(connection: Connection, rules: Rules, created_by: UserId) -> Campaign:
    """A new version of a campaign, as a draft."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('bonus_campaigns'))")
    row = await connection.fetchrow(
        # nosemgrep: formatted-sql  words of this module, nobody's input
        f"""
        INSERT INTO bonus_campaigns (id, created_by, version, {_RULE_COLUMNS})
        VALUES ($1, $2, (SELECT coalesce(max(version), 0) + 1 FROM bonus_campaigns WHERE code = $3),
            {_RULE_VALUES})
        RETURNING {_CAMPAIGN}
        """,
        new_id(),
        created_by,
        *(getattr(rules, name) for name in _RULES),
    )
    return _campaign(row)


async def read_campaign(connection: Connection, campaign_id: UUID, *, lock: bool = False) -> Campaign | None:
    """One version of a campaign."""
    if lock:
        await connection.execute("SELECT FROM bonus_campaigns WHERE id = $1 FOR UPDATE", campaign_id)
    row = await connection.fetchrow(f"SELECT {_CAMPAIGN} FROM bonus_campaigns WHERE id = $1", campaign_id)
    return _campaign(row) if row else None


async def list_campaigns(
    connection: Connection, *, state: CampaignState | None, before: UUID | None, limit: int
) -> list[Campaign]:
    """Campaigns, the newest version first."""
    rows = await connection.fetch(
        f"""
        SELECT {_CAMPAIGN} FROM bonus_campaigns
        WHERE ($1::text IS NULL OR state = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,
        state,
        before,
        limit,
    )
    return [_campaign(row) for row in rows]


async def active_campaigns(connection: Connection) -> list[Campaign]:
    """Campaigns that give now."""
    rows = await connection.fetch(
        f"""
        SELECT {_CAMPAIGN} FROM bonus_campaigns WHERE state = 'active' AND starts_at <= now() AND ends_at > now()
        ORDER BY code
        """
    )
    return [_campaign(row) for row in rows]


async def activate(connection: Connection, campaign: Campaign) -> None:
    """It gives from now on, instead of the version before it."""
    await connection.execute(
        "UPDATE bonus_campaigns SET state = 'ended', ended_at = now() WHERE code = $1 AND state = 'active'",
        campaign.rules.code,
    )
    await connection.execute(
        "UPDATE bonus_campaigns SET state = 'active', activated_at = now() WHERE id = $1", campaign.id
    )


async def insert_bonus(
    connection: Connection,
    campaign: Campaign,
    *,
    user_id: UserId,
    deposit_id: UUID,
    amount: Decimal,
    release_at: datetime | None,
) -> Bonus | None:
    """What a deposit earned; None when the customer has had it before, or the deposit earned it already."""
    rules = campaign.rules
    row = await connection.fetchrow(
        f"""
        INSERT INTO bonuses (id, campaign_id, code, once, user_id, deposit_id, currency, amount, release_at,
            release_volume)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING {_BONUS}
        """,
        new_id(),
        campaign.id,
        rules.code,
        rules.once_per_customer,
        user_id,
        deposit_id,
        rules.currency,
        amount,
        release_at,
        rules.release_volume,
    )
    return _bonus(row) if row else None


async def lock_bonus(connection: Connection, bonus_id: UUID) -> Bonus | None:
    """A bonus that is still held; nobody else moves it until the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_BONUS} FROM bonuses WHERE id = $1 AND state = 'earned' FOR UPDATE", bonus_id
    )
    return _bonus(row) if row else None


async def end_bonus(connection: Connection, bonus_id: UUID, state: BonusState, reason: str) -> None:
    """It is released, or forfeited."""
    await connection.execute(
        "UPDATE bonuses SET state = $2, reason = $3, ended_at = now() WHERE id = $1", bonus_id, state, reason
    )


async def earned_of(connection: Connection, user_id: UserId) -> list[Bonus]:
    """What a customer has earned and not got so far."""
    rows = await connection.fetch(
        f"SELECT {_BONUS} FROM bonuses WHERE user_id = $1 AND state = 'earned' ORDER BY id", user_id
    )
    return [_bonus(row) for row in rows]


async def list_bonuses(
    connection: Connection, *, user_id: UserId | None, before: UUID | None, limit: int
) -> list[Bonus]:
    """Bonuses, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_BONUS} FROM bonuses
        WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
        """,
        user_id,
        before,
        limit,
    )
    return [_bonus(row) for row in rows]


async def claim_earned(connection: Connection, *, limit: int, pause: timedelta) -> list[Bonus]:
    """Bonuses that are to be looked at; nobody else gets them until the pause is over."""
    rows = await connection.fetch(
        f"""
        WITH due AS (
            SELECT id AS due_id FROM bonuses WHERE state = 'earned' AND look_at <= now()
            ORDER BY look_at LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        UPDATE bonuses SET look_at = now() + $2 FROM due WHERE id = due_id RETURNING {_BONUS}
        """,
        limit,
        pause,
    )
    return [_bonus(row) for row in rows]


async def deposit_stands(connection: Connection, deposit_id: UUID) -> bool:
    """Whether the deposit that earned it is neither refunded nor disputed."""
    found = await connection.fetchval(
        """
        SELECT d.state IN ('paid', 'won') AND coalesce(l.refunded + l.disputed = 0 AND NOT l.blocked, true)
        FROM deposits d LEFT JOIN lots l ON l.id = d.id WHERE d.id = $1
        """,
        deposit_id,
    )
    return bool(found)


async def money_left(connection: Connection, user_id: UserId, since: datetime) -> bool:
    """Whether a customer's money has left, or is on its way out, since a moment: once it is confirmed."""
    found = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM withdrawals WHERE user_id = $1 AND created_at >= $2
            AND state NOT IN ('requested', 'failed', 'returned', 'refused', 'canceled', 'expired'))
        """,
        user_id,
        since,
    )
    return bool(found)


def _campaign(row: Any) -> Campaign:
    values = dict(row)
    rules = Rules(**{name: values.pop(name) for name in _RULES})
    return Campaign(rules=rules, **values)


def _bonus(row: Any) -> Bonus:
    return Bonus(**dict(row))
