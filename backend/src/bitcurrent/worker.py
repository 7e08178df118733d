"""The worker: the one process that talks to the venue for everybody, and does the daily chores.

Any number may run; one leads and the others stand by, ready to take over within seconds.
"""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from typing import Any, Final

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from bitcurrent.audit.tasks import AuditKeeper
from bitcurrent.chores import HOURLY, Chore, chores_of
from bitcurrent.compliance.breakers.tasks import CircuitBreaker
from bitcurrent.compliance.kyc.tasks import IdentityKeeper
from bitcurrent.compliance.monitoring.tasks import Watcher
from bitcurrent.compliance.screening.tasks import Screener
from bitcurrent.funding.addresses.tasks import Teller
from bitcurrent.funding.deposits.tasks import DepositKeeper
from bitcurrent.funding.inbox.tasks import InboxKeeper
from bitcurrent.funding.reversals.tasks import ReversalKeeper
from bitcurrent.funding.withdrawals.tasks import Paymaster
from bitcurrent.integrations.alpaca.adapter import AlpacaVenue
from bitcurrent.integrations.smtp.adapter import SmtpCarrier
from bitcurrent.kernel.leader import LEADER_KEY, Leadership
from bitcurrent.kernel.logs import configure_logs
from bitcurrent.kernel.tasks import stop
from bitcurrent.market_data.feed import PriceFeed
from bitcurrent.notifications.tasks import Postman, Texter
from bitcurrent.portfolio.exports.tasks import Scribe
from bitcurrent.reconciliation.tasks import Reconciliation
from bitcurrent.settings import Settings
from bitcurrent.trading.tasks.desk import DATABASE_TROUBLE, Desk, Pace
from bitcurrent.trading.tasks.work import count_backlog, run_desk
from bitcurrent.web import beat
from bitcurrent.web.window import WorkerMetrics, window
from bitcurrent.wiring import Brokerage, checks_for, looks_of, open_brokerage

log = structlog.get_logger(__name__)

STOP_SECONDS: Final = 2.8
BACKLOG_SECONDS: Final = 5.0
FEED_PAUSE_SECONDS: Final = 5.0
DATABASE_ANSWERS_SECONDS: Final = 1.0


