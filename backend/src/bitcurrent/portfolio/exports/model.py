"""Kinds of lists with their columns, and what becomes of one that was asked for. Pure.

A list's first column names its schema and version: a reader that knows the version knows every column. Columns are
only ever added at the end under the same version; anything else is a new one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

from bitcurrent.kernel.errors import Conflict, NotFound
from bitcurrent.kernel.ids import UserId
from bitcurrent.kernel.money import EXACT
from bitcurrent.ledger.model import StatementLine
from bitcurrent.portfolio.wording import meaning_of
from bitcurrent.trading.trade_list import Trade
from bitcurrent.web.csv import Cell

Kind = Literal["transactions", "trades"]
State = Literal["asked", "running", "done", "failed"]

WAITING_MAX: Final = 3
"""Lists that one customer may have waiting or running at once."""
ATTEMPTS_MAX: Final = 3
KEPT_DAYS: Final = 7

SCHEMAS: Final[dict[Kind, str]] = {
    "transactions": "bitcurrent.transactions.v1",
    "trades": "bitcurrent.trades.v1",
}
TRANSACTION_COLUMNS: Final = (
    "schema", "at", "kind", "meaning", "reference", "asset", "part", "amount", "balance_after", "total_after",
    "journal_id",
)  # fmt: skip
TRADE_COLUMNS: Final = (
    "schema", "filled_at", "fill_id", "order_id", "client_order_id", "symbol", "side", "liquidity", "quantity", "price",
    "gross", "gross_asset", "fee", "fee_asset", "fee_bps", "net", "net_asset",
)  # fmt: skip
COLUMNS: Final[dict[Kind, tuple[str, ...]]] = {"transactions": TRANSACTION_COLUMNS, "trades": TRADE_COLUMNS}


class ExportNotReady(Conflict):
    """The file is not there (yet)."""

    code = "export_not_ready"
    title = "Not ready"

    def __init__(self, state: State) -> None:
        super().__init__(f"This export is {state}; its file is there when it is done.", details={"state": state})


class ExportsWaiting(Conflict):
    """Enough is under way."""

    code = "exports_waiting"
    title = "Exports are under way"

    def __init__(self) -> None:
        super().__init__(
            f"{WAITING_MAX} of your exports are waiting or running. Ask again when one is done.",
            details={"maximum": str(WAITING_MAX)},
        )


class NoSuchExport(NotFound):
    """Not there, over, or somebody else's."""

    code = "no_such_export"

    def __init__(self) -> None:
        super().__init__(f"There is no such export of yours. They are kept for {KEPT_DAYS} days.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A list that somebody asked for: everything of its kind in [from_at, until_at)."""

    id: UUID
    user_id: UserId
    kind: Kind
    from_at: datetime
    until_at: datetime
    state: State
    rows_total: int | None
    rows_done: int
    bytes: int
    attempts: int
    trouble: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None

    @property
    def percent(self) -> int:
        """How far it is."""
        if self.state == "done":
            return 100
        return min(99, self.rows_done * 100 // self.rows_total) if self.rows_total else 0

    @property
    def file_name(self) -> str:
        """What the file is called when it is fetched."""
        version = SCHEMAS[self.kind].rpartition(".")[2]
        return f"bitcurrent-{self.kind}-{version}-{self.from_at:%Y%m%d}-{self.until_at:%Y%m%d}.csv"


class Running:
    """The running total of each asset, from what there was at the beginning."""

    def __init__(self, opening: dict[str, Decimal]) -> None:
        self._totals = dict(opening)

    def after(self, line: StatementLine) -> Decimal:
        """The asset's total behind this line."""
        total = EXACT.add(self._totals.get(line.currency, Decimal(0)), line.amount)
        self._totals[line.currency] = total
        return total

    def totals(self) -> Iterator[tuple[str, Decimal]]:
        """Every asset with its total, by name."""
        yield from sorted(self._totals.items())


def transaction_row(line: StatementLine, running: Running) -> tuple[Cell, ...]:
    """A line of the books as a row of `transactions`."""
    return (
        SCHEMAS["transactions"],
        line.created_at,
        line.kind,
        meaning_of(line.kind),
        line.reference,
        line.currency,
        line.account,
        line.amount,
        line.balance_after,
        running.after(line),
        str(line.journal_id),
    )


def trade_row(trade: Trade) -> tuple[Cell, ...]:
    """A fill as a row of `trades`."""
    return (
        SCHEMAS["trades"],
        trade.filled_at,
        str(trade.id),
        str(trade.order_id),
        trade.client_order_id,
        trade.market,
        trade.side,
        trade.liquidity,
        trade.quantity,
        trade.price,
        trade.cost,
        trade.quote,
        trade.fee,
        trade.fee_currency,
        trade.fee_bps,
        trade.net,
        # The fee is taken in what is received.
        trade.fee_currency,
    )
