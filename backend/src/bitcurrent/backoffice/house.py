"""How the house does, asked of everything that it stands on; and its money, out of the books."""

import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

import asyncpg
import structlog
from redis.asyncio import Redis

from bitcurrent.audit.service import count_unsealed, newest_sealed_at
from bitcurrent.backoffice import house_schemas as schemas
from bitcurrent.compliance.cases.service import Cases
from bitcurrent.compliance.stops.service import Stops
from bitcurrent.funding.inbox.service import Inbox
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.money import EXACT
from bitcurrent.ledger import overview
from bitcurrent.ledger.overview import DayMove
from bitcurrent.market_data.service import MarketData
from bitcurrent.portfolio.service import snapshot
from bitcurrent.reconciliation.breaks import Breaks
from bitcurrent.trading import oversight
from bitcurrent.web import beat
from bitcurrent.web.amounts import Amount
from bitcurrent.web.problems import REDIS_ERRORS

log = structlog.get_logger(__name__)

PRICES_STALE_SECONDS: Final = 60
UNSEALED_MANY: Final = 10_000
DISK_FREE_LEAST: Final = 0.05
DEPOSITS: Final = ("deposit",)
WITHDRAWALS: Final = ("withdrawal",)
_DATABASE_TROUBLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Reads how everything does. `leader_key` is the advisory lock of the worker that leads."""

    database: Database
    redis: Redis
    market_data: MarketData
    inbox: Inbox
    breaks: Breaks
    cases: Cases
    stops: Stops
    leader_key: int

    async def health(self) -> schemas.HealthAnswer:
        """Everything at once; what does not answer is None, and named among the troubles."""
        troubles: list[str] = []
        known: dict[str, Any] = dict.fromkeys(
            (
                "postgresql", "schema_revision", "database_bytes", "orders_waiting", "venue_flagged",
                "venue_newest_event_at", "processor_events_waiting", "processor_events_troubled", "breaks_open",
                "break_oldest_seconds", "stops_standing", "audit_sealed_at", "audit_unsealed",
            )
        )  # fmt: skip
        known |= {"leader": False, "cases_open": {}}
        try:
            async with self.database.read() as connection:
                told = await self._ask_database(connection)
            known |= told
        except _DATABASE_TROUBLE as error:
            log.warning("health_without_database", cause=type(error).__name__)
            troubles.append("The database does not answer.")
        redis = await self._ask_redis()
        heard = await beat.hear(self.redis)
        disk = shutil.disk_usage("/")
        price_age = self._price_age()
        troubles += self._troubles(known, redis, price_age, free=disk.free, total=disk.total)
        return schemas.HealthAnswer(
            as_of=now(),
            well=not troubles,
            troubles=troubles,
            version=version("bitcurrent"),
            python=platform.python_version(),
            redis=redis,
            worker_at=heard.at if heard else None,
            worker=heard.gauges if heard else None,
            price_age_seconds=price_age,
            disk_free_bytes=disk.free,
            disk_total_bytes=disk.total,
            **known,
        )

    async def _ask_database(self, connection: Connection) -> dict[str, Any]:
        row = await connection.fetchrow(
            """
            SELECT current_setting('server_version') AS postgresql, pg_database_size(current_database()) AS bytes,
                (SELECT version_num FROM alembic_version) AS revision,
                EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                    AND classid::bigint = $1 AND objid::bigint = $2) AS leader
            """,
            self.leader_key >> 32,
            self.leader_key & 0xFFFF_FFFF,
        )
        assert row is not None  # without FROM there is always one
        venue = await oversight.venue_state(connection)
        waiting, troubled = await self.inbox.count_waiting(connection)
        breaks, oldest = await self.breaks.count(connection)
        return {
            "postgresql": row["postgresql"],
            "database_bytes": row["bytes"],
            "schema_revision": row["revision"],
            "leader": row["leader"],
            "orders_waiting": venue.accepted + venue.unknown + venue.canceling,
            "venue_flagged": venue.flagged,
            "venue_newest_event_at": venue.newest_event_at,
            "processor_events_waiting": waiting,
            "processor_events_troubled": troubled,
            "breaks_open": breaks,
            "break_oldest_seconds": oldest,
            "cases_open": await self.cases.count_standing(connection),
            "stops_standing": len(await self.stops.standing(connection)),
            "audit_sealed_at": await newest_sealed_at(connection),
            "audit_unsealed": await count_unsealed(connection),
        }

    async def _ask_redis(self) -> str | None:
        try:
            return str((await self.redis.info("server")).get("redis_version", "unknown"))
        except REDIS_ERRORS as error:
            log.warning("health_without_redis", cause=type(error).__name__)
            return None

    def _price_age(self) -> int | None:
        ages = [
            int(quote.age_seconds)
            for market in self.market_data.markets
            if (quote := self.market_data.find_quote(market.symbol))
        ]
        return min(ages) if ages else None

    def _troubles(
        self, known: dict[str, Any], redis: str | None, price_age: int | None, *, free: int, total: int
    ) -> Sequence[str]:
        unknown = known["postgresql"] is None
        found = {
            "Redis does not answer: money writes that must be counted are refused.": redis is None,
            "No worker leads: orders and payments wait.": not unknown and not known["leader"],
            "No prices come in.": price_age is None or price_age > PRICES_STALE_SECONDS,
            "Messages of the venue wait for a person.": bool(known["venue_flagged"]),
            "Webhooks of the card processor fail again and again.": bool(known["processor_events_troubled"]),
            "The books differ from the outside.": bool(known["breaks_open"]),
            "Something stands still by order.": bool(known["stops_standing"]),
            "The audit log is not sealed.": (known["audit_unsealed"] or 0) > UNSEALED_MANY,
            "The disk is nearly full.": free < total * DISK_FREE_LEAST,
        }
        return [words for words, is_so in found.items() if is_so]

    async def money(self, *, days: int) -> schemas.MoneyAnswer:
        """Out of the books, all of one moment."""
        async with snapshot(self.database) as connection:
            owed = await overview.owed_by_asset(connection)
            accounts = await overview.house_balances(connection)
            volumes = await oversight.volumes_by_day(connection, days=days)
            fees = await overview.fees_by_day(connection, days=days)
            deposits = await overview.customers_moved_by_day(connection, DEPOSITS, days=days)
            withdrawals = await overview.customers_moved_by_day(connection, WITHDRAWALS, days=days)
        return schemas.MoneyAnswer(
            as_of=now(),
            days=days,
            liabilities=[
                schemas.OwedAsset(
                    currency=one.currency,
                    available=Amount(one.available),
                    held=Amount(one.held),
                    total=Amount(EXACT.add(one.available, one.held)),
                    customers=one.customers,
                )
                for one in owed
            ],
            house=[
                schemas.HouseAccount(account=one.account, currency=one.currency, balance=Amount(one.balance))
                for one in accounts
            ],
            volume_by_day=[
                schemas.DayVolume(day=day, volume=Amount(volume), customers=customers)
                for day, volume, customers in volumes
            ],
            fees_by_day=[_day(one) for one in fees],
            deposits_by_day=[_day(one) for one in deposits],
            withdrawals_by_day=[_day(one) for one in withdrawals],
        )


def _day(move: DayMove) -> schemas.DayAmount:
    return schemas.DayAmount(day=move.day, currency=move.currency, amount=Amount(move.amount), count=move.count)