def run(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT."""
    configure_logs(settings.log_level)
    uvloop.run(_main(settings))


async def _main(settings: Settings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with open_brokerage(settings) as brokerage:
        await Worker(brokerage, stopping).work()


class Worker:
    """One worker process: stands by or leads until `stopping`."""

    def __init__(
        self,
        brokerage: Brokerage,
        stopping: asyncio.Event,
        *,
        pace: Pace | None = None,
        venue: type[AlpacaVenue] = AlpacaVenue,
    ) -> None:
        settings = brokerage.settings
        self._venue_kind = venue
        self._brokerage = brokerage
        self._stopping = stopping
        self._pace = pace or Pace(missing=settings.venue_missing_seconds, heal=settings.venue_heal_seconds)
        self._leadership = Leadership(settings.database_url, LEADER_KEY)
        self._counts: Counter[str] = Counter()
        self._backlog: Counter[str] = Counter()
        self._audit = AuditKeeper.of(settings, brokerage.database, self._counts)
        self._books = Reconciliation(brokerage.database, brokerage.breaks, self._counts, pace=looks_of(settings))
        carrier = SmtpCarrier.of(settings.smtp_url, settings.mail_from)
        self._postman = Postman(brokerage.database, brokerage.letters.mails, carrier, self._counts)
        self._texter = Texter(brokerage.database, brokerage.letters.texts, brokerage.text_carrier, self._counts)
        self._inbox = InboxKeeper(brokerage.database, brokerage.inbox, self._counts)
        self._deposits = DepositKeeper(
            database=brokerage.database,
            deposits=brokerage.deposits,
            bonuses=brokerage.bonuses,
            letters=brokerage.letters,
            counts=self._counts,
        )
        self._paymaster = Paymaster(
            database=brokerage.database,
            rails=brokerage.rails,
            changes=brokerage.withdrawals.changes,
            deciding=brokerage.deciding,
            counts=self._counts,
        )
        self._teller = Teller(
            database=brokerage.database,
            vault=brokerage.identity.vault,
            wallets=brokerage.wallets,
            counts=self._counts,
        )
        self._reversals = ReversalKeeper(
            brokerage.database, brokerage.processor, brokerage.reversals, counts=self._counts
        )
        self._identities = IdentityKeeper(
            database=brokerage.database,
            asking=brokerage.identity_asking,
            lasting=brokerage.kyc_lasting,
            counts=self._counts,
        )
        self._watcher = Watcher(brokerage.monitoring, self._counts)
        self._breaker = CircuitBreaker(
            database=brokerage.database,
            market_data=brokerage.market_data,
            stops=brokerage.stops,
            counts=self._counts,
        )
        self._screener = Screener(brokerage.database, brokerage.screenings, self._counts)
        self._desk: Desk | None = None
        self._venue: AlpacaVenue | None = None

    async def work(self) -> None:
        """Stand by or lead until stopping; what is on its way to the venue may still record its answer."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(WorkerMetrics(self._gauges, lambda: dict(self._counts)))
        async with window(self._brokerage.settings.worker_port, self._state, registry):
            leading = asyncio.create_task(self._leadership.lead(self._lead, self._stopping))
            told = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait({leading, told}, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait({leading}, timeout=STOP_SECONDS)
            finally:
                await stop(leading, told)
            if leading.done() and not leading.cancelled() and (error := leading.exception()):
                raise error

    async def _lead(self) -> None:
        """Everything that exactly one worker does. Cancelled when the lead is lost."""
        brokerage = self._brokerage
        async with self._venue_kind.connect(brokerage.settings) as venue:
            desk = Desk(
                database=brokerage.database,
                venue=venue,
                redis=brokerage.redis,
                pace=self._pace,
                stopping=self._stopping,
                counts=self._counts,
            )
            self._desk, self._venue = desk, venue
            aside = [
                asyncio.create_task(self._feed_prices()),
                *(asyncio.create_task(chore.keep_doing()) for chore in self._chores()),
                asyncio.create_task(self._count_backlog()),
                asyncio.create_task(self._audit.keep()),
                asyncio.create_task(self._books.keep(checks_for(brokerage, venue))),
                asyncio.create_task(self._postman.run()),
                asyncio.create_task(self._paymaster.run()),
                *self._demo_tasks(),
                *([asyncio.create_task(self._breaker.run())] if brokerage.settings.circuit_breaker else []),
                asyncio.create_task(self._teller.run()),
                asyncio.create_task(Scribe(brokerage.database, brokerage.letters, self._counts).run()),
                asyncio.create_task(self._inbox.run()),
                asyncio.create_task(self._identities.run()),
                asyncio.create_task(self._deposits.run()),
                asyncio.create_task(self._reversals.run()),
                asyncio.create_task(self._texter.run()),
                asyncio.create_task(self._screener.run()),
                asyncio.create_task(self._watcher.run()),
            ]
            try:
                await run_desk(desk)
            finally:
                self._desk = self._venue = None
                await stop(*aside)

    def _demo_tasks(self) -> "list[asyncio.Task[None]]":
        """What plays a part of the outside world, where the settings (never production's) want it."""
        if not self._brokerage.settings.demo_bank:
            return []
        from bitcurrent.funding.payouts.demo_bank import DemoBank

        bank = DemoBank(database=self._brokerage.database, payouts=self._brokerage.payouts, counts=self._counts)
        return [asyncio.create_task(bank.run())]

    async def _feed_prices(self) -> None:
        """Prices for all processes. A fault there is loud, and leaves orders alone."""
        while True:
            feed = PriceFeed(
                source=self._brokerage.market_source,
                redis=self._brokerage.redis,
                market_data=self._brokerage.market_data,
            )
            try:
                await feed.run()
            except Exception:
                log.exception("price_feed_failed")
                self._counts["price_feed_failed"] += 1
            await asyncio.sleep(FEED_PAUSE_SECONDS)

    def _chores(self) -> list[Chore]:
        return [
            *chores_of(self._brokerage, self._counts),
            Chore("purge letters", HOURLY, self._postman.purge),
            Chore("purge webhooks", HOURLY, self._inbox.purge),
        ]

    async def _count_backlog(self) -> None:
        while True:
            with contextlib.suppress(*DATABASE_TROUBLE):  # the loops that need it say so
                self._backlog = Counter(await count_backlog(self._brokerage.database))
            await beat.tell(self._brokerage.redis, self._gauges())
            await asyncio.sleep(BACKLOG_SECONDS)

    async def _state(self) -> dict[str, Any]:
        """Ready means: the database answers, so this worker leads or could take over."""
        try:
            async with asyncio.timeout(DATABASE_ANSWERS_SECONDS), self._brokerage.database.read() as connection:
                database = await connection.fetchval("SELECT true")
        except DATABASE_TROUBLE:
            database = False
        return {
            "ready": bool(database) and not self._stopping.is_set(),
            "database": bool(database),
            "leader": self._leadership.leading,
            "stream_age_seconds": self._stream_age(),
        }

    def _stream_age(self) -> float | None:
        heard = self._desk.stream_heard_at if self._desk else None
        return None if heard is None else round(time.monotonic() - heard, 3)

    def _gauges(self) -> dict[str, tuple[str, float]]:
        budget = self._venue.budget if self._venue else None
        age = self._stream_age()
        head_age = self._audit.head_age_seconds
        return {
            "leader": ("1 when this worker leads.", int(self._leadership.leading)),
            "stream_age_seconds": (
                "Since the venue's order stream last said anything; -1 when never.",
                -1 if age is None else age,
            ),
            "orders_accepted": ("Orders that wait to be sent.", self._backlog["accepted"]),
            "orders_unknown": ("Orders whose outcome only the venue knows.", self._backlog["unknown"]),
            "orders_canceling": ("Orders with a cancel that has no end yet.", self._backlog["canceling"]),
            "updates_flagged": ("Messages of the venue that wait for a person.", self._backlog["flagged"]),
            **self._paymaster.gauges(),
            **self._screener.gauges(),
            **self._watcher.gauges(),
            "addresses_waiting": ("Addresses that the venue was not told of so far.", self._teller.waiting),
            "mails_waiting": ("Letters that have not been sent yet.", self._postman.waiting),
            "mails_dead": ("Letters of the last week that could not be sent and are given up.", self._postman.dead),
            "texts_waiting": ("Texts that have not been sent yet.", self._texter.waiting),
            "texts_dead": ("Texts of the last week that could not be sent and are given up.", self._texter.dead),
            "processor_events_waiting": ("Webhooks that are kept and not applied so far.", self._inbox.waiting),
            "processor_events_troubled": ("Those of them that failed again and again.", self._inbox.troubled),
            "kyc_waiting": ("Submissions to be verified that wait for people.", self._identities.waiting_for_people),
            "kyc_asked": (
                "Submissions to be verified that wait for the provider.",
                self._identities.waiting_for_provider,
            ),
            "deposits_waiting": ("Deposits that the poll looks after.", self._deposits.waiting),
            "deposits_flagged": ("Deposits that need a person.", self._deposits.problems),
            "refunds_open": ("Refunds that the processor does not have so far.", self._reversals.open),
            "refunds_unknown": ("Those of them whose outcome nobody knows.", self._reversals.unknown),
            "reversals_troubled": ("Refunds and disputes that could not be looked up.", self._reversals.troubled),
            "orders_in_flight": ("Orders being sent now.", len(self._desk.in_flight) if self._desk else 0),
            "venue_requests_waiting": ("Requests that wait for the venue's budget.", budget.waiting if budget else 0),
            "audit_unsealed": ("Acts in the audit log that wait for their place in the chain.", self._audit.unsealed),
            "audit_head_age_seconds": (
                "Since the last signed head of the audit log left; -1 when none has from here.",
                -1 if head_age is None else head_age,
            ),
            "venue_requests_left": ("Orders that could be sent at once.", budget.room() if budget else 0),
            **self._books.gauges(),
        }
