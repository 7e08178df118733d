"""The worker's part of the address book: the venue is told of addresses, asked whether it sends there, and told off.

Every address is claimed in one transaction, the venue is asked with none open, and its word recorded in another. Who
dies in between leaves an intent (`telling`) that the venue's own list answers: telling it twice has one effect.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from bitcurrent.funding.addresses import repository
from bitcurrent.funding.addresses.model import DestinationState, Told
from bitcurrent.funding.addresses.networks import NETWORKS, Network, chain_of, same_address
from bitcurrent.funding.ports import AllowedAddress, NotSent, OutcomeUnknown, RefusedOutside, Wallets
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Database
from bitcurrent.kernel.errors import Unavailable

log = structlog.get_logger(__name__)

BATCH: Final = 20
LEASE: Final = timedelta(seconds=60)
LOOK_SECONDS: Final = 5.0
SOON: Final = timedelta(seconds=5)
PENDING_EVERY: Final = timedelta(minutes=5)
APPROVED_EVERY: Final = timedelta(hours=1)
PAUSE_MAX: Final = timedelta(minutes=10)
REASON_MAX: Final = 300
TROUBLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, Unavailable)
S = DestinationState


class Teller:
    """Keeps the venue's list of addresses as our customers' books want it."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        wallets: Wallets,
        counts: Counter[str],
        look_seconds: float = LOOK_SECONDS,
        pending_every: timedelta = PENDING_EVERY,
    ) -> None:
        self._database = database
        self._vault = vault
        self._wallets = wallets
        self._counts = counts
        self._look_seconds = look_seconds
        self._pending_every = pending_every
        self.waiting = 0

    async def run(self) -> None:
        """Work until cancelled. A fault is loud, counted, and not the end."""
        while True:
            try:
                done = await self.round()
                async with self._database.read() as connection:
                    self.waiting, _ = await repository.count_waiting(connection)
            except TROUBLE as error:
                log.warning("addresses_wait", error=f"{type(error).__name__}: {error}"[:200])
                done = 0
            except Exception:
                log.exception("addresses_failed")
                self._counts["addresses_failed"] += 1
                done = 0
            if not done:
                await asyncio.sleep(self._look_seconds)

    async def round(self) -> int:
        """Every address whose time has come, once; how many were looked at."""
        async with self._database.transaction() as connection:
            due = await repository.claim_destinations(connection, self._vault, limit=BATCH, lease=LEASE)
        if not due:
            return 0
        try:
            listed = await self._wallets.allowed_addresses()
        except (NotSent, RefusedOutside) as error:
            log.warning("addresses_not_listed", error=str(error)[:200])
            self._counts["addresses_unanswered"] += 1
            return 0  # the lease ends in a minute
        for told in due:
            await self._look_at(told, _find(listed, told))
        return len(due)

    async def _look_at(self, told: Told, there: AllowedAddress | None) -> None:
        match told.state:
            case S.WAITING if not told.used and there is None:
                await self._move(told, S.REMOVED)
            case S.WAITING:
                await self._tell(told, there)
            case S.TELLING:
                await self._answered(told, there)
            case S.PENDING | S.APPROVED if not told.used:
                await self._forget(told, there)
            case S.PENDING | S.APPROVED:
                await self._compare(told, there)
            case S.REMOVING:
                await self._remove(told, there)
            case S.REFUSED | S.REMOVED:
                log.error("address_claimed_after_its_end", destination=str(told.id))

    async def _tell(self, told: Told, there: AllowedAddress | None) -> None:
        """Commit the intent, then tell the venue."""
        if not await self._move(told, S.TELLING):
            return
        crash_point("address.telling")
        network = NETWORKS[told.network]
        try:
            if there is None:
                own = await self._wallets.own_address(asset=told.asset, chain=chain_of(network))
                if same_address(own, told.address):
                    await self._move(told, S.REFUSED, before=S.TELLING, reason="It is our own deposit address.")
                    return
                there = await self._wallets.allow_address(
                    asset=told.asset, chain=chain_of(network), address=told.address
                )
        except NotSent as error:
            log.warning("address_not_told", destination=str(told.id), error=str(error)[:200])
            await self._move(told, S.WAITING, before=S.TELLING, look_in=_pause(told.attempts))
            return
        except OutcomeUnknown as error:
            log.warning("address_unknown", destination=str(told.id), error=str(error)[:200])
            self._counts["addresses_unknown"] += 1
            await self._stay(told, S.TELLING, SOON)
            return
        except RefusedOutside as refusal:
            await self._refused(told, refusal)
            return
        crash_point("address.told")
        await self._answered(told, there)

    async def _refused(self, told: Told, refusal: RefusedOutside) -> None:
        """The venue said no, perhaps because it has the address already: only its list tells."""
        try:
            there = _find(await self._wallets.allowed_addresses(), told)
        except (NotSent, RefusedOutside):
            await self._stay(told, S.TELLING, SOON)
            return
        if there is not None:
            await self._answered(told, there)
            return
        log.warning("address_refused", destination=str(told.id), code=refusal.code)
        self._counts["addresses_refused"] += 1
        await self._move(told, S.REFUSED, before=S.TELLING, reason=str(refusal)[:REASON_MAX] or refusal.code)

    async def _answered(self, told: Told, there: AllowedAddress | None) -> None:
        """After telling: what the venue has. Nothing means that it never heard of it, and is told again."""
        if there is None:
            await self._move(told, S.WAITING, before=S.TELLING, look_in=_pause(told.attempts))
        elif there.approved:
            await self._move(told, S.APPROVED, before=S.TELLING, venue_id=there.id, look_in=APPROVED_EVERY)
        else:
            await self._move(told, S.PENDING, before=S.TELLING, venue_id=there.id, look_in=self._pending_every)

    async def _compare(self, told: Told, there: AllowedAddress | None) -> None:
        """What we believe of the venue's list, against the list."""
        if there is None:
            log.warning("address_forgotten_by_venue", destination=str(told.id))
            await self._move(told, S.WAITING, look_in=timedelta())
        elif there.approved and told.state is S.PENDING:
            await self._move(told, S.APPROVED, venue_id=there.id, look_in=APPROVED_EVERY)
        else:
            await self._stay(told, told.state, APPROVED_EVERY if there.approved else self._pending_every)

    async def _forget(self, told: Told, there: AllowedAddress | None) -> None:
        if await self._move(told, S.REMOVING):
            await self._remove(told, there)

    async def _remove(self, told: Told, there: AllowedAddress | None) -> None:
        """Nobody uses it any more. Somebody who came back in between finds it told again."""
        if told.used:
            await self._move(told, S.WAITING, before=S.REMOVING, look_in=timedelta())
            return
        try:
            if there is not None:
                await self._wallets.forget_address(there.id)
        except (NotSent, OutcomeUnknown, RefusedOutside) as error:
            log.warning("address_not_removed", destination=str(told.id), error=str(error)[:200])
            await self._stay(told, S.REMOVING, _pause(told.attempts))
            return
        await self._move(told, S.REMOVED, before=S.REMOVING)

    async def _stay(self, told: Told, state: DestinationState, look_in: timedelta) -> None:
        await self._move(told, state, before=state, look_in=look_in)

    async def _move(
        self,
        told: Told,
        after: DestinationState,
        *,
        before: DestinationState | None = None,
        look_in: timedelta = LEASE,
        venue_id: str | None = None,
        reason: str | None = None,
    ) -> bool:
        async with self._database.transaction() as connection:
            return await repository.move_destination(
                connection,
                told.id,
                before=before or told.state,
                after=after,
                look_in=look_in,
                venue_id=venue_id,
                reason=reason,
            )


def _find(listed: Sequence[AllowedAddress], told: Told) -> AllowedAddress | None:
    network: Network = NETWORKS[told.network]
    return next((a for a in listed if a.chain == network.chain and same_address(a.address, told.address)), None)


def _pause(attempts: int) -> timedelta:
    """Longer after each vain attempt."""
    return min(PAUSE_MAX, SOON * (1 << min(attempts, 10)))
