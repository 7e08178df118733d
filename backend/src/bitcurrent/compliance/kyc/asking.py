"""Asking the provider: what was sent in is started there once, looked up until it is decided, or given to people.

A webhook is a hint that there is something to look up: what counts is what the provider then answers, so that neither
their order nor a lost one matters.
"""

from datetime import timedelta
from typing import Final

import structlog

from bitcurrent.compliance.kyc import repository
from bitcurrent.compliance.kyc.deciding import Reviews
from bitcurrent.compliance.kyc.links import DocumentLinks
from bitcurrent.compliance.kyc.model import Submission
from bitcurrent.compliance.kyc.ports import (
    Applicant,
    Check,
    IdentityCheck,
    IdentityEvent,
    IdentityRefused,
    IdentityTrouble,
)
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection, Database

log = structlog.get_logger(__name__)

BATCH: Final = 5
LEASE: Final = timedelta(minutes=2)
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=10)
PATIENCE: Final = timedelta(hours=24)
"""After so long without a decision people decide."""
FINAL: Final = frozenset({"approved", "rejected", "needs_more", "unsure"})


class Asking:
    """Carries submissions to the provider and its answers back."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        provider: IdentityCheck,
        reviews: Reviews,
        links: DocumentLinks,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._database = database
        self._vault = vault
        self._provider = provider
        self._reviews = reviews
        self._links = links
        self._patience = patience

    @property
    def provider(self) -> IdentityCheck:
        """Who proves that a webhook is the provider's."""
        return self._provider

    async def hint(self, connection: Connection, event: IdentityEvent) -> bool:
        """Keep a webhook, and look its check up at once; False for a known one."""
        fresh = await repository.insert_event(
            connection,
            event_id=event.id,
            check_id=event.check_id,
            reference=event.reference,
            created_at=event.created_at,
        )
        if fresh:
            await repository.look_again(connection, event.reference, look_in=timedelta())
        return fresh

    async def round(self) -> int:
        """Everything that is due, once; how many there were."""
        async with self._database.transaction() as connection:
            due = await repository.claim_due(connection, limit=BATCH, lease=LEASE)
        for submission in due:
            await self._ask(submission)
        return len(due)

    async def count_waiting(self, connection: Connection) -> tuple[int, int]:
        """How many submissions wait for people, and how many for the provider."""
        return await repository.count_waiting(connection)

    async def _ask(self, submission: Submission) -> None:
        try:
            check = await self._find_or_start(submission)
        except IdentityRefused as error:
            log.warning("identity_check_refused", submission=str(submission.id), error=str(error)[:200])
            await self._give_up(submission)
            return
        except IdentityTrouble as error:
            log.warning("identity_check_unanswered", submission=str(submission.id), error=str(error)[:200])
            check = None
        if check is not None:
            crash_point("kyc.checked")
            await self._record(submission, check)
        if check is None or check.status not in FINAL:
            await self._wait_or_give_up(submission)

    async def _find_or_start(self, submission: Submission) -> Check:
        """Whoever died after starting a check finds it by our reference; it is never started a second time."""
        found = await self._provider.find(submission.id)
        if found is not None and found.status != "waiting":
            return found
        async with self._database.read() as connection:
            claims = await repository.read_claims(connection, self._vault, submission.id)
            documents = await self._links.evidence(connection, submission.id)
        if claims.profile is None or claims.declaration is None:
            raise IdentityRefused("the customer's data were erased")
        applicant = Applicant(
            reference=submission.id,
            level=submission.level,
            nationality=claims.declaration.nationality,
            profile=claims.profile,
        )
        check = await self._provider.start(applicant, documents)
        crash_point("kyc.check_started")
        return check

    async def _record(self, submission: Submission, check: Check) -> None:
        pause = pause_after(submission.attempts)

        async def work(connection: Connection) -> None:
            await repository.mark_checking(connection, submission.id, check.id, look_in=pause)
            if check.status in FINAL:
                await self._reviews.apply(connection, submission.id, check)

        await self._database.in_transaction(work)

    async def _wait_or_give_up(self, submission: Submission) -> None:
        if submission.submitted_at is not None and now() - submission.submitted_at > self._patience:
            await self._give_up(submission)
            return
        async with self._database.transaction() as connection:
            await repository.look_again(connection, submission.id, look_in=pause_after(submission.attempts))

    async def _give_up(self, submission: Submission) -> None:
        async def work(connection: Connection) -> None:
            await self._reviews.give_up(connection, submission)

        await self._database.in_transaction(work)


def pause_after(attempts: int) -> timedelta:
    """Longer after each vain look: 5 s, 10 s, … 10 minutes."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << min(max(attempts - 1, 0), 10)))


async def purge_events(connection: Connection, *, days: int = 90, limit: int = 1_000) -> int:
    """Forget old webhooks; how many went."""
    return await repository.purge_events(connection, days=days, limit=limit)
