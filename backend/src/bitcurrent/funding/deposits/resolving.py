"""Card money that came otherwise than it was asked for, put right by two operators: credited as it came, or given back.

Both begin with a credit of what came, so that the books hold every payment of the processor; a refund then goes back
wholly by the machine of refunds, in the same transaction.
"""

from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from bitcurrent.audit.model import ActorKind
from bitcurrent.audit.service import record
from bitcurrent.funding.deposits import repository
from bitcurrent.funding.deposits.model import (
    Deposit,
    DepositNotFound,
    DepositRules,
    DepositState,
    NothingToResolve,
    PaymentNotThere,
    Resolution,
)
from bitcurrent.funding.deposits.ports import GivesBack
from bitcurrent.funding.ports import NotSent, Payment, Processor, RefusedOutside
from bitcurrent.funding.provenance import service as provenance
from bitcurrent.identity.approvals.model import Approval, Kind, SubjectGone
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.model import Actor
from bitcurrent.identity.ports import Letters
from bitcurrent.kernel.clock import now
from bitcurrent.kernel.crashpoints import crash_point
from bitcurrent.kernel.currencies import CURRENCIES
from bitcurrent.kernel.database import Connection, Database
from bitcurrent.kernel.errors import Unavailable
from bitcurrent.kernel.events import append_event
from bitcurrent.kernel.ids import UserId, new_id
from bitcurrent.kernel.money import plain
from bitcurrent.ledger.model import Journal, Move, available, house
from bitcurrent.ledger.service import post, read_balance

RESOLVE: Final = "deposits.resolve"
RESOLVABLE: Final = frozenset({"amount_differs", "second_payment"})
Outcome = Literal["credit", "refund"]


class Resolving:
    """What operators do about flagged deposits."""

    def __init__(
        self,
        *,
        database: Database,
        processor: Processor,
        rules: DepositRules,
        refunds: GivesBack,
        approvals: Approvals,
        letters: Letters,
    ) -> None:
        self._database = database
        self._processor = processor
        self._rules = rules
        self._refunds = refunds
        self._approvals = approvals
        self._letters = letters
        approvals.register(Kind(name=RESOLVE, ask="money.approve", grant="money.approve", handler=self._granted))

    async def look(self, deposit_id: UUID) -> Payment:
        """The payment that a flagged deposit is about, as the processor has it; call it with no transaction open.

        Raises DepositNotFound, NothingToResolve, PaymentNotThere, Unavailable.
        """
        async with self._database.read() as connection:
            deposit = await repository.read(connection, deposit_id)
        named = _payment_of(deposit)
        try:
            payment = await self._processor.read_payment(named)
        except NotSent:
            raise Unavailable("The processor does not answer now. Nothing was done; try again in a moment.") from None
        except RefusedOutside as error:
            raise PaymentNotThere(named, error.code) from None
        if payment.status != "succeeded" or payment.amount_received <= 0 or payment.currency not in CURRENCIES:
            raise PaymentNotThere(named, payment.status)
        return payment

    async def ask(
        self,
        connection: Connection,
        actor: Actor,
        deposit_id: UUID,
        payment: Payment,
        outcome: Outcome,
        *,
        reason: str,
        address: str,
    ) -> Approval:
        """Ask that it is credited or given back; another person has to grant it.

        Raises DepositNotFound, NothingToResolve, AlreadyAsked.
        """
        deposit = await repository.read(connection, deposit_id)
        if _payment_of(deposit) != payment.id or await provenance.lot_of_payment(connection, payment.id) is not None:
            raise NothingToResolve
        return await self._approvals.ask(
            connection,
            actor,
            kind=RESOLVE,
            subject=f"deposit:{deposit_id}",
            payload={
                "deposit_id": str(deposit_id),
                "payment_intent": payment.id,
                "outcome": outcome,
                "amount": plain(payment.amount_received),
                "currency": payment.currency,
            },
            reason=reason,
            address=address,
        )

    async def _granted(self, connection: Connection, approval: Approval, granted_by: UserId) -> None:
        payload = approval.payload
        deposit = (await repository.lock(connection, [UUID(payload["deposit_id"])])).get(UUID(payload["deposit_id"]))
        known = await provenance.lot_of_payment(connection, payload["payment_intent"])
        if deposit is None or deposit.problem not in RESOLVABLE or known is not None:
            raise SubjectGone("This deposit is not what it was when this was asked for.")
        resolution = await repository.insert_resolution(
            connection,
            Resolution(
                id=new_id(),
                deposit_id=deposit.id,
                payment_intent=payload["payment_intent"],
                outcome=payload["outcome"],
                currency=payload["currency"],
                amount=Decimal(payload["amount"]),
                approval_id=approval.id,
            ),
        )
        await self._credit(connection, deposit, resolution)
        if resolution.outcome == "refund":
            await self._refunds.give_back(
                connection,
                user_id=deposit.user_id,
                deposit_id=resolution.id,
                amount=resolution.amount,
                asked_by=granted_by,
                reason=approval.reason,
            )
        await repository.clear_problem(connection, deposit.id)
        if deposit.state.is_open:
            await repository.move(
                connection, deposit.id, DepositState.FAILED, failure=f"resolved: {resolution.outcome}"
            )
        await record(
            connection,
            actor_id=granted_by,
            actor_kind=ActorKind.OPERATOR,
            action="deposit.resolved",
            subject=f"deposit:{deposit.id}",
            reason=approval.reason,
            details={"approval": str(approval.id), "asked_by": str(approval.asked_by)},
            before={"problem": deposit.problem, "details": dict(deposit.problem_details or {})},
            after=dict(payload),
        )

    async def _credit(self, connection: Connection, deposit: Deposit, resolution: Resolution) -> None:
        """What came is the customer's, with no fee, and not released for as long as that of an unknown card."""
        user_id, currency = deposit.user_id, resolution.currency
        await post(connection, credit_journal(user_id, resolution))
        crash_point("deposit.resolved")
        if resolution.outcome == "credit":
            balance = await read_balance(connection, user_id, currency)
            await append_event(
                connection,
                user_id=user_id,
                kind="deposit_resolved",
                subject=deposit.id,
                payload={
                    "currency": currency,
                    "amount": plain(resolution.amount),
                    "balances": [
                        {
                            "currency": balance.currency,
                            "available": plain(balance.available),
                            "held": plain(balance.held),
                        }
                    ],
                },
            )
            values = {"amount": plain(resolution.amount), "asset": currency, "fee": "0"}
            await self._letters.queue(connection, user_id=user_id, template="deposit_credited", values=values)
        await provenance.receive(
            connection,
            self._letters,
            user_id=user_id,
            currency=currency,
            amount=resolution.amount,
            deposit_id=resolution.id,
            release_at=now() + self._rules.longest(),
            payment_intent=resolution.payment_intent,
        )


def credit_journal(user_id: UserId, resolution: Resolution) -> Journal:
    """A payment that came otherwise than asked for; it has the payment's name, so that none is credited twice."""
    currency = resolution.currency
    move = Move(source=house("processor", currency), target=available(user_id, currency), amount=resolution.amount)
    return Journal(kind="deposit_resolved", reference=f"deposit:{resolution.payment_intent}", moves=(move,))


def _payment_of(deposit: Deposit | None) -> str:
    if deposit is None:
        raise DepositNotFound
    named = (deposit.problem_details or {}).get("payment_intent")
    if deposit.problem not in RESOLVABLE or not named:
        raise NothingToResolve
    return named
