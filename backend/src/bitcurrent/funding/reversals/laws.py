"""The laws of refunds, disputes, lots and debts; asked by `ledger.verification.prove`."""

from bitcurrent.ledger.holders import Holder
from bitcurrent.ledger.verification import Law

LOTS_ARE_WHAT_WAS_TAKEN_BACK = Law(
    key="D2",
    title="No more is refunded of a deposit than the card paid, and lots know of every refund and dispute",
    subject="card deposits",
    sql="""
    SELECT CASE WHEN coalesce(r.done, 0) > l.amount
        THEN format('deposit %s: paid %s and refunded %s', l.id, trim_scale(l.amount), trim_scale(r.done))
        WHEN l.refunded <> coalesce(r.ours, 0) OR l.refunded_elsewhere <> coalesce(r.foreign_ones, 0)
        THEN format('deposit %s: refunded %s and %s elsewhere, refunds say %s and %s', l.id, trim_scale(l.refunded),
            trim_scale(l.refunded_elsewhere), trim_scale(coalesce(r.ours, 0)), trim_scale(coalesce(r.foreign_ones, 0)))
        WHEN l.disputed <> coalesce(d.claim, 0)
        THEN format('deposit %s: disputed %s, disputes say %s', l.id, trim_scale(l.disputed),
            trim_scale(coalesce(d.claim, 0))) END AS broken
    FROM lots l LEFT JOIN (
        SELECT lot_id, sum(amount) FILTER (WHERE state = 'succeeded') AS done,
            sum(amount) FILTER (WHERE origin <> 'processor' AND state <> 'failed') AS ours,
            sum(amount) FILTER (WHERE origin = 'processor' AND taken AND state <> 'failed') AS foreign_ones
        FROM refunds GROUP BY lot_id
    ) r ON r.lot_id = l.id LEFT JOIN (
        SELECT lot_id, sum(greatest(withdrawn - reinstated, 0)) AS claim FROM disputes GROUP BY lot_id
    ) d ON d.lot_id = l.id
    """,
)

DISPUTES_ARE_COVERED = Law(
    key="D1",
    title="What disputes took is locked, taken or owed, to the cent",
    subject="causes of debts",
    sql="""
    SELECT CASE WHEN c.id IS NULL THEN format('debt %s has no cause', d.id)
        WHEN c.user_id <> d.user_id OR c.currency <> d.currency THEN format('debt %s is somebody else''s', d.id)
        WHEN c.claim <> c.covered + coalesce(d.amount, 0)
        THEN format('%s %s took %s: %s is covered and %s is owed', c.cause, c.id, trim_scale(c.claim),
            trim_scale(c.covered), trim_scale(coalesce(d.amount, 0))) END AS broken
    FROM (
        SELECT 'dispute' AS cause, id, user_id, currency, greatest(withdrawn - reinstated, 0) AS claim,
            locked + taken AS covered FROM disputes
        UNION ALL
        SELECT 'refund', id, user_id, currency, shortfall, 0 FROM refunds WHERE origin = 'processor'
    ) c FULL JOIN debts d ON d.cause = c.cause AND d.cause_id = c.id
    """,
)

HOUSE_DISPUTES = Law(
    key="D1",
    title="The account disputes is what was taken from us and nobody has paid yet",
    subject="currencies",
    sql="""
    SELECT CASE WHEN coalesce(h.balance, 0) + coalesce(o.outside, 0) <> 0
        THEN format('disputes of %s stand at %s, and %s is outstanding', currency, trim_scale(coalesce(h.balance, 0)),
            trim_scale(coalesce(o.outside, 0))) END AS broken
    FROM (SELECT currency, balance FROM house_accounts WHERE account = 'disputes') h FULL JOIN (
        SELECT currency, sum(amount) AS outside FROM (
            SELECT currency, withdrawn - reinstated - taken AS amount FROM disputes
            UNION ALL SELECT currency, shortfall FROM refunds
            UNION ALL SELECT currency, -collected - written_off FROM debts
        ) parts GROUP BY currency
    ) o USING (currency)
    """,
)

REVERSAL_LAWS: tuple[Law, ...] = (LOTS_ARE_WHAT_WAS_TAKEN_BACK, DISPUTES_ARE_COVERED, HOUSE_DISPUTES)

REFUNDS_HOLD = Holder(name="refunds", sql="SELECT user_id, currency, held AS amount FROM refunds WHERE held <> 0")
DISPUTES_HOLD = Holder(
    name="disputes", sql="SELECT user_id, currency, locked AS amount FROM disputes WHERE locked <> 0"
)
REVERSAL_HOLDERS = (REFUNDS_HOLD, DISPUTES_HOLD)
