"""The one account of the venue: its cash, its coins, and what open orders set aside."""

from collections.abc import Iterable
from decimal import Decimal

from bitcurrent_sandbox.alpaca import errors
from bitcurrent_sandbox.alpaca.model import Order, Position
from bitcurrent_sandbox.alpaca.store import Store
from bitcurrent_sandbox.money import ZERO


class Account:
    """Cash and positions, kept in memory and written through to the store."""

    def __init__(self, store: Store, *, cash: Decimal) -> None:
        self._store = store
        self._start = cash
        self.reload()

    def reload(self) -> None:
        """Read the books again, or open them with the starting cash."""
        kept = self._store.setting("cash")
        self.cash = self._start if kept is None else Decimal(kept)
        self.positions = self._store.positions()

    def reset(self) -> None:
        """Back to the starting cash; the positions were wiped from the store."""
        self._store.remember("cash", str(self._start))
        self.reload()

    def quantity(self, symbol: str) -> Decimal:
        """Coins held, net of fees."""
        position = self.positions.get(symbol)
        return position.qty if position else ZERO

    def free_cash(self, open_orders: Iterable[Order]) -> Decimal:
        """Cash that no open buy has set aside."""
        return self.cash - sum((order.held_cash() for order in open_orders), ZERO)

    def free_quantity(self, symbol: str, open_orders: Iterable[Order]) -> Decimal:
        """Coins that no open sell has set aside."""
        held = sum((order.held_qty() for order in open_orders if order.symbol == symbol), ZERO)
        return self.quantity(symbol) - held

    def require(self, order: Order, open_orders: Iterable[Order]) -> None:
        """Raise the venue's refusal when the order cannot be covered."""
        others = list(open_orders)
        if order.buys:
            needed, available, asset = order.held_cash(), self.free_cash(others), "USD"
        else:
            needed, available = order.held_qty(), self.free_quantity(order.symbol, others)
            asset = order.symbol.partition("/")[0]
        if needed > available:
            raise errors.insufficient_balance(asset, requested=needed, available=max(ZERO, available))

    def apply(self, order: Order, qty: Decimal, price: Decimal, rate: Decimal) -> tuple[Decimal, str]:
        """Move cash and coins for one fill; the fee comes out of what is credited. Returns fee and its asset."""
        position = self.positions.setdefault(order.symbol, Position(symbol=order.symbol))
        cost = qty * price
        if order.buys:
            fee, asset = qty * rate, order.symbol.partition("/")[0]
            self.cash -= cost
            position.qty += qty - fee
            position.cost += (qty - fee) * price
        else:
            fee, asset = cost * rate, "USD"
            self.cash += cost - fee
            left = position.qty - qty
            entry = position.cost / position.qty if position.qty else ZERO
            position.cost = (entry * left).quantize(Decimal("1e-18"))
            position.qty = left
        self._store.save_books(self.cash, position)
        return fee, asset

    def withdraw(self, symbol: str, amount: Decimal) -> None:
        """Take coins out of the account (or, below zero, put them back), with their share of what they cost."""
        position = self.positions.setdefault(symbol, Position(symbol=symbol))
        entry = position.cost / position.qty if position.qty else ZERO
        position.qty -= amount
        position.cost = (entry * position.qty).quantize(Decimal("1e-18"))
        self._store.save_books(self.cash, position)

    def credit(self, symbol: str | None, amount: Decimal, price: Decimal) -> None:
        """Give the account cash (no symbol) or coins at a price; the operator's hand."""
        if symbol is None:
            self.cash += amount
            self._store.save_books(self.cash, None)
            return
        position = self.positions.setdefault(symbol, Position(symbol=symbol))
        position.qty += amount
        position.cost += amount * price
        self._store.save_books(self.cash, position)
