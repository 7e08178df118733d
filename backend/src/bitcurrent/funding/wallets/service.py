"""The rail that sends coins: quotes the network's fee, sends once, and finds again what nobody answered for.

The rule for a transfer without an answer (docs/decisions/0013): it is never sent again by itself. It is looked for in
the venue's list of transfers by coin, address, amount and time; the database lets no two equal ones wait for an answer
at a time, and binds each of the venue's transfers to one of ours. One that stays missing is for two people.
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec
import structlog

from bitcurrent.funding.addresses import networks
from bitcurrent.funding.addresses.model import (
    AddressNotFound,
    AddressRefused,
    BeneficiaryNeeded,
    DestinationState,
    KeptTransfer,
    SavedAddress,
    TransferState,
)
from bitcurrent.funding.addresses.service import AddressBook
from bitcurrent.funding.ports import NotSent, OutcomeUnknown, RefusedOutside, Transfer, Wallets
from bitcurrent.funding.provenance.model import NoPrice
from bitcurrent.funding.wallets import repository
from bitcurrent.funding.wallets.model import AddressNotReady
from bitcurrent.funding.withdrawals.model import DestinationNotFound, RailName, RailNotReady, Withdrawal
from bitcurrent.funding.withdrawals.ports import Destination, Outcome, Prices, Quote
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import ROUGH

log = structlog.get_logger(__name__)

CLOCK_SKEW: Final = timedelta(minutes=5)
"""A transfer of ours is not older than our asking, give or take the venue's clock."""
WORTH_STEP: Final = Decimal(1).scaleb(-2)
LIST_SECONDS: Final = 3.0
"""So long one reading of the venue's list serves all transfers that are known to be on it."""
FEE_SECONDS: Final = 10.0
"""So long a network's fee is quoted again without asking the venue: its request budget is small."""
START_SECONDS_MAX: Final = 15.0
"""Between the committed intent and the request: a process that slept longer does not send any more."""


