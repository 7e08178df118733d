"""The journals of withdrawals: hold, pay, give back, come back. Pure; docs/money shows each."""

from decimal import Decimal
from uuid import UUID

from bitcurrent.funding.withdrawals.model import RAIL_HOUSES, Withdrawal
from bitcurrent.kernel.money import EXACT
from bitcurrent.ledger.model import Journal, Move, available, held, house


def hold(withdrawal: Withdrawal) -> Journal:
    """All that it costs is set aside, with the request itself."""
    user_id, asset = withdrawal.user_id, withdrawal.asset
    move = Move(source=available(user_id, asset), target=held(user_id, asset), amount=withdrawal.total)
    return Journal(kind="withdrawal_hold", reference=f"withdrawal_hold:{withdrawal.id}", moves=(move,))


def release(withdrawal: Withdrawal) -> Journal:
    """It came to nothing: all of it goes back, our fee too."""
    user_id, asset = withdrawal.user_id, withdrawal.asset
    move = Move(source=held(user_id, asset), target=available(user_id, asset), amount=withdrawal.total)
    return Journal(kind="withdrawal_release", reference=f"withdrawal_release:{withdrawal.id}", moves=(move,))


def settlement(withdrawal: Withdrawal, *, paid: Decimal, network_fee: Decimal | None) -> Journal:
    """It was paid: the amount leaves, the fees are taken, what a rail could not pay goes back.

    The network's fee is charged as quoted; what the network really took, when it is known, leaves `network_fees`.
    """
    user_id, asset = withdrawal.user_id, withdrawal.asset
    own = held(user_id, asset)
    outside = house(RAIL_HOUSES[withdrawal.rail], asset)
    moves = [Move(source=own, target=outside, amount=paid)]
    if withdrawal.fee:
        moves.append(Move(source=own, target=house("fees", asset), amount=withdrawal.fee))
    if withdrawal.network_fee:
        moves.append(Move(source=own, target=house("network_fees", asset), amount=withdrawal.network_fee))
    if network_fee:
        moves.append(Move(source=house("network_fees", asset), target=outside, amount=network_fee))
    rest = EXACT.subtract(withdrawal.amount, paid)
    if rest:
        moves.append(Move(source=own, target=available(user_id, asset), amount=rest))
    return Journal(kind="withdrawal", reference=f"withdrawal:{withdrawal.id}", moves=tuple(moves))


def comeback(withdrawal: Withdrawal, amount: Decimal) -> Journal:
    """A bank sent a paid withdrawal back; our fee stays with us, as the payment was made."""
    source = house(RAIL_HOUSES[withdrawal.rail], withdrawal.asset)
    move = Move(source=source, target=available(withdrawal.user_id, withdrawal.asset), amount=amount)
    return Journal(kind="withdrawal_return", reference=f"withdrawal_return:{withdrawal.id}", moves=(move,))


def part_back(withdrawal: Withdrawal, amount: Decimal, refund_id: UUID) -> Journal:
    """One of several cards sent its refund back after the withdrawal was settled."""
    source = house(RAIL_HOUSES[withdrawal.rail], withdrawal.asset)
    move = Move(source=source, target=available(withdrawal.user_id, withdrawal.asset), amount=amount)
    reference = f"withdrawal_part_return:{withdrawal.id}:{refund_id}"
    return Journal(kind="withdrawal_part_return", reference=reference, moves=(move,))
