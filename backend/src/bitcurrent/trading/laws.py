"""Trading's laws: what orders hold and what fills moved, against the books. Asked by `ledger.verification.prove`."""

from bitcurrent.ledger.holders import Holder
from bitcurrent.ledger.verification import Law

HOLDS_ARE_ORDERS = Law(
    key="I4",
    title="One hold for one order, of the amount that was agreed",
    subject="orders",
    # A replacement's hold is only what it needs beyond its predecessor's, and moves nothing when that is nothing.
    sql="""
    SELECT CASE WHEN o.id IS NULL THEN format('hold %s has no order', j.id)
        WHEN j.id IS NULL AND o.replaces IS NULL THEN format('order %s never held anything', o.id)
        WHEN o.replaces IS NULL AND j.amount <> o.hold_amount OR j.amount > o.hold_amount
        THEN format('order %s should hold %s and held %s %s', o.id, trim_scale(o.hold_amount), trim_scale(j.amount),
            j.currency)
        WHEN j.currency <> o.hold_currency OR j.user_id <> o.user_id
        THEN format('order %s held %s of user %s', o.id, j.currency, j.user_id) END AS broken
    FROM orders o FULL JOIN (
        SELECT j.id, j.created_at, e.user_id, e.currency, e.amount FROM journals j
        LEFT JOIN entries e ON e.journal_id = j.id AND e.created_at = j.created_at AND e.account = 'held'
        WHERE j.kind = 'hold'
    ) j ON j.id = o.id AND j.created_at = o.created_at
    """,
)

FILLS_ARE_JOURNALS = Law(
    key="I4",
    title="One journal for one execution, with the fill's own amounts",
    subject="fills",
    sql="""
    SELECT CASE WHEN f.id IS NULL THEN format('journal %s (%s) has no fill', j.id, j.reference)
        WHEN j.id IS NULL THEN format('fill %s of execution %s has no journal', f.id, f.execution_id)
        WHEN j.reference <> 'fill:' || f.execution_id
        THEN format('fill %s of execution %s is booked as %s', f.id, f.execution_id, j.reference)
        WHEN f.due IS DISTINCT FROM j.due OR f.gross IS DISTINCT FROM j.gross OR f.fee IS DISTINCT FROM j.fee
            OR f.gross - f.fee IS DISTINCT FROM j.net OR f.user_id IS DISTINCT FROM j.user_id
        THEN format('execution %s: paid %s and booked %s, got %s and booked %s, fee %s and booked %s', f.execution_id,
            trim_scale(f.due), trim_scale(j.due), trim_scale(f.gross), trim_scale(j.gross), trim_scale(f.fee),
            trim_scale(j.fee)) END AS broken
    FROM (
        SELECT *, CASE side WHEN 'buy' THEN cost ELSE quantity END AS due,
            CASE side WHEN 'buy' THEN quantity ELSE cost END AS gross FROM fills
    ) f FULL JOIN (
        SELECT j.id, j.created_at, j.reference,
            coalesce(sum(e.amount) FILTER (WHERE e.account = 'venue' AND e.amount > 0), 0) AS due,
            coalesce(-sum(e.amount) FILTER (WHERE e.account = 'venue' AND e.amount < 0), 0) AS gross,
            coalesce(sum(e.amount) FILTER (WHERE e.account = 'fees'), 0) AS fee,
            coalesce(sum(e.amount) FILTER (WHERE e.account = 'available' AND e.amount > 0), 0) AS net,
            min(e.user_id::text)::uuid AS user_id
        FROM journals j LEFT JOIN entries e ON e.journal_id = j.id AND e.created_at = j.created_at
        WHERE j.kind = 'fill' GROUP BY j.id, j.created_at, j.reference
    ) j ON j.id = f.id AND j.created_at = f.created_at
    """,
)

ORDERS_ARE_FILLS = Law(
    key="I5",
    title="An order's filled quantity, cost and fee are the sums of its fills",
    subject="orders",
    sql="""
    SELECT CASE WHEN o.id IS NULL THEN format('fills of %s have no order', f.order_id)
        WHEN o.filled_quantity <> coalesce(f.quantity, 0) OR o.filled_cost <> coalesce(f.cost, 0)
            OR o.fee <> coalesce(f.fee, 0)
        THEN format('order %s says %s filled for %s, its fills say %s for %s', o.id, trim_scale(o.filled_quantity),
            trim_scale(o.filled_cost), trim_scale(f.quantity), trim_scale(f.cost)) END AS broken
    FROM orders o FULL JOIN (
        SELECT order_id, sum(quantity) AS quantity, sum(cost) AS cost, sum(fee) AS fee FROM fills GROUP BY order_id
    ) f ON f.order_id = o.id
    """,
)

ORDERS_HOLD = Holder(
    name="orders", sql="SELECT user_id, hold_currency AS currency, held AS amount FROM orders WHERE held <> 0"
)

ENDED_HOLDS_NOTHING = Law(
    key="I7",
    title="An order that has ended holds nothing and waits for nothing",
    subject="ended orders",
    sql="""
    SELECT CASE WHEN held <> 0 THEN format('order %s is %s and holds %s %s', id, state, trim_scale(held), hold_currency)
        WHEN closing_state IS NOT NULL OR unknown_since IS NOT NULL
        THEN format('order %s is %s and still waits for the venue', id, state) END AS broken
    FROM orders WHERE finished_at IS NOT NULL
    """,
)

TRADING_LAWS: tuple[Law, ...] = (
    HOLDS_ARE_ORDERS,
    FILLS_ARE_JOURNALS,
    ORDERS_ARE_FILLS,
    ENDED_HOLDS_NOTHING,
)