class WalletRail:
    """Withdrawals' way out for coins."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        book: AddressBook,
        wallets: Wallets,
        prices: Prices,
        threshold_usd: Decimal,
        list_seconds: float = LIST_SECONDS,
    ) -> None:
        self._database = database
        self._vault = vault
        self._book = book
        self._wallets = wallets
        self._prices = prices
        self._threshold = threshold_usd
        self._list_seconds = list_seconds
        self._listed: tuple[float, Sequence[Transfer]] = (-list_seconds, ())
        # One for each coin and network at most.
        self._fees: dict[tuple[str, str], tuple[float, Decimal]] = {}

    @property
    def name(self) -> RailName:
        """See Rail."""
        return "wallet"

    @property
    def automatic(self) -> bool:
        """See Rail."""
        return True

    async def find_destination(
        self, connection: Connection, *, user_id: UserId, asset: str, destination: UUID | None, amount: Decimal
    ) -> Destination:
        """A saved address for the coin. Raises DestinationNotFound, NoWithdrawals, AddressRefused, AddressNotReady."""
        del amount
        saved = await self._saved(connection, user_id, asset, destination)
        if saved.destination_state is DestinationState.REFUSED:
            raise AddressRefused(saved.destination_reason or "it gave no reason")
        moment = await connection.fetchval("SELECT now()")
        if saved.usable_at <= moment and saved.destination_state is not DestinationState.APPROVED:
            raise AddressNotReady
        return Destination(
            id=saved.id,
            label=f"{saved.network} {saved.shown}",
            usable_at=saved.usable_at,
            mark=str(saved.destination_id),
            since=saved.created_at,
        )

    async def quote(self, *, user_id: UserId, asset: str, destination: UUID | None, amount: Decimal) -> Quote:
        """The network's fee now, charged as quoted. Raises BeneficiaryNeeded above the Travel Rule's threshold."""
        async with self._database.read() as connection:
            saved = await self._saved(connection, user_id, asset, destination)
        price = (await self._prices.usd([asset])).get(asset)
        if price is None:
            raise NoPrice([asset])
        worth = ROUGH.multiply(amount, price)
        if worth >= self._threshold and saved.beneficiary is None:
            raise BeneficiaryNeeded(worth=ROUGH.quantize(worth, WORTH_STEP), threshold=self._threshold)
        return Quote(network_fee=await self._fee(saved, amount))

    async def _fee(self, saved: SavedAddress, amount: Decimal) -> Decimal:
        """The network's fee of some seconds ago at most; raises RailNotReady."""
        moment, fee = self._fees.get((saved.asset, saved.network), (-FEE_SECONDS, Decimal(0)))
        if time.monotonic() - moment < FEE_SECONDS:
            return fee
        try:
            fee = await self._wallets.estimate_fee(
                asset=saved.asset, chain=_chain(saved.network), to_address=saved.address, amount=amount
            )
        except (NotSent, RefusedOutside) as error:
            log.warning("network_fee_unknown", asset=saved.asset, error=str(error)[:200])
            raise RailNotReady(self.name) from error
        self._fees[saved.asset, saved.network] = (time.monotonic(), fee)
        return fee

    async def _saved(
        self, connection: Connection, user_id: UserId, asset: str, destination: UUID | None
    ) -> SavedAddress:
        if destination is None:
            raise DestinationNotFound
        try:
            saved = await self._book.read(connection, user_id, destination)
        except AddressNotFound:
            raise DestinationNotFound from None
        if saved.asset != asset:
            raise DestinationNotFound
        networks.network_of(saved.asset, saved.network)
        return saved

    async def send(self, withdrawal: Withdrawal) -> Outcome:
        """Ask the venue, once. Who finds that it was asked before looks for it instead.

        Raises NotSent and OutcomeUnknown.
        """
        async with self._database.read() as connection:
            before = await repository.find(connection, withdrawal.id)
        if before is not None and before.state is not TransferState.NOTHING_THERE:
            return await self.ask(withdrawal)
        try:
            async with self._database.transaction() as connection:
                saved = await self._book.read_even_removed(connection, withdrawal.user_id, _destination(withdrawal))
                if saved is None:
                    return Outcome(kind="failed", reason="address_erased")
                if saved.destination_state is DestinationState.REFUSED:
                    return Outcome(kind="failed", reason="address_refused")
                if saved.destination_state is not DestinationState.APPROVED:
                    raise NotSent("the venue has not approved the address so far")
                await self._keep_evidence(connection, withdrawal, saved)
                first = await repository.intend(
                    connection,
                    withdrawal_id=withdrawal.id,
                    destination_id=saved.destination_id,
                    asset=withdrawal.asset,
                    network=saved.network,
                    amount=withdrawal.amount,
                )
        except repository.TwinWaits:
            raise NotSent("an equal transfer to this address waits for its answer") from None
        if not first:
            return await self.ask(withdrawal)
        return await self._send(withdrawal, saved)

    async def _send(self, withdrawal: Withdrawal, saved: SavedAddress) -> Outcome:
        intended = time.monotonic()
        crash_point("wallet.intended")
        if time.monotonic() - intended > START_SECONDS_MAX:
            raise OutcomeUnknown("this process slept; somebody else may be at it")
        try:
            transfer = await self._wallets.send(
                asset=withdrawal.asset,
                chain=_chain(saved.network),
                amount=withdrawal.amount,
                address=saved.address,
            )
        except NotSent:
            async with self._database.transaction() as connection:
                await repository.never_was(connection, withdrawal.id)
            raise
        except RefusedOutside as refusal:
            log.warning("transfer_refused", withdrawal=str(withdrawal.id), code=refusal.code, error=str(refusal)[:200])
            async with self._database.transaction() as connection:
                await repository.fail(connection, withdrawal.id, f"refused {refusal.code}: {refusal}")
            return Outcome(kind="failed", reason="refused_by_venue")
        crash_point("wallet.sent")
        return await self._bound(withdrawal.id, transfer)

    async def _keep_evidence(self, connection: Connection, withdrawal: Withdrawal, saved: SavedAddress) -> None:
        evidence = {"address": saved.address, "network": saved.network, "beneficiary": saved.beneficiary}
        await repository.keep_evidence(
            connection,
            self._vault,
            withdrawal_id=withdrawal.id,
            address_id=saved.id,
            worth=withdrawal.worth,
            threshold=self._threshold,
            evidence=msgspec.json.encode(evidence),
        )

    async def ask(self, withdrawal: Withdrawal) -> Outcome:
        """What became of it, by the venue's list. Raises NotSent when nobody answers."""
        async with self._database.read() as connection:
            kept = await repository.find(connection, withdrawal.id)
        if kept is None or kept.state is TransferState.NOTHING_THERE:
            # The request only ever follows the row.
            return Outcome(kind="nothing_there")
        if kept.state in {TransferState.COMPLETE, TransferState.FAILED}:
            return outcome_of(kept)
        if kept.state is TransferState.PROCESSING:
            listed = await self._list(fresh=False)
            found = next((transfer for transfer in listed if transfer.id == kept.venue_id), None)
            if found is None:
                # Not on a list of a moment ago: perhaps it is newer. Gone for good is for people.
                log.warning("transfer_not_listed", withdrawal=str(withdrawal.id), transfer=kept.venue_id)
                return outcome_of(kept)
            return await self._bound(withdrawal.id, found)
        # One that is looked for needs a list that was read after it was asked for.
        return await self._look_for(kept, await self._list(fresh=True))

    async def _list(self, *, fresh: bool) -> Sequence[Transfer]:
        """The venue's transfers, now or a moment ago; raises NotSent."""
        moment, listed = self._listed
        if not fresh and time.monotonic() - moment < self._list_seconds:
            return listed
        began = time.monotonic()
        try:
            listed = await self._wallets.transfers()
        except RefusedOutside as refusal:
            raise NotSent(f"the venue does not list its transfers: {refusal}") from refusal
        self._listed = (began, listed)
        return listed

    async def _look_for(self, kept: KeptTransfer, listed: Sequence[Transfer]) -> Outcome:
        async with self._database.transaction() as connection:
            address, _ = await self._book.destination(connection, kept.destination_id)
            alike = [transfer for transfer in listed if _is_like(transfer, kept, address)]
            taken = await repository.bound_among(connection, [transfer.id for transfer in alike])
            free = [transfer for transfer in alike if transfer.id not in taken]
            if len(free) == 1:
                await repository.bind(connection, kept.withdrawal_id, free[0])
            elif free:
                # Somebody else used the venue's account: which of them is ours is not ours to guess.
                log.error("transfer_ambiguous", withdrawal=str(kept.withdrawal_id), found=len(free))
            else:
                await self._missing(connection, kept)
            now = await repository.find(connection, kept.withdrawal_id)
        crash_point("wallet.found")
        return Outcome(kind="unknown") if now is None else outcome_of(now)

    async def _missing(self, connection: Connection, kept: KeptTransfer) -> None:
        """Not in the list, once more. What two people have decided counts only now."""
        current = await repository.note_missing(connection, kept.withdrawal_id)
        if current is None or current.decision is None:
            return
        log.warning("transfer_decided", withdrawal=str(kept.withdrawal_id), decision=current.decision)
        if current.decision == "send_again":
            await repository.never_was(connection, kept.withdrawal_id)
        else:
            await repository.fail(connection, kept.withdrawal_id, "given_back")

    async def _bound(self, withdrawal_id: UUID, transfer: Transfer) -> Outcome:
        async with self._database.transaction() as connection:
            await repository.bind(connection, withdrawal_id, transfer)
            kept = await repository.find(connection, withdrawal_id)
        crash_point("wallet.bound")
        return Outcome(kind="unknown") if kept is None else outcome_of(kept)


