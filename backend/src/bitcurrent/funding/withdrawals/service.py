"""Withdrawals' verbs for customers: quote, ask, confirm, cancel, read."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import get_args
from uuid import UUID

from bitcurrent.audit.service import record
from bitcurrent.compliance.limits.model import Level, Usage, UsageSince
from bitcurrent.compliance.limits.service import Limits
from bitcurrent.compliance.restrictions.service import require_free
from bitcurrent.compliance.stops.service import require_running
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.funding.provenance.model import NoPrice
from bitcurrent.funding.withdrawals import journals, repository, terms_repository
from bitcurrent.funding.withdrawals.changing import Changes, Facts
from bitcurrent.funding.withdrawals.confirming import Confirmations
from bitcurrent.funding.withdrawals.model import (
    CANCELABLE,
    CONFIRM_WITHIN,
    PRODUCTS,
    CannotWithdraw,
    CardFirst,
    ConfirmationExpired,
    DestinationTooYoung,
    FeeChanged,
    RailName,
    RailNotReady,
    State,
    Step,
    Terms,
    Wish,
    Withdrawal,
    WithdrawalFilter,
    WithdrawalNotFound,
    WrongState,
    check_amount,
    leaves_by,
    total_of,
)
from bitcurrent.funding.withdrawals.ports import Cards, Destination, Prices, Rail
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import EXACT, ROUGH, plain, round_down
from bitcurrent.ledger.model import Balance
from bitcurrent.ledger.service import InsufficientFunds, post, read_balances

WORTH_STEP = Decimal("0.01")
NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A wish that has been looked at: its terms, what it costs, and the prices by which it is weighed.

    `card_first` is what has to go back to the cards before a bank gets any of it.
    """

    wish: Wish
    terms: Terms
    network_fee: Decimal
    prices: Mapping[str, Decimal]
    card_first: Decimal = Decimal(0)

    @property
    def fees(self) -> Decimal:
        """Ours and the network's together."""
        return EXACT.add(self.terms.fee, self.network_fee)

    @property
    def total(self) -> Decimal:
        """What would leave the balance."""
        return total_of(self.wish.amount, self.terms.fee, self.network_fee)


