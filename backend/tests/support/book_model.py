"""What placing and settling should do, said once more in plain Python: the model that the SQL is compared with.

One customer. It knows nothing of rows, locks or journals; it only knows where the money must be.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from bitcurrent.kernel.money import EXACT, ROUGH, multiply
from bitcurrent.trading.model import Side, fee_of
from tests.support.books import Ticket

ZERO = Decimal(0)
STEP = Decimal(1).scaleb(-18)
ENDED = ("filled", "canceled", "expired", "rejected", "replaced")


@dataclass(slots=True, eq=False)
class ModelOrder:
    """An order as the books should have it."""

    ticket: Ticket
    hold_amount: Decimal
    held: Decimal
    state: str = "accepted"
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO
    closing: tuple[str, Decimal] | None = None
    cancel_requested: bool = False
    replaces: "ModelOrder | None" = None
    replaced_by: "ModelOrder | None" = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def spent(self) -> Decimal:
        return self.cost if self.ticket.side is Side.BUY else self.filled

    @property
    def old(self) -> "ModelOrder | None":
        """What it is replacing, while that still waits for it."""
        return self.replaces if self.replaces is not None and self.replaces.replaced_by is self else None


@dataclass(slots=True)
class Position:
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO


@dataclass(slots=True)
class BookModel:
    """A customer's money, orders and positions, and what the house had to lay out for fills that nothing covered."""

    available: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    held: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    suspense: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    positions: defaultdict[str, Position] = field(default_factory=lambda: defaultdict(Position))
    orders: list[ModelOrder] = field(default_factory=list)
    executions: set[str] = field(default_factory=set)

    def place(self, ticket: Ticket) -> str:
        """Hold the money, if it is there."""
        return self._accept(ModelOrder(ticket, hold_amount=ticket.hold, held=ticket.hold))

    def _accept(self, order: ModelOrder) -> str:
        if self.available[order.ticket.pay] < order.held:
            return "insufficient"
        self._hold(order.ticket.pay, order.held)
        self.orders.append(order)
        return "accepted"

    def submit(self, order: ModelOrder) -> bool:
        """The venue has it."""
        if order.state != "accepted":
            return False
        order.state = "submitted"
        return True

    def fill(self, order: ModelOrder, execution: str, quantity: Decimal, price: Decimal) -> str:
        """Whatever happens, a fill is booked: from the hold, the predecessor's hold, the free money, the house."""
        if execution in self.executions:
            return "duplicate"
        if order.filled + quantity > order.ticket.quantity:
            return "overfilled"
        self.executions.add(execution)
        buying = order.ticket.side is Side.BUY
        cost = multiply(quantity, price)
        due, gross = (cost, quantity) if buying else (quantity, cost)
        fee = fee_of(gross, order.ticket.fee_bps)
        net = EXACT.subtract(gross, fee)
        pay, get = order.ticket.pay, order.ticket.base if buying else "USD"
        missing = due - self._use(order, due)
        if order.old is not None:
            missing -= self._use(order.old, missing)
        free = min(missing, self.available[pay])
        self.available[pay] -= free
        self.suspense[pay] += missing - free
        self.available[get] += net
        self._move_position(order.ticket, quantity, net, cost)
        order.filled += quantity
        order.cost += cost
        order.fee += fee
        if order.ended:
            return "settled"
        order.state = "partially_filled"
        if order.closing is not None and order.filled >= order.closing[1]:
            self.finish(order, *order.closing)
        elif order.filled == order.ticket.quantity:
            self.finish(order, "filled")
        return "settled"

    def finish(self, order: ModelOrder, state: str, filled: Decimal | None = None) -> str:
        """The venue's last word: give back what is left, unless it speaks of fills that are not booked yet."""
        if order.ended:
            return "already"
        if filled is not None and filled > order.filled:
            order.closing = (state, filled)
            return "waiting"
        if state == "replaced":
            self._hand_over(order)
        self._release(order.ticket.pay, order.held)
        order.held, order.state, order.closing = ZERO, state, None
        old = order.old
        if old is not None and not old.ended and state in {"rejected", "canceled"}:
            old.replaced_by = None
        return "finished"

    def cancel(self, order: ModelOrder) -> str:
        """The customer does not want it any more."""
        if order.ended:
            return "already"
        if order.state == "accepted":
            self.finish(order, "canceled")
            return "canceled"
        order.cancel_requested = True
        return "pending"

    def replace(self, old: ModelOrder, ticket: Ticket) -> str:
        """Another order in its place, holding only what it needs beyond what the old one holds."""
        if old.ended or old.closing is not None:
            return "ended"
        waits = old.old is not None and not old.old.ended
        if old.replaced_by or old.cancel_requested or old.state not in {"submitted", "partially_filled"} or waits:
            return "pending"
        new = ModelOrder(ticket, hold_amount=ticket.hold, held=max(ticket.hold - old.held, ZERO), replaces=old)
        outcome = self._accept(new)
        if outcome == "accepted":
            old.replaced_by = new
        return outcome

    def _hand_over(self, old: ModelOrder) -> None:
        new = old.replaced_by
        if new is None or new.ended:
            return
        need = max(new.hold_amount - new.spent, ZERO)
        has = new.held + old.held
        more = min(need - has, self.available[old.ticket.pay])
        self._hold(old.ticket.pay, more)
        old.held, new.held = ZERO, has + more
        new.cancel_requested |= new.held < need

    def _use(self, order: ModelOrder, due: Decimal) -> Decimal:
        used = min(due, order.held)
        order.held -= used
        self.held[order.ticket.pay] -= used
        return used

    def _hold(self, currency: str, amount: Decimal) -> None:
        self.available[currency] -= amount
        self.held[currency] += amount

    def _release(self, currency: str, amount: Decimal) -> None:
        self._hold(currency, -amount)

    def _move_position(self, ticket: Ticket, quantity: Decimal, net: Decimal, cost: Decimal) -> None:
        position = self.positions[ticket.base]
        if ticket.side is Side.BUY:
            position.quantity += net
            position.cost += cost
            return
        if position.quantity <= quantity:
            share = position.cost
        else:
            exact = ROUGH.divide(EXACT.multiply(position.cost, quantity), position.quantity)
            share = exact.quantize(STEP, rounding=ROUND_HALF_UP, context=ROUGH)
        position.quantity = max(position.quantity - quantity, ZERO)
        position.cost -= share
        position.realized += net - share
