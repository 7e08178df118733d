"""The verbs of deposits: ask, open the page, cancel, read, and what one may pay in.

No transaction is open while the processor is asked: the intent is committed first, its answer is recorded after, and
what was not answered is found again under the same id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import structlog

from bitcurrent.audit.service import record
from bitcurrent.compliance.limits.model import Allowance, Usage
from bitcurrent.compliance.limits.service import Limits
from bitcurrent.compliance.products import Product
from bitcurrent.compliance.stops.service import require_running
from bitcurrent.funding.bonuses.service import Bonuses
from bitcurrent.funding.deposits import repository
from bitcurrent.funding.deposits.crediting import Crediting, Fact
from bitcurrent.funding.deposits.model import (
    CHECKOUT_LIFETIME,
    FIRST_LOOK,
    OPEN_MAX,
    Deposit,
    DepositEnded,
    DepositFilter,
    DepositNotFound,
    DepositRules,
    DepositState,
    TooManyOpenDeposits,
)
from bitcurrent.funding.deposits.ports import Worths
from bitcurrent.funding.deposits.repository import NewDeposit
from bitcurrent.funding.ports import Checkout, NotConfigured, NotSent, OutcomeUnknown, Processor, RefusedOutside
from bitcurrent.identity.kyc import kyc_level_of
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.currencies import BASE, CURRENCIES
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import EXACT, LEDGER_PLACES, round_up

log = structlog.get_logger(__name__)

PRODUCT: Final[Product] = "card_deposit"
DESCRIPTION: Final = "Deposit to your BitCurrent account"
STEP: Final = Decimal(1).scaleb(-LEDGER_PLACES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A deposit that fits the rules; `worth` is in USD. Nothing is stored by weighing it."""

    amount: Decimal
    currency: str
    fee: Decimal
    worth: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a customer may pay in of one currency, and what it costs."""

    currency: str
    rules: DepositRules
    allowances: Sequence[Allowance]


class Deposits:
    """Money in by card."""

    def __init__(
        self,
        *,
        database: Database,
        processor: Processor,
        rules: DepositRules,
        limits: Limits,
        worths: Worths,
        bonuses: Bonuses,
        letters: Letters,
        base_url: str,
    ) -> None:
        self._database = database
        self._processor = processor
        self._rules = rules
        self._limits = limits
        self._worths = worths
        self._base_url = base_url.rstrip("/")
        self.crediting = Crediting(processor, rules, bonuses, letters)

    @property
    def processor(self) -> Processor:
        """Who takes the cards."""
        return self._processor

    @property
    def rules(self) -> DepositRules:
        """What this installation asks of a deposit."""
        return self._rules

    # ---- asking

    async def weigh(self, *, amount: Decimal, currency: str) -> Wish:
        """Check an amount against the rules; call it with no transaction open. Raises Invalid, Unavailable."""
        if not self._processor.configured:
            raise NotConfigured("Paying by card", "BITCURRENT_STRIPE_API_KEY")
        self._rules.check(amount, currency)
        rate = Decimal(1) if currency == BASE else await self._worths(currency)
        return Wish(
            amount=amount,
            currency=currency,
            fee=self._rules.fee_of(amount, currency),
            worth=round_up(EXACT.multiply(amount, rate), STEP),
        )

    async def ask(self, connection: Connection, user_id: UserId, wish: Wish, *, address: str) -> Deposit:
        """Commit to a deposit in the open transaction; `open` it after the commit.

        Raises Stopped, LimitExceeded (which names rule, limit and what is left), TooManyOpenDeposits.
        """
        await require_running(connection, product=PRODUCT, asset=wish.currency)
        passed = await self._limits.check(
            connection,
            user_id=user_id,
            kyc_level=await kyc_level_of(connection, user_id),
            product=PRODUCT,
            asset=wish.currency,
            amount=wish.amount,
            worth=wish.worth,
            usage=_Used(connection, user_id).since,
        )
        # The check holds the customer's place in this product until the commit, so this count is still true then.
        if await repository.count_open(connection, user_id) >= OPEN_MAX:
            raise TooManyOpenDeposits
        deposit = await repository.insert(
            connection,
            NewDeposit(
                id=new_id(),
                user_id=user_id,
                currency=wish.currency,
                amount=wish.amount,
                fee=wish.fee,
                worth=wish.worth,
                limit_version=passed.version,
                checkout_expires_at=(now() + CHECKOUT_LIFETIME).replace(microsecond=0),
                first_look=FIRST_LOOK,
            ),
        )
        await record(
            connection,
            actor_id=user_id,
            action="deposit.asked",
            subject=f"deposit:{deposit.id}",
            address=address,
            after={"amount": wish.amount, "currency": wish.currency, "fee": wish.fee},
        )
        crash_point("deposit.asked")
        return deposit

    async def open(self, deposit_id: UUID) -> Deposit:
        """Open the page of a deposit that has none so far; call it with no transaction open. Again is no error.

        Without an answer the deposit stays `created`: the poll asks again under the same id.
        """
        deposit = await self._read(deposit_id)
        if deposit.state is not DepositState.CREATED:
            return deposit
        try:
            checkout = await self._open_page(deposit)
        except (NotSent, OutcomeUnknown) as error:
            log.warning("deposit_not_opened", deposit=str(deposit_id), cause=type(error).__name__)
            return deposit
        except RefusedOutside as refusal:
            code = refusal.code
            await self._database.in_transaction(lambda connection: self._refused(connection, deposit_id, code))
        else:
            crash_point("deposit.opened")
            await self.learn(Fact(checkout))
        return await self._read(deposit_id)

    async def _open_page(self, deposit: Deposit) -> Checkout:
        page = f"{self._base_url}/wallet/deposits/{deposit.id}"
        return await self._processor.open_checkout(
            deposit_id=deposit.id,
            amount=deposit.amount,
            currency=deposit.currency,
            description=DESCRIPTION,
            # Nobody's address leaves the house for this; the page asks for what it needs.
            email=None,
            success_url=page,
            cancel_url=page,
            # All words are the deposit's own, so that asking again is the same question.
            expires_at=deposit.checkout_expires_at,
        )

    async def _refused(self, connection: Connection, deposit_id: UUID, code: str) -> None:
        deposit = (await repository.lock(connection, [deposit_id])).get(deposit_id)
        if deposit is not None and deposit.state is DepositState.CREATED:
            await self.crediting.end(connection, deposit, DepositState.FAILED, f"refused: {code}"[:200])

    async def learn(self, fact: Fact) -> None:
        """Apply what the processor has said, in a transaction of its own."""
        await self._database.in_transaction(lambda connection: self.crediting.apply(connection, [fact]))

    # ---- canceling

    async def request_cancel(
        self, connection: Connection, user_id: UserId, deposit_id: UUID, *, address: str
    ) -> Deposit:
        """Note that a customer wants it no more; `close` its page after the commit.

        Raises DepositNotFound, DepositEnded.
        """
        deposit = await repository.read(connection, deposit_id, user_id=user_id)
        if deposit is None:
            raise DepositNotFound
        deposit = (await repository.lock(connection, [deposit_id]))[deposit_id]
        if not deposit.state.is_open:
            raise DepositEnded(deposit.state)
        if deposit.cancel_requested_at is None:
            await repository.request_cancel(connection, deposit_id)
            await record(
                connection,
                actor_id=user_id,
                action="deposit.cancel_asked",
                subject=f"deposit:{deposit_id}",
                address=address,
            )
        return await self.read(connection, user_id, deposit_id)

    async def close(self, deposit_id: UUID) -> Deposit:
        """End the page of a deposit that is to be canceled; call it with no transaction open.

        Who has paid meanwhile has paid. Without an answer the poll goes on with it.
        """
        deposit = await self.open(deposit_id)
        if deposit.state.is_open and deposit.checkout_id is not None:
            try:
                checkout = await self._processor.expire_checkout(deposit.checkout_id)
            except (NotSent, OutcomeUnknown, RefusedOutside) as error:
                log.warning("deposit_not_closed", deposit=str(deposit_id), cause=type(error).__name__)
            else:
                crash_point("deposit.closed")
                await self.learn(Fact(checkout))
        return await self._read(deposit_id)

    # ---- reading

    async def read(self, connection: Connection, user_id: UserId | None, deposit_id: UUID) -> Deposit:
        """One deposit, of a customer if named; raises DepositNotFound."""
        found = await repository.read(connection, deposit_id, user_id=user_id)
        if found is None:
            raise DepositNotFound
        return found

    async def search(self, connection: Connection, which: DepositFilter) -> list[Deposit]:
        """Deposits, newest first."""
        return await repository.search(connection, which)

    async def terms(self, connection: Connection, user_id: UserId) -> list[Terms]:
        """What a customer may pay in, by currency."""
        level = await kyc_level_of(connection, user_id)
        used = _Used(connection, user_id)
        return [
            Terms(
                currency=currency,
                rules=self._rules,
                allowances=await self._limits.allowances(
                    connection, user_id=user_id, kyc_level=level, product=PRODUCT, asset=currency, usage=used.since
                ),
            )
            for currency in CURRENCIES
        ]

    async def _read(self, deposit_id: UUID) -> Deposit:
        async with self._database.read() as connection:
            return await self.read(connection, None, deposit_id)


async def find_by_payment(connection: Connection, payment_intent: str) -> Deposit | None:
    """The deposit that a payment of the processor paid."""
    return await repository.find_by_payment(connection, payment_intent)


@dataclass(frozen=True, slots=True)
class _Used:
    """What a customer has paid in, for the limits."""

    connection: Connection
    user_id: UserId

    async def since(self, moment: datetime, asset: str | None) -> Usage:
        """Of one currency, or of all."""
        worth, amount, count, oldest = await repository.used_since(self.connection, self.user_id, moment, asset)
        return Usage(worth=worth, amount=amount, count=count, oldest=oldest)