class Withdrawals:
    """What customers do with withdrawals. Methods that take a connection run in its transaction."""

    def __init__(
        self,
        *,
        database: Database,
        rails: Mapping[RailName, Rail],
        prices: Prices,
        limits: Limits,
        letters: Letters,
        secret_key: str,
        cards: Cards | None = None,
    ) -> None:
        self._cards = cards
        self._database = database
        self._rails = rails
        self._prices = prices
        self._limits = limits
        self._confirmations = Confirmations(secret_key)
        self.changes = Changes(letters)
        self.leaving: Callable[[Connection, UserId], Awaitable[object]] | None = None
        """Told in the same transaction when a customer has confirmed that money leaves."""
        self.wake: Callable[[], None] = lambda: None

    def rail(self, name: RailName) -> Rail:
        """A way out; raises RailNotReady where this installation has none such."""
        if name not in self._rails:
            raise RailNotReady(name)
        return self._rails[name]

    async def plan(self, user_id: UserId, wish: Wish) -> Plan:
        """Look at a wish outside of any transaction: terms, amount, fees, prices.

        Raises CannotWithdraw, AmountOutOfBounds, FeeChanged, RailNotReady, and why the rail cannot quote.
        """
        if not leaves_by(wish.asset, wish.rail):
            raise CannotWithdraw(wish.asset, wish.rail)
        rail = self.rail(wish.rail)
        async with self._database.read() as connection:
            terms = await terms_repository.read_terms(connection, wish.rail, wish.asset)
            check_amount(terms, wish.asset, wish.amount)
            await self._destination(connection, user_id, wish)
            balances = await read_balances(connection, user_id)
            card_first = await self._card_first(connection, user_id, wish.asset, terms, balances)
        quote = await rail.quote(user_id=user_id, asset=wish.asset, destination=wish.destination, amount=wish.amount)
        prices = await self._prices.usd([wish.asset, *(balance.currency for balance in balances)])
        plan = Plan(wish=wish, terms=terms, network_fee=quote.network_fee, prices=prices, card_first=card_first)
        if wish.fee_max is not None and plan.fees > wish.fee_max:
            raise FeeChanged(wish.fee_max, plan.fees, wish.asset)
        return plan

    async def _card_first(
        self, connection: Connection, user_id: UserId, asset: str, terms: Terms, balances: Sequence[Balance]
    ) -> Decimal:
        """What of the balance has to go to the cards first; nothing when that is less than a card takes at once."""
        if not terms.card_first_days or self._cards is None:
            return NOTHING
        there = next((balance.available for balance in balances if balance.currency == asset), NOTHING)
        due = await self._cards.due(connection, user_id=user_id, asset=asset, days=terms.card_first_days)
        card = await terms_repository.read_terms(connection, "card_refund", asset)
        payable = round_down(min(due, there), Decimal(1).scaleb(-card.places))
        return payable if payable >= card.minimum else NOTHING

    async def _destination(self, connection: Connection, user_id: UserId, wish: Wish) -> Destination:
        return await self.rail(wish.rail).find_destination(
            connection, user_id=user_id, asset=wish.asset, destination=wish.destination, amount=wish.amount
        )

    async def ask(
        self, connection: Connection, user_id: UserId, plan: Plan, *, kyc_level: str, address: str
    ) -> Withdrawal:
        """Hold the money and mail the link. Raises Stopped, Restricted, LimitExceeded, DestinationTooYoung, CardFirst,
        InDebt, NotReleased, NoPrice, InsufficientFunds and what the rail refuses; then nothing was done.
        """
        wish = plan.wish
        product = PRODUCTS[wish.rail]
        await require_running(connection, product=product, asset=wish.asset)
        await require_free(connection, user_id, "withdrawals")
        worth = _worth(plan)
        passed = await self._limits.check(
            connection,
            user_id=user_id,
            kyc_level=_level(kyc_level),
            product=product,
            asset=wish.asset,
            amount=wish.amount,
            worth=worth,
            usage=_usage(connection, user_id, wish.rail),
        )
        destination = await self._destination(connection, user_id, wish)
        moment = await repository.database_time(connection)
        if destination.usable_at is not None and destination.usable_at > moment:
            raise DestinationTooYoung(destination.usable_at)
        balances = await provenance.lock_money(connection, user_id)
        if first := await self._card_first(connection, user_id, wish.asset, plan.terms, balances):
            raise CardFirst(first, wish.asset, plan.terms.card_first_days)
        await _require_free(connection, user_id, plan, destination)
        withdrawal = await repository.insert(
            connection,
            repository.NewWithdrawal(
                id=new_id(),
                user_id=user_id,
                asset=wish.asset,
                amount=wish.amount,
                fee=plan.terms.fee,
                network_fee=plan.network_fee,
                held=plan.total,
                worth=worth,
                rail=wish.rail,
                destination=destination.id,
                destination_label=destination.label,
                limit_version=str(passed.version),
            ),
            confirm_within=CONFIRM_WITHIN,
        )
        everything = await _everything(connection, user_id, plan.prices)
        await _hold(connection, withdrawal)
        crash_point("withdrawal.held")
        await self.changes.tell(
            connection, withdrawal, more=_for_monitoring(withdrawal, destination, moment, everything)
        )
        await self.changes.write(
            connection,
            withdrawal,
            "withdrawal_confirm",
            token=self._confirmations.token(withdrawal.id),
            hours=str(CONFIRM_WITHIN // timedelta(hours=1)),
        )
        await _note(connection, withdrawal, "withdrawal.asked", address)
        return withdrawal

    async def confirm(self, connection: Connection, token: str, *, address: str) -> Withdrawal:
        """The link was used: it goes on to screening. Raises InvalidConfirmation, ConfirmationExpired, WrongState,
        Restricted.
        """
        withdrawal = await repository.lock(connection, self._confirmations.read(token))
        if withdrawal is None:
            raise WithdrawalNotFound
        if withdrawal.state is State.EXPIRED or withdrawal.expires_at <= await repository.database_time(connection):
            raise ConfirmationExpired
        if withdrawal.state is not State.REQUESTED:
            raise WrongState(withdrawal.state)
        await require_free(connection, withdrawal.user_id, "withdrawals")
        confirmed = await self.changes.move(connection, withdrawal, State.SCREENING)
        if self.leaving is not None:
            await self.leaving(connection, withdrawal.user_id)
        await _note(connection, confirmed, "withdrawal.confirmed", address)
        return confirmed

    async def cancel(self, connection: Connection, user_id: UserId, withdrawal_id: UUID, *, address: str) -> Withdrawal:
        """Give it up while it has not been sent. Raises WithdrawalNotFound, WrongState."""
        withdrawal = await repository.lock(connection, withdrawal_id, user_id)
        if withdrawal is None:
            raise WithdrawalNotFound
        if withdrawal.state not in CANCELABLE:
            raise WrongState(withdrawal.state)
        canceled = await self.changes.move(connection, withdrawal, State.CANCELED, Facts(reason="asked"))
        await _note(connection, canceled, "withdrawal.canceled", address)
        return canceled

    async def read(self, user_id: UserId | None, withdrawal_id: UUID) -> tuple[Withdrawal, list[Step]]:
        """One with its steps, of this customer when one is named; raises WithdrawalNotFound."""
        async with self._database.read() as connection:
            found = await repository.find(connection, withdrawal_id, user_id)
            if found is None:
                raise WithdrawalNotFound
            return found, await repository.read_steps(connection, withdrawal_id)

    async def search(self, which: WithdrawalFilter) -> list[Withdrawal]:
        """Withdrawals, newest first."""
        async with self._database.read() as connection:
            return await repository.list_withdrawals(connection, which)


async def _require_free(connection: Connection, user_id: UserId, plan: Plan, destination: Destination) -> None:
    """Lock the customer's money, and raise unless all that does not go back where it came from may leave."""
    await provenance.lock_money(connection, user_id)
    await provenance.require_no_debt(connection, user_id)
    needed = EXACT.subtract(plan.total, destination.returns)
    if needed > 0:
        await provenance.require_withdrawable(connection, user_id, plan.wish.asset, needed, prices=plan.prices)


async def _hold(connection: Connection, withdrawal: Withdrawal) -> None:
    """Set the money aside; the balance is locked by now, so what it has can be told."""
    balances = await provenance.lock_money(connection, withdrawal.user_id)
    there = next((b.available for b in balances if b.currency == withdrawal.asset), Decimal(0))
    if there < withdrawal.total:
        raise InsufficientFunds(needed=withdrawal.total, available=there, currency=withdrawal.asset)
    await post(connection, journals.hold(withdrawal))


async def _everything(connection: Connection, user_id: UserId, prices: Mapping[str, Decimal]) -> Decimal:
    """USD worth of all that the customer has, by the prices that are known."""
    total = Decimal(0)
    for balance in await read_balances(connection, user_id):
        total = EXACT.add(total, ROUGH.multiply(balance.total, prices.get(balance.currency, Decimal(0))))
    return ROUGH.quantize(total, WORTH_STEP)


def _for_monitoring(
    withdrawal: Withdrawal, destination: Destination, moment: datetime, everything: Decimal
) -> dict[str, str]:
    """What rules need of a withdrawal beside what its customer sees."""
    facts = {"worth": plain(withdrawal.worth), "everything": plain(everything)}
    if destination.mark is not None:
        facts["destination_mark"] = destination.mark
    if destination.since is not None:
        facts["destination_age_hours"] = str(max((moment - destination.since) // timedelta(hours=1), 0))
    return facts


def _worth(plan: Plan) -> Decimal:
    price = plan.prices.get(plan.wish.asset)
    if price is None:
        raise NoPrice([plan.wish.asset])
    return ROUGH.quantize(ROUGH.multiply(plan.wish.amount, price), WORTH_STEP)


def _level(level: str) -> Level:
    known: tuple[Level, ...] = get_args(Level)
    return next((each for each in known if each == level), "none")


def _usage(connection: Connection, user_id: UserId, rail: RailName) -> UsageSince:
    async def since(moment: datetime, asset: str | None) -> Usage:
        return await repository.used_since(connection, user_id, rail, moment, asset)

    return since


async def _note(connection: Connection, withdrawal: Withdrawal, action: str, address: str) -> None:
    await record(
        connection,
        actor_id=withdrawal.user_id,
        action=action,
        subject=f"withdrawal:{withdrawal.id}",
        address=address,
        details={
            "asset": withdrawal.asset,
            "amount": plain(withdrawal.amount),
            "rail": withdrawal.rail,
            "destination": str(withdrawal.destination or "card"),
        },
    )
