"""Which journals stand for which lines of the card processor.

Lines and journals are tied together by what they are about, a group: one payment, one refund, one dispute, one payout,
one withdrawal that several refunds paid. A group agrees when its lines and its journals moved the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from bitcurrent.funding.ports import BalanceLine
from bitcurrent.funding.reversals import evidence as reversals
from bitcurrent.kernel.database import Connection
from bitcurrent.kernel.money import EXACT
from bitcurrent.ledger.model import Journal, Move, house
from bitcurrent.reconciliation.model import NOTHING

CHARGES: Final = frozenset({"charge", "payment"})
REFUNDS: Final = frozenset(
    {"refund", "payment_refund", "refund_failure", "payment_failure_refund", "payment_unreconciled"}
)
PAYOUTS: Final = frozenset({"payout", "payout_failure", "payout_cancel"})
FEES: Final = frozenset({"stripe_fee"})
DISPUTE: Final = "adjustment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What lines and journals belong together. `key` names it for good."""

    key: str
    references: tuple[str, ...]


async def groups_of(connection: Connection, lines: Sequence[BalanceLine]) -> dict[str, Group]:
    """The group of each line, by the line's id; lines that belong to nothing we know are left out."""
    found: dict[str, Group] = {}
    refunds = [line.source for line in lines if line.kind in REFUNDS and line.source]
    disputes = [line.source for line in lines if line.kind == DISPUTE and line.source]
    of_refunds = await reversals.refund_references(connection, refunds)
    of_disputes = await reversals.dispute_references(connection, disputes)
    for line in lines:
        group = _group(line, of_refunds, of_disputes)
        if group is not None:
            found[line.id] = group
    return found


def _group(
    line: BalanceLine,
    refunds: Mapping[str, tuple[str, tuple[str, ...]]],
    disputes: Mapping[str, tuple[str, tuple[str, ...]]],
) -> Group | None:
    if line.kind in CHARGES and line.payment_intent:
        key = f"deposit:{line.payment_intent}"
        return Group(key=key, references=(key,))
    known = refunds.get(line.source or "") if line.kind in REFUNDS else None
    known = disputes.get(line.source or "") if line.kind == DISPUTE else known
    if known is not None:
        return Group(key=known[0], references=known[1])
    if line.kind in PAYOUTS and line.source:
        key = f"stripe_payout:{line.source}"
        return Group(key=key, references=(key, f"stripe_payout_back:{line.source}"))
    if line.kind in FEES:
        return Group(key=fee_reference(line), references=(fee_reference(line),))
    return None


def key_of(reference: str) -> str:
    """The key of the group that a journal belongs to, as far as its reference tells."""
    if reference.startswith("stripe_payout_back:"):
        return reference.replace("stripe_payout_back:", "stripe_payout:", 1)
    return reversals.key_of(reference)


def fee_reference(line: BalanceLine) -> str:
    """What the journal of a line's fee is called."""
    return f"stripe_fee:{line.id}"


def has_own_fee(line: BalanceLine) -> bool:
    """Whether the line's fee is a journal of its own: a dispute's is in the dispute's."""
    return line.fee != NOTHING and line.kind != DISPUTE


def effect(line: BalanceLine) -> Decimal:
    """What the line did to what lies at the processor, without a fee that has a journal of its own."""
    return line.amount if has_own_fee(line) else line.net


def moved(references: Iterable[str], moves: Mapping[str, Mapping[str, Decimal]], currency: str) -> Decimal | None:
    """What these journals did to what lies at the processor; None when there is none of them."""
    found = [moves[reference].get(currency, NOTHING) for reference in references if reference in moves]
    if not found:
        return None
    total = NOTHING
    for amount in found:
        total = EXACT.subtract(total, amount)
    return total


def fee_journal(line: BalanceLine) -> Journal | None:
    """What the processor took for itself: its fee of a line, or a line that is nothing but a fee."""
    paid, there = house("processor_fees", line.currency), house("processor", line.currency)
    if line.kind in FEES:
        amount = line.net.copy_negate()
    elif has_own_fee(line):
        amount = line.fee
    else:
        return None
    if amount == NOTHING:
        return None
    source, target = (paid, there) if amount > NOTHING else (there, paid)
    move = Move(source=source, target=target, amount=abs(amount))
    memo = {"created_at": line.created_at.isoformat()}
    return Journal(kind="processor_fee", reference=fee_reference(line), moves=(move,), memo=memo)


def payout_journal(line: BalanceLine) -> Journal:
    """Money on its way from the processor to our bank, or back when that failed."""
    back = line.net > NOTHING
    bank, there = house("bank", line.currency), house("processor", line.currency)
    move = Move(source=there if back else bank, target=bank if back else there, amount=abs(line.net))
    name = "stripe_payout_back" if back else "stripe_payout"
    return Journal(kind="payout", reference=f"{name}:{line.source}", moves=(move,))