def outcome_of(kept: KeptTransfer) -> Outcome:
    """What our record of a transfer means for its withdrawal."""
    details = {"network": kept.network}
    match kept.state:
        case TransferState.ASKED:
            return Outcome(kind="unknown")
        case TransferState.NOTHING_THERE:
            return Outcome(kind="nothing_there")
        case TransferState.PROCESSING:
            return Outcome(kind="sent", reference=kept.venue_id, details=details)
        case TransferState.FAILED:
            return Outcome(kind="failed", reference=kept.venue_id, reason=_word(kept.reason))
        case TransferState.COMPLETE:
            if kept.transaction_hash:
                details["transaction_hash"] = kept.transaction_hash
                explorer = networks.NETWORKS[kept.network].explorer
                details["explorer"] = explorer.format(hash=kept.transaction_hash)
            return Outcome(kind="settled", reference=kept.venue_id, network_fee=kept.network_fee, details=details)


def _word(reason: str | None) -> str:
    """A reason fit for the customer's side: the venue's own words stay with us."""
    return "refused_by_venue" if reason is None or reason.startswith("refused ") else reason


def _is_like(transfer: Transfer, kept: KeptTransfer, address: str) -> bool:
    return (
        transfer.asset == kept.asset
        and transfer.amount == kept.amount
        and networks.same_address(transfer.to_address, address)
        and transfer.created_at >= kept.asked_at - CLOCK_SKEW
    )


def _chain(network: str) -> str | None:
    return networks.chain_of(networks.NETWORKS[network])


def _destination(withdrawal: Withdrawal) -> UUID:
    assert withdrawal.destination is not None  # a CHECK of the table: only card refunds have none
    return withdrawal.destination
